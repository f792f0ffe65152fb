# SPDX-License-Identifier: BSD-3-Clause
"""Stacks of masked images against the cases of the reference (topic ``stack``).

Both sides sum in float64 and round once to float32, so a value may differ by one unit in the last
place of the largest input (2e-7 of it); its squared error by the same share of itself, and by the
rounding of the float64 sums (1e-12 of the square of the largest input).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd.image import MaskedImage
from deepcoadd.statistics import StatsOptions, stack

Arrays = dict[str, Any]


def options_of(params: dict[str, Any]) -> StatsOptions:
    return StatsOptions(
        sigma_clip=params["numSigmaClip"],
        n_iter=params["numIter"],
        bad_bits=params["andMask"],
        no_data_bits=params["noGoodPixelsMask"],
        nan_safe=params["nanSafe"],
        weighted=params["weights"] != "none",
        error_from_input_variance=params["calcErrorFromInputVariance"],
        error_mosaic_mode=params["calcErrorMosaicMode"],
        propagation_thresholds={
            int(bit): t for bit, t in params["maskPropagationThresholds"].items()
        },
    )


def case_is_corrected(params: dict[str, Any], arrays: Arrays) -> str | None:
    """Deviation that changes a whole case, or None."""
    if np.any(arrays["in_weights"] == 0) and params["weights"].startswith("vector"):
        return "A-5: samples of weight zero are absent"
    if params["numSigmaClip"] < 1.35 and params["statistic"].endswith("CLIP"):
        return "A-7: a pass that keeps fewer than two samples"
    return None


def pixels_as_reference(params: dict[str, Any], arrays: Arrays) -> NDArray[np.bool_]:
    """Pixels that no deviation changes."""
    image, mask, variance = (arrays[f"in_{p}"] for p in ("image", "mask", "variance"))
    unmasked = mask & params["andMask"] == 0
    same = np.ones(image.shape[1:], bool)
    if params["weights"] == "variance":
        # samples without a variance > 0 are rejected
        used = unmasked & np.isfinite(image)
        same &= ~np.any(used & ~(np.isfinite(variance) & (variance > 0)), axis=0)
    if not params["nanSafe"]:
        # a sample that is not finite makes the pixel NaN
        same &= ~np.any(unmasked & np.isinf(image), axis=0)
    return same


def test_stacks_agree_with_the_reference(golden: Any) -> None:
    planes_compared = planes_due = pixels = pixels_due = 0
    for name, params, arrays in golden("stack"):
        reason = case_is_corrected(params, arrays)
        if reason is not None:
            print(f"{name} left out: {reason}")
            continue
        images = [
            MaskedImage.from_arrays(*planes)
            for planes in zip(
                arrays["in_image"], arrays["in_mask"], arrays["in_variance"], strict=True
            )
        ]
        result = stack(
            images,
            params["statistic"],
            options_of(params),
            arrays["in_weights"] if params["weights"].startswith("vector") else None,
            clipped_bits=params["clipped"],
            mask_map=params["maskMap"] or (),
            excuse=(params["excuse"] or 0) if params["maskMap"] is None else None,
        )
        same = pixels_as_reference(params, arrays)
        planes_due += 3
        pixels_due += same.size
        pixels += int(same.sum())
        np.testing.assert_array_equal(result.mask[same], arrays["out_mask"][same], err_msg=name)
        planes_compared += 1
        finite = np.where(np.isfinite(arrays["in_image"]), np.abs(arrays["in_image"]), 0.0)
        largest = finite.max(axis=0).astype(float)[same]
        power = {"SUM": params["n"] * largest, "VARIANCE": largest**2, "MEANSQUARE": largest**2}
        scale = power.get(params["statistic"], largest)
        assert_close(result.image[same], arrays["out_image"][same], 2e-7 * scale, name)
        planes_compared += 1
        if params["statistic"] == "VARIANCECLIP":
            print(f"{name} variance plane left out: A-2")
            planes_due -= 1
            continue
        if params["statistic"] == "MEANSQUARE":
            print(f"{name} variance plane left out: A-3")
            planes_due -= 1
            continue
        theirs = arrays["out_variance"][same].astype(float)
        # weights 1 / variance are float32 in the reference: half a unit each
        share = 3e-7 if params["weights"] == "variance" else 2e-7
        tolerance = share * np.abs(theirs) + 1e-12 * largest**2
        assert_close(result.variance[same], theirs, tolerance, name)
        planes_compared += 1
    print(f"{planes_compared} planes of {planes_due} compared, {pixels / pixels_due:.1%} of pixels")
    assert planes_due > 0
    assert planes_compared >= 0.9 * planes_due
    assert pixels >= 0.9 * pixels_due


def assert_close(ours: Any, theirs: Any, tolerance: Any, name: str) -> None:
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    equal = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        close = equal | (np.abs(ours - theirs) <= tolerance)
    assert close.all(), (name, ours[~close][:5], theirs[~close][:5])

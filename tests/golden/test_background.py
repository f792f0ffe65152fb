# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds against the cases of the reference (topic ``background``).

Bin statistics are equal, their errors to the rounding of float32 (the reference stores sigma, we
its square: deviation B-1, two roundings). Images agree to two roundings of the largest pixel: the
curve is evaluated in float64 by both, in another order of terms. Left out by rule: piecewise
constant images, which the reference shifts by half a bin (B-3), and polynomials of which the bins
do not determine all terms (B-7), where ours raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, MaskedImage
from deepcoadd._core import background as core
from deepcoadd.background import BackgroundModel, BackgroundOptions
from deepcoadd.errors import DeepcoaddError
from deepcoadd.statistics import Property, StatsOptions

STYLES = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "CUBIC_SPLINE", "AKIMA_SPLINE")
ROUNDING = 1.2e-7


def binned(params: dict[str, Any], arrays: dict[str, Any]) -> tuple[MaskedImage, Any, Any]:
    x0, y0 = params["xy0"]
    planes = [arrays.get(f"in_{plane}") for plane in ("image", "mask", "variance")]
    pixels = MaskedImage.from_arrays(*planes, start=(y0, x0))
    options = StatsOptions(
        bad_bits=params["andMask"], sigma_clip=params["numSigmaClip"], n_iter=params["numIter"]
    )
    values, squares = core.bin_statistics(
        pixels.image.array,
        pixels.mask.array,
        pixels.variance.array,
        bins=(params["nySample"], params["nxSample"]),
        property=int(Property.parse(params["property"])),
        options=options.core_options(),
    )
    return pixels, values, squares


def assert_image(ours: Any, theirs: Any, name: str) -> None:
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), err_msg=name)
    if not np.isnan(theirs).all():
        largest = np.nanmax(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * ROUNDING * largest, err_msg=name)


def rank_is_full(values: Any, centers: Any, order: int) -> bool:
    """Whether the good bins determine all terms of a total degree."""
    rows, columns = np.nonzero(np.isfinite(values))
    if not rows.size:
        return False
    y, x = (c[k] / max(np.abs(c).max(), 1) for c, k in zip(centers, (rows, columns), strict=True))
    terms = [y**j * x**i for j in range(order + 1) for i in range(order + 1 - j)]
    return bool(np.linalg.matrix_rank(np.stack(terms), tol=1e-10) == len(terms))


def check_case(name: str, params: dict[str, Any], arrays: dict[str, Any]) -> tuple[int, int]:
    """Numbers of arrays compared and left out by rule."""
    pixels, values, squares = binned(params, arrays)
    np.testing.assert_array_equal(values, arrays["out_stats"], err_msg=name)
    sigma = np.sqrt(squares.astype(float))
    np.testing.assert_allclose(sigma, arrays["out_stats_variance"], rtol=2 * ROUNDING)
    y, x = BackgroundModel(values, squares, pixels.box, BackgroundOptions()).centers()
    np.testing.assert_array_equal(x, arrays["out_xcen"])
    np.testing.assert_array_equal(y, arrays["out_ycen"])
    compared, left_out = 4, 0
    sub = dict(zip(("x0", "y0", "x1", "y1"), params["subbox"], strict=True))
    for key, theirs in arrays.items():
        kind, _, rest = key.removeprefix("out_").partition("_")
        box = Box.from_corners(**sub) if rest.endswith("_sub") else pixels.box
        if kind == "img":
            style = next(s for s in STYLES if rest.startswith(s))
            reduce = rest.endswith("_REDUCE")
            if style == "CONSTANT" or (reduce and min(values.shape) < 2):
                left_out += 1
                continue
            under = "REDUCE_INTERP_ORDER" if reduce else "THROW_EXCEPTION"
            options = BackgroundOptions(algorithm=style, undersample_style=under)
            model = BackgroundModel(values, squares, pixels.box, options)
        elif kind == "approx" and rest[0] == rest[2]:
            order, weighting = int(rest[0]), rest.endswith("w1")
            options = BackgroundOptions(
                use_approx=True,
                approx_order=order,
                weighting=weighting,
                undersample_style="THROW_EXCEPTION",
            )
            # The weights of the reference are 1 / sigma.
            model = BackgroundModel(values, arrays["out_stats_variance"], pixels.box, options)
            if not rank_is_full(values, (y - y.mean(), x - x.mean()), order):
                left_out += 1
                with pytest.raises(DeepcoaddError):
                    model.image()
                continue
        else:
            continue
        assert_image(model.image(box).array, theirs, f"{name} {key}")
        compared += 1
    return compared, left_out


def test_bins_and_images_agree_with_the_reference(golden: Any) -> None:
    compared = left_out = outputs = 0
    for name, params, arrays in golden("background"):
        if "out_stats" not in arrays:
            continue
        # The mask of the statistics is never used, and periodic curves are not offered (B-4).
        outputs += sum(
            key.startswith(("out_stats", "out_xcen", "out_ycen", "out_img", "out_approx"))
            and "mask" not in key
            for key in arrays
        )
        done = check_case(name, params, arrays)
        compared, left_out = compared + done[0], left_out + done[1]
    print(f"{compared} of {outputs} arrays compared, {left_out} left out by rule")
    assert compared == outputs - left_out > 0

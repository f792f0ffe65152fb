# SPDX-License-Identifier: BSD-3-Clause
"""Superpixels over detectors against the cases of the reference (topic ``focalplane``).

Numbers of pixels are equal, sums to float32 (the reference keeps them so), but where a corner of a
superpixel lies exactly between two pixels and rounding decides on which side: there up to a tenth
of the superpixels may differ. Everything after that starts from the sums of the reference. The
background of a detector is sampled by the reference at positions half a pixel too high (C-9), so it
is our sampling at its positions that is compared with its bins, and our image of its bins with its
image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    AffineTransform,
    BackgroundModel,
    BackgroundOptions,
    SuperpixelBackground,
    SuperpixelOptions,
)

ROUNDING = 1.2e-7


def superpixels(params: dict[str, Any], arrays: dict[str, Any]) -> Any:
    config = params["config"]
    options = SuperpixelOptions(
        y_size=config["ySize"],
        x_size=config["xSize"],
        pixel_size=config["pixelSize"],
        min_fraction=config["minFrac"],
        ignored_planes=tuple(config["mask"]),
        fill=config["interpolation"],
        algorithm=config["interpolation"],
        smooth=config["smoothScale"] if config["doSmooth"] else 0.0,
        binning=config["binning"],
    )
    detectors = []
    for detector in params["detectors"]:
        x0, y0, width, height = detector["bbox"]
        transform = AffineTransform(tuple(tuple(row) for row in detector["pixels_to_focal"]))
        detectors.append((Box.from_shape((height, width), start=(y0, x0)), transform))
    grid = SuperpixelBackground.covering(detectors, options)
    (sx, _, cx), (_, sy, cy) = arrays["out_transform"]
    np.testing.assert_allclose((*options.scale, *grid.offset), (sy, sx, cy, cx), rtol=1e-14)
    # Corners of superpixels lie just between two pixels, where rounding decides.
    grid.offset = (float(cy), float(cx))
    for k, (box, transform) in enumerate(detectors):
        planes = (arrays[f"in_image_{k}"], arrays[f"in_mask_{k}"], 9.0)
        grid.add(MaskedImage.from_arrays(*planes, box=box), transform)
    return grid, detectors


def at_ties(grid: SuperpixelBackground, detectors: Any) -> Any:
    """Superpixels of which a corner lies between two pixels of a detector, to rounding."""
    j, i = np.indices(grid.numbers.shape, np.float64)
    (sy, sx), (oy, ox) = grid.options.scale, grid.offset
    out = np.zeros(grid.numbers.shape, bool)
    for _, transform in detectors:
        for s in (-0.5, 0.5):
            pixels = transform.to_pixels((j + s - oy) / sy, (i + s - ox) / sx)
            for v in pixels:
                out |= np.abs(v - np.floor(v) - 0.5) < 1e-9
    return out


def test_superpixels_agree_with_the_reference(golden: Any) -> None:
    compared = outputs = 0
    for name, params, arrays in golden("focalplane"):
        grid, detectors = superpixels(params, arrays)
        style, binning = params["config"]["interpolation"], params["config"]["binning"]
        differs = grid.numbers != arrays["out_numbers"]
        assert not (differs & ~at_ties(grid, detectors)).any(), name
        assert differs.sum() <= 0.1 * (arrays["out_numbers"] > 0).sum(), name
        limit = 4 * ROUNDING * np.abs(arrays["out_values"]).max()
        assert np.abs(grid.sums - arrays["out_values"])[~differs].max() <= limit, name
        grid.numbers = arrays["out_numbers"].astype(float)
        grid.sums = arrays["out_values"].astype(float)
        stats = grid.statistics()
        double = grid.copy().merge(grid)
        ours: dict[str, tuple[Any, float]] = {
            "dims": (np.array(grid.numbers.shape[::-1]), 0.0),
            "merged_numbers": (double.numbers / 2, 0.0),
            "merged_values": (double.sums / 2, 4 * ROUNDING),
            "stats": (stats, 20 * ROUNDING),
        }
        outputs += 3
        compared += 3
        done = ("out_transform", "out_numbers", "out_values")
        for k, (box, transform) in enumerate(detectors):
            if f"out_bgstats_{k}" not in arrays:
                continue
            # The first pixel of a bin, and half a bin.
            y, x = (binning * (np.arange(n // binning) + 0.5) for n in box.shape)
            places = transform.to_frame(*np.meshgrid(y, x, indexing="ij"))
            values = grid.sample(stats, *places)
            outside = np.isnan(values)
            values[outside] = values[~outside].mean()
            ours[f"bgstats_{k}"] = (values, 20 * ROUNDING)
            ours[f"bgmask_{k}"] = (outside.astype(np.int32), 0.0)
            theirs = arrays[f"out_bgstats_{k}"]
            shape = BackgroundOptions(algorithm=style)
            if style != "CONSTANT":
                model = BackgroundModel(theirs, np.zeros_like(theirs), box, shape)
                ours[f"bg_{k}"] = (model.image().array, 4 * ROUNDING)
        for key in (k for k in arrays if k.startswith("out_") and k not in done):
            outputs += 1
            what, want = key.removeprefix("out_"), arrays[key]
            if what not in ours:
                continue
            got, tolerance = ours[what]
            atol = tolerance * np.nanmax(np.abs(want))
            np.testing.assert_allclose(got, want, rtol=0, atol=atol, err_msg=f"{name} {what}")
            compared += 1
    print(f"{compared} of {outputs} arrays compared")
    assert compared >= 0.9 * outputs > 0


def test_backgrounds_of_detectors_are_those_of_the_reference_half_a_pixel_on(golden: Any) -> None:
    n = 0
    for _, params, arrays in golden("focalplane"):
        grid, detectors = superpixels(params, arrays)
        for k, (box, transform) in enumerate(detectors):
            if f"out_bg_{k}" not in arrays:
                continue
            ours = grid.background(box, transform).image().array
            # Half a pixel of the steepest slope between bins, and the partial bins of the rest.
            theirs = arrays[f"out_bgstats_{k}"]
            steps = [np.abs(np.diff(theirs, axis=axis)).max() for axis in (0, 1)]
            binning = params["config"]["binning"]
            rest = max(side % binning for side in box.shape)
            limit = 3 * sum(steps) * (0.5 + rest) / binning
            assert np.abs(ours - arrays[f"out_bg_{k}"]).max() < limit
            n += 1
    assert n > 0

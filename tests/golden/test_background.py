# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds against the cases of the reference (topic ``background``).

Bin statistics are equal, their errors to the rounding of float32 (the reference stores sigma, we
its square: deviation B-1, two roundings). Images agree to two roundings of the largest pixel: the
curve is evaluated in float64 by both, in another order of terms. Left out by rule: of piecewise
constant images the pixels where the reference takes the mean of two bins (B-3), and polynomials of
which the bins do not determine all terms (B-7), where ours raises.
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


def unshifted(nodes: Any, length: int) -> Any:
    """Pixels of an axis where a node, and not the mean of two, is what the reference returns.

    Its steps lie at the middles between nodes and half an interval outside the outermost ones; the
    first two levels from the left are the first node, the last one is the last node.
    """
    if len(nodes) < 2:
        return np.ones(length, bool)
    t = np.arange(length)
    return (t < 0.5 * (nodes[0] + nodes[1])) | (t >= 1.5 * nodes[-1] - 0.5 * nodes[-2])


def constant_pixels(values: Any, centers: Any, box: Box) -> Any:
    """Pixels of a piecewise constant image that B-3 does not change."""
    (y, x), (height, width) = centers, box.shape
    y, x = y - box.y.start, x - box.x.start
    good = np.isfinite(values)
    columns = [unshifted(y[good[:, i]], height) for i in range(len(x)) if good[:, i].any()]
    rows = np.all(columns, axis=0) if columns else np.ones(height, bool)
    return np.outer(rows, unshifted(x[good.any(axis=0)], width))


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
        ours = model.image(box).array
        if kind == "img" and (style == "CONSTANT" or (reduce and min(values.shape) < 2)):
            same = constant_pixels(values, (y, x), pixels.box)[box.slices_within(pixels.box)]
            ours, theirs = ours[same], theirs[same]
            if not same.any():
                left_out += 1
                continue
        assert_image(ours, theirs, f"{name} {key}")
        compared += 1
    return compared, left_out


def test_what_the_reference_refuses_is_refused(golden: Any) -> None:
    n = 0
    for _, params, arrays in golden("background"):
        if "out_stats" not in arrays:
            continue
        pixels, values, squares = binned(params, arrays)
        for key in params["errors"]:
            style, _, under = key.rpartition("_")
            if style in STYLES and under == "THROW":
                options = BackgroundOptions(algorithm=style, undersample_style="THROW_EXCEPTION")
                with pytest.raises(DeepcoaddError, match="at least"):
                    BackgroundModel(values, squares, pixels.box, options).image()
                n += 1
    assert n > 0


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

# SPDX-License-Identifier: BSD-3-Clause
"""Superpixels laid over detectors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    AffineTransform,
    CallableTransform,
    SuperpixelBackground,
    SuperpixelOptions,
)
from deepcoadd.errors import NoDataError, OptionError, ShapeError

BOX = Box.from_shape((120, 160))
OPTIONS = SuperpixelOptions(y_size=0.4, x_size=0.4, pixel_size=0.01, binning=8)
TRANSFORMS = (
    AffineTransform(((0.01, 0.0, 0.0), (0.0, 0.01, 0.0))),
    AffineTransform(((0.0, -0.01, 3.0), (0.01, 0.0, 0.2))),
)


def scene(transform: AffineTransform) -> MaskedImage:
    """A plane in the frame, seen by a detector."""
    y, x = transform.to_frame(*np.indices(BOX.shape).astype(float))
    return MaskedImage.from_arrays(100 + 3 * x - 2 * y, None, 1.0)


def filled(**options: object) -> SuperpixelBackground:
    detectors = [(BOX, transform) for transform in TRANSFORMS]
    grid = SuperpixelBackground.covering(detectors, replace(OPTIONS, **options))
    for transform in TRANSFORMS:
        grid.add(scene(transform), transform)
    return grid


def test_a_plane_over_detectors_is_a_plane():
    grid = filled(fill="LINEAR", algorithm="LINEAR")
    for transform in TRANSFORMS:
        model = grid.background(BOX, transform)
        assert model.values.shape == (15, 20)
        truth = scene(transform).image.array
        # Superpixels at the edge are filled by pixels on one side: half a superpixel of slope.
        inside = (slice(50, 70), slice(50, 110))
        difference = model.image().array - truth
        assert np.abs(difference[inside]).max() < 0.1
        assert np.abs(difference).max() < 0.5 * 0.4 * (3 + 2)


def test_transforms_there_and_back():
    y, x = np.random.default_rng(0).uniform(-100, 100, (2, 50))
    for transform in TRANSFORMS:
        for got, want in zip(transform.to_pixels(*transform.to_frame(y, x)), (y, x), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-10)
    both = CallableTransform(TRANSFORMS[1].to_frame, TRANSFORMS[1].to_pixels)
    one, two = filled(), filled()
    one.add(scene(TRANSFORMS[1]), TRANSFORMS[1])
    two.add(scene(TRANSFORMS[1]), both)
    assert abs(one.numbers - two.numbers).max() <= 2 * 160
    with pytest.raises(OptionError, match="cannot be inverted"):
        AffineTransform(((1.0, 1.0, 0.0), (1.0, 1.0, 0.0)))


def test_bad_pixels_and_bad_superpixels():
    grid = SuperpixelBackground.covering([(BOX, TRANSFORMS[0])], OPTIONS)
    pixels = scene(TRANSFORMS[0])
    pixels.mask.set("DETECTED", (slice(0, 60), slice(0, 160)))
    pixels.image.array[:60] = np.nan
    grid.add(pixels, TRANSFORMS[0])
    statistics = grid.statistics()
    low, high = grid.means()[grid.good].min(), grid.means()[grid.good].max()
    assert low <= statistics.min() <= statistics.max() <= high
    assert np.isfinite(grid.variances()[grid.good]).all()
    assert low <= grid.level() <= high


def test_merged_grids_are_those_of_all_detectors():
    detectors = [(BOX, transform) for transform in TRANSFORMS]
    parts = [SuperpixelBackground.covering(detectors, OPTIONS) for _ in TRANSFORMS]
    for part, transform in zip(parts, TRANSFORMS, strict=True):
        part.add(scene(transform), transform)
    whole = parts[0].copy().merge(parts[1])
    np.testing.assert_allclose(whole.statistics(), filled().statistics(), rtol=1e-14)
    other = SuperpixelBackground.covering(detectors[:1], OPTIONS)
    with pytest.raises(ShapeError, match=r"must be .* to be merged"):
        whole.merge(other)


def test_grids_without_data():
    with pytest.raises(NoDataError, match="no detectors"):
        SuperpixelBackground.covering([], OPTIONS)
    grid = SuperpixelBackground.covering([(BOX, TRANSFORMS[0])], OPTIONS)
    with pytest.raises(NoDataError, match="none holds 160 good pixels; the fullest has 0"):
        grid.statistics()
    grid.add(scene(TRANSFORMS[0]), TRANSFORMS[0])
    far = AffineTransform(((0.01, 0.0, 100.0), (0.0, 0.01, 0.0)))
    with pytest.raises(NoDataError, match="outside the grid"):
        grid.background(BOX, far)
    before = grid.numbers.copy()
    grid.add(scene(TRANSFORMS[0]), far)
    np.testing.assert_array_equal(grid.numbers, before)
    with pytest.raises(ShapeError, match="no pixels"):
        grid.add(MaskedImage.from_arrays(np.zeros((0, 0)), None, 1.0), TRANSFORMS[0])


def test_smoothing_reaches_bad_superpixels():
    smooth = filled(smooth=1.0).statistics()
    rough = filled().statistics()
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(rough, axis=0)).mean()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_size", 0.0),
        ("pixel_size", math.nan),
        ("min_fraction", -0.1),
        ("fill", "MEAN"),
        ("algorithm", "INPAINT"),
        ("smooth", math.inf),
        ("binning", 0),
    ],
)
def test_wrong_options_are_named(name: str, value: object):
    with pytest.raises(OptionError, match=f"^{name}: got {value!r}"):
        SuperpixelOptions(**{"y_size": 1.0, "x_size": 1.0, name: value})

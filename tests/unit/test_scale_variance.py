# SPDX-License-Identifier: BSD-3-Clause
"""Variances scaled to the scatter of the pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.errors import (
    ExceedsMaxVarianceScaleError,
    OptionError,
    ShapeError,
    TooManyMaskedPixelsError,
)
from deepcoadd.scale_variance import ScaleVarianceOptions, scale_factors, scale_variance


def noise(sigma: float = 1.0, variance: Any = 1.0, shape: tuple[int, int] = (200, 200)) -> Any:
    image = np.random.default_rng(5).normal(0.0, sigma, shape)
    return MaskedImage.from_arrays(image, None, variance)


def test_noise_gives_its_variance():
    """(0.74 / 0.741301)^2 = 0.9965 times the scatter.

    The inter-quartile range of n Gaussian pixels has the relative error 1.17 / sqrt(n), its square
    twice that: 1.2 % for 40000. Five of these is one false alarm in two million. Bins of 32 pixels
    take off less than 1 % of the scatter.
    """
    for sigma in (0.5, 1.0, 2.5):
        pixels = noise(sigma)
        factor = scale_variance(pixels)
        assert abs(factor / (0.9965 * sigma**2) - 1) < 0.01 + 5 * 0.012
        np.testing.assert_array_equal(pixels.variance.array, np.float32(factor))


def test_image_and_mask_stay_as_they_are():
    pixels = noise()
    pixels.image.array += np.float32(1e4)
    before = pixels.copy()
    scale_variance(pixels)
    np.testing.assert_array_equal(pixels.image.array, before.image.array)
    np.testing.assert_array_equal(pixels.mask.array, before.mask.array)


def test_sources_and_bad_pixels_are_not_measured():
    clean = scale_factors(noise())
    pixels = noise()
    block = (slice(0, 200), slice(50, 60))
    pixels.image.array[block] = 1e5
    pixels.mask.set("DETECTED", block)
    pixels.image.array[100, ::7] = np.nan
    pixels.variance.array[120] = np.inf
    pixels.variance.array[121] = 0.0
    pixels.variance.array[122] = np.nan
    factors = scale_factors(pixels)
    assert factors.n_pixels == 200 * 190 - 190 * 3 - np.isnan(
        pixels.image.array[100, :50]
    ).sum() - (np.isnan(pixels.image.array[100, 60:]).sum())
    assert abs(factors.pixel / clean.pixel - 1) < 0.02


def test_the_image_factor_stands_in_for_a_pixel_factor_beyond_the_limit():
    """Scatter 4 at variance 1 in 60 % of the pixels, scatter 1 at variance 0.01 in the others.

    In units of the error that is a mixture of 4 and 10 with quartiles near 3.7, a factor of 30; the
    image is a mixture of 4 and 1 with quartiles at 1.4 and median variance 1: 4.3.
    """
    pixels = noise(1.0, np.ones((200, 200)))
    pixels.variance.array[:, :80] = 0.01
    pixels.image.array[:, 80:] *= 4
    factors = scale_factors(pixels)
    assert 25 < factors.pixel < 35
    assert 3.9 < factors.image < 4.7
    assert scale_variance(pixels) == factors.image


def test_too_large_a_factor_changes_nothing():
    pixels = noise(5.0)
    with pytest.raises(ExceedsMaxVarianceScaleError, match=r"must be above 0 and at most 10"):
        scale_variance(pixels)
    np.testing.assert_array_equal(pixels.variance.array, 1.0)
    flat = MaskedImage.from_arrays(np.ones((50, 50)), None, 1.0)
    with pytest.raises(ExceedsMaxVarianceScaleError, match="got 0 from pixels"):
        scale_variance(flat)


def test_a_single_good_pixel_gives_one():
    pixels = noise(shape=(40, 40))
    pixels.variance.array[...] = np.nan
    pixels.variance.array[7, 7] = 2.0
    assert scale_variance(pixels) == 1.0


def test_no_good_pixel():
    pixels = noise(shape=(40, 40))
    pixels.image.array[...] = np.nan
    with pytest.raises(TooManyMaskedPixelsError, match="none of 1600 pixels"):
        scale_variance(pixels)
    with pytest.raises(ShapeError, match="no pixels"):
        scale_variance(noise(shape=(0, 0)))


@pytest.mark.parametrize("name", ["limit", "iqr_to_sigma"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_wrong_options_are_named(name: str, value: float):
    with pytest.raises(OptionError, match=f"^{name}: got"):
        ScaleVarianceOptions(**{name: value})

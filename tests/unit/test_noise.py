# SPDX-License-Identifier: BSD-3-Clause
"""Noise measured from pixels against noise that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.errors import OptionError
from deepcoadd.noise import sample_noise
from deepcoadd.refs import ExposureRef


def noisy(shape: tuple[int, int], sigma: float, seed: int, sky: float = 0.0) -> MaskedImage:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(sky, sigma, shape).astype(np.float32)
    return MaskedImage.from_arrays(pixels, variance=sigma**2, start=(10, -5))


def test_measures_and_expects_the_noise_that_was_put_in() -> None:
    noise = sample_noise(noisy((512, 512), 3.0, seed=1))
    # The 15.87th percentile of n Gaussians scatters by sqrt(p (1 - p) / n) / pdf = 1.51 / sqrt(n)
    # sigma, the median by 1.25 / sqrt(n): together below 2 / sqrt(n) = 0.4 %; 5 sigma is 2 %.
    assert noise.residual.size == 512 * 512
    assert noise.measured == pytest.approx(3.0, rel=0.02)
    assert noise.expected == pytest.approx(3.0, rel=1e-6)
    assert noise.ratio == pytest.approx(1.0, rel=0.02)


def test_a_wrong_variance_shows_in_the_ratio() -> None:
    image = noisy((256, 256), 2.0, seed=2)
    image.variance.array *= 4.0
    noise = sample_noise(image)
    assert noise.ratio == pytest.approx(0.5, rel=0.04)
    assert noise.expected == pytest.approx(4.0, rel=1e-6)
    assert noise.measured == pytest.approx(2.0, rel=0.04)


def test_varying_depth_is_not_excess_noise() -> None:
    image = noisy((256, 256), 1.0, seed=10)
    image.image.array[:100] *= 5.0
    image.variance.array[:100] *= 25.0
    assert sample_noise(image).measured == pytest.approx(1.0, rel=0.03)


def test_sky_gradient_and_unmasked_sources_do_not_count_as_noise() -> None:
    image = noisy((512, 512), 1.0, seed=3)
    y, x = np.mgrid[:512, :512]
    image.image.array += (0.01 * x + 5.0).astype(np.float32)
    rng = np.random.default_rng(4)
    for cy, cx in rng.integers(20, 490, (60, 2)):
        star = 500.0 * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 4.0)
        image.image.array += star.astype(np.float32)
    # 60 stars cover about 2 % of the pixels: the lower side moves by a few per cent at most. The
    # gradient adds 0.01 * 32 / sqrt(12) = 0.09 sigma in quadrature, 0.4 %.
    assert sample_noise(image).measured == pytest.approx(1.0, rel=0.05)


def test_bad_pixels_are_left_out() -> None:
    image = noisy((64, 64), 1.0, seed=5)
    bad = np.zeros((64, 64), bool)
    bad[:, :20] = True
    image.image.array[bad] = 1e6
    image.mask.set("DETECTED", bad)
    image.image.array[:, 40] = np.nan
    image.variance.array[:, 41] = np.inf
    image.variance.array[:, 42] = 0.0
    noise = sample_noise(image)
    assert noise.residual.size == 64 * (64 - 23)
    assert np.abs(noise.residual).max() < 10


def test_no_good_pixel_gives_nan() -> None:
    noise = sample_noise(MaskedImage.no_data(Box.from_shape((40, 40))))
    assert noise.residual.size == 0
    assert all(math.isnan(v) for v in (noise.measured, noise.expected, noise.ratio))
    empty = MaskedImage.no_data(Box.from_shape((0, 0)))
    assert math.isnan(sample_noise(empty).measured)


def test_large_images_are_sampled_all_over() -> None:
    image = noisy((640, 640), 1.0, seed=6)
    image.image.array[320:] *= 3.0
    image.variance.array[320:] *= 9.0
    noise = sample_noise(image, max_cells=100)
    assert noise.residual.size == 100 * 32 * 32
    assert np.mean(noise.sigma > 2) == pytest.approx(0.5, abs=0.02)
    assert noise.ratio == pytest.approx(1.0, rel=0.03)


def test_a_reference_gives_what_its_pixels_give() -> None:
    image = noisy((300, 500), 1.0, seed=9)
    here, there = sample_noise(image), sample_noise(ExposureRef(Exposure(image)))
    np.testing.assert_array_equal(here.residual, there.residual)
    np.testing.assert_array_equal(here.sigma, there.sigma)


def test_an_image_below_one_cell_is_one_cell() -> None:
    assert sample_noise(noisy((20, 20), 1.0, seed=7)).residual.size == 400


@pytest.mark.parametrize(
    ("options", "message"), [({"cell": 1}, "cell = 1"), ({"max_cells": 0}, "max_cells = 0")]
)
def test_wrong_options(options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        sample_noise(noisy((64, 64), 1.0, seed=8), **options)

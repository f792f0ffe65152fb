# SPDX-License-Identifier: BSD-3-Clause
"""Kernels and the convolution of images, on small images and wrong arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, Image, MaskedImage
from deepcoadd.convolve import convolve_separable, gaussian_taps, kernel_width, smooth
from deepcoadd.errors import OptionError, ShapeError


def noise(shape: tuple[int, int], seed: int = 1) -> MaskedImage:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype(np.float32)
    return MaskedImage.from_arrays(image, None, 1.0, start=(-3, 5))


def test_widths_of_known_kernels():
    sigmas = {1.5: 5, 1.8: 6, 2.0: 7, 2.2: 7, 2.5: 9, 3.27: 11}
    assert {sigma: kernel_width(sigma) // 2 for sigma in sigmas} == sigmas
    assert kernel_width(2.0) == 15
    assert kernel_width(0.01) == 1


def test_noise_of_the_smoothed_image():
    """Sum of squares of the kernel, to the digits given; 1 / (4 pi s^2) for an endless one."""
    for sigma, exact, endless in ((1.5, 0.035394, 0.035368), (2.0, 0.019906, 0.019894)):
        total = np.sum(gaussian_taps(sigma, kernel_width(sigma)) ** 2) ** 2
        assert abs(total - exact) < 5e-7
        assert abs(total - endless) < 4e-5
    flat = smooth(noise((60, 60)), 2.0)
    np.testing.assert_allclose(flat.variance.array, 0.019906, rtol=3e-5)


def test_box_and_planes():
    pixels = noise((40, 50))
    pixels.mask.set("SAT", (slice(20, 21), slice(30, 31)))
    out = smooth(pixels, 1.5)
    assert out.box == pixels.box.dilated_by(-5)
    hit = np.argwhere(out.mask.array)
    assert hit.min(axis=0).tolist() == [10, 20]
    assert hit.max(axis=0).tolist() == [20, 30]
    assert len(hit) == 121
    assert out.mask.has("SAT").sum() == 121


def test_kernels_are_not_flipped_and_even_ones_lean_left():
    image = Image(np.zeros((6, 8), np.float32), Box.from_shape((6, 8), start=(10, -4)))
    image.array[3, 4] = 1.0
    out = convolve_separable(image, [0.0, 0.0, 1.0], [0.25, 1.0])
    assert isinstance(out, Image)
    assert (out.box.y.min, out.box.y.max, out.box.x.min, out.box.x.max) == (11, 14, -4, 2)
    expected = np.zeros((4, 7), np.float32)
    expected[1, 3:5] = [1.0, 0.25]
    np.testing.assert_array_equal(out.array, expected)


def test_taps_of_zero_spread_nothing():
    pixels = noise((9, 9))
    pixels.image.array[4, 4] = np.nan
    pixels.variance.array[4, 4] = np.inf
    pixels.mask.array[4, 4] = 1
    out = convolve_separable(pixels, [1.0, 0.0, 1.0], [1.0])
    bad = np.zeros((7, 9), bool)
    bad[[2, 4], 4] = True
    np.testing.assert_array_equal(np.isnan(out.image.array), bad)
    np.testing.assert_array_equal(np.isinf(out.variance.array), bad)
    np.testing.assert_array_equal(out.mask.array != 0, bad)


@pytest.mark.parametrize("view", [np.s_[:, ::2], np.s_[::-1], np.s_[::3, 5:]])
def test_views_give_what_copies_give(view: Any):
    planes = noise((90, 80))
    cut = [plane.array[view] for plane in (planes.image, planes.mask, planes.variance)]
    ours = smooth(MaskedImage.from_arrays(*cut), 1.5)
    copies = smooth(MaskedImage.from_arrays(*(plane.copy() for plane in cut)), 1.5)
    np.testing.assert_array_equal(ours.image.array, copies.image.array)
    np.testing.assert_array_equal(ours.variance.array, copies.variance.array)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf, 1e300])
def test_wrong_sigmas_are_named(sigma: float):
    for call in (lambda: kernel_width(sigma), lambda: smooth(noise((20, 20)), sigma)):
        with pytest.raises(OptionError, match=r"^sigma: got"):
            call()


@pytest.mark.parametrize("width", [0, 2, -1, 2**60 + 1])
def test_wrong_widths_are_named(width: int):
    with pytest.raises(OptionError, match=r"^width: got"):
        gaussian_taps(1.0, width)


@pytest.mark.parametrize("shape", [(14, 40), (40, 14), (0, 0)])
def test_images_smaller_than_the_kernel_are_refused(shape: tuple[int, int]):
    with pytest.raises(ShapeError, match=r"image: got shape .*must be at least \(15, 15\)"):
        smooth(noise(shape), 2.0)


def test_wrong_taps_are_named():
    pixels = noise((9, 9))
    with pytest.raises(OptionError, match="taps_x: got NaN, must be finite"):
        convolve_separable(pixels, [1.0], [np.nan])
    for taps in ([], [[1.0]], 1.0):
        with pytest.raises(ShapeError, match="taps_y: got shape"):
            convolve_separable(pixels, taps, [1.0])
    wide = Image(np.zeros((9, 9)))
    with pytest.raises(OptionError, match=r"image: got .*float64"):
        convolve_separable(wide, [1.0], [1.0])


def test_masks_that_nobody_looks_at_are_left_out():
    pixels = noise((40, 50))
    pixels.mask.set("SAT", (slice(20, 21), slice(30, 31)))
    whole, bare = smooth(pixels, 1.5), smooth(pixels, 1.5, with_mask=False)
    assert whole.mask.array.any()
    assert not bare.mask.array.any()
    assert bare.mask.planes == pixels.planes
    np.testing.assert_array_equal(bare.image.array, whole.image.array)
    np.testing.assert_array_equal(bare.variance.array, whole.variance.array)

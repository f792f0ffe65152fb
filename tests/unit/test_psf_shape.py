# SPDX-License-Identifier: BSD-3-Clause
"""Sizes and shapes of PSF models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepcoadd import Box, Image
from deepcoadd.errors import NoDataError, ShapeError
from deepcoadd.psf import (
    DoubleGaussianPsf,
    FixedKernel,
    GaussianPsf,
    KernelPsf,
    MissingPsf,
    adaptive_shape,
    determinant_radius,
    psf_shape,
)


def gaussian(yy: float, xx: float, xy: float, side: int = 61) -> Image:
    half = side // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    det = yy * xx - xy * xy
    exponent = (xx * y * y - 2 * xy * x * y + yy * x * x) / det
    return Image(np.exp(-0.5 * exponent), Box.from_shape((side, side), start=(-half, -half)))


@pytest.mark.parametrize(("yy", "xx", "xy"), [(4.0, 4.0, 0.0), (9.0, 4.0, 2.5), (2.0, 20.0, -3.0)])
def test_gaussians_have_their_own_moments(yy: float, xx: float, xy: float):
    """The iteration stops when moments change by less than 1e-4."""
    shape = adaptive_shape(gaussian(yy, xx, xy))
    assert shape.adaptive
    np.testing.assert_allclose(
        (shape.yy, shape.xx, shape.xy), (yy, xx, xy), atol=1e-4 * max(yy, xx)
    )
    radius = (yy * xx - xy * xy) ** 0.25
    assert math.isclose(shape.determinant_radius, radius, rel_tol=1e-4)


def test_the_centre_may_lie_anywhere():
    image = gaussian(4.0, 5.0, 1.0)
    moved = Image(image.array, image.box.shifted_by(y=100, x=-3))
    assert adaptive_shape(moved, y=100.0, x=-3.0) == adaptive_shape(image)


def test_undersampled_objects_are_about_as_large_as_a_pixel():
    """Below sigma 0.5 pixels are cut in 16 parts; only the middle one has weight in the end.

    The parts have the moment 5/64, and 1 / (64/5 - 1/w) = w has the solution w = 5/32.
    """
    shape = adaptive_shape(gaussian(0.16, 0.16, 0.0, 9))
    assert shape.adaptive
    assert 5 / 64 < shape.xx < 5 / 32


def test_a_point_has_no_size():
    image = Image(np.zeros((9, 9)), Box.from_shape((9, 9), start=(-4, -4)))
    image.array[4, 4] = 1.0
    assert not adaptive_shape(image).adaptive
    with pytest.raises(NoDataError, match="its size is nan"):
        determinant_radius(KernelPsf(FixedKernel(image.array)))


def test_wings_count_less_than_the_core():
    psf = DoubleGaussianPsf((51, 51), 2.0, 6.0, 0.05)
    assert 2.0 < determinant_radius(psf) < 3.0


def test_gaussian_psfs_know_their_width():
    psf = GaussianPsf((25, 25), 2.0)
    assert determinant_radius(psf) == 2.0
    assert psf_shape(psf)[:3] == (4.0, 4.0, 0.0)
    sampled = KernelPsf(FixedKernel(psf.kernel_image().array))
    assert math.isclose(determinant_radius(sampled), 2.0, rel_tol=3e-4)


def test_images_without_a_shape_give_plain_moments():
    shape = adaptive_shape(Image(np.full((5, 5), -1.0), Box.from_shape((5, 5), start=(-2, -2))))
    assert not shape.adaptive
    assert (shape.yy, shape.xx, shape.xy) == (2.0, 2.0, 0.0)
    empty = adaptive_shape(Image(np.zeros((3, 3))))
    assert math.isnan(empty.determinant_radius)
    with pytest.raises(ShapeError, match="no pixels"):
        adaptive_shape(Image(np.zeros((0, 0))))


def test_placeholders_have_no_size():
    with pytest.raises(NoDataError, match="PiffPsf"):
        determinant_radius(MissingPsf("PiffPsf"))

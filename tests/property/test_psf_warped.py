# SPDX-License-Identifier: BSD-3-Clause
"""Warped and coadded PSFs under any affine map that a camera may have."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.geometry import Box
from deepcoadd.psf import AffineTransform, CoaddPsf, CoaddPsfInput, GaussianPsf, WarpedPsf

KERNELS = st.sampled_from(["lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"])
POSITIONS = st.floats(-500, 500)
SIGMAS = st.floats(1.2, 3.0)


@st.composite
def maps(draw: st.DrawFn) -> AffineTransform:
    """Rotations, flips, scales of 0.5 to 2, shears of up to a tenth, shifts."""
    angle, scale = draw(st.floats(-math.pi, math.pi)), draw(st.floats(0.5, 2.0))
    shear, flip = draw(st.floats(-0.1, 0.1)), draw(st.sampled_from([-1.0, 1.0]))
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return AffineTransform(
        (flip * c, shear * c - s, draw(POSITIONS), flip * s, shear * s + c, draw(POSITIONS))
    )


@given(transform=maps(), sigma=SIGMAS, kernel=KERNELS, y=POSITIONS, x=POSITIONS)
def test_images_are_odd_centred_and_of_sum_1(
    transform: AffineTransform, sigma: float, kernel: str, y: float, x: float
) -> None:
    psf = WarpedPsf(GaussianPsf((25, 25), sigma), transform, kernel)
    image = psf.kernel_image(y=y, x=x)
    assert all(side % 2 for side in image.array.shape)
    assert image.box.start == tuple(-(side // 2) for side in image.array.shape)
    assert psf.size_at(y=y, x=x) == image.array.shape
    assert abs(image.array.sum() - 1) < 1e-12


@given(transform=maps(), sigma=SIGMAS, y=POSITIONS, x=POSITIONS, dy=st.integers(-99, 99))
def test_moving_the_destination_moves_the_psf_along(
    transform: AffineTransform, sigma: float, y: float, x: float, dy: int
) -> None:
    """Whole pixels; positions half-way between two are left out: rounding may turn them over."""
    source = [float(value) for value in transform.inverse(round(y), round(x))]
    if min(abs(value % 1 - 0.5) for value in (y, x, *source)) < 1e-6:
        return
    psf = GaussianPsf((25, 25), sigma)
    here = WarpedPsf(psf, transform).kernel_image(y=y, x=x)
    there = WarpedPsf(psf, transform.shifted_by(y=dy, x=-dy)).kernel_image(y=y + dy, x=x - dy)
    if here.array.shape != there.array.shape:
        return  # a side that is a whole number to the last bit
    np.testing.assert_allclose(there.array, here.array, rtol=0, atol=1e-10)


@given(
    weights=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5),
    sigma=SIGMAS,
    transform=maps(),
)
def test_equal_psfs_coadd_to_themselves(
    weights: list[float], sigma: float, transform: AffineTransform
) -> None:
    psf, box = GaussianPsf((21, 21), sigma), Box.from_shape((2000, 2000), start=(-1000, -1000))
    inputs = [CoaddPsfInput(psf, box, transform, weight) for weight in weights]
    y, x = (float(value) for value in transform.forward(3.25, -8.5))
    made = CoaddPsf(inputs, average=(y, x)).kernel_image()
    alone = WarpedPsf(psf, transform).kernel_image(y=y, x=x)
    np.testing.assert_allclose(made.array, alone.array, rtol=0, atol=1e-14)

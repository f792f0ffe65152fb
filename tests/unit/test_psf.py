# SPDX-License-Identifier: BSD-3-Clause
"""PSF models: normalisation, positions, shifts, parts, refusals."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from deepcoadd.errors import NoDataError, OptionError, ShapeError, SingularError
from deepcoadd.geometry import Box
from deepcoadd.psf import (
    Chebyshev2,
    DoubleGaussianPsf,
    FixedKernel,
    GaussianKernel,
    GaussianPsf,
    KernelPsf,
    LinearCombinationKernel,
    MissingPsf,
    Polynomial2,
    Psf,
    PsfParts,
    parts_of,
    psf_from_parts,
    register_kind,
)

RNG = np.random.default_rng(2)
BASIS = tuple(FixedKernel(RNG.uniform(0.1, 1.0, (5, 7))) for _ in range(3))
VARYING = KernelPsf(
    LinearCombinationKernel(
        BASIS,
        (
            1.0,
            Polynomial2((0.1, 1e-3, -2e-3)),
            Chebyshev2((0.2, 0.05, 0.01, 0.02, 0.0, 0.03), (-0.5, 99.5), (-0.5, 49.5)),
        ),
    ),
    (20.0, 40.0),
)
MODELS = [
    GaussianPsf((11, 15), 1.7),
    DoubleGaussianPsf((21, 21), 1.5, 3.0, 0.1),
    KernelPsf(FixedKernel(RNG.uniform(0, 1, (6, 9)), (1, 2)), (3.0, 4.0)),
    KernelPsf(GaussianKernel((9, 11), 1.0, 2.0, 0.4)),
    VARYING,
]


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_kernel_images_have_sum_one(psf: Psf) -> None:
    assert isinstance(psf, Psf)
    for y, x in ((None, None), (3.0, 70.0), (1e4, -1e4)):
        image = psf.kernel_image(y=y, x=x)
        assert image.array.dtype == np.float64
        assert image.array.sum() == pytest.approx(1.0, abs=1e-12)
        assert image.box.shape == psf.size_at(y=y, x=x)
    middle = psf.kernel_image()
    at_average = psf.kernel_image(y=psf.average_position[0], x=psf.average_position[1])
    np.testing.assert_array_equal(middle.array, at_average.array)


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_image_at_a_whole_pixel_is_the_kernel_image(psf: Psf) -> None:
    image, kernel = psf.image(y=12.0, x=-7.0), psf.kernel_image(y=12.0, x=-7.0)
    np.testing.assert_array_equal(image.array, kernel.array)
    assert image.box == kernel.box.shifted_by(y=12, x=-7)


@pytest.mark.parametrize("psf", MODELS, ids=lambda psf: type(psf).__name__)
def test_parts_make_the_same_model(psf: Psf) -> None:
    parts = parts_of(psf)
    assert parts is not None
    again = psf_from_parts(parts)
    assert again.average_position == psf.average_position
    for y, x in ((0.0, 0.0), (30.0, 80.0)):
        ours, theirs = psf.kernel_image(y=y, x=x), again.kernel_image(y=y, x=x)
        np.testing.assert_array_equal(theirs.array, ours.array)
        assert theirs.box == ours.box
    assert pickle.loads(pickle.dumps(psf)).size_at() == psf.size_at()


def test_shift_moves_the_centroid() -> None:
    """The taps of the Lanczos filter of order 5 have a first moment within 0.011 of the shift."""
    psf = GaussianPsf((41, 41), 2.5)
    for y, x in ((10.3, 20.8), (10.5, 20.5), (-10.3, 0.01)):
        image = psf.image(y=y, x=x)
        ys, xs = np.indices(image.array.shape)
        total = image.array.sum()
        assert (ys * image.array).sum() / total + image.box.y.start == pytest.approx(y, abs=0.012)
        assert (xs * image.array).sum() / total + image.box.x.start == pytest.approx(x, abs=0.012)
        assert total == pytest.approx(1.0, abs=1e-4)


def test_center_of_a_kernel_is_pixel_zero() -> None:
    psf = KernelPsf(FixedKernel(np.ones((6, 9)), (1, 2)))
    assert psf.kernel_image().box == Box.from_shape((6, 9), start=(-1, -2))
    assert GaussianPsf((3, 5), 1.0).kernel_image().box == Box.from_shape((3, 5), start=(-1, -2))


def test_analytic_profiles() -> None:
    single = GaussianPsf((31, 31), 2.0).kernel_image().array
    assert single[15, 17] / single[15, 15] == pytest.approx(np.exp(-0.5), rel=1e-14)
    double = DoubleGaussianPsf((31, 31), 1.0, 2.0, 0.1).kernel_image().array
    expected = (np.exp(-0.5) + 0.1 * np.exp(-0.125)) / 1.1
    assert double[15, 16] / double[15, 15] == pytest.approx(expected, rel=1e-14)
    tilted = GaussianKernel((31, 31), 3.0, 1.0, np.pi / 2).image_at(y=0, x=0)
    # The long axis points along y.
    assert tilted[18, 15] == pytest.approx(tilted[15, 16], rel=1e-12)


def test_weights_follow_position() -> None:
    y, x = 30.0, 80.0
    cheb_x, cheb_y = (x - 49.5) / 50, (y - 24.5) / 25
    second = 0.1 + 1e-3 * x - 2e-3 * y
    third = 0.2 + 0.05 * cheb_x + 0.01 * cheb_y + 0.02 * (2 * cheb_x**2 - 1)
    third += 0.03 * (2 * cheb_y**2 - 1)
    image = BASIS[0].image + second * BASIS[1].image + third * BASIS[2].image
    np.testing.assert_allclose(
        VARYING.kernel_image(y=y, x=x).array, image / image.sum(), rtol=1e-12
    )
    assert not VARYING.kernel.is_fixed
    assert LinearCombinationKernel(BASIS[:1], (2.0,)).is_fixed


def test_missing_psf_names_its_class() -> None:
    psf = MissingPsf("CoaddPsf", source="a.fits")
    assert isinstance(copy.copy(psf), MissingPsf)
    calls: list[Any] = [
        psf.kernel_image,
        psf.image,
        psf.size_at,
        lambda: psf.average_position,
        lambda: psf.kernel_image(y=1.0, x=2.0),
    ]
    for call in calls:
        with pytest.raises(NoDataError, match=r"a\.fits is a CoaddPsf"):
            call()
    assert parts_of(psf) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianPsf((4, 5), 1.0),
        lambda: GaussianPsf((5, 0), 1.0),
        lambda: GaussianPsf((5, 5), 0.0),
        lambda: GaussianPsf((5, 5), float("nan")),
        lambda: DoubleGaussianPsf((5, 5), 1.0, -1.0, 0.1),
        lambda: DoubleGaussianPsf((0, 5), 1.0, 1.0, 0.1),
        lambda: DoubleGaussianPsf((5, 5), 1.0, 2.0, float("inf")),
        lambda: GaussianKernel((5, 5), 1.0, 0.0),
        lambda: GaussianKernel((5, 0), 1.0, 1.0),
        lambda: FixedKernel(np.array([[np.nan]])),
        lambda: Polynomial2((1.0, 2.0)),
        lambda: Polynomial2(()),
        lambda: Chebyshev2((1.0,), (1.0, 1.0), (0.0, 1.0)),
        lambda: LinearCombinationKernel((VARYING.kernel,), (1.0,)),
    ],
)
def test_options_that_make_no_sense(make: Any) -> None:
    with pytest.raises(OptionError):
        make()


def test_shapes_that_disagree() -> None:
    with pytest.raises(ShapeError):
        FixedKernel(np.zeros(3))
    with pytest.raises(ShapeError):
        LinearCombinationKernel(BASIS, (1.0,))
    with pytest.raises(ShapeError):
        LinearCombinationKernel((), ())
    with pytest.raises(ShapeError):
        LinearCombinationKernel((BASIS[0], FixedKernel(np.ones((3, 3)))), (1.0, 1.0))


def test_kernel_of_sum_zero() -> None:
    psf = KernelPsf(FixedKernel(np.array([[1.0, -1.0]])))
    with pytest.raises(SingularError, match="sum 0"):
        psf.kernel_image()


def test_positions_are_given_whole() -> None:
    psf = MODELS[0]
    for y, x in ((1.0, None), (None, 1.0), (float("nan"), 1.0)):
        with pytest.raises(NoDataError, match="two finite coordinates"):
            psf.kernel_image(y=y, x=x)


def test_unknown_and_damaged_parts_become_placeholders() -> None:
    assert psf_from_parts(PsfParts("moffat", {}, {})).class_name == "moffat"
    for parts in (
        PsfParts("gaussian", {"shape": [5, 5]}, {}),
        PsfParts("gaussian", {"shape": [4, 4], "sigma": 1.0}, {}),
        PsfParts("kernel", {"center": [1], "weights": [], "average": [0, 0]}, {}),
    ):
        psf = psf_from_parts(parts)
        assert isinstance(psf, MissingPsf)
        assert "damaged" in psf.reason


def test_register_kind() -> None:
    def make(parts: PsfParts) -> Psf:
        return GaussianPsf((3, 3), parts.numbers["width"])

    register_kind("test_only", make)
    register_kind("test_only", make)
    assert psf_from_parts(PsfParts("test_only", {"width": 2.0}, {})) == GaussianPsf((3, 3), 2.0)
    with pytest.raises(OptionError, match="taken"):
        register_kind("gaussian", make)


def test_kernel_images_cannot_be_changed_through_the_model() -> None:
    source = np.ones((3, 3))
    kernel = FixedKernel(source)
    source[:] = 5
    assert kernel.image[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        kernel.image[0, 0] = 2.0

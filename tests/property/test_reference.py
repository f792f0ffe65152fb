# SPDX-License-Identifier: BSD-3-Clause
"""The assembler agrees with the slow statement of its rules on any stack."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.image import MaskedImage
from deepcoadd.testing import assert_masks_equal, assert_planes_close
from deepcoadd.testing.reference import CoaddRules, coadd
from deepcoadd.testing.strategies import masked_cubes, masked_images


@pytest.mark.timeout(900)  # the 5,000 examples of the nightly profile
@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
@given(
    cube=masked_cubes(max_n=9, max_side=5, bad_variance=False),
    sigma_clip=st.sampled_from([1.5, 2.5, 3.0]),
    n_iter=st.integers(1, 3),
)
def test_coadd_is_that_of_the_reference(
    statistic: str,
    cube: tuple[list[MaskedImage], npt.NDArray[np.float64]],
    sigma_clip: float,
    n_iter: int,
) -> None:
    """Image within one float32 ulp of the largest input at the pixel, variance 1e-6, counts exact.

    An input without any finite pixel is skipped as a whole, so there is none here.
    """
    images, weights = cube
    assume(all(np.isfinite(image.image.array).any() for image in images))
    rules = CoaddRules(statistic=statistic, sigma_clip=sigma_clip, n_iter=n_iter)
    expected = coadd(images, weights, rules)
    options = AssembleOptions(
        statistic=statistic, sigma_clip=sigma_clip, n_iter=n_iter, interpolate=None, unit=None
    )
    result = assemble(images, weights=weights, options=options)
    assert not result.skipped
    finite = [np.where(np.isfinite(i.image.array), np.abs(i.image.array), 0.0) for i in images]
    assert_planes_close(result.n_image.array, expected.n_point, name="n_image")
    assert_planes_close(result.n_clipped_image.array, expected.n_clipped, name="n_clipped")
    assert_planes_close(
        result.image.array, expected.image, atol=2e-7 * np.max(finite, axis=0), name="image"
    )
    # The variance of a median is the scatter of float32 values: its rounding is that of x**2.
    scale = np.max(finite, axis=0) ** 2 if statistic == "MEDIAN" else 0.0
    assert_planes_close(
        result.variance.array, expected.variance, rtol=1e-6, atol=1e-13 * scale, name="variance"
    )
    assert_masks_equal(result.mask, expected.mask)


@given(masked_images(), st.data())
def test_sub_images_show_the_same_pixels(image: MaskedImage, data: st.DataObject) -> None:
    ny, nx = image.box.shape
    assume(ny > 1 and nx > 1)
    part = image.box.dilated_by(-1) if min(ny, nx) > 2 else image.box
    y, x = data.draw(st.integers(0, part.y.size - 1)), data.draw(st.integers(0, part.x.size - 1))
    cut = image[part]
    at = (y + part.y.start - image.box.y.start, x + part.x.start - image.box.x.start)
    for name in ("image", "mask", "variance"):
        whole, view = getattr(image, name), getattr(cut, name)
        np.testing.assert_array_equal(view.array[y, x], whole.array[at])
        assert np.shares_memory(view.array, whole.array)


@given(masked_images(), st.sampled_from([0.25, -2.0, 8.0]))
def test_scaling_and_back_is_exact(image: MaskedImage, factor: float) -> None:
    out = image.copy()
    out *= factor
    out *= 1 / factor
    assert_planes_close(out.image, image.image)
    assert_planes_close(out.variance, image.variance)
    assert_masks_equal(out.mask, image.mask)

# SPDX-License-Identifier: BSD-3-Clause
"""Comparisons of planes and masks: what they accept, and what their messages show."""

import numpy as np
import pytest

from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask, MaskPlanes
from deepcoadd.testing import (
    assert_masked_images_close,
    assert_masks_equal,
    assert_planes_close,
)

_A = np.array([[1.0, np.nan], [np.inf, -2.0]])


def test_equal_planes_pass_with_nan_and_infinities():
    assert assert_planes_close(_A, _A.copy()) == 4
    assert assert_planes_close(_A.astype(np.float32), _A) == 4


def test_worst_pixel_is_shown():
    other = _A + np.array([[0.5, 0.0], [0.0, -3.0]])
    with pytest.raises(AssertionError) as error:
        assert_planes_close(other, _A, atol=0.1, name="image")
    assert str(error.value) == (
        "image: 2 of 4 pixels differ; worst at (1, 1): np.float64(-5.0), "
        "expected np.float64(-2.0), difference 3, allowed 0.1"
    )


@pytest.mark.parametrize(
    ("actual", "desired"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (1.0, -np.inf),
                            (np.inf, -np.inf), (np.inf, np.nan)],
)  # fmt: skip
def test_not_a_number_differs_whatever_the_tolerance(actual, desired):
    for tolerance in ({"atol": 1e9}, {"atol": np.inf}, {"rtol": 1e9}):
        with pytest.raises(AssertionError, match="1 of 2 pixels differ"):
            assert_planes_close(np.array([actual, 0.0]), np.array([desired, 0.0]), **tolerance)


def test_tolerances_add_and_may_vary_over_the_image():
    assert_planes_close(np.array([10.2]), np.array([10.0]), rtol=0.01, atol=0.11)
    with pytest.raises(AssertionError):
        assert_planes_close(np.array([10.2]), np.array([10.0]), rtol=0.01, atol=0.09)
    with pytest.raises(AssertionError, match=r"worst at \(1,\)"):
        assert_planes_close(np.array([1.0, 1.0]), np.zeros(2), atol=np.array([2.0, 0.5]))


def test_only_the_chosen_pixels_count():
    where = np.array([[True, True], [True, False]])
    assert assert_planes_close(_A, _A + np.array([[0, 0], [0, 1]]), where=where) == 3


def test_shapes_and_boxes_must_agree():
    with pytest.raises(AssertionError, match=r"shape \(2,\), expected \(3,\)"):
        assert_planes_close(np.zeros(2), np.zeros(3))
    here, there = Box.from_shape((1, 1)), Box.from_shape((1, 1), start=(5, 5))
    with pytest.raises(AssertionError, match="box"):
        assert_planes_close(Image.full(here, 0), Image.full(there, 0))


def test_images_show_parent_positions():
    box = Box.from_shape((1, 2), start=(30, 40))
    with pytest.raises(AssertionError, match=r"worst at \(30, 41\)"):
        assert_planes_close(Image(np.array([[0.0, 1.0]]), box), Image(np.array([[0.0, 2.0]]), box))


def test_masks_are_compared_by_name():
    box = Box.from_shape((1, 3), start=(7, 0))
    a = Mask(np.array([[1, 2, 0]], np.int32), box, MaskPlanes(["BAD", "SAT"]))
    b = Mask(np.array([[2, 1, 0]], np.int32), box, MaskPlanes(["SAT", "BAD", "CR"]))
    assert_masks_equal(a, b)
    b.set("CR", np.array([[False, True, True]]))
    with pytest.raises(AssertionError, match=r"CR: 2 pixels, first at \(7, 1\) clear, exp"):
        assert_masks_equal(a, b)
    with pytest.raises(AssertionError, match=r"CR: 2 pixels, .*set, expected clear"):
        assert_masks_equal(b, a)
    assert_masks_equal(a, b, planes=["BAD", "SAT"])
    assert_masks_equal(a, b, where=np.array([[True, False, False]]))


def test_masks_of_other_boxes_differ():
    with pytest.raises(AssertionError, match="box"):
        assert_masks_equal(Mask.zeros(Box.from_shape((1, 1))), Mask.zeros(Box.from_shape((1, 2))))


def test_masked_images_name_the_plane_that_differs():
    a = MaskedImage.from_arrays(np.ones((2, 2)), variance=2.0)
    assert_masked_images_close(a, a.copy())
    for plane in ("image", "variance"):
        b = a.copy()
        getattr(b, plane).array[1, 0] *= 1.01
        with pytest.raises(AssertionError, match=rf"^{plane}: 1 of 4"):
            assert_masked_images_close(a, b)
        assert_masked_images_close(a, b, rtol=0.02)
    with pytest.raises(AssertionError, match="variance"):
        assert_masked_images_close(a, b, rtol=0.02, variance_rtol=0.001)
    b = a.copy()
    b.mask.set("CR", np.eye(2, dtype=bool))
    with pytest.raises(AssertionError, match="CR: 2"):
        assert_masked_images_close(a, b)

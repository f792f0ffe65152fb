# SPDX-License-Identifier: BSD-3-Clause
"""Images and masked images: views, arithmetic, conversions, refusals."""

import pickle
import warnings

import numpy as np
import pytest

from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes

_BOX = Box.from_shape((2, 3), start=(10, 20))


def _masked(value=1.0, variance=4.0, planes=DEFAULT_PLANES):
    return MaskedImage.from_arrays(
        np.full(_BOX.shape, value), variance=variance, box=_BOX, planes=planes
    )


class TestImage:
    def test_sub_image_is_a_view_in_parent_coordinates(self):
        image = Image(np.arange(6.0).reshape(2, 3), _BOX)
        part = image[Box.from_shape((1, 2), start=(11, 21))]
        np.testing.assert_array_equal(part.array, [[4.0, 5.0]])
        part.array[...] = -1
        assert image.array[1, 1] == -1
        assert image.copy().array is not image.array

    def test_sub_image_must_lie_inside(self):
        with pytest.raises(ShapeError, match="not inside"):
            Image(np.zeros((2, 3)), _BOX)[Box.from_shape((2, 3))]

    @pytest.mark.parametrize(
        ("array", "error", "message"),
        [
            (np.zeros(4), ShapeError, "2-D"),
            (np.zeros((2, 2, 2)), ShapeError, "2-D"),
            (np.zeros((2, 2), complex), OptionError, "complex128"),
            (np.zeros((2, 2), ">f4"), OptionError, ">f4"),
            (np.zeros((2, 2), object), OptionError, "object"),
            (np.ma.zeros((2, 2)), OptionError, "MaskedArray"),
            ([[1.0]], OptionError, "list"),
        ],
    )
    def test_only_native_images_of_numbers(self, array, error, message):
        with pytest.raises(error, match=message):
            Image(array)

    def test_box_must_fit(self):
        with pytest.raises(ShapeError, match=r"array of shape \(3, 2\) for box \[y=10"):
            Image(np.zeros((3, 2)), _BOX)

    def test_no_pixels_at_all(self):
        assert Image(np.zeros((0, 7))).box.is_empty
        assert Image.full(Box.empty(), 3.0).array.size == 0

    def test_full_and_pickle(self):
        image = Image.full(_BOX, 7.5)
        assert image.array.dtype == np.float32
        again = pickle.loads(pickle.dumps(image))
        assert again.box == _BOX
        np.testing.assert_array_equal(again.array, image.array)

    def test_documented_getters(self):
        image = Image.full(_BOX, 0.0)
        assert (image.getX0(), image.getY0()) == (20, 10)
        assert (image.getWidth(), image.getHeight()) == image.getDimensions() == (3, 2)
        assert image.getBBox() is image.box


class TestConversion:
    def test_float32_is_not_copied(self):
        array = np.zeros((2, 3), np.float32)
        assert MaskedImage.from_arrays(array).image.array is array

    @pytest.mark.parametrize("dtype", [">f4", "f8", ">f8", "i2", "u2", ">i4", "u8", bool, "f2"])
    def test_other_numbers_become_native_float32(self, dtype):
        array = np.array([[0, 1, 1]], dtype)
        out = MaskedImage.from_arrays(array, variance=array).image.array
        assert out.dtype == np.float32
        assert out.dtype.isnative
        np.testing.assert_array_equal(out, [[0, 1, 1]])

    def test_missing_variance_is_unknown_and_a_number_is_spread(self):
        assert np.isnan(MaskedImage.from_arrays(np.zeros((1, 2))).variance.array).all()
        out = MaskedImage.from_arrays(np.zeros((1, 2)), variance=np.float64(2.5))
        np.testing.assert_array_equal(out.variance.array, [[2.5, 2.5]])

    def test_what_float32_cannot_hold_is_infinite_without_a_warning(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = MaskedImage.from_arrays(np.array([[1e39, -1e300, 1.0]]))
        np.testing.assert_array_equal(out.image.array, [[np.inf, -np.inf, 1.0]])

    @pytest.mark.parametrize(
        "mask", [np.array([[1, -(2**31)]]), np.array([[1, 2**31]], np.uint32),
                 np.array([[1, 2**31]], np.uint64)],
    )  # fmt: skip
    def test_mask_bits_survive_any_integer_type(self, mask):
        out = MaskedImage.from_arrays(np.zeros((1, 2)), mask)
        np.testing.assert_array_equal(out.mask.array, [[1, -(2**31)]])

    def test_boolean_mask_sets_bad(self):
        out = MaskedImage.from_arrays(np.zeros((1, 2)), np.array([[True, False]]))
        assert out.mask.counts()["BAD"] == 1

    @pytest.mark.parametrize("value", [2**32, -(2**31) - 1])
    def test_mask_wider_than_32_bits_is_refused(self, value):
        with pytest.raises(OptionError, match=rf"{value}.* more than 32 bits"):
            MaskedImage.from_arrays(np.zeros((1, 1)), np.array([[value]]))

    @pytest.mark.parametrize(
        ("planes", "message"),
        [
            ({"image": np.ma.masked_equal([[1.0, 2.0]], 2.0)}, "image: masked array"),
            ({"image": np.zeros((1, 2)), "mask": np.zeros((1, 2))}, "mask: expected integers"),
            ({"image": np.zeros((1, 2), complex)}, "image: expected numbers"),
            ({"image": np.zeros((1, 2)), "variance": np.array([["a", "b"]])}, "variance: exp"),
        ],
    )
    def test_planes_that_are_no_numbers_are_refused(self, planes, message):
        with pytest.raises(OptionError, match=message):
            MaskedImage.from_arrays(**planes)

    @pytest.mark.parametrize("name", ["mask", "variance"])
    def test_planes_of_other_shapes_are_refused(self, name):
        with pytest.raises(ShapeError):
            MaskedImage.from_arrays(np.zeros((2, 3)), **{name: np.zeros((3, 2), np.int32)})


class TestMaskedImage:
    def test_boxes_must_agree(self):
        other = Box.from_shape((2, 3))
        with pytest.raises(ShapeError, match=r"variance: box .*but the image has"):
            MaskedImage(Image.full(_BOX, 0), Mask.zeros(_BOX), Image.full(other, 0))
        with pytest.raises(ShapeError, match="mask: box"):
            MaskedImage(Image.full(_BOX, 0), Mask.zeros(other), Image.full(_BOX, 0))

    def test_pixels_must_be_float32(self):
        with pytest.raises(OptionError, match=r"variance: expected float32.*float64"):
            MaskedImage(Image.full(_BOX, 0), Mask.zeros(_BOX), Image.full(_BOX, 0, np.float64))

    def test_no_data_is_the_documented_triple(self):
        empty = MaskedImage.no_data(_BOX)
        assert np.isnan(empty.image.array).all()
        assert np.isposinf(empty.variance.array).all()
        assert (empty.mask.array == 1 << 8).all()

    def test_sub_image_is_a_view_of_all_planes(self):
        whole = _masked()
        part = whole[Box.from_shape((1, 1), start=(11, 22))]
        part.image.array[...] = 9
        part.variance.array[...] = 8
        part.mask.set("SAT", np.ones((1, 1), bool))
        assert (whole.image.array[1, 2], whole.variance.array[1, 2]) == (9, 8)
        assert whole.mask.array[1, 2] == 2
        assert whole.copy().image.array is not whole.image.array

    @pytest.mark.parametrize(("sign", "value"), [("+", 6.0), ("-", -2.0)])
    def test_sum_and_difference_add_variances_and_join_masks(self, sign, value):
        a, b = _masked(2.0, 3.0), _masked(4.0, 5.0)
        a.mask.array[0, 0] = 1
        b.mask.array[0, 0] = 4
        if sign == "+":
            a += b
        else:
            a -= b
        assert (a.image.array == value).all()
        assert (a.variance.array == 8.0).all()
        assert a.mask.array[0, 0] == 5

    def test_masks_are_joined_by_name(self):
        a = _masked(planes=MaskPlanes({"SAT": 0, "BAD": 1}))
        b = _masked(planes=MaskPlanes({"BAD": 0}))
        b.mask.set("BAD", np.ones(_BOX.shape, bool))
        a += b
        assert a.mask.has("BAD").all()
        assert not a.mask.has("SAT").any()

    def test_nothing_changes_when_a_plane_is_unknown(self):
        a, b = _masked(planes=MaskPlanes(["BAD"])), _masked(planes=MaskPlanes(["SAT"]))
        with pytest.raises(MaskPlaneError):
            a += b
        assert (a.image.array == 1.0).all()

    def test_images_and_numbers_leave_mask_and_variance(self):
        a = _masked(2.0, 3.0)
        a += 1.5
        a -= Image.full(_BOX, 0.5)
        assert (a.image.array == 3.0).all()
        assert (a.variance.array == 3.0).all()

    def test_factors_square_in_the_variance(self):
        a = _masked(2.0, 3.0)
        a *= -2.0
        a *= Image.full(_BOX, 0.5)
        assert (a.image.array == -2.0).all()
        assert (a.variance.array == 3.0).all()

    def test_operands_must_have_the_same_shape(self):
        a = _masked()
        with pytest.raises(ShapeError, match="operand"):
            a *= Image(np.zeros((3, 2), np.float32))

    def test_pickle(self):
        again = pickle.loads(pickle.dumps(_masked(2.0, 3.0)))
        assert again.box == _BOX
        assert (again.variance.array == 3.0).all()

    def test_repr_shows_the_box_and_no_pixels(self):
        assert repr(_masked()) == f"MaskedImage(box={_BOX})"

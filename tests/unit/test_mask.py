# SPDX-License-Identifier: BSD-3-Clause
"""Mask planes and masks: names, bits, re-mapping, refusals."""

import pickle

import numpy as np
import pytest

from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes, conformed_bits

_LOWEST = -(2**31)


class TestMaskPlanes:
    def test_default_bits_are_those_of_the_pipelines(self):
        first = "BAD SAT INTRP CR EDGE DETECTED DETECTED_NEGATIVE SUSPECT NO_DATA VIGNETTED STREAK"
        assert [DEFAULT_PLANES[name] for name in first.split()] == list(range(11))
        assert sorted(DEFAULT_PLANES.values()) == list(range(19))

    def test_bitmask_joins_planes_and_the_last_bit_is_the_sign(self):
        planes = MaskPlanes({"A": 0, "B": 5, "LAST": 31})
        assert planes.bitmask("A", "B") == 33
        assert planes.bitmask("LAST") == _LOWEST
        assert planes.bitmask("A", "LAST") == _LOWEST + 1
        assert planes.bitmask() == 0
        assert np.int32(planes.bitmask("LAST", "A")) == _LOWEST + 1

    def test_unknown_plane_is_named_with_what_there_is(self):
        planes = MaskPlanes(["BAD", "SAT"])
        for ask in (planes.__getitem__, planes.bitmask, planes.description):
            with pytest.raises(MaskPlaneError, match=r"'CR'.*BAD, SAT"):
                ask("CR")
        assert planes.get("CR") is None
        assert planes.known_bitmask(["CR", "SAT"]) == 2

    def test_names_of_lists_by_bit(self):
        planes = MaskPlanes({"HIGH": 31, "LOW": 0, "MID": 7})
        assert planes.names_of(-1) == ("LOW", "MID", "HIGH")
        assert planes.names_of(1 << 7) == ("MID",)
        assert planes.names_of(1 << 8) == ()

    def test_new_planes_take_the_lowest_free_bits(self):
        planes = MaskPlanes({"A": 1, "B": 3}).with_planes("C", "A", "D", "C")
        assert dict(planes) == {"A": 1, "B": 3, "C": 0, "D": 2}
        assert planes.with_planes("C") is planes

    def test_merging_keeps_the_bits_of_the_left(self):
        left = MaskPlanes({"A": 4, "B": 0})
        right = MaskPlanes({"C": 4, "A": 9}, {"C": "a plane of the right"})
        assert dict(left.merged_with(right)) == {"A": 4, "B": 0, "C": 1}

    def test_descriptions(self):
        planes = MaskPlanes(["BAD", "MINE", "X"], {"MINE": "my own"})
        assert planes.description("BAD") == "defective detector pixel"
        assert planes.with_planes("Y").description("MINE") == "my own"
        assert planes.description("X") == ""

    @pytest.mark.parametrize(
        ("planes", "message"),
        [
            ({"A": 32}, "bit 32"),
            ({"A": -1}, "bit -1"),
            ({"A": 1.5}, r"bit 1\.5"),
            ({"A": "1"}, "bit '1'"),
            ({"A": 2, "B": 2}, "share bit 2"),
            (["A", "B", "A"], "named twice"),
            ([f"P{k}" for k in range(33)], "33 mask planes, 32 is the most"),
        ],
    )
    def test_impossible_dictionaries_are_refused(self, planes, message):
        with pytest.raises(MaskPlaneError, match=message):
            MaskPlanes(planes)

    def test_a_single_string_is_no_list_of_names(self):
        with pytest.raises(OptionError, match="'BAD'"):
            MaskPlanes("BAD")

    def test_the_33rd_plane_is_refused_with_the_names(self):
        full = MaskPlanes([f"P{k}" for k in range(31)])
        assert full.with_planes("LAST")["LAST"] == 31
        with pytest.raises(MaskPlaneError, match=r"33 mask planes.*P0, .*LAST, MORE"):
            full.with_planes("LAST", "MORE")

    def test_equality_hash_pickle_repr(self):
        a, b = MaskPlanes({"A": 0, "B": 1}), MaskPlanes({"B": 1, "A": 0})
        assert a == b
        assert hash(a) == hash(b)
        assert a != MaskPlanes({"A": 1, "B": 0})
        assert a != {"A": 0, "B": 1}
        again = pickle.loads(pickle.dumps(MaskPlanes(["M"], {"M": "mine"})))
        assert again == MaskPlanes(["M"])
        assert again.description("M") == "mine"
        assert repr(a) == "MaskPlanes({'A': 0, 'B': 1})"


class TestMask:
    def test_set_has_clear_counts(self):
        mask = Mask.zeros(Box.from_shape((2, 3)), MaskPlanes({"A": 0, "LAST": 31}))
        mask.set("LAST", np.array([[True, False, False], [False, True, False]]))
        mask.set("A", (slice(0, 1), slice(0, 2)))
        np.testing.assert_array_equal(mask.array, [[_LOWEST + 1, 1, 0], [0, _LOWEST, 0]])
        assert mask.has("LAST").sum() == 2
        assert mask.has("A", "LAST").sum() == 3
        assert not mask.has().any()
        assert mask.counts() == {"A": 2, "LAST": 2}
        mask.clear("LAST")
        np.testing.assert_array_equal(mask.array, [[1, 1, 0], [0, 0, 0]])

    def test_sub_mask_is_a_view_in_parent_coordinates(self):
        mask = Mask.zeros(Box.from_shape((4, 4), start=(100, 200)))
        mask[Box.from_shape((1, 2), start=(102, 201))].set("BAD", np.ones((1, 2), bool))
        assert np.argwhere(mask.has("BAD")).tolist() == [[2, 1], [2, 2]]

    def test_copy_shares_no_pixels(self):
        mask = Mask.zeros(Box.from_shape((1, 1)))
        mask.copy().set("BAD", np.ones((1, 1), bool))
        assert not mask.array.any()

    @pytest.mark.parametrize(
        ("array", "error"),
        [
            (np.zeros(3, np.int32), ShapeError),
            (np.zeros((2, 2), np.int64), OptionError),
            (np.zeros((2, 2), ">i4"), OptionError),
            (np.zeros((2, 2), np.uint32), OptionError),
            (np.ma.zeros((2, 2), np.int32), OptionError),
            ([[0, 1]], OptionError),
        ],
    )
    def test_only_native_int32_images(self, array, error):
        with pytest.raises(error, match="mask: expected"):
            Mask(array)

    def test_box_must_fit(self):
        with pytest.raises(ShapeError, match=r"\(2, 3\)"):
            Mask(np.zeros((2, 3), np.int32), Box.from_shape((3, 2)))
        assert Mask(np.zeros((0, 5), np.int32)).box.is_empty

    def test_set_refuses_another_shape_and_an_unknown_plane(self):
        mask = Mask.zeros(Box.from_shape((2, 3)))
        with pytest.raises(ShapeError, match=r"\(3, 2\).*\(2, 3\)"):
            mask.set("BAD", np.ones((3, 2), bool))
        with pytest.raises(MaskPlaneError, match="'NOPE'"):
            mask.set("NOPE", np.ones((2, 3), bool))
        assert not mask.array.any()

    def test_pickle(self):
        mask = Mask(np.array([[3]], np.int32), Box.from_shape((1, 1), start=(5, 6)))
        again = pickle.loads(pickle.dumps(mask))
        assert again.box == mask.box
        assert again.planes == mask.planes
        np.testing.assert_array_equal(again.array, mask.array)

    def test_documented_getters(self):
        mask = Mask.zeros(Box.from_shape((2, 3), start=(7, 8)))
        assert mask.getPlaneBitMask("SAT") == 2
        assert mask.getPlaneBitMask(["SAT", "BAD"]) == 3
        assert mask.getMaskPlaneDict()["CR"] == 3
        assert mask.getXY0() == (8, 7)
        assert mask.getArray() is mask.array


class TestConformedBits:
    def test_bits_move_by_name_also_when_they_swap(self):
        source, target = MaskPlanes({"A": 0, "B": 31}), MaskPlanes({"B": 0, "A": 31, "C": 1})
        bits = np.array([[0, 1, _LOWEST, _LOWEST + 1]], np.int32)
        np.testing.assert_array_equal(
            conformed_bits(bits, source, target), [[0, _LOWEST, 1, _LOWEST + 1]]
        )

    def test_nothing_is_copied_when_nothing_changes(self):
        bits = np.array([[1, 2]], np.int32)
        assert conformed_bits(bits, MaskPlanes([]), DEFAULT_PLANES) is not bits
        source = MaskPlanes(["BAD", "SAT"])
        assert conformed_bits(bits, source, DEFAULT_PLANES) is bits
        assert conformed_bits(bits, source, source) is bits

    def test_a_bit_without_a_name_does_not_become_another_plane(self):
        bits = np.array([[1, 2, 3]], np.int32)
        out = conformed_bits(bits, MaskPlanes(["BAD"]), DEFAULT_PLANES)
        np.testing.assert_array_equal(out, [[1, 0, 1]])
        np.testing.assert_array_equal(bits, [[1, 2, 3]])

    def test_missing_plane_is_an_error(self):
        with pytest.raises(MaskPlaneError, match="'A'"):
            conformed_bits(np.zeros((1, 1), np.int32), MaskPlanes(["A"]), MaskPlanes(["B"]))

    def test_empty_mask(self):
        empty = np.zeros((0, 0), np.int32)
        assert conformed_bits(empty, MaskPlanes(["A"]), MaskPlanes(["B", "A"])).shape == (0, 0)
        assert conformed_bits(empty, MaskPlanes(["A"]), MaskPlanes(["A", "B"])) is empty

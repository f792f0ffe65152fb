# SPDX-License-Identifier: BSD-3-Clause
"""Intervals and boxes: corners, emptiness, slices, refusals."""

import pickle

import numpy as np
import pytest

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import YX, Box, Interval, round_half_up

_BOX = Box.from_shape((3, 4), start=(10, -2))


@pytest.mark.parametrize(
    ("position", "pixel"),
    [(0.0, 0), (0.49, 0), (0.5, 1), (-0.5, 0), (-0.51, -1), (-1.5, -1), (2.5, 3)],
)
def test_round_half_up_takes_the_pixel_that_holds_the_position(position, pixel):
    assert round_half_up(position) == pixel
    assert Interval(pixel, pixel + 1).contains(position)


class TestInterval:
    def test_ends(self):
        run = Interval(-3, 5)
        assert (run.min, run.max, run.start, run.stop, run.size, len(run)) == (-3, 4, -3, 5, 8, 8)

    @pytest.mark.parametrize(("start", "stop"), [(7, 7), (7, 3), (0, 0), (-5, -9)])
    def test_all_empty_intervals_are_equal(self, start, stop):
        assert Interval(start, stop) == Interval(0, 0)
        assert Interval(start, stop).size == 0

    def test_empty_interval_stays_empty(self):
        empty = Interval(0, 0)
        assert empty.dilated_by(5) == empty.shifted_by(5) == empty
        assert empty.hull(Interval(3, 4)) == Interval(3, 4).hull(empty) == Interval(3, 4)
        assert not empty.contains(0)
        assert Interval(5, 8).contains(empty)

    def test_shrinking_below_nothing_is_empty(self):
        assert Interval(2, 6).dilated_by(-2) == Interval(0, 0)
        assert Interval(2, 6).dilated_by(-1) == Interval(3, 5)

    def test_contains_positions_half_open(self):
        run = Interval(2, 4)
        assert run.contains(1.5)
        assert run.contains(np.float32(3.25))
        assert not run.contains(3.5)
        assert not run.contains(np.nan)

    @pytest.mark.parametrize("bad", [1.5, np.nan, np.inf, "3", None])
    def test_ends_must_be_whole(self, bad):
        with pytest.raises(OptionError, match=r"stop = .*: expected a whole number"):
            Interval(0, bad)

    def test_numpy_integers_and_whole_floats_become_ints(self):
        run = Interval(np.int16(2), 5.0)
        assert run == Interval(2, 5)
        assert type(run.start) is type(run.stop) is int


class TestBox:
    def test_shape_and_corners(self):
        assert _BOX.shape == (3, 4)
        assert _BOX.start == YX(y=10, x=-2)
        assert _BOX.area == 12
        assert _BOX.center == (11.0, -0.5)
        assert Box.from_corners(x0=-2, y0=10, x1=1, y1=12) == _BOX
        assert str(_BOX) == "[y=10..12, x=-2..1]"

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (-1, 5), (0, 0)])
    def test_empty_along_one_axis_is_empty(self, shape):
        box = Box.from_shape(shape, start=(4, 4))
        assert box == Box.empty()
        assert box.is_empty
        assert box.shape == (0, 0)
        assert str(box) == "[empty]"

    def test_empty_box_contains_and_overlaps_nothing(self):
        empty = Box.empty()
        assert not empty.overlaps(_BOX)
        assert not _BOX.overlaps(empty)
        assert not empty.contains(_BOX)
        assert _BOX.contains(empty)
        assert not empty.contains_point(y=0, x=0)
        assert empty.hull(_BOX) == _BOX
        assert list(empty.tiles((2, 2))) == []
        assert empty.dilated_by(3) == empty
        assert np.zeros((5, 5))[empty.slices_within(_BOX)].size == 0

    def test_intersection_hull_and_containment(self):
        other = Box.from_shape((3, 4), start=(12, 1))
        assert _BOX & other == Box.from_shape((1, 1), start=(12, 1))
        assert _BOX.hull(other) == Box.from_shape((5, 7), start=(10, -2))
        assert _BOX.overlaps(other)
        assert not _BOX.overlaps(other.shifted_by(y=1))
        assert _BOX.hull(other).contains(other)

    def test_contains_point_takes_the_lower_edges_only(self):
        assert _BOX.contains_point(y=9.5, x=-2.5)
        assert not _BOX.contains_point(y=12.5, x=0)
        assert not _BOX.contains_point(y=11, x=1.5)

    def test_slices_find_the_same_pixels(self):
        array = np.arange(12).reshape(3, 4)
        part = Box.from_shape((2, 2), start=(11, -1))
        np.testing.assert_array_equal(array[part.slices_within(_BOX)], [[5, 6], [9, 10]])

    def test_slices_never_leave_the_outer_box(self):
        # A negative slice start would silently count from the end.
        with pytest.raises(ShapeError, match=r"\[y=9\.\.10.*is not inside \[y=10"):
            Box.from_shape((2, 2), start=(9, -1)).slices_within(_BOX)

    def test_tiles_are_row_major_and_clipped(self):
        tiles = list(_BOX.tiles((2, 3)))
        assert [tile.start for tile in tiles] == [(10, -2), (10, 1), (12, -2), (12, 1)]
        assert [tile.shape for tile in tiles] == [(2, 3), (2, 1), (1, 3), (1, 1)]

    @pytest.mark.parametrize("shape", [(0, 5), (5, -1), (2.5, 2)])
    def test_tiles_of_no_size_are_refused(self, shape):
        with pytest.raises(OptionError, match="tile s"):
            list(_BOX.tiles(shape))

    def test_needs_intervals(self):
        with pytest.raises(OptionError, match=r"x = 4: expected an Interval"):
            Box(Interval(0, 3), 4)

    def test_is_hashable_and_pickles(self):
        assert pickle.loads(pickle.dumps(_BOX)) == _BOX
        assert len({_BOX, Box.from_shape((3, 4), start=(10, -2))}) == 1

    def test_documented_getters_are_in_x_y_order(self):
        assert (_BOX.getMinX(), _BOX.getMinY(), _BOX.getMaxX(), _BOX.getMaxY()) == (-2, 10, 1, 12)
        assert (_BOX.getEndX(), _BOX.getEndY()) == (2, 13)
        assert _BOX.getDimensions() == (4, 3)
        assert (_BOX.getMin(), _BOX.getMax()) == ((-2, 10), (1, 12))

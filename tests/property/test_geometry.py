# SPDX-License-Identifier: BSD-3-Clause
"""Boxes behave as the sets of pixels they stand for."""

from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.geometry import Box, Interval
from deepcoadd.testing.strategies import boxes, intervals

_small = boxes(limit=6, max_side=6)


def _pixels(box: Box) -> set[tuple[int, int]]:
    return {(y, x) for y in range(box.y.start, box.y.stop) for x in range(box.x.start, box.x.stop)}


@given(intervals(8), intervals(8))
def test_interval_intersection_is_that_of_the_integers(a: Interval, b: Interval) -> None:
    both = set(range(a.start, a.stop)) & set(range(b.start, b.stop))
    assert set(range((a & b).start, (a & b).stop)) == both
    assert a.contains(b) == (set(range(b.start, b.stop)) <= set(range(a.start, a.stop)))


@given(_small, _small)
def test_box_algebra_is_that_of_pixel_sets(a: Box, b: Box) -> None:
    assert _pixels(a & b) == _pixels(a) & _pixels(b)
    assert a.overlaps(b) == bool(_pixels(a) & _pixels(b))
    assert a.contains(b) == (_pixels(b) <= _pixels(a))
    assert a.hull(b) == b.hull(a)
    assert _pixels(a) | _pixels(b) <= _pixels(a.hull(b))


@given(_small, _small, _small)
def test_hull_and_intersection_are_associative(a: Box, b: Box, c: Box) -> None:
    assert (a & b) & c == a & (b & c)
    assert a.hull(b).hull(c) == a.hull(b.hull(c))


@given(boxes(max_side=12), st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_tiles_cover_every_pixel_once(box: Box, shape: tuple[int, int]) -> None:
    tiles = list(box.tiles(shape))
    assert sum(tile.area for tile in tiles) == box.area
    assert set().union(*map(_pixels, tiles)) == _pixels(box)
    assert all(tile.shape[0] <= shape[0] and tile.shape[1] <= shape[1] for tile in tiles)


@given(boxes(), st.integers(0, 9))
def test_growing_then_shrinking_gives_the_box_back(box: Box, n: int) -> None:
    assert box.dilated_by(n).dilated_by(-n) == box


@given(boxes(), st.integers(-9, 9), st.integers(-9, 9))
def test_shifting_back_gives_the_box_back(box: Box, y: int, x: int) -> None:
    assert box.shifted_by(y=y, x=x).shifted_by(y=-y, x=-x) == box

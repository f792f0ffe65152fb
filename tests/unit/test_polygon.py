# SPDX-License-Identifier: BSD-3-Clause
"""Polygons: inside and outside, cutting, coverage against counting points."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.polygon import Polygon, SinglePolygonError

SQUARE = Polygon(((0, 0), (0, 10), (10, 10), (10, 0)))
# A comb with two teeth pointing to larger y.
COMB = Polygon(((0, 0), (0, 9), (9, 9), (9, 6), (3, 6), (3, 3), (9, 3), (9, 0)))


def star(radii: list[float], center: tuple[float, float]) -> Polygon:
    """Simple polygon around a centre, convex or not."""
    angles = np.arange(len(radii)) * 2 * math.pi / len(radii)
    return Polygon(
        tuple(
            (center[0] + r * math.sin(a), center[1] + r * math.cos(a))
            for r, a in zip(radii, angles, strict=True)
        )
    )


STARS = st.builds(
    star,
    st.lists(st.floats(1.0, 12.0), min_size=3, max_size=9),
    st.tuples(st.floats(0, 15), st.floats(0, 15)),
)


def test_boundary_is_outside() -> None:
    y = [5.0, 0.0, 10.0, 5.0, 0.0, -1.0, 5.0, 1e-9]
    x = [5.0, 5.0, 5.0, 10.0, 0.0, 5.0, 11.0, 5.0]
    expected = [True, False, False, False, False, False, False, True]
    assert SQUARE.contains(y=y, x=x).tolist() == expected
    assert bool(SQUARE.contains(y=5, x=5))


def test_inside_of_a_concave_polygon() -> None:
    assert COMB.contains(y=[1, 6, 6, 6], x=[4, 1, 4.5, 8]).tolist() == [True, True, False, True]


def test_direction_does_not_matter() -> None:
    back = Polygon(COMB.vertices[::-1])
    y, x = np.meshgrid(np.linspace(-1, 10, 40), np.linspace(-1, 10, 41), indexing="ij")
    np.testing.assert_array_equal(back.contains(y=y, x=x), COMB.contains(y=y, x=x))
    assert back.area == COMB.area == 9 * 9 - 3 * 6


def test_closing_vertex_is_dropped() -> None:
    assert Polygon((*SQUARE.vertices, SQUARE.vertices[0])) == SQUARE


def test_box_and_bounds() -> None:
    assert Polygon.from_box(Box.from_shape((3, 4), start=(-2, 5))).bounds == (
        (-2.5, 4.5),
        (0.5, 8.5),
    )
    for box in (Box.from_shape((3, 4), start=(-2, 5)), Box.from_shape((1, 1))):
        assert Polygon.from_box(box).box == box
        assert Polygon.from_box(box).area == box.area
    with pytest.raises(NoDataError):
        Polygon.from_box(Box.empty())


def test_transformed() -> None:
    moved = SQUARE.transformed(lambda y, x: (2 * y + 1, x - 3))
    assert moved.bounds == ((1.0, -3.0), (21.0, 7.0))
    assert moved.area == 200.0


def test_intersection_of_convex_polygons() -> None:
    part = SQUARE.intersection(Box.from_shape((4, 100), start=(3, -50)))
    assert part.bounds == ((2.5, 0.0), (6.5, 10.0))
    assert part.area == 40.0
    assert SQUARE.intersection(Box.from_shape((100, 100), start=(-50, -50))) == SQUARE
    triangle = Polygon(((0, 0), (0, 8), (8, 0)))
    assert triangle.intersection(Box.from_shape((4, 4))).area == pytest.approx(3.5**2)


def test_intersection_must_be_one_polygon() -> None:
    assert COMB.intersection(Box.from_shape((3, 20), start=(-1, -5))).area == 1.5 * 9
    with pytest.raises(SinglePolygonError, match="2 pieces"):
        COMB.intersection(Box.from_shape((3, 20), start=(5, -5)))
    with pytest.raises(SinglePolygonError, match="0 pieces"):
        COMB.intersection(Box.from_shape((3, 3), start=(50, 50)))
    with pytest.raises(SinglePolygonError, match="0 pieces"):
        COMB.intersection(Box.empty())
    # One tooth alone, although the other is cut by the same line first.
    assert COMB.intersection(Box.from_shape((3, 3), start=(5, 0))).area == pytest.approx(7.5)


@given(polygon=STARS, y0=st.integers(-2, 12), x0=st.integers(-2, 12))
def test_intersection_against_membership(polygon: Polygon, y0: int, x0: int) -> None:
    """Random points are in the part if they are in the polygon and in the box."""
    box = Box.from_shape((6, 7), start=(y0, x0))
    rng = np.random.default_rng(0)
    y, x = rng.uniform(-15, 30, (2, 400))
    inside_box = (abs(y - box.center[0]) < 3) & (abs(x - box.center[1]) < 3.5)
    expected = polygon.contains(y=y, x=x) & inside_box
    try:
        part = polygon.intersection(box)
    except SinglePolygonError as error:
        if "0 pieces" in str(error):
            assert not expected.any()
        return
    np.testing.assert_array_equal(part.contains(y=y, x=x), expected)


@given(polygon=STARS)
def test_coverage_against_counting(polygon: Polygon) -> None:
    """Share of a grid of points in each pixel: 32 x 32 points miss at most the edge's length."""
    box = Box.from_shape((18, 21), start=(-1, -2))
    n = 32
    offsets = (np.arange(n) + 0.5) / n - 0.5
    y = np.add.outer(np.arange(box.y.start, box.y.stop), offsets).ravel()
    x = np.add.outer(np.arange(box.x.start, box.x.stop), offsets).ravel()
    hits = polygon.contains(y=y[:, np.newaxis], x=x[np.newaxis, :])
    counted = hits.reshape(box.y.size, n, box.x.size, n).mean(axis=(1, 3))
    share = polygon.coverage(box)
    assert share.box == box
    assert share.array.dtype == np.float32
    # Each edge in a pixel costs at most its length (1.5) times half a step, for nine edges.
    assert np.abs(share.array - counted).max() < 9 * 1.5 / n / 2
    assert share.array.min() >= 0
    assert share.array.max() <= 1


@given(polygon=STARS)
def test_coverage_adds_up_to_the_area(polygon: Polygon) -> None:
    share = polygon.coverage(polygon.box.dilated_by(2)).array.astype(float)
    # float32 shares of at most 1000 pixels.
    assert share.sum() == pytest.approx(polygon.area, abs=1000 * 6e-8)
    assert (share[0] == 0).all()
    assert (share[:, -1] == 0).all()


def test_coverage_of_boxes_is_exact() -> None:
    outline = Polygon.from_box(Box.from_shape((3, 4), start=(2, 5)))
    share = outline.coverage(Box.from_shape((10, 12))).array
    assert share.sum() == 12
    assert (share[2:5, 5:9] == 1).all()
    half = Polygon(((0, 0), (0, 3), (3, 3), (3, 0))).coverage(Box.from_shape((5, 5))).array
    assert half[0, 0] == 0.25
    assert half[0, 1] == 0.5
    assert half[1, 1] == 1.0
    everything = SQUARE.coverage(Box.from_shape((3, 3), start=(3, 3))).array
    assert (everything == 1).all()


@pytest.mark.parametrize(
    "vertices",
    [(), ((0, 0), (1, 1)), ((0, 0), (1, 1), (0, 0)), ((0, 0), (1, math.nan), (2, 2))],
)
def test_polygons_that_are_none(vertices: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(OptionError):
        Polygon(vertices)


def test_crossing_edges_do_not_hang() -> None:
    bow = Polygon(((0, 0), (10, 10), (10, 0), (0, 10)))
    box = Box.from_shape((4, 30), start=(3, -5))
    with contextlib.suppress(SinglePolygonError):
        assert bow.intersection(box).area > 0

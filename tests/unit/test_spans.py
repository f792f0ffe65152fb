# SPDX-License-Identifier: BSD-3-Clause
"""Pixel sets: small truths, refusals, limits."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepcoadd import Box, Image, Mask
from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.spans import Span, SpanSet, count_by_label, dilate_mask, label_mask

FAR = 2**30
SQUARE = SpanSet.from_box(Box.from_shape((3, 3), start=(-1, -1)))
EMPTY = SpanSet()


def test_circles_have_the_areas_of_the_definition() -> None:
    areas = [SpanSet.from_shape(r).area for r in range(8)]
    assert areas == [1, 5, 13, 29, 49, 81, 113, 149]
    assert SpanSet.from_shape(2, "manhattan", y=-4).area == 13
    assert SpanSet.from_shape(2, "box", x=7).box == Box.from_corners(x0=5, y0=-2, x1=9, y1=2)
    assert len(SpanSet.from_shape(6).edge_pixels()) == 24
    xx, yy, xy = SpanSet.from_shape(1).moments
    assert (xx, yy, xy) == (0.4, 0.4, 0.0)


def test_runs_that_touch_are_one() -> None:
    spans = [(2, 5, 6), (2, 1, 3), (2, 4, 4), (-7, 0, 0)]
    joined = SpanSet(spans)
    assert list(joined) == [Span(-7, 0, 0), Span(2, 1, 6)]
    assert (len(joined), joined.area) == (2, 7)
    assert joined == SpanSet(np.array(spans, np.int16)[::2]) | SpanSet(spans[1::2])


def test_intersection_of_interleaved_runs() -> None:
    a, b = SpanSet([(1, 0, 3), (1, 5, 7)]), SpanSet([(1, 2, 6)])
    assert a & b == SpanSet([(1, 2, 3), (1, 5, 6)])


def test_contains_is_false_for_the_empty_set() -> None:
    assert not SQUARE.contains(EMPTY)
    assert EMPTY <= SQUARE
    ring = SQUARE - SpanSet.from_shape(0)
    assert not ring.contains_point(y=0, x=0)
    assert ring.contains_point(y=-1, x=1)
    assert ring.is_contiguous


def test_diagonal_pixels_touch_with_connectivity_8_only() -> None:
    pair = SpanSet([(0, 0, 0), (1, 1, 1)])
    assert len(pair.split()) == 2
    assert pair.split(8) == [pair]
    assert not pair.is_contiguous
    assert EMPTY.split() == [EMPTY]


@pytest.mark.parametrize("row", [-1, 0, 8])
def test_connections_to_the_next_row_count_wherever_it_is(row: int) -> None:
    u = SpanSet([(row, 0, 0), (row, 4, 4), (row + 1, 0, 4)])
    assert u.is_contiguous
    assert u.split() == [u]


def test_erosion_is_exact_for_any_element() -> None:
    gap = SpanSet([(0, -1, -1), (0, 1, 1), (2, 0, 0)])
    grown = SQUARE.dilated(gap)
    assert grown.eroded(gap).contains(SQUARE)
    assert SQUARE.eroded(2, "box") == EMPTY
    assert SQUARE.eroded(1, "box") == SpanSet.from_shape(0)
    assert SQUARE.eroded(EMPTY) == SQUARE == SQUARE.dilated(EMPTY)
    assert EMPTY.dilated(3) == EMPTY == EMPTY.eroded(3)


def test_operators_refuse_other_types() -> None:
    for operate in (
        lambda: SQUARE | {1},
        lambda: SQUARE & 1,
        lambda: SQUARE - None,
        lambda: SQUARE ^ "a",
        lambda: SQUARE <= 3,
    ):
        with pytest.raises(TypeError):
            operate()
    assert SQUARE != 9
    assert not EMPTY
    assert {SQUARE, SpanSet(SQUARE.spans)} == {SQUARE}


def scaling(factor: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return (lambda y, x: (factor * y, factor * x)), (lambda y, x: (y / factor, x / factor))


def test_transformed() -> None:
    disc = SpanSet.from_shape(2)
    doubled = disc.transformed_by(*scaling(2.0))
    assert doubled.box.start == (-4, -4)
    for y, x in zip(*doubled.indices(), strict=True):
        source = math.floor(y / 2 + 0.5), math.floor(x / 2 + 0.5)
        assert disc.contains_point(y=source[0], x=source[1])
    same = disc.transformed_by(*scaling(1.0))
    assert same == disc
    assert EMPTY.transformed_by(*scaling(2.0)) == EMPTY
    forward, _ = scaling(2.0)
    assert disc.transformed_by(forward, scaling(1.0)[1]) == EMPTY
    assert disc.transformed_by(lambda y, x: (y * np.nan, x), scaling(1.0)[1]) == EMPTY
    with pytest.raises(OptionError, match="forward"):
        disc.transformed_by(*scaling(1e5))


def test_transform_of_a_large_set_works_by_strips() -> None:
    box = Box.from_shape((1500, 900), start=(-700, 5))
    moved = SpanSet.from_box(box).transformed_by(
        lambda y, x: (y + 3.0, x - 4.0), lambda y, x: (y - 3.0, x + 4.0)
    )
    assert moved == SpanSet.from_box(box.shifted_by(y=3, x=-4))


def test_images_and_masks() -> None:
    box = Box.from_shape((4, 5), start=(-2, -2))
    image = Image(np.arange(20.0).reshape(4, 5), box)
    assert SQUARE.flatten(image).tolist() == [6, 7, 8, 11, 12, 13, 16, 17, 18]
    corner = SpanSet([(-2, -2, -1), (-1, -2, -2)])
    back = corner.unflatten([1, 2, 3], fill=-1)
    assert_array_equal(back.array, [[1, 2], [3, -1]])
    assert back.box == corner.box
    SQUARE.set_image(image, np.nan, Box.from_shape((1, 9), start=(0, 0)))
    assert np.isnan(image.array).sum() == 2
    SpanSet.from_shape(9).set_image(image, 0.5, clip=True)
    assert (image.array == 0.5).all()
    mask = SQUARE.to_mask(box, ["SAT", "CR"])
    assert mask.array[1, 1] == mask.planes.bitmask("SAT", "CR")
    assert SpanSet.from_mask(mask, "CR") == SQUARE
    assert SpanSet.from_mask(mask, ()) == EMPTY
    flipped = Mask(mask.array[::-1, ::-1], box)
    assert SpanSet.from_mask(flipped).area == 9
    wide = Mask(np.repeat(mask.array, 3, axis=1)[:, ::3], box)
    assert SpanSet.from_mask(wide) == SQUARE
    SQUARE.clear_mask(wide, "SAT")
    assert_array_equal(wide.has("SAT"), False)
    sign = Mask(np.full((2, 2), -(2**31), np.int32))
    assert SpanSet.from_mask(sign, 2**31).area == 4


def test_pixels_outside_an_image_are_errors() -> None:
    box = Box.from_shape((2, 2))
    mask, image = Mask.zeros(box), Image(np.zeros((2, 2)), box)
    for work in (
        lambda: SQUARE.set_mask(mask, "SAT"),
        lambda: SQUARE.clear_mask(mask, 1),
        lambda: SQUARE.set_image(image, 1.0),
        lambda: SQUARE.flatten(image),
    ):
        with pytest.raises(ShapeError, match=r"y=-1\.\.1"):
            work()
    assert not mask.array.any()
    assert not image.array.any()


REFUSED: dict[str, Callable[[], object]] = {
    "x0 <= x1": lambda: SpanSet([(0, 2, 1)]),
    r"shape.*\(n, 3\)": lambda: SpanSet([(0, 2)]),
    "dtype float64": lambda: SpanSet([(0.0, 2.0, 3.0)]),
    "more than 32 bits": lambda: SpanSet([(0, 0, 2**40)]),
    "spans.*must be between": lambda: SpanSet([(0, 0, 2**31 - 1)]),
    "stencil: got .disc": lambda: SpanSet.from_shape(2, "disc"),  # type: ignore[arg-type]
    "radius: got -1": lambda: SpanSet.from_shape(-1),
    "radius: got 1.5": lambda: SQUARE.dilated(1.5),  # type: ignore[arg-type]
    "radius: got 10000000000": lambda: SQUARE.dilated(10**10),
    "radius.*64 bits": lambda: SQUARE.eroded(10**30),
    "connectivity: got 6": lambda: SQUARE.split(6),
    "rows": lambda: SpanSet.from_box(Box.from_shape((2**25, 1))),
    "box.*between": lambda: SpanSet.from_box(Box.from_shape((1, 2**31))),
    "box: got": lambda: SQUARE.clipped_to((0, 1)),  # type: ignore[arg-type]
    "shift": lambda: SQUARE.shifted_by(y=FAR),
    "shift.*between": lambda: SQUARE.shifted_by(x=-(2**63) + 1),
    "dilation": lambda: SpanSet([(FAR, 0, 0)]).dilated(1),
    "erosion": lambda: SpanSet([(FAR, 0, 0)]).eroded(SpanSet([(-1, 0, 0)])),
    "offset": lambda: SpanSet.from_shape(1, y=2**62),
    "ellipse": lambda: SpanSet.from_ellipse(math.nan, 1.0),
    "ellipse: got": lambda: SpanSet.from_ellipse(1e200, 1.0),
    "dtype bool": lambda: SpanSet.from_array(np.zeros((2, 2))),  # type: ignore[arg-type]
    "array.*2-D": lambda: SpanSet.from_array(np.zeros(2, bool)),
    "mask: got ndarray": lambda: SpanSet.from_mask(np.zeros((2, 2), np.int32), 1),  # type: ignore[arg-type]
    "bits: got 4294967296": lambda: SpanSet.from_mask(Mask.zeros(Box.empty()), 2**32),
    "bits.*beside": lambda: SQUARE.union(SQUARE, 1),
    "values: got shape": lambda: SQUARE.unflatten([1, 2]),
    "y: got dtype float64": lambda: SQUARE.contains_points(y=[0.5], x=[1]),
    r"y: got shape \(1, 1\)": lambda: SQUARE.contains_points(y=[[0]], x=[[0]]),
    "other: got NoneType": lambda: SQUARE.overlaps(None),  # type: ignore[arg-type]
    "other: got str": lambda: SQUARE.contains("all"),  # type: ignore[arg-type]
    "other: got list, must be a SpanSet": lambda: SQUARE.union([SQUARE]),  # type: ignore[arg-type]
    "mask: got NoneType": lambda: SpanSet.from_mask(None),  # type: ignore[arg-type]
    "rows of different lengths": lambda: SpanSet([(0, 0, 1), (1, 2)]),  # type: ignore[list-item]
    r"start: got \(1,\)": lambda: SpanSet.from_array(np.ones((1, 1), bool), start=(1,)),  # type: ignore[arg-type]
    "stencil: got None": lambda: SQUARE.dilated(1, None),  # type: ignore[arg-type]
    "image: got ndarray": lambda: SQUARE.flatten(np.ones((3, 3))),  # type: ignore[arg-type]
    "image: got list": lambda: SQUARE.set_image([1], 1.0),  # type: ignore[arg-type]
    "box: got NoneType": lambda: SQUARE.to_mask(None, 1),  # type: ignore[arg-type]
    "fill: got nan.*int64": lambda: SQUARE.unflatten(np.arange(9), math.nan),
    "value: got 0.5.*int32": lambda: SQUARE.set_image(Image(np.zeros((9, 9), np.int32)), 0.5),
    "value: got 256.*uint8": lambda: SQUARE.set_image(Image(np.zeros((9, 9), np.uint8)), 256),
    "forward: must return two arrays": lambda: SQUARE.transformed_by(
        lambda y, x: (y[:1], x[:1]), lambda y, x: (y, x)
    ),
    "inverse: must return two arrays": lambda: SQUARE.transformed_by(
        lambda y, x: (y, x),
        lambda y, x: y,  # type: ignore[arg-type,return-value]
    ),
    r"x: got 2": lambda: SQUARE.contains_points(y=[0], x=[1, 2]),
    "labels.*uint32": lambda: SpanSet.from_labels(np.zeros((2, 2), int)),  # type: ignore[arg-type]
    "labels: got label 3": lambda: count_by_label(
        np.full((1, 1), 3, np.uint32), Mask.zeros(Box.from_shape((1, 1))), 2
    ),
    "n: got -1": lambda: count_by_label(
        np.zeros((1, 1), np.uint32), Mask.zeros(Box.from_shape((1, 1))), -1
    ),
    "mask: got .1, 2": lambda: count_by_label(
        np.zeros((1, 1), np.uint32), Mask.zeros(Box.from_shape((1, 2))), 1
    ),
    "connectivity: got 5": lambda: label_mask(Mask.zeros(Box.from_shape((1, 1))), connectivity=5),
    "array: got an array of dtype int64": lambda: dilate_mask(np.ones((2, 2), int), 1),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_requests_name_argument_value_and_range(message: str) -> None:
    with pytest.raises((OptionError, ShapeError), match=message):
        REFUSED[message]()


def test_numbers_beyond_int64_are_in_no_set() -> None:
    row = SpanSet([(-1, -1, 0)])
    far = np.array([2**64 - 1], np.uint64)  # -1, were it cast
    assert row.contains_points(y=[-1], x=[-1]).tolist() == [True]
    assert row.contains_points(y=far, x=far).tolist() == [False]
    assert row.contains_points(y=[], x=[]).tolist() == []


def test_transforms_that_leave_all_numbers_have_no_pixels() -> None:
    def away(y: Any, x: Any) -> Any:
        return y + math.inf, x

    assert SQUARE.transformed_by(away, lambda y, x: (0 * x, x)) == EMPTY


def test_unknown_planes_are_named() -> None:
    with pytest.raises(MaskPlaneError, match="NOPE"):
        SpanSet.from_mask(Mask.zeros(Box.from_shape((1, 1))), "NOPE")


def test_the_corners_of_the_allowed_range() -> None:
    ends = SpanSet([(-FAR, FAR, FAR), (FAR, -FAR, -FAR)])
    assert ends.dilated(0) == ends == ends.eroded(0)
    assert ends.split() == [SpanSet(ends.spans[:1]), SpanSet(ends.spans[1:])]
    assert ends.centroid == (0.0, 0.0)
    assert ends.moments.xx == float(FAR) ** 2
    whole_row = SpanSet([(0, -FAR, FAR)])
    assert whole_row.area == 2**31 + 1
    assert (whole_row & ends) == EMPTY
    grown = SpanSet([(0, 5 - FAR, 5 - FAR), (9, FAR - 5, FAR - 5)]).dilated(5)
    assert grown.area == 162
    assert pickle.loads(pickle.dumps(grown)) == grown
    assert not ends.contains_point(y=2**62, x=0)


def test_repr_says_where_and_how_large() -> None:
    assert repr(SQUARE) == "SpanSet(box=[y=-1..1, x=-1..1], area=9, spans=3)"
    assert repr(EMPTY) == "SpanSet(box=[empty], area=0, spans=0)"


def test_getters_of_task_users() -> None:
    tasks: Any = SpanSet.from_shape(1, y=4, x=3)
    assert tasks.getArea() == 5
    assert tasks.getBBox().getMinX() == 2
    assert (tasks.computeCentroid().getX(), tasks.computeCentroid().getY()) == (3.0, 4.0)
    assert tasks.computeShape().xx == 0.4
    assert tasks.shiftedBy(1, 2) == SpanSet.from_shape(1, y=6, x=4)
    assert tasks.isContiguous()
    assert not tasks.isEmpty()
    mask = Mask.zeros(Box.from_shape((9, 9)))
    tasks.setMask(mask, 4)
    assert tasks.clippedTo(mask.box).findEdgePixels().area == 4
    assert tasks.asArray().sum() == np.count_nonzero(mask.array) == 5
    assert tasks.intersectNot(mask) == EMPTY
    tasks.clearMask(mask, 4)
    tasks.setImage(Image(np.zeros((9, 9))), 1.0)
    assert not mask.array.any()

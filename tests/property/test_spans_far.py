# SPDX-License-Identifier: BSD-3-Clause
"""Sets and footprints near the ends of the coordinates: moved results, or a clear refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.errors import DeepcoaddError
from deepcoadd.spans import FootprintSet, SpanSet, Threshold

ENDS = (2**30, -(2**30), 2**31 - 1, -(2**31), 2**31, 2**32, 2**62, 2**63 - 1, -(2**63), 2**70)

Operation = Callable[[np.ndarray[Any, Any], tuple[int, int]], Any]


def sets_of(flags: Any, start: tuple[int, int]) -> tuple[SpanSet, SpanSet]:
    a = SpanSet.from_array(flags, start=start)
    return a, SpanSet.from_array(flags[::-1, ::-1].copy(), start=start)


def mask_of(flags: Any, start: tuple[int, int]) -> Mask:
    return Mask(flags.astype(np.int32), Box.from_shape(flags.shape, start=start))


def found(flags: Any, start: tuple[int, int]) -> FootprintSet:
    return FootprintSet.search(mask_of(flags, start), Threshold(1, "bitmask"))


def image_of(flags: Any, start: tuple[int, int]) -> MaskedImage:
    return MaskedImage.from_arrays(flags * 9.0, None, 1.0, start=start)


OPERATIONS: dict[str, Operation] = {
    "split": lambda f, s: sets_of(f, s)[0].split(8),
    "dilated": lambda f, s: sets_of(f, s)[0].dilated(3),
    "box": lambda f, s: sets_of(f, s)[0].dilated(1, "box"),
    "eroded": lambda f, s: sets_of(f, s)[0].eroded(1, "manhattan"),
    "edges": lambda f, s: sets_of(f, s)[0].edge_pixels(),
    "or": lambda f, s: sets_of(f, s)[0] | sets_of(f, s)[1],
    "xor": lambda f, s: sets_of(f, s)[0] ^ sets_of(f, s)[1],
    "minus": lambda f, s: sets_of(f, s)[0] - sets_of(f, s)[1],
    "with a mask": lambda f, s: sets_of(f, s)[1].intersect(mask_of(f, s), 1),
    "not a mask": lambda f, s: sets_of(f, s)[1].intersect_not(mask_of(f, s), 1),
    "clipped": lambda f, s: sets_of(f, s)[0].clipped_to(
        Box.from_shape((2, 3), start=(s[0] + 1, s[1] + 1))
    ),
    "array": lambda f, s: SpanSet.from_array(
        sets_of(f, s)[0].as_array(Box.from_shape((4, 4), start=s)), start=s
    ),
    "search": lambda f, s: found(f, s).pixel_sets,
    "image": lambda f, s: FootprintSet.search(image_of(f, s), Threshold(5, "value")).pixel_sets,
    "grown": lambda f, s: found(f, s).grown(2).pixel_sets,
    "merged": lambda f, s: found(f, s).merged(found(f[::-1].copy(), s)).pixel_sets,
    "labels": lambda f, s: SpanSet.from_array(found(f, s).labels() > 0, start=s),
}


def moved(value: Any, y: int, x: int) -> Any:
    if isinstance(value, list):
        return [one.shifted_by(y=y, x=x) for one in value]
    return value.shifted_by(y=y, x=x)


flag_arrays = st.tuples(st.integers(1, 6), st.integers(1, 70), st.integers(0, 999)).map(
    lambda c: np.random.default_rng(c[2]).random(c[:2]) < 0.5
)
places = st.tuples(st.sampled_from([0, *ENDS]), st.integers(-75, 75)).map(sum)


@pytest.mark.parametrize("name", OPERATIONS)
@given(flag_arrays, places, places)
def test_results_move_with_their_sets(name: str, flags: Any, y: int, x: int) -> None:
    operation = OPERATIONS[name]
    want = operation(flags, (0, 0))
    try:
        got = operation(flags, (y, x))
    except DeepcoaddError:  # only near the ends
        assert max(abs(y), abs(x)) > 2**30 - 200
        return
    if want:
        assert max(abs(y), abs(x)) < 2**30 + 200
        assert got == moved(want, y, x)
    else:
        assert not got


@given(flag_arrays, places, places)
def test_shifts_and_boxes_that_leave_the_coordinates(flags: Any, y: int, x: int) -> None:
    spans = SpanSet.from_array(flags)
    pixels = mask_of(flags, (0, 0))
    try:
        there = spans.shifted_by(y=y, x=x)
    except DeepcoaddError:
        assert max(abs(y), abs(x)) > 2**30 - 200
    else:
        assert there.area == spans.area
        assert there.shifted_by(y=-y, x=-x) == spans
    try:
        far = Box.from_shape((3, 3), start=(y, x))
        clipped = spans.clipped_to(far)
        inside = far & pixels.box
    except DeepcoaddError:
        assert max(abs(y), abs(x)) > 2**30 - 200
    else:
        assert clipped.area == flags[inside.slices_within(pixels.box)].sum()


@given(flag_arrays, st.sampled_from(ENDS), st.sampled_from(["circle", "manhattan", "box"]))
def test_radii_without_end(flags: Any, radius: int, stencil: Any) -> None:
    spans = SpanSet.from_array(flags)
    footprints = found(flags, (0, 0))
    for call in (
        lambda: spans.dilated(radius, stencil),
        lambda: spans.eroded(radius, stencil),
        lambda: footprints.grown(radius),
        lambda: SpanSet.from_shape(radius, stencil),
    ):
        with pytest.raises(DeepcoaddError, match=r"radius|rows|must be"):
            call()


@given(flag_arrays, places, places, st.integers(-3, 3))
def test_moments_near_the_ends(flags: Any, y: int, x: int, sign: int) -> None:
    try:
        spans = SpanSet.from_array(flags, start=(y, x))
    except DeepcoaddError:
        return
    near = SpanSet.from_array(flags)
    if not near:
        return
    (cy, cx), (ny, nx) = spans.centroid, near.centroid
    # Sums of coordinates near 2^30: an ulp of the mean is 1.2e-7 there.
    assert abs(cy - y - ny) < 1e-5
    assert abs(cx - x - nx) < 1e-5


def test_footprints_and_images_of_one_pixel() -> None:
    for shape in ((1, 1), (1, 9), (9, 1)):
        image = Image(np.ones(shape, np.float32), Box.from_shape(shape, start=(-3, 4)))
        footprints = FootprintSet.search(image, Threshold(0.5, "value"))
        assert footprints.areas.tolist() == [shape[0] * shape[1]]
        assert len(footprints.peaks) == 1
        assert footprints.grown(3).spans == footprints.spans
    empty = FootprintSet.search(Mask.zeros(Box.empty()), Threshold(1, "bitmask"))
    assert len(empty.grown(5)) == len(empty.merged(empty)) == 0

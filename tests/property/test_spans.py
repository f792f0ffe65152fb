# SPDX-License-Identifier: BSD-3-Clause
"""Pixel sets and footprints against boolean arrays and brute force."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.spans import (
    Footprint,
    FootprintSet,
    Peak,
    SpanSet,
    Threshold,
    count_by_label,
    dilate_mask,
    label_mask,
)
from deepcoadd.testing.strategies import boxes, masked_images

# Everything drawn lies in this frame, with room for growth by up to 9 pixels.
FRAME = Box.from_corners(x0=-110, y0=-110, x1=110, y1=110)
Flags = NDArray[np.bool_]


@st.composite
def flag_images(draw: st.DrawFn, max_side: int = 70) -> tuple[Flags, Box]:
    """Boolean images from none to all true, up to more than one word of bits wide."""
    box = draw(boxes(20, max_side=max_side))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    flags = rng.random(box.shape) < draw(st.sampled_from([0.0, 0.02, 0.3, 0.6, 0.97, 1.0]))
    return (np.asfortranarray(flags) if draw(st.booleans()) else flags), box


def sets(max_side: int = 70) -> st.SearchStrategy[SpanSet]:
    return flag_images(max_side).map(lambda c: SpanSet.from_array(c[0], start=c[1].start))


def elements() -> st.SearchStrategy[SpanSet]:
    """Structuring sets, with gaps in and between rows, not always about the origin."""
    small = flag_images(5)
    return small.map(lambda c: SpanSet.from_array(c[0]).shifted_by(y=-3, x=-2))


def minkowski(flags: Flags, element: SpanSet) -> Flags:
    """Sum of the pixels of a frame and an element, pixel by pixel."""
    out = np.zeros_like(flags)
    for y, x in zip(*element.indices(), strict=True):
        out |= np.roll(flags, (int(y), int(x)), (0, 1))
    return out


@given(sets(), sets())
def test_algebra_is_that_of_boolean_arrays(a: SpanSet, b: SpanSet) -> None:
    left, right = a.as_array(FRAME), b.as_array(FRAME)
    results = {
        "or": (a | b, left | right),
        "and": (a & b, left & right),
        "minus": (a - b, left & ~right),
        "xor": (a ^ b, left ^ right),
    }
    for name, (ours, want) in results.items():
        assert_array_equal(ours.as_array(FRAME), want, err_msg=name)
        assert ours.area == np.count_nonzero(want)
        assert ours == SpanSet(ours.spans[::-1])
    assert a.overlaps(b) == bool((left & right).any())
    assert a.common_area(b) == np.count_nonzero(left & right)
    assert (a <= b) == bool((left <= right).all())
    assert a.contains(b) == (bool(b) and b <= a)
    assert (a == b) == np.array_equal(left, right)


@given(sets())
def test_geometry_is_that_of_the_pixels(a: SpanSet) -> None:
    flags = a.as_array(FRAME)
    y, x = np.nonzero(flags)
    y, x = y + FRAME.y.start, x + FRAME.x.start
    own_y, own_x = a.indices()
    assert_array_equal(own_y, y)
    assert_array_equal(own_x, x)
    again = pickle.loads(pickle.dumps(a))
    assert again == a
    assert hash(again) == hash(a)
    assert a.shifted_by(y=-17, x=12).shifted_by(y=17, x=-12) == a
    assert a.contains_points(y=own_y, x=own_x).all()
    outside = np.argwhere(~flags)[::37] + FRAME.start
    assert not a.contains_points(y=outside[:, 0], x=outside[:, 1]).any()
    if not a:
        assert a.box.is_empty
        assert np.isnan(a.centroid).all()
        return
    assert a.box == Box.from_corners(x0=x.min(), y0=y.min(), x1=x.max(), y1=y.max())
    assert_allclose(a.centroid, (y.mean(), x.mean()), rtol=0, atol=1e-12)
    moments = (np.var(x), np.var(y), np.mean((x - x.mean()) * (y - y.mean())))
    assert_allclose(a.moments, moments, rtol=0, atol=1e-10)


@given(sets(), boxes(30, max_side=50))
def test_clipping_and_masks(a: SpanSet, box: Box) -> None:
    part = a.clipped_to(box)
    assert part == a & SpanSet.from_box(box)
    mask = Mask.zeros(box)
    part.set_mask(mask, "SAT")
    assert_array_equal(mask.array, 2 * a.as_array(box))
    assert SpanSet.from_mask(mask, "SAT") == part
    assert a.count(mask, "SAT") == part.area
    assert a.count(mask, none_of=["SAT", "BAD"]) == 0
    assert a.intersect_not(mask, "SAT") == SpanSet()
    assert a.union(mask) == a
    part.clear_mask(mask, 2)
    assert not mask.array.any()


@given(sets(40), elements())
def test_dilation_and_erosion_follow_the_definition(a: SpanSet, element: SpanSet) -> None:
    flags = a.as_array(FRAME)
    grown, shrunk = a.dilated(element), a.eroded(element)
    if not element:
        assert grown == shrunk == a
        return
    assert_array_equal(grown.as_array(FRAME), minkowski(flags, element))
    mirrored = SpanSet(np.column_stack([-element.spans[:, 0], -element.spans[:, [2, 1]]]))
    assert_array_equal(shrunk.as_array(FRAME), ~minkowski(~flags, mirrored))
    assert a <= a.dilated(element).eroded(element)


@given(flag_images(30), st.integers(0, 9), st.sampled_from(["circle", "manhattan", "box"]))
def test_stencils_are_exact_distances(case: tuple[Flags, Box], radius: int, stencil: str) -> None:
    flags, box = case
    y, x = np.mgrid[: box.shape[0], : box.shape[1]]
    want = np.zeros_like(flags)
    for py, px in np.argwhere(flags):
        dy, dx = np.abs(y - py), np.abs(x - px)
        reach = {
            "circle": dy * dy + dx * dx <= radius * radius,
            "manhattan": dy + dx <= radius,
            "box": np.maximum(dy, dx) <= radius,
        }
        want |= reach[stencil]
    assert_array_equal(dilate_mask(flags, radius, stencil), want)  # type: ignore[arg-type]


def flood(flags: Flags, connectivity: int) -> NDArray[np.int64]:
    """Labels by flooding from each pixel in raster order."""
    labels = np.zeros(flags.shape, np.int64)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    steps = [s for s in steps if connectivity == 8 or 0 in s]
    for seed in np.argwhere(flags):
        if labels[tuple(seed)]:
            continue
        number, queue = labels.max() + 1, [tuple(seed.tolist())]
        while queue:
            y, x = queue.pop()
            inside = 0 <= y < flags.shape[0] and 0 <= x < flags.shape[1]
            if inside and flags[y, x] and not labels[y, x]:
                labels[y, x] = number
                queue += [(y + dy, x + dx) for dy, dx in steps]
    return labels


@given(flag_images(25), st.sampled_from([4, 8]))
def test_components_are_those_of_flooding(case: tuple[Flags, Box], connectivity: int) -> None:
    flags, box = case
    want = flood(flags, connectivity)
    mask = Mask(flags.astype(np.int32) * 6, box)
    labels, extents = label_mask(mask, "SAT", connectivity)
    assert_array_equal(labels, want)
    whole = SpanSet.from_array(flags, start=box.start)
    parts = whole.split(connectivity)
    assert parts == (list(SpanSet.from_labels(labels, start=box.start).values()) or [SpanSet()])
    assert [(p.area, p.box) for p in parts if p] == list(map(tuple, extents))
    counts = np.bincount(want.ravel(), minlength=len(extents) + 1)[1:]
    assert_array_equal(count_by_label(labels, mask, len(extents), any_of="SAT"), counts)
    assert not count_by_label(labels, mask, len(extents), none_of="SAT").any()
    assert whole.is_contiguous == (flood(flags, 4).max(initial=0) <= 1)


@given(
    masked_images(max_side=30),
    st.sampled_from([-5.0, 0.0, 3.0, 8.0, 305.0]),
    st.sampled_from(["value", "pixel_stdev"]),
    st.sampled_from(["positive", "negative"]),
    st.integers(0, 4),
)
def test_search_finds_the_pixels_that_pass(
    image: MaskedImage, value: float, kind: str, polarity: str, min_pixels: int
) -> None:
    threshold = Threshold(value, kind, polarity)  # type: ignore[arg-type]
    found = FootprintSet.search(image, threshold, min_pixels)
    pixels = image.image.array.astype(float) * (1 if polarity == "positive" else -1)
    variance = image.variance.array.astype(float)
    with np.errstate(invalid="ignore"):
        limit = value if kind == "value" else value * np.sqrt(variance)
        passes = (pixels >= limit) & ((variance > 0) | (kind == "value"))
    labels = flood(passes, 8)
    sizes = np.bincount(labels.ravel())
    keep = [k for k in range(1, len(sizes)) if sizes[k] >= min_pixels]
    assert [f.area for f in found] == [sizes[k] for k in keep]
    origin = image.image.box.start
    for k, footprint in zip(keep, found, strict=True):
        assert footprint.spans == SpanSet.from_array(labels == k, start=origin)
        assert footprint.peaks
        for peak in footprint.peaks:
            y, x = peak.y - origin.y, peak.x - origin.x
            assert labels[y, x] == k
            assert peak.value == image.image.array[y, x]
            around = pixels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            inner = 0 < y < labels.shape[0] - 1 and 0 < x < labels.shape[1] - 1
            brightest = pixels[y, x] == pixels[labels == k].max()
            assert (inner and not (around > pixels[y, x]).any()) or brightest
        order = [p.value for p in footprint.peaks]
        assert order == sorted(order, reverse=polarity == "positive")


def footprints_of(a: SpanSet, region: Box) -> FootprintSet:
    """Components with a peak at the first pixel each."""
    parts = [part for part in a.split(8) if part]
    peaks = [Peak(*part.spans[0, :2].tolist(), 1.0, 2.0) for part in parts]
    pairs = zip(parts, peaks, strict=True)
    return FootprintSet([Footprint(part, (peak,)) for part, peak in pairs], region)


@given(sets(30), sets(30), st.integers(0, 6), st.booleans())
def test_growth_and_merging(a: SpanSet, b: SpanSet, radius: int, isotropic: bool) -> None:
    region = Box.from_corners(x0=-15, y0=-12, x1=20, y1=40)
    first, second = footprints_of(a, region), footprints_of(b, region)
    grown = first.grown(radius, isotropic=isotropic)
    if radius:
        stencil = "circle" if isotropic else "manhattan"
        want = a.dilated(radius, stencil).clipped_to(region)  # type: ignore[arg-type]
        assert [f.spans for f in grown] == [p for p in want.split(8) if p]
        inside = [p for p in first.peaks if region.contains_point(y=p["y"], x=p["x"])]
        assert len(grown.peaks) == len(inside)
    else:
        assert grown.spans == a
    one, other = first.merged(second, radius, 1), second.merged(first, 1, radius)
    union = a.dilated(radius) | b.dilated(1)
    assert one.spans == other.spans == union.clipped_to(region)
    assert [f.spans for f in one] == [p for p in one.spans.split(8) if p]
    assert sorted(one.peaks.tolist(), key=str) == sorted(other.peaks.tolist(), key=str)


@given(sets(30), sets(30))
def test_questions_about_all_footprints(a: SpanSet, b: SpanSet) -> None:
    found = FootprintSet([Footprint(part) for part in a.split(8)], FRAME)
    assert_array_equal(found.areas, [f.area for f in found])
    assert_array_equal(found.common_areas(b), [f.spans.common_area(b) for f in found])
    box = Box.from_corners(x0=-10, y0=-10, x1=30, y1=30)
    mask = b.to_mask(box, "CR")
    want = [(f.spans & b).clipped_to(box).area for f in found]
    assert_array_equal(found.count(mask, "CR"), want)
    labels = found.labels(box)
    assert_array_equal(labels > 0, a.as_array(box))
    assert_array_equal(count_by_label(labels, mask, len(found), any_of="CR"), want)
    image = Image(labels.astype(np.float64), box)
    inside = a.clipped_to(box)
    values = inside.flatten(image)
    assert (values > 0).all()
    again = inside.unflatten(values)
    assert_array_equal(again.array, image.array[inside.box.slices_within(box)])

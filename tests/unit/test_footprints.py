# SPDX-License-Identifier: BSD-3-Clause
"""Thresholds, footprints, peaks, sets of footprints."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.spans import Footprint, FootprintSet, Peak, SpanSet, Threshold


def image_with(pixels: dict[tuple[int, int], float], shape: tuple[int, int] = (9, 12)) -> Image:
    array = np.zeros(shape, np.float32)
    for at, value in pixels.items():
        array[at] = value
    return Image(array, Box.from_shape(shape, start=(-3, 10)))


STARS = image_with({(2, 2): 9.0, (2, 3): 6.0, (3, 4): 8.0, (7, 9): 5.0, (8, 11): 7.0})


def test_footprints_join_at_corners_and_come_by_first_pixel() -> None:
    found = FootprintSet.search(STARS, Threshold(5.0))
    assert [f.area for f in found] == [3, 1, 1]
    assert [p.value for p in found[0].peaks] == [9.0, 8.0]
    assert found[-1].peaks == (Peak(5, 21, 7.0),)
    assert found[0].box == Box.from_corners(x0=12, y0=-1, x1=14, y1=0)
    assert found.region == STARS.box
    assert found.areas.tolist() == [3, 1, 1]
    assert found.peaks["footprint"].tolist() == [0, 0, 1, 2]
    with pytest.raises(IndexError, match="3 footprints"):
        found[3]


def test_area_and_multiplier_choose_footprints() -> None:
    assert len(FootprintSet.search(STARS, Threshold(5.0), 2)) == 1
    assert len(FootprintSet.search(STARS, Threshold(5.0, include_multiplier=1.4))) == 2
    assert len(FootprintSet.search(STARS, Threshold(5.0, include_multiplier=2.0))) == 0


def test_pits_come_deepest_first_or_by_value() -> None:
    pits = image_with({(2, 2): -4.0, (2, 3): -3.0, (2, 4): -9.0})
    limit = Threshold(3.0, polarity="negative")
    found = FootprintSet.search(pits, limit)
    assert [p.value for p in found[0].peaks] == [-9.0, -4.0]
    by_value = FootprintSet.search(pits, limit, peaks_by_value=True)
    assert [p.value for p in by_value[0].peaks] == [-4.0, -9.0]
    assert (found.peak_order, by_value.peak_order) == ("rising", "falling")
    both = found.merged(FootprintSet.search(image_with({(3, 3): 5.0}), Threshold(3.0)))
    assert both.peak_order == "magnitude"
    assert [p.value for p in both[0].peaks] == [-9.0, 5.0, -4.0]


def test_zeros_of_either_sign_are_one_value() -> None:
    flat = Image(np.full((5, 7), -1.0, np.float32))
    for x, value in ((1, 0.0), (3, -0.0), (5, 0.0)):
        flat.array[2, x] = value
    for polarity in ("positive", "negative"):
        sign = 1 if polarity == "positive" else -1
        image = Image(sign * flat.array)
        found = FootprintSet.search(image, Threshold(-1.0, polarity=polarity))  # type: ignore[arg-type]
        assert [p.x for p in found[0].peaks] == [1, 3, 5]


def test_special_pixels() -> None:
    values = [0.0, 9.0, np.nan, np.inf, 9.0, 9.0, 9.0, np.inf, -np.inf]
    scatter = [0.0, np.nan, 1.0, 1.0, np.inf, -1.0, 4.0, np.inf, 1.0]
    for dtype in (np.float32, np.float64):
        row = np.zeros((3, 18), dtype)
        row[1, ::2] = values
        variance = np.ones((3, 18), np.float32)
        variance[1, ::2] = scatter
        image = Image(row)
        plain = FootprintSet.search(image, Threshold(9.0))
        assert plain.spans.spans[:, 1].tolist() == [2, 6, 8, 10, 12, 14]
        if dtype == np.float32:
            noisy = MaskedImage(image, Mask.zeros(image.box), Image(variance))
            found = FootprintSet.search(noisy, Threshold(4.5, "pixel_stdev"))
            assert found.spans.spans[:, 1].tolist() == [6, 12, 14]
            below = Threshold(4.5, "pixel_stdev", "negative")
            assert FootprintSet.search(noisy, below).spans.spans.tolist() == [[1, 16, 16]]
    empty = FootprintSet.search(Image(np.full((5, 5), np.nan)), Threshold(-1e30))
    assert len(empty) == 0
    assert empty.spans == SpanSet()
    assert len(empty.grown(3)) == 0


def test_scatter_thresholds() -> None:
    rng = np.random.default_rng(5)
    array = rng.normal(0, 2, (60, 60))
    for kind in ("stdev", "variance"):
        found = FootprintSet.search(Image(array), Threshold(2.0, kind))  # type: ignore[arg-type]
        # clipping at 3 sigma lowers the scatter of 3600 samples by about 1.3 +- 1.2 percent
        assert found.spans <= SpanSet.from_array(array >= 2 * 2.0 * 0.93)
        assert SpanSet.from_array(array >= 2 * 2.0 * 1.05) <= found.spans


def test_masks_have_footprints_without_peaks() -> None:
    mask = Mask(np.array([[1, 0, 5], [0, 4, 0], [-1, 0, 2]], np.int32))
    assert FootprintSet.search(mask, Threshold(1)).spans.area == 4
    found = FootprintSet.search(mask, Threshold(4, "bitmask"))
    assert [f.area for f in found] == [3]
    assert found[0].peaks == ()
    assert FootprintSet.search(mask, Threshold(1, polarity="negative")).spans.area == 1
    assert FootprintSet.search(mask, Threshold(2**31, "bitmask"), plane="CR").spans.area == 1
    assert mask.array[2, 0] == -1
    assert len(FootprintSet.search(mask, Threshold(4, "bitmask"), 4)) == 0


def test_planes_are_set_where_footprints_are() -> None:
    masked = MaskedImage.from_arrays(STARS.array, box=STARS.box)
    found = FootprintSet.search(masked, Threshold(5.0), plane="DETECTED")
    assert_array_equal(masked.mask.has("DETECTED"), found.spans.as_array(STARS.box))
    with pytest.raises(MaskPlaneError, match="NOPE"):
        FootprintSet.search(masked, Threshold(5.0), plane="NOPE")


def test_growth_is_cut_to_the_region() -> None:
    found = FootprintSet.search(STARS, Threshold(5.0))
    grown = found.grown(3)
    assert STARS.box.contains(grown.spans.box)
    wide = found.with_region(STARS.box.dilated_by(5)).grown(3)
    assert wide.spans == found.spans.dilated(3)
    assert grown.spans == wide.spans.clipped_to(STARS.box)
    assert sum(len(f.peaks) for f in grown) == len(found.peaks)
    assert found.grown(0).spans == found.spans


def test_growth_in_directions() -> None:
    one = FootprintSet.search(image_with({(4, 4): 5.0}), Threshold(5.0))
    arms = one.grown_along(2, left=True, up=True).spans
    assert arms == SpanSet([(1, 12, 14), (2, 14, 14), (3, 14, 14)])
    assert one.grown_along(1, right=True, down=True).spans == SpanSet([(1, 14, 15), (0, 14, 14)])
    assert one.grown_along(3).spans == one.spans
    assert one.grown(1, isotropic=False).spans.area == 5


def test_an_isolated_pixel_grows_to_a_disc() -> None:
    found = FootprintSet.search(image_with({(6, 6): 10.0}, (13, 13)), Threshold(5.0))
    assert found.grown(int(2.4 * 2 + 0.5)).areas.tolist() == [81]


def test_significance_travels_with_the_peaks() -> None:
    found = FootprintSet.search(STARS, Threshold(5.0))
    marked = found.with_significance([3.0, 2.0, 1.0, np.nan])
    assert [p.significance for p in marked[0].peaks] == [3.0, 2.0]
    assert marked[2].peaks[0].significance is None
    assert marked.grown(1)[0].peaks == marked[0].peaks
    with pytest.raises(ShapeError, match="4, one a peak"):
        found.with_significance([1.0])


def test_sets_of_given_footprints_and_pickles() -> None:
    parts = [
        Footprint(SpanSet.from_shape(1, y=9)),
        Footprint(SpanSet()),
        Footprint(SpanSet.from_shape(1), (Peak(0, 0, 1.0), Peak(1, 0, 4.0, 2.5))),
    ]
    made = FootprintSet(parts, Box.from_shape((5, 5)))
    assert [f.area for f in made] == [5, 5]
    assert [p.value for p in made[0].peaks] == [4.0, 1.0]
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert again != made.with_region(Box.from_shape((5, 6)))
    assert again != FootprintSet(parts[:2], Box.from_shape((5, 5)))
    assert made != made.footprints
    assert Footprint(SpanSet(), list(parts[2].peaks)).peaks == parts[2].peaks  # type: ignore[arg-type]
    assert (again.region, again.peak_order) == (made.region, "falling")
    assert repr(made) == "FootprintSet(2 footprints, 2 peaks, region=[y=0..4, x=0..4])"


def test_one_footprint() -> None:
    peaks = (Peak(0, 0, 3.0), Peak(0, 4, 2.0))
    bar = Footprint(SpanSet([(-1, -1, 1), (0, -1, 1), (1, -1, 1), (0, 4, 4)]), peaks)
    assert bar.centroid == bar.spans.centroid
    assert bar.contains_point(y=0, x=4)
    assert bar.eroded(1).peaks == peaks[:1]
    assert bar.dilated(1).peaks == peaks
    assert bar.clipped_to(Box.from_shape((9, 9), start=(0, 3))).peaks == peaks[1:]
    assert [f.peaks for f in bar.split()] == [peaks[:1], peaks[1:]]
    moved = bar.shifted_by(y=2, x=-1)
    assert moved.peaks[1] == Peak(2, 3, 2.0)
    assert moved.spans == bar.spans.shifted_by(y=2, x=-1)


REFUSED: dict[str, Callable[[], object]] = {
    "type: got 5": lambda: Threshold(1.0, 5),  # type: ignore[arg-type]
    "threshold: got float": lambda: FootprintSet.search(STARS, 3.0),  # type: ignore[arg-type]
    "spans: got NoneType": lambda: Footprint(None),  # type: ignore[arg-type]
    "footprints: got SpanSet, must be a Footprint": lambda: FootprintSet([SpanSet()], STARS.box),  # type: ignore[list-item]
    "other: got NoneType": lambda: FootprintSet([], STARS.box).merged(None),  # type: ignore[arg-type]
    "spans: got ndarray": lambda: FootprintSet([], STARS.box).common_areas(STARS.array),  # type: ignore[arg-type]
    "polarity": lambda: Threshold(1.0, polarity="up"),  # type: ignore[arg-type]
    "value: got 'a'": lambda: Threshold("a"),  # type: ignore[arg-type]
    "value: got NaN": lambda: FootprintSet.search(STARS, Threshold(np.nan)),
    "include_multiplier": lambda: FootprintSet.search(
        STARS, Threshold(1.0, include_multiplier=np.inf)
    ),
    "type: got .sigma": lambda: FootprintSet.search(STARS, Threshold(1.0, "sigma")),  # type: ignore[arg-type]
    "type.*no mask": lambda: FootprintSet.search(STARS, Threshold(1, "bitmask")),
    "type.*is a mask": lambda: FootprintSet.search(
        Mask.zeros(STARS.box), Threshold(1, "pixel_stdev")
    ),
    "32 bits": lambda: FootprintSet.search(Mask.zeros(STARS.box), Threshold(1.5, "bitmask")),
    "variance: got none": lambda: FootprintSet.search(STARS, Threshold(1.0, "pixel_stdev")),
    "standard deviation 0": lambda: FootprintSet.search(
        Image(np.ones((9, 9), np.float32)), Threshold(1.0, "stdev")
    ),
    "min_pixels: got -1": lambda: FootprintSet.search(STARS, Threshold(1.0), -1),
    "image: got ndarray": lambda: FootprintSet.search(STARS.array, Threshold(1.0)),  # type: ignore[arg-type]
    "dtype int64": lambda: FootprintSet.search(Image(np.ones((3, 3), int)), Threshold(1.0)),
    "plane: got 'CR'": lambda: FootprintSet.search(STARS, Threshold(1.0), plane="CR"),
    "peak_order": lambda: FootprintSet([], STARS.box, "any"),  # type: ignore[arg-type]
    "radius: got -2": lambda: FootprintSet.search(STARS, Threshold(5.0)).grown(-2),
    "radius: got -3": lambda: FootprintSet.search(STARS, Threshold(5.0)).grown_along(-3),
    "other: got a set": lambda: FootprintSet([], STARS.box).merged(FootprintSet([], Box.empty())),
    "image.*between": lambda: FootprintSet.search(
        Image(np.ones((3, 3)), Box.from_shape((3, 3), start=(2**40, 0))), Threshold(1.0)
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_requests_name_argument_value_and_range(message: str) -> None:
    with pytest.raises((OptionError, ShapeError), match=message):
        REFUSED[message]()


def test_strided_images_give_the_same_footprints() -> None:
    rng = np.random.default_rng(3)
    array = rng.normal(0, 1, (70, 150)).astype(np.float32)
    want = FootprintSet.search(Image(array), Threshold(1.0)).footprints
    wide = np.zeros((70, 300), np.float32)
    wide[:, ::2] = array
    for view in (
        wide[:, ::2],
        np.asfortranarray(array),
        array[::-1][::-1],
        array[:, ::-1][:, ::-1],
    ):
        assert FootprintSet.search(Image(view), Threshold(1.0)).footprints == want


def test_getters_of_task_users() -> None:
    found: Any = FootprintSet.search(STARS, Threshold(5.0))
    footprint = found.getFootprints()[0]
    assert footprint.getArea() == footprint.getSpans().getArea() == 3
    assert footprint.getBBox() == footprint.box
    assert found.getRegion() == footprint.getRegion() == STARS.box
    assert footprint.getCentroid().getY() == footprint.centroid[0]
    assert footprint.getShape() == footprint.spans.moments
    peak = footprint.getPeaks()[0]
    assert (peak.getIx(), peak.getIy(), peak.getPeakValue()) == (12, -1, 9.0)
    assert (peak.getFx(), peak.getFy()) == (12.0, -1.0)
    assert footprint.dilate(1).erode(1).clipTo(STARS.box).peaks == footprint.peaks
    mask = Mask.zeros(STARS.box)
    found.setMask(mask, "DETECTED")
    assert np.count_nonzero(mask.array) == 5

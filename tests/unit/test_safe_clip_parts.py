# SPDX-License-Identifier: BSD-3-Clause
"""The parts of the artifact rejection: decisions, whole detections, tables, partial coadds."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.coadd import (
    AssembleOptions,
    Decision,
    SafeClipOptions,
    assemble,
    build_difference_image,
    decision_table,
    decisions_about_big,
    detect_clip,
    detect_clip_big,
    difference_footprints,
    input_labels,
    merged_signs,
    prepare,
    stack_tile,
)
from deepcoadd.coadd._recompute import blocks_around
from deepcoadd.errors import NoDataError, OptionError, PsfGenerationError
from deepcoadd.psf import GaussianPsf, MissingPsf
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import Footprint, FootprintSet, SpanSet

PLAIN = AssembleOptions(sigma_clip=1.5, n_iter=3, unit=None, interpolate=None)
OPTIONS = SafeClipOptions(assemble=PLAIN, detect_on_warps="never")
BOX = Box.from_shape((30, 40), start=(-5, 7))
FOOT = Box.from_shape((10, 10), start=(0, 10))


def visit_with(*planes: tuple[str, int]) -> Exposure:
    """A visit with planes set at the first pixels of the footprint, in raster order."""
    pixels = MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX)
    for plane, n in planes:
        flags = np.zeros(FOOT.area, bool)
        flags[:n] = True
        pixels.mask[FOOT].set(plane, flags.reshape(FOOT.shape))
    return Exposure(pixels)


def decided(inputs: list[Exposure], options: SafeClipOptions = OPTIONS) -> Any:
    difference = Exposure(MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX))
    footprints = FootprintSet([Footprint(SpanSet.from_box(FOOT))], BOX)
    refs = [ExposureRef(visit) for visit in inputs]
    return detect_clip(difference, refs, options=options, footprints=footprints)


def overlapping(*numbers: int) -> list[Exposure]:
    """Visits whose detections cover so many of the 100 pixels of the footprint."""
    return [visit_with(("DETECTED", n)) for n in numbers]


@pytest.mark.parametrize(
    ("overlaps", "rule", "blamed"),
    [
        ((0, 0, 0), "none", ()),
        ((51, 0, 0), "single", (0,)),
        ((0, 50, 0), "none", ()),  # strictly above
        ((61, 3, 0), "one", (0,)),
        ((60, 3, 0), "none", ()),  # strictly above
        ((58, 3, 0), "none", ()),  # the limit of the single one does not hold here
        ((0, 20, 90), "one", (2,)),
        ((90, 90, 0), "none", ()),
        ((90, 90, 10), "none", ()),  # three: no rule of two
        ((90, 90, 10, 15), "double", (0, 1)),  # at most
        ((90, 90, 10, 16), "none", ()),
        ((90, 46, 10, 5), "double", (0, 1)),  # overrules the rule of one
        ((90, 45, 10, 5), "one", (0,)),  # strictly above
        ((46, 3, 50, 5, 0), "double", (0, 2)),
        ((90, 90, 90, 5, 5), "none", ()),
        ((100, 100, 100, 100, 100), "none", ()),
    ],
)
def test_rules_of_overlap(overlaps: tuple[int, ...], rule: str, blamed: tuple[int, ...]) -> None:
    found = decided(overlapping(*overlaps))
    (decision,) = found.decisions
    assert (decision.rule, decision.clipped) == (rule, blamed)
    expected = [(k, n / 100) for k, n in enumerate(overlaps) if n]
    assert list(zip(decision.considered, decision.overlaps, strict=True)) == expected
    spans = SpanSet.from_box(FOOT)
    for k, one in enumerate(found.clip_spans):
        assert one == {"CLIPPED": [spans] if k in blamed else []}
    assert [footprint.spans for footprint in found.clip_footprints] == [spans] * bool(blamed)
    assert found.clip_indices == [blamed] * bool(blamed)


def test_negative_detections_count() -> None:
    assert decided([visit_with(("DETECTED_NEGATIVE", 60)), *overlapping(0, 0)]).clip_indices


@pytest.mark.parametrize(
    ("n_bad", "considered"),
    [(49, True), (50, False), (51, False)],
)
def test_a_footprint_half_bad_is_not_considered(n_bad: int, considered: bool) -> None:
    one = visit_with(("BAD", n_bad), ("DETECTED", 100))
    (decision,) = decided([one, *overlapping(0, 0)]).decisions
    assert bool(decision.considered) == considered
    if considered:  # pixels that are bad and detected count as bad only
        assert decision.overlaps == (1.0,)


def test_without_a_bad_plane_all_pixels_are_of_use() -> None:
    one = visit_with(("BAD", 60), ("DETECTED", 100))
    options = SafeClipOptions(assemble=replace(OPTIONS.assemble, bad_planes=()))
    (decision,) = decided([one, *overlapping(0, 0)], options).decisions
    assert (decision.overlaps, decision.clipped) == ((1.0,), (0,))


def test_more_bad_than_detected_pixels_are_not_considered() -> None:
    one = visit_with(("DETECTED", 41), ("BAD", 20))  # 21 detected and not bad
    (decision,) = decided([one, *overlapping(0, 0)]).decisions
    assert decision.overlaps == (21 / 80,)
    one = visit_with(("DETECTED", 41), ("BAD", 21))  # 20 of them
    assert not decided([one, *overlapping(0, 0)]).decisions[0].considered


def test_as_many_bad_as_detected_pixels_are_considered() -> None:
    one = visit_with(("DETECTED", 40), ("BAD", 20))  # 20 detected and not bad
    (decision,) = decided([one, *overlapping(0, 0)]).decisions
    assert decision.overlaps == (20 / 80,)


def test_pixels_outside_of_a_visit_are_bad() -> None:
    half = Box.from_corners(x0=FOOT.x.min, y0=FOOT.y.min, x1=FOOT.x.max, y1=FOOT.y.max - 6)
    part = overlapping(100)[0][half]
    assert not decided([part, *overlapping(0, 0)]).decisions[0].considered
    most = Box.from_corners(x0=FOOT.x.min, y0=FOOT.y.min, x1=FOOT.x.max, y1=FOOT.y.max - 4)
    part = overlapping(100)[0][most]
    assert decided([part, *overlapping(0, 0)]).decisions[0].overlaps == (1.0,)


def test_footprints_beyond_16_bits() -> None:
    """The reference counted pixels of a footprint in 16 bits."""
    box = Box.from_shape((300, 300))
    pixels = MaskedImage.from_arrays(np.zeros(box.shape), None, 1.0, box=box)
    pixels.mask.array[:, :240] = pixels.planes.bitmask("DETECTED")
    empty = MaskedImage.from_arrays(np.zeros(box.shape), None, 1.0, box=box)
    footprints = FootprintSet([Footprint(SpanSet.from_box(box))], box)
    found = detect_clip(
        Exposure(empty.copy()),
        [ExposureRef(Exposure(one)) for one in (pixels, empty, empty)],
        options=OPTIONS,
        footprints=footprints,
    )
    assert found.decisions[0].overlaps == (0.8,)
    assert found.clip_indices == [(0,)]


def test_a_strip_wise_reader_gives_the_same_masks() -> None:
    class Reading:
        """A reference that does not hold its pixels."""

        def __init__(self, visit: Exposure) -> None:
            self.visit, self.data_id = visit, {"visit": 5}
            self.box, self.info = lambda: visit.box, lambda: visit.info

        def read(self, box: Box | None = None) -> MaskedImage:
            return self.visit.masked_image[self.box() if box is None else box].copy()

    inputs = overlapping(90, 30, 0)
    tight = replace(OPTIONS, assemble=replace(PLAIN, max_memory=5000))
    difference = Exposure(MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX))
    footprints = FootprintSet([Footprint(SpanSet.from_box(FOOT))], BOX)
    refs: Any = [Reading(visit) for visit in inputs]
    found = detect_clip(difference, refs, options=tight, footprints=footprints)
    assert found.decisions == decided(inputs).decisions
    spans = [one.spans for one in found.detection_footprints]
    assert spans == [one.spans for one in decided(inputs).detection_footprints]


def test_an_input_that_cannot_be_read_is_named() -> None:
    class Broken(ExposureRef):
        in_memory = False

        def view(self, box: Box | None = None) -> MaskedImage:
            raise OSError("gone")

    refs = [Broken(visit, {"visit": 42}) for visit in overlapping(1, 2, 3)]
    difference = Exposure(MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX))
    footprints = FootprintSet([], BOX)
    with pytest.raises(NoDataError, match=r"visit 42: .*gone"):
        detect_clip(difference, refs, options=OPTIONS, footprints=footprints)


def tan_wcs(dx: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, -30.0]
    wcs.wcs.crpix = [5.0 + dx, 5.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    wcs.wcs.set()
    return wcs


def test_inputs_are_put_on_the_grid_of_the_difference(caplog: pytest.LogCaptureFixture) -> None:
    pixels = MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX)
    difference = Exposure(pixels, wcs=tan_wcs())
    footprints = FootprintSet([Footprint(SpanSet.from_box(FOOT))], BOX)
    visit = overlapping(90)[0].masked_image
    away = Box.from_shape(BOX.shape, start=(BOX.y.start, BOX.x.start + 3))
    moved = MaskedImage.from_arrays(visit.image.array, visit.mask.array, 1.0, box=away)
    refs = [ExposureRef(Exposure(moved, wcs=tan_wcs(3.0)))]
    found = detect_clip(difference, refs, options=OPTIONS, footprints=footprints)
    assert found.decisions[0].overlaps == (0.9,)
    refs = [ExposureRef(Exposure(moved, wcs=tan_wcs(3.4)), {"visit": 8})]
    found = detect_clip(difference, refs, options=OPTIONS, footprints=footprints)
    assert not found.decisions[0].considered
    assert "visit 8: no artifacts are looked for: it is on another grid" in caplog.text


def rows_of(*rows: tuple[int, int, int]) -> SpanSet:
    return SpanSet(np.array(rows))


def test_a_broken_artifact_is_clipped_whole() -> None:
    """Three pieces in the difference, one detection of 300 pixels (44)."""
    whole = SpanSet.from_box(Box.from_shape((3, 100)))
    pieces = [
        Footprint(SpanSet.from_box(Box.from_shape((3, n), start=(0, x))))
        for n, x in ((12, 0), (12, 40), (10, 80))
    ]
    other = SpanSet.from_box(Box.from_shape((20, 20), start=(50, 50)))
    region = Box.from_shape((100, 200))
    detections = [
        FootprintSet([Footprint(whole), Footprint(other)], region),
        FootprintSet([Footprint(whole)], region),
    ]
    for n_pieces, due in ((3, [whole]), (2, [])):
        clip_list = [{"CLIPPED": [piece.spans for piece in pieces[:n_pieces]]}, {"CLIPPED": []}]
        before = [len(one["CLIPPED"]) for one in clip_list]
        indices = [np.array([0])] * n_pieces
        big = detect_clip_big(clip_list, pieces[:n_pieces], indices, detections)
        assert [footprint.spans for footprint in big] == due
        assert clip_list[0]["CLIPPED"][n_pieces:] == due
        assert clip_list[1]["CLIPPED"] == []
        decisions = decisions_about_big(clip_list, before)
        assert [(d.spans, d.rule, d.clipped) for d in decisions] == [(s, "big", (0,)) for s in due]
        assert all(d.overlaps == (102 / 300,) for d in decisions)


@pytest.mark.parametrize(("n", "whole"), [(100, False), (101, True)])
def test_more_than_the_least_overlap_is_needed(n: int, whole: bool) -> None:
    detection = SpanSet.from_box(Box.from_shape((1, 150)))
    piece = Footprint(SpanSet.from_box(Box.from_shape((1, n))))
    clip_list = [{"CLIPPED": [piece.spans]}]
    sets = [FootprintSet([Footprint(detection)], Box.from_shape((1, 150)))]
    assert bool(detect_clip_big(clip_list, [piece], [(0,)], sets, min_overlap=100)) == whole


def test_table_of_decisions(tmp_path: Path) -> None:
    one = SpanSet.from_box(Box.from_shape((3, 5), start=(-2, 10)))
    decisions = [
        Decision(one, "one", (0, 2), (0.875, 0.1), (0,)),
        Decision(SpanSet.from_box(Box.from_shape((1, 1))), "none"),
    ]
    table = decision_table(decisions, ["101", "102", "103"], tan_wcs())
    first = dict(zip(table.colnames, table[0], strict=True))
    assert first["visits"] == "101;103"
    assert first["overlaps"] == "0.8750;0.1000"
    assert first["clipped"] == "101"
    assert [first[name] for name in ("x0", "y0", "x1", "y1", "area")] == [10, -2, 14, 0, 15]
    assert (first["x"], first["y"]) == (12.0, -1.0)
    dec = table["dec"][0]
    assert_allclose(dec, -30.0 + (-1.0 - 4.0) * 0.2 / 3600, atol=1e-7)
    assert (table["rule"][1], table["visits"][1], table["clipped"][1]) == ("none", "", "")
    for written in (table, decision_table([], []), decision_table(decisions, list("abc"))):
        for name in ("decisions.fits", "decisions.csv"):
            written.write(tmp_path / name, overwrite=True)
            back = Table.read(tmp_path / name)
            assert back.colnames == table.colnames
            assert len(back) == len(written)
    assert np.isnan(decision_table(decisions, list("abc"))["ra"]).all()
    text = io.StringIO()
    table.write(text, format="ascii.csv")
    assert "101;103" in text.getvalue()


def test_difference_without_clipping_is_exactly_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the rounding of the two means."""

    def rounded_otherwise(work: Any) -> Any:
        totals = stack_tile(work)
        if work.options.statistic == "MEANCLIP":
            work.out.image *= np.float32(1 + 1e-6)
        return totals

    monkeypatch.setattr("deepcoadd.coadd._difference.stack_tile", rounded_otherwise)
    inputs = [Exposure(MaskedImage.from_arrays(np.full(BOX.shape, v), None, 1.0)) for v in (3, 4)]
    inputs[0].image.array[0, 0] = inputs[1].image.array[0, 0] = np.nan
    image = build_difference_image(plan_of(inputs, [1.0, 1.0])).exposure.image.array
    assert np.isnan(image[0, 0])
    assert np.count_nonzero(image == 0) == image.size - 1


def test_inputs_are_named_by_visit_or_file() -> None:
    visit = overlapping(0)[0]
    refs = [ExposureRef(visit, {"visit": 12, "instrument": "X"}), ExposureRef(visit, {"file": "a"})]
    assert input_labels(refs) == ["12", "a"]
    refs = [ExposureRef(visit, {"visit": 12, "detector": k}) for k in (3, 4)]
    refs += [ExposureRef(visit, {"file": "a;b"}), ExposureRef(visit), ExposureRef(visit)]
    names = ["visit 12, detector 3", "visit 12, detector 4", "a,b", "input 3", "input 4"]
    assert input_labels(refs) == names


def test_signs_are_merged() -> None:
    region = Box.from_shape((10, 10))
    left = FootprintSet([Footprint(rows_of((1, 1, 3)))], region)
    right = FootprintSet([Footprint(rows_of((2, 4, 5)))], region)
    assert len(merged_signs(left, right)) == 1
    assert merged_signs(None, right) is right
    assert merged_signs(left, None) is left
    with pytest.raises(OptionError):
        merged_signs(None, None)


def plan_of(inputs: list[Exposure], weights: list[float]) -> Any:
    return prepare(inputs, weights=weights, options=PLAIN)


def test_difference_carries_the_mean_psf() -> None:
    inputs = [overlapping(0)[0] for _ in range(4)]
    inputs[0] = Exposure(inputs[0].masked_image, psf=GaussianPsf((21, 21), 2.0))
    inputs[1] = Exposure(inputs[1].masked_image, psf=GaussianPsf((15, 17), 1.5))
    inputs[2] = Exposure(inputs[2].masked_image, psf=MissingPsf("PiffPsf"))
    difference = build_difference_image(plan_of(inputs, [3.0, 1.0, 5.0, 5.0])).exposure
    kernel = difference.require("psf").kernel_image()
    assert kernel.box == Box.from_shape((21, 21), start=(-10, -10))
    expected = 0.75 * inputs[0].require("psf").kernel_image().array
    expected[3:18, 2:19] += 0.25 * inputs[1].require("psf").kernel_image().array
    assert_allclose(kernel.array, expected, atol=1e-15)
    none = build_difference_image(plan_of(inputs[2:], [1.0, 1.0])).exposure
    assert none.info.psf is None
    with pytest.raises(PsfGenerationError):
        difference_footprints(none)


def test_difference_is_one_mean_less_the_other() -> None:
    rng = np.random.default_rng(8)
    shape = (40, 50)
    inputs = []
    for _ in range(7):
        pixels = MaskedImage.from_arrays(rng.normal(5, 2, shape), None, rng.uniform(1, 3, shape))
        pixels.mask.set("BAD", rng.random(shape) < 0.1)
        pixels.image.array[rng.random(shape) < 0.1] = np.nan
        inputs.append(Exposure(pixels))
    inputs[0].image.array[:3] = np.nan
    for visit in inputs:
        visit.mask.array[:2] = visit.mask.planes.bitmask("BAD")
    weights = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 0.1]
    plan = plan_of(inputs, weights)
    made = build_difference_image(plan)
    plain = assemble(inputs, weights=weights, options=PLAIN)
    harsh = assemble(inputs, weights=weights, options=replace(PLAIN, statistic="MEANCLIP"))
    assert_array_equal(made.mean.image.array, plain.image.array)
    assert_array_equal(made.mean.mask.array, plain.mask.array)
    image = plain.image.array - harsh.image.array
    calm = harsh.n_clipped_image.array == 0
    assert_array_equal(made.exposure.image.array, image)
    assert np.all(made.exposure.image.array[2:][calm[2:]] == 0)
    assert np.isnan(made.exposure.image.array[:2]).all()
    assert_array_equal(made.exposure.variance.array, plain.variance.array + harsh.variance.array)
    assert_array_equal(made.exposure.mask.array, plain.mask.array | harsh.mask.array)
    assert not made.stored


@pytest.mark.parametrize(
    ("spans", "due"),
    [
        (SpanSet(), []),
        (rows_of((2, 100, 100)), [(0, 100, 64, 356)]),
        (rows_of((70, 355, 356)), [(64, 100, 100, 612)]),
        (rows_of((0, 100, 100), (3, 700, 705)), [(0, 100, 64, 356), (0, 612, 64, 800)]),
        (rows_of((63, 100, 799), (64, 799, 799)), [(0, 100, 64, 800), (64, 612, 100, 800)]),
    ],
)
def test_blocks_hold_all_pixels_of_a_set(spans: SpanSet, due: list[tuple[int, ...]]) -> None:
    box = Box.from_shape((100, 700), start=(0, 100))
    blocks = list(blocks_around(spans, list(box.tiles((64, 700)))))
    bounds = [(b.y.start, b.x.start, b.y.stop, b.x.stop) for b in blocks]
    assert bounds == due


def test_strips_of_the_clipped_mean_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    inputs = [
        Exposure(MaskedImage.from_arrays(rng.normal(size=BOX.shape), None, 1.0, box=BOX))
        for _ in range(7)
    ]
    inputs[1].image.array[9:15, 3:30] += 30
    inputs[2].image.array[:, 5] = np.nan
    inputs[3].mask.set("SAT", (slice(4, 20), slice(0, 9)))
    plan = plan_of([*inputs[:6], inputs[6][BOX.dilated_by(-4)]], [1.0] * 7)
    whole = build_difference_image(plan)
    monkeypatch.setattr("deepcoadd.coadd._difference._AT_A_TIME", 1)
    rows = build_difference_image(plan)
    for one, other in (
        (whole.exposure, rows.exposure),
        (whole.mean.exposure, rows.mean.exposure),
    ):
        for plane in ("image", "mask", "variance"):
            assert_array_equal(getattr(one, plane).array, getattr(other, plane).array)
    assert np.count_nonzero(whole.exposure.image.array) > 100

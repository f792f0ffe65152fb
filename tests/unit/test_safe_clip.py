# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts of single visits are left out of a coadd; what they are told from stays in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import deepcoadd
from deepcoadd import Box, Exposure, MaskedImage, MaskPlanes
from deepcoadd.coadd import (
    ArtifactCoadd,
    AssembleOptions,
    SafeClipOptions,
    assemble,
    prepare,
    safe_clip,
)
from deepcoadd.errors import NoWorkError, OptionError, PsfGenerationError, ShapeError
from deepcoadd.psf import GaussianPsf
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet

PLAIN = AssembleOptions(statistic="MEAN", sigma_clip=1.5, n_iter=3, unit=None, interpolate=None)
NEVER = SafeClipOptions(assemble=PLAIN, detect_on_warps="never")
AUTO = SafeClipOptions(assemble=PLAIN)
SHAPE = (100, 110)
START = (-20, 30)
SQUARE = Box.from_shape((30, 30), start=(15, 70))


def visits(n: int, seed: int = 3, shape: tuple[int, int] = SHAPE) -> list[Exposure]:
    """Flat skies of unit noise, PSF sigma 2 pixels."""
    rng = np.random.default_rng(seed)
    return [
        Exposure(
            MaskedImage.from_arrays(rng.normal(0, 1, shape), None, 1.0, start=START),
            psf=GaussianPsf((25, 25), 2.0),
        )
        for _ in range(n)
    ]


def add_square(visit: Exposure, grown: int | None = 6, value: float = 20.0) -> None:
    """An artifact, and the mask of a detection that reaches `grown` pixels beyond it."""
    visit.image[SQUARE].array[...] += np.float32(value)
    if grown is not None:
        detect_box(visit, SQUARE.dilated_by(grown))


def detect_box(visit: Exposure, box: Box) -> None:
    visit.mask[box & visit.box].set("DETECTED", (slice(None), slice(None)))


def clipped(result: ArtifactCoadd) -> list[SpanSet]:
    return [mask["CLIPPED"] for mask in result.artifact_masks]


def plain_mean(inputs: Sequence[Exposure]) -> Any:
    return assemble(inputs, weights=[1.0] * len(inputs), options=PLAIN)


def run(inputs: Sequence[Any], options: SafeClipOptions = NEVER, **more: Any) -> ArtifactCoadd:
    return safe_clip(inputs, weights=[1.0] * len(inputs), options=options, **more)


def same_planes(one: Any, other: Any) -> None:
    assert_array_equal(one.image.array, other.image.array)
    assert_array_equal(one.variance.array, other.variance.array)
    assert_array_equal(one.mask.array, other.mask.array)
    assert_array_equal(one.n_image.array, other.n_image.array)
    assert one.maps.keys() == other.maps.keys()
    for name, values in one.maps.items():
        assert_array_equal(values.array, other.maps[name].array, err_msg=name)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_inputs_clip_nothing_and_say_so(
    n: int, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = visits(n)
    add_square(inputs[0])
    with caplog.at_level(logging.WARNING):
        result = run(inputs)
    assert "nothing can be clipped" in caplog.text
    assert not any(clipped(result))
    assert not result.mask.has("CLIPPED").any()
    assert np.all(result.difference.image.array == 0)
    same_planes(result, plain_mean(inputs))
    assert len(result.decisions) == 0


def test_two_inputs_need_no_psf() -> None:
    inputs = [Exposure(visit.masked_image) for visit in visits(2)]
    assert run(inputs).n_artifact_pixels == 0


def test_square_in_one_of_five() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    result = run(inputs)
    areas = [spans.area for spans in clipped(result)]
    assert [bool(area) for area in areas] == [False, False, True, False, False]
    assert SpanSet.from_box(SQUARE) <= clipped(result)[2]
    inside = clipped(result)[2].as_array(result.box)
    others = plain_mean([*inputs[:2], *inputs[3:]])
    assert_allclose(result.image.array[inside], others.image.array[inside], atol=1e-6)
    assert np.all(result.n_image.array[inside] == 4)
    assert_array_equal(result.mask.has("CLIPPED"), inside)
    assert_array_equal(result.mask.has("INEXACT_PSF"), inside)
    plain = plain_mean(inputs)
    assert_array_equal(result.image.array[~inside], plain.image.array[~inside])
    assert_array_equal(result.variance.array[~inside], plain.variance.array[~inside])
    assert result.n_artifact_pixels == areas[2]
    assert result.summary()["n_artifacts"] >= 1


def test_difference_of_a_square() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    result = run(inputs)
    middle = result.difference.image[SQUARE.dilated_by(-5)].array
    # The bright sample is always clipped; a second one now and then, by noise.
    assert_allclose(middle.mean(), 20.0 / 5, atol=0.2)
    assert_allclose(result.difference.variance[SQUARE].array.min(), 1 / 5 + 1 / 4, rtol=1e-6)


def test_detection_as_small_as_the_artifact_is_too_small() -> None:
    inputs = visits(5)
    add_square(inputs[2], grown=0)
    result = run(inputs)
    assert not any(clipped(result))
    rows = result.decisions[result.decisions["visits"] != ""]
    largest = rows[np.argmax(rows["area"])]
    # 30 x 30 of the footprint that smoothing and growth make of it: 0.48
    assert 0.45 < float(largest["overlaps"]) < 0.5
    assert largest["rule"] == "none"


def test_without_detections_nothing_is_clipped() -> None:
    inputs = visits(5)
    add_square(inputs[2], grown=None)
    assert not any(clipped(run(inputs)))


@pytest.mark.parametrize("choice", ["auto", "always"])
def test_detections_of_our_own(choice: Any, caplog: pytest.LogCaptureFixture) -> None:
    inputs = visits(5)
    add_square(inputs[2], grown=None)
    before = [visit.mask.array.copy() for visit in inputs]
    with caplog.at_level(logging.WARNING):
        result = run(inputs, replace(AUTO, detect_on_warps=choice))
    assert SpanSet.from_box(SQUARE) <= clipped(result)[2]
    assert sum(bool(spans) for spans in clipped(result)) == 1
    assert ("sources are detected on them" in caplog.text) == (choice == "auto")
    for visit, words in zip(inputs, before, strict=True):
        assert_array_equal(visit.mask.array, words)
    # What is found that way decides, but does not enter the coadd.
    assert not result.mask.has("DETECTED").any()


def test_only_inputs_without_the_plane_are_detected_on() -> None:
    inputs = visits(5)
    add_square(inputs[2], grown=None)
    detect_box(inputs[0], Box.from_shape((3, 3), start=START))
    assert not any(clipped(run(inputs, AUTO)))  # one input carries detections: masks are trusted
    pixels = inputs[2].masked_image
    planes = MaskPlanes(["BAD", "NO_DATA"])
    bare = MaskedImage.from_arrays(
        pixels.image.array, None, pixels.variance.array, box=pixels.box, planes=planes
    )
    inputs[2] = Exposure(bare, psf=inputs[2].psf)
    assert SpanSet.from_box(SQUARE) <= clipped(run(inputs, AUTO))[2]


def test_two_of_six_are_not_told_from_a_source() -> None:
    inputs = visits(6)
    for visit in inputs[:2]:
        add_square(visit)
    assert not any(clipped(run(inputs)))


def test_two_of_six_are_clipped_when_the_others_overlap_a_little() -> None:
    inputs = visits(6)
    for visit in inputs[:2]:
        add_square(visit)
    for visit in inputs[2:]:
        detect_box(visit, SQUARE.dilated_by(-10))
    result = run(inputs)
    assert [bool(spans) for spans in clipped(result)] == [True, True, False, False, False, False]
    assert SpanSet.from_box(SQUARE) <= clipped(result)[0] & clipped(result)[1]
    row = result.decisions[result.decisions["rule"] == "double"]
    assert len(row) == 1
    assert row["clipped"][0].count(";") == 1


@pytest.mark.parametrize("n", [4, 6])
@pytest.mark.parametrize("flux", [500.0, 2e4, 1e6])
def test_stars_in_changing_seeing_are_kept(n: int, flux: float) -> None:
    inputs = visits(n)
    y = np.arange(SHAPE[0])[:, None] - 50.3
    x = np.arange(SHAPE[1])[None, :] - 52.7
    for visit, sigma in zip(inputs, np.linspace(1.5, 3.0, n), strict=True):
        star = np.exp(-(x * x + y * y) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        visit.image.array[...] += (flux * star).astype(np.float32)
        visit.variance.array[...] += (flux * star).astype(np.float32)
        visit.info = replace(visit.info, psf=GaussianPsf((31, 31), float(sigma)))
    result = run(inputs, replace(AUTO, detect_on_warps="always"))
    near = SpanSet.from_shape(12, y=START[0] + 50, x=START[1] + 53)
    assert not any(spans.overlaps(near) for spans in clipped(result))


def test_artifact_at_the_border() -> None:
    inputs = visits(5)
    corner = Box.from_shape((25, 25), start=START)
    inputs[3].image[corner].array[...] += np.float32(30)
    detect_box(inputs[3], corner.dilated_by(6))
    result = run(inputs)
    # Smoothing sees nothing in the outermost 7 pixels; growth and the whole detection reach them.
    assert SpanSet.from_box(corner) <= clipped(result)[3]
    assert all(result.box.contains(spans.box) for spans in clipped(result))
    assert result.decisions["x0"].min() == START[1]


@pytest.mark.parametrize("removed", [("NOT_DEBLENDED",), ("CLIPPED", "EDGE"), ()])
@pytest.mark.parametrize("bad", [PLAIN.bad_planes, ("NO_DATA", "CLIPPED"), ("SAT",)])
def test_everything_stored_in_masks_survives_the_shortcut(
    removed: tuple[str, ...], bad: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coadd made again around artifacts only has the bits of one made at once (14.2)."""
    monkeypatch.setattr("deepcoadd.coadd._recompute._ROWS", 3)  # so that most blocks stay
    monkeypatch.setattr("deepcoadd.coadd._recompute._COLUMNS", 5)
    inputs = visits(6)
    for k, visit in enumerate(inputs):
        rng = np.random.default_rng(k)
        for plane in ("BAD", "SAT", "EDGE", "CLIPPED", "SUSPECT", "NOT_DEBLENDED"):
            share = 0.001 if plane == "CLIPPED" else 0.03
            visit.mask.set(plane, rng.random(SHAPE) < share)
        visit.image.array[rng.random(SHAPE) < 0.02] = np.nan
        visit.variance.array[...] = 1.0 + rng.random(SHAPE)
    add_square(inputs[1])
    small = Box.from_shape((60, 70), start=(0, 60))
    refs = [ExposureRef(visit, {"visit": 7 * k}) for k, visit in enumerate(inputs)]
    refs[4] = ExposureRef(inputs[4][small], {"visit": 28})
    weights = [1.0, 0.3, 2.0, 1.5, 0.7, 1.1]
    maps = ("weight", "exposure_time", "date")
    options = replace(PLAIN, maps=maps, remove_planes=removed, bad_planes=bad)
    result = safe_clip(refs, weights=weights, options=replace(NEVER, assemble=options))
    assert clipped(result)[1]
    masks = result.artifact_masks
    final = replace(options, bad_planes=(*bad, "CLIPPED"))
    full = assemble(refs, weights=weights, options=final, alternate_masks=masks)
    same_planes(result, full)
    assert result.noise == full.noise
    assert result.box == full.box


def test_the_result_does_not_depend_on_threads_budget_or_run() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    first = run(inputs, AUTO)
    tight = replace(PLAIN, max_memory=200_000, subregion=(13, 4000))
    before = deepcoadd.get_num_threads()
    try:
        for n_threads, options in ((1, PLAIN), (2, tight), (before, PLAIN)):
            deepcoadd.set_num_threads(n_threads)
            again = run(inputs, replace(AUTO, assemble=options))
            same_planes(first, again)
            assert clipped(first) == clipped(again)
            assert_array_equal(first.difference.image.array, again.difference.image.array)
            rows = [table.pformat(-1, -1) for table in (first.decisions, again.decisions)]
            assert rows[0] == rows[1]
    finally:
        deepcoadd.set_num_threads(before)


def test_interpolation_and_units_are_those_of_the_options() -> None:
    inputs = visits(4)
    for visit in inputs:
        visit.image.array[40:43, 50] = np.nan
    options = replace(AUTO, assemble=AssembleOptions(unit=None, sigma_clip=1.5, n_iter=3))
    result = run(inputs, options)
    assert np.isfinite(result.image.array[40:43, 50]).all()
    assert result.mask.has("INTRP")[40:43, 50].all()
    assert result.options == options.assemble
    assert np.isnan(result.difference.image.array[40:43, 50]).all()


def test_strange_pixels_are_not_clipped_and_do_no_harm() -> None:
    inputs = visits(5)
    inputs[0].variance.array[:20] = 0.0
    inputs[1].variance.array[20:40] = np.inf
    inputs[2].variance.array[30:50] = np.nan
    inputs[3].image.array[50:60] = np.nan
    inputs[4].image.array[70, 5] = np.inf
    inputs[0].mask.array[80:] = inputs[0].planes.bitmask("BAD")
    add_square(inputs[2])
    result = run(inputs)
    assert clipped(result)[2]
    assert np.isfinite(result.image.array).all()


def test_a_visit_without_a_good_pixel() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    inputs[4].mask.set("BAD", (slice(None), slice(None)))
    result = safe_clip(inputs, options=NEVER)  # no weight can be measured: skipped
    assert [item.index for item in result.skipped] == [4]
    assert len(result.artifact_masks) == 4
    assert clipped(result)[2]
    given = run(inputs)  # with a weight given it stays, and counts for nothing
    assert [bool(spans) for spans in clipped(given)] == [False, False, True, False, False]
    assert_array_equal(given.image.array, result.image.array)


def test_no_psf() -> None:
    inputs = [Exposure(visit.masked_image) for visit in visits(4)]
    with pytest.raises(PsfGenerationError, match="give sigma"):
        run(inputs)
    add_square(inputs[0])
    assert clipped(run(inputs, sigma=2.0))[0]
    add_square(inputs[0], grown=None)
    for visit in inputs:
        visit.mask.clear("DETECTED")
    assert clipped(run(inputs, AUTO, sigma=2.0))[0]


def test_some_inputs_without_psf_take_that_of_the_others() -> None:
    inputs = visits(5)
    add_square(inputs[2], grown=None)
    inputs[2] = Exposure(inputs[2].masked_image)
    assert SpanSet.from_box(SQUARE) <= clipped(run(inputs, AUTO))[2]


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_width_is_checked(sigma: float) -> None:
    with pytest.raises(OptionError, match="sigma"):
        run(visits(3), sigma=sigma)


def test_image_smaller_than_the_smoothing_kernel() -> None:
    with pytest.raises(ShapeError):
        run(visits(3, shape=(10, 12)))


def test_nothing_to_do() -> None:
    with pytest.raises(NoWorkError):
        run([])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_clip_foot_overlap", 1.5),
        ("min_clip_foot_overlap_single", -0.1),
        ("min_clip_foot_overlap_double", float("nan")),
        ("max_clip_foot_overlap_double", 2),
        ("min_big_overlap", -1),
        ("detect_on_warps", "sometimes"),
        ("assemble", AssembleOptions(statistic="MEANCLIP")),
    ],
)
def test_options_are_checked(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name.partition(".")[0]):
        SafeClipOptions(**{name: value})


def test_progress_is_reported() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    labels: list[str] = []
    run(inputs, progress=lambda done, total, label: labels.append(label))
    seen = list(dict.fromkeys(labels))
    assert seen == ["weighing", "stacking", "finding artifacts", "leaving out artifacts"]


def test_a_plan_gives_the_same() -> None:
    inputs = visits(5)
    add_square(inputs[2])
    plan = prepare(inputs, weights=[1.0] * 5, options=PLAIN)
    made, expected = safe_clip(plan, options=NEVER), run(inputs)
    assert made.n_artifact_pixels > 0
    same_planes(made, expected)
    assert made.options == expected.options
    with pytest.raises(OptionError, match="leave them out"):
        safe_clip(plan, SQUARE)
    masked = prepare(
        inputs, options=PLAIN, alternate_masks=[{"CR": [SpanSet.from_box(SQUARE)]}] * 5
    )
    with pytest.raises(OptionError, match="alternate_masks"):
        safe_clip(masked)

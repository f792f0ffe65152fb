# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts are told from sources by the number of epochs that show them, and left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import deepcoadd
from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    COMPARE_WARP_ASSEMBLE,
    TEMPLATE_ASSEMBLE,
    ArtifactCoadd,
    ArtifactOptions,
    CompareWarpOptions,
    assemble,
    compare_warp,
    pair_matched,
)
from deepcoadd.errors import NoWorkError, OptionError, PsfGenerationError, ShapeError
from deepcoadd.psf import GaussianPsf
from deepcoadd.refs import ExposureRef, as_refs
from deepcoadd.spans import SpanSet

SHAPE = (80, 90)
START = (-20, 30)
BOX = Box.from_shape(SHAPE, start=START)
SQUARE = Box.from_shape((30, 30), start=(5, 60))
PLAIN = replace(COMPARE_WARP_ASSEMBLE, unit=None, interpolate=None)
STILL = replace(TEMPLATE_ASSEMBLE, unit=None)
OPTIONS = CompareWarpOptions(assemble=PLAIN, template=STILL)


def visits(n: int, seed: int = 3, shape: tuple[int, int] = SHAPE) -> list[Exposure]:
    """Flat skies of unit noise, PSF sigma 2 pixels; visits 100, 101, ..."""
    rng = np.random.default_rng(seed)
    psf = GaussianPsf((25, 25), 2.0)
    made = []
    for number in range(n):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, shape), None, 1.0, start=START)
        made.append(Exposure(pixels, psf=psf, visit_info=VisitInfo(id=100 + number)))
    return made


def with_squares(n: int, k: int, value: float = 20.0) -> list[Exposure]:
    made = visits(n)
    for visit in made[:k]:
        visit.image[SQUARE].array[...] += np.float32(value)
    return made


def run(inputs: Sequence[Any], matched: Any = None, **more: Any) -> ArtifactCoadd:
    more.setdefault("options", OPTIONS)
    weights = [1.0] * len(inputs)
    return compare_warp(inputs, inputs if matched is None else matched, weights=weights, **more)


def clipped(result: ArtifactCoadd) -> list[SpanSet]:
    return [mask["CLIPPED"] for mask in result.artifact_masks]


def square_in(result: ArtifactCoadd) -> list[int]:
    """Epochs in which most of the square is clipped."""
    square = SpanSet.from_box(SQUARE)
    return [n for n, one in enumerate(clipped(result)) if one.common_area(square) > 450]


# k of n epochs show a square of 20 sigma: which are clipped. The template is contaminated where
# k / n is above 1/4 or so, and the majority defines the sky. 4 and 5 of 6 are not listed: whether
# the square is a source of the template then (300 sigma) depends on the width of the PSF.
TABLE = [
    (2, 1, "none"),
    (3, 1, "those"),
    (3, 2, "others"),
    (3, 3, "none"),
    (4, 1, "those"),
    (4, 2, "none"),
    (4, 3, "others"),
    (5, 1, "those"),
    (5, 2, "none"),
    (5, 3, "none"),
    (5, 4, "others"),
    (6, 1, "those"),
    (6, 2, "those"),
    (6, 3, "none"),
    (10, 1, "those"),
    (10, 2, "those"),
    (10, 3, "none"),
    (10, 6, "none"),
    (12, 3, "none"),
    (40, 1, "those"),
    (40, 2, "those"),
    (40, 3, "those"),
    (40, 4, "none"),
]


@pytest.mark.parametrize(("n", "k", "due"), TABLE)
@pytest.mark.parametrize("scaled", [True, False])
def test_square_in_k_of_n_epochs(n: int, k: int, due: str, scaled: bool) -> None:
    options = OPTIONS
    if not scaled:
        options = replace(OPTIONS, artifacts=ArtifactOptions(scale_variance=None))
    expected = {"none": [], "those": list(range(k)), "others": list(range(k, n))}[due]
    assert square_in(run(with_squares(n, k), options=options)) == expected


def test_square_in_one_of_five() -> None:
    inputs = with_squares(5, 1)
    result = run(inputs)
    first = clipped(result)[0]
    assert first.area == 1020  # 32 x 32 without the four corners
    assert first == SpanSet.from_box(SQUARE).dilated(1)
    assert not any(clipped(result)[1:])
    inside = first.as_array(BOX)
    others = assemble(inputs[1:], weights=[1.0] * 4, options=PLAIN)
    assert_allclose(result.image.array[inside], others.image.array[inside], atol=1e-6)
    assert np.all(result.n_image.array[inside] == 4)
    assert_array_equal(result.mask.has("CLIPPED"), inside)
    assert_array_equal(result.mask.has("INEXACT_PSF"), inside)
    plain = assemble(inputs, weights=[1.0] * 5, options=PLAIN)
    assert_array_equal(result.image.array[~inside], plain.image.array[~inside])
    assert_array_equal(result.variance.array[~inside], plain.variance.array[~inside])
    assert result.n_artifact_pixels == 1020
    assert result.summary()["n_artifacts"] == 1
    (row,) = result.decisions[result.decisions["rule"] == "artifact"]
    assert (row["visits"], row["clipped"], row["area"]) == ("100", "100", 1020)


def test_masks_given_to_a_plain_mean_make_the_same_coadd() -> None:
    inputs = with_squares(6, 2)
    inputs[3].mask.set("SAT", np.arange(SHAPE[1]) < np.zeros((SHAPE[0], 1)) + 4)
    inputs[4].image.array[5:9, 5:9] = np.nan
    result = run(inputs)
    again = assemble(
        inputs,
        weights=[1.0] * 6,
        options=replace(PLAIN, bad_planes=(*PLAIN.bad_planes, "CLIPPED")),
        alternate_masks=result.artifact_masks,
    )
    assert_array_equal(result.image.array, again.image.array)
    assert_array_equal(result.variance.array, again.variance.array)
    assert_array_equal(result.n_image.array, again.n_image.array)


def test_sources_keep_what_lies_in_them() -> None:
    inputs = visits(5)
    for visit in inputs:
        visit.image[SQUARE.dilated_by(4)].array[...] += 3000.0
    inputs[2].image[SQUARE.dilated_by(-8)].array[...] += 40.0
    assert not any(clipped(run(inputs)))
    off = replace(OPTIONS, artifacts=ArtifactOptions(preserve_contained_by_source=False))
    assert [bool(one) for one in clipped(run(inputs, options=off))] == [False, False, True] + [
        False
    ] * 2


def test_missing_partner_contributes_nothing() -> None:
    inputs = with_squares(5, 1)
    result = run(inputs, inputs[:4])
    assert_array_equal(result.n_image.array.max(), 4)
    four = run(inputs[:4])
    assert_array_equal(result.image.array, four.image.array)
    assert_array_equal(result.mask.array, four.mask.array)
    # outside of the matched warps the pixels are without data, and not rejected
    assert not result.mask.has("REJECTED").any()


def test_order_of_the_matched_warps_does_not_matter() -> None:
    inputs = with_squares(6, 2)
    shuffled = [inputs[k] for k in (3, 0, 5, 1, 4, 2)]
    one, other = run(inputs), run(inputs, shuffled)
    assert clipped(one) == clipped(other)
    assert_array_equal(one.image.array, other.image.array)


def test_matched_warps_of_other_visits_are_dropped() -> None:
    inputs = with_squares(5, 1)
    extra = visits(1, seed=9)[0]
    extra.info = replace(extra.info, visit_info=VisitInfo(id=999))
    assert clipped(run(inputs, [extra, *inputs])) == clipped(run(inputs))


def test_pairs_by_place_where_nothing_identifies() -> None:
    inputs = [Exposure(visit.masked_image, psf=visit.info.psf) for visit in with_squares(5, 1)]
    assert square_in(run(inputs)) == [0]
    result = run(inputs, [*inputs[:4], None])
    assert result.n_image.array.max() == 4
    with pytest.raises(ShapeError, match="matched: 4 for 5"):
        run(inputs, inputs[:4])


def test_warps_that_cannot_be_told_apart() -> None:
    inputs = visits(3)
    with pytest.raises(OptionError, match="inputs: two warps are"):
        run([*inputs[:2], inputs[0]], inputs)
    with pytest.raises(OptionError, match="matched: two warps are"):
        run(inputs, [*inputs, inputs[0]])
    bare = Exposure(inputs[2].masked_image)
    with pytest.raises(OptionError, match=r"matched: exposure without .* has no instrument"):
        run(inputs, [*inputs[:2], bare])
    with pytest.raises(OptionError, match=r"inputs: some.fits has no instrument"):
        pair_matched([*as_refs(inputs[:2]), ExposureRef(bare, {"file": "some.fits"})], inputs)


def test_files_do_not_keep_partners_apart() -> None:
    one = visits(1)[0]
    direct = ExposureRef(one, {"visit": 7, "file": "direct.fits"})
    matched = ExposureRef(one, {"visit": 7, "file": "matched.fits"})
    assert pair_matched([direct], [matched]) == [matched]
    assert pair_matched(as_refs(visits(1)), [matched]) == [None]


def test_no_partner_at_all() -> None:
    inputs = visits(3)
    others = visits(2)
    for number, one in enumerate(others):
        one.info = replace(one.info, visit_info=VisitInfo(id=number + 1))
    with pytest.raises(NoWorkError, match="matched"):
        run(inputs, others)
    blind = visits(3)
    for one in blind:
        one.image.array[...] = np.nan
    with pytest.raises(NoWorkError, match="matched"):
        run(inputs, blind)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_epochs_clip_nothing_and_say_so(
    n: int, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = with_squares(n, 1)
    with caplog.at_level(logging.WARNING):
        result = run(inputs)
    assert "nothing can be clipped" in caplog.text
    assert not any(clipped(result))
    plain = assemble(inputs, weights=[1.0] * n, options=PLAIN)
    assert_array_equal(result.image.array, plain.image.array)


def test_lower_bound_lets_two_epochs_be_clipped() -> None:
    artifacts = ArtifactOptions(min_epochs_low=2, preserve_contained_by_source=False)
    options = replace(OPTIONS, artifacts=artifacts, leave_one_out=True)
    # either of two may be wrong, so both are left out
    result = run(with_squares(2, 1, 60.0), options=options)
    assert square_in(result) == [0, 1]
    assert not square_in(run(with_squares(2, 1, 60.0)))


def test_edges_of_matched_warps_flag_the_coadd() -> None:
    inputs = visits(4)
    matched = [Exposure(one.masked_image.copy(), one.info) for one in inputs]
    rim = np.zeros(SHAPE, bool)
    rim[:2] = True
    matched[1].mask.set("EDGE", rim)
    gap = np.zeros(SHAPE, bool)
    gap[40:44] = True
    matched[2].mask.set("NO_DATA", gap)
    matched[2].image.array[gap] = np.nan
    inputs[2].mask.set("SAT", gap)
    inputs[3].mask.set("EDGE", gap)
    result = run(inputs, matched)
    assert_array_equal(result.mask.has("SENSOR_EDGE"), rim)
    assert_array_equal(result.mask.has("INEXACT_PSF"), rim)
    assert not result.mask.has("REJECTED", "SAT", "EDGE", "NO_DATA").any()
    assert np.all(result.n_image.array[gap] == 3)
    assert np.all(result.n_image.array[~gap] == 4)


def test_edges_of_epochs_without_weight_do_not_matter() -> None:
    inputs = visits(4)
    matched = [Exposure(one.masked_image.copy(), one.info) for one in inputs]
    matched[1].mask.set("EDGE", np.ones(SHAPE, bool))
    result = compare_warp(inputs, matched, weights=[1.0, 0.0, 1.0, 1.0], options=OPTIONS)
    assert not result.mask.has("SENSOR_EDGE").any()
    assert len(result.artifact_masks) == 3


def test_visit_all_masked_is_skipped() -> None:
    inputs = with_squares(6, 1)
    inputs[4].mask.set("NO_DATA", np.ones(SHAPE, bool))
    inputs[4].image.array[...] = np.nan
    result = compare_warp(inputs, inputs, options=OPTIONS)
    assert [one.index for one in result.skipped] == [4]
    assert square_in(result) == [0]


@pytest.mark.parametrize("variance", [0.0, np.inf])
def test_visit_of_variance_zero_or_infinite(variance: float) -> None:
    inputs = with_squares(6, 1)
    inputs[4].variance.array[...] = variance
    result = compare_warp(inputs, inputs, options=OPTIONS)
    assert [one.index for one in result.skipped] == [4]
    assert square_in(result) == [0]
    assert np.isfinite(result.image.array).all()


def test_matched_warp_without_weight_counts_as_missing() -> None:
    inputs = with_squares(6, 1)
    matched = [Exposure(one.masked_image.copy(), one.info) for one in inputs]
    matched[3].variance.array[...] = np.inf
    result = run(inputs, matched)
    assert result.artifact_masks[3]["NO_DATA"] == SpanSet.from_box(BOX)
    assert result.n_image.array.max() == 5


def test_median_template_stands_more_contaminated_epochs() -> None:
    inputs = with_squares(5, 2)
    assert square_in(run(inputs)) == []
    still = replace(STILL, statistic="MEDIAN")
    assert square_in(run(inputs, options=replace(OPTIONS, template=still))) == [0, 1]


def test_template_of_the_other_epochs() -> None:
    inputs = with_squares(5, 1, 8.4)
    # 8.4 sigma: the usual variance of the difference is too large by 1 + 1/N, and the template
    # holds a part of the artifact
    how = replace(OPTIONS, artifacts=ArtifactOptions(scale_variance=None), leave_one_out=True)
    usual, others = run(inputs, options=replace(how, leave_one_out=False)), run(inputs, options=how)
    square = SpanSet.from_box(SQUARE)
    assert clipped(others)[0].common_area(square) > clipped(usual)[0].common_area(square)
    # One matched warp is its own template.
    alone = run(inputs[:1], options=how)
    assert clipped(alone) == [SpanSet()]
    assert_array_equal(alone.image.array, run(inputs[:1]).image.array)
    assert clipped(run(inputs, inputs[:1], options=how)) == [SpanSet()] * 5


def test_streak_finder_is_asked() -> None:
    line = SpanSet([(0, 40, 80)])
    result = run(visits(4), streaks=lambda _: [line])
    assert clipped(result) == [line] * 4
    assert result.mask.has("NO_DATA").sum() == 41
    beyond = run(visits(4), streaks=lambda _: [line.shifted_by(x=60), line.shifted_by(y=900)])
    assert [mask.area for mask in clipped(beyond)] == [20] * 4
    assert beyond.n_artifact_pixels == 80
    for wrong in (None, line, [np.ones(SHAPE, bool)]):
        with pytest.raises(OptionError, match=r"^streaks: got .*, must be a SpanSet"):
            run(visits(3), streaks=lambda _, wrong=wrong: wrong)


def test_same_bits_for_any_threads_and_memory() -> None:
    inputs = with_squares(6, 2)
    once = run(inputs)
    small = replace(PLAIN, max_memory=200_000, subregion=(7, 2000))
    try:
        for n in (1, 2):
            deepcoadd.set_num_threads(n)
            tiny = replace(STILL, max_memory=200_000, subregion=(11, 2000))
            again = run(inputs, options=CompareWarpOptions(assemble=small, template=tiny))
            assert_array_equal(once.image.array, again.image.array)
            assert_array_equal(once.mask.array, again.mask.array)
            assert clipped(once) == clipped(again)
    finally:
        deepcoadd.set_num_threads(0)


def test_without_a_psf_a_width_is_needed() -> None:
    inputs = [Exposure(one.masked_image, visit_info=one.info.visit_info) for one in visits(4)]
    with pytest.raises(PsfGenerationError):
        run(inputs)
    assert not any(clipped(run(inputs, sigma=2.0)))

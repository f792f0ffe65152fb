# SPDX-License-Identifier: BSD-3-Clause
"""Candidates of epochs: how many epochs may show an artifact, and which candidates are kept."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.coadd import (
    ArtifactOptions,
    ArtifactSteps,
    CompareWarpOptions,
    filter_artifacts,
    find_artifacts,
    judge_candidates,
    max_epochs,
    prefilter_artifacts,
)
from deepcoadd.detection import detect
from deepcoadd.errors import OptionError, PsfGenerationError, ShapeError
from deepcoadd.image import Image
from deepcoadd.mask import Mask, MaskPlanes
from deepcoadd.psf import GaussianPsf
from deepcoadd.spans import Footprint, FootprintSet, SpanSet

SHAPE = (60, 70)
START = (-10, 20)
BOX = Box.from_shape(SHAPE, start=START)
SQUARE = Box.from_shape((10, 10), start=(10, 40))
PLAIN = ArtifactOptions(scale_variance=None)


def flat(value: float = 0.0, psf: bool = True) -> Exposure:
    pixels = MaskedImage.from_arrays(np.full(SHAPE, value), None, 1.0, start=START)
    return Exposure(pixels, psf=GaussianPsf((25, 25), 2.0) if psf else None)


def template() -> Exposure:
    still = flat()
    still.variance.array[...] = 0.01
    return still


def epochs(n: int, bright: tuple[int, ...] = (), value: float = 20.0) -> list[Exposure]:
    made = [flat() for _ in range(n)]
    for k in bright:
        made[k].image[SQUARE].array[...] = value
    return made


def areas(found: Any) -> list[int]:
    return [sum(spans.area for spans in mask["CLIPPED"]) for mask in found.masks]


# The table of the number of epochs, by hand from min(0.4 N, 2 + 0.03 N), rounded down.
LIMITS = [
    (1, 2, 0),
    (3, 4, 1),
    (5, 33, 2),
    (34, 66, 3),
    (67, 99, 4),
    (100, 133, 5),
    (134, 134, 6),
]


@pytest.mark.parametrize(("first", "last", "limit"), LIMITS)
def test_number_of_epochs_that_may_show_an_artifact(first: int, last: int, limit: int) -> None:
    n = np.arange(first, last + 1)
    assert_array_equal(max_epochs(n), np.full(len(n), limit))


def test_lower_bound_of_that_number() -> None:
    options = ArtifactOptions(min_epochs_low=1)
    assert_array_equal(max_epochs(np.array([1, 2, 3, 5]), options), [1, 1, 1, 2])


@pytest.mark.parametrize(
    "change",
    [
        {"max_num_epochs": -1},
        {"max_fraction_epochs_low": 1.5},
        {"max_fraction_epochs_high": float("nan")},
        {"spatial_threshold": -0.1},
        {"prefilter_ratio": 2},
        {"prefilter_planes": "BAD"},
        {"min_epochs_low": -1},
    ],
)
def test_values_that_are_not_allowed(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(change))):
        ArtifactOptions(**change)


def test_maps_of_the_template_are_refused() -> None:
    with pytest.raises(OptionError, match="maps"):
        CompareWarpOptions(template=replace(CompareWarpOptions().template, maps=("weight",)))


def test_prefilter_needs_more_than_the_fraction() -> None:
    mask = Mask.zeros(BOX)
    spans = SpanSet.from_box(SQUARE)
    flags = np.ones(100, bool)
    flags[:5] = False  # exactly 5 % good: not enough
    mask[SQUARE].array[...] |= np.where(flags, mask.planes.bitmask("BAD"), 0).reshape(10, 10)
    assert prefilter_artifacts([spans], mask) == []
    mask[SQUARE].array[0, 5] = 0
    assert prefilter_artifacts([spans], mask) == [spans]
    mask[SQUARE].array[...] = mask.planes.bitmask("SAT")
    assert prefilter_artifacts([spans], mask) == [spans]
    outside = SpanSet.from_box(SQUARE.shifted_by(y=1000))
    assert prefilter_artifacts([outside, SpanSet()], mask) == []


def counts(value: int) -> Image:
    return Image(np.full(SHAPE, value, np.uint32), BOX)


def test_judgement_by_epochs_and_fraction() -> None:
    spans = SpanSet.from_box(SQUARE)
    shown = counts(1)
    assert judge_candidates([spans], shown, counts(10)).rules == ["artifact"]
    assert judge_candidates([spans], counts(3), counts(10)).rules == ["persistent"]
    # half of the pixels is not more than half
    shown[SQUARE].array[:5] = 3
    found = judge_candidates([spans], shown, counts(10))
    assert found.rules == ["persistent"]
    assert_array_equal(found.fractions, [0.5])
    assert_array_equal(found.limits, [2])
    shown[SQUARE].array[4, 0] = 1
    assert judge_candidates([spans], shown, counts(10)).rules == ["artifact"]
    assert filter_artifacts([spans], shown, counts(10)) == [spans]
    assert filter_artifacts([spans], shown, counts(2)) == []
    assert filter_artifacts([], shown, counts(2)) == []


def test_mean_number_of_epochs_counts() -> None:
    n_image = counts(3)
    n_image[SQUARE].array[:6] = 1
    # mean 1.8: 0.4 of it is below 1
    assert judge_candidates([SpanSet.from_box(SQUARE)], counts(1), n_image).rules == ["persistent"]


def test_only_candidates_wholly_in_one_source_are_kept() -> None:
    inside = SpanSet.from_box(SQUARE)
    left = SpanSet.from_box(SQUARE.dilated_by(2))
    right = left.shifted_by(x=15)
    across = inside.shifted_by(x=5)
    sources = FootprintSet([Footprint(left), Footprint(right)], BOX)
    found = judge_candidates([inside, across], counts(1), counts(10), sources)
    assert found.rules == ["source", "artifact"]
    # in overlapping sources one of them must hold it
    wide = FootprintSet([Footprint(left), Footprint(left | across)], BOX)
    both = judge_candidates([inside, across], counts(1), counts(10), wide)
    assert both.in_source.tolist() == [True, True]


@pytest.mark.parametrize(
    ("n", "bright", "due"),
    [(2, (0,), ()), (3, (0,), (0,)), (5, (1, 3), (1, 3)), (5, (0, 1, 2), ()), (1, (0,), ())],
)
def test_what_few_epochs_show_is_clipped(
    n: int, bright: tuple[int, ...], due: tuple[int, ...]
) -> None:
    found = find_artifacts(template(), epochs(n, bright), options=PLAIN)
    # 10 x 10 grown by one pixel on each side, without the corners: int(0.4 * 2 + 0.5) = 1
    expected = [140 if k in due else 0 for k in range(n)]
    assert areas(found) == expected
    assert found.epoch_count[SQUARE].array.max() == len(bright)
    assert {one.clipped for one in found.decisions} == {(k,) if k in due else () for k in bright}
    assert all(one["NO_DATA"] == [] and one["EDGE"] == [] for one in found.masks)


def test_sign_does_not_matter() -> None:
    found = find_artifacts(template(), epochs(4, (2,), -20.0), options=PLAIN)
    assert areas(found) == [0, 0, 140, 0]


def test_inputs_and_template_are_not_changed() -> None:
    still, warps = template(), epochs(4, (2,))
    still.mask.set("SAT", np.ones(SHAPE, bool))
    before = [still.masked_image.copy(), *(warp.masked_image.copy() for warp in warps)]
    find_artifacts(still, warps, options=PLAIN)
    for old, new in zip(before, [still, *warps], strict=True):
        assert_array_equal(old.image.array, new.image.array)
        assert_array_equal(old.mask.array, new.mask.array)
        assert_array_equal(old.variance.array, new.variance.array)


def test_missing_epochs_have_no_data() -> None:
    found = find_artifacts(template(), [*epochs(4, (2,)), None], options=PLAIN)
    assert found.masks[4] == {"CLIPPED": [], "NO_DATA": [SpanSet.from_box(BOX)], "EDGE": []}
    assert np.isnan(found.variance_factors[4])
    assert found.n_image.array.max() == 4
    assert areas(found) == [0, 0, 140, 0, 0]


def test_nan_and_edge_are_reported() -> None:
    warps = epochs(3)
    warps[1].image.array[3:5, 4:9] = np.nan
    warps[1].mask.array[3:5, 4:9] = warps[1].mask.planes.bitmask("NO_DATA")
    rim = np.zeros(SHAPE, bool)
    rim[0] = True
    warps[2].mask.set("EDGE", rim)
    found = find_artifacts(template(), warps, options=PLAIN)
    (missing,) = found.masks[1]["NO_DATA"]
    assert missing == SpanSet.from_box(Box.from_shape((2, 5), start=(START[0] + 3, START[1] + 4)))
    (edge,) = found.masks[2]["EDGE"]
    assert edge == SpanSet.from_array(rim, start=START)
    assert found.n_image.array[3, 4] == 2
    assert found.n_image.array[0, 0] == 3


def test_masks_without_the_usual_planes() -> None:
    few = MaskPlanes(["BAD"])

    def with_few_planes(one: Exposure) -> Exposure:
        planes = one.image.array, None, one.variance.array
        return Exposure(MaskedImage.from_arrays(*planes, start=START, planes=few), one.info)

    warps = epochs(5, (1,))
    found = find_artifacts(
        with_few_planes(template()), [with_few_planes(warp) for warp in warps], options=PLAIN
    )
    assert areas(found) == areas(find_artifacts(template(), warps, options=PLAIN))
    assert all(mask["EDGE"] == [] for mask in found.masks)


def test_epoch_without_any_good_pixel() -> None:
    warps = epochs(4, (0,))
    warps[3].image.array[...] = np.nan
    warps[3].mask.set("NO_DATA", np.ones(SHAPE, bool))
    found = find_artifacts(template(), warps)
    assert found.masks[3]["NO_DATA"] == [SpanSet.from_box(BOX)]
    assert found.n_image.array.max() == 3


@pytest.mark.parametrize("variance", [0.0, np.inf, np.nan, -1.0])
def test_variances_that_say_nothing(variance: float, caplog: pytest.LogCaptureFixture) -> None:
    warps = epochs(4, (2,))
    for warp in warps:
        warp.variance.array[...] = variance
    still = template()
    still.variance.array[...] = 0.0
    found = find_artifacts(still, warps)
    assert areas(found) == [0, 0, 0, 0]


def test_candidates_of_bad_pixels_are_neither_clipped_nor_counted() -> None:
    warps = epochs(5, (0, 1, 2))
    for warp in warps[1:3]:
        warp.mask[SQUARE.dilated_by(1)].set("SUSPECT", (slice(None), slice(None)))
    found = find_artifacts(template(), warps, options=PLAIN)
    assert areas(found) == [140, 0, 0, 0, 0]
    assert found.epoch_count.array.max() == 1
    assert sorted(one.rule for one in found.decisions) == ["artifact", "prefiltered", "prefiltered"]
    unfiltered = find_artifacts(template(), warps, options=replace(PLAIN, prefilter=False))
    assert areas(unfiltered) == [0] * 5


def test_candidates_in_bright_sources_are_kept() -> None:
    still, warps = template(), epochs(5, (2,))
    core = Box.from_shape((24, 24), start=(3, 33))
    for one in (still, *warps):
        one.image[core].array[...] += 4000.0
    found = find_artifacts(still, warps, options=PLAIN)
    assert areas(found) == [0] * 5
    assert [one.rule for one in found.decisions] == ["source"]
    off = replace(PLAIN, preserve_contained_by_source=False)
    assert areas(find_artifacts(still, warps, options=off)) == [0, 0, 140, 0, 0]


def test_variances_are_scaled_to_the_scatter() -> None:
    rng = np.random.default_rng(5)
    warps = epochs(4)
    for warp in warps:
        warp.image.array[...] = rng.normal(0, 2, SHAPE)
    warps[1].image[SQUARE].array[...] += 10.0
    found = find_artifacts(template(), warps)
    # 4200 pixels: the quartile range is good to 1.2/sqrt(n), the factor to twice that: 5 sigma
    assert found.variance_factors[0] == pytest.approx(4 * 0.9965, rel=0.2)
    assert areas(found) == [0] * 4
    assert areas(find_artifacts(template(), warps, options=PLAIN))[1] > 100


def test_streaks_are_clipped_as_they_are() -> None:
    seen: list[Exposure] = []
    line = SpanSet([(0, 20, 60)])

    def finder(difference: Exposure) -> list[SpanSet]:
        seen.append(difference)
        candidate = difference.mask.has("DETECTED").sum()
        return [line] if candidate else []

    found = find_artifacts(template(), epochs(6, (0, 1, 2)), options=PLAIN, streaks=finder)
    assert len(seen) == 6
    assert areas(found) == [41, 41, 41, 0, 0, 0]
    assert sum(one.rule == "streak" for one in found.decisions) == 3


def test_replaced_steps_decide() -> None:
    box = SpanSet.from_box(SQUARE)

    def detect(exposure: Exposure) -> FootprintSet:
        return FootprintSet([Footprint(box)], exposure.box)

    steps = ArtifactSteps(
        scale=lambda _: 3.0,
        detect=detect,
        prefilter=lambda candidates, _: candidates,
        filter=lambda candidates, *_: candidates,
        detect_template=lambda exposure: FootprintSet([Footprint(box)], exposure.box),
    )
    found = find_artifacts(template(), epochs(2), options=PLAIN, steps=steps)
    assert [mask["CLIPPED"] for mask in found.masks] == [[box], [box]]
    assert found.variance_factors == [3.0, 3.0]
    assert found.sources is not None
    assert [one.rule for one in found.decisions] == ["artifact", "artifact"]
    none = replace(steps, filter=lambda *_: [])
    found = find_artifacts(template(), epochs(4), options=PLAIN, steps=none)
    assert areas(found) == [0] * 4
    assert [one.rule for one in found.decisions] == ["persistent"] * 4


def test_width_of_the_psf_is_needed() -> None:
    bare = Exposure(template().masked_image)
    with pytest.raises(PsfGenerationError):
        find_artifacts(bare, [flat(psf=False)], options=PLAIN)
    warps = [Exposure(warp.masked_image) for warp in epochs(3, (1,))]
    assert areas(find_artifacts(bare, warps, options=PLAIN, sigma=2.0)) == [0, 140, 0]
    # the template's own stands in
    assert areas(find_artifacts(template(), warps, options=PLAIN)) == [0, 140, 0]


def test_warps_that_cover_a_part(caplog: pytest.LogCaptureFixture) -> None:
    warps = epochs(4, (2,))
    part = Box.from_shape((30, 70), start=START)
    warps[3] = warps[3][part]
    found = find_artifacts(template(), warps, options=PLAIN)
    rest = SpanSet.from_box(BOX) - SpanSet.from_box(part)
    assert found.masks[3]["NO_DATA"] == [rest]
    assert found.n_image.array[:30].min() == 4
    assert found.n_image.array[30:].max() == 3


def test_lists_of_different_length() -> None:
    with pytest.raises(ShapeError, match="scalers"):
        find_artifacts(template(), epochs(2), scalers=[None])


def test_scalers_are_applied() -> None:
    class Half:
        def scaleMaskedImage(self, pixels: MaskedImage) -> None:  # noqa: N802
            pixels.image.array *= np.float32(0.1)

    warps = epochs(3, (1,))
    found = find_artifacts(template(), warps, options=PLAIN, scalers=[None, Half(), None])
    assert areas(found) == [0, 0, 0]


def test_no_epochs() -> None:
    found = find_artifacts(template(), [], options=PLAIN)
    assert found.masks == []
    assert found.decisions == []


def test_warning_where_variances_cannot_be_scaled(caplog: pytest.LogCaptureFixture) -> None:
    warps = epochs(3, (1,))
    with caplog.at_level(logging.WARNING):
        find_artifacts(template(), warps)
    # flat images have no scatter at all
    assert "variances are left as they are" in caplog.text


@pytest.mark.parametrize("smooth", [False, True])
def test_detection_that_leaves_the_mask_alone(smooth: bool) -> None:
    one = epochs(1, (0,))[0]
    one.mask.set("DETECTED", np.eye(*SHAPE, dtype=bool))
    before = one.mask.array.copy()
    found = detect(one, do_smooth=smooth, flag=False)
    assert_array_equal(one.mask.array, before)
    flagged = detect(one, do_smooth=smooth)
    assert found.positive is not None
    assert flagged.positive is not None
    assert found.positive.spans == flagged.positive.spans
    assert not np.array_equal(one.mask.array, before)

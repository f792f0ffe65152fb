# SPDX-License-Identifier: BSD-3-Clause
"""What one visit shows beyond the coadd of the others is left out of it, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import deepcoadd
from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    VISIT_CLIP_ASSEMBLE,
    ArtifactCoadd,
    VisitClipOptions,
    assemble,
    prepare,
    visit_clip,
)
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.psf import GaussianPsf
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet

SHAPE = (80, 90)
START = (-20, 30)
BOX = Box.from_shape(SHAPE, start=START)
SQUARE = Box.from_shape((12, 12), start=(5, 60))
PLAIN = replace(VISIT_CLIP_ASSEMBLE, unit=None, interpolate=None)
OPTIONS = VisitClipOptions(assemble=PLAIN)


def visits(n: int, seed: int = 3, shape: tuple[int, int] = SHAPE) -> list[Exposure]:
    """Flat skies of unit noise, PSF sigma 2 pixels; visits 100, 101, ..."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, shape), None, 1.0, start=START)
        info = VisitInfo(id=100 + number)
        made.append(Exposure(pixels, psf=GaussianPsf((25, 25), 2.0), visit_info=info))
    return made


def with_square(n: int, k: int, value: float = 20.0, **more: Any) -> list[Exposure]:
    made = visits(n, **more)
    made[k].image[SQUARE].array[...] += np.float32(value)
    return made


def run(inputs: Sequence[Any], **more: Any) -> ArtifactCoadd:
    more.setdefault("options", OPTIONS)
    more.setdefault("weights", [1.0] * len(inputs))
    return visit_clip(inputs, **more)


def clipped(result: ArtifactCoadd) -> list[SpanSet]:
    return [mask["CLIPPED"] for mask in result.artifact_masks]


def same(a: ArtifactCoadd, b: ArtifactCoadd) -> bool:
    pairs = [(a.image, b.image), (a.mask, b.mask), (a.variance, b.variance)]
    equal = [np.array_equal(x.array, y.array, equal_nan=True) for x, y in pairs]
    return all(equal) and clipped(a) == clipped(b)


@pytest.mark.parametrize(("n", "value"), [(3, 20.0), (4, 2.0), (9, 2.0)])
def test_light_of_one_visit_is_left_out_of_it(n: int, value: float) -> None:
    """At 2 sigma only its extent tells; the corners of the square may stay (soft edges)."""
    result = run(with_square(n, 1, value))
    square = SpanSet.from_box(SQUARE)
    inside = [one.common_area(square) for one in clipped(result)]
    assert inside[1] > 0.9 * square.area
    assert sum(inside) - inside[1] <= 2
    # 6.8e-6 of pure noise exceed 4.2 sigma (beyond it what they join); 0.05 is expected a visit.
    outside = sum(one.area for one in clipped(result)) - sum(inside)
    assert outside < 0.6 * square.area
    assert abs(result.image[SQUARE].array.mean()) < 5 / np.sqrt(square.area * (n - 1))


def test_the_coadd_is_the_mean_of_what_is_left() -> None:
    made = with_square(5, 2)
    result = run(made)
    masks = [{"CLIPPED": spans} for spans in clipped(result)]
    bad = replace(PLAIN, bad_planes=(*PLAIN.bad_planes, "CLIPPED"))
    want = assemble(made, weights=[1.0] * 5, options=bad, alternate_masks=masks)
    assert_array_equal(result.image.array, want.image.array)
    assert_array_equal(result.variance.array, want.variance.array)
    assert result.n_image is not None
    middle = SQUARE.dilated_by(-2)
    assert_array_equal(result.n_image[middle].array, 4)
    assert result.mask[middle].has("CLIPPED").all()
    assert result.mask[middle].has("INEXACT_PSF").all()


def test_decisions_name_visit_and_rule() -> None:
    made = with_square(5, 2)
    made[4].image.array[70, 80] += 30.0
    table = run(made).decisions
    row = table[table["area"] > 100][0]
    assert (row["visits"], row["clipped"], row["rule"]) == ("102", "102", "sharp")
    assert abs(row["x"] - 65.5) < 1
    assert abs(row["y"] - 10.5) < 1
    hit = table[(table["x"] == 110) & (table["y"] == 50)][0]
    assert (hit["rule"], hit["visits"], hit["overlaps"]) == ("sharp", "104", "1.0000")
    faint = run(with_square(9, 2, 1.6)).decisions
    assert "smooth" in set(faint["rule"])


def test_budget_threads_and_readers_change_no_bit() -> None:
    """Four cells of two sizes; the square lies on two of them."""
    made = with_square(5, 1)
    made[0].image.array[30:, 50] = np.nan
    options = replace(OPTIONS, cell=40, margin=16)
    want = run(made, options=options)
    assert clipped(want)[1].common_area(SpanSet.from_box(SQUARE)) > 130
    small = replace(PLAIN, max_memory=12 * 90 * 80 * 5, subregion=(7, 1000))
    assert same(run(made, options=replace(options, assemble=small)), want)
    assert same(run([ExposureRef(one) for one in made], options=options), want)
    for threads in (1, 3):
        deepcoadd.set_num_threads(threads)
        try:
            assert same(run(made, options=options), want)
        finally:
            deepcoadd.set_num_threads(0)


def test_a_plan_gives_the_same() -> None:
    made = with_square(4, 1)
    plan = prepare(made, weights=[1.0] * 4, options=PLAIN)
    assert same(visit_clip(plan), run(made))
    with pytest.raises(OptionError, match="leave them out"):
        visit_clip(plan, BOX)
    with pytest.raises(OptionError, match="must be MEAN"):
        visit_clip(prepare(made, options=replace(PLAIN, statistic="MEDIAN")))
    alternates = [{"BAD": SpanSet.from_box(SQUARE)}, None, None, None]
    with pytest.raises(OptionError, match="alternate_masks"):
        visit_clip(prepare(made, options=PLAIN, alternate_masks=alternates))


def test_of_two_the_brighter_and_of_one_the_shape(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        two = run(with_square(2, 1))
        assert "the brighter one" in caplog.text
        made = visits(1)
        made[0].image.array[40, 40] = 40.0
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        star = 300 * np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / 8.0)
        made[0].image.array[...] += star.astype(np.float32)
        one = run(made)
        assert "nothing to compare with" in caplog.text
    inside = [spans.common_area(SpanSet.from_box(SQUARE)) for spans in clipped(two)]
    assert inside[0] == 0
    assert inside[1] > 130
    assert clipped(one)[0].spans.tolist() == [[20, 70, 70]]
    assert [row["rule"] for row in one.decisions] == ["single"]
    assert np.isnan(one.image.array[40, 40])
    alone = run(made, options=replace(OPTIONS, single=False))
    assert not clipped(alone)[0]


def test_bad_pixels_and_bad_visits() -> None:
    """Each is left alone, and tells nothing about the others."""
    made = with_square(6, 1)
    made[0].mask.array[:, :30] |= made[0].mask.planes.bitmask("BAD")
    made[0].image.array[:, :30] = 1e9
    made[2].variance.array[10:20] = 0.0
    made[3].variance.array[20:30] = np.inf
    made[4].image.array[30:40] = np.nan
    made[5].mask.array[...] |= made[5].mask.planes.bitmask("SAT")
    result = run(made)
    square = SpanSet.from_box(SQUARE)
    assert clipped(result)[1].common_area(square) > 130
    for k, bad in ((0, np.s_[:, :30]), (2, np.s_[10:20]), (3, np.s_[20:30]), (4, np.s_[30:40])):
        flags = np.zeros(SHAPE, bool)
        flags[bad] = True
        assert not clipped(result)[k] & SpanSet.from_array(flags, start=START)
    assert not clipped(result)[5]
    assert sum(one.area for one in clipped(result)) < 230


def test_partial_overlap_and_one_pixel() -> None:
    far = MaskedImage.from_arrays(np.ones((9, 9), np.float32), None, 1.0, start=(300, 300))
    info = VisitInfo(id=7)
    other = Exposure(far, psf=GaussianPsf((25, 25), 2.0), visit_info=info)
    made = [*with_square(4, 1), other]
    result = run(made)
    assert clipped(result)[1].common_area(SpanSet.from_box(SQUARE)) > 130
    assert not clipped(result)[4]
    assert (result.image[other.box].array == 1).all()
    dots = [Exposure(one.masked_image[Box.from_shape((1, 1), start=START)]) for one in visits(3)]
    tiny = run(dots, sigma=2.0)
    assert tiny.image.array.shape == (1, 1)
    assert np.isfinite(tiny.image.array).all()


def test_widths_of_the_psf(caplog: pytest.LogCaptureFixture) -> None:
    made = with_square(4, 1)
    bare = [Exposure(one.masked_image) for one in made]
    want = run(made)
    with caplog.at_level(logging.WARNING):
        assert clipped(run(bare)) == clipped(want)
    assert "or stars to tell: sigma = 2 pixels is assumed" in caplog.text
    caplog.clear()
    assert clipped(run(bare, sigma=2.0)) == clipped(want)
    assert clipped(run(bare, sigma=[2.0] * 4)) == clipped(want)
    with caplog.at_level(logging.WARNING):
        assert clipped(run([*made[:3], bare[3]])) == clipped(want)
    assert "sigma = 2 pixels is assumed" in caplog.text
    blurred = [*made[:3], Exposure(made[3].masked_image, psf=GaussianPsf((25, 25), 1e9))]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert clipped(run(blurred)) == clipped(want)
    assert "sigma = 2 pixels is assumed" in caplog.text
    for sigma, match in (
        (0.0, "above 0"),
        (np.nan, "above 0"),
        (1e9, "at most 100"),
        ([2.0], "1 numbers for 4"),
    ):
        with pytest.raises(OptionError, match=match):
            run(made, sigma=sigma)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 0.0),
        ("grow", float("nan")),
        ("amplitude", -1.0),
        ("extended", 1e9),
        ("cell", 0),
        ("mesh", 1.5),
        ("margin", -1),
        ("n_pass", 0),
        ("flux_tolerance", (0.5, 0.1)),
        ("assemble", replace(PLAIN, statistic="MEDIAN")),
    ],
)
def test_options_that_are_not_allowed(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        VisitClipOptions(**{name: value})


def test_what_does_not_fit_or_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    made = visits(4)
    little = replace(OPTIONS, assemble=replace(PLAIN, max_memory=2**20, subregion=(7, 1000)))
    many = visits(15, shape=(80, 80))
    with caplog.at_level(logging.WARNING):
        assert same(run(many, options=little), run(many))
    assert "cell = 512: 15 visits take 1152000 bytes" in caplog.text

    class Gone(ExposureRef):
        n_reads = 0

        def read(self, box: Box | None = None) -> MaskedImage:
            self.n_reads += 1
            if self.n_reads > 1:
                raise OSError("disk is gone")
            return super().read(box)

        view = read

    with pytest.raises(NoDataError, match=r"visit 103: reading .* failed: disk is gone"):
        run([*made[:3], Gone(made[3])])
    with pytest.raises(NoDataError, match="wcs"):
        run(made, bright_objects=[])


def test_a_slow_body_is_no_source() -> None:
    """It moves by 2.8 pixels a visit, so that three of four visits light each of its pixels."""
    made = visits(4)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stars = [(12, 12), (12, 45), (12, 75), (65, 15), (65, 45), (65, 75)]  # they hold the fit
    for k, visit in enumerate(made):
        for y0, x0, peak in [(40, 40 + 2.8 * k, 12), *((*star, 300) for star in stars)]:
            light = peak * np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / 8.0)
            visit.image.array[...] += light.astype(np.float32)
    result = run(made)
    found = [spans.as_array(BOX) for spans in clipped(result)]
    assert found[0][40, 40]
    assert found[3][40, 48]
    light = [12 * np.exp(-((44 - 40 - 2.8 * k) ** 2) / 8.0) for k in range(4)]
    assert result.image.array[40, 44] < 0.6 * np.mean(light)


def test_light_of_two_visits_of_four_is_no_source_where_it_meets() -> None:
    """The lowest of the other two lies above what the lowest of four is taken for."""
    made = visits(4)
    made[0].image.array[25:60, 15:45] += 30.0
    made[3].image.array[25:60, 25:60] += 5.0
    found = [spans.as_array(BOX) for spans in clipped(run(made))]
    for k in (0, 3):
        assert found[k][27:58, 27:43].mean() > 0.95
    for k in (1, 2):
        assert found[k].mean() < 0.01


def test_a_deep_visit_is_not_left_out_for_what_shallow_ones_scatter() -> None:
    """Two of the others are much noisier, and tell next to nothing about it."""
    made = visits(4)
    for visit, noise in zip(made, (1.0, 6.0, 6.0, 1.4), strict=True):
        visit.image.array[...] *= np.float32(noise)
        visit.variance.array[...] = noise**2
    found = clipped(run(made, weights=[1.0, 1 / 36, 1 / 36, 0.5]))
    # 6.8e-6 of pure noise exceed 4.2 sigma: 0.05 pixels, and what they join.
    assert [found[k].area < 5 for k in (0, 3)] == [True, True]


def test_a_steep_sky_is_followed() -> None:
    """Planes that rise by several times the noise, either way, are not light."""
    made = with_square(4, 1)
    x = np.linspace(-5, 5, SHAPE[1], dtype=np.float32)
    for k, sign in ((0, 1), (1, -1), (2, 0.5)):
        made[k].image.array[...] += np.float32(sign) * x
    found = clipped(run(made, options=replace(OPTIONS, mesh=16)))
    assert found[1].common_area(SpanSet.from_box(SQUARE)) > 130
    assert sum(one.area for one in found) < 260


def test_a_star_in_changing_seeing_is_left_alone() -> None:
    made = []
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for sigma, visit in zip((1.5, 1.9, 2.3, 2.7), visits(4), strict=True):
        for y0, x0, flux in ((30, 30, 5e4), (50, 60, 2e4), (20, 70, 1e3)):
            star = np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / (2 * sigma**2))
            visit.image.array[...] += (flux / (2 * np.pi * sigma**2) * star).astype(np.float32)
        info = replace(visit.info, psf=GaussianPsf((25, 25), sigma))
        made.append(Exposure(visit.masked_image, info))
    made[1].image.array[52, 62] += 1000.0
    found = clipped(run(made))
    assert found[1].as_array(BOX)[52, 62]
    near = np.zeros(SHAPE, bool)
    for y0, x0 in ((30, 30), (20, 70)):
        near[y0 - 8 : y0 + 9, x0 - 8 : x0 + 9] = True
    assert not any(one.as_array(BOX)[near].any() for one in found)


def test_progress_tells_of_every_pass() -> None:
    seen: list[tuple[int, int, str]] = []
    run(visits(3), progress=lambda *now: seen.append(now))
    passes = [now[:2] for now in seen if now[2] == "comparing visits"]
    # Noise alone: the third pass, or the second, flags and frees nothing.
    assert 2 <= len(passes) < 4
    assert passes == [(k, 4) for k in range(len(passes))]

    def stop(done: int, total: int, label: str) -> None:
        if (done, label) == (2, "comparing visits"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(visits(3), progress=stop)

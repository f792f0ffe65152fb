# SPDX-License-Identifier: BSD-3-Clause
"""Matching the background of one exposure to that of another."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    TASK_MATCH,
    UNMATCHED,
    ClassicMatchOptions,
    MatchedRef,
    MatchResult,
    ReferenceTerms,
    apply_match,
    match_to_reference,
    reference_costs,
    reference_terms,
    select_reference,
)
from deepcoadd.errors import (
    NoDataError,
    NoOverlapError,
    OptionError,
    SizeMismatchError,
)
from deepcoadd.refs import as_ref

SHAPE = (600, 600)
POLYNOMIAL = ClassicMatchOptions(use_polynomial=True, statistic="MEAN", n_iter=2)
SPLINE = ClassicMatchOptions(statistic="MEAN", n_iter=2)


def sky(level: float, seed: int, shape: tuple[int, int] = SHAPE) -> MaskedImage:
    pixels = np.random.default_rng(seed).normal(level, 1, shape)
    return MaskedImage.from_arrays(pixels, None, 1.0, start=(30, -40))


def images() -> dict[str, MaskedImage]:
    """A: level 50; B: level 10 with a gap; C: level 20, two thirds missing."""
    made = {"A": sky(50, 1), "B": sky(10, 2), "C": sky(20, 3)}
    made["B"].image.array[:, 200:300] = np.nan
    made["C"].image.array[:, 200:] = np.nan
    return made


def assert_matched(ref: MaskedImage, sci: MaskedImage, options: ClassicMatchOptions) -> MatchResult:
    """The level is that of the reference, and the rest is noise."""
    before = sci.copy()
    found = match_to_reference(ref, sci, options)
    np.testing.assert_array_equal(sci.image.array, before.image.array)
    assert found.matched_mse is not None
    assert found.diff_variance is not None
    assert found.matched_mse < 1.01 * found.diff_variance
    assert 0.9 < found.ratio < 1.01
    done = apply_match(sci, found)
    both = np.isfinite(done.image.array) & np.isfinite(ref.image.array) & (sci.mask.array == 0)
    mean = np.mean(done.image.array[both] - ref.image.array[both], dtype=float)
    # Two noises of 1 over at least 60000 pixels: sigma 0.006.
    assert abs(mean) < 0.03
    return found


@pytest.mark.parametrize("bins", [(600, 0), (300, 1), (200, 2), (100, 5), (128, 4)])
def test_polynomials(bins: tuple[int, int]) -> None:
    pair = images()
    options = replace(POLYNOMIAL, bin_size=bins[0], order=bins[1])
    assert_matched(pair["B"], pair["A"], options)


@pytest.mark.parametrize("bin_size", [128, 256])
def test_splines(bin_size: int) -> None:
    pair = images()
    assert_matched(pair["A"], pair["B"], replace(SPLINE, bin_size=bin_size))
    assert_matched(pair["A"], pair["C"], replace(SPLINE, bin_size=64))


@pytest.mark.parametrize(
    "options",
    [
        replace(SPLINE, bin_size=64),
        replace(POLYNOMIAL, bin_size=64, order=1),
        replace(POLYNOMIAL, bin_size=100, order=5),
    ],
)
def test_a_ramp(options: ClassicMatchOptions) -> None:
    ref, sci = sky(0, 4), sky(0, 5)
    y, x = np.mgrid[:600, :600]
    ref.image.array[...] += (x + 2 * y).astype(np.float32)
    found = assert_matched(ref, sci, options)
    # The centre of a bin is where the model is sampled: no half pixel of slope (1.5) is left.
    assert found.fit_rms is not None
    assert found.fit_rms < 0.1


@pytest.mark.parametrize("gap", [np.s_[200:340], np.s_[:, 80:220]])
def test_gaps_wider_than_a_bin(gap: Any) -> None:
    pair = images()
    pair["A"].image.array[gap] = np.nan
    assert_matched(pair["A"], pair["B"], replace(SPLINE, bin_size=64))
    assert_matched(pair["B"], pair["A"], replace(POLYNOMIAL, bin_size=64, order=4))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"order": 8, "bin_size": 64, "undersample_style": "THROW_EXCEPTION"}, OptionError),
        ({"order": 0, "bin_size": 601}, OptionError),
        ({"order": 3, "bin_size": 256}, OptionError),
    ],
)
def test_orders_that_the_bins_cannot_carry(changes: dict[str, Any], error: type) -> None:
    pair = images()
    with pytest.raises(error, match=r"order: got|bin_size: got"):
        match_to_reference(pair["A"], pair["C"], replace(POLYNOMIAL, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"order": 4, "bin_size": 128, "undersample_style": "INCREASE_NXNYSAMPLE"},
        {"order": 8, "bin_size": 64, "undersample_style": "REDUCE_INTERP_ORDER"},
    ],
)
def test_fewer_good_bins_than_the_order_asks_for(changes: dict[str, Any]) -> None:
    pair = images()
    found = assert_matched(pair["A"], pair["C"], replace(POLYNOMIAL, **changes))
    assert found.model is not None
    # Two thirds of the image have no bins: the model stays what it is at their border.
    model = found.model.image().array
    assert np.abs(model - 30).max() < 2
    assert found.model.extrapolates
    done = apply_match(pair["C"], found)
    marked = done.mask.array & done.planes.bitmask(UNMATCHED) != 0
    np.testing.assert_array_equal(marked, ~found.model.validity())


def test_smaller_bins_need_polynomials() -> None:
    with pytest.raises(OptionError, match="undersample_style"):
        ClassicMatchOptions(undersample_style="INCREASE_NXNYSAMPLE")


def test_saturated_pixels_do_not_count() -> None:
    ref, sci = sky(50, 1), sky(10, 2)
    sci.image.array[100:120, 100:120] = 65000
    sci.mask.array[100:120, 100:120] = sci.planes.bitmask("SAT")
    model = assert_matched(ref, sci, replace(POLYNOMIAL, bin_size=128, order=4)).model
    assert model is not None
    assert np.abs(model.image().array - 40).max() < 0.2


def test_a_noisy_corner_does_not_disturb_the_rest() -> None:
    ref, sci = sky(50, 1), sky(10, 2)
    rng = np.random.default_rng(6)
    corner = rng.uniform(0, 1000, (50, 50))
    corner[rng.random(corner.shape) < 0.6] = np.nan
    sci.image.array[:50, :50] = corner
    model = match_to_reference(ref, sci, replace(POLYNOMIAL, bin_size=128, order=4)).model
    assert model is not None
    rest = model.image().array - 40
    rest[:128, :128] = 0
    # 0.037 with weights 1 / sigma^2, 2.2 with 1 / sigma, 24 without.
    assert np.abs(rest).max() < 0.1


def test_a_cubic_is_recovered() -> None:
    y, x = (np.arange(600) / 600 - 0.5 for _ in range(2))
    c = np.random.default_rng(7).normal(0, 20, (4, 4))
    offset = sum(c[j, i] * y[:, None] ** j * x**i for j in range(4) for i in range(4 - j))
    ref = MaskedImage.from_arrays(np.full(SHAPE, 300.0) + offset, None, 1.0)
    sci = MaskedImage.from_arrays(np.full(SHAPE, 300.0), None, 1.0)
    model = match_to_reference(ref, sci, replace(POLYNOMIAL, bin_size=32, order=3)).model
    assert model is not None
    # Bins of a curved offset are not its values at their centres: at most w^2 / 24 of the
    # curvature, here 2 x 20 x 6 / 600^2 or so, times 32^2 / 24 for either axis.
    assert np.abs(model.image().array - offset).max() < 0.08


@pytest.mark.parametrize(("bin_size", "bias"), [(100, 0.17), (64, 0.061), (32, 0.017)])
def test_means_over_bins_have_no_bias(bin_size: int, bias: float) -> None:
    """A cubic of rms 20 in each term: the error of values at bin centres, and none of means."""
    y, x = (np.arange(600) / 600 - 0.5 for _ in range(2))
    c = np.random.default_rng(7).normal(0, 20, (4, 4))
    offset = sum(c[j, i] * y[:, None] ** j * x**i for j in range(4) for i in range(4 - j))
    ref = MaskedImage.from_arrays(offset, None, 1.0)
    sci = MaskedImage.from_arrays(np.zeros(SHAPE), None, 1.0)
    worst = []
    for bin_averaged in (False, True):
        how = replace(POLYNOMIAL, bin_size=bin_size, order=3, bin_averaged=bin_averaged)
        model = match_to_reference(ref, sci, how).model
        assert model is not None
        worst.append(float(np.abs(model.image().array - offset).max()))
    # The bias goes with the coefficients drawn: within a factor of 3 of those of the documents.
    assert bias / 3 < worst[0] < 3 * bias
    # Two roundings of a float32 of 20 to 40.
    assert worst[1] < 8e-6


def test_variances_of_bins_are_inflated_and_the_model_is_not() -> None:
    pair = images()
    for how in (replace(POLYNOMIAL, bin_size=100, order=3), replace(SPLINE, bin_size=100)):
        plain = match_to_reference(pair["A"], pair["B"], how)
        more = match_to_reference(pair["A"], pair["B"], replace(how, variance_inflation=4.0))
        assert plain.model is not None
        assert more.model is not None
        ours, theirs = (m.model.image().array for m in (more, plain) if m.model is not None)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        assert more.model_variance == pytest.approx(4 * plain.model_variance, rel=1e-6)  # type: ignore[operator]
        assert more.bin_variance == pytest.approx(4 * plain.bin_variance, rel=1e-12)  # type: ignore[operator]
        assert more.relative_rms == pytest.approx(plain.relative_rms / 2, rel=1e-5)
        # Bins of 100 x 100 pixels of which each has variance 2.
        assert plain.bin_variance == pytest.approx(2e-4, rel=0.05)


def test_an_image_matches_itself() -> None:
    one = sky(50, 1)
    for options in (SPLINE, replace(POLYNOMIAL, bin_size=128, order=4), ClassicMatchOptions()):
        found = match_to_reference(one, one, options)
        assert found.model is not None
        assert not found.model.image().array.any()
        assert found.matched_mse == 0
        assert found.diff_variance == 2
        assert found.fit_rms == 0


def test_in_place_and_copy_are_the_same_sum() -> None:
    pair = images()
    found = match_to_reference(pair["A"], pair["B"], SPLINE)
    assert found.model is not None
    want = pair["B"].image.array + found.model.image().array
    copy = apply_match(pair["B"], found)
    masks = pair["B"].mask.array.copy()
    match_to_reference(pair["A"], pair["B"], SPLINE, in_place=True)
    np.testing.assert_array_equal(copy.image.array, want)
    np.testing.assert_array_equal(pair["B"].image.array, want)
    np.testing.assert_array_equal(pair["B"].mask.array, masks)
    np.testing.assert_array_equal(copy.variance.array, pair["B"].variance.array)


def test_sizes_and_places_must_agree() -> None:
    one = sky(50, 1)
    with pytest.raises(SizeMismatchError, match=r"\(599, 600\)") as caught:
        match_to_reference(one, sky(50, 2, (599, 600)))
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, ValueError)
    moved = MaskedImage.from_arrays(one.image.array, None, 1.0)
    with pytest.raises(SizeMismatchError, match="box"):
        match_to_reference(one, moved)


@pytest.mark.parametrize("options", [SPLINE, replace(POLYNOMIAL, bin_size=64, order=2)])
def test_without_overlap_nothing_is_changed(options: ClassicMatchOptions) -> None:
    ref, sci = sky(50, 1), sky(10, 2)
    ref.image.array[:300] = np.nan
    sci.mask.array[300:] = sci.planes.bitmask("NO_DATA")
    before = sci.copy()
    with pytest.raises(NoOverlapError, match="nothing to match") as caught:
        match_to_reference(ref, sci, options, in_place=True)
    assert isinstance(caught.value, ValueError)
    np.testing.assert_array_equal(sci.image.array, before.image.array)


def test_a_curve_that_is_not_there() -> None:
    pair = images()
    with pytest.raises(OptionError, match="NONE"):
        match_to_reference(pair["A"], pair["B"], replace(SPLINE, interp_style="NONE"))


def test_a_curve_with_too_few_bins_and_no_leave_to_reduce() -> None:
    pair = images()
    options = replace(SPLINE, undersample_style="THROW_EXCEPTION")
    with pytest.raises((NoDataError, OptionError)):
        match_to_reference(pair["A"], pair["B"], options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"statistic": "MODE"},
        {"order": -1},
        {"bin_size": 0},
        {"sigma_clip": 0.0},
        {"weight_level": 1.5},
        {"stdev_floor": math.nan},
        {"cost_model": "best"},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        ClassicMatchOptions(**wrong)


def test_parts_of_a_model() -> None:
    pair = images()
    for options in (replace(SPLINE, bin_size=64), replace(POLYNOMIAL, bin_size=64, order=3)):
        model = match_to_reference(pair["A"], pair["C"], options).model
        assert model is not None
        box = Box.from_corners(x0=100, y0=40, x1=400, y1=90)
        whole = model.image()
        np.testing.assert_array_equal(model.image(box).array, whole[box].array)
        np.testing.assert_array_equal(
            model.validity(box), model.validity()[box.slices_within(model.box)]
        )


def test_a_matched_reference_reads_parts() -> None:
    pair = images()
    found = match_to_reference(pair["A"], pair["C"], replace(SPLINE, bin_size=64))
    ref = MatchedRef(as_ref(pair["C"]), found)
    part = Box.from_corners(x0=-40, y0=30, x1=500, y1=60)
    np.testing.assert_array_equal(
        ref.read(part).image.array, apply_match(pair["C"], found)[part].image.array
    )
    planes = ref.info().planes
    assert planes is None or UNMATCHED in planes
    assert ref.read(part).planes == ref.read().planes
    assert ref.box() == pair["C"].box
    failed = MatchResult("x", "failed", message="no overlap")
    with pytest.raises(NoDataError, match="x: no overlap"):
        MatchedRef(as_ref(pair["C"]), failed)
    with pytest.raises(NoDataError, match="x: no overlap"):
        apply_match(pair["C"], failed)
    same = apply_match(pair["A"], MatchResult("x", "reference"))
    np.testing.assert_array_equal(same.image.array, pair["A"].image.array)


def test_the_accuracy_on_a_curved_offset() -> None:
    """The synthetic pair of the documentation: numbers of the reference and ours."""
    ref, sci, offset, usable = synthetic_pair()
    errors = {}
    for name, options in {
        "classic": TASK_MATCH,
        "128": replace(TASK_MATCH, bin_size=128),
        "linear": ClassicMatchOptions(bin_size=64),
        "quadratic": ClassicMatchOptions(bin_size=64, edge="quadratic"),
        "polynomial": ClassicMatchOptions(use_polynomial=True, bin_size=64),
        "averaged": ClassicMatchOptions(use_polynomial=True, bin_size=64, bin_averaged=True),
    }.items():
        found = match_to_reference(ref, sci, options)
        assert found.model is not None
        model = found.model.image().array
        errors[name] = (np.sqrt(np.mean((model - offset)[usable] ** 2)), found.matched_mse)
    assert errors["classic"][0] == pytest.approx(0.790, abs=2e-3)
    assert errors["classic"][1] == pytest.approx(61.65159, rel=1e-7)
    assert errors["128"][0] == pytest.approx(0.266, abs=1e-3)
    assert errors["128"][1] == pytest.approx(61.09650, rel=1e-7)
    assert errors["polynomial"][0] <= 0.09
    assert errors["averaged"][0] <= 0.07
    assert errors["linear"][0] < errors["quadratic"][0]
    assert errors["polynomial"][1] == pytest.approx(61.0005 * 1.0005, rel=2e-4)


def synthetic_pair() -> tuple[MaskedImage, MaskedImage, Any, Any]:
    rng = np.random.default_rng(20260101)
    h, w = 1000, 1100
    y, x = np.mgrid[:h, :w]
    u, v = x / w - 0.5, y / h - 0.5
    noise = rng.normal(0, 5, (h, w)), rng.normal(0, 6, (h, w))
    cx, cy = rng.uniform(0, w, 200), rng.uniform(0, h, 200)
    flux = 10 ** rng.uniform(2.5, 5, 200)
    scene = np.zeros((h, w))
    for a, b, f in zip(cx, cy, flux, strict=True):
        rows = slice(max(int(b) - 25, 0), int(b) + 26)
        columns = slice(max(int(a) - 25, 0), int(a) + 26)
        r2 = (x[rows, columns] - a) ** 2 + (y[rows, columns] - b) ** 2
        scene[rows, columns] += f / (2 * np.pi * 4) * np.exp(-r2 / 8)
    offset = 50 + 20 * u - 13 * v + 30 * u**2 + 12 * u * v + 8 * np.sin(6 * u + 4 * v)
    detected = np.where(scene > 5, 32, 0)
    ref = MaskedImage.from_arrays(300 + scene + noise[0], detected, 25.0)
    sci = MaskedImage.from_arrays(300 - offset + scene + noise[1], detected, 36.0)
    assert ref.planes["DETECTED"] == 5
    sci.image.array[:, :60] = np.nan
    sci.mask.array[:, :60] |= sci.planes.bitmask("NO_DATA")
    return ref, sci, offset, (detected == 0) & (x >= 60)


def test_costs_by_hand() -> None:
    terms = [
        ReferenceTerms(100, 50, 1e6),
        ReferenceTerms(80, 60, 8e5),
        ReferenceTerms(200, 40, 5e5),
    ]
    classic = ClassicMatchOptions(cost_model="classic")
    costs = reference_costs(terms, classic)
    # The exposure with the fewest pixels has the whole term of coverage.
    want = [0.4 * t.variance / 200 + 0.2 * t.level / 60 + 0.4 * 5e5 / t.n_good for t in terms]
    np.testing.assert_allclose(costs, want)
    np.testing.assert_allclose(costs, [0.5667, 0.6100, 0.9333], atol=5e-5)
    assert select_reference(terms, classic) == 0
    below = [replace(t, level=-t.level) for t in terms]
    robust = reference_costs(below)
    np.testing.assert_allclose(
        robust, [0.2 + 0.2 * 0.5 + 0.2, 0.16 + 0.0 + 0.25, 0.4 + 0.2 + 0.4], rtol=1e-12
    )
    empty = [*terms, ReferenceTerms(math.nan, math.nan, 0), ReferenceTerms.unknown()]
    assert np.isnan(reference_costs(empty)[3:]).all()
    assert select_reference(empty) == select_reference(terms)
    assert select_reference([terms[1], terms[1]]) == 0
    with pytest.raises(NoDataError, match="none of 1 exposures"):
        select_reference([ReferenceTerms.unknown()])
    with pytest.raises(NoDataError, match="none of 0 exposures"):
        select_reference([])


def test_terms_of_an_exposure() -> None:
    pixels = MaskedImage.from_arrays([[1.0, 3.0, 5.0, np.nan, 9.0]], [[0, 0, 0, 0, 1]], 4.0)
    assert reference_terms(pixels) == ReferenceTerms(4, 3, 3)
    classic = ClassicMatchOptions(cost_model="classic")
    assert reference_terms(pixels, classic) == ReferenceTerms(4, 3, 3)
    pixels.image.array[0, 2] = 8
    assert reference_terms(pixels, classic).variance == pytest.approx(13)

# SPDX-License-Identifier: BSD-3-Clause
"""Which matches are good enough, and what they add to errors, weights and headers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.background import (
    AcceptOptions,
    ClassicMatchOptions,
    GlobalMatchOptions,
    MatchResult,
    TractMatchOptions,
    accept_match,
    apply_match,
    match_backgrounds,
    match_cards,
    match_to_reference,
    matched_weight,
)
from deepcoadd.coadd import AssembleOptions, prepare
from deepcoadd.errors import OptionError

CLASSIC = ClassicMatchOptions(bin_size=50)


def sky(level: float, seed: int, noise: float = 2.0) -> MaskedImage:
    pixels = np.random.default_rng(seed).normal(level, noise, (300, 300))
    return MaskedImage.from_arrays(pixels, None, 4.0)


def matched(science: MaskedImage) -> MatchResult:
    return match_to_reference(sky(50, 1), science, CLASSIC)


def test_good_matches_of_every_mode_are_accepted() -> None:
    inputs = [sky(50, 1), sky(10, 2), sky(90, 3)]
    for mode, options in (
        ("classic", CLASSIC),
        ("global", GlobalMatchOptions(order=1)),
        ("tract", TractMatchOptions(cell_size=50)),
    ):
        match = match_backgrounds(inputs, mode, options)
        assert match.accepted().results == match.results
        for result in match.results:
            assert accept_match(result) is result


def test_wrong_variances_are_seen_in_the_ratio() -> None:
    noisy = matched(sky(10, 2, noise=2.5))
    # (4 + 6.25) / 8, known to sqrt(2 / 90000).
    assert noisy.ratio == pytest.approx(10.25 / 8, rel=0.02)
    failed = accept_match(noisy)
    assert (failed.status, failed.model) == ("failed", None)
    assert failed.message == (
        f"mean square over variance is {noisy.ratio:.4g}, must be 1.1 at most"
    )
    assert failed.matched_mse == noisy.matched_mse
    assert accept_match(noisy, AcceptOptions(max_ratio=1.4)) is noisy


def test_skies_that_bend_within_bins_are_seen_in_the_rms() -> None:
    science = sky(10, 2)
    x = np.arange(300)
    science.image.array[:] += 3 * np.sin(2 * np.pi * x / 60).astype(np.float32)
    result = matched(science)
    assert result.bin_variance == pytest.approx(8 / 2500, rel=1e-3)
    assert result.relative_rms == pytest.approx(
        result.fit_rms / math.sqrt(result.bin_variance)  # type: ignore[operator, arg-type]
    )
    limits = AcceptOptions(max_ratio=9.0, max_rms=0.5 * result.relative_rms)
    assert "root mean square in errors of a bin" in accept_match(result, limits).message
    assert accept_match(result, replace(limits, max_rms=2 * result.relative_rms)) is result


def test_what_is_not_known_is_not_accepted() -> None:
    result = matched(sky(10, 2))
    for changes, message in (
        ({"matched_mse": math.nan}, "mean square over variance is not known"),
        ({"diff_variance": None}, "mean square over variance is not known"),
        ({"fit_rms": None}, "root mean square in errors of a bin is not known"),
        ({"model": None}, "it has no model"),
    ):
        found = accept_match(replace(result, **changes))  # type: ignore[arg-type]
        assert (found.status, found.message) == ("failed", message)
    reference = MatchResult("a", "reference")
    assert accept_match(reference) is reference
    failed = MatchResult("b", "failed", message="no overlap")
    assert accept_match(failed) is failed
    # The noise that the joint fit found is what residuals are held against.
    assert accept_match(replace(result, matched_mse=20.0)).status == "failed"
    assert accept_match(replace(result, matched_mse=20.0, noise=3.0)).status == "ok"


def test_variances_and_weights_grow_by_the_rms_of_the_fit() -> None:
    match = match_backgrounds([sky(50, 1), sky(10, 2)], "classic", CLASSIC, reference=0)
    result = replace(match.results[1], fit_rms=1.5)
    science = sky(10, 2)
    before = science.copy()
    plain, wider = (apply_match(science, result, add_variance=add) for add in (False, True))
    np.testing.assert_array_equal(plain.variance.array, before.variance.array)
    np.testing.assert_array_equal(wider.variance.array, before.variance.array + np.float32(2.25))
    np.testing.assert_array_equal(wider.image.array, plain.image.array)
    assert matched_weight(0.25, result) == pytest.approx(1 / (4 + 2.25))
    assert matched_weight(0.25, match.results[0]) == 0.25
    whole = replace(match, results=[match.results[0], result])
    plan = prepare(whole.matched(add_variance=True), options=AssembleOptions(unit=None))
    assert plan.weights == pytest.approx([0.25, matched_weight(0.25, result)])
    with pytest.raises(OptionError, match="weight: got 0"):
        matched_weight(0.0, result)


def test_exposures_that_the_fit_leaves_out_are_not_accepted() -> None:
    inputs = [sky(50, 1), sky(10, 2), sky(90, 3), sky(20, 4)]
    inputs[3].image.array[:] += 40 * np.sin(np.arange(300) / 15).astype(np.float32)
    match = match_backgrounds(inputs, "global", GlobalMatchOptions(order=1))
    assert [round(r.used, 1) for r in match.results[:3]] == [1.0] * 3
    assert 0 < match.results[3].used < 0.4
    accepted = match.accepted(AcceptOptions(max_ratio=3.0))
    assert [r.status for r in accepted.results] == ["ok", "ok", "ok", "failed"]
    assert "of its cells agree with the others, must be 50 %" in accepted.results[3].message


def test_header_cards() -> None:
    results = [
        MatchResult("a", "reference"),
        MatchResult("b", "ok", fit_rms=0.5, matched_mse=3.0, diff_variance=2.0),
        MatchResult("c", "failed"),
    ]
    assert match_cards(results) == {
        "ReferenceExp_ID": "a",
        "CTExp_SDQA1_2": 1.5,
        "CTExp_SDQA2_2": 0.5,
    }
    with pytest.raises(OptionError, match="must be 9999 at most"):
        match_cards(results * 4000)


def test_a_match_that_is_not_accepted_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    inputs = [sky(50, 1), sky(10, 2), sky(20, 3, noise=4.0)]
    match = match_backgrounds(inputs, "classic", CLASSIC, reference=0)
    accepted = match.accepted(AcceptOptions(max_ratio=1.2))
    assert [r.status for r in accepted.results] == ["reference", "ok", "failed"]
    assert len(accepted.matched()) == 2
    assert "is not accepted: mean square over variance" in caplog.text


@pytest.mark.parametrize("wrong", [{"max_ratio": 0.0}, {"max_rms": math.nan}, {"min_used": 1.5}])
def test_limits_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        AcceptOptions(**wrong)

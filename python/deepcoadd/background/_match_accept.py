# SPDX-License-Identifier: BSD-3-Clause
"""Which matches are good enough for a coadd, and what they add to its errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deepcoadd._checks import check_positive, check_share
from deepcoadd.background._match_result import MatchResult
from deepcoadd.errors import OptionError

__all__ = ["AcceptOptions", "accept_match", "match_cards", "matched_weight"]

_MOST_CARDS = 9999


@dataclass(frozen=True)
class AcceptOptions:
    """Which matches are good enough.

    Attributes
    ----------
    max_ratio : float
        Largest mean square of the matched difference, over its variance: 1 is perfect.
    max_rms : float
        Largest root mean square of the bins about the model, in units of the error of a bin by the
        variance of its pixels. About 1 where the model has as many terms as the sky needs; curves
        through bins of a sky that bends within them reach 10.
    min_used : float
        0 to 1: least share of the cells that agree with the fit (global mode, which leaves the
        others out of both numbers above).

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    max_ratio: float = 1.1
    max_rms: float = 10.0
    min_used: float = 0.5

    def __post_init__(self) -> None:
        for name in ("max_ratio", "max_rms"):
            check_positive(name, getattr(self, name))
        check_share("min_used", self.min_used)


_DEFAULTS = AcceptOptions()


def accept_match(result: MatchResult, options: AcceptOptions = _DEFAULTS) -> MatchResult:
    """Result of a match, turned into a failure where the match is not good enough.

    Parameters
    ----------
    result : MatchResult
        Of any mode. A reference, which has no model, is always good enough.
    options : AcceptOptions
        Limits.

    Returns
    -------
    MatchResult
        `result` itself, or one without a model, of status "failed", whose message says which limit
        was exceeded (or which number is not known). Its numbers are kept.
    """
    if result.status != "ok":
        return result
    reason = _reason(result, options)
    if not reason:
        return result
    return replace(result, status="failed", model=None, message=reason)


def _reason(result: MatchResult, options: AcceptOptions) -> str:
    """Why a match is not good enough; nothing where it is."""
    if result.model is None:
        return "it has no model"
    if result.used < options.min_used:
        return (
            f"{100 * result.used:.3g} % of its cells agree with the others, must be "
            f"{100 * options.min_used:g} % at least"
        )
    for name, value, most in (
        ("mean square over variance", result.ratio / result.noise, options.max_ratio),
        ("root mean square in errors of a bin", result.relative_rms, options.max_rms),
    ):
        if not math.isfinite(value):
            return f"{name} is not known"
        if value > most:
            return f"{name} is {value:.4g}, must be {most:g} at most"
    return ""


def matched_weight(weight: float, result: MatchResult) -> float:
    """Weight in a coadd of an exposure whose background was matched.

    Parameters
    ----------
    weight : float
        Without the match: one over the variance of the exposure; above 0.
    result : MatchResult
        Its match.

    Returns
    -------
    float
        ``1 / (1 / weight + fit_rms**2)``.

    Raises
    ------
    OptionError
        The weight is not finite and above 0.
    """
    check_positive("weight", weight)
    return 1.0 / (1.0 / weight + result.added_variance)


def match_cards(results: Sequence[MatchResult]) -> Mapping[str, float | str]:
    """Header cards of a coadd of matched exposures.

    Parameters
    ----------
    results : sequence of MatchResult
        Of the exposures of the coadd, in order; at most 9999.

    Returns
    -------
    mapping
        For exposure i, from 1 on: ``CTExp_SDQA1_i``, mean square over variance, and
        ``CTExp_SDQA2_i``, root mean square of the bins about the model, where they are known;
        ``ReferenceExp_ID``, name of the reference, where there is one.

    Raises
    ------
    OptionError
        There are too many exposures.
    """
    if len(results) > _MOST_CARDS:
        raise OptionError(f"results: got {len(results)}, must be {_MOST_CARDS} at most")
    cards: dict[str, float | str] = {}
    for i, result in enumerate(results, 1):
        if result.status == "reference":
            cards.setdefault("ReferenceExp_ID", result.id)
        for number, value in ((1, result.ratio), (2, result.fit_rms)):
            if value is not None and math.isfinite(value):
                cards[f"CTExp_SDQA{number}_{i}"] = value
    return cards

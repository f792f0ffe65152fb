# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the backgrounds of several exposures, in any of the modes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepcoadd._checks import check_count
from deepcoadd.background._match_accept import AcceptOptions, accept_match
from deepcoadd.background._match_classic import match_to_reference
from deepcoadd.background._match_global import GlobalFit, match_globally
from deepcoadd.background._match_options import (
    ClassicMatchOptions,
    GlobalMatchOptions,
    TractMatchOptions,
)
from deepcoadd.background._match_reference import (
    ReferenceTerms,
    reference_terms,
    select_reference,
)
from deepcoadd.background._match_result import MatchedRef, MatchResult
from deepcoadd.background._match_tract import match_tract
from deepcoadd.errors import DeepcoaddError, NoWorkError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.refs import WarpRef, as_refs, name_of

__all__ = ["MATCH_MODES", "BackgroundMatch", "match_backgrounds"]

_log = logging.getLogger(__name__)

MATCH_MODES = ("global", "classic", "tract")


@dataclass(frozen=True)
class BackgroundMatch:
    """Matched backgrounds of some exposures.

    Attributes
    ----------
    mode : str
        How they were matched.
    refs : list of WarpRef
        The exposures as they are.
    results : list of MatchResult
        One for each, in order.
    fit : GlobalFit or None
        The fit of the mode "global".
    reference : int or None
        Index of the exposure that keeps its background, if there is one.
    terms : list of ReferenceTerms or None
        What the choice of the reference was made by, one for each exposure; None where it was
        given, and in the other modes than "classic". See `reference_costs`.
    """

    mode: str
    refs: list[WarpRef]
    results: list[MatchResult]
    fit: GlobalFit | None = None
    reference: int | None = None
    terms: list[ReferenceTerms] | None = None

    def matched(self, *, add_variance: bool = False) -> list[MatchedRef]:
        """References to the exposures with their models added; without those that failed.

        With `add_variance` their variances grow by the square of `fit_rms`; see `apply_match`.
        """
        return [
            MatchedRef(ref, result, add_variance=add_variance)
            for ref, result in zip(self.refs, self.results, strict=True)
            if result.status != "failed"
        ]

    def accepted(self, options: AcceptOptions | None = None) -> BackgroundMatch:
        """The same match, in which exposures that are not matched well enough have failed.

        See `accept_match`; a warning names them.
        """
        options = AcceptOptions() if options is None else options
        results = [accept_match(result, options) for result in self.results]
        for before, after in zip(self.results, results, strict=True):
            if after is not before:
                _log.warning("%s is not accepted: %s", after.id, after.message)
        return replace(self, results=results)


def match_backgrounds(
    inputs: Sequence[Any],
    mode: str = "global",
    options: GlobalMatchOptions | ClassicMatchOptions | TractMatchOptions | None = None,
    *,
    reference: int | None = None,
    box: Box | None = None,
    raise_on_error: bool = False,
    max_memory: int = 2 * 2**30,
    on_step: Callable[[int], None] | None = None,
) -> BackgroundMatch:
    """Find the backgrounds that make exposures match one another.

    Parameters
    ----------
    inputs : sequence of WarpRef, Exposure or MaskedImage
        Exposures on one pixel grid, of one unit; none is changed.
    mode : {"global", "classic", "tract"}
        All at once; one after the other to a reference; or all warps of each visit of a tract to
        a reference visit.
    options : GlobalMatchOptions, ClassicMatchOptions or TractMatchOptions, optional
        Those of the mode.
    reference : int, optional
        Index of the exposure that keeps its background ("tract": of a warp of the visit that does).
        The modes "classic" and "tract" choose one by default;
        "global" has none unless its options say so.
    box : Box, optional
        In the mode "global": pixels that count and that get a model, by default all of the
        exposures that overlap another one.
    raise_on_error : bool
        Raise where one exposure cannot be matched, instead of saying so in its result.
    max_memory : int
        Bytes that may be held while exposures are read ("global"; "classic" holds two of them).
    on_step : callable, optional
        Called with the number of pixels that are done: of the box ("global") or of an exposure.

    Returns
    -------
    BackgroundMatch

    Raises
    ------
    NoWorkError
        There are no exposures.
    OptionError
        A mode, option or reference is not allowed.
    NoOverlapError
        No two exposures overlap; with `raise_on_error`, one overlaps no other.
    DeepcoaddError
        See `match_to_reference`, with `raise_on_error`; and the modes.
    """
    if mode not in MATCH_MODES:
        raise OptionError(f"mode: got {mode!r}, must be one of {', '.join(MATCH_MODES)}")
    refs = as_refs(inputs)
    if not refs:
        raise NoWorkError("inputs: got none, must be exposures to match")
    if reference is not None:
        check_count("reference", reference, 0, len(refs) - 1)
    if box is not None and mode != "global":
        raise OptionError(f"box: got {box}, must be None in the mode {mode!r}")
    chosen = _options(mode, options)
    if isinstance(chosen, GlobalMatchOptions):
        chosen = _with_reference(chosen, reference)
        results, fit = match_globally(refs, chosen, box=box, max_memory=max_memory, on_step=on_step)
        match = BackgroundMatch(mode, refs, results, fit, chosen.reference)
    elif isinstance(chosen, TractMatchOptions):
        results, first = match_tract(
            refs, chosen, reference=reference, max_memory=max_memory, on_step=on_step
        )
        match = BackgroundMatch(mode, refs, results, reference=first)
    else:
        match = _classic(refs, chosen, reference, on_step)
    for result in match.results:
        if result.status != "failed":
            continue
        if raise_on_error:
            raise NoWorkError(f"{result.id} cannot be matched: {result.message}")
        _log.warning("%s is not matched: %s", result.id, result.message)
    return match


_OPTIONS = {
    "global": GlobalMatchOptions,
    "classic": ClassicMatchOptions,
    "tract": TractMatchOptions,
}


def _options(mode: str, options: Any) -> Any:
    """Options of a mode; its defaults, or those given, which must be of its class."""
    wanted = _OPTIONS[mode]
    if options is None:
        return wanted()
    if not isinstance(options, wanted):
        raise OptionError(
            f"options: got {type(options).__name__}, must be {wanted.__name__} in the mode {mode!r}"
        )
    return options


def _with_reference(options: GlobalMatchOptions, reference: int | None) -> GlobalMatchOptions:
    if reference is None:
        return options
    return replace(options, gauge="reference", reference=reference)


def _classic(
    refs: list[WarpRef],
    options: ClassicMatchOptions,
    reference: int | None,
    on_step: Callable[[int], None] | None,
) -> BackgroundMatch:
    """All exposures matched to one of them; the reference and one other are held."""
    terms = None
    if reference is None:
        terms = [_terms(ref, options) for ref in refs]
        reference = select_reference(terms, options)
    target = refs[reference].read()
    results = []
    for k, ref in enumerate(refs):
        name = name_of(ref)
        if k == reference:
            results.append(MatchResult(name, "reference"))
        else:
            try:
                results.append(match_to_reference(target, ref.read(), options, name=name))
            except (DeepcoaddError, OSError) as error:
                results.append(MatchResult(name, "failed", message=str(error)))
        if on_step is not None:
            on_step(ref.box().area)
    return BackgroundMatch("classic", refs, results, reference=reference, terms=terms)


def _terms(ref: WarpRef, options: ClassicMatchOptions) -> ReferenceTerms:
    try:
        return reference_terms(ref.read(), options)
    except (DeepcoaddError, OSError) as error:
        _log.warning("%s cannot be the reference: %s", name_of(ref), error)
        return ReferenceTerms.unknown()

# SPDX-License-Identifier: BSD-3-Clause
"""Inputs of a coadd with their backgrounds matched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deepcoadd.background import (
    AcceptOptions,
    GlobalMatchOptions,
    MatchedRef,
    match_backgrounds,
    shared_box,
)
from deepcoadd.cli._matched import Pairs
from deepcoadd.coadd import SkippedInput
from deepcoadd.errors import OptionError
from deepcoadd.refs import WarpRef

__all__ = ["with_matched_backgrounds"]

_SAME = 1e-6
"""Relative difference of two calibrations that are the same."""


def with_matched_backgrounds(
    inputs: Pairs,
    options: GlobalMatchOptions,
    accept: AcceptOptions | None,
    max_memory: int,
    progress: Callable[[int, int, str], None],
) -> Pairs:
    """The same inputs with one common background; their PSF-matched versions get it too.

    Parameters
    ----------
    inputs : Pairs
        Exposures, and PSF-matched ones where there are.
    options : GlobalMatchOptions
        How they are matched.
    accept : AcceptOptions, optional
        Which matches are good enough.
    max_memory : int
        Bytes that may be held.
    progress : callable
        Is told how far the work is.

    Returns
    -------
    Pairs
        Exposures that cannot be matched are among the skipped ones.

    Raises
    ------
    OptionError
        The exposures are calibrated differently.
    NoOverlapError
        No two of them overlap.
    """
    _check_calibrations(inputs.refs)
    total, done = shared_box([ref.box() for ref in inputs.refs]).area, 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        progress(done, total, "matching backgrounds")

    match = match_backgrounds(inputs.refs, "global", options, max_memory=max_memory, on_step=step)
    if accept is not None:
        match = match.accepted(accept)
    kept = [k for k, result in enumerate(match.results) if result.status != "failed"]
    skipped = [
        SkippedInput(dict(ref.data_id), result.id, f"background not matched: {result.message}")
        for ref, result in zip(match.refs, match.results, strict=True)
        if result.status == "failed"
    ]
    return replace(
        inputs,
        refs=[MatchedRef(match.refs[k], match.results[k]) for k in kept],
        matched=[MatchedRef(inputs.matched[k], match.results[k]) for k in kept]
        if inputs.matched
        else [],
        skipped=[*inputs.skipped, *skipped],
    )


def _check_calibrations(refs: Sequence[WarpRef]) -> None:
    """Refuse exposures of which equal numbers mean different surface brightness."""
    infos = [ref.info() for ref in refs]
    units = {str(info.unit) for info in infos}
    means = [info.photo_calib.mean for info in infos if info.photo_calib is not None]
    differ = bool(means) and (
        len(means) < len(infos) or max(means) - min(means) > _SAME * abs(max(means))
    )
    if len(units) > 1 or differ:
        raise OptionError(
            "--match-backgrounds: the inputs have different units or calibrations; backgrounds can "
            "be matched where equal numbers mean equal brightness"
        )

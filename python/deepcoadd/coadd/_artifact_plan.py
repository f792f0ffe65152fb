# SPDX-License-Identifier: BSD-3-Clause
"""The plan of a coadd in which artifacts are looked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from astropy.wcs import WCS

from deepcoadd.coadd._matched import pair_matched
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan, Progress, prepare
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.refs import WarpRef, as_refs

__all__ = ["check_plan", "plan_with_matched"]


def plan_with_matched(
    inputs: Iterable[Any] | CoaddPlan,
    matched: Iterable[Any] | None,
    options: AssembleOptions,
    *,
    box: Box | None,
    weights: Sequence[float] | None,
    scalers: Sequence[Any] | None,
    wcs: WCS | None,
    progress: Progress | None,
) -> tuple[CoaddPlan, AssembleOptions, list[WarpRef | None] | None]:
    """Plan with half of the budget, the other half being for finding artifacts.

    Parameters
    ----------
    inputs : iterable of Exposure, MaskedImage or WarpRef; or CoaddPlan
        What to combine. A plan brings box, weights, options, scalers and wcs.
    matched : iterable of Exposure, MaskedImage, WarpRef or None; optional
        PSF-matched versions; see `pair_matched`.
    options : AssembleOptions
        How inputs are combined, unless a plan tells.
    box, weights, scalers, wcs, progress
        See `deepcoadd.coadd.prepare`.

    Returns
    -------
    plan : CoaddPlan
        With half of the budget.
    options : AssembleOptions
        The options as they were given, of the plan or beside it.
    partners : list of WarpRef or None, or None
        Matched version of each input of the plan, where `matched` is given.

    Raises
    ------
    OptionError
        A plan is given together with what it brings, or has alternate masks.
    NoWorkError, ShapeError, MaskPlaneError
        As `deepcoadd.coadd.prepare` and `pair_matched`.
    """
    if isinstance(inputs, CoaddPlan):
        check_plan(inputs, box, weights, scalers, wcs)
        plan = replace(inputs, options=_half_of(inputs.options))
        refs = [one.ref for one in plan.inputs]
        partners = None if matched is None else pair_matched(refs, matched)
        return plan, inputs.options, partners
    refs = as_refs(inputs)
    paired = None if matched is None else pair_matched(refs, matched)
    plan = prepare(
        refs,
        box,
        weights=weights,
        options=_half_of(options),
        scalers=scalers,
        wcs=wcs,
        progress=progress,
    )
    partners = None if paired is None else [paired[record.index] for record in plan.records]
    return plan, options, partners


def _half_of(options: AssembleOptions) -> AssembleOptions:
    """Options with half of the budget."""
    return replace(options, max_memory=max(1, options.max_memory // 2))


def check_plan(plan: CoaddPlan, *parts: Any) -> None:
    """Refuse a plan with alternate masks, or beside parts that it brings (then not None)."""
    if any(part is not None for part in parts):
        raise OptionError("a CoaddPlan brings box, weights, scalers and wcs; leave them out")
    if any(plan.alternate_masks):
        raise OptionError("alternate_masks of the CoaddPlan: must be empty, they are made here")

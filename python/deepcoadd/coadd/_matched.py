# SPDX-License-Identifier: BSD-3-Clause
"""PSF-matched versions of the inputs: which belongs to which, and how they are combined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan, Progress, prepare
from deepcoadd.errors import NoWorkError, OptionError, ShapeError
from deepcoadd.refs import WarpRef, as_refs, name_of

__all__ = ["pair_matched", "plan_of_matched"]

_KEYS = ("instrument", "visit", "detector", "tract", "patch")


def pair_matched(inputs: Sequence[WarpRef], matched: Iterable[Any]) -> list[WarpRef | None]:
    """Matched warp of each input, None where there is none.

    Parameters
    ----------
    inputs : sequence of WarpRef
        Warps as observed.
    matched : iterable of Exposure, MaskedImage, WarpRef or None
        Matched warps in any order; see `compare_warp`. Those without a partner are dropped.

    Raises
    ------
    ShapeError
        There are no identifications, and the lists differ in length.
    OptionError
        Two warps of one list have the same identification, or only some have one.
    """
    others = [None if one is None else as_refs([one])[0] for one in matched]
    keys = [_key(ref) for ref in inputs]
    their_keys = [None if ref is None else _key(ref) for ref in others]
    if not any(keys) and not any(their_keys):
        if len(others) != len(inputs):
            raise ShapeError(
                f"matched: {len(others)} for {len(inputs)} inputs; without a visit to tell them "
                "apart one for each is needed (or None)"
            )
        return others
    known = {key: ref for key, ref in zip(their_keys, others, strict=True) if ref is not None}
    given = [key for key in their_keys if key is not None]
    there = [ref for ref in others if ref is not None]
    for name, refs, each in (("inputs", inputs, keys), ("matched", there, given)):
        if () in each:
            raise OptionError(
                f"{name}: {name_of(refs[each.index(())])} has no {', '.join(_KEYS)}, others have; "
                "leave it out, or identify it"
            )
        if len(set(each)) < len(each):
            twice = next(key for key in each if each.count(key) > 1)
            raise OptionError(f"{name}: two warps are {dict(twice)}; expected one of each")
    return [known.get(key) for key in keys]


def _key(ref: WarpRef) -> tuple[tuple[str, Any], ...]:
    """What tells warps apart; empty where there is nothing."""
    data_id = ref.data_id
    return tuple((name, data_id[name]) for name in _KEYS if data_id.get(name) is not None)


def plan_of_matched(
    plan: CoaddPlan,
    partners: Sequence[WarpRef | None],
    options: AssembleOptions,
    progress: Progress | None,
) -> CoaddPlan:
    """Plan of a coadd of the matched warps there are, on the grid of that of the inputs.

    It has no tables of inputs.

    Parameters
    ----------
    plan : CoaddPlan
        Of the inputs; its box, unit, WCS, scalers and budget hold.
    partners : sequence of WarpRef or None
        Matched warp of each of its inputs.
    options : AssembleOptions
        How they are combined, apart from that.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Raises
    ------
    NoWorkError
        There is none, or none can be used.
    """
    there = [(ref, one) for ref, one in zip(partners, plan.inputs, strict=True) if ref is not None]
    if not there:
        raise NoWorkError(f"matched: none of them belongs to any of the {len(partners)} inputs")
    how = replace(options, unit=plan.options.unit, max_memory=plan.options.max_memory)
    try:
        return prepare(
            [ref for ref, _ in there],
            plan.box,
            options=how,
            scalers=[one.scaler for _, one in there],
            wcs=plan.info.wcs,
            tables=False,
            progress=progress,
        )
    except NoWorkError as error:
        raise NoWorkError(f"matched: {error}") from error

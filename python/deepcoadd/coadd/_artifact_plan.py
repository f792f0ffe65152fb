# SPDX-License-Identifier: BSD-3-Clause
"""The plan of a coadd in which artifacts are looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan
from deepcoadd.errors import OptionError

__all__ = ["half_of", "with_half"]


def half_of(options: AssembleOptions) -> AssembleOptions:
    """Options with half of the budget; the rest is for finding artifacts."""
    return replace(options, max_memory=max(1, options.max_memory // 2))


def with_half(plan: CoaddPlan, *parts: Any) -> CoaddPlan:
    """A plan given by the caller, with half of its budget.

    Parameters
    ----------
    plan : CoaddPlan
        From `deepcoadd.coadd.prepare`.
    *parts
        Arguments (box, weights, scalers, wcs) that a plan brings, and which must be None then.

    Raises
    ------
    OptionError
        One of them is given, or the plan has alternate masks.
    """
    if any(part is not None for part in parts):
        raise OptionError("a CoaddPlan brings box, weights, scalers and wcs; leave them out")
    if any(plan.alternate_masks):
        raise OptionError("alternate_masks of the CoaddPlan: must be empty, they are made here")
    return replace(plan, options=half_of(plan.options))

# SPDX-License-Identifier: BSD-3-Clause
"""Coadds of aligned warps."""

from __future__ import annotations

from deepcoadd.coadd._alternate import AlternateMask, with_alternate
from deepcoadd.coadd._assemble import CoaddTile, assemble
from deepcoadd.coadd._bright_objects import (
    BrightObject,
    mask_bright_objects,
    read_bright_objects,
)
from deepcoadd.coadd._input import CoaddInput, pixels_at
from deepcoadd.coadd._metadata import widest_psf
from deepcoadd.coadd._options import MAPS, TASK_ASSEMBLE, AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan, prepare
from deepcoadd.coadd._result import CoaddResult, InputRecord, SkippedInput
from deepcoadd.coadd._rules import MaskRules, flag_inexact_psf
from deepcoadd.coadd._stack import TileWork, stack_tile

__all__ = [
    "MAPS",
    "TASK_ASSEMBLE",
    "AlternateMask",
    "AssembleOptions",
    "BrightObject",
    "CoaddInput",
    "CoaddPlan",
    "CoaddResult",
    "CoaddTile",
    "InputRecord",
    "MaskRules",
    "SkippedInput",
    "TileWork",
    "assemble",
    "flag_inexact_psf",
    "mask_bright_objects",
    "pixels_at",
    "prepare",
    "read_bright_objects",
    "stack_tile",
    "widest_psf",
    "with_alternate",
]

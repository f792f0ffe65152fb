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
from deepcoadd.coadd._decisions import ArtifactCoadd, Decision, decision_table, input_labels
from deepcoadd.coadd._difference import Difference, build_difference_image
from deepcoadd.coadd._input import CoaddInput, pixels_at
from deepcoadd.coadd._metadata import widest_psf
from deepcoadd.coadd._options import MAPS, TASK_ASSEMBLE, AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan, prepare
from deepcoadd.coadd._result import CoaddResult, InputRecord, SkippedInput
from deepcoadd.coadd._rules import MaskRules, flag_inexact_psf
from deepcoadd.coadd._safe_clip import safe_clip
from deepcoadd.coadd._safe_clip_detect import (
    ClipDetections,
    decisions_about_big,
    detect_clip,
    detect_clip_big,
    difference_footprints,
    merged_signs,
)
from deepcoadd.coadd._safe_clip_options import (
    SAFE_CLIP_ASSEMBLE,
    SAFE_CLIP_DETECTION,
    SafeClipOptions,
)
from deepcoadd.coadd._stack import TileWork, stack_tile

__all__ = [
    "MAPS",
    "SAFE_CLIP_ASSEMBLE",
    "SAFE_CLIP_DETECTION",
    "TASK_ASSEMBLE",
    "AlternateMask",
    "ArtifactCoadd",
    "AssembleOptions",
    "BrightObject",
    "ClipDetections",
    "CoaddInput",
    "CoaddPlan",
    "CoaddResult",
    "CoaddTile",
    "Decision",
    "Difference",
    "InputRecord",
    "MaskRules",
    "SafeClipOptions",
    "SkippedInput",
    "TileWork",
    "assemble",
    "build_difference_image",
    "decision_table",
    "decisions_about_big",
    "detect_clip",
    "detect_clip_big",
    "difference_footprints",
    "flag_inexact_psf",
    "input_labels",
    "mask_bright_objects",
    "merged_signs",
    "pixels_at",
    "prepare",
    "read_bright_objects",
    "safe_clip",
    "stack_tile",
    "widest_psf",
    "with_alternate",
]

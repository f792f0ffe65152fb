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
from deepcoadd.coadd._compare_warp import (
    build_template,
    compare_warp,
    flag_matched_edges,
)
from deepcoadd.coadd._compare_warp_options import (
    ARTIFACT_DETECTION,
    COMPARE_WARP_ASSEMBLE,
    TEMPLATE_ASSEMBLE,
    TEMPLATE_DETECTION,
    ArtifactOptions,
    CompareWarpOptions,
)
from deepcoadd.coadd._decisions import ArtifactCoadd, Decision, decision_table, input_labels
from deepcoadd.coadd._difference import (
    Difference,
    build_difference_image,
    difference_of_matched,
)
from deepcoadd.coadd._find_artifacts import (
    Artifacts,
    ArtifactSteps,
    StreakFinder,
    find_artifacts,
)
from deepcoadd.coadd._find_artifacts_filter import (
    Judgement,
    filter_artifacts,
    judge_candidates,
    max_epochs,
    prefilter_artifacts,
)
from deepcoadd.coadd._input import CoaddInput, pixels_at
from deepcoadd.coadd._matched import pair_matched, plan_of_matched
from deepcoadd.coadd._metadata import widest_psf
from deepcoadd.coadd._options import MAPS, TASK_ASSEMBLE, AssembleOptions
from deepcoadd.coadd._polygons import with_valid_polygons
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
from deepcoadd.coadd._select import Selection, select
from deepcoadd.coadd._select_options import PsfLimits, SeeingOptions, SelectKind, SelectOptions
from deepcoadd.coadd._stack import TileWork, stack_tile
from deepcoadd.coadd._summarize import summarize
from deepcoadd.coadd._visit_clip import visit_clip
from deepcoadd.coadd._visit_clip_options import VISIT_CLIP_ASSEMBLE, VisitClipOptions

__all__ = [
    "ARTIFACT_DETECTION",
    "COMPARE_WARP_ASSEMBLE",
    "MAPS",
    "SAFE_CLIP_ASSEMBLE",
    "SAFE_CLIP_DETECTION",
    "TASK_ASSEMBLE",
    "TEMPLATE_ASSEMBLE",
    "TEMPLATE_DETECTION",
    "VISIT_CLIP_ASSEMBLE",
    "AlternateMask",
    "ArtifactCoadd",
    "ArtifactOptions",
    "ArtifactSteps",
    "Artifacts",
    "AssembleOptions",
    "BrightObject",
    "ClipDetections",
    "CoaddInput",
    "CoaddPlan",
    "CoaddResult",
    "CoaddTile",
    "CompareWarpOptions",
    "Decision",
    "Difference",
    "InputRecord",
    "Judgement",
    "MaskRules",
    "PsfLimits",
    "SafeClipOptions",
    "SeeingOptions",
    "SelectKind",
    "SelectOptions",
    "Selection",
    "SkippedInput",
    "StreakFinder",
    "TileWork",
    "VisitClipOptions",
    "assemble",
    "build_difference_image",
    "build_template",
    "compare_warp",
    "decision_table",
    "decisions_about_big",
    "detect_clip",
    "detect_clip_big",
    "difference_footprints",
    "difference_of_matched",
    "filter_artifacts",
    "find_artifacts",
    "flag_inexact_psf",
    "flag_matched_edges",
    "input_labels",
    "judge_candidates",
    "mask_bright_objects",
    "max_epochs",
    "merged_signs",
    "pair_matched",
    "pixels_at",
    "plan_of_matched",
    "prefilter_artifacts",
    "prepare",
    "read_bright_objects",
    "safe_clip",
    "select",
    "stack_tile",
    "summarize",
    "visit_clip",
    "widest_psf",
    "with_alternate",
    "with_valid_polygons",
]

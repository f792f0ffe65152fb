# SPDX-License-Identifier: BSD-3-Clause
"""Detection of sources: smoothing, thresholds, growth."""

from deepcoadd.detection._detect import DetectionResult, detect
from deepcoadd.detection._difference import (
    DifferenceDetections,
    detect_difference,
    needs_difference,
)
from deepcoadd.detection._objects import SKY_OBJECTS, ObjectMaskOptions, mask_objects
from deepcoadd.detection._options import TASK_DETECTION, DetectionOptions

__all__ = [
    "SKY_OBJECTS",
    "TASK_DETECTION",
    "DetectionOptions",
    "DetectionResult",
    "DifferenceDetections",
    "ObjectMaskOptions",
    "detect",
    "detect_difference",
    "mask_objects",
    "needs_difference",
]

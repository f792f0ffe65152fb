# SPDX-License-Identifier: BSD-3-Clause
"""Sets of pixels, footprints and their detection, label images.

Coordinates are those of the parent frame: integers between -2**30 and 2**30, negative ones
included. The definitions stand in ``docs/algorithms/spans.md``.
"""

from deepcoadd.spans._footprint import Footprint, Peak
from deepcoadd.spans._footprint_set import FootprintSet, Threshold
from deepcoadd.spans._labels import LabelExtent, count_by_label, dilate_mask, label_mask
from deepcoadd.spans._span_set import Moments, Span, SpanSet

__all__ = [
    "Footprint",
    "FootprintSet",
    "LabelExtent",
    "Moments",
    "Peak",
    "Span",
    "SpanSet",
    "Threshold",
    "count_by_label",
    "dilate_mask",
    "label_mask",
]

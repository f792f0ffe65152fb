# SPDX-License-Identifier: BSD-3-Clause
"""Which inputs are to blame for the footprints of a difference image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._alternate import one_span_set
from deepcoadd.coadd._decisions import Decision
from deepcoadd.coadd._prepare import Progress
from deepcoadd.coadd._safe_clip_options import SAFE_CLIP_DETECTION, SafeClipOptions
from deepcoadd.coadd._visit_masks import DETECTED, VisitMasks, on_grid
from deepcoadd.detection import DetectionOptions, detect
from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.mask import Mask
from deepcoadd.refs import WarpRef
from deepcoadd.spans import Footprint, FootprintSet, SpanSet, Threshold

__all__ = [
    "ClipDetections",
    "decisions_about_big",
    "detect_clip",
    "detect_clip_big",
    "difference_footprints",
    "merged_signs",
]

Counts = npt.NDArray[np.int64]
ClipSpans = dict[str, list[SpanSet]]


@dataclass
class ClipDetections:
    """Result of `detect_clip`.

    Parameters
    ----------
    clip_footprints : list of Footprint
        Footprints clipped in some input.
    clip_indices : list of tuple of int
        For each of them the numbers of the inputs.
    clip_spans : list of dict
        For each input ``{"CLIPPED": [SpanSet, ...]}``.
    detection_footprints : list of FootprintSet
        For each input the connected components of its DETECTED planes.
    decisions : list of Decision
        One for each footprint of the difference image.
    """

    clip_footprints: list[Footprint]
    clip_indices: list[tuple[int, ...]]
    clip_spans: list[ClipSpans]
    detection_footprints: list[FootprintSet]
    decisions: list[Decision]


def difference_footprints(
    difference: Exposure,
    options: DetectionOptions = SAFE_CLIP_DETECTION,
    *,
    sigma: float | None = None,
) -> FootprintSet:
    """Footprints of both signs in a difference image, those that touch merged.

    Parameters
    ----------
    difference : Exposure
        From `deepcoadd.coadd.build_difference_image`; DETECTED, DETECTED_NEGATIVE and EDGE of its
        mask are rewritten.
    options : DetectionOptions
        How to detect.
    sigma : float, optional
        Width [pixel] of the Gaussian for smoothing; that of the PSF when left out.

    Raises
    ------
    PsfGenerationError
        There is neither a PSF nor a `sigma`.
    ShapeError
        The image is smaller than the smoothing kernel.
    """
    found = detect(difference, options, sigma)
    return merged_signs(found.positive, found.negative)


def merged_signs(positive: FootprintSet | None, negative: FootprintSet | None) -> FootprintSet:
    """One set of positive and negative footprints; those that touch become one.

    Raises
    ------
    OptionError
        There is neither.
    """
    if positive is None or negative is None:
        either = negative if positive is None else positive
        if either is None:
            raise OptionError("footprints: got neither positive nor negative ones")
        return either
    return positive.merged(negative)


def detect_clip(
    difference: Exposure,
    inputs: Sequence[WarpRef],
    *,
    options: SafeClipOptions | None = None,
    footprints: FootprintSet | None = None,
    sigma: float | None = None,
    progress: Progress | None = None,
) -> ClipDetections:
    """Footprints of a difference image that one or two inputs are to blame for.

    Parameters
    ----------
    difference : Exposure
        Plain minus clipped mean; see `difference_footprints` about its mask.
    inputs : sequence of WarpRef
        Inputs; their masks are read as they come, one at a time. One that is not on the grid of
        `difference` is warned of, and counts as one without data.
    options : SafeClipOptions, optional
        Limits of the overlaps.
    footprints : FootprintSet, optional
        Footprints of `difference`, when they are known already.
    sigma : float, optional
        Width [pixel] of the PSF, where there is none.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    ClipDetections

    Raises
    ------
    PsfGenerationError
        There is no PSF and no `sigma`.
    NoDataError
        An input cannot be read.
    ShapeError
        The difference is smaller than the smoothing kernel.

    Notes
    -----
    Rules: ``docs/algorithms/safe-clip.md``.
    """
    options = SafeClipOptions() if options is None else options
    if footprints is None:
        footprints = difference_footprints(difference, options.detection, sigma=sigma)
    placed = [on_grid(ref, difference) for ref in inputs]
    planes = difference.mask.planes
    bad, detected = planes.known_bitmask(options.assemble.bad_planes), planes.bitmask(*DETECTED)
    shape = (len(placed), len(footprints))
    ignored, overlap = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    detections: list[FootprintSet] = []
    areas = footprints.areas

    def look_at(mask: Mask) -> tuple[Any, Any, FootprintSet]:
        # Counted are those that can be used: no plane at all may be bad.
        usable, seen = footprints.counts(mask, [(0, bad), (detected, bad)])
        return areas - usable, seen, FootprintSet.search(mask, Threshold(detected, "bitmask"))

    masks = VisitMasks(placed, difference, options, sigma)
    for k, (no_use, seen, own) in enumerate(in_turn(masks, look_at, n_workers(len(placed)))):
        if progress is not None:
            progress(k, len(placed), "finding artifacts")
        ignored[k], overlap[k] = no_use, seen
        detections.append(own)
    decisions = _decided(footprints, ignored, overlap, options)
    chosen = [(n, one) for n, one in enumerate(decisions) if one.clipped]
    clip_spans: list[ClipSpans] = [{"CLIPPED": []} for _ in placed]
    for _, decision in chosen:
        for k in decision.clipped:
            clip_spans[k]["CLIPPED"].append(decision.spans)
    return ClipDetections(
        clip_footprints=[footprints[n] for n, _ in chosen],
        clip_indices=[decision.clipped for _, decision in chosen],
        clip_spans=clip_spans,
        detection_footprints=detections,
        decisions=decisions,
    )


def _decided(
    footprints: FootprintSet, ignored: Counts, overlap: Counts, options: SafeClipOptions
) -> list[Decision]:
    """Decision about each footprint, from its counts in each input (inputs, footprints)."""
    area = footprints.areas.astype(np.int64)
    usable = area - ignored
    enough = (ignored <= overlap) & (2 * usable > area) & (overlap > 0)
    fraction = np.zeros(overlap.shape)
    np.divide(overlap, usable, out=fraction, where=enough)
    n_entries = enough.sum(axis=0)
    largest = fraction.max(axis=0, initial=0.0)
    single = (n_entries == 1) & (largest > options.min_clip_foot_overlap_single)
    over = fraction > options.min_clip_foot_overlap
    one = (n_entries > 1) & (over.sum(axis=0) == 1)
    upper = fraction > options.min_clip_foot_overlap_double
    others = np.where(upper, 0.0, fraction).max(axis=0, initial=0.0)
    double = (n_entries > 3) & (upper.sum(axis=0) == 2)
    double &= others <= options.max_clip_foot_overlap_double
    decisions: list[Decision] = []
    # Lists: there are many footprints and few inputs.
    entries: list[list[bool]] = enough.T.tolist()
    columns: Any = fraction.T.tolist()
    for n, spans in enumerate(footprints.pixel_sets):
        rule, blamed = "none", list[bool]()
        if double[n]:  # overrules the rule of one
            rule, blamed = "double", upper[:, n].tolist()
        elif one[n]:
            rule, blamed = "one", over[:, n].tolist()
        elif single[n]:
            rule, blamed = "single", entries[n]
        considered = _numbers(entries[n])
        decisions.append(
            Decision(
                spans,
                rule,
                considered=considered,
                overlaps=tuple(columns[n][k] for k in considered),
                clipped=_numbers(blamed),
            )
        )
    return decisions


def _numbers(flags: list[bool]) -> tuple[int, ...]:
    """Places of True."""
    return tuple(k for k, flag in enumerate(flags) if flag)


def detect_clip_big(
    clip_list: Sequence[ClipSpans],
    clip_footprints: Sequence[Footprint],
    clip_indices: Sequence[Any],
    detection_footprints: Sequence[FootprintSet],
    *,
    min_overlap: int = SafeClipOptions.min_big_overlap,
) -> list[Footprint]:
    """Whole detections of single inputs that are clipped in part: large artifacts.

    Parameters
    ----------
    clip_list : sequence of dict
        For each input ``{"CLIPPED": [SpanSet, ...]}``; appended to in place.
    clip_footprints : sequence of Footprint
        Footprints clipped so far.
    clip_indices : sequence of sequence of int
        For each of them the numbers of the inputs.
    detection_footprints : sequence of FootprintSet
        Detections of each input.
    min_overlap : int
        Pixels: a detection of at least this area is clipped whole if *more* than this are
        clipped already.

    Returns
    -------
    list of Footprint
        The detections clipped, by input.
    """
    clipped: list[list[SpanSet]] = [[] for _ in clip_list]
    for footprint, indices in zip(clip_footprints, clip_indices, strict=True):
        for k in indices:
            clipped[k].append(footprint.spans)
    found: list[Footprint] = []
    for one, spans, detections in zip(clip_list, clipped, detection_footprints, strict=True):
        if not spans:
            continue
        common = detections.common_areas(one_span_set(spans)).astype(np.int64)
        areas = detections.areas.astype(np.int64)
        for n in np.flatnonzero((areas >= min_overlap) & (common > min_overlap)):
            big = detections[int(n)]
            one["CLIPPED"].append(big.spans)
            found.append(big)
    return found


def decisions_about_big(clip_list: Sequence[ClipSpans], n_before: Sequence[int]) -> list[Decision]:
    """Decisions that stand for what `detect_clip_big` has appended.

    Parameters
    ----------
    clip_list : sequence of dict
        For each input ``{"CLIPPED": [SpanSet, ...]}``, as it is now.
    n_before : sequence of int
        Length of each of the lists before.
    """
    decisions: list[Decision] = []
    for k, (one, n) in enumerate(zip(clip_list, n_before, strict=True)):
        before, added = one["CLIPPED"][:n], one["CLIPPED"][n:]
        clipped = one_span_set(before) if added else SpanSet()
        for spans in added:
            fraction = spans.common_area(clipped) / spans.area
            decisions.append(Decision(spans, "big", (k,), (fraction,), (k,)))
    return decisions

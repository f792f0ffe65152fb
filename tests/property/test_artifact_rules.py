# SPDX-License-Identifier: BSD-3-Clause
"""Decisions about artifacts against transcriptions of the rules, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import Box, Exposure, Image, Mask, MaskedImage
from deepcoadd.coadd import (
    ArtifactOptions,
    SafeClipOptions,
    detect_clip,
    judge_candidates,
    prefilter_artifacts,
)
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import Footprint, FootprintSet, SpanSet

Pixels = list[tuple[int, int]]
BOX = Box.from_shape((12, 15), start=(-4, 7))
PLANES = ("BAD", "SAT", "NO_DATA")
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def blobs(rng: Any, n: int) -> list[SpanSet]:
    """Rectangles within the box."""
    made = []
    for _ in range(n):
        y, x = rng.integers((0, 0), BOX.shape)
        high, wide = rng.integers(1, 7, 2)
        flags = np.zeros(BOX.shape, bool)
        flags[y : y + high, x : x + wide] = True
        made.append(SpanSet.from_array(flags, start=BOX.start))
    return made


def places(spans: SpanSet) -> Pixels:
    """Indices into an array of the box."""
    y0, x0 = BOX.start
    return [(y - y0, x - x0) for y, a, b in spans for x in range(a, b + 1)]


def judged(spans: SpanSet, counts: Any, totals: Any, sources: Any, how: ArtifactOptions) -> str:
    """The rule of CompareWarp for one candidate."""
    at = places(spans)
    n = np.mean([totals[p] for p in at])
    most = min(
        how.max_fraction_epochs_low * n, how.max_num_epochs + how.max_fraction_epochs_high * n
    )
    limit = max(int(most), how.min_epochs_low)
    rare = sum(0 < counts[p] <= limit for p in at) / len(at)
    if not rare > how.spatial_threshold:
        return "persistent"
    held = any(set(at) <= set(places(source)) for source in sources)
    return "source" if held else "artifact"


@given(seeds, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3), st.integers(0, 1))
def test_candidates_are_judged_by_the_rule(
    rng: Any, threshold: float, most: int, least: int
) -> None:
    how = ArtifactOptions(spatial_threshold=threshold, max_num_epochs=most, min_epochs_low=least)
    counts, totals = rng.integers(0, 6, (2, *BOX.shape), np.uint32)
    candidates, sources = blobs(rng, 8), blobs(rng, 4)
    found = judge_candidates(candidates, Image(counts, BOX), Image(totals, BOX), sources, how)
    assert found.rules == [judged(one, counts, totals, sources, how) for one in candidates]


@given(seeds, st.sampled_from([0.0, 0.05, 0.5]), st.sets(st.sampled_from(PLANES)))
def test_candidates_need_good_pixels(rng: Any, ratio: float, planes: set[str]) -> None:
    how = ArtifactOptions(prefilter_ratio=ratio, prefilter_planes=tuple(planes))
    mask = Mask.zeros(BOX)
    for plane in PLANES:
        mask.set(plane, rng.random(BOX.shape) < 0.6)
    bad = sum((mask.has(plane) for plane in planes), start=np.zeros(BOX.shape, bool))
    candidates = blobs(rng, 8)
    due = [one for one in candidates if np.mean([not bad[p] for p in places(one)]) > ratio]
    assert prefilter_artifacts(candidates, mask, how) == due


def blamed(spans: SpanSet, visits: list[Exposure], how: SafeClipOptions) -> tuple[str, list[int]]:
    """The rule of SafeClip for one footprint: its name, and the visits to leave it out of."""
    at, entries = places(spans), []
    for k, visit in enumerate(visits):
        bad = np.zeros(BOX.shape, bool)
        for plane in how.assemble.bad_planes:
            bad |= visit.mask.has(plane)
        detected = visit.mask.has("DETECTED") | visit.mask.has("DETECTED_NEGATIVE")
        ignored = sum(bool(bad[p]) for p in at)
        overlap = sum(bool(detected[p] and not bad[p]) for p in at)
        usable = len(at) - ignored
        if not (ignored > overlap or usable <= 0.5 * len(at) or overlap == 0):
            entries.append((k, overlap / usable))
    if len(entries) == 1:
        k, o = entries[0]
        return ("single", [k]) if o > how.min_clip_foot_overlap_single else ("none", [])
    upper = [k for k, o in entries if o > how.min_clip_foot_overlap_double]
    others = [o for _, o in entries if o <= how.min_clip_foot_overlap_double]
    if len(upper) == 2 and len(entries) > 3 and max(others) <= how.max_clip_foot_overlap_double:
        return "double", upper
    over = [k for k, o in entries if o > how.min_clip_foot_overlap]
    return ("one", over) if len(entries) > 1 and len(over) == 1 else ("none", [])


@given(seeds, st.sets(st.sampled_from(PLANES)), st.floats(0, 1), st.floats(0, 1))
def test_footprints_are_blamed_by_the_rule(
    rng: Any, planes: set[str], low: float, high: float
) -> None:
    how = SafeClipOptions(detect_on_warps="never", max_clip_foot_overlap_double=low)
    how = replace(how, assemble=replace(how.assemble, bad_planes=tuple(planes)))
    visits = []
    for _ in range(6):
        visit = Exposure(MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX))
        share = rng.choice([0.0, 0.1, high, 1.0])
        for plane in ("DETECTED", "DETECTED_NEGATIVE", *PLANES):
            few = 0.2 if plane in PLANES else 0.7
            visit.mask.set(plane, rng.random(BOX.shape) < few * share)
        visits.append(visit)
    footprints = FootprintSet([Footprint(one) for one in blobs(rng, 3)], BOX)
    difference = Exposure(MaskedImage.from_arrays(np.zeros(BOX.shape), None, 1.0, box=BOX))
    refs = [ExposureRef(visit) for visit in visits]
    found = detect_clip(difference, refs, options=how, footprints=footprints)
    for decision in found.decisions:
        assert (decision.rule, list(decision.clipped)) == blamed(decision.spans, visits, how)

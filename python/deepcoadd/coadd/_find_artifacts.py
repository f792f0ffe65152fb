# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts of single epochs, found in their differences from a template."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from deepcoadd._checks import instance
from deepcoadd._core import epochs as _core
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._alternate import one_span_set
from deepcoadd.coadd._compare_warp_options import ArtifactOptions
from deepcoadd.coadd._decisions import Decision
from deepcoadd.coadd._find_artifacts_filter import (
    judge_candidates,
    prefilter_artifacts,
    streaks_within,
)
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._prepare import Progress
from deepcoadd.coadd._safe_clip_detect import merged_signs
from deepcoadd.coadd._tiles import prefetched
from deepcoadd.coadd._units import calibration_to
from deepcoadd.coadd._visit_masks import on_grid
from deepcoadd.detection import detect, detect_difference, needs_difference
from deepcoadd.errors import DeepcoaddError, NoDataError, ShapeError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.refs import WarpRef, as_ref, name_of
from deepcoadd.scale_variance import scale_factors
from deepcoadd.spans import FootprintSet, SpanSet

__all__ = ["ArtifactSteps", "Artifacts", "StreakFinder", "find_artifacts"]

_log = logging.getLogger(__name__)

StreakFinder = Callable[[Exposure], Sequence[SpanSet]]
"""Takes the difference image of an epoch, DETECTED set at its candidates; returns streaks. The
planes of the next epoch are written into the same arrays."""


@dataclass(frozen=True)
class ArtifactSteps:
    """Steps of `find_artifacts` that may be replaced; None: the package's own.

    Parameters
    ----------
    scale : callable, optional
        ``scale(masked_image)``: factor on the variances of an epoch, whose pixels are not to be
        changed.
    detect_template : callable, optional
        ``detect_template(exposure)``: FootprintSet of the sources of a copy of the template.
    detect : callable, optional
        ``detect(exposure)``: FootprintSet of the candidates in a difference image.
    prefilter : callable, optional
        ``prefilter(candidates, exposure)``: those of a list of SpanSet that count.
    filter : callable, optional
        ``filter(candidates, epoch_count, n_image, sources)``: those of the candidates that are
        artifacts.
    """

    scale: Callable[[MaskedImage], float] | None = None
    detect_template: Callable[[Exposure], FootprintSet] | None = None
    detect: Callable[[Exposure], FootprintSet] | None = None
    prefilter: Callable[[list[SpanSet], Exposure], Sequence[SpanSet]] | None = None
    filter: (
        Callable[[list[SpanSet], Image, Image, FootprintSet | None], Sequence[SpanSet]] | None
    ) = None


@dataclass
class Artifacts:
    """Result of `find_artifacts`.

    Parameters
    ----------
    masks : list of dict
        For each epoch ``{"CLIPPED": [...], "NO_DATA": [...], "EDGE": [...]}``, lists of SpanSet:
        one for each artifact; one for all pixels without data (all of the box for an epoch that
        is missing); one for all pixels with EDGE. They can be given to
        `deepcoadd.coadd.assemble` as ``alternate_masks``.
    decisions : list of Decision
        One for each candidate of each epoch: rule "artifact", "persistent", "source",
        "prefiltered", "streak", or "none" where a replaced step decided otherwise.
    sources : FootprintSet or None
        Sources of the template; None when they are not protected.
    epoch_count : Image
        uint32: epochs of which a candidate covers the pixel.
    n_image : Image
        uint32: epochs that are good there.
    variance_factors : list of float
        What the variances of each epoch were multiplied by; NaN for one that is missing.
    """

    masks: list[dict[str, list[SpanSet]]]
    decisions: list[Decision]
    sources: FootprintSet | None
    epoch_count: Image
    n_image: Image
    variance_factors: list[float]


def find_artifacts(
    template: Exposure,
    matched: Sequence[Any],
    *,
    options: ArtifactOptions | None = None,
    sigma: float | None = None,
    scalers: Sequence[Any] | None = None,
    streaks: StreakFinder | None = None,
    template_without: Callable[[int], Exposure] | None = None,
    steps: ArtifactSteps | None = None,
    progress: Progress | None = None,
) -> Artifacts:
    """Artifacts of single epochs: what few of them show where the template shows nothing.

    Parameters
    ----------
    template : Exposure
        Clipped mean of the PSF-matched warps; float32, not changed. Its mask plays no part.
    matched : sequence of Exposure, MaskedImage, WarpRef or None
        PSF-matched warp of each epoch, in the unit of the template; None: it is missing. Pixels
        that it does not cover have no data. They are read one epoch at a time. One that is not
        on the grid of the template is warned of, and counts as missing.
    options : ArtifactOptions, optional
        How candidates are found and judged.
    sigma : float, optional
        Width [pixel] of the PSF; by default from each warp's own PSF, else from the template's.
    scalers : sequence, optional
        For each epoch None or an object with ``scaleMaskedImage``; see
        `deepcoadd.coadd.assemble`.
    streaks : callable, optional
        Finds streaks in the difference of an epoch: takes the Exposure, returns SpanSets, of which
        all pixels in the box are clipped.
    template_without : callable, optional
        Template to compare epoch k with, by its number; `template` for all when left out.
    steps : ArtifactSteps, optional
        Steps to replace.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    Artifacts

    Raises
    ------
    PsfGenerationError
        A width is needed, and there is neither a PSF nor `sigma`.
    ShapeError
        The template is smaller than the kernel that it is smoothed by.
    NoDataError
        A warp cannot be read.

    Notes
    -----
    ``docs/algorithms/compare-warp.md``. No difference is kept; only steps of others, and detections
    that look at more than single pixels, have one made, in planes that are used again.
    """
    instance("template", template, Exposure)
    steps = ArtifactSteps() if steps is None else steps
    marks = streaks is not None or steps.detect is not None or steps.prefilter is not None
    finder = _Finder(template, options or ArtifactOptions(), sigma, steps, marks=marks)
    given = [None] * len(matched) if scalers is None else list(scalers)
    if len(given) != len(matched):
        raise ShapeError(f"scalers: {len(given)} for {len(matched)} epochs; one for each is needed")
    refs = [_placed(one, scaler, template) for one, scaler in zip(matched, given, strict=True)]
    # Steps of others are asked for one epoch after the other; and what is read is read ahead.
    alone = marks or template_without is not None or steps != ArtifactSteps()
    in_files = not all(ref is None or ref.in_memory for ref in refs)
    workers = 1 if alone or in_files else n_workers(len(refs))
    scratches = [_Scratch.of(finder.box, planes=finder.keeps) for _ in range(workers)]
    free = SimpleQueue[_Scratch]()
    for scratch in scratches:
        free.put(scratch)

    def look_at(job: tuple[int, tuple[CoaddInput, MaskedImage] | None]) -> _Epoch:
        k, found = job
        if found is None:
            return _Epoch()
        scratch = free.get()
        try:
            return finder.epoch(k, *found, scratch, streaks, template_without)
        finally:
            free.put(scratch)

    epochs = list(in_turn(_read(refs, finder.box, progress), look_at, workers))
    return finder.decided(epochs, scratches)


@dataclass
class _Epoch:
    """What one epoch showed; the defaults are those of one that is missing."""

    candidates: list[SpanSet] = field(default_factory=list)
    dropped: list[SpanSet] = field(default_factory=list)
    streaks: list[SpanSet] = field(default_factory=list)
    edge: SpanSet = field(default_factory=SpanSet)
    no_data: SpanSet | None = None
    factor: float = math.nan


@dataclass
class _Scratch:
    """Planes that differences are made in, one after the other, and counts of epochs.

    Parameters
    ----------
    image, variance : (ny, nx) float32 array
        A difference; without pixels where none is kept.
    n_image, epoch_count : Image
        uint32: epochs that were good, and of which a candidate covers the pixel.
    """

    image: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    n_image: Image
    epoch_count: Image

    @classmethod
    def of(cls, box: Box, *, planes: bool) -> _Scratch:
        """Planes of a box; those of a difference only where it is kept."""
        # Written at once: pages that are first read, then written, stop all threads for each.
        counts = (Image(np.full(box.shape, 0, np.uint32), box) for _ in range(2))
        shape = box.shape if planes else (0, 0)
        return cls(np.empty(shape, np.float32), np.empty(shape, np.float32), *counts)


def _placed(one: Any, scaler: Any, template: Exposure) -> CoaddInput | None:
    """A warp on the grid and in the unit of the template."""
    if one is None:
        return None
    ref = as_ref(one)
    placed = on_grid(ref, template)
    if placed is None:
        return None
    if placed is not ref and template.info.unit is not None:
        calibration = calibration_to(str(template.info.unit), ref.info(), name_of(ref))
        placed = replace(placed, calibration=calibration)
    return placed if scaler is None else replace(placed, scaler=scaler)


def _read(
    refs: Sequence[CoaddInput | None], box: Box, progress: Progress | None
) -> Iterator[tuple[int, tuple[CoaddInput, MaskedImage] | None]]:
    """Each epoch with its pixels, not to be changed; None for one that is missing."""

    def read(ref: CoaddInput | None) -> tuple[CoaddInput, MaskedImage] | None:
        if ref is None:
            return None
        try:
            return ref, ref.view(box)
        except Exception as error:
            raise NoDataError(f"{name_of(ref)}: reading {box} failed: {error}") from error

    ahead = not all(ref is None or ref.in_memory for ref in refs)
    for k, (_, found) in enumerate(prefetched(refs, read, ahead=ahead)):
        if progress is not None:
            progress(k, len(refs), "finding artifacts")
        yield k, found


class _Look(NamedTuple):
    """An epoch, what it is compared with, and where."""

    ref: WarpRef
    pixels: MaskedImage
    template: Exposure
    factor: float
    scratch: _Scratch


class _Finder:
    """Looks at epochs; what it keeps of its own is not changed by that."""

    def __init__(
        self,
        template: Exposure,
        options: ArtifactOptions,
        sigma: float | None,
        steps: ArtifactSteps,
        *,
        marks: bool,
    ) -> None:
        self.template = template
        self.box = template.box
        self._options = options
        self._sigma = sigma
        self._steps = steps
        # Only steps of others look at the mask of a difference, or change it.
        self._marks = marks
        self.keeps = marks or needs_difference(options.detection)
        self._words = np.empty(self.box.shape if marks else (0, 0), np.int32)
        self._sources = self._detect_sources() if options.preserve_contained_by_source else None

    def _detect_sources(self) -> FootprintSet | None:
        """Positive sources of the template."""
        bare = self.template.masked_image
        how = self._options.template_detection
        own = self._steps.detect_template is None
        # The steps of others, and a new background, change the image.
        image = bare.image if own and not how.re_estimate_background else bare.image.copy()
        clean = Mask.zeros(self.box, bare.planes)
        scene = Exposure(MaskedImage(image, clean, bare.variance), self.template.info)
        if self._steps.detect_template is not None:
            return self._steps.detect_template(scene)
        return detect(scene, how, self._sigma, flag=False).positive

    def epoch(
        self,
        k: int,
        ref: WarpRef,
        pixels: MaskedImage,
        scratch: _Scratch,
        streaks: StreakFinder | None,
        template_without: Callable[[int], Exposure] | None,
    ) -> _Epoch:
        """Candidates, edges and missing pixels of one epoch."""
        template = self.template if template_without is None else template_without(k)
        factor = self._factor(ref, pixels)
        if instance("template_without", template, Exposure).box != self.box:
            raise ShapeError(f"template_without: got {template.box}, must be {self.box}")
        one = _Look(ref, pixels, template, factor, scratch)
        difference = None
        if self.keeps:
            # Taken before the detection, which may set planes.
            edge = SpanSet.from_mask(pixels.mask, pixels.planes.known_bitmask(("EDGE",)))
            difference, missing = self._difference(one)
            found = self._detect(difference)
            kept = self._prefiltered(found, difference)
        else:
            found, missing, edge = self._searched(one)
            kept = self._good(found, pixels.mask)
        union = one_span_set(kept).clipped_to(self.box)
        found_streaks: list[SpanSet] = []
        if streaks is not None and difference is not None:
            difference.mask.clear("DETECTED", "DETECTED_NEGATIVE")
            union.set_mask(difference.mask, "DETECTED")
            found_streaks = streaks_within(streaks(difference), self.box)
        _core.add_one(union._set, scratch.epoch_count.array, self.box.start)
        counted = set(kept) if len(kept) < len(found) else set(found)
        return _Epoch(
            candidates=kept,
            dropped=[spans for spans in found if spans not in counted],
            streaks=found_streaks,
            edge=edge,
            no_data=missing,
            factor=factor,
        )

    def _factor(self, ref: WarpRef, pixels: MaskedImage) -> float:
        """Factor on the variances of an epoch; 1, with a warning, where it cannot be measured."""
        scaling = self._options.scale_variance
        try:
            if self._steps.scale is not None:
                return self._steps.scale(pixels)
            if scaling is None:
                return 1.0
            return scale_factors(pixels, scaling).chosen(scaling.limit)
        except DeepcoaddError as error:
            _log.warning("%s: variances are left as they are: %s", name_of(ref), error)
            return 1.0

    def _difference(self, one: _Look) -> tuple[Exposure, SpanSet]:
        """Epoch minus template, with the mask of the epoch, and the pixels that are NaN."""
        pixels, scratch = one.pixels, one.scratch
        n_missing = _core.subtract_template(
            (pixels.image.array, pixels.variance.array, pixels.mask.array),
            (one.template.image.array, one.template.variance.array),
            (scratch.image, scratch.variance, scratch.n_image.array),
            factor=one.factor,
            bad_bits=pixels.planes.known_bitmask(self._options.bad_planes),
        )
        mask = pixels.mask
        if self._marks:
            np.copyto(self._words, mask.array)
            mask = Mask(self._words, self.box, mask.planes)
        planes = MaskedImage(
            Image(scratch.image, self.box), mask, Image(scratch.variance, self.box)
        )
        missing = SpanSet()
        if n_missing:
            missing = SpanSet.from_array(np.isnan(scratch.image), start=self.box.start)
        return Exposure(planes, replace(one.ref.info(), psf=self._psf(one.ref))), missing

    def _psf(self, ref: WarpRef) -> Any:
        """PSF of an epoch, else of the template."""
        own = ref.info().psf
        return self.template.info.psf if own is None else own

    def _searched(self, one: _Look) -> tuple[list[SpanSet], SpanSet, SpanSet]:
        """Pixels of each candidate, those that are NaN, and those with EDGE; nothing is kept."""
        found = detect_difference(
            one.pixels,
            one.template.masked_image,
            one.scratch.n_image,
            self._options.detection,
            self._sigma,
            psf=self._psf(one.ref),
            factor=one.factor,
            bad_bits=one.pixels.planes.known_bitmask(self._options.bad_planes),
        )
        edge_bits = found.any_mask & one.pixels.planes.known_bitmask(("EDGE",))
        edge = SpanSet.from_mask(one.pixels.mask, edge_bits) if edge_bits else SpanSet()
        return self._pixel_sets(found.positive, found.negative), found.missing, edge

    def _detect(self, difference: Exposure) -> list[SpanSet]:
        """Pixels of each candidate."""
        if self._steps.detect is not None:
            return [footprint.spans for footprint in self._steps.detect(difference)]
        how = self._options.detection
        found = detect(difference, how, self._sigma, do_smooth=False, flag=False)
        return self._pixel_sets(found.positive, found.negative)

    def _pixel_sets(
        self, positive: FootprintSet | None, negative: FootprintSet | None
    ) -> list[SpanSet]:
        """Pixels of each candidate; those that touch are one."""
        how = self._options.detection
        merged = merged_signs(positive, negative)
        if how.combined_grow or how.n_sigma_to_grow == 0:
            return merged.spans.split(8) if len(merged) else []
        return merged.pixel_sets

    def _prefiltered(self, found: list[SpanSet], difference: Exposure) -> list[SpanSet]:
        """Candidates that count."""
        if self._steps.prefilter is not None:
            return list(self._steps.prefilter(found, difference))
        return self._good(found, difference.mask)

    def _good(self, found: list[SpanSet], mask: Mask) -> list[SpanSet]:
        """Candidates with enough good pixels."""
        if not self._options.prefilter:
            return found
        return prefilter_artifacts(found, mask, self._options)

    def decided(self, epochs: list[_Epoch], scratches: Sequence[_Scratch]) -> Artifacts:
        """The result, when all epochs have been looked at."""
        counts = scratches[0].epoch_count, scratches[0].n_image
        for other in scratches[1:]:
            for total, part in zip(counts, (other.epoch_count, other.n_image), strict=True):
                np.add(total.array, part.array, out=total.array)
        sources = [] if self._sources is None else [one.spans for one in self._sources]
        decisions: list[Decision] = []
        masks: list[dict[str, list[SpanSet]]] = []
        for k, one in enumerate(epochs):
            about = self._judged(k, one.candidates, sources, counts)
            decisions += about
            decisions += [Decision(spans, "prefiltered", (k,), (0.0,)) for spans in one.dropped]
            decisions += [Decision(spans, "streak", (k,), (1.0,), (k,)) for spans in one.streaks]
            no_data = SpanSet.from_box(self.box) if one.no_data is None else one.no_data
            masks.append(
                {
                    "CLIPPED": [*(each.spans for each in about if each.clipped), *one.streaks],
                    "NO_DATA": [no_data] if no_data else [],
                    "EDGE": [one.edge] if one.edge else [],
                }
            )
        return Artifacts(
            masks=masks,
            decisions=decisions,
            sources=self._sources,
            epoch_count=counts[0],
            n_image=counts[1],
            variance_factors=[one.factor for one in epochs],
        )

    def _judged(
        self,
        k: int,
        candidates: list[SpanSet],
        sources: list[SpanSet],
        counts: tuple[Image, Image],
    ) -> list[Decision]:
        """Decisions about the candidates of epoch k."""
        if not candidates:
            return []
        judged = judge_candidates(candidates, *counts, sources, self._options)
        rules = judged.rules
        if self._steps.filter is not None:
            chosen = set(self._steps.filter(candidates, *counts, self._sources))
            rules = [
                "artifact" if spans in chosen else "none" if rule == "artifact" else rule
                for spans, rule in zip(candidates, rules, strict=True)
            ]
        each = zip(candidates, rules, judged.fractions.tolist(), strict=True)
        return [
            Decision(spans, rule, (k,), (fraction,), (k,) if rule == "artifact" else ())
            for spans, rule, fraction in each
        ]

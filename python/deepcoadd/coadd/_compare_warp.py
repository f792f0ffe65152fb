# SPDX-License-Identifier: BSD-3-Clause
"""A mean of the inputs without what few of their PSF-matched versions show."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS

from deepcoadd._checks import instance
from deepcoadd.coadd._alternate import AlternateMask, one_span_set, united
from deepcoadd.coadd._artifact_plan import plan_with_matched
from deepcoadd.coadd._assemble import assemble
from deepcoadd.coadd._bright_objects import BrightObject
from deepcoadd.coadd._compare_warp_options import CompareWarpOptions
from deepcoadd.coadd._decisions import ArtifactCoadd, decision_table, input_labels
from deepcoadd.coadd._find_artifacts import Artifacts, StreakFinder, find_artifacts
from deepcoadd.coadd._matched import plan_of_matched
from deepcoadd.coadd._metadata import widest_psf
from deepcoadd.coadd._polygons import with_valid_polygons
from deepcoadd.coadd._prepare import CoaddPlan, Progress
from deepcoadd.coadd._stack import TileWork, stack_tile
from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.mask import Mask
from deepcoadd.refs import WarpRef
from deepcoadd.spans import SpanSet
from deepcoadd.statistics import StackDiagnostics, StackPlanes

__all__ = ["build_template", "compare_warp", "flag_matched_edges"]

_log = logging.getLogger(__name__)

_FEWEST = 3


def compare_warp(
    inputs: Iterable[Any] | CoaddPlan,
    matched: Iterable[Any],
    box: Box | None = None,
    *,
    weights: Sequence[float] | None = None,
    options: CompareWarpOptions | None = None,
    sigma: float | None = None,
    streaks: StreakFinder | None = None,
    scalers: Sequence[Any] | None = None,
    bright_objects: str | Path | Sequence[BrightObject] | None = None,
    wcs: WCS | None = None,
    progress: Progress | None = None,
) -> ArtifactCoadd:
    """Mean of warps without the artifacts that few of them show.

    Warps that were matched to one PSF can be subtracted from their clipped mean, the template.
    What such a difference shows in a few epochs at a place is an artifact, and is left out of the
    warps as observed; what it shows in many is a variable or badly subtracted source.

    Parameters
    ----------
    inputs : iterable of Exposure, MaskedImage or WarpRef; or CoaddPlan
        Warps as observed, on one grid; float32 images and variances, int32 masks. At least three,
        else nothing is left out. A plan of `prepare` brings box, weights, ``options.assemble``,
        scalers and wcs.
    matched : iterable of Exposure, MaskedImage, WarpRef or None
        The same, matched to one PSF, in any order: they belong together by instrument, visit,
        detector, tract and patch. Where no input has any of these, by their place in the list (of
        the inputs of a plan). An input without a partner contributes nothing.
    box : Box, optional
        Pixels of the coadd; the hull of the inputs when left out.
    weights : sequence of float, optional
        Weight of each input; see `deepcoadd.coadd.assemble`. Those of the matched warps come from
        their own variances.
    options : CompareWarpOptions, optional
        How artifacts are found, and how the inputs are combined.
    sigma : float, optional
        Width [pixel] of the PSF of the matched warps; from their PSFs when left out.
    streaks : callable, optional
        See `deepcoadd.coadd.find_artifacts`.
    scalers, bright_objects, wcs, progress
        As in `deepcoadd.coadd.assemble`; a scaler is used for the matched warp as well.

    Returns
    -------
    ArtifactCoadd
        Its PSF, aperture corrections and table of detectors hold within the valid polygons of the
        matched warps. CLIPPED and INEXACT_PSF are set where an input was left out as an artifact,
        SENSOR_EDGE and INEXACT_PSF where a matched warp has EDGE. ``artifact_masks`` holds
        CLIPPED, NO_DATA and EDGE. ``difference`` is None.

    Raises
    ------
    NoWorkError, ShapeError, OptionError, MaskPlaneError
        As in `deepcoadd.coadd.assemble`; no matched warp can be used; warps cannot be told apart.
    PsfGenerationError
        No matched warp has a PSF, and there is no `sigma`.
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    Rules: ``docs/algorithms/compare-warp.md``. Template and coadd are made strip by strip; one
    difference at a time is held whole.
    """
    started = time.perf_counter()
    options = instance("options", options or CompareWarpOptions(), CompareWarpOptions)
    if matched is None:
        raise OptionError("matched: got None, must be a sequence of PSF-matched warps")
    plan, assembled, found_partners = plan_with_matched(
        inputs,
        matched,
        options.assemble,
        box=box,
        weights=weights,
        scalers=scalers,
        wcs=wcs,
        progress=progress,
    )
    options = replace(options, assemble=assembled)
    partners = found_partners or []  # a list, since matched is one
    plan = with_valid_polygons(plan, partners)
    still = plan_of_matched(plan, partners, options.template, progress)
    # Nobody sees the mask of the template: planes of the warps need not be propagated.
    still = replace(still, rules=replace(still.rules, thresholds={}))
    template = build_template(still, progress=progress)
    # A matched warp on its own is its template, and shows nothing.
    one_of_several = options.leave_one_out and len(still.inputs) > 1
    found = find_artifacts(
        template,
        _in_order(still, partners),
        options=options.artifacts,
        sigma=sigma,
        streaks=streaks,
        template_without=_without_each(still, partners) if one_of_several else None,
        progress=progress,
    )
    if len(plan.inputs) < _FEWEST and not options.artifacts.min_epochs_low:
        _log.warning("%d inputs: nothing can be clipped, at least 3 are needed", len(plan.inputs))
    result = _combined(plan, found, bright_objects, progress)
    result.options = options.assemble
    result.seconds = time.perf_counter() - started
    return result


def build_template(plan: CoaddPlan, *, progress: Progress | None = None) -> Exposure:
    """Template of the PSF-matched warps of a plan, with their PSF.

    Parameters
    ----------
    plan : CoaddPlan
        From `deepcoadd.coadd.prepare` with `deepcoadd.coadd.TEMPLATE_ASSEMBLE`.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    Exposure
        float32 image and variance, NaN where nothing is known. Its PSF is the widest of the warps.
        The variance of a median is pi/2 times that of the plain mean, from the variances of the
        warps: their scatter, which a coadd would have, is that of the artifacts.
    """
    step = _median_step if plan.options.statistic == "MEDIAN" else stack_tile
    template = assemble(plan, progress=progress, tile_step=step).exposure
    psf = widest_psf(one.info() for one in plan.inputs)
    return Exposure(template.masked_image, replace(template.info, psf=psf, inputs=None))


def _median_step(work: TileWork) -> StackDiagnostics:
    """Median of a tile, with a variance from those of the inputs."""
    totals = stack_tile(work)
    mean = StackPlanes.allocate(work.box.shape)
    options = replace(work.options, statistic="MEAN", error_from_input_variance=True)
    stack_tile(replace(work, weights=[1.0] * len(work.weights), options=options, out=mean))
    assert mean.variance is not None  # allocated with all planes
    np.multiply(mean.variance, np.float32(math.pi / 2), out=work.out.variance)
    return totals


def _in_order(still: CoaddPlan, partners: Sequence[WarpRef | None]) -> list[WarpRef | None]:
    """Input of the template that belongs to each input of the coadd."""
    by_ref = {id(one.ref): one for one in still.inputs}
    return [by_ref.get(id(ref)) for ref in partners]


def _without_each(
    still: CoaddPlan, partners: Sequence[WarpRef | None]
) -> Callable[[int], Exposure]:
    """Makes the template of the other epochs."""
    order = _in_order(still, partners)

    def without(k: int) -> Exposure:
        rest = [n for n, one in enumerate(still.inputs) if one is not order[k]]
        fewer = replace(
            still,
            inputs=tuple(still.inputs[n] for n in rest),
            records=tuple(still.records[n] for n in rest),
            alternate_masks=tuple(still.alternate_masks[n] for n in rest),
        )
        return build_template(fewer)

    return without


def _combined(
    plan: CoaddPlan,
    found: Artifacts,
    bright_objects: str | Path | Sequence[BrightObject] | None,
    progress: Progress | None,
) -> ArtifactCoadd:
    """The mean of what is left."""
    masks = [{plane: one_span_set(sets) for plane, sets in one.items()} for one in found.masks]
    alternates: tuple[AlternateMask | None, ...] = tuple(
        united({plane: spans for plane, spans in mask.items() if spans}, plan.box) for mask in masks
    )
    bad = plan.rules.bad | plan.rules.planes.bitmask("CLIPPED")
    final = replace(plan, rules=replace(plan.rules, bad=bad), alternate_masks=alternates)
    coadd = assemble(final, bright_objects=bright_objects, progress=progress)
    flag_matched_edges(coadd.mask, [mask["EDGE"] for mask in masks])
    labels = input_labels([one.ref for one in plan.inputs])
    result = ArtifactCoadd(
        **vars(coadd),
        decisions=decision_table(found.decisions, labels, plan.info.wcs),
        artifact_masks=masks,
    )
    _log.info(
        "left out %d artifacts of %d candidates, %d pixels of inputs",
        sum(bool(one.clipped) for one in found.decisions),
        len(found.decisions),
        result.n_artifact_pixels,
    )
    return result


def flag_matched_edges(mask: Mask, edges: Iterable[SpanSet]) -> None:
    """Set SENSOR_EDGE and INEXACT_PSF, in place, at the edges of matched warps.

    Parameters
    ----------
    mask : Mask
        Of the coadd.
    edges : iterable of SpanSet
        Pixels with EDGE of each matched warp; those outside of the mask do not matter.
    """
    union = one_span_set([*edges, SpanSet()])
    union.clipped_to(mask.box).set_mask(mask, ("SENSOR_EDGE", "INEXACT_PSF"))

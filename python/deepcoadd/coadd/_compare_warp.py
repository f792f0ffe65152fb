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

from deepcoadd.coadd._alternate import AlternateMask, one_span_set, united
from deepcoadd.coadd._assemble import assemble
from deepcoadd.coadd._bright_objects import BrightObject
from deepcoadd.coadd._compare_warp_options import CompareWarpOptions
from deepcoadd.coadd._decisions import ArtifactCoadd, decision_table, input_labels
from deepcoadd.coadd._find_artifacts import Artifacts, StreakFinder, find_artifacts
from deepcoadd.coadd._metadata import widest_psf
from deepcoadd.coadd._prepare import CoaddPlan, Progress, prepare
from deepcoadd.coadd._stack import TileWork, stack_tile
from deepcoadd.errors import NoDataError, NoWorkError, OptionError, ShapeError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.mask import Mask
from deepcoadd.refs import WarpRef, as_refs
from deepcoadd.spans import SpanSet
from deepcoadd.statistics import StackDiagnostics, StackPlanes

__all__ = ["build_template", "compare_warp", "flag_matched_edges", "pair_matched"]

_log = logging.getLogger(__name__)

_KEYS = ("instrument", "visit", "detector", "tract", "patch")
_FEWEST = 3


def compare_warp(
    inputs: Iterable[Any],
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
    inputs : iterable of Exposure, MaskedImage or WarpRef
        Warps as observed, on one grid; float32 images and variances, int32 masks. At least three,
        else nothing is left out.
    matched : iterable of Exposure, MaskedImage, WarpRef or None
        The same, matched to one PSF, in any order: they belong together by instrument, visit,
        detector, tract and patch. Where no input has any of these, by their place in the list. An
        input without a partner contributes nothing.
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
        CLIPPED and INEXACT_PSF are set where an input was left out as an artifact, SENSOR_EDGE
        and INEXACT_PSF where a matched warp has EDGE. ``artifact_masks`` holds CLIPPED, NO_DATA
        and EDGE. ``difference`` is None.

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
    options = CompareWarpOptions() if options is None else options
    refs = as_refs(inputs)
    partners = pair_matched(refs, matched)
    plan = prepare(
        refs,
        box,
        weights=weights,
        options=options.assemble,
        scalers=scalers,
        wcs=wcs,
        progress=progress,
    )
    still = _template_plan(plan, refs, partners, scalers, options, progress)
    template = build_template(still, progress=progress)
    found = find_artifacts(
        template,
        _in_order(plan, still, partners),
        options=options.artifacts,
        sigma=sigma,
        streaks=streaks,
        template_without=_without_each(plan, still, partners) if options.leave_one_out else None,
        progress=progress,
    )
    if len(plan.inputs) < _FEWEST and not options.artifacts.min_epochs_low:
        _log.warning("%d inputs: nothing can be clipped, at least 3 are needed", len(plan.inputs))
    return _combined(plan, found, bright_objects, progress, started)


def pair_matched(inputs: Sequence[WarpRef], matched: Iterable[Any]) -> list[WarpRef | None]:
    """Matched warp of each input, None where there is none.

    Parameters
    ----------
    inputs : sequence of WarpRef
        Warps as observed.
    matched : iterable of Exposure, MaskedImage, WarpRef or None
        Matched warps in any order; see `compare_warp`. Those without a partner are dropped.

    Raises
    ------
    ShapeError
        There are no identifications, and the lists differ in length.
    OptionError
        Two warps of one list have the same identification, or only some have one.
    """
    others = [None if one is None else as_refs([one])[0] for one in matched]
    keys = [_key(ref) for ref in inputs]
    their_keys = [None if ref is None else _key(ref) for ref in others]
    if not any(keys) and not any(their_keys):
        if len(others) != len(inputs):
            raise ShapeError(
                f"matched: {len(others)} for {len(inputs)} inputs; without a visit to tell them "
                "apart one for each is needed (or None)"
            )
        return others
    known = {key: ref for key, ref in zip(their_keys, others, strict=True) if ref is not None}
    given = [key for key in their_keys if key is not None]
    for name, each in (("inputs", keys), ("matched", given)):
        if () in each:
            raise OptionError(f"{name}: a warp without {', '.join(_KEYS)} among others that have")
        if len(set(each)) < len(each):
            twice = next(key for key in each if each.count(key) > 1)
            raise OptionError(f"{name}: two warps are {dict(twice)}; expected one of each")
    return [known.get(key) for key in keys]


def _key(ref: WarpRef) -> tuple[tuple[str, Any], ...]:
    """What tells warps apart; empty where there is nothing."""
    data_id = ref.data_id
    return tuple((name, data_id[name]) for name in _KEYS if data_id.get(name) is not None)


def _template_plan(
    plan: CoaddPlan,
    refs: Sequence[WarpRef],
    partners: Sequence[WarpRef | None],
    scalers: Sequence[Any] | None,
    options: CompareWarpOptions,
    progress: Progress | None,
) -> CoaddPlan:
    """Plan of the template, from the matched warps there are."""
    numbers = [k for k, ref in enumerate(partners) if ref is not None]
    if not numbers:
        raise NoWorkError(f"matched: none of them belongs to any of the {len(refs)} inputs")
    try:
        return prepare(
            [partners[k] for k in numbers],
            plan.box,
            options=options.template,
            scalers=None if scalers is None else [scalers[k] for k in numbers],
            wcs=plan.info.wcs,
            progress=progress,
        )
    except NoWorkError as error:
        raise NoWorkError(f"matched: {error}") from error


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


def _in_order(
    plan: CoaddPlan, still: CoaddPlan, partners: Sequence[WarpRef | None]
) -> list[WarpRef | None]:
    """Input of the template that belongs to each input of the coadd."""
    by_ref = {id(one.ref): one for one in still.inputs}
    return [by_ref.get(id(partners[record.index])) for record in plan.records]


def _without_each(
    plan: CoaddPlan, still: CoaddPlan, partners: Sequence[WarpRef | None]
) -> Callable[[int], Exposure]:
    """Makes the template of the other epochs."""
    order = _in_order(plan, still, partners)

    def without(k: int) -> Exposure:
        rest = [n for n, one in enumerate(still.inputs) if one is not order[k]]
        if not rest:
            raise NoDataError("leave_one_out: there is one matched warp only")
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
    started: float,
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
    result.seconds = time.perf_counter() - started
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

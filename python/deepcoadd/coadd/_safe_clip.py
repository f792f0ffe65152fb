# SPDX-License-Identifier: BSD-3-Clause
"""A mean of the inputs without the artifacts that one or two of them show."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astropy.wcs import WCS

from deepcoadd._checks import instance, number
from deepcoadd.coadd._alternate import one_span_set
from deepcoadd.coadd._artifact_plan import plan_with_matched
from deepcoadd.coadd._assemble import Finisher
from deepcoadd.coadd._bright_objects import BrightObject
from deepcoadd.coadd._decisions import ArtifactCoadd, Decision, decision_table, input_labels
from deepcoadd.coadd._difference import (
    FEWEST,
    Difference,
    build_difference_image,
    difference_of_matched,
    psf_of,
)
from deepcoadd.coadd._matched import plan_of_matched
from deepcoadd.coadd._prepare import CoaddPlan, Progress
from deepcoadd.coadd._recompute import recompute
from deepcoadd.coadd._safe_clip_detect import decisions_about_big, detect_clip, detect_clip_big
from deepcoadd.coadd._safe_clip_options import SafeClipOptions
from deepcoadd.errors import DeepcoaddError, OptionError, PsfGenerationError
from deepcoadd.geometry import Box
from deepcoadd.refs import WarpRef
from deepcoadd.scale_variance import ScaleVarianceOptions, scale_variance
from deepcoadd.spans import SpanSet

__all__ = ["safe_clip"]

_log = logging.getLogger(__name__)


def safe_clip(
    inputs: Iterable[Any] | CoaddPlan,
    box: Box | None = None,
    *,
    weights: Sequence[float] | None = None,
    matched: Iterable[Any] | None = None,
    options: SafeClipOptions | None = None,
    sigma: float | None = None,
    scalers: Sequence[Any] | None = None,
    bright_objects: str | Path | Sequence[BrightObject] | None = None,
    wcs: WCS | None = None,
    progress: Progress | None = None,
) -> ArtifactCoadd:
    """Mean of warps without the artifacts that only one or two of them show.

    A sigma-clipped mean has no well-defined PSF, since pixels of noise and of the cores of stars
    are dropped here and there. Instead, *regions* in which the plain and a clipped mean differ are
    looked at: if the masks of the inputs show a detection there in one input (or two) only, the
    region is left out of those, and a plain mean is taken of the rest.

    Parameters
    ----------
    inputs : iterable of Exposure, MaskedImage or WarpRef; or CoaddPlan
        Warps on one grid, float32 images and variances, int32 masks, of which DETECTED tells what
        was found on them alone. At least three, else nothing is ever left out. A plan of
        `prepare` brings box, weights, ``options.assemble``, scalers and wcs.
    box : Box, optional
        Pixels of the coadd; the hull of the inputs when left out.
    weights : sequence of float, optional
        Weight of each input; see `deepcoadd.coadd.assemble`.
    matched : iterable of Exposure, MaskedImage, WarpRef or None, optional
        The inputs matched to one PSF; see `deepcoadd.coadd.compare_warp`. The difference is that
        of *their* means, so that the cores of stars in changing seeing do not show in it; an input
        without a partner is searched like the others. All else is done with the inputs.
    options : SafeClipOptions, optional
        How artifacts are found, and how the inputs are combined.
    sigma : float, optional
        Width [pixel] of the PSF, to smooth by; from the PSFs of the inputs when left out.
    scalers, bright_objects, wcs, progress
        As in `deepcoadd.coadd.assemble`.

    Returns
    -------
    ArtifactCoadd
        CLIPPED and INEXACT_PSF are set where an input was left out. Outside of the artifacts it
        has the bits of the plain mean.

    Raises
    ------
    NoWorkError, ShapeError, OptionError, MaskPlaneError
        As in `deepcoadd.coadd.assemble`; `sigma` is not above 0.
    PsfGenerationError
        No input has a PSF that can be evaluated, and there is no `sigma`.
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    Rules: ``docs/algorithms/safe-clip.md``. Each input is read once for both means and once for
    its mask; after that only around artifacts.
    """
    started = time.perf_counter()
    options = instance("options", options or SafeClipOptions(), SafeClipOptions)
    plan, assembled, partners = plan_with_matched(
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
    finish = Finisher(plan, bright_objects, whole=True)
    still = None if partners is None else _still(plan, partners, progress)
    _check_width(plan if still is None else still, sigma)
    if still is None:
        difference = build_difference_image(plan, progress=progress)
    else:
        difference = difference_of_matched(plan, still, progress=progress)
    spans, decisions = _artifacts(plan, difference, options, sigma, progress)
    masks = [{"CLIPPED": one_span_set(one["CLIPPED"])} for one in spans]
    result = _final(plan, difference, masks, progress)
    finish(result.exposure.masked_image)
    result.options = options.assemble
    result.decisions = decision_table(
        decisions, input_labels([one.ref for one in plan.inputs]), plan.info.wcs
    )
    result.seconds = time.perf_counter() - started
    _log.info(
        "left out %d artifacts of %d footprints, %d pixels of inputs",
        sum(bool(one.clipped) for one in decisions),
        len(decisions),
        result.n_artifact_pixels,
    )
    return result


def _still(
    plan: CoaddPlan, partners: Sequence[WarpRef | None], progress: Progress | None
) -> CoaddPlan:
    """Plan of the matched versions; where one is bad is none of the coadd's concern."""
    return plan_of_matched(plan, partners, replace(plan.options, maps=()), progress)


def _check_width(plan: CoaddPlan, sigma: float | None) -> None:
    """Refuse, before anything is read, what could not be smoothed."""
    if sigma is not None and not (number("sigma", sigma) > 0 and math.isfinite(sigma)):
        raise OptionError(f"sigma = {sigma}: expected a number of pixels above 0")
    if sigma is None and len(plan.inputs) >= FEWEST and psf_of(plan) is None:
        raise PsfGenerationError(
            "no input has a PSF that can be evaluated: give sigma, the width of the PSF in pixels"
        )


def _artifacts(
    plan: CoaddPlan,
    difference: Difference,
    options: SafeClipOptions,
    sigma: float | None,
    progress: Progress | None,
) -> tuple[list[dict[str, list[SpanSet]]], list[Decision]]:
    """Pixels to leave out of each input, and all decisions."""
    if len(plan.inputs) < FEWEST:  # the difference is 0: no PSF is needed to find nothing
        return [{"CLIPPED": []} for _ in plan.inputs], []
    if options.scale_variance is not None:
        _scale(difference, options.scale_variance)
    found = detect_clip(
        difference.exposure, plan.inputs, options=options, sigma=sigma, progress=progress
    )
    n_before = [len(one["CLIPPED"]) for one in found.clip_spans]
    detect_clip_big(
        found.clip_spans,
        found.clip_footprints,
        found.clip_indices,
        found.detection_footprints,
        min_overlap=options.min_big_overlap,
    )
    return found.clip_spans, found.decisions + decisions_about_big(found.clip_spans, n_before)


def _scale(difference: Difference, how: ScaleVarianceOptions) -> None:
    """Scale the variances of a difference, in place; where it cannot be done they are left."""
    try:
        factor = scale_variance(difference.exposure.masked_image, how)
    except DeepcoaddError as error:
        _log.warning("variances of the difference are left as they are: %s", error)
    else:
        _log.info("variances of the difference are scaled by %.4g", factor)


def _final(
    plan: CoaddPlan,
    difference: Difference,
    masks: list[dict[str, SpanSet]],
    progress: Progress | None,
) -> ArtifactCoadd:
    """The plain mean, made again where artifacts are masked."""
    bad = plan.rules.bad | plan.rules.planes.bitmask("CLIPPED")
    some = tuple({plane: spans for plane, spans in mask.items() if spans} for mask in masks)
    final = replace(plan, rules=replace(plan.rules, bad=bad), alternate_masks=some)
    result = ArtifactCoadd(
        **vars(difference.mean), artifact_masks=masks, difference=difference.exposure
    )
    clipped = [spans for mask in some for spans in mask.values()]
    recompute(result, final, one_span_set([difference.stored, *clipped]), progress=progress)
    return result

# SPDX-License-Identifier: BSD-3-Clause
"""A mean of the inputs without what each of them shows beyond the coadd of the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astropy.wcs import WCS

from deepcoadd.coadd._artifact_plan import check_plan
from deepcoadd.coadd._assemble import Finisher, assemble
from deepcoadd.coadd._bright_objects import BrightObject, read_bright_objects
from deepcoadd.coadd._decisions import ArtifactCoadd, decision_table, input_labels
from deepcoadd.coadd._prepare import CoaddPlan, Progress, prepare
from deepcoadd.coadd._visit_clip_find import find_in_visits, psf_sigmas, warn_of_memory
from deepcoadd.coadd._visit_clip_options import VisitClipOptions
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box

__all__ = ["visit_clip"]

_log = logging.getLogger(__name__)


def visit_clip(
    inputs: Iterable[Any] | CoaddPlan,
    box: Box | None = None,
    *,
    weights: Sequence[float] | None = None,
    options: VisitClipOptions | None = None,
    sigma: float | Sequence[float] | None = None,
    scalers: Sequence[Any] | None = None,
    bright_objects: str | Path | Sequence[BrightObject] | None = None,
    wcs: WCS | None = None,
    progress: Progress | None = None,
) -> ArtifactCoadd:
    """Mean of warps without the artifacts of single visits; each is compared with the others.

    What a visit shows beyond the coadd of the others, and beyond what its seeing explains at
    sources, is left out of it: cosmic rays, trails, ghosts, and what moves. Warps are taken as
    observed; no PSF matching and no detections are needed.

    Parameters
    ----------
    inputs : iterable of Exposure, MaskedImage or WarpRef; or CoaddPlan
        Warps on one grid, float32 images and variances, int32 masks. Three or more; of two the
        brighter is taken for the artifact, of one only the shape of cosmic rays can tell. A plan
        of `prepare` brings box, weights, ``options.assemble``, scalers and wcs.
    box : Box, optional
        Pixels of the coadd; the hull of the inputs when left out.
    weights : sequence of float, optional
        Weight of each input; see `deepcoadd.coadd.assemble`.
    options : VisitClipOptions, optional
        How artifacts are found, and how the inputs are combined.
    sigma : float or sequence of float, optional
        Width [pixel] of the PSF of all inputs, or of each; from their PSFs when left out. Of
        an input without one it is measured on its stars, with a warning; without stars it is the
        median of the others, or 2.
    scalers, bright_objects, wcs, progress
        As in `deepcoadd.coadd.assemble`.

    Returns
    -------
    ArtifactCoadd
        CLIPPED and INEXACT_PSF are set where an input was left out. ``decisions`` has one row for
        each group of pixels of one input; its rule is "sharp", "smooth", "lobe" or "single".
        ``difference`` is None.

    Raises
    ------
    NoWorkError, ShapeError, MaskPlaneError
        As in `deepcoadd.coadd.assemble`.
    OptionError
        `sigma` is not above 0, or more than 100.
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    Method: ``docs/algorithms/visit-clip.md``. NaN, infinities, variances that are not above 0 and
    bad planes are not looked at. Each input is read twice, by cells and by strips; the bits of the
    result depend on neither ``max_memory`` nor the number of threads.
    """
    started = time.perf_counter()
    options = VisitClipOptions() if options is None else options
    plan = _planned(inputs, box, weights, options, scalers, wcs, progress)
    warn_of_memory(plan, options)
    if isinstance(bright_objects, (str, Path)):
        bright_objects = read_bright_objects(bright_objects)
    Finisher(plan, bright_objects, whole=True)  # refuses now what would fail at the end
    bad = plan.rules.bad | plan.rules.planes.bitmask("CLIPPED")
    sigmas = psf_sigmas(plan, sigma, bad, options)
    _warn_of_few(len(plan.inputs))
    found, decisions = find_in_visits(plan, sigmas, bad, options, progress)
    masks = [{"CLIPPED": spans} for spans in found]
    alternates = tuple(mask if mask["CLIPPED"] else None for mask in masks)
    final = replace(plan, rules=replace(plan.rules, bad=bad), alternate_masks=alternates)
    coadd = assemble(final, bright_objects=bright_objects, progress=progress)
    labels = input_labels([one.ref for one in plan.inputs])
    result = ArtifactCoadd(
        **vars(coadd),
        decisions=decision_table(decisions, labels, plan.info.wcs),
        artifact_masks=masks,
    )
    result.seconds = time.perf_counter() - started
    _log.info(
        "left out %d artifacts, %d pixels of inputs", len(decisions), result.n_artifact_pixels
    )
    return result


def _planned(
    inputs: Iterable[Any] | CoaddPlan,
    box: Box | None,
    weights: Sequence[float] | None,
    options: VisitClipOptions,
    scalers: Sequence[Any] | None,
    wcs: WCS | None,
    progress: Progress | None,
) -> CoaddPlan:
    """The plan given, or one made from the rest."""
    if not isinstance(inputs, CoaddPlan):
        return prepare(
            inputs,
            box,
            weights=weights,
            options=options.assemble,
            scalers=scalers,
            wcs=wcs,
            progress=progress,
        )
    check_plan(inputs, box, weights, scalers, wcs)
    if inputs.options.statistic != "MEAN":
        raise OptionError(
            f"statistic = {inputs.options.statistic!r} of the CoaddPlan: must be MEAN"
        )
    return inputs


def _warn_of_few(n: int) -> None:
    """Say what cannot be decided."""
    if n == 1:
        _log.warning("1 input: nothing to compare with, cosmic rays are told by their shape only")
    elif n == 2:
        _log.warning("2 inputs: where they differ the brighter one is taken for the artifact")

# SPDX-License-Identifier: BSD-3-Clause
"""The methods of ``deepcoadd coadd``: one row each, which the commands and their help read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcoadd.cli._terminal import ProgressCallback
from deepcoadd.coadd import (
    COMPARE_WARP_ASSEMBLE,
    SAFE_CLIP_ASSEMBLE,
    VISIT_CLIP_ASSEMBLE,
    ArtifactCoadd,
    AssembleOptions,
    BrightObject,
    CoaddPlan,
    CompareWarpOptions,
    SafeClipOptions,
    VisitClipOptions,
    compare_warp,
    safe_clip,
    visit_clip,
)
from deepcoadd.refs import WarpRef

__all__ = ["METHODS", "ArtifactMethod", "ArtifactWork", "Method", "finding_methods", "method_for"]


@dataclass(frozen=True)
class ArtifactWork:
    """What a method that leaves artifacts out is given.

    Parameters
    ----------
    plan : CoaddPlan
        The inputs.
    matched : sequence of WarpRef or None
        PSF-matched exposure of each input of the plan; empty where the user gave none.
    options : dataclass
        How artifacts are found.
    psf_sigma : float, optional
        Width [pixel] of the PSF, where the user gave it.
    bright_objects : list of BrightObject, optional
        Objects to mask.
    progress : callable
        Is told how far the work is.
    """

    plan: CoaddPlan
    matched: Sequence[WarpRef | None]
    options: Any
    psf_sigma: float | None
    bright_objects: list[BrightObject] | None
    progress: ProgressCallback


@dataclass(frozen=True)
class ArtifactMethod:
    """How a method finds artifacts.

    Parameters
    ----------
    section : str
        Table of its settings.
    options : dataclass
        Their defaults. The field ``assemble`` is no part of the table: it is the options of the
        method.
    make : callable
        Makes the coadd.
    threshold : str
        Setting that finds less when it is raised.
    bytes_per_pixel : int
        Memory for planes of the size of the coadd, beside those of the coadd itself.
    matched : {"never", "may", "must"}
        Whether PSF-matched exposures are used.
    fixed : tuple of str
        Settings of the table, dotted, that follow from other ones.
    fewest : int
        Inputs below which nothing is looked for.
    """

    section: str
    options: Any
    make: Callable[[ArtifactWork], ArtifactCoadd]
    threshold: str
    bytes_per_pixel: int
    matched: str = "never"
    fixed: tuple[str, ...] = ()
    fewest: int = 3


@dataclass(frozen=True)
class Method:
    """A way to combine exposures.

    Parameters
    ----------
    options : AssembleOptions
        Its defaults.
    description : str
        One line for the help.
    artifacts : ArtifactMethod, optional
        How artifacts are found, where the method leaves them out.
    """

    options: AssembleOptions
    description: str
    artifacts: ArtifactMethod | None = None


def _by_safe_clip(work: ArtifactWork) -> ArtifactCoadd:
    return safe_clip(
        work.plan,
        matched=work.matched or None,
        options=work.options,
        sigma=work.psf_sigma,
        bright_objects=work.bright_objects,
        progress=work.progress,
    )


def _by_compare_warp(work: ArtifactWork) -> ArtifactCoadd:
    return compare_warp(
        work.plan,
        work.matched,
        options=work.options,
        sigma=work.psf_sigma,
        bright_objects=work.bright_objects,
        progress=work.progress,
    )


def _by_visit_clip(work: ArtifactWork) -> ArtifactCoadd:
    return visit_clip(
        work.plan,
        options=work.options,
        sigma=work.psf_sigma,
        bright_objects=work.bright_objects,
        progress=work.progress,
    )


METHODS: Mapping[str, Method] = {
    "visitclip": Method(
        VISIT_CLIP_ASSEMBLE,
        "weighted mean without what an input shows beyond the coadd of the others",
        ArtifactMethod(
            section="visit_clip",
            options=VisitClipOptions(),
            make=_by_visit_clip,
            threshold="visit_clip.seed=6",
            bytes_per_pixel=0,
            fewest=1,
        ),
    ),
    "safeclip": Method(
        SAFE_CLIP_ASSEMBLE,
        "weighted mean without the artifacts that only one or two inputs show",
        ArtifactMethod(
            section="safe_clip",
            options=SafeClipOptions(),
            make=_by_safe_clip,
            threshold="safe_clip.detection.threshold_value=5",
            # Image, mask and variance of the difference, and of it smoothed.
            bytes_per_pixel=24,
            matched="may",
        ),
    ),
    "comparewarp": Method(
        COMPARE_WARP_ASSEMBLE,
        "weighted mean without what only few PSF-matched exposures (--matched) show",
        ArtifactMethod(
            section="compare_warp",
            options=CompareWarpOptions(),
            make=_by_compare_warp,
            threshold="compare_warp.artifacts.detection.threshold_value=10",
            # Template, difference, two counts, and two matched exposures of three planes each.
            bytes_per_pixel=52,
            matched="must",
            fixed=(
                "template.bright_object_plane",
                "template.maps",
                "template.max_memory",
                "template.unit",
            ),
        ),
    ),
    "clipped": Method(
        AssembleOptions(statistic="MEANCLIP"),
        "weighted mean after sigma clipping, pixel by pixel",
    ),
    "mean": Method(AssembleOptions(statistic="MEAN"), "weighted mean: best noise, no rejection"),
    "median": Method(AssembleOptions(statistic="MEDIAN"), "unweighted median"),
}


def method_for(matched: bool) -> str:
    """Method where the user chose none, with or without PSF-matched exposures."""
    return "comparewarp" if matched else "visitclip"


def finding_methods() -> str:
    """Names of the methods that look for artifacts, for messages."""
    return ", ".join(name for name, method in METHODS.items() if method.artifacts is not None)

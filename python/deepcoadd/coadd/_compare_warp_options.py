# SPDX-License-Identifier: BSD-3-Clause
"""Options of the artifact rejection by PSF-matched warps; the only place of its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepcoadd._checks import check_least, check_share, instance, names
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.detection import DetectionOptions
from deepcoadd.errors import OptionError
from deepcoadd.scale_variance import ScaleVarianceOptions

__all__ = [
    "ARTIFACT_DETECTION",
    "COMPARE_WARP_ASSEMBLE",
    "TEMPLATE_ASSEMBLE",
    "TEMPLATE_DETECTION",
    "ArtifactOptions",
    "CompareWarpOptions",
]

COMPARE_WARP_ASSEMBLE = AssembleOptions(
    bad_planes=("NO_DATA", "BAD", "SAT"), remove_planes=("NOT_DEBLENDED", "EDGE")
)
"""How the direct warps are combined: a plain mean of what is no artifact."""

TEMPLATE_ASSEMBLE = AssembleOptions(
    statistic="MEANCLIP", sigma_clip=2.5, n_iter=3, bad_planes=("NO_DATA",)
)
"""How the PSF-matched warps are combined into the template."""

ARTIFACT_DETECTION = DetectionOptions(
    min_pixels=4, n_sigma_to_grow=0.4, threshold_value=7.5, threshold_polarity="both"
)
"""How candidates are found in the difference of an epoch and the template, without smoothing."""

TEMPLATE_DETECTION = DetectionOptions(threshold_value=300.0)
"""How the sources of the template are found, inside of which nothing is clipped."""


@dataclass(frozen=True)
class ArtifactOptions:
    """How artifacts are found by `deepcoadd.coadd.find_artifacts`.

    Parameters
    ----------
    detection : DetectionOptions
        How candidates are found in the difference of an epoch and the template.
    template_detection : DetectionOptions
        How sources are found in the template.
    max_num_epochs : int
        With N epochs something is an artifact if at most
        ``min(max_fraction_epochs_low * N, max_num_epochs + max_fraction_epochs_high * N)`` epochs
        (rounded down) show it.
    max_fraction_epochs_low, max_fraction_epochs_high : float
        0 to 1; see `max_num_epochs`.
    min_epochs_low : int
        Lower bound of that number: 0 clips nothing where there are one or two epochs; 1 clips
        there whatever stands out, in both of two epochs.
    spatial_threshold : float
        0 to 1: more than this fraction of the pixels of a candidate must be seen so rarely.
    preserve_contained_by_source : bool
        Keep candidates that lie wholly in one source of the template.
    prefilter : bool
        Drop candidates with next to no good pixel before epochs are counted.
    prefilter_planes : tuple of str
        A good pixel has none of these planes; unknown ones are not looked for.
    prefilter_ratio : float
        0 to 1: more than this fraction of the pixels must be good.
    bad_planes : tuple of str
        A pixel of an epoch with one of these does not count among its N; unknown ones are not
        looked for.
    scale_variance : ScaleVarianceOptions, optional
        Scale the variances of each epoch to the scatter of its pixels first; None leaves them.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    detection: DetectionOptions = ARTIFACT_DETECTION
    template_detection: DetectionOptions = TEMPLATE_DETECTION
    max_num_epochs: int = 2
    max_fraction_epochs_low: float = 0.4
    max_fraction_epochs_high: float = 0.03
    min_epochs_low: int = 0
    spatial_threshold: float = 0.5
    preserve_contained_by_source: bool = True
    prefilter: bool = True
    prefilter_planes: tuple[str, ...] = ("NO_DATA", "BAD", "SUSPECT")
    prefilter_ratio: float = 0.05
    bad_planes: tuple[str, ...] = COMPARE_WARP_ASSEMBLE.bad_planes
    scale_variance: ScaleVarianceOptions | None = field(default_factory=ScaleVarianceOptions)

    def __post_init__(self) -> None:
        for name in ("prefilter_planes", "bad_planes"):
            object.__setattr__(self, name, names(name, getattr(self, name)))
        for name in ("detection", "template_detection"):
            instance(name, getattr(self, name), DetectionOptions)
        if self.scale_variance is not None:
            instance("scale_variance", self.scale_variance, ScaleVarianceOptions)
        for name in (
            "max_fraction_epochs_low",
            "max_fraction_epochs_high",
            "spatial_threshold",
            "prefilter_ratio",
        ):
            check_share(name, getattr(self, name))
        for name in ("max_num_epochs", "min_epochs_low"):
            check_least(name, getattr(self, name), 0)


@dataclass(frozen=True)
class CompareWarpOptions:
    """How `deepcoadd.coadd.compare_warp` finds artifacts and leaves them out.

    Parameters
    ----------
    assemble : AssembleOptions
        How the direct warps are combined.
    template : AssembleOptions
        How the PSF-matched warps are combined into the template. ``statistic="MEDIAN"`` stands
        more contaminated epochs where there are five or fewer. Its ``unit`` and ``max_memory``
        are of no use: those of `assemble` hold.
    artifacts : ArtifactOptions
        How artifacts are found.
    leave_one_out : bool
        Compare each epoch with a template of the others. Then the variance of a difference is
        right, and an epoch does not pull its own template; the template is made once for each
        epoch, so the time grows as the square of their number: for few epochs.

    Raises
    ------
    OptionError
        Maps of the template are asked for; nobody would see them.
    """

    assemble: AssembleOptions = COMPARE_WARP_ASSEMBLE
    template: AssembleOptions = TEMPLATE_ASSEMBLE
    artifacts: ArtifactOptions = field(default_factory=ArtifactOptions)
    leave_one_out: bool = False

    def __post_init__(self) -> None:
        for name in ("assemble", "template"):
            instance(name, getattr(self, name), AssembleOptions)
        instance("artifacts", self.artifacts, ArtifactOptions)
        if self.template.maps:
            raise OptionError(f"template.maps = {self.template.maps}: must be empty")

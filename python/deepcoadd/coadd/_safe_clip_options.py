# SPDX-License-Identifier: BSD-3-Clause
"""Options of the artifact rejection by visit footprints; the only place of its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from deepcoadd._checks import check_least, check_share, instance
from deepcoadd.coadd._option_checks import check_mean
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.detection import DetectionOptions
from deepcoadd.errors import OptionError
from deepcoadd.scale_variance import ScaleVarianceOptions

__all__ = ["SAFE_CLIP_ASSEMBLE", "SAFE_CLIP_DETECTION", "DetectOnWarps", "SafeClipOptions"]

SAFE_CLIP_ASSEMBLE = AssembleOptions(statistic="MEAN", sigma_clip=1.5, n_iter=3)
"""How the inputs are combined: a plain mean, and for the difference a harshly clipped one."""

SAFE_CLIP_DETECTION = DetectionOptions(
    min_pixels=4,
    n_sigma_to_grow=2.0,
    threshold_value=2.0,
    threshold_polarity="both",
)
"""How footprints are found in the difference of the two."""

DetectOnWarps = Literal["auto", "never", "always"]


@dataclass(frozen=True)
class SafeClipOptions:
    """How artifacts are found and left out by `deepcoadd.coadd.safe_clip`.

    Parameters
    ----------
    assemble : AssembleOptions
        How the inputs are combined; ``statistic`` must be MEAN. ``sigma_clip`` and ``n_iter`` are
        those of the clipped mean that the plain one is compared with (and of the weights).
    detection : DetectionOptions
        How footprints are found in the difference of plain and clipped mean.
    min_clip_foot_overlap : float
        Where several inputs overlap a footprint: it is clipped in the only one whose overlap
        exceeds this.
    min_clip_foot_overlap_single : float
        Where one input overlaps: it is clipped if its overlap exceeds this.
    min_clip_foot_overlap_double : float
        Where more than three overlap: it is clipped in the only two that exceed this,
    max_clip_foot_overlap_double : float
        if no other exceeds this.
    min_big_overlap : int
        Pixels: a detection of one input that is clipped in more than this is clipped whole.
    detect_on_warps : {"auto", "never", "always"}
        Whether sources are detected on the inputs anew. "auto": on an input whose mask has no
        plane DETECTED, and on all of them if no pixel of any carries it.
    warp_detection : DetectionOptions
        How.
    scale_variance : ScaleVarianceOptions, optional
        Scale the variances of the difference image to the scatter of its pixels before footprints
        are looked for. They are the sum of two variances of means that share most of their
        samples, too large by a factor of 1.5 to 6 for white noise, and too small where resampling
        or matching correlates pixels. None leaves them.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    assemble: AssembleOptions = SAFE_CLIP_ASSEMBLE
    detection: DetectionOptions = SAFE_CLIP_DETECTION
    min_clip_foot_overlap: float = 0.6
    min_clip_foot_overlap_single: float = 0.5
    min_clip_foot_overlap_double: float = 0.45
    max_clip_foot_overlap_double: float = 0.15
    min_big_overlap: int = 100
    detect_on_warps: DetectOnWarps = "auto"
    warp_detection: DetectionOptions = field(default_factory=DetectionOptions)
    scale_variance: ScaleVarianceOptions | None = None

    def __post_init__(self) -> None:
        check_mean(self.assemble)
        for name in (
            "min_clip_foot_overlap",
            "min_clip_foot_overlap_single",
            "min_clip_foot_overlap_double",
            "max_clip_foot_overlap_double",
        ):
            check_share(name, getattr(self, name))
        for name in ("detection", "warp_detection"):
            instance(name, getattr(self, name), DetectionOptions)
        if self.scale_variance is not None:
            instance("scale_variance", self.scale_variance, ScaleVarianceOptions)
        check_least("min_big_overlap", self.min_big_overlap, 0, finite=False)
        allowed = get_args(DetectOnWarps)
        if self.detect_on_warps not in allowed:
            raise OptionError(
                f"detect_on_warps = {self.detect_on_warps!r}: must be one of {', '.join(allowed)}"
            )

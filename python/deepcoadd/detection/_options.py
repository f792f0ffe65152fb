# SPDX-License-Identifier: BSD-3-Clause
"""Options of the detection; the only place where its defaults are written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from deepcoadd._checks import instance, names, number
from deepcoadd.background import TASK_BACKGROUND, BackgroundOptions
from deepcoadd.errors import OptionError

__all__ = ["TASK_DETECTION", "DetectionOptions"]

TYPES = ("pixel_stdev", "stdev", "value", "variance")
POLARITIES = ("positive", "negative", "both")


@dataclass(frozen=True)
class DetectionOptions:
    """Options of `detect`.

    Attributes
    ----------
    min_pixels : int
        Smallest area of a footprint before growth [pixels].
    isotropic_grow : bool
        Grow by a disc; off: by a diamond.
    combined_grow : bool
        Footprints that touch when grown become one. Off: each is grown by itself, and pixels may
        belong to several.
    n_sigma_to_grow : float
        Radius of growth [sigma of the PSF], rounded to whole pixels; 0: none.
    return_original_footprints : bool
        Return the footprints before growth; mask planes show the grown ones all the same.
    threshold_value : float
        In units of `threshold_type`.
    include_threshold_multiplier : float
        A footprint counts only if a pixel reaches the threshold times this.
    threshold_type : {"pixel_stdev", "stdev", "value", "variance"}
        "pixel_stdev": errors of the smoothed pixel, from its variance. "stdev": clipped standard
        deviations of the smoothed image without `stats_planes`; "variance": of all of it.
        "value": the unit of the image.
    threshold_polarity : {"positive", "negative", "both"}
        What to look for.
    adjust_background : float
        Added to the re-estimated background before it is subtracted [unit of the image].
    re_estimate_background : bool
        Subtract a new background from the image after the detection. Footprints stay as they are.
    do_temp_local_background : bool
        Look for the peaks of footprints with several of them again, after subtracting a local
        background from the smoothed image. Footprints stay as they are.
    do_temp_wide_background : bool
        Detect on an image less a background on wide bins, NO_DATA filled with the median.
    n_peaks_max_simple : int
        Footprints with so many peaks at most keep them.
    n_sigma_for_kernel : float
        Width of the smoothing kernel [sigma].
    stats_planes : tuple of str
        Pixels with one of these mask planes do not count in the scatter of the image.
    exclude_planes : tuple of str
        Smoothed pixels with one of these planes count as 0.
    background, temp_local_background, temp_wide_background : BackgroundOptions
        Backgrounds of the three steps.

    Raises
    ------
    OptionError
        A value is not allowed.

    Notes
    -----
    The background steps change no footprint, so they are off here; the Task, which has them on,
    takes `TASK_DETECTION`.
    """

    min_pixels: int = 1
    isotropic_grow: bool = True
    combined_grow: bool = True
    n_sigma_to_grow: float = 2.4
    return_original_footprints: bool = False
    threshold_value: float = 5.0
    include_threshold_multiplier: float = 1.0
    threshold_type: Literal["pixel_stdev", "stdev", "value", "variance"] = "pixel_stdev"
    threshold_polarity: Literal["positive", "negative", "both"] = "positive"
    adjust_background: float = 0.0
    re_estimate_background: bool = False
    do_temp_local_background: bool = False
    do_temp_wide_background: bool = False
    n_peaks_max_simple: int = 1
    n_sigma_for_kernel: float = 7.0
    stats_planes: tuple[str, ...] = ("BAD", "SAT", "EDGE", "NO_DATA")
    exclude_planes: tuple[str, ...] = ()
    background: BackgroundOptions = field(default_factory=BackgroundOptions)
    temp_local_background: BackgroundOptions = field(
        default_factory=lambda: BackgroundOptions(bin_size=64)
    )
    temp_wide_background: BackgroundOptions = field(
        default_factory=lambda: BackgroundOptions(
            bin_size=512, ignored_planes=("BAD", "EDGE", "NO_DATA")
        )
    )

    def __post_init__(self) -> None:
        for name, allowed in (("threshold_type", TYPES), ("threshold_polarity", POLARITIES)):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"{name}: got {getattr(self, name)!r}, must be one of {', '.join(allowed)}"
                )
        for name in (
            "n_sigma_to_grow",
            "threshold_value",
            "include_threshold_multiplier",
            "n_sigma_for_kernel",
            "min_pixels",
            "n_peaks_max_simple",
        ):
            value = number(name, getattr(self, name))
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"{name}: got {value}, must be finite and >= 0")
        for name in ("stats_planes", "exclude_planes"):
            object.__setattr__(self, name, names(name, getattr(self, name)))
        for name in ("background", "temp_local_background", "temp_wide_background"):
            instance(name, getattr(self, name), BackgroundOptions)
        if not math.isfinite(number("adjust_background", self.adjust_background)):
            raise OptionError(f"adjust_background: got {self.adjust_background}, must be finite")


TASK_DETECTION = DetectionOptions(
    re_estimate_background=True, do_temp_local_background=True, background=TASK_BACKGROUND
)
"""Defaults of the Task class."""

# SPDX-License-Identifier: BSD-3-Clause
"""Options of sky frames; the only place where their defaults are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepcoadd._checks import (
    check_choice,
    check_count,
    check_positive,
    names,
)
from deepcoadd.background._options import BackgroundOptions

__all__ = ["NUISANCES", "SKY_BACKGROUND", "TASK_SKY", "SkyOptions"]

NUISANCES = ("none", "constant", "plane")
_SAMPLES = ("bins", "cells")
_STATISTICS = ("MEAN", "MEDIAN", "MEANCLIP")

SKY_BACKGROUND = BackgroundOptions(
    bin_size=32,
    nearest_bins=True,
    algorithm="NATURAL_SPLINE",
    ignored_planes=("SAT", "BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA"),
)
"""Bins of sky frames."""


@dataclass(frozen=True)
class SkyOptions:
    """How sky frames are measured and scaled.

    Attributes
    ----------
    background : BackgroundOptions
        Bins of a sky frame and the curve through them; a mask must have the planes ignored.
    samples : {"bins", "cells"}
        What the scale is fitted to: the bins of the sky frame, or a coarse grid of cells.
    y_samples, x_samples : int
        Cells along each axis.
    statistic : {"MEANCLIP", "MEAN", "MEDIAN"}
        What a sample is worth.
    sigma_clip, n_iter : float and int
        Its clipping.
    ignored_planes : tuple of str
        Pixels with one of these planes are left out of the samples; a mask must have them.
    same_pixels : bool
        Average the sky frame over the pixels that make up the sample of the image, instead of all
        pixels of the sample by the same statistic.
    weighting : bool
        Weight samples by one over their squared error, which then must be known.
    nuisance : {"none", "constant", "plane"}
        What else may be in the images, fitted with the scale: nothing, a constant for each
        detector, a plane for each detector.
    correct_noise : bool
        Take the noise of the sky frame, as its variances tell it, out of the sum of its squares,
        where it would make scales too small.
    max_rounds : int
        Rounds of rejection of samples.
    reject : float
        Threshold of rejection [robust standard deviations].

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    background: BackgroundOptions = field(default_factory=lambda: SKY_BACKGROUND)
    samples: str = "bins"
    y_samples: int = 4
    x_samples: int = 4
    statistic: str = "MEANCLIP"
    sigma_clip: float = 3.0
    n_iter: int = 3
    ignored_planes: tuple[str, ...] = ("SAT", "DETECTED", "DETECTED_NEGATIVE", "BAD", "NO_DATA")
    same_pixels: bool = True
    weighting: bool = True
    nuisance: str = "constant"
    correct_noise: bool = True
    max_rounds: int = 3
    reject: float = 3.0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("samples", _SAMPLES),
            ("statistic", _STATISTICS),
            ("nuisance", NUISANCES),
        ):
            check_choice(name, getattr(self, name), allowed)
        for name, least in (("y_samples", 1), ("x_samples", 1), ("n_iter", 1), ("max_rounds", 0)):
            check_count(name, getattr(self, name), least)
        for name in ("sigma_clip", "reject"):
            check_positive(name, getattr(self, name))
        object.__setattr__(self, "ignored_planes", names("ignored_planes", self.ignored_planes))


TASK_SKY = SkyOptions(
    samples="cells", same_pixels=False, weighting=False, nuisance="none", correct_noise=False
)
"""Defaults of the Task configuration: the documented method."""

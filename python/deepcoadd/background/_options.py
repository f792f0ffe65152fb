# SPDX-License-Identifier: BSD-3-Clause
"""Options of a binned background; the only place where its defaults are written."""

from __future__ import annotations

from dataclasses import dataclass

from deepcoadd.errors import OptionError

__all__ = ["INTERPOLATIONS", "TASK_BACKGROUND", "BackgroundOptions"]

INTERPOLATIONS = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "CUBIC_SPLINE", "AKIMA_SPLINE")
_UNDERSAMPLE = ("THROW_EXCEPTION", "REDUCE_INTERP_ORDER")
_STATISTICS = ("MEAN", "MEDIAN", "MEANCLIP")


@dataclass(frozen=True)
class BackgroundOptions:
    """How a background is measured and interpolated.

    Attributes
    ----------
    statistic : {"MEANCLIP", "MEAN", "MEDIAN"}
        What a bin is worth; clipping is at 3 sigma in 3 passes.
    bin_size : int
        Nominal side of a bin [pixels]; an axis has ``ceil(length / bin_size)`` of them.
    bin_size_x, bin_size_y : int
        The same for one axis; 0 = `bin_size`.
    algorithm : str
        Curve through the bins: CONSTANT, LINEAR, NATURAL_SPLINE (or CUBIC_SPLINE), AKIMA_SPLINE.
    undersample_style : {"REDUCE_INTERP_ORDER", "THROW_EXCEPTION"}
        Where the good bins are too few for the curve: take a simpler one, or raise.
    ignored_planes : tuple of str
        Pixels with one of these mask planes do not count; nor does NaN. Planes that a mask does
        not have are not looked for.
    use_approx : bool
        Fit Chebyshev polynomials to the bins instead of a curve through them.
    approx_order : int
        Their total degree.
    weighting : bool
        In that fit, weight bins by one over the square of their error.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    statistic: str = "MEANCLIP"
    bin_size: int = 128
    bin_size_x: int = 0
    bin_size_y: int = 0
    algorithm: str = "AKIMA_SPLINE"
    undersample_style: str = "REDUCE_INTERP_ORDER"
    ignored_planes: tuple[str, ...] = ("BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA")
    use_approx: bool = False
    approx_order: int = 6
    weighting: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (
            ("statistic", _STATISTICS),
            ("algorithm", INTERPOLATIONS),
            ("undersample_style", _UNDERSAMPLE),
        ):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"{name}: got {getattr(self, name)!r}, must be one of {', '.join(allowed)}"
                )
        least_values = {"bin_size": 1, "bin_size_x": 0, "bin_size_y": 0, "approx_order": 0}
        for name, least in least_values.items():
            if getattr(self, name) < least:
                raise OptionError(f"{name}: got {getattr(self, name)}, must be {least} or more")

    def bins(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Number of bins (ny, nx) of an image of (h, w) pixels."""
        sizes = (self.bin_size_y or self.bin_size, self.bin_size_x or self.bin_size)
        ny, nx = (-(-side // size) for side, size in zip(shape, sizes, strict=True))
        return ny, nx


TASK_BACKGROUND = BackgroundOptions(use_approx=True)
"""Defaults of the Task configuration."""

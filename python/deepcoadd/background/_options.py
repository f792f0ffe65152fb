# SPDX-License-Identifier: BSD-3-Clause
"""Options of a binned background; the only place where its defaults are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepcoadd._checks import (
    check_choice,
    check_count,
    check_least,
    check_positive,
    names,
)
from deepcoadd.background._grid import UNDERSAMPLE_STYLES, Grid, choose_grid

__all__ = ["EDGES", "INTERPOLATIONS", "TASK_BACKGROUND", "BackgroundOptions"]

INTERPOLATIONS = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "CUBIC_SPLINE", "AKIMA_SPLINE")
_STATISTICS = ("MEAN", "MEDIAN", "MEANCLIP")
EDGES = ("quadratic", "linear", "constant")
_TERMS = ("total", "tensor")


@dataclass(frozen=True)
class BackgroundOptions:
    """How a background is measured and interpolated.

    Attributes
    ----------
    statistic : {"MEANCLIP", "MEAN", "MEDIAN"}
        What a bin is worth; clipping is at `sigma_clip` in `n_iter` passes.
    sigma_clip : float
        Half-width of the clipping interval [standard deviations].
    n_iter : int
        Number of clipping passes.
    bin_size : int
        Nominal side of a bin [pixels]; an axis has ``ceil(length / bin_size)`` of them.
    bin_size_x, bin_size_y : int
        The same for one axis; 0 = `bin_size`.
    nearest_bins : bool
        Round the number of bins of an axis to the nearest instead of upwards.
    algorithm : str
        Curve through the bins: CONSTANT, LINEAR, NATURAL_SPLINE (or CUBIC_SPLINE), AKIMA_SPLINE.
    edge : {"quadratic", "linear", "constant"}
        What goes on beyond the outermost good bins: value, slope and curvature; value and slope;
        the value.
    edge_reach : float
        Distance from them beyond which the background is constant [pixels].
    undersample_style : {"REDUCE_INTERP_ORDER", "THROW_EXCEPTION", "INCREASE_NXNYSAMPLE"}
        Where the good bins are too few: take a simpler curve or a lower order; raise; for a
        polynomial take smaller bins (a curve raises).
    ignored_planes : tuple of str
        Pixels with one of these mask planes do not count; nor does NaN. Planes that a mask does
        not have are not looked for.
    use_approx : bool
        Fit Chebyshev polynomials to the bins instead of a curve through them.
    approx_order : int
        Their order, along x if `approx_order_y` is given too.
    approx_order_y : int
        Order along y; -1 = `approx_order`.
    approx_terms : {"total", "tensor"}
        Products of powers up to a total order, or all of them.
    bin_averaged : bool
        Fit the means of the polynomials over the bins instead of their values at the centres.
    weighting : bool
        In that fit, weight bins by one over the square of their error.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    statistic: str = "MEANCLIP"
    sigma_clip: float = 3.0
    n_iter: int = 3
    bin_size: int = 128
    bin_size_x: int = 0
    bin_size_y: int = 0
    nearest_bins: bool = False
    algorithm: str = "AKIMA_SPLINE"
    edge: str = "quadratic"
    edge_reach: float = math.inf
    undersample_style: str = "REDUCE_INTERP_ORDER"
    ignored_planes: tuple[str, ...] = ("BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA")
    use_approx: bool = False
    approx_order: int = 6
    approx_order_y: int = -1
    approx_terms: str = "total"
    bin_averaged: bool = False
    weighting: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (
            ("statistic", _STATISTICS),
            ("algorithm", INTERPOLATIONS),
            ("edge", EDGES),
            ("undersample_style", UNDERSAMPLE_STYLES),
            ("approx_terms", _TERMS),
        ):
            check_choice(name, getattr(self, name), allowed)
        for name, least in (
            ("n_iter", 1),
            ("bin_size", 1),
            ("bin_size_x", 0),
            ("bin_size_y", 0),
            ("approx_order", 0),
            ("approx_order_y", -1),
        ):
            check_count(name, getattr(self, name), least)
        check_least("edge_reach", self.edge_reach, 0.0, finite=False)
        check_positive("sigma_clip", self.sigma_clip)
        object.__setattr__(self, "ignored_planes", names("ignored_planes", self.ignored_planes))

    @property
    def orders(self) -> tuple[int, int]:
        """Orders (y, x) of the polynomial."""
        below = self.approx_order_y
        return (self.approx_order if below < 0 else below), self.approx_order

    @property
    def reduce(self) -> bool:
        """Whether a simpler curve or a lower order may stand in."""
        return self.undersample_style == "REDUCE_INTERP_ORDER"

    def grid(self, shape: tuple[int, int]) -> Grid:
        """Bins of an image of (h, w) pixels, and the order that they can carry."""
        return choose_grid(
            shape,
            (self.bin_size_y or self.bin_size, self.bin_size_x or self.bin_size),
            order=max(self.orders) if self.use_approx else 0,
            undersample_style=self.undersample_style,
            nearest=self.nearest_bins,
        )

    def bins(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Number of bins (ny, nx) of an image of (h, w) pixels."""
        return self.grid(shape).shape


TASK_BACKGROUND = BackgroundOptions(use_approx=True)
"""Defaults of the Task configuration."""

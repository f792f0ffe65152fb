# SPDX-License-Identifier: BSD-3-Clause
"""Options of background matching; the only place where their defaults are written."""

from __future__ import annotations

from dataclasses import dataclass

from deepcoadd._checks import (
    check_choice,
    check_count,
    check_least,
    check_positive,
    check_share,
    names,
)
from deepcoadd.background._options import EDGES
from deepcoadd.errors import OptionError

__all__ = [
    "MATCH_STATISTICS",
    "MATCH_STYLES",
    "TASK_MATCH",
    "ClassicMatchOptions",
    "GlobalMatchOptions",
    "TractMatchOptions",
]

MATCH_STYLES = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE", "NONE")
MATCH_STATISTICS = ("MEAN", "MEDIAN", "MEANCLIP")
_UNDERSAMPLE = ("THROW_EXCEPTION", "REDUCE_INTERP_ORDER", "INCREASE_NXNYSAMPLE")
_BAD_PLANES = ("NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "SAT", "BAD", "INTRP", "CR")
_GAUGES = ("weighted", "reference", "gradient")
_BINNINGS = ("exact", "fast")


@dataclass(frozen=True)
class ClassicMatchOptions:
    """How the background of one exposure is matched to that of a reference.

    Attributes
    ----------
    use_polynomial : bool
        Fit Chebyshev polynomials to the bins of the difference instead of a curve through them.
    order : int
        Their total degree.
    bad_planes : tuple of str
        Pixels with one of these mask planes, in either image, do not count; nor does NaN.
    statistic : {"MEANCLIP", "MEAN", "MEDIAN"}
        What a bin is worth.
    undersample_style : str
        Where the good bins are too few: THROW_EXCEPTION, REDUCE_INTERP_ORDER (a simpler curve, a
        lower order), or INCREASE_NXNYSAMPLE (smaller bins; with `use_polynomial` only).
    bin_size : int
        Nominal side of a bin [pixels].
    interp_style : str
        Curve: CONSTANT, LINEAR, NATURAL_SPLINE, AKIMA_SPLINE. NONE raises when it is used.
    sigma_clip : float
        Half-width of clipping [sigma], for MEANCLIP and for the mean variance.
    n_iter : int
        Passes of clipping.
    weight_coverage, weight_variance, weight_level : float
        Shares, 0 to 1, of the terms of the cost by which a reference is chosen.
    weighting : bool
        In the polynomial fit, weight bins by one over the square of their error.
    stdev_floor : float
        Least standard deviation of the pixels of a bin [unit of the image].
    cost_model : {"robust", "classic"}
        Terms of the cost; ``docs/algorithms/match-backgrounds.md``.
    edge : {"quadratic", "linear", "constant"}
        How a curve goes on beyond the outermost good bins, as far as a bin reaches.
    bin_averaged : bool
        Fit the means of the polynomials over the bins instead of their values at the centres, which
        removes the bias of large bins.
    variance_inflation : float
        Factor on the variances of bins: how much larger they are than those of as many independent
        pixels, 1.5 to 3 after resampling. It changes the errors of a model, not the model.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    use_polynomial: bool = False
    order: int = 8
    bad_planes: tuple[str, ...] = _BAD_PLANES
    statistic: str = "MEANCLIP"
    undersample_style: str = "REDUCE_INTERP_ORDER"
    bin_size: int = 256
    interp_style: str = "AKIMA_SPLINE"
    sigma_clip: float = 3.0
    n_iter: int = 3
    weight_coverage: float = 0.4
    weight_variance: float = 0.4
    weight_level: float = 0.2
    weighting: bool = True
    stdev_floor: float = 1e-8
    cost_model: str = "robust"
    edge: str = "linear"
    bin_averaged: bool = False
    variance_inflation: float = 1.0

    def __post_init__(self) -> None:
        check_choice("statistic", self.statistic, MATCH_STATISTICS)
        check_choice("edge", self.edge, EDGES)
        check_choice("undersample_style", self.undersample_style, _UNDERSAMPLE)
        check_choice("interp_style", self.interp_style, MATCH_STYLES)
        check_choice("cost_model", self.cost_model, ("robust", "classic"))
        for name, least in (("order", 0), ("bin_size", 1), ("n_iter", 1)):
            check_count(name, getattr(self, name), least)
        check_least("stdev_floor", self.stdev_floor, 0.0)
        for name in ("sigma_clip", "variance_inflation"):
            check_positive(name, getattr(self, name))
        for name in ("weight_coverage", "weight_variance", "weight_level"):
            check_share(name, getattr(self, name))
        object.__setattr__(self, "bad_planes", names("bad_planes", self.bad_planes))
        if self.undersample_style == "INCREASE_NXNYSAMPLE" and not self.use_polynomial:
            raise OptionError(
                "undersample_style: got INCREASE_NXNYSAMPLE, which needs use_polynomial; otherwise "
                "one of THROW_EXCEPTION, REDUCE_INTERP_ORDER"
            )


TASK_MATCH = ClassicMatchOptions(statistic="MEAN", n_iter=2, cost_model="classic", edge="quadratic")
"""Defaults of the Task configuration."""


@dataclass(frozen=True)
class GlobalMatchOptions:
    """How the backgrounds of all exposures are matched at once.

    Attributes
    ----------
    order : int or None
        Total degree of Chebyshev polynomials; None: a smooth random field whose scale, strength
        and smoothness follow from the data.
    bad_planes : tuple of str
        Pixels with one of these mask planes do not count; nor does NaN.
    cell_size : int
        Nominal side of a cell [pixels]; 0: 32, and larger where there would be more than 64 cells
        along an axis.
    min_fraction : float
        Least share of good pixels of a cell that counts.
    sigma_clip : float
        Cells farther than this from the fit do not count in the next round [sigma].
    n_rounds : int
        Rounds of fitting.
    ridge : float
        With `order`: prior on all terms but the constants, in units of the median diagonal of the
        normal equations.
    min_cells : int
        Exposures that share fewer cells are not held to overlap.
    gauge : {"weighted", "reference", "gradient"}
        Which common background is kept: the mean of all exposures, by their weights; that of
        `reference`; or the level by weights and the slopes by plain means.
    reference : int or None
        Index of the exposure that keeps its background; for the gauge "reference".
    variance_inflation : float
        Factor on the variances of cells. Without `order` their noise is found from the data
        anyway, and nothing but chi2 changes; with it the errors of the models do.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    order: int | None = None
    bad_planes: tuple[str, ...] = _BAD_PLANES
    cell_size: int = 0
    min_fraction: float = 0.1
    sigma_clip: float = 4.0
    n_rounds: int = 3
    ridge: float = 1e-6
    min_cells: int = 4
    gauge: str = "weighted"
    reference: int | None = None
    variance_inflation: float = 1.0

    def __post_init__(self) -> None:
        check_choice("gauge", self.gauge, _GAUGES)
        check_positive("variance_inflation", self.variance_inflation)
        for name, least in (("cell_size", 0), ("n_rounds", 1), ("min_cells", 1)):
            check_count(name, getattr(self, name), least)
        if self.order is not None:
            check_count("order", self.order, 0)
        check_least("ridge", self.ridge, 0.0)
        check_share("min_fraction", self.min_fraction)
        check_positive("sigma_clip", self.sigma_clip)
        object.__setattr__(self, "bad_planes", names("bad_planes", self.bad_planes))
        if (self.gauge == "reference") != (self.reference is not None):
            raise OptionError(
                f"reference: got {self.reference!r} with gauge {self.gauge!r}; the gauge "
                "'reference' needs one, the others have none"
            )

    def cell(self, shape: tuple[int, int]) -> int:
        """Nominal side of a cell in an image of (h, w) pixels."""
        return self.cell_size or max(32, -(-max(shape) // _MOST_CELLS))


_MOST_CELLS = 64


@dataclass(frozen=True)
class TractMatchOptions:
    """How the backgrounds of visits are matched to that of one visit, over a whole tract.

    Attributes
    ----------
    cell_size : int
        Side of a superpixel [pixels].
    bad_planes : tuple of str
        Pixels with one of these mask planes do not count; nor does NaN.
    min_fraction : float
        Least share of good pixels of a superpixel that counts.
    interp_style : str
        Curve through the superpixels: CONSTANT, LINEAR, NATURAL_SPLINE, AKIMA_SPLINE.
    smooth : float
        Standard deviation of a Gaussian over the superpixels; 0: none.
    weight_chi2, weight_variance, weight_coverage : float
        Shares, 0 to 1, of the terms of the cost by which a reference is chosen.
    binning : {"exact", "fast"}
        "exact" compares each visit with the median of all, pixel by pixel, so that all take the
        same sources out of their superpixels; "fast" takes medians of each warp by itself, which
        holds one warp at a time, and is pulled by light that only some visits mask.
    variance_inflation : float
        Factor on the variances of superpixels: how much larger they are than those of as many
        independent pixels, 1.5 to 3 after resampling. It changes the errors of a model alone.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    cell_size: int = 128
    bad_planes: tuple[str, ...] = ("BAD", "SAT", "EDGE", "NO_DATA")
    min_fraction: float = 0.1
    interp_style: str = "AKIMA_SPLINE"
    smooth: float = 0.0
    weight_chi2: float = 0.3
    weight_variance: float = 0.3
    weight_coverage: float = 0.4
    binning: str = "exact"
    variance_inflation: float = 1.0

    def __post_init__(self) -> None:
        check_choice("interp_style", self.interp_style, MATCH_STYLES[:-1])
        check_choice("binning", self.binning, _BINNINGS)
        check_positive("variance_inflation", self.variance_inflation)
        check_count("cell_size", self.cell_size, 2)
        check_least("smooth", self.smooth, 0.0)
        for name in ("min_fraction", "weight_chi2", "weight_variance", "weight_coverage"):
            check_share(name, getattr(self, name))
        object.__setattr__(self, "bad_planes", names("bad_planes", self.bad_planes))

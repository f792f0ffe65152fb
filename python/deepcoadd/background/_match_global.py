# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the backgrounds of all exposures at once, without a reference.

The model, the choice of its smoothness and its errors stand in
``docs/algorithms/match-backgrounds.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import linalg as _core
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.background._match_cells import CellGrid, CellLevels, measure_levels
from deepcoadd.background._match_joint import fit_jointly, groups_of, residuals
from deepcoadd.background._match_options import GlobalMatchOptions
from deepcoadd.background._match_prior import FieldPrior, most_likely_prior, pairs_of
from deepcoadd.background._match_result import MatchResult
from deepcoadd.background._match_series import Series, SeriesModel
from deepcoadd.errors import NoOverlapError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.refs import WarpRef, name_of

__all__ = ["GlobalFit", "fit_levels", "match_globally", "shared_box"]

_log = logging.getLogger(__name__)
_DEFAULTS = GlobalMatchOptions()

Floats = NDArray[np.float64]

_WAVES = (12, 24)
"""Half waves of the cosines along the longer side; the second where the field is that fine."""

_DEGREE = 3
"""Total degree of the polynomials beside the random field, which leaves it the weaker part."""

_MARGIN = 0.25
"""Part of the longer side by which the box of the cosines is wider: they have no slope at its
edge, which is to be felt nowhere."""

_LEAST_SPREAD = 0.05
"""Scatter of the residuals, in units of what the pixels say, below which nothing is clipped: what
is left then is rounding."""

_LEAST_SHARE = 1e-4
"""Terms whose prior is narrower than this against what the data say of them are left out."""


@dataclass(frozen=True)
class GlobalFit:
    """Backgrounds of n exposures fitted at once.

    Attributes
    ----------
    levels : CellLevels
        What was fitted: levels in the middles of the cells.
    residuals : (n, ny, nx) float64 array
        Levels less backgrounds less the scene; NaN where a cell did not count.
    groups : list of list of int
        Exposures that overlap, directly or through others.
    series : Series
        Terms of the backgrounds.
    factors : (n, K) float64 array
        Their factors; the correction of an exposure is the negative background.
    covariances : (n, K, K) float64 array
        Of the factors, about the mean of a group.
    weights : (n, ny, nx) float64 array
        One over the variances of the cells that counted.
    prior : FieldPrior or None
        What was found of the smoothness of the backgrounds; None with polynomials of an order.
    chi2 : float
        Sum of the squared residuals over the variances.
    dof : float
        Measurements less cells less (effective) parameters.
    """

    levels: CellLevels
    residuals: Floats
    groups: list[list[int]]
    series: Series
    factors: Floats
    covariances: Floats
    weights: Floats
    prior: FieldPrior | None
    chi2: float
    dof: float

    @property
    def before(self) -> Floats:
        """(n, ny, nx): levels less the mean of all exposures of a cell; NaN as in `residuals`."""
        n = len(self.factors)
        flat, weights = self.levels.values.reshape(n, -1), self.weights.reshape(n, -1)
        found = residuals(np.where(weights > 0, flat, 0.0), weights)
        return np.where(self.weights > 0, found.reshape(self.weights.shape), np.nan)

    @property
    def scene(self) -> Floats:
        """(ny, nx): what the exposures have in common, weighted; NaN where no cell counted."""
        total = self.weights.sum(axis=0)
        backgrounds = (self.factors @ self.series.cells().T).reshape(self.weights.shape)
        rest = np.where(self.weights > 0, self.levels.values - backgrounds, 0.0)
        mean = (self.weights * rest).sum(axis=0) / np.where(total > 0, total, 1.0)
        return np.asarray(np.where(total > 0, mean, np.nan))

    def chi2_of(self, *, cells: bool = False) -> Floats:
        """(n,): sums of the squared residuals over the variances of each exposure.

        With `cells` (ny, nx), those of each cell over all exposures.
        """
        squares = np.where(self.weights > 0, self.weights * self.residuals**2, 0.0)
        return np.asarray(squares.sum(axis=0) if cells else squares.sum(axis=(1, 2)))


def _weights(levels: CellLevels) -> tuple[Floats, Floats]:
    """Finite levels and weights, (n, cells)."""
    n = len(levels.values)
    values, variances = (a.reshape(n, -1) for a in (levels.values, levels.variances))
    good = np.isfinite(values) & np.isfinite(variances)
    values = np.where(good, values, 0.0)
    # A cell without scatter (of constant pixels, say) is not known beyond the rounding of float32.
    floor = max((1e-7 * float(np.abs(values).max(initial=0.0))) ** 2, 1e-30)
    if good.any():
        floor = max(floor, 1e-3 * float(np.median(variances[good])))
    return values, np.where(good, 1.0 / np.maximum(variances, floor), 0.0)


@dataclass(frozen=True)
class _Basis:
    """Terms, their means over the cells, and the prior."""

    series: Series
    phi: Floats
    precision: Floats
    noise: float
    prior: FieldPrior | None


def _polynomials(grid: CellGrid, weights: Floats, order: int, ridge: float) -> _Basis:
    series = Series(grid, order)
    phi = series.cells()
    curvature = np.einsum("es,sk->k", weights, phi**2) / len(weights)
    precision = np.full(len(curvature), ridge * float(np.median(curvature)))
    precision[0] = 0.0
    return _Basis(series, phi, precision, 1.0, None)


def _smooth_field(
    grid: CellGrid, values: Floats, weights: Floats, options: GlobalMatchOptions
) -> _Basis:
    """Random field as smooth as the data say; low polynomials where they say nothing."""
    for n_waves in _WAVES:
        series = Series(grid, _DEGREE, n_waves, _MARGIN * max(grid.box.shape))
        pairs = pairs_of(weights, max(options.min_cells, 3 * series.n_polynomials))
        if not pairs:
            order = 1 if pairs_of(weights, max(options.min_cells, 6)) else 0
            return _polynomials(grid, weights, order, max(options.ridge, 1e-6))
        phi = series.cells()
        prior = most_likely_prior(values, weights, series, phi, pairs)
        if prior.length > 2 * series.shortest or min(grid.shape) < 2 * n_waves:
            break
    precision = prior.noise / np.maximum(prior.variances, np.finfo(float).tiny)
    return _Basis(series, phi, precision, prior.noise, prior)


def _basis(grid: CellGrid, values: Floats, weights: Floats, options: GlobalMatchOptions) -> _Basis:
    if options.order is None:
        return _smooth_field(grid, values, weights, options)
    return _polynomials(grid, weights, options.order, options.ridge)


def _round(
    basis: _Basis, values: Floats, weights: Floats, groups: list[list[int]]
) -> tuple[Floats, Floats, float]:
    """Factors and covariances of all exposures, group by group, and how many count."""
    n, k = len(values), basis.phi.shape[1]
    factors, covariances, n_effective = np.zeros((n, k)), np.zeros((n, k, k)), 0.0
    curvature = np.einsum("es,sk->k", weights, basis.phi**2) / max(n, 1)
    keep = np.flatnonzero(curvature > _LEAST_SHARE * basis.precision)
    for group in groups:
        if len(group) < 2:
            continue
        fit = fit_jointly(values[group], weights[group], basis.phi[:, keep], basis.precision[keep])
        members = np.array(group)
        factors[members[:, None], keep] = fit.factors
        covariances[members[:, None, None], keep[:, None], keep] = fit.covariances * basis.noise
        n_effective += fit.n_effective
    return factors, covariances, n_effective


def fit_levels(levels: CellLevels, options: GlobalMatchOptions = _DEFAULTS) -> GlobalFit:
    """Fit backgrounds to the levels of all exposures.

    Parameters
    ----------
    levels : CellLevels
        Of n exposures.
    options : GlobalMatchOptions
        Basis, gauge, rejection of cells.

    Returns
    -------
    GlobalFit
        Exposures that overlap no other have factors of 0 and stand alone in their group.

    Raises
    ------
    NoOverlapError
        No two exposures overlap.
    OptionError
        The reference is not one of the exposures, or the order is above what the cells along the
        longer side can show.
    SingularError, ConvergenceError
        The overlaps do not determine the polynomials that were asked for.
    """
    n = len(levels.values)
    if options.reference is not None and not 0 <= options.reference < n:
        raise OptionError(f"reference: got {options.reference}, must be 0 to {n - 1}")
    most = max(levels.grid.shape) - 1
    if options.order is not None and options.order > most:
        ny, nx = levels.grid.shape
        raise OptionError(
            f"order: got {options.order}, must be {most} at most for {ny} x {nx} cells"
        )
    values, all_weights = _weights(levels)
    groups = groups_of(all_weights, options.min_cells)
    if not groups or len(groups[0]) < 2:
        raise NoOverlapError(
            f"no two of {n} exposures share {options.min_cells} cells of good pixels; there is "
            "nothing to match"
        )
    weights, measured = all_weights, values
    basis = _basis(levels.grid, values, weights, options)
    for left in reversed(range(options.n_rounds)):
        if not left:
            basis = _basis(levels.grid, values, weights, options)
        factors, covariances, n_effective = _round(basis, values, weights, groups)
        fitted = factors @ basis.phi.T
        values = measured - _beside_middles(levels, fitted)
        rest = values - fitted
        if left:
            weights = _kept(rest, weights, all_weights, options.sigma_clip)
    if options.order is None and basis.prior is None:
        order = basis.series.order
        _log.warning("too few cells are shared for more than polynomials of order %d", order)
    rest = residuals(rest, weights)
    used = weights > 0
    shape = levels.values.shape
    known = np.where(np.isfinite(levels.values), values.reshape(shape), np.nan)
    return GlobalFit(
        replace(levels, values=known),
        np.where(used, rest, np.nan).reshape(shape),
        groups,
        basis.series,
        _gauged(factors, weights, groups, options),
        covariances,
        weights.reshape(shape),
        basis.prior,
        float((weights * rest**2).sum()),
        float(used.sum() - used.any(axis=0).sum() - n_effective),
    )


def _beside_middles(levels: CellLevels, fitted: Floats) -> Floats:
    """(n, cells): backgrounds where the levels were measured, less those in the middles."""
    n, (ny, nx) = len(levels.values), levels.grid.shape
    out = np.zeros((n, ny, nx))
    has = np.isfinite(levels.values)
    share = has / np.maximum(has.sum(axis=0), 1)
    if levels.offsets is not None:
        for axis, edges in enumerate((levels.grid.edges_y, levels.grid.edges_x)):
            if len(edges) > 2:
                middles = 0.5 * (np.array(edges[:-1]) + np.array(edges[1:]))
                slope = np.gradient(fitted.reshape(n, ny, nx), middles, axis=axis + 1)
                # Of what all exposures have in common each pixel was freed by itself.
                out += (slope - (share * slope).sum(axis=0)) * levels.offsets[..., axis]
    return out.reshape(n, -1)


def _kept(rest: Floats, weights: Floats, all_weights: Floats, sigma_clip: float) -> Floats:
    """Weights of the cells that agree with the fit, those of the round before or not."""
    total = weights.sum(axis=0)
    mean = (weights * rest).sum(axis=0) / np.where(total > 0, total, 1.0)
    z = (rest - mean) * np.sqrt(all_weights)
    known = (all_weights > 0) & (total > 0)
    if not known.any():
        return weights
    spread = max(1.4826 * float(np.median(np.abs(z[known]))), _LEAST_SPREAD)
    return np.where(known & (np.abs(z) <= sigma_clip * spread), all_weights, 0.0)


def _gauged(
    factors: Floats, weights: Floats, groups: list[list[int]], options: GlobalMatchOptions
) -> Floats:
    """Factors with the common background of each group that is wanted."""
    out = factors.copy()
    for group in groups:
        share = weights[group].sum(axis=1)
        common = share @ factors[group] / max(float(share.sum()), 1e-300)
        if options.gauge == "gradient":
            common[1:] = factors[group].mean(axis=0)[1:]
        if options.reference is not None and options.reference in group:
            common = factors[options.reference]
        out[group] -= common
    return out


def _reach(fit: GlobalFit) -> float:
    """Distance over which the backgrounds do not change much [pixels]."""
    size = max(np.diff(fit.levels.grid.edges_y).max(), np.diff(fit.levels.grid.edges_x).max())
    longest = max(fit.levels.grid.box.shape)
    if fit.prior is not None:
        return float(max(size, 0.5 * fit.prior.length))
    return float(longest if fit.series.order == 0 else max(size, longest / (fit.series.order + 1)))


def _result(fit: GlobalFit, index: int, ref: WarpRef, options: GlobalMatchOptions) -> MatchResult:
    """Match of one exposure."""
    name = name_of(ref)
    if [index] in fit.groups:
        message = f"shares fewer than {options.min_cells} cells of good pixels with the others"
        return MatchResult(name, "failed", message=message)
    weights, rest = fit.weights[index], fit.residuals[index]
    used = weights > 0
    if not used.any():
        return MatchResult(name, "failed", message="all its cells disagree with the others")
    total = fit.weights.sum(axis=0)[used]
    share = used.reshape(1, -1) / used.sum()
    squares = _core.normal_matrices(fit.series.cells(), share)[0]
    model = SeriesModel(
        fit.series, -fit.factors[index], used, _reach(fit), ref.box() & fit.levels.grid.box
    )
    mse = float(np.mean(rest[used] ** 2))
    variance = float(np.mean(np.maximum(1.0 / weights[used] - 1.0 / total, 0.0)))
    number = next(k for k, group in enumerate(fit.groups) if index in group)
    several = sum(len(group) > 1 for group in fit.groups) > 1
    return MatchResult(
        name,
        "reference" if index == options.reference else "ok",
        model=None if index == options.reference else model,
        fit_rms=float(np.sqrt(mse)),
        matched_mse=mse,
        diff_variance=variance,
        # Mean of phi C phi over the cells: the sum of C times the mean square of the terms.
        model_variance=float((fit.covariances[index] * squares).sum()),
        message=f"in group {number + 1} of {len(fit.groups)} without overlap" if several else "",
        bin_variance=variance,
        used=float(used.sum() / np.isfinite(fit.levels.values[index]).sum()),
    )


def shared_box(boxes: Sequence[Box]) -> Box:
    """Hull of the boxes that overlap another one; of all, where none does.

    An exposure far away from the others would make their grid coarse.
    """
    parts = [
        box
        for k, box in enumerate(boxes)
        if any(box.overlaps(other) for n, other in enumerate(boxes) if n != k)
    ]
    hull = Box.empty()
    for box in parts or boxes:
        hull = box if hull.is_empty else hull.hull(box)
    return hull


def match_globally(
    refs: Sequence[WarpRef],
    options: GlobalMatchOptions = _DEFAULTS,
    *,
    box: Box | None = None,
    max_memory: int = 2 * 2**30,
    on_step: Callable[[int], None] | None = None,
) -> tuple[list[MatchResult], GlobalFit]:
    """Match the backgrounds of all exposures to one another.

    Parameters
    ----------
    refs : sequence of WarpRef
        Two or more.
    options : GlobalMatchOptions
        Cells, basis, gauge.
    box : Box, optional
        Pixels that count and that get a model; by default all of the exposures that overlap
        another one.
    max_memory : int
        Bytes that may be held while the exposures are read.
    on_step : callable, optional
        Called with the number of pixels of the box that are done.

    Returns
    -------
    list of MatchResult
        One for each exposure, in order.
    GlobalFit
        The fit.

    Raises
    ------
    ShapeError
        The exposures have no pixels.
    NoOverlapError, OptionError, SingularError, ConvergenceError
        As `fit_levels`.
    """
    if box is None:
        box = shared_box([ref.box() for ref in refs])
    if box.is_empty:
        raise ShapeError(f"inputs: got no pixels in {len(refs)} exposures, must have some")
    grid = CellGrid.of(box, options.cell(box.shape))
    levels = measure_levels(
        refs,
        grid,
        options.bad_planes,
        min_fraction=options.min_fraction,
        max_memory=max_memory,
        on_step=on_step,
    )
    inflated = replace(levels, variances=levels.variances * options.variance_inflation)
    fit = fit_levels(inflated, options)

    def result(index: int) -> MatchResult:
        return _result(fit, index, refs[index], options)

    return _with_noise(list(in_turn(range(len(refs)), result, n_workers(len(refs))))), fit


def _with_noise(results: list[MatchResult]) -> list[MatchResult]:
    """Results that know how much noisier than the scatter of pixels the cells of most are."""
    ratios = [result.ratio for result in results if np.isfinite(result.ratio)]
    noise = max(float(np.median(ratios)), 1.0) if ratios else 1.0
    return [replace(result, noise=noise) for result in results]

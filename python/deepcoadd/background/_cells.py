# SPDX-License-Identifier: BSD-3-Clause
"""Grids of cells of which some are bad: filled, and smoothed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._checks import check_positive
from deepcoadd._core import background as _core
from deepcoadd.errors import ShapeError

__all__ = ["fill_cells", "smooth_cells"]

# Standard deviations at which the Gaussian ends.
_REACH = 4.0


def fill_cells(
    values: ArrayLike, bad: ArrayLike | None = None, style: str | None = None
) -> NDArray[np.float64]:
    """Fill the bad cells of a grid.

    Parameters
    ----------
    values : (ny, nx) float64 array
        Cells; NaN is bad.
    bad : (ny, nx) bool array, optional
        Further bad cells.
    style : str, optional
        Curve through the good cells of every row that has some, then through the columns; it goes
        on as a parabola beyond the outermost good cells. Without a style the filled cells are the
        smoothest surface that meets the good ones (each the mean of its neighbours), which never
        leaves their range.

    Returns
    -------
    (ny, nx) float64 array
        NaN only where no cell at all is good.

    Raises
    ------
    ShapeError
        Shapes differ.
    OptionError
        The style is not known.
    """
    grid = np.asarray(values, np.float64)
    flags = np.zeros(grid.shape, bool) if bad is None else np.asarray(bad, bool)
    return _core.fill(grid, flags, style=style)


def smooth_cells(values: ArrayLike, bad: ArrayLike, sigma: float) -> NDArray[np.float64]:
    """Gaussian means over the good cells of a grid.

    Parameters
    ----------
    values : (ny, nx) float64 array
        Cells; NaN is bad.
    bad : (ny, nx) bool array
        Further bad cells.
    sigma : float
        Standard deviation of the Gaussian [cells], which ends at 4 of them; above 0.

    Returns
    -------
    (ny, nx) float64 array
        Bad cells have the mean of the good ones about them; NaN where none is in reach.

    Raises
    ------
    OptionError
        `sigma` is not finite and above 0.
    ShapeError
        The cells are no grid, or shapes differ.
    """
    check_positive("sigma", sigma)
    grid, flags = np.asarray(values, np.float64), np.asarray(bad, bool)
    if grid.ndim != 2 or flags.shape != grid.shape:
        raise ShapeError(f"bad: got {flags.shape}, must be {grid.shape} like the values, (ny, nx)")
    good = ~(flags | np.isnan(grid))
    sums, weights = (_blurred(np.where(good, v, 0.0), sigma) for v in (grid, np.ones(grid.shape)))
    with np.errstate(invalid="ignore"):
        return np.where(weights > 0, sums / weights, np.nan)


def _blurred(grid: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Convolution with a Gaussian of sum 1; there is nothing beyond the grid."""
    for axis in (0, 1):
        n = grid.shape[axis]
        # The sum of the weights, whatever it is, is that of both numerator and denominator.
        reach = min(int(_REACH * sigma + 0.5), n)
        weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weight /= weight.sum()
        offset = np.subtract.outer(np.arange(n), np.arange(n))
        matrix = np.where(
            np.abs(offset) <= reach, weight[np.clip(offset + reach, 0, 2 * reach)], 0.0
        )
        grid = np.moveaxis(np.tensordot(matrix, grid, axes=(1, axis)), 0, axis)
    return grid

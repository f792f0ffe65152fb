# SPDX-License-Identifier: BSD-3-Clause
"""Chebyshev polynomials in two variables fitted to the bins of a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import background as _core
from deepcoadd.background._grid import bin_centers
from deepcoadd.background._least_squares import least_squares
from deepcoadd.background._options import BackgroundOptions
from deepcoadd.errors import ShapeError, SingularError, TooManyMaskedPixelsError
from deepcoadd.geometry import Box

__all__ = ["Polynomial", "chebyshev_terms", "fit_polynomial"]

Floats = NDArray[np.float64]

# A term counts as determined if its part that no other term can replace is this share of it.
_DETERMINED = 1e-10


@dataclass(frozen=True)
class Polynomial:
    """Sum of products of Chebyshev polynomials over a box.

    Attributes
    ----------
    terms : tuple of (int, int)
        Orders (y, x) of the terms, by total order and then falling order of x.
    factors : (p,) float64 array
        Their factors.
    covariance : (p, p) float64 array
        Covariance of the factors: from the errors of the bins in a weighted fit, else from the
        scatter of the bins about the polynomial (NaN if as many terms as bins).
    box : Box
        Pixels between whose outer edges both variables go from -1 to 1.
    """

    terms: tuple[tuple[int, int], ...]
    factors: Floats
    covariance: Floats
    box: Box

    def matrix(self) -> Floats:
        """(ny, nx) float64 array: factor of ``T_j(y) T_i(x)`` at [j, i]."""
        orders = np.array(self.terms)
        out = np.zeros(orders.max(axis=0) + 1)
        out[orders[:, 0], orders[:, 1]] = self.factors
        return out

    def render(self, box: Box, out: NDArray[np.float32], factor: float | None = None) -> None:
        """Write the values at the pixels of a box, or add a multiple of them.

        Parameters
        ----------
        box : Box
            Where `out` lies; it may reach beyond the box of the polynomial.
        out : (h, w) float32 array
            Of the shape of the box; changed.
        factor : float, optional
            What to multiply by before adding to `out`; without it `out` is overwritten.
        """
        (y0, x0), (y, x) = self.box.start, box.start
        first = (float(y - y0), float(x - x0))
        _core.chebyshev(self.matrix(), lengths=self.box.shape, first=first, factor=factor, out=out)

    def _design(self, y: Floats, x: Floats) -> Floats:
        return _design(
            self.terms,
            _basis(np.ravel(y) - self.box.y.start, self.box.y.size, _highest(self.terms, 0)),
            _basis(np.ravel(x) - self.box.x.start, self.box.x.size, _highest(self.terms, 1)),
        )

    def variance(self, y: Floats, x: Floats) -> Floats:
        """Variance of the polynomial at some places, from the covariance of its factors.

        Parameters
        ----------
        y, x : float64 arrays
            Pixels, of one shape.

        Returns
        -------
        float64 array
            Of their shape [square of the unit of the bins].
        """
        design = self._design(np.asarray(y, np.float64), np.asarray(x, np.float64))
        values = np.einsum("ki,ij,kj->k", design, self.covariance, design)
        return np.asarray(values.reshape(np.shape(y)))


def _highest(terms: tuple[tuple[int, int], ...], axis: int) -> int:
    return max(term[axis] for term in terms)


def _scaled(positions: Floats, length: int) -> Floats:
    """Positions from the first pixel of an axis, with -1 and 1 at its outer edges."""
    return np.asarray((positions - 0.5 * (length - 1)) * (2.0 / length))


def _basis(positions: Floats, length: int, order: int) -> Floats:
    """(n, order + 1) Chebyshev polynomials at positions from the first pixel of an axis."""
    return np.asarray(np.polynomial.chebyshev.chebvander(_scaled(positions, length), order))


def _bin_means(length: int, n: int, order: int) -> Floats:
    """(n, order + 1) means of the polynomials over the pixels of the bins of an axis."""
    edges = np.array(_core.edges(length, n))
    every = _basis(np.arange(length, dtype=np.float64), length, order)
    return np.asarray(np.add.reduceat(every, edges[:-1], axis=0) / np.diff(edges)[:, None])


def chebyshev_terms(orders: tuple[int, int], kind: str) -> tuple[tuple[int, int], ...]:
    """Orders (y, x) of the terms."""
    highest = sum(orders) if kind == "tensor" else max(orders)
    return tuple(
        (total - x, x)
        for total in range(highest + 1)
        for x in range(min(total, orders[1]), -1, -1)
        if total - x <= orders[0]
    )


def _design(terms: tuple[tuple[int, int], ...], in_y: Floats, in_x: Floats) -> Floats:
    """(n, p) terms at n places from the polynomials of y and x there."""
    return np.stack([in_y[:, j] * in_x[:, i] for j, i in terms], axis=1)


def fit_polynomial(
    values: NDArray[np.float32],
    variances: NDArray[np.float32] | None,
    box: Box,
    options: BackgroundOptions,
    centers: tuple[Floats, Floats] | None = None,
) -> Polynomial:
    """Polynomial that fits bins best.

    Parameters
    ----------
    values : (ny, nx) float32 array
        Bins; NaN and infinities do not count.
    variances : (ny, nx) float32 array, optional
        Squared errors. In a weighted fit bins whose variance is not finite and above 0 do not
        count.
    box : Box
        Pixels that the bins cover.
    options : BackgroundOptions
        Orders, terms, weights; `undersample_style`: whether orders are lowered until the good
        bins determine all terms.
    centers : ((ny,), (nx,)) float64 arrays, optional
        Where the bins are [pixels, in the frame of the box], if not at the centres of equal bins.

    Returns
    -------
    Polynomial
        Least squares; ``docs/algorithms/background.md``, "Chebyshev polynomials".

    Raises
    ------
    TooManyMaskedPixelsError
        No bin counts.
    SingularError
        The good bins do not determine all terms; the message names those.
    ShapeError
        Numbers of centres and bins differ.
    """
    weights = _weights(values, variances, options)
    rows, columns = np.nonzero(weights)
    if not rows.size:
        raise TooManyMaskedPixelsError("background: no bin has a value and an error above 0")
    root = np.sqrt(weights[rows, columns])
    data = values[rows, columns] * root
    orders = wanted = options.orders
    while True:
        in_y, in_x = _bases(values.shape, box, orders, options, centers)
        terms = chebyshev_terms(orders, options.approx_terms)
        design = _design(terms, in_y[rows], in_x[columns]) * root[:, None]
        enough = len(terms) <= len(data)
        if enough:
            fit = least_squares(design, data, threshold=_DETERMINED)
            if fit.rank == len(terms):
                break
        if not options.reduce:
            raise SingularError(_undetermined(design, terms, wanted))
        orders = (max(min(orders[0], max(orders) - 1), 0), max(min(orders[1], max(orders) - 1), 0))
    covariance = fit.covariance
    if not options.weighting:
        free = len(data) - len(terms)
        residual = data - design @ fit.solution
        covariance = covariance * (residual @ residual / free if free else np.nan)
    return Polynomial(terms, fit.solution, covariance, box)


def _weights(
    values: NDArray[np.float32],
    variances: NDArray[np.float32] | None,
    options: BackgroundOptions,
) -> Floats:
    """(ny, nx) float64: weights of the bins, 0 where they do not count."""
    weights = np.ones(values.shape)
    if options.weighting:
        if variances is None or variances.shape != values.shape:
            shape = None if variances is None else variances.shape
            raise ShapeError(f"variances: got shape {shape}, must be {values.shape} to weight bins")
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = 1.0 / variances.astype(np.float64)
    return np.where(np.isfinite(values) & np.isfinite(weights) & (weights > 0), weights, 0.0)


def _bases(
    shape: tuple[int, ...],
    box: Box,
    orders: tuple[int, int],
    options: BackgroundOptions,
    centers: tuple[Floats, Floats] | None,
) -> tuple[Floats, Floats]:
    """Polynomials of y at the rows of bins, and of x at the columns."""
    ny, nx = shape
    if centers is None and options.bin_averaged:
        return _bin_means(box.y.size, ny, orders[0]), _bin_means(box.x.size, nx, orders[1])
    y, x = bin_centers(box, (ny, nx)) if centers is None else centers
    if (len(y), len(x)) != (ny, nx):
        raise ShapeError(f"centers: got {len(y)} and {len(x)}, must be {ny} and {nx} like the bins")
    return (
        _basis(y - box.y.start, box.y.size, orders[0]),
        _basis(x - box.x.start, box.x.size, orders[1]),
    )


def _undetermined(
    design: Floats, terms: tuple[tuple[int, int], ...], orders: tuple[int, int]
) -> str:
    """Message that names the terms which those before them can replace."""
    free = []
    norm = np.linalg.norm(design, axis=0)
    basis = np.zeros((len(design), 0))
    for k, (j, i) in enumerate(terms):
        left = design[:, k]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        if basis.shape[1] < len(design) and np.linalg.norm(left) > _DETERMINED * norm[k]:
            basis = np.column_stack([basis, left / np.linalg.norm(left)])
        else:
            free.append(f"T{j}(y) T{i}(x)")
    order = str(orders[0]) if orders[0] == orders[1] else f"{orders[0]} (y), {orders[1]} (x)"
    return (
        f"background: {len(design)} good bins determine {basis.shape[1]} of the {len(terms)} "
        f"terms of order {order}, not {', '.join(free)}"
    )

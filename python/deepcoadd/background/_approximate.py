# SPDX-License-Identifier: BSD-3-Clause
"""Chebyshev polynomials fitted to the bins of a background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd.errors import SingularError, TooManyMaskedPixelsError

__all__ = ["chebyshev_fit", "chebyshev_image"]

Floats = NDArray[np.float64]

# Rows of an image that are evaluated at a time: float64 scratch of a few megabytes.
_ROWS = 64


def _basis(positions: Floats, length: int, order: int) -> Floats:
    """(n, order + 1) Chebyshev polynomials at positions from the first pixel of an axis.

    The axis goes from -1 to 1 between the outer edges of its end pixels.
    """
    scaled = (positions - 0.5 * (length - 1)) * (2.0 / length)
    return np.asarray(np.polynomial.chebyshev.chebvander(scaled, order))


def _terms(order: int) -> list[tuple[int, int]]:
    """Degrees (y, x) of the terms of a total degree of `order` at most."""
    return [(total - x, x) for total in range(order + 1) for x in range(total, -1, -1)]


def chebyshev_fit(
    values: NDArray[np.float32],
    weights: Floats | None,
    centers: tuple[Floats, Floats],
    shape: tuple[int, int],
    order: int,
    *,
    reduce: bool,
) -> Floats:
    """Coefficients of the polynomial that fits the bins best.

    Parameters
    ----------
    values : (ny, nx) float32 array
        Bins; NaN does not count.
    weights : (ny, nx) float64 array, optional
        Weights; bins of a weight that is not finite and above 0 do not count. None: all are 1.
    centers : (ny,) and (nx,) float64 arrays
        Bin centres from the first pixel [pixels].
    shape : (int, int)
        Pixels (h, w).
    order : int
        Total degree.
    reduce : bool
        Lower the order until the good bins determine all terms; otherwise raise.

    Returns
    -------
    (order + 1, order + 1) float64 array
        Factor of ``T_j(y) T_i(x)`` at [j, i]; smaller if the order was lowered.

    Raises
    ------
    TooManyMaskedPixelsError
        No bin counts.
    SingularError
        The good bins do not determine all terms.
    """
    good = np.isfinite(values)
    w = np.ones(values.shape) if weights is None else weights
    good &= np.isfinite(w) & (w > 0)
    if not good.any():
        raise TooManyMaskedPixelsError("background: no bin has a value and an error above 0")
    rows, columns = np.nonzero(good)
    root = np.sqrt(w[good])
    wanted = order
    while True:
        vy, vx = (
            _basis(c, n, order)[k] for c, n, k in zip(centers, shape, (rows, columns), strict=True)
        )
        terms = _terms(order)
        design = np.stack([vy[:, j] * vx[:, i] for j, i in terms], axis=1) * root[:, None]
        found: Any = np.linalg.lstsq(design, values[good] * root, rcond=1e-10)
        solution, rank = found[0], found[2]
        if rank == len(terms):
            break
        if not reduce:
            raise SingularError(
                f"background: {rows.size} good bins determine {rank} of the {len(terms)} terms "
                f"of order {wanted}"
            )
        order -= 1
    out = np.zeros((order + 1, order + 1))
    for (j, i), factor in zip(terms, solution, strict=True):
        out[j, i] = factor
    return out


def chebyshev_image(
    factors: Floats, shape: tuple[int, int], first: tuple[int, int], out: NDArray[np.float32]
) -> None:
    """Evaluate a polynomial at every pixel of `out`.

    Parameters
    ----------
    factors : (n, n) float64 array
        From `chebyshev_fit`.
    shape : (int, int)
        Pixels (h, w) that the fit was made on.
    first : (int, int)
        Pixel (y, x) of ``out[0, 0]``, from the first of the fit.
    out : (ny, nx) float32 array
        Written.
    """
    order = len(factors) - 1
    y, x = (
        _basis(np.arange(start, start + n, dtype=np.float64), length, order)
        for start, n, length in zip(first, out.shape, shape, strict=True)
    )
    rows = y @ factors
    for k in range(0, len(rows), _ROWS):
        out[k : k + _ROWS] = rows[k : k + _ROWS] @ x.T

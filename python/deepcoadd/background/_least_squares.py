# SPDX-License-Identifier: BSD-3-Clause
"""Small least-squares problems with rank and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._core import linalg as _core
from deepcoadd.errors import ShapeError

__all__ = ["LEAST_SQUARES_METHODS", "LeastSquaresFit", "least_squares", "normal_equations"]

LEAST_SQUARES_METHODS = ("QR", "DIRECT_SVD", "NORMAL_EIGENSYSTEM", "NORMAL_CHOLESKY")


@dataclass(frozen=True)
class LeastSquaresFit:
    """Solution of a least-squares problem of p terms.

    Attributes
    ----------
    solution : (p,) float64 array
        Factors of the terms; of several solutions the shortest (except by NORMAL_CHOLESKY).
    covariance : (p, p) float64 array
        Covariance of the factors for independent data of unit variance: the pseudo-inverse of the
        normal matrix.
    diagnostic : (p,) float64 array
        What the rank was judged by: the diagonal of R (absolute), singular values, eigenvalues
        (all falling), or the D of L D Lᵀ in the order of the pivots.
    rank : int
        Number of terms that are determined, 0 to p.
    threshold : float
        Share of the largest value below which a value counted as 0.
    """

    solution: NDArray[np.float64]
    covariance: NDArray[np.float64]
    diagnostic: NDArray[np.float64]
    rank: int
    threshold: float


def _column(values: ArrayLike, name: str) -> NDArray[np.float64]:
    column = np.asarray(values, np.float64)
    if column.ndim != 1:
        raise ShapeError(f"{name}: got {column.ndim} dimensions, must have one")
    return column[:, None]


def least_squares(
    design: ArrayLike,
    data: ArrayLike,
    *,
    method: str = "QR",
    threshold: float | None = None,
) -> LeastSquaresFit:
    """Factors that make ``|design @ factors - data|`` least.

    Parameters
    ----------
    design : (n, p) float64 array
        0 < p <= n. Rows times the square root of a weight make a weighted fit.
    data : (n,) float64 array
        What is fitted.
    method : {"QR", "DIRECT_SVD", "NORMAL_EIGENSYSTEM", "NORMAL_CHOLESKY"}
        Factorisation: of the design by QR with column pivoting (of a deficient one by its
        singular values) or by singular values; of the normal matrix by eigenvalues, or by
        L D Lᵀ, which takes the rank to be full.
    threshold : float, optional
        Share of the largest value below which a value counts as 0; by default the spacing of
        float64 (2.2e-16) for DIRECT_SVD, p times that for QR and NORMAL_EIGENSYSTEM.

    Returns
    -------
    LeastSquaresFit
        Solution, covariance and rank; a design of zeros has the solution 0.

    Raises
    ------
    ShapeError
        Dimensions do not fit together, there are no data, or fewer data than terms.
    OptionError
        A number is not finite (so great that its square is not, for methods of the normal
        matrix), the method is unknown, or the threshold is outside [0, 1).

    Notes
    -----
    ``docs/algorithms/background.md``, "Least squares".
    """
    matrix = np.asarray(design, np.float64)
    column = _column(data, "data")
    if matrix.ndim != 2 or len(matrix) != len(column):
        raise ShapeError(
            f"design: got shape {matrix.shape}, must be ({len(column)}, p) like the data"
        )
    return LeastSquaresFit(*_core.least_squares(matrix, column, method=method, threshold=threshold))


def normal_equations(
    fisher: ArrayLike,
    rhs: ArrayLike,
    *,
    method: str = "NORMAL_EIGENSYSTEM",
    threshold: float | None = None,
) -> LeastSquaresFit:
    """Solution of a least-squares problem that is given by its normal equations.

    Parameters
    ----------
    fisher : (p, p) float64 array
        Normal matrix, designᵀ design; symmetric, of which the lower triangle is read.
    rhs : (p,) float64 array
        Right side, designᵀ data.
    method : {"NORMAL_EIGENSYSTEM", "NORMAL_CHOLESKY"}
        See `least_squares`; QR and DIRECT_SVD need the design.
    threshold : float, optional
        As there.

    Returns
    -------
    LeastSquaresFit
        Solution, covariance and rank.

    Raises
    ------
    ShapeError
        Dimensions do not fit together.
    OptionError
        A number is not finite, or the method is not one of the two.
    """
    matrix = np.asarray(fisher, np.float64)
    column = _column(rhs, "rhs")
    if matrix.shape != (len(column), len(column)):
        raise ShapeError(
            f"fisher: got shape {matrix.shape}, must be {(len(column), len(column))} like the rhs"
        )
    return LeastSquaresFit(
        *_core.normal_equations(matrix, column, method=method, threshold=threshold)
    )

# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "evidence",
    "least_squares",
    "normal_equations",
    "normal_matrices",
    "positive_inverse",
    "reduced_sums",
]

_Floats = NDArray[np.float64]
_Parts = tuple[_Floats, _Floats, _Floats, int, float]

def evidence(
    matrix: _Floats,
    vector: _Floats,
    square: float,
    variances: _Floats,
    strengths: list[float],
    *,
    least_share: float,
) -> tuple[_Floats, _Floats]: ...
def least_squares(
    design: _Floats, data: _Floats, *, method: str, threshold: float | None
) -> _Parts: ...
def normal_equations(
    fisher: _Floats, rhs: _Floats, *, method: str, threshold: float | None
) -> _Parts: ...
def normal_matrices(design: _Floats, weights: _Floats) -> _Floats: ...
def positive_inverse(matrix: _Floats) -> tuple[_Floats, _Floats]: ...
def reduced_sums(design: _Floats, data: _Floats, n_free: int) -> tuple[_Floats, _Floats, float]: ...

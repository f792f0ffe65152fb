# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds measured in bins, and the least squares that fit them."""

from deepcoadd.background._least_squares import (
    LEAST_SQUARES_METHODS,
    LeastSquaresFit,
    least_squares,
    normal_equations,
)
from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import INTERPOLATIONS, TASK_BACKGROUND, BackgroundOptions

__all__ = [
    "INTERPOLATIONS",
    "LEAST_SQUARES_METHODS",
    "TASK_BACKGROUND",
    "BackgroundModel",
    "BackgroundOptions",
    "LeastSquaresFit",
    "fit_background",
    "least_squares",
    "normal_equations",
]

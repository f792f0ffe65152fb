# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of images: statistics of bins, and the smooth image that interpolates them."""

from deepcoadd.background._approximate import Polynomial, fit_polynomial
from deepcoadd.background._bin_image import bin_image
from deepcoadd.background._cells import fill_cells, smooth_cells
from deepcoadd.background._curves import interpolate_nodes
from deepcoadd.background._grid import UNDERSAMPLE_STYLES, Grid, bin_centers, choose_grid
from deepcoadd.background._least_squares import (
    LEAST_SQUARES_METHODS,
    LeastSquaresFit,
    least_squares,
    normal_equations,
)
from deepcoadd.background._list import BackgroundItem, BackgroundList
from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import INTERPOLATIONS, TASK_BACKGROUND, BackgroundOptions

__all__ = [
    "INTERPOLATIONS",
    "LEAST_SQUARES_METHODS",
    "TASK_BACKGROUND",
    "UNDERSAMPLE_STYLES",
    "BackgroundItem",
    "BackgroundList",
    "BackgroundModel",
    "BackgroundOptions",
    "Grid",
    "LeastSquaresFit",
    "Polynomial",
    "bin_centers",
    "bin_image",
    "choose_grid",
    "fill_cells",
    "fit_background",
    "fit_polynomial",
    "interpolate_nodes",
    "least_squares",
    "normal_equations",
    "smooth_cells",
]

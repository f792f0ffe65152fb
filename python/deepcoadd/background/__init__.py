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
from deepcoadd.background._sky_build import (
    SkyFrameBuilder,
    VisitSky,
    frame_of_wcs,
    measure_visit_sky,
    without_background,
)
from deepcoadd.background._sky_frame import (
    average_sky_bins,
    background_to_exposure,
    exposure_to_background,
    measure_sky_bins,
)
from deepcoadd.background._sky_options import SKY_BACKGROUND, TASK_SKY, SkyOptions
from deepcoadd.background._sky_scale import (
    SkySamples,
    SkyScale,
    sample_sky,
    solve_sky_scale,
    subtract_sky_frame,
)
from deepcoadd.background._superpixels import (
    AffineTransform,
    CallableTransform,
    FrameTransform,
    SuperpixelBackground,
    SuperpixelOptions,
)

__all__ = [
    "INTERPOLATIONS",
    "LEAST_SQUARES_METHODS",
    "SKY_BACKGROUND",
    "TASK_BACKGROUND",
    "TASK_SKY",
    "UNDERSAMPLE_STYLES",
    "AffineTransform",
    "BackgroundItem",
    "BackgroundList",
    "BackgroundModel",
    "BackgroundOptions",
    "CallableTransform",
    "FrameTransform",
    "Grid",
    "LeastSquaresFit",
    "Polynomial",
    "SkyFrameBuilder",
    "SkyOptions",
    "SkySamples",
    "SkyScale",
    "SuperpixelBackground",
    "SuperpixelOptions",
    "VisitSky",
    "average_sky_bins",
    "background_to_exposure",
    "bin_centers",
    "bin_image",
    "choose_grid",
    "exposure_to_background",
    "fill_cells",
    "fit_background",
    "fit_polynomial",
    "frame_of_wcs",
    "interpolate_nodes",
    "least_squares",
    "measure_sky_bins",
    "measure_visit_sky",
    "normal_equations",
    "sample_sky",
    "smooth_cells",
    "solve_sky_scale",
    "subtract_sky_frame",
    "without_background",
]

# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of images: bins and the smooth image through them, and backgrounds that match."""

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
from deepcoadd.background._match import MATCH_MODES, BackgroundMatch, match_backgrounds
from deepcoadd.background._match_accept import (
    AcceptOptions,
    accept_match,
    match_cards,
    matched_weight,
)
from deepcoadd.background._match_cells import CellGrid, CellLevels, measure_levels
from deepcoadd.background._match_classic import ClassicModel, match_to_reference
from deepcoadd.background._match_global import GlobalFit, fit_levels, match_globally, shared_box
from deepcoadd.background._match_options import (
    TASK_MATCH,
    ClassicMatchOptions,
    GlobalMatchOptions,
    TractMatchOptions,
)
from deepcoadd.background._match_reference import (
    ReferenceTerms,
    reference_costs,
    reference_terms,
    select_reference,
)
from deepcoadd.background._match_result import UNMATCHED, MatchedRef, MatchResult, apply_match
from deepcoadd.background._match_tract import TractModel, match_tract
from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import INTERPOLATIONS, TASK_BACKGROUND, BackgroundOptions
from deepcoadd.background._sky_build import SkyFrameBuilder, frame_of_wcs
from deepcoadd.background._sky_frame import (
    average_sky_bins,
    background_to_exposure,
    exposure_to_background,
    measure_sky_bins,
)
from deepcoadd.background._sky_means import through_means
from deepcoadd.background._sky_options import SKY_BACKGROUND, TASK_SKY, SkyOptions
from deepcoadd.background._sky_scale import (
    SkySamples,
    SkyScale,
    sample_sky,
    solve_sky_scale,
    subtract_sky_frame,
)
from deepcoadd.background._sky_visit import (
    VisitSky,
    mask_visit_objects,
    measure_visit_sky,
    without_background,
)
from deepcoadd.background._superpixels import (
    AffineTransform,
    CallableTransform,
    FrameTransform,
    SuperpixelBackground,
    SuperpixelOptions,
)
from deepcoadd.background._visit_background import (
    VisitBackground,
    VisitBackgroundOptions,
    VisitBins,
    fit_visit_background,
)

__all__ = [
    "INTERPOLATIONS",
    "LEAST_SQUARES_METHODS",
    "MATCH_MODES",
    "SKY_BACKGROUND",
    "TASK_BACKGROUND",
    "TASK_MATCH",
    "TASK_SKY",
    "UNDERSAMPLE_STYLES",
    "UNMATCHED",
    "AcceptOptions",
    "AffineTransform",
    "BackgroundItem",
    "BackgroundList",
    "BackgroundMatch",
    "BackgroundModel",
    "BackgroundOptions",
    "CallableTransform",
    "CellGrid",
    "CellLevels",
    "ClassicMatchOptions",
    "ClassicModel",
    "FrameTransform",
    "GlobalFit",
    "GlobalMatchOptions",
    "Grid",
    "LeastSquaresFit",
    "MatchResult",
    "MatchedRef",
    "Polynomial",
    "ReferenceTerms",
    "SkyFrameBuilder",
    "SkyOptions",
    "SkySamples",
    "SkyScale",
    "SuperpixelBackground",
    "SuperpixelOptions",
    "TractMatchOptions",
    "TractModel",
    "VisitBackground",
    "VisitBackgroundOptions",
    "VisitBins",
    "VisitSky",
    "accept_match",
    "apply_match",
    "average_sky_bins",
    "background_to_exposure",
    "bin_centers",
    "bin_image",
    "choose_grid",
    "exposure_to_background",
    "fill_cells",
    "fit_background",
    "fit_levels",
    "fit_polynomial",
    "fit_visit_background",
    "frame_of_wcs",
    "interpolate_nodes",
    "least_squares",
    "mask_visit_objects",
    "match_backgrounds",
    "match_cards",
    "match_globally",
    "match_to_reference",
    "match_tract",
    "matched_weight",
    "measure_levels",
    "measure_sky_bins",
    "measure_visit_sky",
    "normal_equations",
    "reference_costs",
    "reference_terms",
    "sample_sky",
    "select_reference",
    "shared_box",
    "smooth_cells",
    "solve_sky_scale",
    "subtract_sky_frame",
    "through_means",
    "without_background",
]

# SPDX-License-Identifier: BSD-3-Clause
"""Requests to backgrounds, sky frames and matches that make no sense are named, not carried out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    AffineTransform,
    BackgroundOptions,
    CallableTransform,
    ClassicMatchOptions,
    GlobalMatchOptions,
    SkyOptions,
    SkySamples,
    SuperpixelBackground,
    SuperpixelOptions,
    TractMatchOptions,
    VisitBackgroundOptions,
    bin_image,
    choose_grid,
    fit_background,
    match_backgrounds,
    smooth_cells,
    solve_sky_scale,
    subtract_sky_frame,
)
from deepcoadd.errors import DeepcoaddError, MaskPlaneError, OptionError, ShapeError

PIXELS = MaskedImage.from_arrays(np.ones((40, 30)), None, 1.0)
MODEL = fit_background(PIXELS)
WHERE = AffineTransform(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
SUPERPIXELS = SuperpixelOptions(y_size=20.0, x_size=20.0)


def nowhere(y: Any, x: Any) -> Any:
    return y * np.nan, x * np.nan


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (BackgroundOptions, "bin_size", 3.5),
        (BackgroundOptions, "n_iter", "three"),
        (BackgroundOptions, "approx_order", math.nan),
        (BackgroundOptions, "edge_reach", math.nan),
        (BackgroundOptions, "sigma_clip", "3"),
        (BackgroundOptions, "ignored_planes", "BAD"),
        (SkyOptions, "x_samples", 4.0),
        (SkyOptions, "reject", math.inf),
        (SkyOptions, "ignored_planes", "SAT"),
        (ClassicMatchOptions, "bin_size", 20.5),
        (ClassicMatchOptions, "weight_level", math.nan),
        (ClassicMatchOptions, "bad_planes", "NO_DATA"),
        (GlobalMatchOptions, "order", 1.5),
        (GlobalMatchOptions, "n_rounds", True),
        (GlobalMatchOptions, "ridge", math.inf),
        (GlobalMatchOptions, "bad_planes", ("BAD", 3)),
        (TractMatchOptions, "cell_size", 64.5),
        (TractMatchOptions, "bad_planes", "EDGE"),
        (VisitBackgroundOptions, "n_iter", 2.5),
        (VisitBackgroundOptions, "clip_positive", "50"),
    ],
)
def test_options_of_a_wrong_kind(options: Any, name: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"^{name}: got") as found:
        options(**{name: value})
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (lambda: choose_grid((10, 10), (0, 2)), OptionError, "bin_size: got 0"),
        (lambda: choose_grid((0, 10), (2, 2)), OptionError, "shape: got 0"),
        (lambda: choose_grid((9, 9), (2, 2), undersample_style="X"), OptionError, "undersample"),
        (lambda: bin_image(PIXELS, (-1, 2)), OptionError, "block: got -1"),
        (lambda: bin_image(PIXELS, 4), OptionError, "block: got 4"),  # type: ignore[arg-type]
        (lambda: bin_image(PIXELS, (2, 2), ignore="BAD"), MaskPlaneError, "got 'BAD'"),
        (lambda: smooth_cells(np.ones((2, 2)), np.ones((3, 3)), 1.0), ShapeError, "bad: got"),
        (lambda: smooth_cells(np.ones(3), np.zeros(3), 1.0), ShapeError, "bad: got"),
        (lambda: MODEL.scaled_by(math.nan), OptionError, "factor: got nan"),
        (lambda: subtract_sky_frame(PIXELS.copy(), MODEL, 1e300), OptionError, "scale: got 1e"),
        (lambda: match_backgrounds([PIXELS] * 2, reference=0.5), OptionError, "reference: got"),  # type: ignore[arg-type]
    ],
)
def test_arguments_out_of_range(
    request_: Callable[[], object], error: type[DeepcoaddError], words: str
) -> None:
    with pytest.raises(error, match=words):
        request_()


def test_an_image_stays_as_it_is_where_a_factor_is_not_a_number() -> None:
    image = PIXELS.copy().image
    with pytest.raises(OptionError, match="factor: got nan"):
        MODEL.add_to(image, math.nan)
    np.testing.assert_array_equal(image.array, 1.0)


def test_a_gaussian_wider_than_the_grid_is_the_mean_of_all() -> None:
    np.testing.assert_allclose(smooth_cells([[2.0, 1.0]], [[0, 0]], 1e9), 1.5)


@pytest.mark.parametrize("name", ["variance", "sky_variance", "y", "x"])
def test_samples_of_unequal_numbers(name: str) -> None:
    parts: dict[str, Any] = {key: np.ones(5) for key in ("variance", "sky_variance", "y", "x")}
    samples = SkySamples(np.arange(5.0), np.arange(5.0) ** 2, **{**parts, name: np.ones(4)})
    with pytest.raises(ShapeError, match=f"detector 0 has .* of {name}"):
        solve_sky_scale([samples], SkyOptions(nuisance="plane"))


def test_transforms_that_lead_nowhere() -> None:
    grid = SuperpixelBackground.covering([(PIXELS.box, WHERE)], SUPERPIXELS)
    grid.add(PIXELS, CallableTransform(nowhere, nowhere))
    assert not grid.numbers.any()
    grid.add(PIXELS, WHERE)
    assert grid.numbers.sum() > 0
    with pytest.raises(OptionError, match="corners"):
        SuperpixelBackground.covering(
            [(PIXELS.box, CallableTransform(nowhere, nowhere))], SUPERPIXELS
        )
    far = AffineTransform(((1e9, 0.0, 0.0), (0.0, 1e9, 0.0)))
    with pytest.raises(OptionError, match="superpixels"):
        SuperpixelBackground.covering([(PIXELS.box, far)], SUPERPIXELS)
    for shape in ((3, 3), (3,)):
        with pytest.raises(ShapeError, match="statistics: got"):
            grid.background(Box.from_shape((10, 10)), WHERE, np.ones(shape))

# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of images whose bins and curves are known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.background import BackgroundOptions, fit_background, interpolate_nodes
from deepcoadd.errors import OptionError


def bins(shape: tuple[int, int], ny: int, nx: int, **more: Any) -> BackgroundOptions:
    """Options that divide an image into a number of bins."""
    return BackgroundOptions(bin_size_y=-(-shape[0] // ny), bin_size_x=-(-shape[1] // nx), **more)


def test_a_steep_ramp_to_a_millionth() -> None:
    y, x = np.indices((512, 512))
    ramp = 1e4 + 0.1 * x + 0.2 * y
    options = bins(ramp.shape, 6, 6, sigma_clip=20.0, n_iter=1, algorithm="CUBIC_SPLINE")
    model = fit_background(MaskedImage.from_arrays(ramp, None, 1.0), options)
    assert model.values.shape == (6, 6)
    np.testing.assert_allclose(model.image().array, ramp, rtol=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "at_centres", "anywhere"),
    [("AKIMA_SPLINE", 5e-4, 1.1e-3), ("CUBIC_SPLINE", 8e-4, 0.046), ("LINEAR", 2.6e-3, 0.064)],
)
def test_a_paraboloid_is_higher_by_the_bias_of_bins(
    algorithm: str, at_centres: float, anywhere: float
) -> None:
    y, x = np.indices((512, 512)).astype(float)
    truth = 100 + 0.01 * x + 0.02 * y + 1e-4 * (x**2 + y**2)
    options = bins(truth.shape, 24, 24, statistic="MEAN", algorithm=algorithm)
    model = fit_background(MaskedImage.from_arrays(truth, None, 1.0), options)
    ny, nx = model.values.shape
    bias = sum(1e-4 * ((512 / n) ** 2 - 1) / 12 for n in (ny, nx))
    rest = np.abs(model.image().array - truth - bias)
    rows, columns = (np.round(centres).astype(int) for centres in model.centers())
    # Bins of 21 and of 22 pixels have biases that differ by 4e-4; the last digits were rounded.
    assert rest[np.ix_(rows, columns)].max() < 1.1 * at_centres
    assert rest.max() < 1.1 * anywhere


def test_places_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(100, 10, (70, 50)).astype(np.float32)
    made = [
        fit_background(
            MaskedImage.from_arrays(image, None, 1.0, start=start), BackgroundOptions(bin_size=11)
        )
        for start in ((0, 0), (-300, 90001))
    ]
    for planes in zip(*((m.values, m.variances, m.image().array) for m in made), strict=True):
        np.testing.assert_array_equal(*planes)


def test_one_bin_is_the_mean_of_a_ramp() -> None:
    y, x = np.indices((40, 30))
    ramp = 3.0 + x + 2.0 * y
    options = bins(ramp.shape, 1, 1, algorithm="CONSTANT", statistic="MEAN")
    image = fit_background(MaskedImage.from_arrays(ramp, None, 1.0), options).image().array
    np.testing.assert_array_equal(image, np.float32(ramp.mean()))


def test_two_bins_an_axis_are_joined_by_lines() -> None:
    rng = np.random.default_rng(4)
    pixels = MaskedImage.from_arrays(rng.normal(5, 1, (40, 40)), None, 1.0)
    images = [
        fit_background(pixels, bins((40, 40), 2, 2, algorithm=name)).image().array
        for name in ("CUBIC_SPLINE", "LINEAR")
    ]
    np.testing.assert_array_equal(*images)
    strict = bins((40, 40), 2, 2, algorithm="CUBIC_SPLINE", undersample_style="THROW_EXCEPTION")
    with pytest.raises(OptionError, match="at least 3"):
        fit_background(pixels, strict).image()


def test_a_corner_without_data_under_a_ramp() -> None:
    ramp = 1.0 + 2.0 * np.repeat(np.arange(9.0)[:, None], 15, axis=1)
    image = ramp.copy()
    image[:3, :3] = np.nan
    pixels = MaskedImage.from_arrays(image, None, 1.0)
    options = bins(image.shape, 3, 5, algorithm="NATURAL_SPLINE")
    np.testing.assert_array_equal(fit_background(pixels, options).image().array, ramp)
    strict = bins(
        image.shape, 3, 5, algorithm="NATURAL_SPLINE", undersample_style="THROW_EXCEPTION"
    )
    with pytest.raises(OptionError, match="good bins of a line: got 2, must be at least 3"):
        fit_background(pixels, strict).image()


@pytest.mark.parametrize("good", [True, False])
def test_one_good_pixel_or_none(good: bool) -> None:
    image = np.full((170, 190), np.nan)
    if good:
        image[33, 150] = 7.0
    pixels = MaskedImage.from_arrays(image, None, 1.0)
    model = fit_background(pixels, bins(image.shape, 17, 17), allow_empty=True)
    assert np.isfinite(model.values).sum() == good
    np.testing.assert_array_equal(model.image().array, 7.0 if good else np.nan)


NODES = ([0, 1, 2, 3, 4, 5], [0, 0, 1, 0, 2, 3])
PLACES = [-1, -0.5, 0.5, 1.5, 2.5, 3.25, 4.5, 5, 5.5, 6]


@pytest.mark.parametrize(
    ("style", "values"),
    [
        (
            "AKIMA_SPLINE",
            [7 / 6, 5 / 12, -5 / 48, 23 / 48, 0.4375, 0.39453125, 2.59375, 3, 3.0625, 2.75],
        ),
        (
            "NATURAL_SPLINE",
            [
                9 / 19,
                9 / 38,
                -27 / 152,
                25 / 38,
                8 / 19,
                317 / 1216,
                205 / 76,
                3,
                123 / 38,
                66 / 19,
            ],
        ),
        ("LINEAR", [0, 0, 0, 0.5, 0.5, 0.5, 2.5, 3, 3.5, 4]),
        ("CONSTANT", [0, 0, 0, 1, 0, 0, 3, 3, 3, 3]),
    ],
)
def test_curves_through_six_nodes(style: str, values: list[float]) -> None:
    np.testing.assert_allclose(interpolate_nodes(*NODES, PLACES, style), values, atol=1e-14)


@pytest.mark.parametrize(
    ("style", "outside", "inside"), [("NATURAL_SPLINE", 1.835, 0.847), ("LINEAR", 1.581, 0.707)]
)
def test_noise_grows_beyond_the_outermost_node(style: str, outside: float, inside: float) -> None:
    """Half a bin beyond and before the last of eight nodes with noise of 1."""
    shares = np.array([interpolate_nodes(range(8), one, [7.5, 6.5], style) for one in np.eye(8)])
    np.testing.assert_allclose(np.linalg.norm(shares, axis=0), (outside, inside), atol=1e-3)

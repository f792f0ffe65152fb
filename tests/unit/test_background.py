# SPDX-License-Identifier: BSD-3-Clause
"""Bins, curves and polynomials of backgrounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import Box, MaskedImage
from deepcoadd.background import BackgroundModel, BackgroundOptions, fit_background
from deepcoadd.errors import OptionError, ShapeError, SingularError, TooManyMaskedPixelsError

CURVES = ("CONSTANT", "LINEAR", "NATURAL_SPLINE", "CUBIC_SPLINE", "AKIMA_SPLINE")


def plane(shape: tuple[int, int], slope_y: float = 0.0, slope_x: float = 0.0) -> MaskedImage:
    y, x = np.indices(shape)
    image = 50.0 + slope_y * y + slope_x * x
    return MaskedImage.from_arrays(image, None, 1.0, start=(-7, 1000))


@pytest.mark.parametrize("algorithm", CURVES)
def test_a_constant_is_itself(algorithm: str):
    options = BackgroundOptions(bin_size=16, algorithm=algorithm)
    model = fit_background(plane((90, 120)), options)
    assert model.values.shape == (6, 8)
    image = model.image()
    assert image.box == Box.from_shape((90, 120), start=(-7, 1000))
    np.testing.assert_array_equal(image.array, 50.0)


@pytest.mark.parametrize("algorithm", CURVES[1:])
def test_a_plane_is_itself_beyond_the_outermost_bins(algorithm: str):
    pixels = plane((80, 96), 0.25, -0.5)
    options = BackgroundOptions(bin_size=16, algorithm=algorithm, statistic="MEAN")
    # Rounding of float32 bins of up to 120, carried half a bin outwards.
    np.testing.assert_allclose(
        fit_background(pixels, options).image().array, pixels.image.array, atol=5e-5
    )


def test_a_part_is_a_cut_of_the_whole():
    rng = np.random.default_rng(3)
    pixels = MaskedImage.from_arrays(rng.normal(size=(70, 90)), None, 1.0, start=(5, -9))
    box = Box.from_shape((21, 33), start=(30, 4))
    for options in (
        BackgroundOptions(bin_size=12),
        BackgroundOptions(bin_size=12, use_approx=True, approx_order=3),
    ):
        model = fit_background(pixels, options)
        cut = model.image()[box].array
        np.testing.assert_allclose(model.image(box).array, cut, rtol=0, atol=2.4e-7)
    with pytest.raises(ShapeError, match="box: got"):
        model.image(box.shifted_by(x=80))


def test_bad_pixels_do_not_count():
    pixels = plane((64, 64))
    pixels.image.array[3, 3] = np.nan
    pixels.image.array[40, 40:44] = 1e6
    pixels.mask.set("DETECTED", (slice(40, 41), slice(40, 44)))
    np.testing.assert_array_equal(
        fit_background(pixels, BackgroundOptions(bin_size=8)).image().array, 50.0
    )


def test_a_bin_without_pixels_is_bridged():
    pixels = plane((60, 60), 1.0, 2.0)
    pixels.mask.set("BAD", (slice(12, 24), slice(12, 24)))
    model = fit_background(pixels, BackgroundOptions(bin_size=12, statistic="MEAN"))
    assert np.argwhere(np.isnan(model.values)).tolist() == [[1, 1]]
    np.testing.assert_allclose(model.image().array, pixels.image.array, atol=2e-4)
    strict = replace(model.options, undersample_style="THROW_EXCEPTION")
    with pytest.raises(OptionError, match=r"good bins of a line: got 4, must be at least 5"):
        replace(model, options=strict).image()


def test_no_good_pixel_is_an_error():
    pixels = plane((30, 30))
    pixels.mask.set("NO_DATA", (slice(None), slice(None)))
    with pytest.raises(TooManyMaskedPixelsError, match="none of 900 pixels is good"):
        fit_background(pixels)
    with pytest.raises(ShapeError, match="no pixels"):
        fit_background(plane((0, 0)))


def test_grids_of_one_bin_are_constant():
    for options in (BackgroundOptions(), BackgroundOptions(use_approx=True, weighting=False)):
        model = fit_background(plane((20, 90)), options)
        assert model.values.shape == (1, 1)
        np.testing.assert_array_equal(model.image().array, 50.0)


def test_polynomials_recover_a_parabola():
    y, x = np.indices((100, 130))
    truth = 20.0 + 0.1 * x - 0.2 * y + 1e-3 * x * y - 5e-4 * x**2
    options = BackgroundOptions(
        bin_size=10, use_approx=True, approx_order=2, weighting=False, statistic="MEAN"
    )
    model = fit_background(MaskedImage.from_arrays(truth, None, 1.0), options)
    # The mean over a bin of 10 pixels lies 5e-4 * 99 / 12 above the value at its centre.
    bias = -5e-4 * 99 / 12
    np.testing.assert_allclose(model.image().array, truth + bias, atol=2e-5)


def test_polynomials_the_bins_do_not_determine():
    pixels = plane((40, 400), 0.0, 0.3)
    strict = BackgroundOptions(
        bin_size=40,
        use_approx=True,
        approx_order=2,
        undersample_style="THROW_EXCEPTION",
        weighting=False,
    )
    with pytest.raises(SingularError, match="10 good bins determine 3 of the 6 terms of order 2"):
        fit_background(pixels, strict).image()
    values = np.full((3, 3), np.nan, np.float32)
    values[1] = [1.0, 2.0, 3.0]
    box = Box.from_shape((30, 30))
    lenient = BackgroundOptions(use_approx=True, weighting=False)
    image = BackgroundModel(values, values, box, lenient).image().array
    np.testing.assert_allclose(image, 2.0, atol=1e-6)
    with pytest.raises(TooManyMaskedPixelsError, match="no bin"):
        BackgroundModel(values, 0 * values, box, BackgroundOptions(use_approx=True)).image()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("statistic", "MODE"),
        ("algorithm", "AKIMA_SPLINE_PERIODIC"),
        ("undersample_style", "INCREASE_NXNYSAMPLE"),
        ("bin_size", 0),
        ("bin_size_x", -1),
        ("approx_order", -1),
    ],
)
def test_wrong_options_are_named(name: str, value: object):
    with pytest.raises(OptionError, match=f"^{name}: got {value!r}"):
        BackgroundOptions(**{name: value})


def test_bins_of_each_axis():
    assert BackgroundOptions(bin_size=32).bins((120, 140)) == (4, 5)
    assert BackgroundOptions(bin_size=32, bin_size_x=7, bin_size_y=121).bins((120, 140)) == (1, 20)
    edges = fit_background(plane((99, 10)), BackgroundOptions(bin_size=10)).centers()[0]
    assert math.isclose(edges[0], -7 + 4.5)
    assert len(edges) == 10

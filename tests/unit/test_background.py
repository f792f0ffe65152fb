# SPDX-License-Identifier: BSD-3-Clause
"""Bins, curves and polynomials of backgrounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import Box, Image, MaskedImage
from deepcoadd.background import BackgroundModel, BackgroundOptions, fit_background, fit_polynomial
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
        np.testing.assert_allclose(model.image(box).array, cut, rtol=0, atol=0)
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
    with pytest.raises(OptionError, match=r"approx_order: got 2, must be below .* 1 x 10"):
        fit_background(pixels, strict)
    line = BackgroundModel(np.ones((1, 10), np.float32), None, pixels.box, strict)
    with pytest.raises(SingularError, match=r"10 good bins .* 3 of the 6 terms .* not T1\(y\) T0"):
        line.image()
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
        ("undersample_style", "INCREASE"),
        ("edge", "flat"),
        ("edge_reach", math.nan),
        ("approx_terms", "all"),
        ("approx_order_y", -2),
        ("sigma_clip", 0.0),
        ("n_iter", 0),
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


def random_model(**options: object) -> BackgroundModel:
    rng = np.random.default_rng(8)
    pixels = MaskedImage.from_arrays(rng.normal(9, 3, (70, 90)), None, 1.0, start=(5, -9))
    return fit_background(pixels, BackgroundOptions(bin_size=12, **options))


@pytest.mark.parametrize("approx", [False, True])
def test_adding_and_subtracting_need_no_image(approx: bool):
    model = random_model(use_approx=approx, approx_order=3)
    box = Box.from_shape((40, 33), start=(20, 4))
    before = np.random.default_rng(1).normal(size=box.shape).astype(np.float32)
    image = Image(before.copy(), box)
    rendered = model.image(box).array
    model.add_to(image, 0.7)
    np.testing.assert_array_equal(image.array, before + np.float32(0.7) * rendered)
    columns = Image(np.asfortranarray(before), box)
    model.subtract_from(columns)
    np.testing.assert_array_equal(columns.array, before - rendered)
    with pytest.raises(ShapeError, match="must be inside"):
        model.add_to(Image(before, box.shifted_by(y=60)))


def test_edges_of_an_image():
    values = np.tile(np.arange(6, dtype=np.float32) ** 2, (6, 1))
    box = Box.from_shape((60, 60))
    ends = {}
    for edge in ("quadratic", "linear", "constant"):
        model = BackgroundModel(values, values, box, BackgroundOptions(edge=edge))
        ends[edge] = model.image().array[30, -1]
        near = replace(model, options=replace(model.options, edge_reach=0.0))
        assert near.image().array[30, -1] == 25
    # Half a bin beyond the last of the bins k**2 slope and curvature are 10 and 2 a bin.
    want = {"quadratic": 25 + 4.5 + 0.2025, "linear": 25 + 4.5, "constant": 25}
    for edge, value in want.items():
        assert math.isclose(ends[edge], value, rel_tol=1e-6)


def test_empty_bins_are_filled_within_the_range():
    model = random_model()
    values = model.values.copy()
    values[:, :5] = np.nan
    filled = replace(model, values=values).filled()
    assert np.nanmin(values) <= filled.values.min() <= filled.values.max() <= np.nanmax(values)
    np.testing.assert_array_equal(filled.values[:, 5:], values[:, 5:])
    assert np.isnan(filled.variances[:, :5]).all()


def test_errors_of_polynomials_follow_from_those_of_the_bins():
    rng = np.random.default_rng(2)
    box = Box.from_shape((80, 100), start=(3, 4))
    sigma = rng.uniform(0.5, 2.0, (8, 10))
    y, x = np.array([3.0, 44.0]), np.array([90.0, 50.0])
    values, predicted = [], None
    options = BackgroundOptions(use_approx=True, approx_order=2)
    for _ in range(400):
        noisy = rng.normal(0, sigma).astype(np.float32)
        fit = fit_polynomial(noisy, (sigma**2).astype(np.float32), box, options)
        out = Image(np.empty(box.shape, np.float32), box)
        fit.render(box, out.array)
        values.append([out[Box.from_shape((1, 1), start=(3, 90))].array.item(), out.array[41, 46]])
        predicted = fit.variance(y, x)
    # The scatter of 400 values is known to 1 / sqrt(800): 5 of these.
    np.testing.assert_allclose(np.std(values, axis=0), np.sqrt(predicted), rtol=5 / math.sqrt(800))


def test_bin_averages_remove_the_bias_of_bins():
    y, x = np.indices((100, 130))
    truth = 20.0 + 0.1 * x - 0.2 * y + 1e-3 * x * y - 5e-4 * x**2
    options = BackgroundOptions(
        bin_size=10,
        use_approx=True,
        approx_order=2,
        weighting=False,
        statistic="MEAN",
        bin_averaged=True,
    )
    model = fit_background(MaskedImage.from_arrays(truth, None, 1.0), options)
    np.testing.assert_allclose(model.image().array, truth, atol=1e-5)


def test_orders_and_terms():
    model = random_model(use_approx=True, approx_order=3, approx_order_y=1)
    assert max(model.polynomial().terms) == (1, 2)
    assert len(model.polynomial().terms) == 7
    tensor = replace(model, options=replace(model.options, approx_terms="tensor"))
    assert len(tensor.polynomial().terms) == 8


def test_smaller_bins_for_a_polynomial():
    options = BackgroundOptions(
        bin_size=64, use_approx=True, approx_order=4, undersample_style="INCREASE_NXNYSAMPLE"
    )
    assert options.bins((128, 200)) == (5, 7)
    assert options.bins((400, 500)) == (7, 8)
    with pytest.raises(OptionError, match="approx_order: got 4, must be at most 3"):
        options.bins((3, 200))
    nearest = BackgroundOptions(bin_size=32, nearest_bins=True)
    assert nearest.bins((79, 80)) == (2, 3)
    assert nearest.bins((5, 33)) == (1, 1)

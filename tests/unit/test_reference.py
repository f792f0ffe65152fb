# SPDX-License-Identifier: BSD-3-Clause
"""The slow references hold the tabulated cases of clipped means and of the coadd's mask."""

import math

import numpy as np
import pytest

from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes
from deepcoadd.testing.reference import (
    CoaddRules,
    clipped_mean,
    coadd,
    conformed,
    quantile,
    weighted_mean,
)

_TEN = [10, 10.1, 9.9, 10.05, 9.95, 10.2, 30, -20]


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [([1, 2, 3, 2], 0.5, 2), (range(10), 0.5, 4.5), (range(11), 0.5, 5), ([7], 0.25, 7),
     ([0, 1], 0.75, 0.75), ([1, 2, 2, 3, 8], 0.25, 2)],
)  # fmt: skip
def test_quantile_is_linear_between_order_statistics(values, fraction, expected):
    assert quantile(list(values), fraction) == expected


def test_nothing_has_no_statistics():
    assert math.isnan(quantile([], 0.5))
    assert all(math.isnan(value) for value in weighted_mean([]))
    assert math.isnan(clipped_mean([]).mean)


@pytest.mark.parametrize(
    ("values", "mean", "error", "n_clipped"),
    [
        ([5], 5, math.nan, 0),
        ([5, 7], 6, 1, 0),
        ([1, 2, 2, 3, 8], 2.0, 0.408248290, 1),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], 5.0, 0.912870929, 1),
        ([0] * 9 + [1], 0, 0, 1),
        (_TEN, 10.0333333333, 0.0440958552, 2),
        ([1, 2, 3, 4, 5], 3, 0.707106781, 0),
    ],
)
def test_tabulated_clipped_means(values, mean, error, n_clipped):
    result = clipped_mean(values)
    assert result.mean == pytest.approx(mean, rel=1e-9)
    assert result.error == pytest.approx(error, rel=1e-8, nan_ok=True)
    assert result.kept.count(False) == n_clipped


def test_harder_clipping_of_the_table():
    result = clipped_mean(_TEN, sigma_clip=1.5, n_iter=2)
    assert (result.mean, result.error) == pytest.approx((10.0, 0.0353553391), rel=1e-8)
    assert result.kept.count(False) == 3


def test_weights_and_input_variances_of_the_table():
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100]
    numbers = range(1, 11)
    result = clipped_mean(values, [1 / k for k in numbers], list(numbers))
    assert (result.mean, result.error) == pytest.approx((3.181371861, 0.594546686), rel=1e-9)


def test_a_pass_that_keeps_less_than_two_does_not_count():
    assert clipped_mean([5, 7], sigma_clip=1.3).mean == 6
    assert clipped_mean([5, 7], sigma_clip=1.3).kept == (True, True)


def test_weighted_mean_of_the_table():
    mean, error, spread = weighted_mean([1, 2, 2, 3, 8])
    assert (mean, spread) == pytest.approx((3.2, 7.7), rel=1e-12)
    assert error == pytest.approx(math.sqrt(7.7 / 5), rel=1e-12)
    assert weighted_mean([4, 4], [1, 3], [2, 2])[1] == pytest.approx(math.sqrt(20) / 4)


def _inputs(n, planes, values=None):
    """n inputs of one pixel, value 1 (or as given); input k carries planes[k]."""
    values = [1.0] * n if values is None else values
    out = []
    for value, names in zip(values, [*planes, *[()] * (n - len(planes))], strict=True):
        word = DEFAULT_PLANES.bitmask(*names)
        out.append(MaskedImage.from_arrays([[value]], [[word]], 1.0))
    return out


_NAN = math.nan


@pytest.mark.parametrize(
    ("n", "planes", "values", "rules", "expected", "n_point"),
    [
        (4, [("NO_DATA",)], None, {}, "", 3),
        (4, [("BAD",)], None, {}, "REJECTED INEXACT_PSF", 3),
        (4, [("SAT",)], None, {}, "REJECTED INEXACT_PSF SAT", 3),
        (20, [("SAT",)], None, {}, "REJECTED INEXACT_PSF", 19),
        (10, [("SAT",)], None, {}, "REJECTED INEXACT_PSF", 9),
        (9, [("SAT",)], None, {}, "REJECTED INEXACT_PSF SAT", 8),
        (4, [("EDGE",)], None, {}, "SENSOR_EDGE INEXACT_PSF", 3),
        (4, [("NO_DATA", "EDGE")], None, {}, "SENSOR_EDGE INEXACT_PSF", 3),
        (4, [("EDGE", "BAD")], None, {}, "SENSOR_EDGE REJECTED INEXACT_PSF", 3),
        (4, [("EDGE",)], [1, _NAN, 1, 1], {"bad_planes": ("NO_DATA", "BAD", "SAT")},
         "EDGE SENSOR_EDGE INEXACT_PSF", 3),
        (4, [("CLIPPED",)], None, {"bad_planes": ("NO_DATA", "BAD", "SAT", "EDGE", "CLIPPED")},
         "CLIPPED INEXACT_PSF", 3),
        (4, [("CLIPPED",)], None, {}, "CLIPPED INEXACT_PSF", 4),
        (4, [("SAT",)], [1, _NAN, 1, 1], {}, "REJECTED INEXACT_PSF SAT", 2),
        (4, [("DETECTED",)], None, {}, "DETECTED", 4),
        (4, [], [_NAN, 1, 1, 1], {}, "", 3),
        (4, [("NO_DATA",)] * 4, None, {}, "NO_DATA", 0),
        (4, [("BAD",)] * 4, None, {}, "NO_DATA REJECTED INEXACT_PSF", 0),
        (4, [("SAT",)] * 4, None, {}, "NO_DATA REJECTED INEXACT_PSF", 0),
        (4, [("BAD",)] * 3 + [("NO_DATA",)], None, {}, "NO_DATA REJECTED INEXACT_PSF", 0),
        (5, [("SUSPECT",)], [900, 1, 2, 2, 3], {"statistic": "MEANCLIP"},
         "SUSPECT CLIPPED INEXACT_PSF", 5),
    ],
)  # fmt: skip
def test_mask_table_of_the_coadd(n, planes, values, rules, expected, n_point):
    out = coadd(_inputs(n, planes, values), [1.0] * n, CoaddRules(**rules))
    assert set(out.mask.planes.names_of(int(out.mask.array[0, 0]))) == set(expected.split())
    assert out.n_point[0, 0] == n_point
    assert math.isnan(out.image[0, 0]) == (n_point == 0)


def test_coadd_values_follow_the_closed_forms():
    inputs = [
        MaskedImage.from_arrays([[value]], variance=variance)
        for value, variance in [(1.0, 2.0), (3.0, 4.0), (8.0, 8.0)]
    ]
    weights = [1 / 2, 1 / 4, 1 / 8]
    mean = coadd(inputs, weights)
    assert mean.image[0, 0] == pytest.approx((0.5 + 0.75 + 1.0) / 0.875)
    assert mean.variance[0, 0] == pytest.approx(1 / 0.875)
    median = coadd(inputs, weights, CoaddRules(statistic="MEDIAN"))
    assert median.image[0, 0] == 3.0
    assert median.variance[0, 0] > 0


def test_conformed_moves_each_plane():
    mask = Mask(np.array([[1, 2, 3]], np.int32), Box.from_shape((1, 3)), MaskPlanes(["A", "B"]))
    out = conformed(mask, MaskPlanes({"A": 31, "B": 0}))
    np.testing.assert_array_equal(out, [[-(2**31), 1, 1 - 2**31]])

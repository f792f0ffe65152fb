# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of random samples against numpy, and exact invariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcoadd.statistics import StatsOptions, statistics

EVERYTHING = (
    "NPOINT|MEAN|STDEV|VARIANCE|MEDIAN|IQRANGE|MEANCLIP|STDEVCLIP|VARIANCECLIP|MIN|MAX|SUM|"
    "MEANSQUARE|NCLIPPED|NMASKED|ERRORS"
)
NAMES = EVERYTHING.split("|")[:-1]

samples = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 300)),
    elements=st.one_of(
        st.floats(-1000, 1000, width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0])
    ),
    fill=st.floats(-10, 10, width=32),
)


def numbers(values: Any, **kwargs: Any) -> dict[str, tuple[float, float]]:
    got = statistics(values, properties=EVERYTHING, **kwargs)
    return {name: got.result(name) for name in NAMES}


@given(samples)
def test_moments_and_quantiles_are_those_of_numpy(values: np.ndarray) -> None:
    got = numbers(values)
    good = values[np.isfinite(values)].astype(float)
    assert got["NPOINT"][0] == good.size
    assert got["NMASKED"][0] == values.size - good.size
    if not good.size:
        assert math.isnan(got["MEAN"][0])
        return
    largest = np.abs(good).max()
    low, median, high = np.quantile(good, [0.25, 0.5, 0.75])
    tolerance = {"rtol": 1e-12, "atol": 1e-12 * largest}
    np.testing.assert_allclose(got["MEAN"][0], good.mean(), **tolerance)
    np.testing.assert_allclose(got["MEDIAN"][0], median, **tolerance)
    np.testing.assert_allclose(got["IQRANGE"][0], high - low, **tolerance)
    assert (got["MIN"][0], got["MAX"][0]) == (good.min(), good.max())
    np.testing.assert_allclose(
        got["SUM"][0], good.sum(), rtol=1e-12, atol=1e-12 * good.size * largest
    )
    if good.size > 1:
        square = {"rtol": 1e-10, "atol": 1e-12 * largest**2}
        np.testing.assert_allclose(got["VARIANCE"][0], good.var(ddof=1), **square)
        np.testing.assert_allclose(got["MEANSQUARE"][0], (good**2).mean(), **square)


@given(samples, st.integers(0, 2**32 - 1), st.floats(0.8, 5.0), st.integers(1, 5))
def test_clipping_is_that_of_numpy(
    values: np.ndarray, seed: int, sigma_clip: float, n_iter: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 4, values.shape).astype(np.int32)
    options = StatsOptions(sigma_clip=sigma_clip, n_iter=n_iter, bad_bits=1)
    got = statistics(values, mask, properties="MEANCLIP|VARIANCECLIP", options=options)
    good = values[np.isfinite(values) & (mask & 1 == 0)].astype(float)
    if good.size < 2:
        return
    low, median, high = np.quantile(good, [0.25, 0.5, 0.75])
    centre, half_width = median, sigma_clip * 0.741301109252802 * (high - low)
    result = (median, (half_width / sigma_clip) ** 2, good.size)
    for _ in range(n_iter):
        distance = np.abs(good - centre)
        # a sample within rounding of the limit may fall on either side of it
        if np.any(np.abs(distance - half_width) <= 1e-9 * (1 + half_width)) and half_width > 0:
            return
        kept = good[distance <= half_width]
        if kept.size < 2:
            break
        if kept.size and np.ptp(kept) == 0:
            return  # a width of rounding errors
        result = (kept.mean(), kept.var(ddof=1), kept.size)
        centre, half_width = result[0], sigma_clip * math.sqrt(result[1])
    largest = np.abs(good).max()
    assert got.n_clipped == good.size - result[2]
    np.testing.assert_allclose(got.value("MEANCLIP"), result[0], rtol=1e-10, atol=1e-12 * largest)
    np.testing.assert_allclose(
        got.value("VARIANCECLIP"), result[1], rtol=1e-8, atol=1e-11 * largest**2
    )


@given(samples, st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_by_powers_of_two_is_exact(values: np.ndarray, k: float) -> None:
    # A number near the smallest one loses bits when it is made smaller.
    values = np.where(np.abs(values) < np.float32(1e-30), np.float32(0), values)
    one, other = numbers(values), numbers(values * np.float32(k))
    for name in ("MEAN", "MEDIAN", "IQRANGE", "MEANCLIP", "STDEVCLIP", "MIN", "MAX", "SUM"):
        np.testing.assert_array_equal(np.array(other[name]), k * np.array(one[name]))
    assert other["NCLIPPED"] == one["NCLIPPED"]


@given(samples)
def test_float64_of_the_same_numbers_agrees(values: np.ndarray) -> None:
    one, other = numbers(values), numbers(values.astype(np.float64))
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=1.0))
    for name in ("NPOINT", "NMASKED", "MIN", "MAX", "MEDIAN", "IQRANGE"):
        np.testing.assert_array_equal(one[name][0], other[name][0])
    for name in ("MEAN", "SUM"):
        scale = largest * (values.size if name == "SUM" else 1)
        np.testing.assert_allclose(one[name][0], other[name][0], rtol=1e-12, atol=1e-12 * scale)


@given(samples, st.integers(0, 2**32 - 1))
def test_views_are_the_same_as_copies(values: np.ndarray, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 3, values.shape).astype(np.int32)
    options = StatsOptions(bad_bits=2)
    for part in (np.s_[::2], np.s_[:, ::2], np.s_[::-1], np.s_[:, 1:]):
        if values[part].size == 0:
            continue
        view = numbers(values[part], mask=mask[part], options=options)
        copy = numbers(values[part].copy(), mask=mask[part].copy(), options=options)
        np.testing.assert_array_equal(np.array([*view.values()]), np.array([*copy.values()]))

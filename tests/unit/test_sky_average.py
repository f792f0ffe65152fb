# SPDX-License-Identifier: BSD-3-Clause
"""Averages of sky bins: their errors, weights, and how many exposures stand behind them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from deepcoadd import Box
from deepcoadd.background import BackgroundModel, SkyFrameBuilder, SkyOptions, average_sky_bins
from deepcoadd.background import SuperpixelOptions as Grid
from deepcoadd.errors import OptionError
from deepcoadd.statistics import StatsOptions, statistics

Floats = NDArray[np.float64]


def bins(values: Floats, variances: float | Floats = 1.0) -> list[BackgroundModel]:
    """Bins of n exposures from (n, ny, nx) values."""
    box = Box.from_shape((32 * values.shape[1], 32 * values.shape[2]))
    spread = np.broadcast_to(np.float32(variances), values.shape)
    return [
        BackgroundModel(v.astype(np.float32), s.copy(), box, SkyOptions().background)
        for v, s in zip(values, spread, strict=True)
    ]


def jackknife(samples: Floats, weights: Floats) -> float:
    """Squared error of the clipped mean of one bin, exposure after exposure."""
    keep = np.isfinite(samples) & (weights > 0)
    samples, weights = samples[keep], weights[keep]
    n = len(samples)
    if n < 2:
        return np.nan
    means = [
        statistics(
            np.delete(samples, k),
            weights=np.delete(weights, k),
            properties="MEANCLIP",
            options=StatsOptions(),
        ).value()
        for k in range(n)
    ]
    return (n - 1) / n * float(np.sum((means - np.mean(means)) ** 2))


def test_three_exposures_are_never_clipped_and_both_errors_agree() -> None:
    models = bins(np.random.default_rng(1).normal(size=(3, 4, 5)))
    scatter = average_sky_bins(models)
    without_one = average_sky_bins(models, errors="jackknife")
    np.testing.assert_array_equal(without_one.values, scatter.values)
    np.testing.assert_allclose(without_one.variances, scatter.variances, rtol=1e-5)
    assert scatter.counts is not None
    assert (scatter.counts == 3).all()


@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 0.25, 1.0, 0.75, 0.125, 0.0, 1.0, 0.5]])
def test_errors_are_those_of_the_slow_way(weights: list[float] | None) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(9, 4, 5)).astype(np.float32).astype(float)
    values[rng.uniform(size=values.shape) < 0.2] = np.nan
    values[1:, 0, 0] = np.nan
    values[0, 1] += 20
    found = average_sky_bins(bins(values), weights, errors="jackknife").variances
    weight = np.ones(9) if weights is None else np.array(weights)
    for j, i in np.ndindex(4, 5):
        want = jackknife(values[:, j, i], weight)
        assert found[j, i] == pytest.approx(want, rel=1e-6, nan_ok=True)
    assert np.isnan(found[0, 0])


def test_scatter_knows_nothing_of_the_clipping_and_the_jackknife_does() -> None:
    values = np.random.default_rng(3).normal(size=(10, 150, 200))
    models = bins(values)
    mean = average_sky_bins(models)
    true = float(np.mean(mean.values**2))
    scatter = float(np.mean(mean.variances)) / true
    honest = float(np.mean(average_sky_bins(models, errors="jackknife").variances)) / true
    # 30000 bins know a variance to 0.8 %; the scatter of 10 clipped samples is 0.8 of it.
    assert scatter == pytest.approx(0.803, abs=0.035)
    assert 1.0 < honest < 1.5


def test_counts_are_what_clipping_left() -> None:
    values = np.tile(np.arange(8.0)[:, None, None] / 8, (1, 2, 3))
    values[0, 0, 0] = np.nan
    values[3, 0, 1] = 1e3
    values[:, 1, 2] = np.nan
    found = average_sky_bins(bins(values))
    assert found.counts is not None
    assert found.counts.dtype == np.uint32
    assert found.counts.tolist() == [[7, 7, 8], [8, 8, 0]]
    without = average_sky_bins(bins(values), [0, 1, 1, 1, 1, 1, 1, 1]).counts
    assert without is not None
    assert without[1, 0] == 7


def test_bins_are_weighted_by_their_own_errors() -> None:
    rng = np.random.default_rng(4)
    values, variances = rng.normal(size=(3, 2, 4)), rng.uniform(0.1, 3, size=(3, 2, 4))
    variances[0, 0, 0], variances[1, 0, 1] = np.nan, 0.0
    found = average_sky_bins(bins(values, variances), inverse_variance=True)
    weights = np.zeros_like(variances)
    np.divide(1, variances, out=weights, where=variances > 0)
    want = (weights * values).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(found.values, want, atol=1e-6)
    assert found.counts is not None
    assert found.counts[0].tolist() == [2, 2, 3, 3]
    again = average_sky_bins(bins(values, variances), inverse_variance=True, errors="jackknife")
    np.testing.assert_array_equal(again.values, found.values)
    # Three samples without the first have the means of the others.
    pairs = []
    for k in range(3):
        w, v = np.delete(weights[:, 1, 1], k), np.delete(values[:, 1, 1], k)
        pairs.append((w * v).sum() / w.sum())
    assert again.variances[1, 1] == pytest.approx(
        2 / 3 * np.sum((pairs - np.mean(pairs)) ** 2), rel=1e-4
    )


def test_wrong_requests() -> None:
    models = bins(np.ones((2, 2, 2)))
    with pytest.raises(OptionError, match="errors: got 'bootstrap', must be one of scatter, jack"):
        average_sky_bins(models, errors="bootstrap")
    with pytest.raises(OptionError, match="weights: got some"):
        average_sky_bins(models, [1, 1], inverse_variance=True)
    grid = Grid(y_size=9.0, x_size=9.0)
    with pytest.raises(OptionError, match="errors: got 'none'"):
        SkyFrameBuilder(grid, errors="none")
    assert np.isnan(average_sky_bins(models[:1], errors="jackknife").variances).all()

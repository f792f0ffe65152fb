# SPDX-License-Identifier: BSD-3-Clause
"""`simulate_warps`: the example of the README must be able to hold."""

import numpy as np
import pytest

from deepcoadd.errors import OptionError
from deepcoadd.testing import simulate_warps


def test_one_weighted_mean_of_clean_warps_shows_the_truth():
    """Mean of 10: noise 10 / sqrt(10) on plain sky, at most sqrt(2) more on a source.

    65536 Gaussian pixels beyond 6 sigma: false alarm 1.3e-4; sources (about 1000 pixels whose
    noise is at most 1.41 times higher): 2e-5 each at worst, 1e-2 in all if all were that bright,
    and the seed is fixed.
    """
    warps, truth = simulate_warps(n=10, shape=(256, 256), seed=1)
    mean = np.mean([warp.image.array for warp in warps], axis=0)
    assert np.abs(mean - truth).max() < 6 * 10 / np.sqrt(10)


def test_satellite_is_in_the_one_visit_only_and_unmasked():
    with_trail, _ = simulate_warps(n=4, shape=(128, 96), seed=5, satellite_in=2)
    without, _ = simulate_warps(n=4, shape=(128, 96), seed=5)
    for index in (0, 1, 3):
        np.testing.assert_array_equal(with_trail[index].image.array, without[index].image.array)
    excess = with_trail[2].image.array - without[2].image.array
    trail = excess > 50
    assert trail.sum() > 90
    assert not with_trail[2].mask.has("BAD", "SAT", "CR", "NO_DATA")[trail].any()


def test_start_moves_the_box_and_not_the_noise():
    here, _ = simulate_warps(n=1, shape=(20, 30), n_sources=0)
    there, truth = simulate_warps(n=1, shape=(20, 30), n_sources=0, start=(-5, 700))
    assert there[0].box.start == (-5, 700)
    np.testing.assert_array_equal(here[0].image.array, there[0].image.array)
    assert not truth.any()


@pytest.mark.parametrize(
    "bad", [{"noise": 0.0}, {"noise": float("nan")}, {"n": 0}, {"satellite_in": 10}, {"seed": -1}]
)
def test_bad_requests_name_the_argument(bad):
    with pytest.raises(OptionError):
        simulate_warps(**{"shape": (8, 8), **bad})

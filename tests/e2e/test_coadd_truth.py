# SPDX-License-Identifier: BSD-3-Clause
"""Coadds of simulated skies against their truth.

Tolerances are five standard deviations of the quantity tested (6e-7 by chance; seeds are fixed).
"""

from dataclasses import replace

import numpy as np
import pytest

from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.testing.simulate import PRESETS, BackgroundOptions, Scene, simulate_scene


def _pull(scene: Scene, result):
    """(coadd - truth) / noise of a coadd with the weights it used, and where the coadd is whole."""
    weights = [record.weight for record in result.inputs]
    spread = np.sqrt(result.variance.array)
    whole = result.n_image.array == len(scene.warps)
    return (result.image.array - scene.truth.sky(weights)) / spread, whole


@pytest.fixture(scope="module")
def clean():
    return simulate_scene("clean")


@pytest.fixture(scope="module")
def demo():
    """The demo scene with even sky, so that the truth of every pixel is the stars and galaxies."""
    return simulate_scene(replace(PRESETS["demo"], background=BackgroundOptions()))


def test_mean_of_a_clean_sky_has_the_noise_it_says(clean):
    """Sources included: seeing and weights differ from visit to visit, the truth follows them."""
    result = assemble(clean.warps, options=AssembleOptions(statistic="MEAN"))
    pull, whole = _pull(clean, result)
    assert whole.all()
    n = pull.size
    assert abs(pull.mean()) < 5 / np.sqrt(n)
    assert abs(pull.var() - 1) < 5 * np.sqrt(2 / n)
    bright = clean.truth.sky() > 5 * result.noise
    assert bright.sum() > 3000
    assert abs(pull[bright].var() - 1) < 5 * np.sqrt(2 / bright.sum())
    assert np.abs(pull).max() < 6.5


def test_star_fluxes_of_the_mean_are_those_of_the_catalogue(clean):
    """Sum over 10 pixels around each star apart from others, minus the light of all others."""
    result = assemble(clean.warps, options=AssembleOptions(statistic="MEAN"))
    truth = clean.truth.sky([record.weight for record in result.inputs])
    stars = clean.truth.catalogue[:150]
    chi = []
    for row in stars[np.argsort(stars["flux"])[-30:]]:
        y, x = round(row["y"]), round(row["x"])
        if not (12 <= y < 500 and 12 <= x < 500):
            continue
        cut = (slice(y - 10, y + 11), slice(x - 10, x + 11))
        flux = result.image.array[cut].sum(dtype=float)
        error = np.sqrt(result.variance.array[cut].sum(dtype=float))
        chi.append((flux - truth[cut].sum(dtype=float)) / error)
        # At most 1.1e-3 of a star of sigma 2.5 lies out of the aperture; others only add.
        assert truth[cut].sum(dtype=float) > 0.998 * row["flux"]
    assert len(chi) > 15
    assert abs(np.mean(chi)) < 5 / np.sqrt(len(chi))
    assert abs(np.var(chi) - 1) < 5 * np.sqrt(2 / len(chi))


def test_clipping_removes_trails_and_rays_and_leaves_the_sky(demo):
    """Pixels of bright artifacts on empty sky, and untouched ones, both against the truth."""
    result = assemble(demo.warps, options=AssembleOptions(statistic="MEANCLIP"))
    plain = assemble(demo.warps, options=AssembleOptions(statistic="MEAN"))
    pull, whole = _pull(demo, result)
    touched = np.zeros(whole.shape, bool)
    strong = np.zeros(whole.shape, int)
    for visit in demo.truth.visits:
        touched |= visit.any_artifact()
        strong += visit.artifact_light > 20 * visit.noise
    empty = whole & (demo.truth.sky() < 0.01)
    hit = empty & (strong == 1)
    assert hit.sum() > 2000
    # One sample far off in eight skews median and quartiles: a bias of 0.02 of a visit's noise,
    # 0.06 of the coadd's, and more clipping of the others. Measured: 0.08 and 1.08.
    quiet = empty & ~touched
    assert abs(np.median(pull[hit])) < 0.15
    assert np.std(pull[hit]) < 1.2
    assert np.median(np.abs(_pull(demo, plain)[0][hit])) > 5
    assert quiet.mean() > 0.3
    # The variance of kept samples is less than that of a clipped mean: 1.03 for eight.
    assert np.std(pull[quiet]) == pytest.approx(1.035, abs=0.02)


def test_pixels_in_a_gap_are_made_of_the_other_visits(demo):
    result = assemble(demo.warps, options=AssembleOptions(statistic="MEAN", interpolate=None))
    n_open = sum(
        (~warp.mask.has("NO_DATA", "BAD", "SAT", "EDGE")).astype(int) for warp in demo.warps
    )
    np.testing.assert_array_equal(result.n_image.array, n_open)
    lost = n_open == 0
    assert np.isnan(result.image.array[lost]).all()
    assert not np.isnan(result.image.array[~lost]).any()

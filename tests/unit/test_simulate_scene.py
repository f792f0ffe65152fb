# SPDX-License-Identifier: BSD-3-Clause
"""Simulated scenes: the images follow the truth beside them.

Statistical tolerances are stated in standard deviations of the quantity tested; five of them are
exceeded by chance in 6e-7 of all seeds (the seeds are fixed).
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column

from deepcoadd.errors import ShapeError
from deepcoadd.psf import Psf
from deepcoadd.testing import assert_masked_images_close, assert_planes_close
from deepcoadd.testing.simulate import (
    PRESETS,
    BackgroundOptions,
    CosmicRayOptions,
    GhostOptions,
    NoiseOptions,
    PsfOptions,
    SourceOptions,
    draw_catalogue,
    simulate_scene,
    simulate_visits,
)
from deepcoadd.testing.simulate._catalogue import render_sky
from deepcoadd.testing.simulate._profiles import Canvas
from deepcoadd.testing.simulate._psf import psf_profile

_EMPTY = SourceOptions(n_stars=0, n_galaxies=0)
_SMALL = replace(PRESETS["clean"], n_visits=3, shape=(180, 200), start=(-20, 1000), seed=11)
_SMALL = replace(_SMALL, sources=SourceOptions(n_stars=12, n_galaxies=8))


def _without_noise(warp, truth):
    """What is left of a warp when everything true but the noise is taken out."""
    return warp.image.array - truth.sky - truth.background - truth.artifact_light


class TestRepeatability:
    def test_same_options_same_bits(self):
        for a, b in zip(simulate_scene(_SMALL).warps, simulate_scene(_SMALL).warps, strict=True):
            assert_masked_images_close(a.masked_image, b.masked_image)
            assert a.info.visit_info.ut1_mjd == b.info.visit_info.ut1_mjd

    def test_another_seed_is_another_scene(self):
        one, two = simulate_scene(_SMALL), simulate_scene(replace(_SMALL, seed=12))
        assert (one.warps[0].image.array != two.warps[0].image.array).mean() > 0.99
        assert (one.truth.catalogue["x"] != two.truth.catalogue["x"]).all()

    def test_one_visit_at_a_time_gives_the_same_bits(self):
        options = replace(_SMALL, matched_sigma=3.0)
        scene = simulate_scene(options)
        for index, visit in enumerate(simulate_visits(options)):
            assert_masked_images_close(visit.warp.masked_image, scene.warps[index].masked_image)
            assert_masked_images_close(
                visit.matched.masked_image, scene.matched[index].masked_image
            )

    def test_more_visits_leave_the_first_ones(self):
        few, more = simulate_scene(_SMALL), simulate_scene(replace(_SMALL, n_visits=4))
        for a, b in zip(few.warps, more.warps[:3], strict=True):
            assert_masked_images_close(a.masked_image, b.masked_image)

    def test_artifacts_leave_the_noise_and_each_other(self):
        """Only pixels that an artifact reaches change, and the other kinds stay."""
        ghosts = replace(_SMALL, ghosts=GhostOptions(per_visit=1.0, radius=(20.0, 30.0)))
        both = replace(ghosts, cosmic_rays=CosmicRayOptions(per_visit=5.0))
        plain, one, two = (simulate_scene(options) for options in (_SMALL, ghosts, both))
        for a, b, c in zip(plain.truth.visits, one.truth.visits, two.truth.visits, strict=True):
            assert [row for row in c.artifact_rows if row.kind == "ghost"] == list(b.artifact_rows)
            index = plain.truth.visits.index(a)
            untouched = c.artifact_light == 0
            assert 0.5 < untouched.mean() < 1.0
            assert_planes_close(two.warps[index].image, plain.warps[index].image, where=untouched)


class TestNoise:
    def test_scatter_is_what_the_variance_plane_says(self):
        """Pull: mean 0 +- 1/sqrt(n), variance 1 +- sqrt(2/n), tails of a Gaussian; 5 sigma."""
        scene = simulate_scene(replace(_SMALL, background=BackgroundOptions(2.0, 3.0, 4.0)))
        for warp, truth in zip(scene.warps, scene.truth.visits, strict=True):
            pull = _without_noise(warp, truth) / np.sqrt(warp.variance.array)
            n = pull.size
            assert abs(pull.mean()) < 5 / np.sqrt(n)
            assert abs(pull.var() - 1) < 5 * np.sqrt(2 / n)
            tail = 0.0455
            assert abs((np.abs(pull) > 2).mean() - tail) < 5 * np.sqrt(tail / n)

    def test_scatter_on_bright_sources_too(self):
        options = replace(_SMALL, sources=SourceOptions(n_stars=60, n_galaxies=0, flux=(3e5, 1e6)))
        pulls = []
        for visit in simulate_visits(options):
            bright = visit.truth.sky > 1000
            spread = np.sqrt(visit.warp.variance.array)
            assert (spread[bright] > 1.5 * visit.truth.noise).all()
            pulls.append((_without_noise(visit.warp, visit.truth) / spread)[bright])
        pull = np.concatenate(pulls)
        assert abs(pull.var() - 1) < 5 * np.sqrt(2 / pull.size)

    def test_visits_have_independent_noise(self):
        """Correlation of n pairs: 0 +- 1/sqrt(n)."""
        scene = simulate_scene(_SMALL)
        residuals = [
            _without_noise(w, t).ravel()
            for w, t in zip(scene.warps, scene.truth.visits, strict=True)
        ]
        correlation = np.corrcoef(residuals) - np.eye(3)
        assert np.abs(correlation).max() < 5 / np.sqrt(residuals[0].size)

    def test_noise_of_plain_sky_follows_level_gain_and_read_noise(self):
        noise = NoiseOptions(gain=2.0, read_noise=10.0, sky_level=(300.0, 500.0))
        scene = simulate_scene(replace(_SMALL, sources=_EMPTY, noise=noise))
        for warp, truth in zip(scene.warps, scene.truth.visits, strict=True):
            assert 300 <= truth.sky_level <= 500
            assert truth.noise**2 == pytest.approx(truth.sky_level / 2 + 25)
            assert_planes_close(
                warp.variance.array, np.float32(truth.noise**2) * np.ones_like(truth.sky)
            )

    def test_uniform_noise_of_the_reference_scene(self):
        options = replace(
            _SMALL,
            sources=_EMPTY,
            background=BackgroundOptions(level=300.0),
            noise=NoiseOptions(kind="uniform", width=5.0),
        )
        warp = simulate_scene(options).warps[0]
        residual = warp.image.array - 300.0
        assert abs(np.median(residual)) < 1e-4
        assert np.abs(residual).max() < 2.6
        # Variance of a uniform deviate: w**2 / 12 +- w**2 sqrt(1 / 180 n).
        assert residual.var() == pytest.approx(25 / 12, abs=5 * 25 / np.sqrt(180 * residual.size))
        assert_planes_close(warp.variance.array, np.abs(warp.image.array) + 5, rtol=1e-6)


class TestSky:
    @pytest.mark.parametrize("kind", ["gaussian", "double_gaussian", "moffat"])
    def test_all_light_of_the_catalogue_is_in_the_noiseless_sky(self, kind):
        options = replace(
            _SMALL, psf=PsfOptions(kind, (1.5, 2.0)), sources=SourceOptions(20, 20, margin=0.0)
        )
        wide = replace(options, shape=(400, 420), start=(-130, 890))
        catalogue = draw_catalogue(options)
        sky = render_sky(catalogue, psf_profile(options, 1.8), wide.shape, wide.start)
        assert sky.sum(dtype=np.float64) == pytest.approx(catalogue["flux"].sum(), rel=1e-6)

    @pytest.mark.parametrize("kind", ["gaussian", "double_gaussian", "moffat"])
    def test_attached_psf_is_the_star_as_drawn(self, kind):
        """The stamp ends at 5 sigma and sums to 1: 4e-6 of the light of the widest part."""
        options = replace(_SMALL, psf=PsfOptions(kind, (1.5, 2.0)))
        visit = next(simulate_visits(options))
        psf = visit.warp.require("psf")
        drawn = Canvas(options.shape, options.start)
        drawn.add_star(psf_profile(options, visit.truth.psf_sigma), y=70.0, x=1100.0, flux=1.0)
        model = psf.image(y=70.0, x=1100.0)
        where = model.box.slices_within(visit.warp.box)
        assert_planes_close(model.array, drawn.array[where], atol=1e-5 * drawn.array.max())
        assert model.array.max() == pytest.approx(drawn.array.max(), rel=1e-5)
        assert isinstance(psf, Psf)

    def test_star_flux_and_place_in_the_images(self):
        """Weighted by the PSF, a flux is known to its error; chi of 12 stars, 5 sigma."""
        scene = simulate_scene(replace(_SMALL, sources=SourceOptions(12, 0, flux=(2e4, 5e4))))
        warp, truth = scene.warps[0], scene.truth.visits[0]
        y, x = np.mgrid[-20:160, 1000:1200]
        inside = 0
        for row in scene.truth.catalogue:
            r2 = (y - row["y"]) ** 2 + (x - row["x"]) ** 2
            psf = np.exp(-0.5 * r2 / truth.psf_sigma**2) / (2 * np.pi * truth.psf_sigma**2)
            if psf.sum() < 0.999:
                continue
            inside += 1
            others = truth.sky - row["flux"] * psf
            weight = psf / warp.variance.array
            flux = (weight * (warp.image.array - others)).sum() / (weight * psf).sum()
            error = 1 / np.sqrt((weight * psf).sum())
            assert abs(flux - row["flux"]) < 5 * error
            assert error < 0.05 * row["flux"]
        assert inside >= 5

    def test_fluxes_follow_the_power_law(self):
        """Half of the fluxes of slope 1 between 1 and 9 lie below 1.8: binomial, 5 sigma."""
        sources = SourceOptions(n_stars=4000, n_galaxies=0, flux=(1.0, 9.0), slope=1.0)
        flux = draw_catalogue(replace(_SMALL, sources=sources))["flux"]
        assert 1 <= flux.min() < flux.max() <= 9
        assert abs((flux < 1.8).mean() - 0.5) < 5 * np.sqrt(0.25 / 4000)
        even = draw_catalogue(replace(_SMALL, sources=replace(sources, slope=-1.0)))["flux"]
        assert abs((even < 5).mean() - 0.5) < 5 * np.sqrt(0.25 / 4000)
        log_even = draw_catalogue(replace(_SMALL, sources=replace(sources, slope=0.0)))["flux"]
        assert abs((log_even < 3).mean() - 0.5) < 5 * np.sqrt(0.25 / 4000)

    def test_catalogue_columns(self):
        scene = simulate_scene(_SMALL)
        table = scene.truth.catalogue
        assert table["kind"].tolist() == ["star"] * 12 + ["galaxy"] * 8
        assert (table["radius"][:12] == 0).all()
        assert ((table["radius"][12:] >= 1.5) & (table["radius"][12:] <= 5)).all()
        assert table["flux"].unit == u.nJy
        assert all(isinstance(column, Column) for column in table.columns.values())
        # AB magnitude 31.4 is 1 nJy (31.40006).
        np.testing.assert_allclose(
            table["magnitude"], 31.40006 - 2.5 * np.log10(table["flux"]), atol=1e-4
        )
        x, y = scene.wcs.all_world2pix(table["ra"], table["dec"], 0)
        np.testing.assert_allclose(x, table["x"], atol=1e-6)
        np.testing.assert_allclose(y, table["y"], atol=1e-6)

    def test_seeing_lies_in_its_range_and_differs(self):
        sigmas = [visit.psf_sigma for visit in simulate_scene(_SMALL).truth.visits]
        assert all(1.5 <= sigma <= 2.5 for sigma in sigmas)
        assert len(set(sigmas)) == 3

    def test_expected_sky_of_weighted_visits(self):
        truth = simulate_scene(_SMALL).truth
        skies = [visit.sky.astype(float) for visit in truth.visits]
        assert_planes_close(truth.sky(), np.mean(skies, axis=0), rtol=1e-6)
        expected = (skies[0] + 3 * skies[2]) / 4
        assert_planes_close(truth.sky([1, 0, 3]), expected, rtol=1e-6)
        with pytest.raises(ShapeError, match="3 visits"):
            truth.sky([1, 2])

    def test_background_terms(self):
        options = replace(_SMALL, sources=_EMPTY, background=BackgroundOptions(level=100.0))
        assert (simulate_scene(options).truth.visits[1].background == 100.0).all()
        plane = replace(options, background=BackgroundOptions(offset=5.0, gradient=8.0))
        for visit in simulate_scene(plane).truth.visits:
            b = visit.background.astype(float)
            assert np.abs(np.diff(b, 2, axis=0)).max() < 1e-5 * max(np.abs(b).max(), 1)
            assert np.abs(np.diff(b, 2, axis=1)).max() < 1e-5 * max(np.abs(b).max(), 1)
            assert np.ptp(b) > 0.5

    def test_pattern_is_fixed_and_follows_the_sky_level(self):
        options = replace(_SMALL, background=BackgroundOptions(pattern=0.01))
        first, second, _ = simulate_scene(options).truth.visits
        a, b = first.background / first.sky_level, second.background / second.sky_level
        assert_planes_close(a, b, atol=1e-8)
        assert 0.01 < np.abs(a).max() < 0.0151

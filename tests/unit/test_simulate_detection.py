# SPDX-License-Identifier: BSD-3-Clause
"""The DETECTED plane and the PSF-matched twins of simulated visits."""

from dataclasses import replace

import numpy as np
import pytest

from deepcoadd.testing import assert_planes_close
from deepcoadd.testing.simulate import (
    PRESETS,
    BackgroundOptions,
    DetectionOptions,
    DetectorOptions,
    NoiseOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
    draw_catalogue,
    simulate_scene,
)

_EMPTY = SourceOptions(n_stars=0, n_galaxies=0)
_SMALL = replace(PRESETS["clean"], n_visits=3, shape=(180, 200), start=(-20, 1000), seed=11)
_SMALL = replace(_SMALL, sources=SourceOptions(n_stars=12, n_galaxies=8))


class TestDetection:
    @pytest.mark.parametrize(("factor", "found"), [(1.05, True), (0.95, False)])
    def test_star_is_detected_from_five_sigma(self, factor, found):
        """Smoothed peak F / (4 pi s**2), noise sigma / (2 s sqrt(pi)); star noise < 1 % here."""
        sigma = 2.0
        noise = NoiseOptions(gain=1e4, read_noise=1e5, sky_level=(1.0, 1.0))
        flux = factor * 5 * 2 * sigma * np.sqrt(np.pi) * np.hypot(10.0, 0.01)
        options = SceneOptions(
            n_visits=1,
            seed=6,
            shape=(61, 61),
            sources=SourceOptions(1, 0, flux=(flux, flux), margin=0.0),
            psf=PsfOptions(sigma=(sigma, sigma)),
            noise=noise,
        )
        row = draw_catalogue(options)[0]
        assert 12 < row["y"] < 48
        assert 12 < row["x"] < 48
        mask = simulate_scene(options).warps[0].mask
        assert mask.has("DETECTED").any() == found

    def test_mask_is_grown_and_covers_bright_artifacts(self):
        options = replace(_SMALL, satellites=SatelliteOptions(visits=(0,), peak=(30.0, 30.0)))
        scene = simulate_scene(options)
        core = scene.truth.visits[0].artifact_light > 10 * scene.truth.visits[0].noise
        assert scene.warps[0].mask.has("DETECTED")[core].all()
        bare = replace(options, detection=DetectionOptions(grow=0.0))
        grown, plain = (simulate_scene(o).warps[0].mask.has("DETECTED") for o in (options, bare))
        assert (grown | ~plain).all()
        assert grown.sum() > 1.3 * plain.sum()

    def test_can_be_left_out(self):
        options = replace(_SMALL, detection=DetectionOptions(kind="none"))
        assert not simulate_scene(options).warps[0].mask.has("DETECTED").any()

    def test_threshold_on_the_noisy_image(self):
        options = replace(
            PRESETS["reference"], n_visits=1, detection=DetectionOptions("threshold", 25.0, 0.0)
        )
        warp = simulate_scene(options).warps[0]
        np.testing.assert_array_equal(
            warp.mask.has("DETECTED"), warp.image.array > np.float32(314.592) + np.float32(25)
        )


class TestTwins:
    options = replace(_SMALL, matched_sigma=3.0, background=BackgroundOptions(offset=5.0))

    def test_twin_is_the_warp_smoothed_to_the_matched_psf(self):
        """Sources are drawn with the wider PSF; a discrete convolution gives the same.

        Away from the border; the taps reach 5 sigma (6e-7 of the light of a source lies beyond).
        """
        scene = simulate_scene(self.options)
        for warp, twin, truth in zip(scene.warps, scene.matched, scene.truth.visits, strict=True):
            sigma = np.sqrt(9.0 - truth.psf_sigma**2)
            offset = np.arange(-30, 31)
            taps = np.exp(-0.5 * (offset / sigma) ** 2)
            taps /= taps.sum()
            image = warp.image.array.astype(float)
            for axis in (0, 1):
                image = np.apply_along_axis(np.convolve, axis, image, taps, "same")
            inner = np.zeros(image.shape, bool)
            inner[35:-35, 35:-35] = True
            assert_planes_close(
                twin.image.array, image, atol=2e-3 * truth.noise, rtol=1e-4, where=inner
            )

    def test_twin_shows_the_sky_at_the_matched_psf(self):
        """Error from the variance plane: pull variance 1, smoothing leaves n / (4 pi s**2) or more
        independent pixels; 5 sigma."""
        scene = simulate_scene(self.options)
        for twin, truth in zip(scene.matched, scene.truth.visits, strict=True):
            residual = twin.image.array - scene.truth.matched_sky - truth.background
            pull = residual / np.sqrt(twin.variance.array)
            n = pull.size / (4 * np.pi * 9.0)
            assert abs(pull.var() - 1) < 5 * np.sqrt(2 / n)

    def test_twins_of_warps_with_gaps_lose_their_rims(self):
        options = replace(self.options, detector=DetectorOptions((90, 90), gap=10, dead_columns=2))
        scene = simulate_scene(options)
        for warp, twin in zip(scene.warps, scene.matched, strict=True):
            lost, more = warp.mask.has("NO_DATA"), twin.mask.has("NO_DATA")
            assert (more | ~lost).all()
            assert more.sum() > 1.2 * lost.sum()
            assert_planes_close(np.isnan(twin.image.array), more)

    def test_twins_have_the_matched_psf(self):
        for twin in simulate_scene(replace(_SMALL, n_visits=1, matched_sigma=3.0)).matched:
            assert twin.require("psf").sigma == 3.0

    def test_no_twins_unless_asked(self):
        scene = simulate_scene(_SMALL)
        assert scene.matched == []
        assert scene.truth.matched_sky is None

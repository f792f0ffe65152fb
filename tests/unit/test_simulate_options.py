# SPDX-License-Identifier: BSD-3-Clause
"""Options of simulated scenes, the presets, and what is said about the visits."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from deepcoadd.errors import OptionError
from deepcoadd.testing import assert_planes_close
from deepcoadd.testing.simulate import (
    PRESETS,
    BackgroundOptions,
    CosmicRayOptions,
    DetectionOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    NoiseOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
    simulate_scene,
)
from deepcoadd.wcs import box_center, pixel_scale


@pytest.fixture(scope="module")
def reference():
    return simulate_scene("reference")


class TestPresets:
    def test_clean_has_no_artifacts(self):
        scene = simulate_scene("clean")
        assert len(scene.warps) == 8
        for warp, truth in zip(scene.warps, scene.truth.visits, strict=True):
            assert truth.artifacts == {}
            assert {name for name, n in warp.mask.counts().items() if n} == {"DETECTED"}

    def test_reference_scene_is_as_described(self, reference):
        assert len(reference.warps) == 10
        assert reference.box.start == (-45, -123)
        assert reference.box.shape == (301, 201)
        assert [warp.info.id for warp in reference.warps] == list(range(100, 110))
        assert len(reference.truth.catalogue) == 37
        flux = reference.truth.catalogue["flux"]
        assert 1e3 <= flux.min() < flux.max() <= 1e7
        for warp, truth in zip(reference.warps, reference.truth.visits, strict=True):
            assert 1.5 <= truth.psf_sigma <= 3.0
            assert_planes_close(
                warp.variance.array, np.abs(warp.image.array) + np.float32(5), rtol=1e-6
            )
            residual = warp.image.array - truth.sky - np.float32(314.592)
            # float32 holds 314.592 + 4e5 of a bright star to 0.03.
            assert np.abs(residual).max() < 2.5 + 0.1

    def test_reference_twins_have_one_psf(self, reference):
        assert len(reference.matched) == 10
        assert reference.truth.matched_sky.sum() == pytest.approx(
            reference.truth.visits[0].sky.sum(), rel=0.02
        )

    def test_a_preset_is_its_options(self):
        options = replace(PRESETS["clean"], n_visits=1)
        one = simulate_scene(options).warps[0].image.array
        np.testing.assert_array_equal(one, simulate_scene("clean").warps[0].image.array)


class TestObservation:
    def test_visits_are_told_apart_and_dated(self, reference):
        infos = [warp.info.visit_info for warp in reference.warps]
        assert [info.id for info in infos] == list(range(100, 110))
        nights = np.array([info.ut1_mjd for info in infos]) - np.arange(10)
        assert (nights >= 61000).all()
        assert (nights < 61001).all()
        for info in infos:
            assert (info.mjd - info.ut1_mjd) * 86400 == pytest.approx(37.0, abs=1e-4)

    def test_earth_rotation_angle_is_that_of_the_date(self, reference):
        for warp in reference.warps:
            info = warp.info.visit_info
            at = Time(info.ut1_mjd, format="mjd", scale="ut1")
            angle = at.earth_rotation_angle("tio").to(u.deg)
            difference = (angle - info.era + 180 * u.deg) % (360 * u.deg) - 180 * u.deg
            assert abs(difference) < 1e-4 * u.deg

    def test_pointing_is_consistent(self, reference):
        """The spherical triangle of zenith, pole and boresight closes."""
        for warp in reference.warps:
            info = warp.info.visit_info
            hours = info.hour_angle.to_value(u.hourangle)
            assert abs(hours) <= 2.5
            lat = info.observatory.geodetic.lat
            alt, dec, h = info.boresight_alt, info.boresight_dec, info.hour_angle
            sine = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(h)
            assert float(np.sin(alt)) == pytest.approx(float(sine), abs=1e-9)
            law = np.cos(alt) * np.sin(info.boresight_az)
            assert float(law) == pytest.approx(float(-np.cos(dec) * np.sin(h)), abs=1e-9)
            q = info.parallactic_angle
            assert float(np.cos(alt) * np.sin(q)) == pytest.approx(
                float(np.cos(lat) * np.sin(h)), abs=1e-9
            )
            assert 1.0 <= info.airmass < 1.0 / float(np.sin(alt)) + 1e-9

    def test_middle_of_the_box_is_where_it_should_be(self, reference):
        centre = box_center(reference.wcs, reference.box)
        assert centre.separation(SkyCoord(209.0, -20.25, unit="deg")) < 1e-6 * u.arcsec
        assert pixel_scale(reference.wcs) == pytest.approx(0.2, rel=1e-9)

    def test_images_say_what_they_are(self, reference):
        info = reference.warps[3].info
        assert info.unit == u.nJy
        assert info.photo_calib.mean == 1.0
        assert (info.filter.band, info.filter.physical) == ("r", "r_57")
        assert info.visit_info.has_simulated_content


@pytest.mark.parametrize(
    ("part", "values"),
    [
        (SceneOptions, {"n_visits": 0}),
        (SceneOptions, {"shape": (0, 5)}),
        (SceneOptions, {"shape": (5,)}),
        (SceneOptions, {"start": (1, 2, 3)}),
        (SceneOptions, {"seed": -1}),
        (SceneOptions, {"matched_sigma": 2.0}),
        (SceneOptions, {"matched_sigma": 4.0, "psf": PsfOptions(kind="moffat")}),
        (SceneOptions, {"n_visits": 2, "satellites": SatelliteOptions(visits=(2,))}),
        (SourceOptions, {"n_stars": -1}),
        (SourceOptions, {"flux": (5.0, 1.0)}),
        (SourceOptions, {"flux": (0.0, 1.0)}),
        (SourceOptions, {"flux": (1.0, np.nan)}),
        (PsfOptions, {"kind": "airy"}),
        (PsfOptions, {"sigma": (0.5, 2.0)}),
        (NoiseOptions, {"gain": 0.0}),
        (NoiseOptions, {"gain": np.nan}),
        (NoiseOptions, {"read_noise": 0.0, "sky_level": (0.0, 0.0)}),
        (BackgroundOptions, {"gradient": -1.0}),
        (DetectorOptions, {"chip_shape": (4, 100)}),
        (DetectorOptions, {"full_well": 0.0}),
        (CosmicRayOptions, {"flagged": 1.5}),
        (SatelliteOptions, {"width": (0.0, 1.0)}),
        (GhostOptions, {"radius": (1.0, 2.0)}),
        (MoverOptions, {"trail": 2.0}),
        (DetectionOptions, {"kind": "magic"}),
    ],
)
def test_impossible_options_are_refused_by_name(part, values):
    with pytest.raises(OptionError) as error:
        part(**values)
    assert any(name in str(error.value) for name in values)


def test_unknown_preset_lists_the_presets():
    with pytest.raises(OptionError, match=r"'demmo'.*clean, demo, reference"):
        simulate_scene("demmo")

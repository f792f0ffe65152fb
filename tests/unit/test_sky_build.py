# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames built from simulated visits of a mosaic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from deepcoadd import MaskedImage
from deepcoadd.background import (
    BackgroundOptions,
    SkyFrameBuilder,
    SuperpixelOptions,
    frame_of_wcs,
    measure_sky_bins,
    measure_visit_sky,
    sample_sky,
    solve_sky_scale,
    without_background,
)
from deepcoadd.detection import ObjectMaskOptions, mask_objects
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.testing.simulate import SkyVisitOptions, simulate_sky_visits, sky_patterns

SCENE = SkyVisitOptions(
    shape=(192, 224), n_visits=5, scale=160.0, amplitude=0.01, star_density=4e-5
)
GRID = SuperpixelOptions(y_size=20.0, x_size=20.0, pixel_size=0.2)
OBJECTS = ObjectMaskOptions(n_iter=1, background=BackgroundOptions(bin_size=64))
ORIGIN = SkyCoord(30, -5, unit="deg")


def detectors(visit: Any) -> dict[Any, Any]:
    return {
        name: (
            mask_objects(one.masked_image, OBJECTS),
            frame_of_wcs(one.box, one.wcs, ORIGIN),
        )
        for name, one in visit.exposures.items()
    }


def noiseless(visit: Any) -> dict[Any, Any]:
    """Bins of the patterns alone, less their large scales."""
    parts = {}
    for name, pattern in enumerate(sky_patterns(SCENE)):
        one = visit.exposures[name]
        pixels = MaskedImage.from_arrays(1.0 + pattern, None, 1.0)
        parts[name] = (pixels, frame_of_wcs(one.box, one.wcs, ORIGIN))
    taken = measure_visit_sky(parts, GRID)
    return {
        name: measure_sky_bins(without_background(pixels, taken.backgrounds[name])).values
        for name, (pixels, _) in parts.items()
    }


def test_frames_are_the_patterns_of_the_detectors():
    builder = SkyFrameBuilder(GRID)
    for visit in simulate_sky_visits(SCENE):
        sky = builder.add_visit(detectors(visit))
        assert sky.level == pytest.approx(visit.level, rel=0.02)
    frames = builder.frames()
    assert sorted(frames) == list(range(6))
    for name, want in noiseless(visit).items():
        assert np.corrcoef(frames[name].values.ravel(), want.ravel())[0, 1] > 0.9
    (new,) = simulate_sky_visits(replace(SCENE, n_visits=1, seed=5))
    parts = detectors(new)
    taken = measure_visit_sky(parts, GRID)
    samples = [
        sample_sky(without_background(pixels, taken.backgrounds[name]), frames[name])
        for name, (pixels, _) in parts.items()
    ]
    found = solve_sky_scale(samples)
    # Bins of 32 pixels flatten waves of about 320 pixels by 3 %; the rest is noise.
    assert found.scale == pytest.approx(new.level, rel=0.04 + 4 * found.error / new.level)


def test_inputs_stay_and_wrong_ones_are_named():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1, mosaic=(1, 1)))
    exposure = visit.exposures[0]
    before = exposure.masked_image.copy()
    parts = detectors(visit)
    builder = SkyFrameBuilder(GRID)
    builder.add_visit(parts)
    np.testing.assert_array_equal(exposure.image.array, before.image.array)
    np.testing.assert_array_equal(exposure.mask.array, before.mask.array)
    pixels, transform = parts[0]
    pixels.image.array[:] *= -1
    with pytest.raises(NoDataError, match="must be above 0"):
        builder.add_visit({0: (pixels, transform)})
    assert len(builder.levels) == 1
    pixels.mask.set("BAD", (slice(None), slice(None)))
    with pytest.raises(NoDataError, match="superpixels: none holds"):
        builder.add_visit({0: (pixels, transform)})
    with pytest.raises(NoDataError, match="no visit"):
        SkyFrameBuilder(GRID).frames()
    with pytest.raises(OptionError, match="weighting"):
        SkyFrameBuilder(GRID, weighting="noise")
    with pytest.raises(OptionError, match="n_iter"):
        ObjectMaskOptions(n_iter=0)
    with pytest.raises(OptionError, match="threshold"):
        ObjectMaskOptions(threshold=0)


def test_objects_are_masked_and_the_sky_is_not():
    (visit,) = simulate_sky_visits(
        replace(SCENE, n_visits=1, mosaic=(1, 1), amplitude=0.0, star_density=1e-4)
    )
    exposure = visit.exposures[0]
    masked = mask_objects(exposure.masked_image, OBJECTS)
    found = masked.mask.has("DETECTED")
    assert not exposure.mask.has("DETECTED").any()
    assert 0.005 < found.mean() < 0.4
    brightest = np.unravel_index(exposure.image.array.argmax(), found.shape)
    assert found[brightest]
    assert np.isfinite(measure_sky_bins(masked).values).any()


def test_rounds_make_the_superpixels_of_a_slope_right():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1))
    parts = {}
    for name, one in visit.exposures.items():
        transform = frame_of_wcs(one.box, one.wcs, ORIGIN)
        y, x = transform.to_frame(*np.indices(one.box.shape).astype(float))
        parts[name] = (MaskedImage.from_arrays(100.0 + 0.1 * x - 0.2 * y, None, 1.0), transform)
    left = {}
    for rounds in (1, 3):
        taken = measure_visit_sky(parts, GRID, rounds)
        flat = [without_background(p, taken.backgrounds[k]) for k, (p, _) in parts.items()]
        left[rounds] = np.sqrt(np.mean([one.image.array**2 for one in flat]))
    assert left[3] < 0.6 * left[1] < 0.6
    with pytest.raises(OptionError, match="rounds: got 0"):
        measure_visit_sky(parts, GRID, 0)


def test_places_follow_the_wcs():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1))
    for one in visit.exposures.values():
        transform = frame_of_wcs(one.box, one.wcs, ORIGIN)
        (a, b, _), (d, e, _) = transform.matrix
        np.testing.assert_allclose([a, b, d, e], [-0.2, 0, 0, 0.2], atol=1e-6)
    y, x = frame_of_wcs(one.box, one.wcs).to_frame(*map(np.array, one.box.center))
    assert abs(y) < 1e-3
    assert abs(x) < 1e-3

# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames built from simulated visits of a mosaic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    BackgroundModel,
    BackgroundOptions,
    SkyFrameBuilder,
    SkyOptions,
    SuperpixelOptions,
    frame_of_wcs,
    mask_visit_objects,
    measure_sky_bins,
    measure_visit_sky,
    sample_sky,
    through_means,
    without_background,
)
from deepcoadd.detection import ObjectMaskOptions, mask_objects
from deepcoadd.errors import NoDataError, OptionError, ShapeError, SingularError
from deepcoadd.testing.simulate import SkyVisitOptions, simulate_sky_visits, sky_patterns

SCENE = SkyVisitOptions(
    shape=(192, 224), n_visits=5, scale=160.0, amplitude=0.01, star_density=4e-5
)
GRID = SuperpixelOptions(y_size=45.0, x_size=45.0, pixel_size=0.2)
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
    """Frames of the patterns alone."""
    parts = {}
    for name, pattern in enumerate(sky_patterns(SCENE)):
        one = visit.exposures[name]
        pixels = MaskedImage.from_arrays(1.0 + pattern, None, 1.0)
        parts[name] = (pixels, frame_of_wcs(one.box, one.wcs, ORIGIN))
    builder = SkyFrameBuilder(GRID)
    builder.add_visit(parts)
    return {name: frame.values for name, frame in builder.frames().items()}


def test_frames_are_the_patterns_of_the_detectors():
    builder = SkyFrameBuilder(GRID)
    for visit in simulate_sky_visits(SCENE):
        sky = builder.add_visit(detectors(visit))
        assert sky.level == pytest.approx(visit.level, rel=0.02)
    frames = builder.frames()
    assert sorted(frames) == list(range(6))
    for name, want in noiseless(visit).items():
        # The noise of five visits is up to six tenths of the pattern.
        assert np.corrcoef(frames[name].values.ravel(), want.ravel())[0, 1] > 0.8
    (new,) = simulate_sky_visits(replace(SCENE, n_visits=1, seed=5))
    parts = detectors(new)
    found = measure_visit_sky(parts, GRID, SkyOptions(), frames).scale
    assert found is not None
    # 5 visits leave a half of the noise of one in the frame.
    assert found.scale == pytest.approx(new.level, rel=0.005 + 5 * found.error / new.level)


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


def test_a_slope_is_taken_out_whole():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1))
    parts = {}
    for name, one in visit.exposures.items():
        transform = frame_of_wcs(one.box, one.wcs, ORIGIN)
        y, x = transform.to_frame(*np.indices(one.box.shape).astype(float))
        parts[name] = (MaskedImage.from_arrays(100.0 + 0.1 * x - 0.2 * y, None, 1.0), transform)
    taken = measure_visit_sky(parts, GRID)
    for name, (pixels, _) in parts.items():
        # The grid is held by its bending, which a slope has none of; pixels are float32.
        left = without_background(pixels, taken.backgrounds[name]).image.array
        np.testing.assert_allclose(left, 0.0, atol=1e-3)
    assert taken.scale is None


def test_the_scale_and_the_large_scales_are_found_at_once():
    rng = np.random.default_rng(0)
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1))
    pairs = zip(sky_patterns(SCENE), visit.exposures.items(), strict=True)
    truth, frames = {}, {}
    for pattern, (name, one) in pairs:
        place = frame_of_wcs(one.box, one.wcs, ORIGIN)
        y, x = place.to_frame(*np.indices(one.box.shape).astype(float))
        truth[name] = 700 * (1 + pattern) + 0.3 * x - 0.2 * y, place
        frames[name] = through_means(measure_sky_bins(MaskedImage.from_arrays(pattern, None, 1.0)))
    errors, predicted = [], []
    for _ in range(6):
        parts = {
            name: (MaskedImage.from_arrays(rng.normal(sky, 26.0), None, 676.0), place)
            for name, (sky, place) in truth.items()
        }
        found = measure_visit_sky(parts, GRID, replace(SkyOptions(), correct_noise=False), frames)
        assert found.scale is not None
        errors.append(float(found.scale) - 700)
        predicted.append(found.scale.error)
    # Chi-square of 6 is above 27.9 once in 10^4; waves of 160 pixels in bins of 32 lose 0.2 %.
    assert np.sum(np.square(errors) / np.square(predicted)) < 27.9
    assert 0 < np.mean(predicted) < 7


def test_objects_are_found_beside_the_pattern():
    scene = replace(SCENE, amplitude=0.03, n_visits=1, levels=(1000.0, 1000.0))
    (visit,) = simulate_sky_visits(scene)
    parts = {
        name: (one.masked_image, frame_of_wcs(one.box, one.wcs, ORIGIN))
        for name, one in visit.exposures.items()
    }
    frames = {
        name: through_means(measure_sky_bins(MaskedImage.from_arrays(pattern, None, 1.0)))
        for name, pattern in enumerate(sky_patterns(scene))
    }
    options = ObjectMaskOptions(n_iter=1)

    def share(given: Any) -> float:
        sky = measure_visit_sky(parts, GRID, SkyOptions(), given)
        masked = mask_visit_objects(parts, sky, lambda one: mask_objects(one, options), given)
        flags = [pixels.mask.has("DETECTED") for pixels, _ in masked.values()]
        high = [pattern > 0 for pattern in sky_patterns(scene)]
        return float(
            np.mean([f[h].mean() - f[~h].mean() for f, h in zip(flags, high, strict=True)])
        )

    assert share(None) > 0.05
    assert abs(share(frames)) < 0.03
    assert not any(one.mask.has("DETECTED").any() for one in visit.exposures.values())


def test_frames_that_a_visit_cannot_be_measured_with():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1, mosaic=(1, 1)))
    one = visit.exposures[0]
    parts = {0: (one.masked_image, frame_of_wcs(one.box, one.wcs, ORIGIN))}
    y = np.indices(one.box.shape)[0].astype(float)
    slope = measure_sky_bins(MaskedImage.from_arrays(1e-3 * y, None, 1.0))
    with pytest.raises(NoDataError, match="there is none of detector 0"):
        measure_visit_sky(parts, GRID, SkyOptions(), {1: slope})
    with pytest.raises(SingularError, match="cannot be told from the large-scale sky"):
        measure_visit_sky(parts, GRID, SkyOptions(), {0: slope})
    other = replace(slope, box=slope.box.shifted_by(x=3))
    with pytest.raises(ShapeError, match="sky frame: covers"):
        measure_visit_sky(parts, GRID, SkyOptions(), {0: other})
    zero = replace(slope, values=np.zeros_like(slope.values))
    found = measure_visit_sky(parts, GRID, SkyOptions(), {0: zero})
    assert found.scale is not None
    assert (float(found.scale), found.scale.error) == (0.0, np.inf)
    with pytest.raises(OptionError, match="superpixels; must be at most 5000"):
        measure_visit_sky(parts, SuperpixelOptions(y_size=0.2, x_size=0.2))
    with pytest.raises(NoDataError, match="got no detectors"):
        measure_visit_sky({}, GRID)


@pytest.mark.parametrize("algorithm", ["NATURAL_SPLINE", "LINEAR", "CONSTANT", "AKIMA_SPLINE"])
def test_curves_keep_the_means_of_their_bins(algorithm: str):
    rng = np.random.default_rng(2)
    background = replace(SkyOptions().background, algorithm=algorithm)
    values = rng.normal(0, 1, (6, 5)).astype(np.float32)
    variances = np.full((6, 5), 0.04, np.float32)
    variances[2, 2] = np.nan
    box = Box.from_shape((190, 161), start=(4, -7))
    sky = through_means(BackgroundModel(values, variances, box, background))
    image = sky.image().array.astype(float)
    means = measure_sky_bins(
        MaskedImage.from_arrays(image, None, 1.0, box=box),
        replace(SkyOptions(), background=replace(background, statistic="MEAN")),
    ).values
    # The means of an Akima spline are those of a natural one but for its sharper bends.
    np.testing.assert_allclose(means, values, atol=0.4 if algorithm == "AKIMA_SPLINE" else 2e-6)
    assert np.isnan(sky.variances[2, 2])
    carried = sample_sky(MaskedImage.from_arrays(image, None, 1.0, box=box), sky).sky_variance
    assert carried is not None
    assert carried.reshape(6, 5)[4:, 4] == pytest.approx(0.04, rel=0.05)


def test_places_follow_the_wcs():
    (visit,) = simulate_sky_visits(replace(SCENE, n_visits=1))
    for one in visit.exposures.values():
        transform = frame_of_wcs(one.box, one.wcs, ORIGIN)
        (a, b, _), (d, e, _) = transform.matrix
        np.testing.assert_allclose([a, b, d, e], [-0.2, 0, 0, 0.2], atol=1e-6)
    y, x = frame_of_wcs(one.box, one.wcs).to_frame(*map(np.array, one.box.center))
    assert abs(y) < 1e-3
    assert abs(x) < 1e-3

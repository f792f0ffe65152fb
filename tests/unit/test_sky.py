# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames: bins, averages, scales, subtraction."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.background import (
    TASK_SKY,
    BackgroundModel,
    SkyOptions,
    SkySamples,
    average_sky_bins,
    background_to_exposure,
    exposure_to_background,
    measure_sky_bins,
    sample_sky,
    solve_sky_scale,
    subtract_sky_frame,
)
from deepcoadd.errors import (
    FileFormatError,
    MaskPlaneError,
    NoDataError,
    NoSamplesError,
    OptionError,
    ShapeError,
    SingularError,
)

PLAIN = replace(SkyOptions(), nuisance="none", weighting=False, correct_noise=False)


def pattern(seed: int = 0, shape: tuple[int, int] = (160, 200)) -> BackgroundModel:
    """A sky frame of mean near 0 whose bins vary by 0.05."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.05, (5, 6)).astype(np.float32)
    box = Box.from_shape(shape, start=(-3, 17))
    return BackgroundModel(values, np.zeros_like(values), box, SkyOptions().background)


def exposure(sky: BackgroundModel, scale: float, noise: float, seed: int = 1) -> MaskedImage:
    rng = np.random.default_rng(seed)
    image = scale * sky.image().array + rng.normal(0, noise, sky.box.shape)
    return MaskedImage.from_arrays(image, None, noise**2, box=sky.box)


@pytest.mark.parametrize("samples", ["bins", "cells"])
@pytest.mark.parametrize("same_pixels", [True, False])
@pytest.mark.parametrize("statistic", ["MEAN", "MEDIAN", "MEANCLIP"])
def test_a_multiple_of_the_frame_has_that_scale(samples: str, same_pixels: bool, statistic: str):
    sky = pattern()
    options = replace(PLAIN, samples=samples, same_pixels=same_pixels, statistic=statistic)
    # 128 is a power of two: every pixel and every sample is 128 times that of the frame.
    found = solve_sky_scale([sample_sky(exposure(sky, 128.0, 0.0), sky, options)], options)
    assert float(found) == pytest.approx(128.0, rel=1e-14 if samples == "cells" else 1e-13)
    assert found.n_used <= found.n_samples == (30 if samples == "bins" else 16)


def test_samples_of_masked_images_use_the_same_pixels():
    sky = pattern()
    image = exposure(sky, 128.0, 0.0)
    high = sky.image().array > 0.02
    image.mask.array[high] = image.planes.bitmask("DETECTED")
    image.image.array[high] = 1e5
    for samples in ("bins", "cells"):
        options = replace(PLAIN, samples=samples, statistic="MEAN")
        assert float(solve_sky_scale([sample_sky(image, sky, options)], options)) == pytest.approx(
            128.0, rel=1e-12
        )
        biased = replace(options, same_pixels=False)
        assert abs(float(solve_sky_scale([sample_sky(image, sky, biased)], biased)) - 128) > 3


def test_the_error_is_the_scatter_of_the_scale():
    sky = pattern()
    options = replace(SkyOptions(), correct_noise=False)
    found = [
        solve_sky_scale([sample_sky(exposure(sky, 50.0, 5.0, seed), sky, options)], options)
        for seed in range(40)
    ]
    scales = np.array([float(f) for f in found])
    predicted = np.median([f.error for f in found])
    # The scatter of 40 is known to 1 / sqrt(80), the mean to 1 / sqrt(40): 4 of these.
    assert abs(scales.mean() - 50) < 4 * predicted / math.sqrt(40)
    assert abs(scales.std() / predicted - 1) < 4 / math.sqrt(80)


def test_nuisances_are_told_apart():
    sky = pattern()
    y, x = np.indices(sky.box.shape)
    image = exposure(sky, 50.0, 0.5)
    image.image.array[:] += (7.0 + 0.02 * x - 0.05 * y).astype(np.float32)
    plane = solve_sky_scale(
        [sample_sky(image, sky, options := replace(SkyOptions(), nuisance="plane"))], options
    )
    assert abs(plane.scale - 50) < 4 * plane.error < 1
    # Slopes are given for half the detector.
    assert plane.nuisance[0] == pytest.approx([7 + 1.99 - 3.975, -4.0, 2.0], abs=0.05)
    assert plane.n_terms == 4
    none = replace(options, nuisance="none")
    assert abs(float(solve_sky_scale([sample_sky(image, sky, none)], none)) - 50) > 5


def test_the_noise_of_the_frame_does_not_make_scales_small():
    truth = pattern()
    rng = np.random.default_rng(3)
    sigma = 0.02
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(30):
        noise = rng.normal(0, sigma, truth.values.shape).astype(np.float32)
        variances = np.full(noise.shape, sigma**2, np.float32)
        noisy = replace(truth, values=truth.values + noise, variances=variances)
        image = exposure(truth, 50.0, 0.5, seed)
        for correct in (True, False):
            options = replace(SkyOptions(), correct_noise=correct)
            ratios[correct].append(
                float(solve_sky_scale([sample_sky(image, noisy, options)], options)) / 50
            )
    spread = np.std(ratios[True]) / math.sqrt(30)
    assert abs(np.mean(ratios[True]) - 1) < 4 * spread
    # Noise is a seventh of the squares of the frame, or more.
    assert np.mean(ratios[False]) < 1 - 0.1


def test_published_rounds_of_rejection():
    sky = np.append(np.arange(-2.0, 3.5, 0.5), np.nan)
    image = np.array([-9.9, -7.6, -5.1, -2.4, 0.1, 2.6, 4.9, 7.4, 10.1, 40, 15.1, 3])
    found = solve_sky_scale([SkySamples(image, sky)], TASK_SKY)
    assert float(found) == pytest.approx(5.0125, rel=1e-12)
    assert (found.n_used, found.n_samples) == (10, 12)
    once = replace(TASK_SKY, max_rounds=0)
    assert float(solve_sky_scale([SkySamples(image, sky)], once)) == pytest.approx(7.28264463)


def test_rounds_that_would_reject_everything():
    two = solve_sky_scale([SkySamples(np.array([2, 2, 2, 2, 2.1]), np.ones(5))], TASK_SKY)
    assert float(two) == 2.0
    rng = np.random.default_rng(0)
    sky = np.linspace(-0.1, 0.1, 160)
    offset = SkySamples(100 * sky + 5 + rng.normal(size=160), sky)
    assert np.isfinite(float(solve_sky_scale([offset], TASK_SKY)))
    assert float(solve_sky_scale([SkySamples(np.ones(9), np.zeros(9))], TASK_SKY)) == 0.0


def test_scales_are_those_of_permuted_and_scaled_samples():
    rng = np.random.default_rng(5)
    sky = rng.uniform(-1, 1, 100)
    image = 5 * sky + rng.normal(0, 0.1, 100)
    image[:10] += rng.uniform(5, 50, 10)
    whole = float(solve_sky_scale([SkySamples(image, sky)], TASK_SKY))
    assert abs(whole - 5) < 5 * 0.1 / math.sqrt((sky**2).sum())
    order = rng.permutation(100)
    parts = [SkySamples(image[k], sky[k]) for k in np.split(order, 4)]
    assert float(solve_sky_scale(parts, TASK_SKY)) == pytest.approx(whole, rel=1e-12)
    assert float(solve_sky_scale([SkySamples(8 * image, sky)], TASK_SKY)) == 8 * whole


def test_samples_that_cannot_be_fitted():
    nothing = np.full(5, np.nan)
    for samples in ([], [SkySamples(nothing, nothing)]):
        with pytest.raises(NoSamplesError, match="no usable sky samples"):
            solve_sky_scale(samples, TASK_SKY)
        with pytest.raises(ValueError, match="no usable sky samples"):
            solve_sky_scale(samples, TASK_SKY)
    with pytest.raises(ShapeError, match="detector 0"):
        solve_sky_scale([SkySamples(np.ones(3), np.ones(4))], TASK_SKY)
    with pytest.raises(OptionError, match="weighting"):
        solve_sky_scale([SkySamples(np.ones(3), np.ones(3))], SkyOptions())
    with pytest.raises(OptionError, match="nuisance"):
        solve_sky_scale([SkySamples(np.ones(3), np.ones(3))], replace(PLAIN, nuisance="plane"))
    constant = replace(PLAIN, nuisance="constant")
    with pytest.raises(SingularError, match="cannot be told"):
        solve_sky_scale([SkySamples(np.arange(9.0), np.ones(9))], constant)
    with pytest.raises(NoSamplesError, match="1 are too few for 2 terms"):
        solve_sky_scale([SkySamples(np.array([1.0, np.nan]), np.array([1.0, 2.0]))], constant)


def test_averages_leave_their_inputs_and_fill_empty_bins():
    frames = [pattern(seed) for seed in range(5)]
    frames[1].values[0, 0] = np.nan
    for frame in frames:
        frame.values[2, 3] = np.nan
    copies = [frame.values.copy() for frame in frames]
    sky = average_sky_bins(frames)
    for frame, copy in zip(frames, copies, strict=True):
        np.testing.assert_array_equal(frame.values, copy)
    others = np.delete(sky.values.ravel(), 2 * 6 + 3)
    assert sky.values[2, 3] == np.float32(np.median(others.astype(float)))
    assert np.isnan(sky.variances[2, 3])
    assert (sky.mask.array != 0).sum() == 1
    assert sky.mask.array[2, 3] == sky.mask.planes.bitmask("NO_DATA")
    alone = average_sky_bins(frames[:1])
    assert np.isnan(alone.variances).all()
    weighted = average_sky_bins(frames, [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(weighted.values[0], frames[0].values[0])


def test_averages_of_unequal_frames_are_refused():
    first = pattern()
    other = replace(first, options=replace(first.options, algorithm="LINEAR"))
    with pytest.raises(ShapeError, match="curve of exposure 1 is LINEAR"):
        average_sky_bins([first, other])
    with pytest.raises(ShapeError, match="box of exposure 2"):
        average_sky_bins([first, first, pattern(shape=(160, 201))])
    empty = replace(first, values=np.full_like(first.values, np.nan))
    with pytest.raises(NoDataError, match="no bin of any of 2"):
        average_sky_bins([empty, empty])
    with pytest.raises(NoDataError, match="no exposures"):
        average_sky_bins([])


def test_subtraction_in_place_and_as_bins():
    sky = pattern()
    image = exposure(sky, 100.0, 1.0)
    before = image.copy()
    removed = subtract_sky_frame(image, sky, 100.0)
    want = before.image.array - np.float32(100) * sky.image().array
    np.testing.assert_array_equal(image.image.array, want)
    np.testing.assert_array_equal(image.variance.array, before.variance.array)
    np.testing.assert_allclose(removed.image().array, 100 * sky.image().array, atol=2e-6)
    with pytest.raises(ShapeError, match="sky frame: covers"):
        subtract_sky_frame(image, replace(sky, box=sky.box.shifted_by(x=1)), 1.0)
    with pytest.raises(OptionError, match="scale: got nan"):
        subtract_sky_frame(image, sky, math.nan)
    np.testing.assert_array_equal(image.image.array, want)


def test_exposures_hold_sky_frames():
    sky = average_sky_bins([pattern(1), pattern(2), pattern(3)])
    held = background_to_exposure(sky.statistics, sky.box, "LINEAR")
    assert held.info.metadata["BOX.MAXX"] == 216
    back = exposure_to_background(held)
    assert (back.box, back.options.algorithm) == (sky.box, "LINEAR")
    np.testing.assert_array_equal(back.values, sky.values)
    lower = {f"HIERARCH {k.lower()}": v for k, v in held.info.metadata.items()}
    assert exposure_to_background(Exposure(held.masked_image, metadata=lower)).box == sky.box
    for key, value, message in (
        ("BOX.MINY", None, "BOX.MINY is missing"),
        ("BOX.MINX", 1.5, r"BOX.MINX is 1.5, must be an integer"),
        ("ALGORITHM", "NONE", "ALGORITHM is 'NONE', must be one of"),
        ("BOX.MAXX", 20, "cannot hold 6 x 5 bins"),
    ):
        cards = {k: v for k, v in held.info.metadata.items() if k != key}
        wrong = cards if value is None else {**cards, key: value}
        with pytest.raises(FileFormatError, match=message):
            exposure_to_background(Exposure(held.masked_image, metadata=wrong))


def test_bins_of_exposures():
    image = MaskedImage.from_arrays(np.full((79, 80), 3.0), None, 1.0)
    model = measure_sky_bins(image)
    assert model.values.shape == (2, 3)
    image.mask.set("BAD", (slice(None), slice(None)))
    assert np.isnan(measure_sky_bins(image).values).all()
    odd = replace(SkyOptions().background, ignored_planes=("HOLE",))
    with pytest.raises(MaskPlaneError, match="HOLE"):
        measure_sky_bins(image, replace(SkyOptions(), background=odd))
    options = replace(PLAIN, ignored_planes=("HOLE",))
    with pytest.raises(MaskPlaneError, match="HOLE"):
        sample_sky(exposure(pattern(), 1.0, 1.0), pattern(), options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", "pixels"),
        ("statistic", "MODE"),
        ("nuisance", "spline"),
        ("x_samples", 0),
        ("max_rounds", -1),
        ("reject", 0.0),
        ("sigma_clip", math.inf),
    ],
)
def test_wrong_options_are_named(name: str, value: object):
    with pytest.raises(OptionError, match=f"^{name}: got {value!r}"):
        SkyOptions(**{name: value})


def test_an_image_of_another_origin_is_sampled_at_its_pixels():
    sky = pattern()
    image = exposure(sky, 10.0, 1.0)
    moved = replace(sky, box=Box.from_shape(sky.box.shape))
    at_zero = MaskedImage.from_arrays(image.image.array, None, 1.0)
    for options in (SkyOptions(), TASK_SKY):
        ours, theirs = sample_sky(image, sky, options), sample_sky(at_zero, moved, options)
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.sky, theirs.sky)

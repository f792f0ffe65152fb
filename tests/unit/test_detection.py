# SPDX-License-Identifier: BSD-3-Clause
"""Detection on images whose sources are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import deepcoadd
from deepcoadd import Exposure, MaskedImage, MaskPlanes
from deepcoadd.detection import TASK_DETECTION, DetectionOptions, detect
from deepcoadd.errors import (
    DeepcoaddError,
    MaskPlaneError,
    OptionError,
    PsfGenerationError,
    ShapeError,
)
from deepcoadd.psf import FixedKernel, GaussianPsf, KernelPsf, MissingPsf


def flat(shape: tuple[int, int] = (60, 70), value: float = 0.0) -> MaskedImage:
    return MaskedImage.from_arrays(np.full(shape, value), None, 1.0, start=(-20, 300))


def with_points(values: dict[tuple[int, int], float], shape: tuple[int, int] = (60, 70)) -> Any:
    pixels = flat(shape)
    for at, value in values.items():
        pixels.image.array[at] = value
    return pixels


def test_an_isolated_pixel_grows_to_a_disc():
    """Radius int(2.4 * 2 + 0.5) = 5: 81 pixels."""
    pixels = with_points({(30, 40): 10.0})
    result = detect(pixels, sigma=2.0, do_smooth=False)
    assert result.positive is not None
    (footprint,) = result.positive
    assert (result.n_grow, footprint.area, result.kernel_width) == (5, 81, 0)
    assert (footprint.peaks[0].y, footprint.peaks[0].x) == (10, 340)
    assert footprint.peaks[0].significance == 10.0
    assert pixels.mask.has("DETECTED").sum() == 81
    assert not pixels.mask.has("EDGE", "DETECTED_NEGATIVE").any()


def test_an_infinite_pixel_has_no_significance_against_infinite_noise():
    pixels = with_points({(30, 40): np.inf, (10, 20): 10.0})
    pixels.variance.array[30, 40] = np.inf
    result = detect(pixels, sigma=2.0, do_smooth=False)
    assert result.positive is not None
    found = {one.peaks[0].x: one.peaks[0].significance for one in result.positive}
    assert found[320] == 10.0
    assert found[340] is None


def test_min_pixels_counts_before_growth():
    pixels = with_points({(30, 40): 10.0, (30, 41): 10.0, (10, 10): 10.0})
    for least, n in ((1, 2), (2, 1), (3, 0)):
        options = DetectionOptions(min_pixels=least)
        assert detect(pixels, options, sigma=2.0, do_smooth=False).n_positive == n


def test_growth_is_cut_at_the_border_of_the_image():
    pixels = with_points({(0, 0): 10.0})
    result = detect(pixels, sigma=2.0, do_smooth=False)
    assert result.positive is not None
    assert result.positive[0].area == 26
    smoothed = with_points({(8, 8): 1000.0})
    assert detect(smoothed, sigma=2.0).n_positive == 1
    # Grown from the interior into the rim that the kernel does not cover.
    assert smoothed.mask.has("DETECTED")[:7].any()


def test_a_point_source_has_the_significance_of_its_flux():
    """Flux F, noise 1: F / (2 s sqrt(pi)) for a source of the width of the kernel."""
    y, x = np.indices((80, 80)) - 40
    shape = np.exp(-(y**2 + x**2) / 8.0) / (8.0 * math.pi)
    pixels = MaskedImage.from_arrays(1000.0 * shape, None, 1.0)
    result = detect(pixels, sigma=2.0)
    assert result.positive is not None
    significance = 1000.0 / (2 * 2.0 * math.sqrt(math.pi))
    # The kernel ends at 7 pixels: 1e-3 of the sum and of the sum of squares.
    np.testing.assert_allclose(result.positive.peaks["significance"], significance, rtol=2e-3)


def test_false_detections_of_noise_are_as_rare_as_they_should_be():
    """Upcrossings: t exp(-t^2 / 2) / ((2 pi)^(3/2) 2 s^2) a pixel and polarity.

    3 sigma at s = 2 in 10^6 pixels: 264, some of which merge (220 measured in the specification);
    Poisson noise of 15, 5 of them and the merging allow 150 to 330. At 5 sigma: 0.15, so that more
    than 2 come once in 1700 seeds.
    """
    image = np.random.default_rng(11).normal(size=(1000, 1000))
    pixels = MaskedImage.from_arrays(image, None, 1.0)
    options = DetectionOptions(threshold_value=3.0, n_sigma_to_grow=0.0)
    assert 150 < detect(pixels, options, sigma=2.0).n_positive < 330
    assert detect(pixels, sigma=2.0).n_positive <= 2


def test_nan_hides_what_the_kernel_covers():
    pixels = with_points({(20, 20): 1000.0, (20, 50): 1000.0})
    pixels.image.array[:, 26] = np.nan
    result = detect(pixels, DetectionOptions(n_sigma_to_grow=0.0), sigma=2.0)
    assert result.positive is not None
    columns = np.flatnonzero(pixels.mask.has("DETECTED").any(axis=0))
    assert result.n_positive == 2
    assert not ((columns >= 26 - 7) & (columns <= 26 + 7)).any()


def test_masked_pixels_are_detected_and_excluded_ones_are_not():
    pixels = with_points({(30, 40): 10.0, (10, 10): -10.0})
    pixels.mask.set("SAT", (slice(30, 31), slice(40, 41)))
    both = DetectionOptions(threshold_polarity="both")
    result = detect(pixels, both, sigma=2.0, do_smooth=False)
    assert (result.n_positive, result.n_negative) == (1, 1)
    excluding = DetectionOptions(threshold_polarity="both", exclude_planes=("SAT",))
    result = detect(pixels, excluding, sigma=2.0, do_smooth=False)
    assert (result.n_positive, result.n_negative) == (0, 1)
    assert pixels.image.array[30, 40] == 10.0


@pytest.mark.parametrize("variance", [0.0, -1.0, math.nan, math.inf])
def test_pixels_without_a_variance_are_not_detected(variance: float):
    pixels = with_points({(30, 40): 10.0, (50, 60): 10.0, (50, 10): 0.0})
    pixels.variance.array[30, 40] = variance
    pixels.variance.array[50, 10] = 0.0
    result = detect(pixels, DetectionOptions(n_sigma_to_grow=0.0), do_smooth=False)
    assert np.argwhere(pixels.mask.has("DETECTED")).tolist() == [[50, 60]]
    assert (result.n_positive, result.sigma) == (1, None)


def test_images_without_a_good_pixel_have_no_sources():
    pixels = flat(value=math.nan)
    pixels.mask.set("NO_DATA", (slice(None), slice(None)))
    for smooth in (False, True):
        both = DetectionOptions(threshold_polarity="both")
        result = detect(pixels, both, sigma=2.0, do_smooth=smooth)
        assert (result.n_positive, result.n_negative) == (0, 0)
    for kind in ("stdev", "variance"):
        options = DetectionOptions(threshold_type=kind)
        with pytest.raises(OptionError, match=f"threshold_type: got '{kind}' for an image"):
            detect(flat(), options, sigma=2.0)


def test_scatter_leaves_out_masked_pixels_only_for_stdev():
    rng = np.random.default_rng(4)
    pixels = MaskedImage.from_arrays(rng.normal(size=(80, 80)), None, 1.0)
    pixels.image.array[:, :50] *= 100
    pixels.mask.set("BAD", (slice(None), slice(0, 50)))
    pixels.image.array[40, 70] = 30.0
    found = {}
    for kind in ("stdev", "variance"):
        options = DetectionOptions(threshold_type=kind, threshold_value=10.0)
        detect(pixels, options, sigma=2.0, do_smooth=False)
        found[kind] = pixels.mask.has("DETECTED")[40, 70]
    assert found == {"stdev": True, "variance": False}


def test_planes_are_cleared_or_kept():
    pixels = flat()
    pixels.mask.set("DETECTED", (slice(0, 2), slice(0, 2)))
    detect(pixels, sigma=2.0, clear_mask=False)
    assert pixels.mask.has("DETECTED").sum() == 4
    detect(pixels, sigma=2.0)
    assert pixels.mask.has("DETECTED").sum() == 0
    assert pixels.mask.has("EDGE").sum() == 60 * 70 - 46 * 56


def test_footprints_grown_each_by_itself():
    pixels = with_points({(30, 40): 10.0, (30, 46): 10.0})
    joined = detect(pixels, sigma=2.0, do_smooth=False)
    options = DetectionOptions(combined_grow=False, isotropic_grow=False)
    apart = detect(pixels, options, sigma=2.0, do_smooth=False)
    assert (joined.n_positive, apart.n_positive) == (1, 2)
    assert apart.positive is not None
    assert [footprint.area for footprint in apart.positive] == [61, 61]
    assert pixels.mask.has("DETECTED").sum() < 122


def test_the_original_footprints_on_request():
    pixels = with_points({(30, 40): 10.0})
    options = DetectionOptions(return_original_footprints=True)
    result = detect(pixels, options, sigma=2.0, do_smooth=False)
    assert result.positive is not None
    assert result.positive[0].area == 1
    assert pixels.mask.has("DETECTED").sum() == 81


def test_factors_scale_the_threshold():
    pixels = with_points({(30, 40): 10.0, (10, 10): -10.0})
    both = DetectionOptions(threshold_polarity="both")
    for factor, negative, counts in ((2.5, None, (0, 0)), (2.5, 1.0, (0, 1)), (1.0, 3.0, (1, 0))):
        result = detect(
            pixels, both, sigma=2.0, do_smooth=False, factor=factor, factor_negative=negative
        )
        assert (result.n_positive, result.n_negative) == counts


def test_background_steps_change_no_footprint():
    rng = np.random.default_rng(2)
    y, x = np.indices((150, 170))
    image = rng.normal(size=y.shape)
    for _ in range(12):
        cy, cx = rng.uniform(20, 130, 2)
        image += rng.uniform(20, 200) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18.0)
    exposures = [
        Exposure(MaskedImage.from_arrays(image, None, 1.0), psf=GaussianPsf((21, 21), 2.0))
        for _ in range(2)
    ]
    plain, full = detect(exposures[0]), detect(exposures[1], TASK_DETECTION)
    assert plain.positive is not None
    assert full.positive is not None
    assert plain.positive.spans == full.positive.spans
    assert full.negative is None
    np.testing.assert_array_equal(exposures[0].mask.array, exposures[1].mask.array)
    (background,) = full.background
    left = exposures[0].image.array - background.image().array
    np.testing.assert_array_equal(exposures[1].image.array, left)


def test_a_wide_background_is_taken_off_for_the_detection_only():
    pixels = with_points({(300, 400): 30.0}, (600, 700))
    pixels.image.array += np.linspace(0, 50, 700, dtype=np.float32)
    before = pixels.image.array.copy()
    options = DetectionOptions(do_temp_wide_background=True)
    result = detect(pixels, options, sigma=2.0, do_smooth=False)
    np.testing.assert_array_equal(pixels.image.array, before)
    detect(pixels, sigma=2.0, do_smooth=False)
    assert pixels.mask.has("DETECTED").sum() > 1e5
    assert result.positive is not None
    assert result.positive.spans.contains_point(y=280, x=700)


def test_width_of_any_psf():
    psf = KernelPsf(FixedKernel(GaussianPsf((31, 31), 2.0).kernel_image().array))
    assert math.isclose(detect(Exposure(flat(), psf=psf)).sigma or 0, 2.0, rel_tol=3e-4)
    assert detect(Exposure(flat(), psf=psf), sigma=1.5).sigma == 1.5


def test_wrong_requests_change_nothing():
    pixels = with_points({(30, 40): 1000.0})
    pixels.mask.array[...] = 1 << pixels.planes["DETECTED"]
    before = pixels.copy()
    cases: list[tuple[type[DeepcoaddError], str, Any, dict[str, Any]]] = [
        (PsfGenerationError, "sigma: got None", pixels, {}),
        (PsfGenerationError, "PiffPsf", Exposure(pixels, psf=MissingPsf("PiffPsf")), {}),
        (ShapeError, r"at least \(71, 71\)", pixels, {"sigma": 10.0}),
        (OptionError, "^factor: got -1", pixels, {"sigma": 1.0, "factor": -1.0}),
        (
            OptionError,
            "^factor_negative: got nan",
            pixels,
            {"sigma": 1, "factor_negative": math.nan},
        ),
    ]
    cases += [
        (OptionError, "^sigma: got", pixels, {"sigma": sigma})
        for sigma in (0.0, -2.0, math.nan, math.inf)
    ]
    misspelt = DetectionOptions(exclude_planes=("SATT",))
    cases.append((MaskPlaneError, "SATT", pixels, {"sigma": 1.0, "options": misspelt}))
    for error, message, exposure, arguments in cases:
        with pytest.raises(error, match=message):
            detect(exposure, **arguments)
    for plane in ("image", "mask", "variance"):
        same = getattr(pixels, plane).array, getattr(before, plane).array
        np.testing.assert_array_equal(*same)


def test_masks_need_the_planes_that_are_set():
    planes = MaskPlanes(["BAD", "DETECTED"])
    pixels = MaskedImage.from_arrays(np.zeros((30, 30)), None, 1.0, planes=planes)
    with pytest.raises(MaskPlaneError, match="DETECTED_NEGATIVE"):
        detect(pixels, sigma=1.0)
    # Standard planes that a mask does not have are not looked for.
    planes = MaskPlanes(["EDGE", "DETECTED", "DETECTED_NEGATIVE"])
    pixels = MaskedImage.from_arrays(np.zeros((30, 30)), None, 1.0, planes=planes)
    options = DetectionOptions(exclude_planes=("SAT",))
    assert detect(pixels, options, sigma=1.0).n_positive == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold_type", "sigma"),
        ("threshold_polarity", "up"),
        ("threshold_value", -1.0),
        ("threshold_value", math.nan),
        ("n_sigma_to_grow", math.inf),
        ("min_pixels", -1),
        ("adjust_background", math.nan),
    ],
)
def test_wrong_options_are_named(name: str, value: object):
    with pytest.raises(OptionError, match=f"^{name}: got {value!r}"):
        DetectionOptions(**{name: value})


def test_threads_change_nothing():
    image = np.random.default_rng(8).normal(size=(300, 310))
    found = []
    for threads in (1, 3):
        deepcoadd.set_num_threads(threads)
        pixels = MaskedImage.from_arrays(image, None, 1.0)
        try:
            detect(pixels, DetectionOptions(threshold_value=2.0), sigma=1.7)
        finally:
            deepcoadd.set_num_threads(0)
        found.append(pixels.mask.array)
    np.testing.assert_array_equal(*found)

# SPDX-License-Identifier: BSD-3-Clause
"""Detection in a difference that nobody keeps, against one that is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import deepcoadd
from deepcoadd import Box, Exposure, Image, MaskedImage
from deepcoadd.coadd import ArtifactOptions, ArtifactSteps, find_artifacts
from deepcoadd.detection import (
    DetectionOptions,
    detect,
    detect_difference,
    needs_difference,
)
from deepcoadd.errors import OptionError, PsfGenerationError, ShapeError
from deepcoadd.psf import GaussianPsf

SHAPE = (90, 600)
BOTH = DetectionOptions(
    min_pixels=2, n_sigma_to_grow=0.4, threshold_value=3.0, threshold_polarity="both"
)


def scene(seed: int, shape: tuple[int, int] = SHAPE) -> MaskedImage:
    """Noise with some pixels that are NaN, infinite, masked or of no variance."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype("f4")
    image[rng.random(shape) < 0.01] *= 20
    variance = rng.uniform(0.5, 2, shape).astype("f4")
    for value in (np.nan, np.inf):
        image[rng.random(shape) < 0.005] = value
        variance[rng.random(shape) < 0.005] = value
    variance[rng.random(shape) < 0.005] = -1
    image[40:45, 100:400] = np.nan
    return MaskedImage.from_arrays(image, rng.integers(0, 4, shape), variance, start=(-7, 11))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"threshold_polarity": "negative", "n_sigma_to_grow": 2.4},
        {"include_threshold_multiplier": 2.0, "combined_grow": False},
        {"threshold_value": 0.0, "min_pixels": 5},
        {"return_original_footprints": True, "threshold_value": 8.0},
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_footprints_as_of_the_difference(change: dict[str, Any], threads: int) -> None:
    options = replace(BOTH, **change)
    pixels, template = scene(1), scene(2)
    with np.errstate(invalid="ignore"):
        image = pixels.image.array - template.image.array
    variance = pixels.variance.array * np.float32(1.5) + template.variance.array
    kept = MaskedImage.from_arrays(image, pixels.mask.array, variance, start=pixels.box.start)
    want = detect(kept, options, 2.0, do_smooth=False)
    n_image = Image(np.full(SHAPE, 7, np.uint32), pixels.box)
    deepcoadd.set_num_threads(threads)
    try:
        got = detect_difference(pixels, template, n_image, options, 2.0, factor=1.5, bad_bits=2)
    finally:
        deepcoadd.set_num_threads(0)
    for one, other in ((got.positive, want.positive), (got.negative, want.negative)):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.spans.area > 20
            assert one.pixel_sets == other.pixel_sets
    missing = np.zeros(SHAPE, bool)
    missing[got.missing.indices()[0] + 7, got.missing.indices()[1] - 11] = True
    assert_array_equal(missing, np.isnan(image))
    good = np.isfinite(image) & (pixels.mask.array & 2 == 0)
    assert_array_equal(n_image.array, 7 + good)


def test_what_needs_a_difference() -> None:
    assert not needs_difference(BOTH)
    for change in (
        {"threshold_type": "stdev"},
        {"exclude_planes": ("BAD",)},
        {"do_temp_local_background": True},
        {"do_temp_wide_background": True},
        {"re_estimate_background": True},
    ):
        assert needs_difference(replace(BOTH, **change)), change  # type: ignore[arg-type]


def test_wrong_arguments_are_named() -> None:
    pixels = scene(1, (50, 500))
    counts = Image(np.zeros((50, 500), np.uint32), pixels.box)
    with pytest.raises(ShapeError, match="template_image"):
        detect_difference(pixels, scene(2), counts, BOTH, 2.0)
    few = Image(np.zeros((5, 5), np.uint32), Box.from_shape((5, 5)))
    with pytest.raises(ShapeError, match="n_image"):
        detect_difference(pixels, pixels, few, BOTH, 2.0)
    with pytest.raises(OptionError, match="sigma"):
        detect_difference(pixels, pixels, counts, BOTH, -1.0)
    with pytest.raises(PsfGenerationError, match="sigma"):
        detect_difference(pixels, pixels, counts, BOTH)
    assert counts.array.max() == 0


def test_artifacts_are_those_of_differences_that_are_kept() -> None:
    """A step that detects as the package does makes it keep the differences."""
    options = ArtifactOptions(detection=BOTH, scale_variance=None)
    psf = GaussianPsf((25, 25), 2.0)
    template = Exposure(scene(9), psf=psf)
    matched = [Exposure(scene(seed), psf=psf) for seed in range(3, 8)]

    def own(difference: Exposure) -> Any:
        found = detect(difference, BOTH, do_smooth=False)
        assert found.positive is not None
        assert found.negative is not None
        return found.positive.merged(found.negative)

    fast = find_artifacts(template, matched, options=options)
    slow = find_artifacts(template, matched, options=options, steps=ArtifactSteps(detect=own))
    assert fast.masks == slow.masks
    assert fast.decisions == slow.decisions
    assert len(fast.decisions) > 100
    assert_array_equal(fast.n_image.array, slow.n_image.array)
    assert_array_equal(fast.epoch_count.array, slow.epoch_count.array)

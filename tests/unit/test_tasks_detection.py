# SPDX-License-Identifier: BSD-3-Clause
"""The detection and variance-scaling tasks: names, defaults, and what they hand down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd import Exposure, MaskedImage
from deepcoadd.detection import TASK_DETECTION
from deepcoadd.errors import PsfGenerationError
from deepcoadd.psf import GaussianPsf
from deepcoadd.scale_variance import ScaleVarianceOptions, scale_factors

pytest.importorskip("lsst.pipe.base")
pytestmark = pytest.mark.lsst

from deepcoadd.tasks import (  # noqa: E402
    ScaleVarianceTask,
    SourceDetectionConfig,
    SourceDetectionTask,
    SubtractBackgroundConfig,
)


def exposure() -> Exposure:
    image = np.random.default_rng(1).normal(size=(150, 160))
    image[70, 80] = 500.0
    image[20, 30] = -500.0
    return Exposure(MaskedImage.from_arrays(image, None, 1.0), psf=GaussianPsf((21, 21), 2.0))


def test_documented_defaults():
    expected: dict[str, Any] = {
        "minPixels": 1,
        "isotropicGrow": True,
        "combinedGrow": True,
        "nSigmaToGrow": 2.4,
        "returnOriginalFootprints": False,
        "thresholdValue": 5.0,
        "includeThresholdMultiplier": 1.0,
        "thresholdType": "pixel_stdev",
        "thresholdPolarity": "positive",
        "adjustBackground": 0.0,
        "reEstimateBackground": True,
        "doTempLocalBackground": True,
        "doTempWideBackground": False,
        "nPeaksMaxSimple": 1,
        "nSigmaForKernel": 7.0,
        "statsMask": ["BAD", "SAT", "EDGE", "NO_DATA"],
        "excludeMaskPlanes": [],
    }
    config = SourceDetectionConfig()
    assert {name: getattr(config, name) for name in expected if name[-4:] != "lanes"} | {
        "excludeMaskPlanes": list(config.excludeMaskPlanes)
    } == expected
    bins = {"background": 128, "tempLocalBackground": 64, "tempWideBackground": 512}
    assert {name: getattr(config, name).binSize for name in bins} == bins
    assert [getattr(config, name).useApprox for name in bins] == [True, False, False]
    assert "DETECTED" not in config.tempWideBackground.ignoredPixelMask
    assert config.to_options() == TASK_DETECTION
    assert ScaleVarianceTask.ConfigClass().to_options() == ScaleVarianceOptions()


def test_detect_footprints():
    config = SourceDetectionConfig()
    config.thresholdPolarity = "both"
    config.reEstimateBackground = False
    task = SourceDetectionTask(config=config)
    target = exposure()
    before = target.image.array.copy()
    result = task.detectFootprints(target)
    assert (result.numPos, result.numNeg) == (1, 1)
    assert (result.numPosPeaks, result.numNegPeaks) == (
        len(result.positive.peaks),
        len(result.negative.peaks),
    )
    assert (result.factor, result.factorNeg, result.background) == (1.0, 1.0, [])
    assert target.mask.has("DETECTED").any()
    np.testing.assert_array_equal(target.image.array, before)
    assert task.metadata["sigma"] == 2.0
    assert task.metadata["nGrow"] == 5
    assert task.metadata["smoothingKernelWidth"] == 15


def test_arguments_are_handed_down():
    task = SourceDetectionTask()
    target = exposure()
    target.mask.set("DETECTED", (slice(0, 1), slice(0, 1)))
    result = task.detectFootprints(target, False, 1.0, False, 1000.0, 2000.0)
    assert (result.numPos, result.factor, result.factorNeg) == (0, 1000.0, 2000.0)
    assert target.mask.has("DETECTED").sum() == 1
    with pytest.raises(PsfGenerationError):
        task.detectFootprints(Exposure(exposure().masked_image))


def test_the_default_subtracts_a_new_background():
    target = exposure()
    target.image.array += np.float32(0.1)
    result = SourceDetectionTask().detectFootprints(target)
    assert result.negative is None
    assert len(result.background) == 1
    # 5 standard errors of the median of 24000 pixels: 0.04.
    assert abs(np.median(target.image.array)) < 5 * 1.2533 / np.sqrt(24000)


def test_background_fields():
    config = SubtractBackgroundConfig()
    config.binSize = 16
    config.algorithm = "LINEAR"
    config.useApprox = False
    options = config.to_options()
    assert (options.bin_size, options.algorithm, options.use_approx) == (16, "LINEAR", False)
    config.approxOrderY = 3
    with pytest.raises(ValueError, match="approxOrderY: got 3, must be -1 or 6"):
        config.validate()
    config.approxOrderY = 6
    config.validate()


def test_scale_variance():
    pixels = exposure().masked_image
    factors = scale_factors(pixels)
    task = ScaleVarianceTask()
    struct = task.computeScaleFactors(pixels)
    assert (struct.pixelFactor, struct.imageFactor) == (factors.pixel, factors.image)
    assert task.run(pixels) == factors.pixel
    np.testing.assert_array_equal(pixels.variance.array, np.float32(factors.pixel))

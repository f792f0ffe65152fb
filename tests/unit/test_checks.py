# SPDX-License-Identifier: BSD-3-Clause
"""Arguments and options of a wrong type are refused by name, whatever takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepcoadd import Exposure, Image, MaskedImage
from deepcoadd.coadd import (
    ArtifactOptions,
    CompareWarpOptions,
    SafeClipOptions,
    compare_warp,
    find_artifacts,
    judge_candidates,
    max_epochs,
    prepare,
    safe_clip,
)
from deepcoadd.detection import DetectionOptions, detect
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.scale_variance import ScaleVarianceOptions, scale_variance
from deepcoadd.spans import SpanSet

PIXELS = MaskedImage.from_arrays(np.zeros((30, 30)), None, 1.0)
VISITS = [Exposure(PIXELS)] * 3
WRONG: Any = "2"
COUNTS = Image(np.zeros((3, 3), np.uint32))

REFUSED: dict[str, Callable[[], object]] = {
    "min_pixels: got '2', must be a number": lambda: DetectionOptions(min_pixels=WRONG),
    "adjust_background: got '2'": lambda: DetectionOptions(adjust_background=WRONG),
    "threshold_value: got True": lambda: DetectionOptions(threshold_value=True),
    "exclude_planes: got '2', must be a seq": lambda: DetectionOptions(exclude_planes=WRONG),
    "stats_planes: got 5, must be a seq": lambda: DetectionOptions(stats_planes=5),  # type: ignore[arg-type]
    "stats_planes: got \\(5,\\), must": lambda: DetectionOptions(stats_planes=(5,)),  # type: ignore[arg-type]
    "background: got str, must be a Back": lambda: DetectionOptions(background=WRONG),
    "mask_planes: got '2', must be a sequence": lambda: ScaleVarianceOptions(mask_planes=WRONG),
    "limit: got '2'": lambda: ScaleVarianceOptions(limit=WRONG),
    "^background: got str": lambda: ScaleVarianceOptions(background=WRONG),
    "assemble: got str, must be an Ass": lambda: SafeClipOptions(assemble=WRONG),
    "warp_detection: got str": lambda: SafeClipOptions(warp_detection=WRONG),
    "scale_variance: got str": lambda: SafeClipOptions(scale_variance=WRONG),
    "min_big_overlap: got '2'": lambda: SafeClipOptions(min_big_overlap=WRONG),
    "min_clip_foot_overlap: got '2'": lambda: SafeClipOptions(min_clip_foot_overlap=WRONG),
    "template: got str": lambda: CompareWarpOptions(template=WRONG),
    "artifacts: got str": lambda: CompareWarpOptions(artifacts=WRONG),
    "detection: got str": lambda: ArtifactOptions(detection=WRONG),
    "^scale_variance: got str": lambda: ArtifactOptions(scale_variance=WRONG),
    "max_num_epochs: got '2'": lambda: ArtifactOptions(max_num_epochs=WRONG),
    "prefilter_ratio: got '2'": lambda: ArtifactOptions(prefilter_ratio=WRONG),
    "exposure: got str, must be a Masked": lambda: detect(WRONG, sigma=2.0),
    "options: got str, must be a Detect": lambda: detect(PIXELS, WRONG, 2.0),
    "sigma: got '2'": lambda: detect(PIXELS, sigma=WRONG),
    "factor: got '2'": lambda: detect(PIXELS, sigma=2.0, factor=WRONG),
    "2.4 times of it must be at most": lambda: detect(PIXELS, sigma=1e300),
    "pixels: got str": lambda: scale_variance(WRONG),
    "options: got CompareWarpOptions": lambda: safe_clip(VISITS, options=CompareWarpOptions()),  # type: ignore[arg-type]
    "options: got SafeClipOptions": lambda: compare_warp(VISITS, [], options=SafeClipOptions()),  # type: ignore[arg-type]
    "matched: got None": lambda: compare_warp(VISITS, None),  # type: ignore[arg-type]
    "options: got str, must be an Assemble": lambda: prepare(VISITS, options=WRONG),
    "box: got tuple": lambda: prepare(VISITS, (3, 3)),  # type: ignore[arg-type]
    "weights.0.: got '2'": lambda: prepare(VISITS, weights=["2", "2", "2"]),  # type: ignore[list-item]
    "scalers.0.: got int": lambda: prepare(VISITS, scalers=[1, 1, 1]),
    "inputs = None": lambda: prepare(None),  # type: ignore[arg-type]
    "template: got MaskedImage": lambda: find_artifacts(PIXELS, VISITS),  # type: ignore[arg-type]
    "template_without: got None": lambda: find_artifacts(
        VISITS[0], VISITS, sigma=2.0, template_without=lambda _: None
    ),
    "candidates: got str": lambda: judge_candidates([WRONG], COUNTS, COUNTS),
    "epoch_count: got": lambda: judge_candidates(
        [SpanSet()], Image(np.zeros((2, 2), np.uint32)), COUNTS
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_wrong_types_are_named(message: str) -> None:
    with pytest.raises((OptionError, ShapeError), match=message) as caught:
        REFUSED[message]()
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    options = DetectionOptions(min_pixels=np.int64(3), threshold_value=np.float32(2.5))  # type: ignore[arg-type]
    assert options == DetectionOptions(min_pixels=3, threshold_value=2.5)
    assert ScaleVarianceOptions(mask_planes=["BAD"]).mask_planes == ("BAD",)  # type: ignore[arg-type]


def test_factors_of_exposures_are_those_of_their_pixels() -> None:
    noise = np.random.default_rng(1).normal(0, 2, (40, 40))
    pixels = MaskedImage.from_arrays(noise, None, 1.0)
    exposure = Exposure(pixels.copy())
    assert scale_variance(exposure) == scale_variance(pixels)  # type: ignore[arg-type]
    np.testing.assert_array_equal(exposure.variance.array, pixels.variance.array)


def test_no_number_of_epochs_is_too_large_or_unknown() -> None:
    assert max_epochs([np.nan, -3.0, 0.0, 5.0]).tolist() == [0, 0, 0, 2]  # type: ignore[arg-type]
    assert max_epochs(np.inf) > 10**6

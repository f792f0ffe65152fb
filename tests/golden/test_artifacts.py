# SPDX-License-Identifier: BSD-3-Clause
"""Artifact finding against the reference (topic ``artifacts``): every set of pixels is equal.

Objects are compared as sets. NO_DATA and EDGE of an epoch are one set of pixels with us and
4-connected components there, so ours are split before. Nothing is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Exposure, MaskedImage, MaskPlanes
from deepcoadd.coadd import ArtifactOptions, Artifacts, ArtifactSteps, find_artifacts
from deepcoadd.detection import DetectionOptions, detect
from deepcoadd.psf import GaussianPsf
from deepcoadd.scale_variance import ScaleVarianceOptions
from deepcoadd.spans import FootprintSet, SpanSet

Arrays = dict[str, Any]
Params = dict[str, Any]


def detection_of(config: dict[str, Any]) -> DetectionOptions:
    return DetectionOptions(
        min_pixels=config["minPixels"],
        isotropic_grow=config["isotropicGrow"],
        combined_grow=config["combinedGrow"],
        n_sigma_to_grow=config["nSigmaToGrow"],
        return_original_footprints=config["returnOriginalFootprints"],
        threshold_value=config["thresholdValue"],
        include_threshold_multiplier=config["includeThresholdMultiplier"],
        threshold_type=config["thresholdType"],
        threshold_polarity=config["thresholdPolarity"],
        n_sigma_for_kernel=config["nSigmaForKernel"],
        stats_planes=tuple(config.get("statsMask", DetectionOptions().stats_planes)),
        exclude_planes=tuple(config["excludeMaskPlanes"]),
    )


def artifact_options_of(params: Params) -> ArtifactOptions:
    config = params["config"]
    assert not config["doFilterMorphological"]
    return ArtifactOptions(
        detection=detection_of(params["detect"]),
        template_detection=detection_of(params.get("detectTemplate", TEMPLATE_DEFAULTS)),
        max_num_epochs=config["maxNumEpochs"],
        max_fraction_epochs_low=config["maxFractionEpochsLow"],
        max_fraction_epochs_high=config["maxFractionEpochsHigh"],
        spatial_threshold=config["spatialThreshold"],
        preserve_contained_by_source=config["doPreserveContainedBySource"],
        prefilter=config["doPrefilterArtifacts"],
        prefilter_planes=tuple(config["prefilterArtifactsMaskPlanes"]),
        prefilter_ratio=config["prefilterArtifactsRatio"],
        bad_planes=tuple(config["badMaskPlanes"]),
        scale_variance=ScaleVarianceOptions() if config["doScaleWarpVariance"] else None,
    )


TEMPLATE_DEFAULTS = {
    "minPixels": 1,
    "isotropicGrow": True,
    "combinedGrow": True,
    "nSigmaToGrow": 2.4,
    "returnOriginalFootprints": False,
    "thresholdValue": 300.0,
    "includeThresholdMultiplier": 1.0,
    "thresholdType": "pixel_stdev",
    "thresholdPolarity": "positive",
    "nSigmaForKernel": 7.0,
    "excludeMaskPlanes": [],
}


def objects_of(rows: Any) -> set[SpanSet]:
    """Objects of rows (object, y, x0, x1)."""
    return {SpanSet(rows[rows[:, 0] == k][:, 1:]) for k in np.unique(rows[:, 0])}


def check_masks(name: str, arrays: Arrays, masks: list[dict[str, list[SpanSet]]]) -> set[str]:
    """Compare CLIPPED, NO_DATA and EDGE of every epoch; returns the arrays compared."""
    compared = set()
    for k, mask in enumerate(masks):
        for plane in ("CLIPPED", "NO_DATA", "EDGE"):
            key = f"out_{plane}_{k:02d}"
            if key not in arrays:
                continue
            ours = mask[plane]
            if plane != "CLIPPED":
                ours = [part for spans in ours for part in spans.split(4)]
            assert set(ours) == objects_of(arrays[key]), (name, key)
            assert len(ours) == len(set(ours))
            compared.add(key)
    return compared


class Recorder:
    """Detection that keeps what it found."""

    def __init__(self, options: DetectionOptions, sigma: float) -> None:
        self.options, self.sigma = options, sigma
        self.found: list[tuple[FootprintSet, FootprintSet, FootprintSet]] = []

    def __call__(self, exposure: Exposure) -> FootprintSet:
        found = detect(exposure, self.options, self.sigma, do_smooth=False)
        assert found.positive is not None
        assert found.negative is not None
        merged = found.positive.merged(found.negative)
        self.found.append((found.positive, found.negative, merged))
        return merged


def inputs_of(params: Params, arrays: Arrays) -> tuple[Exposure, list[Exposure]]:
    x0, y0 = params["xy0"]
    planes = MaskPlanes(params["maskPlanes"])
    psf = GaussianPsf((25, 25), params["psfSigma"])

    def exposure(image: Any, mask: Any, variance: Any) -> Exposure:
        noise = np.broadcast_to(np.asarray(variance, np.float32), image.shape)
        pixels = MaskedImage.from_arrays(image, mask, noise, start=(y0, x0), planes=planes)
        return Exposure(pixels, psf=psf)

    names = ("in_warps", "in_masks", "in_variances")
    each = zip(*(arrays[name] for name in names), strict=True)
    template = exposure(arrays["in_template"], None, arrays["in_template_variance"])
    return template, [exposure(*one) for one in each]


def found_of(params: Params, arrays: Arrays, **more: Any) -> Artifacts:
    template, warps = inputs_of(params, arrays)
    return find_artifacts(template, warps, options=artifact_options_of(params), **more)


def test_artifacts_agree_with_the_reference(golden: Any) -> None:
    compared: list[str] = []
    due = 0
    for name, params, arrays in golden("artifacts"):
        recorder = Recorder(detection_of(params["detect"]), params["psfSigma"])
        found = found_of(params, arrays, steps=ArtifactSteps(detect=recorder))
        compared += check_masks(name, arrays, found.masks)
        for k, parts in enumerate(recorder.found):
            for kind, footprints in zip(("pos", "neg", "merged"), parts, strict=True):
                key = f"out_detect{kind}_{k:02d}"
                if key in arrays:
                    ours = {footprint.spans for footprint in footprints}
                    assert ours == objects_of(arrays[key]), (name, key)
                    compared.append(key)
        if found.sources is not None and "out_template_fp" in arrays:
            ours = {footprint.spans for footprint in found.sources}
            assert ours == objects_of(arrays["out_template_fp"]), name
            compared.append("out_template_fp")
        own = found_of(params, arrays)
        assert own.masks == found.masks
        due += sum(key.startswith("out_") for key in arrays)
    print(f"{len(compared)} arrays of {due} compared")
    assert due > 0
    assert len(compared) >= 0.9 * due


@pytest.mark.parametrize("change", [{"spatial_threshold": 1.0}, {"max_fraction_epochs_low": 0.0}])
def test_the_comparison_can_fail(golden: Any, change: dict[str, float]) -> None:
    tried = 0
    for name, params, arrays in golden("artifacts"):
        if not any(len(rows) for key, rows in arrays.items() if key.startswith("out_CLIPPED")):
            continue
        template, warps = inputs_of(params, arrays)
        options = replace(artifact_options_of(params), **change)
        found = find_artifacts(template, warps, options=options)
        with pytest.raises(AssertionError):
            check_masks(name, arrays, found.masks)
        tried += 1
    if not tried:
        pytest.skip("no case in which anything is clipped")

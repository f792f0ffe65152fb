# SPDX-License-Identifier: BSD-3-Clause
"""Artifact rejection by visit footprints against the reference (topic ``safeclip``).

Footprints, the visits they are clipped in, counts and masks are equal. The reference holds weights
as float32: a mean differs by 2e-7 of the largest input (derived in ``test_coadd.py``), a
difference of two means by twice that; a variance by 3e-7 of itself, a sum of two likewise.

Left out, by rule: where the reference makes its means on line (doOnlineForMean), the planes with a
propagation threshold at pixels without a good input, which its online mean keeps (coadd document,
6.8 b), and unmasked NaN pixels, which poison it (6.8 a).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.golden.test_artifacts import detection_of
from tests.golden.test_coadd import Case, assert_close, inputs_of, named_bits, options_of

from deepcoadd import Exposure, MaskPlanes
from deepcoadd.coadd import (
    ArtifactCoadd,
    SafeClipOptions,
    build_difference_image,
    detect_clip,
    detect_clip_big,
    prepare,
    safe_clip,
)
from deepcoadd.psf import GaussianPsf
from deepcoadd.spans import SpanSet

Arrays = dict[str, Any]
Params = dict[str, Any]


def exposures_of(params: Params, arrays: Arrays) -> list[Exposure]:
    psf = GaussianPsf((19, 19), params["psfSigma"])
    return [Exposure(pixels, psf=psf) for pixels in inputs_of(params, arrays)]


def safe_options_of(params: Params) -> SafeClipOptions:
    config = params["config"]
    return SafeClipOptions(
        assemble=options_of(config),
        detection=detection_of(params["clipDetection"]),
        min_clip_foot_overlap=config["minClipFootOverlap"],
        min_clip_foot_overlap_single=config["minClipFootOverlapSingle"],
        min_clip_foot_overlap_double=config["minClipFootOverlapDouble"],
        max_clip_foot_overlap_double=config["maxClipFootOverlapDouble"],
        min_big_overlap=config["minBigOverlap"],
        detect_on_warps="never",
    )


def sets_of(rows: Any, n: int) -> list[SpanSet]:
    """Objects 0 to n - 1 of rows (object, y, x0, x1)."""
    return [SpanSet(rows[rows[:, 0] == k][:, 1:]) for k in range(n)]


class Comparison:
    """Comparison of one case, with the pixels and bits that the rules name."""

    def __init__(self, name: str, params: Params, arrays: Arrays) -> None:
        self.name, self.params, self.arrays = name, params, arrays
        self.planes = MaskPlanes(params["maskPlanes"])
        self.case = Case(params, arrays)
        self.same = self.case.image_as_reference()
        self.compared: set[str] = set()
        self.left_out = 0

    def image(self, key: str, ours: Any, factor: float) -> None:
        tolerance = factor * self.case.largest
        assert_close(ours, self.arrays[key], tolerance, self.same, f"{self.name} {key}")
        self.compared.add(key)

    def variance(self, key: str, ours: Any) -> None:
        theirs = self.arrays[key].astype(float)
        assert_close(ours, theirs, 3e-7 * np.abs(theirs), self.same, f"{self.name} {key}")
        self.compared.add(key)

    def mask(self, key: str, ours: Any, n_good: Any) -> None:
        ignored = np.zeros(ours.array.shape, np.int64)
        if self.case.online:
            for plane in self.case.config["maskPropagationThresholds"]:
                ignored[n_good == 0] |= 1 << ours.planes[plane]
        due = named_bits(self.arrays[key], self.planes, ours.planes)
        mine = ours.array.astype(np.int64)
        np.testing.assert_array_equal(mine & ~ignored, due & ~ignored, err_msg=key)
        self.left_out += int((ignored != 0).sum())
        self.compared.add(key)

    def clipped(self, masks: list[SpanSet]) -> None:
        for k, spans in enumerate(masks):
            key = f"out_clip_{k:02d}"
            assert spans == SpanSet(self.arrays[key][:, 1:]), (self.name, key)
            self.compared.add(key)


def check_steps(one: Comparison) -> None:
    """The three steps one after the other, each by its own function."""
    params, arrays = one.params, one.arrays
    options = safe_options_of(params)
    plan = prepare(
        exposures_of(params, arrays), weights=params["weights"], options=options.assemble
    )
    difference = build_difference_image(plan).exposure
    one.image("out_diff_image", difference.image.array, 4e-7)
    one.variance("out_diff_variance", difference.variance.array)
    found = detect_clip(difference, plan.inputs, options=options)
    one.mask("out_diff_mask", difference.mask, one.case.n_good)
    theirs = sets_of(arrays["out_clipfoot"], params["nClip"])
    due = set(zip(theirs, map(tuple, params["clipIndices"]), strict=True))
    ours = [footprint.spans for footprint in found.clip_footprints]
    assert set(zip(ours, found.clip_indices, strict=True)) == due, one.name
    one.compared.add("out_clipfoot")
    big = detect_clip_big(
        found.clip_spans,
        found.clip_footprints,
        found.clip_indices,
        found.detection_footprints,
        min_overlap=options.min_big_overlap,
    )
    due = set(sets_of(arrays["out_bigfoot"], params["nBig"]))
    assert {footprint.spans for footprint in big} == due, one.name
    one.compared.add("out_bigfoot")


def check_coadd(one: Comparison, result: ArtifactCoadd) -> None:
    masks = [mask["CLIPPED"] for mask in result.artifact_masks]
    one.clipped(masks)
    one.image("out_image", result.image.array, 2e-7)
    one.variance("out_variance", result.variance.array)
    theirs = one.arrays["out_nimage"]
    one.mask("out_mask", result.mask, theirs)
    # 13, row 19: unmasked NaN pixels are not counted.
    nan = ~np.isfinite(one.arrays["in_images"])
    for k, spans in enumerate(masks):
        nan[k] &= one.arrays["in_masks"][k] & one.params["badPixelMask"] == 0
        nan[k] &= ~spans.as_array(result.box)
    counts = theirs.astype(np.int64) - nan.sum(axis=0)
    np.testing.assert_array_equal(result.n_image.array, counts, err_msg=one.name)
    one.compared.add("out_nimage")


def test_artifacts_agree_with_the_reference(golden: Any) -> None:
    compared = due = left_out = pixels = 0
    for name, params, arrays in golden("safeclip"):
        one = Comparison(name, params, arrays)
        check_steps(one)
        result = safe_clip(
            exposures_of(params, arrays),
            weights=params["weights"],
            options=safe_options_of(params),
        )
        check_coadd(one, result)
        due += sum(key.startswith("out_") for key in arrays)
        compared += len(one.compared)
        left_out += one.left_out
        pixels += 2 * one.case.n_good.size
    print(f"{compared} arrays of {due} compared; {left_out} of {pixels} mask pixels in part")
    assert due > 0
    assert compared >= 0.9 * due
    assert left_out <= 0.1 * pixels


def test_differences_are_zero_where_nothing_is_clipped(golden: Any) -> None:
    n = 0
    for name, params, arrays in golden("safeclip"):
        options = safe_options_of(params)
        inputs = exposures_of(params, arrays)
        plan = prepare(inputs, weights=params["weights"], options=options.assemble)
        difference = build_difference_image(plan).exposure
        # Clipping shows in the reference as well: its plane is not set where nothing was clipped.
        touched = arrays["out_diff_mask"] & (1 << params["maskPlanes"]["CLIPPED"]) != 0
        calm = ~touched & (plan_counts(params, arrays) > 0)
        assert np.all(difference.image.array[calm] == 0.0), name
        n += int(calm.sum())
    if not n:
        pytest.skip("something is clipped at every pixel of every case")


def plan_counts(params: Params, arrays: Arrays) -> Any:
    """Number of good inputs of each pixel."""
    good = (arrays["in_masks"] & params["badPixelMask"] == 0) & np.isfinite(arrays["in_images"])
    return good.sum(axis=0)

# SPDX-License-Identifier: BSD-3-Clause
"""The coadd less artifacts against the reference (topic ``comparewarp``).

Sets of pixels, masks and counts are equal; tolerances of images and variances are those of
``test_coadd.py``, where they are derived (the reference holds weights as float32). The template of
the reference was not interpolated. Left out, by rule: as in ``test_coadd.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.golden.test_artifacts import artifact_options_of, check_masks
from tests.golden.test_coadd import Case, assert_close, inputs_of, named_bits, options_of

from deepcoadd import Exposure, MaskPlanes
from deepcoadd.coadd import CompareWarpOptions, build_template, compare_warp, prepare
from deepcoadd.psf import GaussianPsf
from deepcoadd.spans import SpanSet

Arrays = dict[str, Any]
Params = dict[str, Any]


def exposures_of(params: Params, arrays: Arrays) -> list[Exposure]:
    psf = GaussianPsf((19, 19), params["psfSigma"])
    return [Exposure(pixels, psf=psf) for pixels in inputs_of(params, arrays)]


def compare_options_of(params: Params) -> CompareWarpOptions:
    return CompareWarpOptions(
        assemble=options_of(params["config"]),
        template=options_of(params["static"]),
        artifacts=artifact_options_of(params),
    )


def check_mask(name: str, params: Params, ours: Any, theirs: Any) -> None:
    due = named_bits(theirs, MaskPlanes(params["maskPlanes"]), ours.planes)
    np.testing.assert_array_equal(ours.array.astype(np.int64), due, err_msg=name)


def check_template(name: str, params: Params, arrays: Arrays) -> set[str]:
    plan = prepare(
        exposures_of(params, arrays),
        weights=params["weights"],
        options=options_of(params["static"]),
    )
    template = build_template(plan)
    largest = Case(params, arrays).largest
    everywhere = np.ones(largest.shape, bool)
    ours, theirs = template.image.array, arrays["in_template"]
    assert_close(ours, theirs, 2e-7 * largest, everywhere, f"{name} template")
    ours, theirs = template.variance.array, arrays["in_template_variance"].astype(float)
    assert_close(ours, theirs, 3e-7 * np.abs(theirs), everywhere, f"{name} template variance")
    check_mask(f"{name} template", params, template.mask, arrays["in_template_mask"])
    return {"in_template", "in_template_variance", "in_template_mask"}


def test_coadds_agree_with_the_reference(golden: Any) -> None:
    compared: list[str] = []
    due = 0
    for name, params, arrays in golden("comparewarp"):
        warps = exposures_of(params, arrays)
        compared += check_template(name, params, arrays)
        result = compare_warp(
            warps, warps, weights=params["weights"], options=compare_options_of(params)
        )
        masks = [{p: [s] if s else [] for p, s in one.items()} for one in result.artifact_masks]
        for k, mask in enumerate(masks):
            # The result holds one set for each plane; artifacts that touch cannot be told apart.
            union = SpanSet(arrays[f"out_CLIPPED_{k:02d}"][:, 1:])
            assert result.artifact_masks[k]["CLIPPED"] == union, (name, k)
            mask["CLIPPED"] = []
            compared.append(f"out_CLIPPED_{k:02d}")
        others = {key: rows for key, rows in arrays.items() if "CLIPPED" not in key}
        compared += check_masks(name, others, masks)
        compared += check_coadd(name, params, arrays, result)
        due += sum(key.startswith(("out_", "in_template")) for key in arrays)
    print(f"{len(compared)} arrays of {due} compared")
    assert due > 0
    assert len(compared) >= 0.9 * due


def check_coadd(name: str, params: Params, arrays: Arrays, result: Any) -> set[str]:
    largest = Case(params, arrays).largest
    everywhere = np.ones(largest.shape, bool)
    assert_close(result.image.array, arrays["out_image"], 2e-7 * largest, everywhere, name)
    theirs = arrays["out_variance"].astype(float)
    assert_close(result.variance.array, theirs, 3e-7 * np.abs(theirs), everywhere, name)
    check_mask(name, params, result.mask, arrays["out_mask"])
    # Unmasked NaN pixels are marked NO_DATA by the artifact masks, so that counts are equal.
    np.testing.assert_array_equal(result.n_image.array, arrays["out_nimage"], err_msg=name)
    return {"out_image", "out_variance", "out_mask", "out_nimage"}


def test_template_of_the_others_finds_artifacts_too(golden: Any) -> None:
    common = due = 0
    for _, params, arrays in golden("comparewarp"):
        warps = exposures_of(params, arrays)
        options = compare_options_of(params)
        usual, others = (
            compare_warp(warps, warps, weights=params["weights"], options=how).artifact_masks
            for how in (options, replace(options, leave_one_out=True))
        )
        for one, other in zip(usual, others, strict=True):
            common += one["CLIPPED"].common_area(other["CLIPPED"])
            due += one["CLIPPED"].area
    if not due:
        pytest.skip("no case in which anything is clipped")
    assert common >= 0.5 * due

# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""The base assembler as a task: run, overridable steps, weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import pytest

import deepcoadd
from deepcoadd import Box, MaskedImage, PhotoCalib
from deepcoadd.coadd import TASK_ASSEMBLE, assemble
from deepcoadd.psf import CoaddPsf, GaussianPsf
from deepcoadd.refs import ExposureRef
from deepcoadd.statistics import Property

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pipe.base import NoWorkFound, Struct
from tests.task_scene import WARP_WCS, run_of, sky_of, task_of, warps

from deepcoadd.tasks import (
    AssembleCoaddTask,
    ImageScaler,
    ScaleZeroPointTask,
)

pytestmark = pytest.mark.lsst


# --- run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
def test_run_gives_what_the_subject_package_gives(statistic: str) -> None:
    inputs = warps()
    weights = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0]
    result = run_of(task_of(statistic=statistic, doNImage=True), inputs, weightList=weights)
    options = replace(TASK_ASSEMBLE, statistic=statistic, interpolate=None)
    expected = assemble(inputs, inputs[0].box, weights=weights, options=options)
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(
            getattr(result.coaddExposure, name).array, getattr(expected, name).array
        )
    np.testing.assert_array_equal(result.nImage.array, expected.n_image.array)
    assert result.coaddExposure.getWcs() is WARP_WCS
    assert result.coaddExposure.getPhotoCalib().getCalibrationMean() == 1.0
    assert result.weightList == weights
    assert result.imageScalerList == [None] * 6
    assert result.altMaskList == [None] * 6
    assert result.inputMap is None
    assert len(result.warpRefList) == 6


def test_subregions_and_memory_never_show() -> None:
    inputs = warps()
    whole = run_of(task_of(), inputs).coaddExposure
    parts = run_of(task_of(subregionSize=[5, 3], maxMemory=1), inputs).coaddExposure
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(parts, name).array, getattr(whole, name).array)


def test_result_says_how_it_went() -> None:
    inputs = warps()
    inputs[2].image.array[...] = np.nan
    task = task_of()
    result = run_of(task, inputs)
    assert result.nImage is None
    assert [item.reason for item in result.skippedInputs] == ["no pixel is finite"]
    assert len(result.warpRefList) == len(result.weightList) == 5
    assert task.metadata["n_skipped"] == 1
    assert task.metadata["statistic"] == "MEANCLIP"
    assert task.metadata["clipped_fraction"] > 0


def test_nothing_to_do() -> None:
    inputs = warps(1)
    with pytest.raises(NoWorkFound):
        task_of().run(sky_of(inputs), [], [], [])
    inputs[0].image.array[...] = np.nan
    with pytest.raises(NoWorkFound, match="no pixel is finite"):
        run_of(task_of(), inputs)
    with pytest.raises(NoWorkFound, match="no pixel is finite"):
        task_of().prepareInputs(inputs)


def test_lists_of_another_length() -> None:
    inputs = warps(3)
    with pytest.raises(ValueError, match="2 for 3"):
        task_of().run(sky_of(inputs), inputs, [None] * 3, [1.0, 1.0])
    with pytest.raises(ValueError, match="1 for 3"):
        task_of().run(sky_of(inputs), inputs, [None], [1.0] * 3)


def test_warp_that_is_not_in_nanojansky() -> None:
    inputs = warps(2, unit=u.adu)
    with pytest.raises(ValueError, match="adu"):
        run_of(task_of(), inputs)
    calibrated = warps(2, unit=u.adu, photo_calib=PhotoCalib(2.0))
    twice = run_of(task_of(), calibrated).coaddExposure.image.array
    np.testing.assert_allclose(twice, 2 * run_of(task_of(), warps(2)).coaddExposure.image.array)


def test_alternate_masks_and_a_mask_of_the_caller() -> None:
    inputs = warps(4)
    where = np.zeros(inputs[0].box.shape, bool)
    where[3:5] = True
    clipped = inputs[0].planes.bitmask("CLIPPED", "NO_DATA")
    result = run_of(
        task_of(doNImage=True),
        inputs,
        altMaskList=[{"CLIPPED": where}, None, None, None],
        mask=clipped,
    )
    assert (result.nImage.array[3:5] == 3).all()
    assert (result.nImage.array[:3] == 4).all()  # `mask` takes the place of the bad planes
    assert result.coaddExposure.mask.has("CLIPPED")[3:5].all()
    assert not inputs[0].mask.has("CLIPPED").any()


def test_planes_beyond_the_default_dictionary() -> None:
    inputs = warps(3)
    for one in inputs:
        mask = one.mask
        planes = mask.planes.with_planes("GHOST")
        one.masked_image.mask = type(mask)(mask.array, mask.box, planes)
    inputs[0].mask.set("GHOST", (slice(0, 2), slice(None)))
    config = {
        "badMaskPlanes": ["NO_DATA", "GHOST"],
        "maskPropagationThresholds": {"GHOST": 0.2},
        "doNImage": True,
    }
    result = run_of(task_of(**config), inputs)
    assert (result.nImage.array[:2] == 2).all()
    assert result.coaddExposure.mask.has("REJECTED")[:2].all()
    assert result.coaddExposure.mask.has("GHOST")[:2].all()
    assert not result.coaddExposure.mask.has("GHOST")[2:].any()


def test_model_psf_of_matched_warps() -> None:
    models = [GaussianPsf((n, n), 2.5) for n in (11, 25, 21)]
    inputs = [one.with_info(psf=psf) for one, psf in zip(warps(3), models, strict=True)]
    assert run_of(task_of(warpType="psfMatched"), inputs).coaddExposure.getPsf() is models[1]
    assert isinstance(run_of(task_of(), inputs).coaddExposure.getPsf(), CoaddPsf)
    bare = run_of(task_of(warpType="psfMatched"), warps(2)).coaddExposure
    assert bare.getPsf() is None


# --- overridable steps ------------------------------------------------------------------------


def test_override_of_bad_pixels() -> None:
    class Task(AssembleCoaddTask):
        def getBadPixelMask(self) -> int:
            return deepcoadd.mask.DEFAULT_PLANES.bitmask("DETECTED")

    inputs = warps()
    result = run_of(task_of(Task, doNImage=True), inputs)
    n_detected = sum(one.mask.has("DETECTED") for one in inputs)
    np.testing.assert_array_equal(result.nImage.array, 6 - n_detected)


def test_override_of_the_statistic() -> None:
    class Task(AssembleCoaddTask):
        def prepareStats(self, mask: int | None = None) -> Struct:
            stats = super().prepareStats(mask)
            return Struct(ctrl=replace(stats.ctrl, bad_bits=0), flags=Property.MAX)

    inputs = warps()
    result = run_of(task_of(Task), inputs)
    highest = np.max([one.image.array for one in inputs], axis=0)
    np.testing.assert_array_equal(result.coaddExposure.image.array, highest)


def test_override_of_a_subregion() -> None:
    seen = []

    class Task(AssembleCoaddTask):
        def assembleSubregion(self, coaddExposure: Any, bbox: Any, *args: Any, **how: Any) -> None:
            seen.append(bbox)
            super().assembleSubregion(coaddExposure, bbox, *args, **how)
            coaddExposure.image[bbox].array[...] += 1
            how["nImage"].array[...] += 2

    inputs = warps()
    plain = run_of(task_of(doNImage=True), inputs)
    result = run_of(task_of(Task, subregionSize=[9, 8], doNImage=True), inputs)
    assert [box.y.size for box in seen] == [8, 8, 4]
    expected = plain.coaddExposure.image.array + np.float32(1)
    np.testing.assert_array_equal(result.coaddExposure.image.array, expected)
    np.testing.assert_array_equal(result.nImage.array, plain.nImage.array + 2)


def test_subregion_applies_what_it_is_handed() -> None:
    class Task(AssembleCoaddTask):
        def assembleSubregion(
            self, coaddExposure: Any, bbox: Any, refs: Any, *args: Any, **how: Any
        ) -> Any:
            scalers, _, masks, flags, ctrl = args
            assert scalers == masks == [None] * 2
            outside = refs[0].read(Box.from_shape((1, 1), start=(17, 3)))
            assert outside.box.start == (17, 3)  # a warp still reads beyond its strip
            assert ctrl.bad_bits == self.getBadPixelMask()
            where = np.ones(bbox.shape, bool)
            return super().assembleSubregion(
                coaddExposure,
                bbox,
                refs,
                [ImageScaler(3.0), None],
                [1.0, 5.0],
                [None, {"BAD": where}],
                flags,
                ctrl,
                **how,
            )

    inputs = warps(2)
    for one in inputs:
        one.mask.array[...] = 0
    result = run_of(task_of(Task, subregionSize=[9, 8], statistic="MEAN"), inputs)
    np.testing.assert_allclose(
        result.coaddExposure.image.array, 3 * inputs[0].image.array, rtol=1e-6
    )
    assert result.coaddExposure.mask.has("REJECTED").all()


def test_alternate_masks_beyond_a_warp_count() -> None:
    inputs = warps(3)
    for one in inputs:
        one.mask.array[...] = 0
    inputs[2] = inputs[2][Box.from_shape((5, 16), start=(-2, 3))]
    where = np.zeros(inputs[0].box.shape, bool)
    where[-2:] = True
    how = {"altMaskList": [None, None, {"CLIPPED": where}]}
    whole = run_of(task_of(statistic="MEAN"), inputs, **how).coaddExposure
    assert whole.mask.has("CLIPPED")[-2:].all()
    parts = run_of(task_of(statistic="MEAN", subregionSize=[9, 3]), inputs, **how).coaddExposure
    np.testing.assert_array_equal(parts.mask.array, whole.mask.array)


def test_override_of_the_last_touches() -> None:
    class Task(AssembleCoaddTask):
        def setInexactPsf(self, mask: Any) -> None:
            mask.array[...] |= mask.planes.bitmask("SUSPECT")

        def assembleMetadata(self, coaddExposure: Any, *args: Any) -> None:
            refs, weights, matched = args
            assert (len(refs), len(weights), matched) == (6, 6, ["matched"])
            coaddExposure.info = replace(coaddExposure.info, id=77)

    result = run_of(task_of(Task), warps(), psfMatchedWarpRefList=["matched"])
    assert result.coaddExposure.mask.has("SUSPECT").all()
    assert not result.coaddExposure.mask.has("INEXACT_PSF").any()
    assert result.coaddExposure.info.id == 77


# --- prepareInputs ----------------------------------------------------------------------------


def test_weights_and_partners() -> None:
    inputs = warps(4)
    inputs[1].variance.array[...] = 0
    matched = [ExposureRef(one) for one in (inputs[2], inputs[0])]
    prepared = task_of().prepareInputs(inputs, inputs[0].box, matched)
    assert [ref.data_id["visit"] for ref in prepared.warpRefList] == [100, 102, 103]
    expected = assemble(inputs, options=TASK_ASSEMBLE).inputs
    assert prepared.weightList == [record.weight for record in expected]
    assert prepared.imageScalerList == [None] * 3
    assert prepared.psfMatchedWarpRefList == [matched[1], matched[0], None]
    assert [item.data_id["visit"] for item in prepared.skippedInputs] == [101]


def test_zero_points() -> None:
    inputs = warps(3, unit=u.adu, photo_calib=PhotoCalib(57.5440 * 2))
    inputs[2] = inputs[2].with_info(photo_calib=None)
    task = task_of(doScaleZeroPoint=True, statistic="MEAN")
    prepared = task.prepareInputs(inputs)
    assert [item.reason for item in prepared.skippedInputs] == [
        "cannot be read: no zero point: the exposure has no photo_calib"
    ]
    for scaler in prepared.imageScalerList:
        assert scaler.scale == pytest.approx(2.0, rel=1e-6)
    result = task.run(
        sky_of(inputs), prepared.warpRefList, prepared.imageScalerList, prepared.weightList
    )
    assert result.coaddExposure.photo_calib.mean == pytest.approx(57.5440, rel=1e-6)
    plain = run_of(task_of(statistic="MEAN"), warps(2), weightList=prepared.weightList)
    np.testing.assert_allclose(
        result.coaddExposure.image.array, 2 * plain.coaddExposure.image.array, rtol=1e-6
    )


def test_scaler_of_an_exposure() -> None:
    one = warps(1, photo_calib=PhotoCalib(57.5440))[0]
    scaler = ScaleZeroPointTask().computeImageScaler(one)
    assert scaler.scale == pytest.approx(1.0, rel=1e-6)
    pixels = MaskedImage.from_arrays([[2.0]], None, 3.0)
    ImageScaler(2.0).scaleMaskedImage(pixels)
    assert (pixels.image.array.item(), pixels.variance.array.item()) == (4.0, 12.0)

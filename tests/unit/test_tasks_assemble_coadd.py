# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""The base assembler as a task: configuration, overridable steps, quanta."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS

import deepcoadd
from deepcoadd import Box, Exposure, Image, MaskedImage, PhotoCalib, VisitInfo
from deepcoadd.coadd import TASK_ASSEMBLE, AssembleOptions, assemble
from deepcoadd.refs import ExposureRef
from deepcoadd.statistics import Property

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import FieldValidationError
from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound, Struct
from lsst.pipe.base.pipeline_graph import PipelineGraph

from deepcoadd.tasks import (
    AssembleCoaddConfig,
    AssembleCoaddConnections,
    AssembleCoaddTask,
    ImageScaler,
    InterpImageConfig,
    InterpImageTask,
    ScaleZeroPointTask,
    SkyInfo,
)

pytestmark = pytest.mark.lsst


def tan_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, -30.0]
    wcs.wcs.crpix = [5.0, 5.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    wcs.wcs.set()
    return wcs


WARP_WCS = tan_wcs()


def warps(n: int = 6, shape: tuple[int, int] = (20, 16), **parts: Any) -> list[Exposure]:
    rng = np.random.default_rng(11)
    made = []
    for number in range(n):
        image = rng.normal(10, 2, shape)
        image[rng.random(shape) < 0.05] += 100
        one = MaskedImage.from_arrays(image, None, rng.uniform(3, 5, shape), start=(-2, 3))
        for plane in ("BAD", "SAT", "EDGE", "DETECTED", "NOT_DEBLENDED"):
            one.mask.set(plane, rng.random(shape) < 0.04)
        visit = VisitInfo(id=100 + number)
        made.append(Exposure(one, visit_info=visit, **{"unit": u.nJy, "wcs": WARP_WCS, **parts}))
    return made


def sky_of(inputs: list[Exposure]) -> SkyInfo:
    return SkyInfo(inputs[0].box, WARP_WCS)


def task_of(task_class: type = AssembleCoaddTask, **config: Any) -> Any:
    chosen = task_class.ConfigClass()
    for name, value in config.items():
        setattr(chosen, name, value)
    return task_class(config=chosen)


def run_of(task: Any, inputs: list[Exposure], **how: Any) -> Any:
    n = len(inputs)
    weights = how.pop("weightList", [1.0] * n)
    return task.run(sky_of(inputs), inputs, [None] * n, weights, **how)


# --- configuration ----------------------------------------------------------------------------


def test_defaults_are_those_of_the_options() -> None:
    config = AssembleCoaddConfig()
    config.validate()
    assert config.to_options() == TASK_ASSEMBLE
    assert config.statistic == "MEANCLIP"
    assert list(config.badMaskPlanes) == ["NO_DATA", "BAD", "SAT", "EDGE"]
    assert dict(config.maskPropagationThresholds) == {"SAT": 0.1}


def test_every_field_reaches_the_options() -> None:
    config = AssembleCoaddConfig()
    config.statistic = "MEDIAN"
    config.sigmaClip = 2.5
    config.clipIter = 4
    config.badMaskPlanes = ["SAT"]
    config.removeMaskPlanes = ["EDGE"]
    config.subregionSize = [30, 40]
    config.maskPropagationThresholds = {"BAD": 0.5}
    config.calcErrorFromInputVariance = False
    config.interpImage.fallbackValueType = "MEAN"
    config.interpImage.transpose = True
    config.brightObjectMaskName = "STAR"
    config.maxMemory = 10**6
    config.validate()
    options = config.to_options()
    assert options == AssembleOptions(
        statistic="MEDIAN",
        sigma_clip=2.5,
        n_iter=4,
        bad_planes=("SAT",),
        remove_planes=("EDGE",),
        subregion=(40, 30),
        propagation_thresholds={"BAD": 0.5},
        error_from_input_variance=False,
        interpolate=replace(TASK_ASSEMBLE.interpolate, fallback_value_type="MEAN", transpose=True),
        bright_object_plane="STAR",
        max_memory=10**6,
    )
    config.doInterp = False
    config.doScaleZeroPoint = True
    assert config.to_options().interpolate is None
    assert config.to_options().unit is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"statistic": "MODE"}, "MODE"),
        ({"statistic": "ERRORS", "doInterp": False}, "ERRORS"),
        ({"statistic": "MAX"}, "interpolate"),
        ({"doWriteArtifactMasks": True}, "finds artifacts"),
        ({"doInputMap": True}, "not available"),
        ({"doAttachTransmissionCurve": True}, "not available"),
        ({"sigmaClip": -1.0}, "sigma_clip"),
    ],
)
def test_configuration_that_makes_no_sense(fields: dict[str, Any], message: str) -> None:
    config = AssembleCoaddConfig()
    for name, value in fields.items():
        setattr(config, name, value)
    with pytest.raises(FieldValidationError, match=message):
        config.validate()


def test_statistic_without_interpolation() -> None:
    config = AssembleCoaddConfig()
    config.statistic = "MAX"
    config.doInterp = False
    config.validate()


def test_interpolation_with_a_negative_user_value() -> None:
    config = InterpImageConfig()
    config.fallbackValueType = "USER"
    config.fallbackUserValue = -1.0
    with pytest.raises(ValueError, match="fallback_user_value"):
        config.validate()
    config.negativeFallbackAllowed = True
    config.validate()


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({}, {"selectedVisits", "brightObjectMask", "nImage"}),
        ({"doSelectVisits": True}, {"brightObjectMask", "nImage"}),
        ({"doMaskBrightObjects": True, "doNImage": True}, {"selectedVisits"}),
    ],
)
def test_connections_follow_the_configuration(fields: dict[str, bool], absent: set[str]) -> None:
    config = AssembleCoaddConfig()
    for name, value in fields.items():
        setattr(config, name, value)
    connections = AssembleCoaddConnections(config=config)
    everything = {"selectedVisits", "brightObjectMask", "nImage"}
    there = connections.inputs | connections.prerequisiteInputs | connections.outputs
    assert everything - there == absent
    assert {"inputWarps", "skyMap"} <= connections.inputs
    assert connections.inputWarps.name == "deepCoadd_directWarp"
    assert connections.inputWarps.deferLoad


def test_task_takes_its_place_in_a_pipeline() -> None:
    graph = PipelineGraph()
    config = AssembleCoaddConfig()
    config.connections.outputCoaddName = "good"
    config.sigmaClip = 2.5
    node = graph.add_task("coadd", AssembleCoaddTask, config)
    read = {edge.dataset_type_name for edge in node.iter_all_inputs()}
    written = {edge.dataset_type_name for edge in node.iter_all_outputs()}
    assert read == {"deepCoadd_directWarp", "skyMap"}
    assert "goodCoadd" in written


def test_configuration_can_be_written_and_read() -> None:
    config = AssembleCoaddConfig()
    config.sigmaClip = 2.5
    config.interpImage.transpose = True
    text = io.StringIO()
    config.saveToStream(text)
    back = AssembleCoaddConfig()
    back.loadFromStream(text.getvalue())
    assert back.to_options() == config.to_options()
    assert back.compare(config)


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
    class Psf:
        def __init__(self, size: int) -> None:
            self.size = size

        def kernel_image(self, *, y: float, x: float) -> Image:
            return Image(np.ones((self.size, self.size)))

    sizes = [11, 25, 21]
    inputs = [one.with_info(psf=Psf(n)) for one, n in zip(warps(3), sizes, strict=True)]
    assert run_of(task_of(warpType="psfMatched"), inputs).coaddExposure.getPsf().size == 25
    assert run_of(task_of(), inputs).coaddExposure.getPsf() is None
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


# --- quanta -----------------------------------------------------------------------------------


class ButlerQC:
    """What runQuantum needs of a Butler."""

    def __init__(self, inputs: dict[str, Any], max_mem: u.Quantity | None = None) -> None:
        self.inputs = inputs
        self.resources = SimpleNamespace(num_cores=1, max_mem=max_mem)
        self.quantum = SimpleNamespace(dataId={"tract": 3, "patch": 5})
        self.outputs: Any = None

    def get(self, refs: Any) -> dict[str, Any]:
        return dict(self.inputs)

    def put(self, outputs: Any, refs: Any) -> None:
        self.outputs = outputs


class Handle:
    def __init__(self, one: Exposure, instrument: str = "Cam") -> None:
        self.dataId = {"visit": one.info.visit_info.id, "instrument": instrument}
        self.exposure = one

    def get(self) -> Exposure:
        return self.exposure


def test_handles_of_the_framework_are_inputs() -> None:
    inputs = warps(3)
    handles = [
        InMemoryDatasetHandle(one, visit=one.info.visit_info.id, instrument="Cam") for one in inputs
    ]
    result = run_of(task_of(), inputs, weightList=[1.0] * 3)
    same = task_of().run(sky_of(inputs), handles, [None] * 3, [1.0] * 3)
    np.testing.assert_array_equal(same.coaddExposure.image.array, result.coaddExposure.image.array)
    assert list(same.coaddExposure.info.inputs["visit"]) == [100, 101, 102]


@pytest.fixture
def keep_threads() -> Any:
    before = deepcoadd.get_num_threads()
    yield
    deepcoadd.set_num_threads(before)


@pytest.mark.usefixtures("keep_threads")
def test_quantum_from_warps_alone() -> None:
    inputs = warps()
    butler = ButlerQC({"inputWarps": [Handle(one) for one in inputs]}, max_mem=1000 * u.byte)
    task = task_of(doNImage=True)
    task.runQuantum(butler, None, None)
    assert deepcoadd.get_num_threads() == 1
    assert task.maxMemory == 500
    expected = assemble(inputs, options=TASK_ASSEMBLE)
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(
            getattr(butler.outputs.coaddExposure, name).array, getattr(expected, name).array
        )
    np.testing.assert_array_equal(butler.outputs.nImage.array, expected.n_image.array)


@pytest.mark.usefixtures("keep_threads")
def test_quantum_with_sky_map_selection_and_bright_objects(tmp_path: Path) -> None:
    inputs = warps()
    box = Box.from_shape((6, 7), start=(0, 4))
    patch = SimpleNamespace(getOuterBBox=lambda: box)
    tract = type(
        "Tract",
        (),
        {"__getitem__": lambda self, key: {5: patch}[key], "getWcs": lambda self: WARP_WCS},
    )()
    region = tmp_path / "bright.reg"
    region.write_text("wcs; fk5\ncircle(10.0, -30.0, 0.00006)\n")
    butler = ButlerQC(
        {
            "inputWarps": [Handle(one) for one in inputs],
            "skyMap": {3: tract},
            "selectedVisits": {103: 1.0, 100: 0.5, 999: 0.1},
            "brightObjectMask": region,
        }
    )
    task = task_of(doSelectVisits=True, doMaskBrightObjects=True)
    task.runQuantum(butler, None, None)
    coadd = butler.outputs.coaddExposure
    assert coadd.box == box
    assert list(coadd.info.inputs["visit"]) == [103, 100]
    assert (
        np.count_nonzero(coadd.mask.has("BRIGHT_OBJECT")) == 4
    )  # radius 1 at (4, 4): one is outside


@pytest.mark.usefixtures("keep_threads")
def test_quantum_that_is_not_written() -> None:
    butler = ButlerQC({"inputWarps": [Handle(one) for one in warps(2)]})
    task_of(doWrite=False).runQuantum(butler, None, None)
    assert butler.outputs is None
    with pytest.raises(NoWorkFound, match="no warps"):
        task_of().runQuantum(ButlerQC({"inputWarps": []}), None, None)


@pytest.mark.usefixtures("keep_threads")
def test_quantum_speaks_to_run_by_its_own_names() -> None:
    heard: dict[str, Any] = {}

    class Task(AssembleCoaddTask):
        def makeSupplementaryData(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> Struct:
            return Struct(template="T")

        def run(  # type: ignore[override]
            self,
            skyInfo: Any,
            tempExpRefList: Any,
            imageScalerList: Any,
            weightList: Any,
            supplementaryData: Any = None,
        ) -> Struct:
            heard.update(refs=tempExpRefList, data=supplementaryData)
            return super().run(skyInfo, tempExpRefList, imageScalerList, weightList)

    inputs = warps(2)
    task_of(Task).runQuantum(ButlerQC({"inputWarps": [Handle(one) for one in inputs]}), None, None)
    assert len(heard["refs"]) == 2
    assert heard["data"].template == "T"


def test_selection_keeps_instruments_apart() -> None:
    a, b = warps(2)
    same = b.with_info(visit_info=VisitInfo(id=100))
    handles = [Handle(a, "CamA"), Handle(same, "CamB")]
    task = task_of()
    both = task.filterWarps(handles, {100: 1.0})
    assert [ref.data_id["instrument"] for ref in both] == ["CamA", "CamB"]
    only = task.filterWarps(handles, {("CamB", 100): 1.0})
    assert [ref.data_id["instrument"] for ref in only] == ["CamB"]


# --- finishing --------------------------------------------------------------------------------


def test_process_results() -> None:
    coadd = warps(1)[0]
    coadd.mask.array[...] = 0
    coadd.mask.set("NO_DATA", (slice(4, 6), slice(4, 6)))
    coadd.image.array[4:6, 4:6] = np.nan
    untouched = coadd.copy()
    task_of(doInterp=False).processResults(untouched)
    assert np.isnan(untouched.image.array[4:6, 4:6]).all()
    task_of().processResults(coadd)
    assert np.isfinite(coadd.image.array).all()
    assert np.count_nonzero(coadd.mask.has("INTRP")) == 4


def test_bright_objects_without_a_list(caplog: pytest.LogCaptureFixture) -> None:
    coadd = warps(1)[0]
    before = coadd.mask.array.copy()
    task_of(doMaskBrightObjects=True, doInterp=False).processResults(coadd, None, {"tract": 9})
    np.testing.assert_array_equal(coadd.mask.array, before)
    assert "bright-object" in caplog.text


def test_interpolation_task_on_a_masked_image() -> None:
    one = warps(1)[0].masked_image
    one.mask.set("SAT", (slice(0, 1), slice(0, 1)))
    n_saturated = int(np.count_nonzero(one.mask.has("SAT")))
    done = InterpImageTask().run(one, planeName="SAT")
    assert done.nPixels == n_saturated
    assert np.isfinite(done.fallbackValue)


# --- without the extra ------------------------------------------------------------------------

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "lsst":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
import deepcoadd.tasks
assert "AssembleCoaddTask" in dir(deepcoadd.tasks)
print(deepcoadd.tasks.SkyInfo.__name__)
try:
    deepcoadd.tasks.AssembleCoaddTask
except ImportError as error:
    print(error)
"""


def test_without_the_extra_the_message_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.startswith("SkyInfo\n")
    assert 'pip install "deepcoadd[lsst]"' in done.stdout
    assert "AssembleCoaddTask" in done.stdout


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="NoSuchTask"):
        deepcoadd.tasks.NoSuchTask  # noqa: B018

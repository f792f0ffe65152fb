# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""The artifact rejection by PSF-matched warps as a task: configuration and overridable steps."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.unit.test_compare_warp import BOX, SQUARE, with_squares

import deepcoadd
from deepcoadd import Exposure
from deepcoadd.coadd import ArtifactOptions, CompareWarpOptions, compare_warp
from deepcoadd.polygon import Polygon
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import Footprint, FootprintSet, SpanSet

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import FieldValidationError
from lsst.pipe.base import NoWorkFound, Struct
from lsst.pipe.base.pipeline_graph import PipelineGraph

from deepcoadd.tasks import (
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddTask,
    SkyInfo,
)
from deepcoadd.tasks.scale_variance import ScaleVarianceTask
from deepcoadd.tasks.source_detection import SourceDetectionTask

pytestmark = pytest.mark.lsst


def warps(n: int = 5, k: int = 1) -> list[Exposure]:
    return [Exposure(one.masked_image, replace(one.info, unit=u.nJy)) for one in with_squares(n, k)]


def task_of(task_class: type = CompareWarpAssembleCoaddTask, **config: Any) -> Any:
    chosen = task_class.ConfigClass()  # type: ignore[attr-defined]
    for name, value in config.items():
        setattr(chosen, name, value)
    return task_class(config=chosen)


def run_of(task: Any, inputs: list[Any], matched: list[Any] | None = None) -> Any:
    info = SkyInfo(BOX)
    supplementary = task.makeSupplementaryDataFrom(info, inputs if matched is None else matched)
    n = len(inputs)
    return task.run(
        info,
        warpRefList=inputs,
        imageScalerList=[None] * n,
        weightList=[1.0] * n,
        supplementaryData=supplementary,
    )


def clipped_in(result: Any) -> list[int]:
    return [k for k, one in enumerate(result.altMaskList) if one["CLIPPED"]]


def test_defaults_are_those_of_the_options() -> None:
    config = CompareWarpAssembleCoaddConfig()
    config.validate()
    own, due = config.to_artifact_options(), ArtifactOptions()
    assert replace(own, detection=due.detection, template_detection=due.template_detection) == due
    for mine, theirs in (
        (own.detection, due.detection),
        (own.template_detection, due.template_detection),
    ):
        for name in ("min_pixels", "n_sigma_to_grow", "threshold_value", "threshold_polarity"):
            assert getattr(mine, name) == getattr(theirs, name)
    assert config.to_options() == CompareWarpOptions().assemble
    # The background that is fitted to the template has bins of its own, no polynomial.
    assert own.template_detection.re_estimate_background
    assert not own.template_detection.background.use_approx
    static = config.assembleStaticSkyModel.value.to_options()
    assert static == CompareWarpOptions().template


def test_every_field_reaches_the_options() -> None:
    config = CompareWarpAssembleCoaddConfig()
    config.maxNumEpochs = 3
    config.maxFractionEpochsLow = 0.5
    config.maxFractionEpochsHigh = 0.1
    config.minEpochsLow = 1
    config.spatialThreshold = 0.3
    config.doPreserveContainedBySource = False
    config.doPrefilterArtifacts = False
    config.prefilterArtifactsMaskPlanes = ["BAD"]
    config.prefilterArtifactsRatio = 0.2
    config.doScaleWarpVariance = False
    config.badMaskPlanes = ["NO_DATA"]
    options = config.to_artifact_options()
    assert options == ArtifactOptions(
        detection=options.detection,
        template_detection=options.template_detection,
        max_num_epochs=3,
        max_fraction_epochs_low=0.5,
        max_fraction_epochs_high=0.1,
        min_epochs_low=1,
        spatial_threshold=0.3,
        preserve_contained_by_source=False,
        prefilter=False,
        prefilter_planes=("BAD",),
        prefilter_ratio=0.2,
        bad_planes=("NO_DATA",),
        scale_variance=None,
    )


def test_templates_that_are_refused() -> None:
    config = CompareWarpAssembleCoaddConfig()
    config.assembleStaticSkyModel.doNImage = True
    with pytest.raises(FieldValidationError, match="doNImage"):
        config.validate()
    config = CompareWarpAssembleCoaddConfig()
    config.assembleStaticSkyModel.doWrite = True
    config.validate()
    config.assembleStaticSkyModel.warpType = "direct"
    with pytest.raises(FieldValidationError, match="doWrite"):
        config.validate()


def test_run_does_what_the_function_does() -> None:
    inputs = warps(6, 2)
    result = run_of(task_of(doNImage=True), inputs)
    same = compare_warp(
        inputs,
        inputs,
        weights=[1.0] * 6,
        options=CompareWarpOptions(
            assemble=replace(CompareWarpOptions().assemble, interpolate=None)
        ),
    )
    assert_array_equal(result.coaddExposure.image.array, same.image.array)
    assert_array_equal(result.coaddExposure.mask.array, same.mask.array)
    assert_array_equal(result.coaddExposure.variance.array, same.variance.array)
    assert_array_equal(result.nImage.array, same.n_image.array)
    assert clipped_in(result) == [0, 1]
    assert len(result.decisions) == len(same.decisions)


@pytest.mark.parametrize("exposures", [False, True])
def test_each_warp_can_be_compared_with_a_template_of_the_others(
    exposures: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = warps(4, 1)
    task = task_of(leaveOneOut=True)
    still = task.makeSupplementaryDataFrom(SkyInfo(BOX), inputs)
    if exposures:
        still = Struct(
            templateCoadd=still.templateCoadd, warpRefList=inputs, imageScalerList=[None] * 4
        )
    sizes = []
    made_by = task.assembleStaticSkyModel.run

    def noted(skyInfo: Any, *lists: Any) -> Any:
        sizes.append(len(lists[0]))
        return made_by(skyInfo, *lists)

    monkeypatch.setattr(task.assembleStaticSkyModel, "run", noted)
    lists = (inputs, [None] * 4, [1.0] * 4)
    result = task.run(SkyInfo(BOX), *lists, supplementaryData=still)
    same = compare_warp(
        inputs,
        inputs,
        weights=[1.0] * 4,
        options=CompareWarpOptions(
            assemble=replace(CompareWarpOptions().assemble, interpolate=None), leave_one_out=True
        ),
    )
    assert_array_equal(result.coaddExposure.image.array, same.image.array)
    assert_array_equal(result.coaddExposure.mask.array, same.mask.array)
    assert clipped_in(result) == [0]
    assert sizes == [3, 3, 3, 3]


def test_one_matched_warp_is_its_own_template() -> None:
    inputs = warps(2, 1)
    task = task_of(leaveOneOut=True)
    still = task.makeSupplementaryDataFrom(SkyInfo(BOX), inputs[:1])
    result = task.run(SkyInfo(BOX), inputs, [None] * 2, [1.0] * 2, supplementaryData=still)
    assert clipped_in(result) == []
    assert result.coaddExposure.mask.has("NO_DATA").sum() == 0


def test_missing_and_shuffled_matched_warps() -> None:
    inputs = warps(6, 1)
    usual = run_of(task_of(doNImage=True), inputs)
    shuffled = run_of(task_of(doNImage=True), inputs, inputs[::-1])
    assert_array_equal(usual.coaddExposure.image.array, shuffled.coaddExposure.image.array)
    fewer = run_of(task_of(doNImage=True), inputs, inputs[:5])
    assert fewer.altMaskList[5]["NO_DATA"] == [SpanSet.from_box(BOX)]
    assert fewer.nImage.array.max() == 5


def test_no_template() -> None:
    task, inputs = task_of(), warps(3)
    info = SkyInfo(BOX)
    with pytest.raises(RuntimeError, match="template"):
        task.run(info, inputs, [None] * 3, [1.0] * 3)
    with pytest.raises(RuntimeError, match="template"):
        task.makeSupplementaryDataFrom(info, [])
    still = task.makeSupplementaryDataFrom(info, inputs)
    with pytest.raises(NoWorkFound):
        task.run(info, [], [], [], supplementaryData=still)


class FindsNothing(CompareWarpAssembleCoaddTask):
    def findArtifacts(self, templateCoadd: Any, warpRefList: Any, imageScalerList: Any) -> Any:
        return [{"CLIPPED": [], "NO_DATA": [], "EDGE": []} for _ in warpRefList]


class DropsAll(CompareWarpAssembleCoaddTask):
    def prefilterArtifacts(self, spanSetList: Any, exp: Any) -> Any:
        return []


class KeepsAll(CompareWarpAssembleCoaddTask):
    def filterArtifacts(
        self, spanSetList: Any, epochCountImage: Any, nImage: Any, footprintsToExclude: Any = None
    ) -> Any:
        return []


class Edgy(CompareWarpAssembleCoaddTask):
    def applyAltEdgeMask(self, mask: Any, altMaskList: Any) -> None:
        assert len(altMaskList) == 5
        mask.set("SENSOR_EDGE", np.ones(mask.array.shape, bool))


@pytest.mark.parametrize("task_class", [FindsNothing, DropsAll, KeepsAll, Edgy])
def test_overridden_steps_change_the_result(task_class: type) -> None:
    inputs = warps()
    usual, other = run_of(task_of(), inputs), run_of(task_of(task_class), inputs)
    assert clipped_in(usual) == [0]
    assert not np.array_equal(usual.coaddExposure.mask.array, other.coaddExposure.mask.array)
    if task_class is not Edgy:
        assert clipped_in(other) == []


class Square(SourceDetectionTask):
    def detectFootprints(self, exposure: Any, *args: Any, **kwargs: Any) -> Struct:
        found = FootprintSet([Footprint(SpanSet.from_box(SQUARE))], exposure.box)
        return Struct(positive=found, negative=None)


class Scale(ScaleVarianceTask):
    def run(self, maskedImage: Any) -> float:
        maskedImage.image.array[...] = np.nan  # must not reach the warp
        return 100.0


def test_retargeted_sub_tasks_are_used() -> None:
    config = CompareWarpAssembleCoaddConfig()
    config.detect.retarget(Square)
    result = run_of(CompareWarpAssembleCoaddTask(config=config), warps(5, 0))
    assert clipped_in(result) == []  # seen in all five
    config = CompareWarpAssembleCoaddConfig()
    config.detectTemplate.retarget(Square)
    config.maxNumEpochs = 0
    assert clipped_in(run_of(CompareWarpAssembleCoaddTask(config=config), warps())) == []
    config = CompareWarpAssembleCoaddConfig()
    config.scaleWarpVariance.retarget(Scale)
    assert clipped_in(run_of(CompareWarpAssembleCoaddTask(config=config), warps())) == []


def test_streak_finder_of_the_task() -> None:
    line = SpanSet([(0, 40, 80)])
    task = task_of(doFilterMorphological=True)
    task.maskStreaks = lambda exposure: [line]
    assert clipped_in(run_of(task, warps())) == [0, 1, 2, 3, 4]
    task = task_of()
    task.maskStreaks = lambda exposure: [line]
    assert clipped_in(run_of(task, warps())) == [0]


def test_what_cannot_be_done_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        task = task_of(doFilterMorphological=True)
        assert not caplog.messages
        task_of(maxDetectTemplateIter=3)
        (message,) = caplog.messages
        assert message.startswith("maxDetectTemplateIter: without effect")
        caplog.clear()
        assert clipped_in(run_of(task, warps())) == [0]
    assert [m for m in caplog.messages if "maskStreaks is None" in m]


def test_pipeline_graph_has_the_matched_warps() -> None:
    graph = PipelineGraph()
    graph.add_task("compare", CompareWarpAssembleCoaddTask, CompareWarpAssembleCoaddConfig())
    names = set(graph.tasks["compare"].inputs)
    assert {"inputWarps", "psfMatchedWarps"} <= names
    assert "templateCoadd" not in graph.tasks["compare"].outputs


@pytest.mark.parametrize("template_too", [False, True])
def test_quantum_reads_both_kinds_and_writes_the_coadd(template_too: bool) -> None:
    outputs: list[Any] = []
    inputs = warps(5, 1)
    handles = [ExposureRef(one, {"visit": 100 + k}) for k, one in enumerate(inputs)]
    matched = [ExposureRef(one, {"visit": 104 - k}) for k, one in enumerate(inputs[::-1])]
    butler = SimpleNamespace(
        resources=SimpleNamespace(num_cores=1, max_mem=None),
        quantum=SimpleNamespace(dataId={"tract": 3, "patch": 5}),
        get=lambda refs: {"inputWarps": handles, "psfMatchedWarps": matched},
        put=lambda result, refs: outputs.append(result),
    )
    config = CompareWarpAssembleCoaddConfig()
    config.assembleStaticSkyModel.doWrite = template_too
    try:
        CompareWarpAssembleCoaddTask(config=config).runQuantum(butler, None, None)
    finally:
        deepcoadd.set_num_threads(0)
    (result,) = outputs
    assert clipped_in(result) == [0]
    assert np.isfinite(result.templateCoadd.image.array).all()
    same = run_of(task_of(), inputs)
    assert_array_equal(result.coaddExposure.mask.array, same.coaddExposure.mask.array)
    graph = PipelineGraph()
    graph.add_task("compare", CompareWarpAssembleCoaddTask, config)
    assert ("templateCoadd" in graph.tasks["compare"].outputs) == template_too


def test_masks_of_artifacts_for_every_visit() -> None:
    inputs = warps(5, 1)
    plain = run_of(task_of(), inputs)
    assert not hasattr(plain, "artifactMasks")
    result = run_of(task_of(doWriteArtifactMasks=True), inputs, inputs[:4])
    assert len(result.artifactMasks) == 5
    for mask, found in zip(result.artifactMasks, result.altMaskList, strict=True):
        assert mask.box == BOX
        for plane in ("CLIPPED", "NO_DATA", "EDGE"):
            due = np.zeros(BOX.shape, bool)
            for spans in found[plane]:
                due |= spans.as_array(BOX)
            assert_array_equal(mask.has(plane), due, err_msg=plane)
    assert result.artifactMasks[0].has("CLIPPED").sum() > 900
    assert result.artifactMasks[4].has("NO_DATA").all()


def test_a_quantum_writes_the_masks_in_the_order_of_its_outputs() -> None:
    outputs: list[Any] = []
    inputs = warps(5, 1)
    handles = [ExposureRef(one, {"visit": 100 + k}) for k, one in enumerate(inputs)]
    butler = SimpleNamespace(
        resources=SimpleNamespace(num_cores=1, max_mem=None),
        quantum=SimpleNamespace(dataId={"tract": 3, "patch": 5}),
        get=lambda refs: {"inputWarps": handles, "psfMatchedWarps": handles[::-1]},
        put=lambda result, refs: outputs.append(result),
    )
    visits = [103, 100, 999]  # the last one was skipped, say
    ids = [SimpleNamespace(dataId=SimpleNamespace(mapping={"visit": v})) for v in visits]
    config = CompareWarpAssembleCoaddConfig()
    config.doWriteArtifactMasks = True
    config.validate()
    try:
        CompareWarpAssembleCoaddTask(config=config).runQuantum(
            butler, None, SimpleNamespace(artifactMasks=ids)
        )
    finally:
        deepcoadd.set_num_threads(0)
    masks = outputs[0].artifactMasks
    assert [bool(mask.has("CLIPPED").any()) for mask in masks] == [False, True, False]
    assert [bool(mask.has("NO_DATA").all()) for mask in masks] == [False, False, True]


def test_masks_of_artifacts_are_an_output_on_request() -> None:
    for wanted in (False, True):
        config = CompareWarpAssembleCoaddConfig()
        config.doWriteArtifactMasks = wanted
        graph = PipelineGraph()
        graph.add_task("compare", CompareWarpAssembleCoaddTask, config)
        assert ("artifactMasks" in graph.tasks["compare"].outputs) == wanted


def test_the_coadd_of_the_task_holds_within_the_polygons_of_matched_warps() -> None:
    inputs = warps(5, 0)
    inner = Polygon.from_box(BOX.dilated_by(-7))
    matched = [Exposure(one.masked_image, replace(one.info, valid_polygon=inner)) for one in inputs]
    info = run_of(task_of(), inputs, matched).coaddExposure.info
    y, x = BOX.center
    assert len(info.psf.inputs_at(y=y, x=x)) == 5
    assert info.psf.inputs_at(y=BOX.y.min + 3, x=x) == []

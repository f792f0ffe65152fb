# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""The artifact rejection as a task: configuration, overridable steps, quanta."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from tests.unit.test_safe_clip import SQUARE, add_square, visits

from deepcoadd import Exposure, PhotoCalib, VisitInfo
from deepcoadd.coadd import SafeClipOptions, safe_clip
from deepcoadd.refs import ExposureRef
from deepcoadd.scale_variance import ScaleVarianceOptions
from deepcoadd.spans import FootprintSet, SpanSet

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import FieldValidationError
from lsst.pipe.base import NoWorkFound, Struct
from lsst.pipe.base.pipeline_graph import PipelineGraph

from deepcoadd.tasks import (
    AssembleCoaddTask,
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    SkyInfo,
)
from deepcoadd.tasks.source_detection import SourceDetectionTask

pytestmark = pytest.mark.lsst


def warps(n: int = 5, artifact_in: int = 2) -> list[Exposure]:
    inputs = []
    for number, visit in enumerate(visits(n)):
        info = replace(visit.info, unit=u.nJy, visit_info=VisitInfo(id=100 + number))
        inputs.append(Exposure(visit.masked_image, info))
    if artifact_in < n:
        add_square(inputs[artifact_in])
    return inputs


def task_of(task_class: type = SafeClipAssembleCoaddTask, **config: Any) -> Any:
    chosen = task_class.ConfigClass()  # type: ignore[attr-defined]
    for name, value in config.items():
        setattr(chosen, name, value)
    return task_class(config=chosen)


def run_of(task: Any, inputs: list[Any], **how: Any) -> Any:
    n = len(inputs)
    box = inputs[0].box if isinstance(inputs[0], Exposure) else inputs[0].box()
    return task.run(SkyInfo(box), inputs, [None] * n, how.pop("weightList", [1.0] * n), **how)


def text_of(table: Table) -> list[str]:
    return list(table.pformat(max_lines=-1, max_width=-1))


def clipped_in(result: Any) -> list[int]:
    return [k for k, one in enumerate(result.altMaskList) if one["CLIPPED"]]


# --- configuration ----------------------------------------------------------------------------


def test_defaults_are_those_of_the_options() -> None:
    config = SafeClipAssembleCoaddConfig()
    config.validate()
    task_options, own = config.to_safe_clip_options(), SafeClipOptions()
    task_options = replace(task_options, warp_detection=own.warp_detection)
    assert replace(task_options, assemble=own.assemble) == own
    warp_detection = config.warpDetection.value.to_options()
    for name in ("min_pixels", "n_sigma_to_grow", "threshold_value", "threshold_polarity"):
        assert getattr(warp_detection, name) == getattr(own.warp_detection, name)
    assert task_options.assemble == own.assemble
    detection = config.clipDetection.value.to_options()
    assert (
        replace(
            detection,
            background=own.detection.background,
            temp_local_background=own.detection.temp_local_background,
            temp_wide_background=own.detection.temp_wide_background,
        )
        == own.detection
    )


def test_every_field_reaches_the_options() -> None:
    config = SafeClipAssembleCoaddConfig()
    config.minClipFootOverlap = 0.7
    config.minClipFootOverlapSingle = 0.8
    config.minClipFootOverlapDouble = 0.3
    config.maxClipFootOverlapDouble = 0.2
    config.minBigOverlap = 7
    config.doDetectOnWarps = "never"
    config.warpDetection.thresholdValue = 6.0
    config.doScaleVariance = True
    config.scaleVariance.limit = 20.0
    config.sigmaClip = 2.0
    config.badMaskPlanes = ["BAD"]
    options = config.to_safe_clip_options()
    assert options == SafeClipOptions(
        assemble=replace(SafeClipOptions().assemble, sigma_clip=2.0, bad_planes=("BAD",)),
        min_clip_foot_overlap=0.7,
        min_clip_foot_overlap_single=0.8,
        min_clip_foot_overlap_double=0.3,
        max_clip_foot_overlap_double=0.2,
        min_big_overlap=7,
        detect_on_warps="never",
        warp_detection=options.warp_detection,
        scale_variance=ScaleVarianceOptions(limit=20.0),
    )
    assert options.warp_detection.threshold_value == 6.0


@pytest.mark.parametrize("statistic", ["MEANCLIP", "MEDIAN"])
def test_only_means(statistic: str) -> None:
    config = SafeClipAssembleCoaddConfig()
    config.statistic = statistic
    with pytest.raises(FieldValidationError, match="MEAN"):
        config.validate()
    assert issubclass(FieldValidationError, ValueError)


def test_task_takes_its_place_in_a_pipeline() -> None:
    graph = PipelineGraph()
    graph.add_task("safe", SafeClipAssembleCoaddTask, SafeClipAssembleCoaddConfig())
    assert "deepCoadd" in {
        edge.parent_dataset_type_name for edge in graph.tasks["safe"].outputs.values()
    }


# --- run --------------------------------------------------------------------------------------


def test_run_gives_what_the_subject_package_gives() -> None:
    inputs = warps()
    config = {"doInterp": False, "doNImage": True}
    task = task_of(**config)
    result = run_of(task, inputs, weightList=[1.0, 2.0, 1.5, 0.5, 1.0])
    due = safe_clip(
        inputs, weights=[1.0, 2.0, 1.5, 0.5, 1.0], options=task.config.to_safe_clip_options()
    )
    coadd = result.coaddExposure
    np.testing.assert_array_equal(coadd.image.array, due.image.array)
    np.testing.assert_array_equal(coadd.variance.array, due.variance.array)
    np.testing.assert_array_equal(coadd.mask.array, due.mask.array)
    np.testing.assert_array_equal(result.nImage.array, due.n_image.array)
    assert clipped_in(result) == [2]
    assert SpanSet.from_box(SQUARE) <= due.artifact_masks[2]["CLIPPED"]
    assert text_of(result.decisions) == text_of(due.decisions)
    assert task.metadata["n_artifacts"] == due.summary()["n_artifacts"]
    assert "102" in set(result.decisions["clipped"])


def test_further_arguments_are_ignored() -> None:
    inputs = warps()
    plain = run_of(task_of(), inputs)
    more = task_of().run(
        SkyInfo(inputs[0].box), inputs, [None] * 5, [1.0] * 5, ["no mask"], 0, nothing=3
    )
    np.testing.assert_array_equal(plain.coaddExposure.image.array, more.coaddExposure.image.array)


def test_the_mask_of_all_that_was_left_out() -> None:
    result = run_of(task_of(), warps())
    every = np.zeros(result.coaddExposure.box.shape, bool)
    for spans in result.altMaskList[2]["CLIPPED"]:
        every |= spans.as_array(result.coaddExposure.box)
    np.testing.assert_array_equal(result.clipMask.has("CLIPPED"), every)
    assert result.clipMask.box == result.coaddExposure.box
    assert result.clipMask[SQUARE].has("CLIPPED").all()


def test_variances_of_the_difference_are_scaled_like_in_the_function() -> None:
    inputs = warps()
    for one in inputs:
        one.variance.array[:] *= 4
    options = replace(
        SafeClipOptions(),
        assemble=replace(SafeClipOptions().assemble, interpolate=None),
        scale_variance=ScaleVarianceOptions(),
    )
    result = run_of(task_of(doScaleVariance=True), inputs)
    same = safe_clip(inputs, weights=[1.0] * 5, options=options)
    np.testing.assert_array_equal(result.coaddExposure.image.array, same.image.array)
    assert text_of(result.decisions) == text_of(same.decisions)
    assert text_of(result.decisions) != text_of(run_of(task_of(), inputs).decisions)


def matched_of(inputs: list[Exposure]) -> list[Exposure]:
    """Versions without the artifact of the third, so that the difference shows nothing."""
    clean = warps(len(inputs), artifact_in=len(inputs))
    return clean[::-1]


def test_the_difference_can_be_made_of_matched_warps(caplog: pytest.LogCaptureFixture) -> None:
    inputs = warps()
    matched = warps()[::-1]
    task = task_of(differenceWarpType="psfMatched")
    result = run_of(task, inputs, psfMatchedWarpRefList=matched)
    options = replace(
        SafeClipOptions(), assemble=replace(SafeClipOptions().assemble, interpolate=None)
    )
    same = safe_clip(inputs, weights=[1.0] * 5, matched=matched, options=options)
    np.testing.assert_array_equal(result.coaddExposure.image.array, same.image.array)
    np.testing.assert_array_equal(result.coaddExposure.mask.array, same.mask.array)
    assert clipped_in(result) == [2]
    nothing = run_of(task, inputs, psfMatchedWarpRefList=matched_of(inputs))
    assert clipped_in(nothing) == []
    # Without being asked for they are ignored, as documented.
    usual = run_of(task_of(), inputs, psfMatchedWarpRefList=matched_of(inputs))
    assert clipped_in(usual) == [2]
    for wrong in ({}, {"psfMatchedWarpRefList": []}):
        with pytest.raises(RuntimeError, match="psfMatchedWarpRefList: matched: none of them"):
            run_of(task, inputs, **wrong)


def test_members_of_the_steps() -> None:
    inputs = warps()
    task = task_of()
    exp = task.buildDifferenceImage(SkyInfo(inputs[0].box), inputs, [None] * 5, [1.0] * 5)
    assert isinstance(exp, Exposure)
    assert exp.getPsf() is not None
    found = task.detectClip(exp, inputs)
    assert len(found.clipSpans) == len(found.detectionFootprints) == 5
    assert len(found.clipFootprints) == len(found.clipIndices) >= 1
    assert [isinstance(one, np.ndarray) for one in found.clipIndices]
    n = len(found.clipSpans[2]["CLIPPED"])
    bits = exp.mask.getPlaneBitMask("CLIPPED"), exp.mask.getPlaneBitMask(["DETECTED"])
    big = task.detectClipBig(
        found.clipSpans,
        found.clipFootprints,
        found.clipIndices,
        found.detectionFootprints,
        *bits,
        exp.getBBox(),
    )
    assert len(big) == 1
    assert found.clipSpans[2]["CLIPPED"][n:] == [big[0].spans]


def test_nothing_to_do() -> None:
    with pytest.raises(NoWorkFound):
        task_of().run(SkyInfo(warps()[0].box), [], [], [])
    with pytest.raises(NoWorkFound):
        run_of(task_of(), warps(2), weightList=[0.0, 0.0])


def test_planes_of_the_configuration_beyond_the_dictionary_stay_bad() -> None:
    inputs = warps(4, artifact_in=9)
    mask = inputs[0].mask
    planes = mask.planes.with_planes("HOLE")
    inputs[0].masked_image.mask = type(mask)(mask.array, mask.box, planes)
    inputs[0].mask.set("HOLE", (slice(5, 9), slice(5, 9)))
    task = task_of(badMaskPlanes=["NO_DATA", "BAD", "HOLE"], doNImage=True)
    result = run_of(task, inputs)
    assert np.all(result.nImage.array[5:9, 5:9] == 3)
    assert result.coaddExposure.mask.has("REJECTED")[5:9, 5:9].all()


def test_a_warp_on_another_grid_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    inputs = warps(5)
    refs = [ExposureRef(one) for one in inputs]

    class Unreadable(ExposureRef):
        def info(self) -> Any:
            raise OSError("gone")

    refs[4] = Unreadable(inputs[4])
    result = run_of(task_of(), refs)
    assert len(result.weightList) == 4
    assert [item.index for item in result.skippedInputs] == [4]
    assert clipped_in(result) == [2]
    assert len(result.altMaskList) == 5


def test_detections_of_our_own_can_be_switched_off() -> None:
    inputs = warps(5, artifact_in=9)
    add_square(inputs[1], grown=None)
    assert clipped_in(run_of(task_of(), inputs)) == [1]
    assert clipped_in(run_of(task_of(doDetectOnWarps="never"), inputs)) == []


def test_zero_points_reach_all_three_coadds() -> None:
    inputs = []
    for visit in warps():
        info = replace(visit.info, unit=u.adu, photo_calib=PhotoCalib(57.5440 * 2))
        inputs.append(Exposure(visit.masked_image, info))
    task = task_of(doScaleZeroPoint=True)
    prepared = task.prepareInputs(inputs)
    result = task.run(
        SkyInfo(inputs[0].box),
        prepared.warpRefList,
        prepared.imageScalerList,
        prepared.weightList,
    )
    plain = run_of(task_of(), warps(), weightList=prepared.weightList)
    np.testing.assert_allclose(
        result.coaddExposure.image.array, 2 * plain.coaddExposure.image.array, rtol=1e-5, atol=1e-5
    )
    assert clipped_in(result) == clipped_in(plain)


# --- overrides --------------------------------------------------------------------------------


def test_override_of_the_difference() -> None:
    class Task(SafeClipAssembleCoaddTask):
        def buildDifferenceImage(self, *args: Any) -> Any:
            exp = super().buildDifferenceImage(*args)
            exp.image.array[...] = 0
            return exp

    assert clipped_in(run_of(task_of(), warps())) == [2]
    assert clipped_in(run_of(task_of(Task), warps())) == []


def test_override_of_the_search() -> None:
    class Task(SafeClipAssembleCoaddTask):
        def detectClip(self, exp: Any, tempExpRefList: Any) -> Any:
            spans = SpanSet.from_shape(3, y=30, x=50)
            lists = [{"CLIPPED": []} for _ in tempExpRefList]
            lists[4]["CLIPPED"].append(spans)
            empty = FootprintSet([], exp.box)
            return Struct(
                clipFootprints=[],
                clipIndices=[],
                clipSpans=lists,
                detectionFootprints=[empty] * len(lists),
            )

    result = run_of(task_of(Task, doNImage=True), warps())
    assert clipped_in(result) == [4]
    due = SpanSet.from_shape(3, y=30, x=50).as_array(result.nImage.box)
    np.testing.assert_array_equal(result.nImage.array == 4, due)


def test_override_of_the_search_for_large_ones() -> None:
    class Task(SafeClipAssembleCoaddTask):
        def detectClipBig(
            self, clipList: Any, clipFootprints: Any, clipIndices: Any, *rest: Any
        ) -> Any:
            detections, clip, detected, box = rest
            assert (clip, detected) == (1 << 12, (1 << 5) | (1 << 6))
            assert box == warps()[0].box
            assert len(detections) == 5
            clipList[0]["CLIPPED"].append(SpanSet.from_shape(2, y=70, x=100))
            return []

    result = run_of(task_of(Task), warps())
    assert clipped_in(result) == [0, 2]
    assert result.coaddExposure.mask.has("CLIPPED")[70 + 20, 100 - 30]
    assert (result.decisions["rule"] == "big").sum() == 1


def test_another_detection_task() -> None:
    class Blind(SourceDetectionTask):
        def detectFootprints(self, exposure: Any, *args: Any, **more: Any) -> Any:
            empty = FootprintSet([], exposure.box)
            return Struct(positive=empty, negative=empty)

    config = SafeClipAssembleCoaddConfig()
    config.clipDetection.retarget(Blind)
    assert clipped_in(run_of(SafeClipAssembleCoaddTask(config=config), warps())) == []


def test_thresholds_of_the_detection_are_used() -> None:
    config = SafeClipAssembleCoaddConfig()
    config.clipDetection.thresholdValue = 1e6
    assert clipped_in(run_of(SafeClipAssembleCoaddTask(config=config), warps())) == []


def test_overrides_of_the_base_class_hold_for_the_coadd() -> None:
    class Task(SafeClipAssembleCoaddTask):
        def setInexactPsf(self, mask: Any) -> None:
            mask.set("SUSPECT", (slice(None), slice(None)))

        def getBadPixelMask(self) -> int:
            return int(super().getBadPixelMask()) | 1 << 7  # SUSPECT

        def assembleSubregion(self, coaddExposure: Any, bbox: Any, *rest: Any, **more: Any) -> Any:
            done = super().assembleSubregion(coaddExposure, bbox, *rest, **more)
            coaddExposure[bbox].image.array[...] += 1000
            return done

    inputs = warps()
    plain = run_of(task_of(), inputs)
    inputs[0].mask.set("SUSPECT", (slice(0, 3), slice(0, 3)))
    result = run_of(task_of(Task, doNImage=True), inputs)
    assert result.coaddExposure.mask.has("SUSPECT").all()
    assert np.all(result.nImage.array[:3, :3] == 4)
    np.testing.assert_allclose(
        result.coaddExposure.image.array[5:], plain.coaddExposure.image.array[5:] + 1000, rtol=1e-6
    )


def test_quantum() -> None:
    inputs = warps()
    outputs: list[Any] = []
    handles = [
        SimpleNamespace(dataId={"visit": one.info.visit_info.id}, get=lambda one=one: one)
        for one in inputs
    ]
    butler = SimpleNamespace(
        resources=SimpleNamespace(num_cores=1, max_mem=None),
        quantum=SimpleNamespace(dataId={"tract": 3, "patch": 5}),
        get=lambda refs: {"inputWarps": handles},
        put=lambda result, refs: outputs.append(result),
    )
    task_of().runQuantum(butler, None, None)
    (result,) = outputs
    assert clipped_in(result) == [2]
    assert isinstance(task_of(), AssembleCoaddTask)


def test_quantum_with_matched_warps() -> None:
    inputs = warps()
    outputs: list[Any] = []
    handles, matched = (
        [ExposureRef(one, {"visit": one.info.visit_info.id}) for one in part]
        for part in (inputs, matched_of(inputs))
    )
    butler = SimpleNamespace(
        resources=SimpleNamespace(num_cores=1, max_mem=None),
        quantum=SimpleNamespace(dataId={"tract": 3, "patch": 5}),
        get=lambda refs: {"inputWarps": handles, "psfMatchedWarps": matched},
        put=lambda result, refs: outputs.append(result),
    )
    for kind, clipped in (("psfMatched", []), ("direct", [2])):
        task_of(differenceWarpType=kind).runQuantum(butler, None, None)
        assert clipped_in(outputs.pop()) == clipped
        config = SafeClipAssembleCoaddConfig()
        config.differenceWarpType = kind
        graph = PipelineGraph()
        graph.add_task("safe", SafeClipAssembleCoaddTask, config)
        assert ("psfMatchedWarps" in graph.tasks["safe"].inputs) == (kind == "psfMatched")

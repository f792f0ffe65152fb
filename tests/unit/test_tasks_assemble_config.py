# SPDX-License-Identifier: BSD-3-Clause

"""Configuration and connections of the base assembler."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from deepcoadd.coadd import TASK_ASSEMBLE, AssembleOptions

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import FieldValidationError
from lsst.pipe.base.pipeline_graph import PipelineGraph

from deepcoadd.tasks import (
    AssembleCoaddConfig,
    AssembleCoaddConnections,
    AssembleCoaddTask,
    InterpImageConfig,
)

pytestmark = pytest.mark.lsst


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

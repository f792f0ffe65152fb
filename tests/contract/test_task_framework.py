# SPDX-License-Identifier: BSD-3-Clause
"""Tasks and configurations do what the task framework expects: files, pickles, pipelines."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import Config, ConfigField, ConfigurableField, FieldValidationError
from lsst.pipe.base import Pipeline, PipelineTask, Task

import deepcoadd.tasks

pytestmark = pytest.mark.lsst

CLASSES = {name: getattr(deepcoadd.tasks, name) for name in deepcoadd.tasks.__all__}
TASKS = {k: v for k, v in CLASSES.items() if inspect.isclass(v) and issubclass(v, Task)}
CONFIGS = {k: v for k, v in CLASSES.items() if inspect.isclass(v) and issubclass(v, Config)}
PIPELINE_TASKS = [name for name, task in TASKS.items() if issubclass(task, PipelineTask)]
NEEDS_A_TASK_OF_YOURS = {"HealSparseInputMapTask"}

MATCHED = "deepCoadd_psfMatchedWarp"
DIRECT = "deepCoadd_directWarp"
BASE = {"inputWarps": DIRECT, "skyMap": "skyMap", "coaddExposure": "deepCoadd"}
CONNECTIONS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "AssembleCoaddTask": ({}, BASE),
    "SafeClipAssembleCoaddTask": ({}, BASE),
    "CompareWarpAssembleCoaddTask": ({}, {**BASE, "psfMatchedWarps": MATCHED}),
}
WITH_FIELDS = [
    ("AssembleCoaddTask", {"doNImage": True}, {"nImage": "deepCoadd_nImage"}),
    ("AssembleCoaddTask", {"doInputMap": True}, {"inputMap": "deepCoadd_inputMap"}),
    ("AssembleCoaddTask", {"doSelectVisits": True}, {"selectedVisits": "deepVisits"}),
    ("AssembleCoaddTask", {"doMaskBrightObjects": True}, {"brightObjectMask": "brightObjectMask"}),
    (
        "SafeClipAssembleCoaddTask",
        {"differenceWarpType": "psfMatched"},
        {"psfMatchedWarps": MATCHED},
    ),
    (
        "CompareWarpAssembleCoaddTask",
        {"doWriteArtifactMasks": True},
        {"artifactMasks": "deepCoadd_artifactMask"},
    ),
]  # fmt: skip
FRAMEWORK = (
    "emptyMetadata", "getFullMetadata", "getFullName", "getName", "getTaskDict", "makeField",
    "makeSubtask", "timer",
)  # fmt: skip


def every_field(config: Any, where: str = "") -> list[tuple[str, Any]]:
    """Names and fields of a configuration and of those in it."""
    found = []
    for name, field in config._fields.items():
        found.append((f"{where}{name}", field))
        inner = getattr(config, name)
        if isinstance(field, ConfigurableField):
            inner = inner.value
        if isinstance(field, ConfigurableField | ConfigField):
            found += every_field(inner, f"{where}{name}.")
    return found


@pytest.mark.parametrize("name", sorted(TASKS.keys() - NEEDS_A_TASK_OF_YOURS))
def test_tasks_can_be_made_named_and_pickled(name: str) -> None:
    task = TASKS[name]()
    again = pickle.loads(pickle.dumps(task))
    assert type(again) is type(task)
    assert again.getFullName() == task.getName() == TASKS[name]._DefaultName
    assert again.config.toDict() == task.config.toDict()
    assert task.getTaskDict()[task.getFullName()]() is task
    assert set(task.getFullMetadata().names()) >= {task.getFullName()}
    assert task.log.name == f"deepcoadd.{task.getFullName()}"
    assert all(callable(getattr(TASKS[name], method)) for method in FRAMEWORK)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_configurations_can_be_saved_overridden_and_pickled(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]()
    assert CONFIGS[name].__doc__
    for field, what in every_field(config):
        assert what.doc, f"{field} of {name} does not say what it is"
    config.validate()
    for copy in (pickle.loads(pickle.dumps(config)), CONFIGS[name]()):
        assert copy.toDict() == config.toDict()
    config.save(str(tmp_path / "config.py"))
    again = CONFIGS[name]()
    again.load(str(tmp_path / "config.py"))
    assert again.toDict() == config.toDict()
    with pytest.raises(AttributeError, match="nothingOfTheKind"):
        config.nothingOfTheKind = 1


def test_override_files_reach_sub_tasks(tmp_path: Path) -> None:
    (tmp_path / "override.py").write_text(
        "config.sigmaClip = 2.0\n"
        "config.clipDetection.thresholdValue = 3.5\n"
        "config.clipDetection.background.binSize = 64\n"
        "config.badMaskPlanes = ['NO_DATA']\n"
    )
    config = deepcoadd.tasks.SafeClipAssembleCoaddConfig()
    config.load(str(tmp_path / "override.py"))
    options = config.to_safe_clip_options()
    assert options.assemble.sigma_clip == 2.0
    assert options.assemble.bad_planes == ("NO_DATA",)
    detection = config.clipDetection.value.to_options()
    assert detection.threshold_value == 3.5
    assert detection.background.bin_size == 64


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("MatchBackgroundsConfig", "gridStatistic", "MODE"),
        ("MatchBackgroundsConfig", "binSize", 0),
        ("MatchBackgroundsConfig", "badMaskPlanes", ["NO_SUCH_PLANE"]),
        ("SkyMeasurementConfig", "skyRej", -1.0),
        ("BackgroundConfig", "algorithm", "NONE"),
        ("SafeClipAssembleCoaddConfig", "minClipFootOverlap", 1.5),
        ("CompareWarpAssembleCoaddConfig", "spatialThreshold", -0.1),
        ("AssembleCoaddConfig", "warpType", "matched"),
        ("AssembleCoaddConfig", "clipIter", "two"),
    ],
)
def test_values_that_are_not_allowed_are_named(name: str, field: str, value: Any) -> None:
    config = CONFIGS[name]()

    def given() -> None:
        setattr(config, field, value)
        config.validate()

    with pytest.raises(FieldValidationError, match=field) as caught:
        given()
    assert isinstance(caught.value, ValueError)


def connections_of(name: str, fields: dict[str, Any]) -> Any:
    config = TASKS[name].ConfigClass()
    for field, value in fields.items():
        setattr(config, field, value)
    return config.connections.ConnectionsClass(config=config)


@pytest.mark.parametrize("name", PIPELINE_TASKS)
def test_connections(name: str) -> None:
    fields, expected = CONNECTIONS[name]
    made = connections_of(name, fields)
    assert made.dimensions == {"tract", "patch", "band", "skymap"}
    assert {key: one.name for key, one in made.allConnections.items()} == expected
    for key, one in made.allConnections.items():
        if key.endswith("Warps"):
            assert (one.deferLoad, one.multiple, one.storageClass) == (
                True,
                True,
                "DeepcoaddExposure",
            )
            assert set(one.dimensions) == {"tract", "patch", "skymap", "visit", "instrument"}
        assert one.doc


@pytest.mark.parametrize(("name", "fields", "more"), WITH_FIELDS)
def test_connections_that_fields_ask_for(
    name: str, fields: dict[str, Any], more: dict[str, str]
) -> None:
    made = connections_of(name, fields)
    assert {key: one.name for key, one in made.allConnections.items()} == {
        **CONNECTIONS[name][1],
        **more,
    }


def test_template_of_compare_warp_is_written_on_request() -> None:
    config = deepcoadd.tasks.CompareWarpAssembleCoaddConfig()
    config.assembleStaticSkyModel.doWrite = True
    made = config.connections.ConnectionsClass(config=config)
    assert made.templateCoadd.name == "deepCoaddPsfMatched"


PIPELINE = """
description: Two coadds of the same warps.
tasks:
  safe:
    class: deepcoadd.tasks.SafeClipAssembleCoaddTask
    config:
      minBigOverlap: 50
      clipDetection.thresholdValue: 3.0
      connections.outputCoaddName: safe
  compare:
    class: deepcoadd.tasks.CompareWarpAssembleCoaddTask
    config:
      python: |
        config.doWriteArtifactMasks = True
        config.assembleStaticSkyModel.sigmaClip = 2.0
        config.connections.outputCoaddName = "compare"
"""


def test_a_pipeline_of_them() -> None:
    graph = Pipeline.fromString(PIPELINE).to_graph()
    safe, compare = (graph.tasks[label] for label in ("safe", "compare"))
    assert safe.config.to_safe_clip_options().min_big_overlap == 50
    assert safe.config.clipDetection.thresholdValue == 3.0
    assert compare.config.assembleStaticSkyModel.sigmaClip == 2.0
    written = {e.parent_dataset_type_name for t in (safe, compare) for e in t.outputs.values()}
    assert written == {"safeCoadd", "compareCoadd", "compareCoadd_artifactMask"}


def test_pipetask_builds_a_pipeline() -> None:
    pytest.importorskip("lsst.ctrl.mpexec", reason="needs pipetask")
    words = ["build", "-t", "deepcoadd.tasks.SafeClipAssembleCoaddTask"]
    words += ["-c", "safeClipAssembleCoadd:minBigOverlap=7"]
    words += ["--show", "config=safeClipAssembleCoadd::minBigOverlap"]
    code = "import sys; from lsst.ctrl.mpexec.cli.pipetask import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "config.minBigOverlap=7" in done.stdout

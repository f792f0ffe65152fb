# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""The base assembler in a pipeline: quanta, finishing, life without the extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest

import deepcoadd
from deepcoadd import Box, Exposure, VisitInfo
from deepcoadd.coadd import TASK_ASSEMBLE, assemble

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound, Struct
from tests.task_scene import WARP_WCS, run_of, sky_of, task_of, warps

from deepcoadd.tasks import (
    AssembleCoaddTask,
    InterpImageTask,
)

pytestmark = pytest.mark.lsst


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
    assert list(same.coaddExposure.info.inputs.visits["id"]) == [100, 101, 102]


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
    assert list(coadd.info.inputs.warps["visit"]) == [103, 100]
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

# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: N802, N803  (documented names are overridden)
"""Background matching as a task: configuration, overridable steps, inputs that are not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd import Exposure, MaskedImage
from deepcoadd.background import TASK_MATCH

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import FieldValidationError
from lsst.pipe.base import Struct

from deepcoadd.tasks import ImageScaler, MatchBackgroundsConfig, MatchBackgroundsTask

pytestmark = pytest.mark.lsst

LEVELS = (50.0, 10.0, 20.0)
PARTS = ("backgroundModel", "fitRMS", "matchedMSE", "diffImVar")


def exposures() -> list[Exposure]:
    rng = np.random.default_rng(1)
    return [
        Exposure(MaskedImage.from_arrays(rng.normal(level, 1, (120, 120)), None, 1.0))
        for level in LEVELS
    ]


def task_of(task_class: type = MatchBackgroundsTask, **config: Any) -> Any:
    chosen = MatchBackgroundsConfig()
    for name, value in {"binSize": 32, **config}.items():
        setattr(chosen, name, value)
    return task_class(config=chosen)


class Handle:
    """A handle of an exposure, which may not exist."""

    def __init__(self, exposure: Exposure | None, number: int) -> None:
        self.exposure, self.dataId = exposure, {"visit": number}

    def get(self, *names: str, **how: Any) -> Exposure:
        if self.exposure is None:
            raise FileNotFoundError(f"visit {self.dataId['visit']}")
        return self.exposure


class OldHandle(Handle):
    """A handle that knows dataset types."""

    def datasetExists(self, name: str) -> bool:
        assert name == "warp"
        return self.exposure is not None

    def get(self, *names: str, **how: Any) -> Exposure:
        assert names == ("warp",)
        assert how == {"immediate": True}
        return super().get()


def test_all_are_matched_to_the_one_given() -> None:
    inputs = exposures()
    before = [e.masked_image.copy() for e in inputs]
    infos = task_of().run(inputs, "warp", refExpDataRef=inputs[0]).backgroundInfoList
    assert [info.isReference for info in infos] == [True, False, False]
    assert all(getattr(infos[0], name) is None for name in PARTS)
    for info, level in zip(infos[1:], LEVELS[1:], strict=True):
        assert abs(info.backgroundModel.image().array - (50 - level)).max() < 0.6
        assert 0.9 < info.matchedMSE / info.diffImVar < 1.1
        assert info.fitRMS < 0.2
    for pixels, exposure in zip(before, inputs, strict=True):
        np.testing.assert_array_equal(exposure.image.array, pixels.image.array)


def test_the_reference_is_chosen() -> None:
    inputs = exposures()
    inputs[1].image.array[:, :60] = np.nan
    task = task_of(bestRefWeightCoverage=0.9, bestRefWeightVariance=0.0, bestRefWeightLevel=0.1)
    assert task.selectRefExposure(inputs, None, "warp") == 2
    infos = task.run(inputs, "warp").backgroundInfoList
    assert [info.isReference for info in infos] == [False, False, True]


def test_scalers_are_applied() -> None:
    inputs = exposures()
    scalers = [ImageScaler(0.5), None, ImageScaler(2.0)]
    infos = (
        task_of()
        .run(inputs, "warp", scalers, refExpDataRef=inputs[0], refImageScaler=scalers[0])
        .backgroundInfoList
    )
    assert infos[1].backgroundModel.image().array.mean() == pytest.approx(15, abs=0.1)
    assert infos[2].backgroundModel.image().array.mean() == pytest.approx(-15, abs=0.1)
    assert infos[2].diffImVar == pytest.approx(0.25 + 4)


@pytest.mark.parametrize("handle", [Handle, OldHandle])
def test_exposures_that_do_not_exist(handle: Any) -> None:
    refs = [handle(e, k) for k, e in enumerate([None, *exposures()])]
    task = task_of()
    assert task.selectRefExposure(refs, None, "warp") == 2
    with pytest.raises(RuntimeError, match=r"visit.*0.*does not exist"):
        task.run(refs, "warp")
    with pytest.raises(RuntimeError, match="none of 1"):
        task.selectRefExposure(refs[:1], None, "warp")
    infos = task.run(refs[1:], "warp", refExpDataRef=refs[2]).backgroundInfoList
    assert [info.isReference for info in infos] == [False, True, False]


def test_wrong_requests() -> None:
    inputs = exposures()
    task = task_of()
    for arguments, match in (
        (([], "warp"), "expRefList"),
        ((inputs, ""), "expDatasetType"),
        ((inputs, "warp", [None]), "imageScalerList"),
        ((inputs[:2], "warp", None, inputs[2]), "refExpDataRef"),
    ):
        with pytest.raises(ValueError, match=match):
            task.run(*arguments)


def test_one_that_cannot_be_matched_does_not_end_the_run() -> None:
    inputs = exposures()
    inputs[1].image.array[...] = np.nan
    inputs.append(Exposure(MaskedImage.from_arrays(np.ones((119, 120)), None, 1.0)))
    infos = task_of().run(inputs, "warp", refExpDataRef=inputs[0]).backgroundInfoList
    assert [info.backgroundModel is None for info in infos] == [True, True, False, True]
    assert [info.isReference for info in infos] == [True, False, False, False]
    for info in (infos[1], infos[3]):
        assert all(getattr(info, name) is None for name in PARTS)


def test_one_that_cannot_be_matched_can_end_the_run() -> None:
    inputs = exposures()
    inputs[1].image.array[:] = np.nan
    with pytest.raises(ValueError, match="nothing to match"):
        task_of(raiseOnError=True).run(inputs, "warp", refExpDataRef=inputs[0])


def test_options_beyond_the_documented_ones() -> None:
    config = MatchBackgroundsConfig()
    assert config.to_options() == TASK_MATCH
    config.edge, config.binAveraged, config.varianceInflation = "linear", True, 2.0
    options = config.to_options()
    assert (options.edge, options.bin_averaged, options.variance_inflation) == ("linear", True, 2.0)


def test_match_one_pair_in_place() -> None:
    reference, science, _ = exposures()
    found = task_of(usePolynomial=True, order=2).matchBackgrounds(reference, science)
    assert set(found.getDict()) == set(PARTS)
    assert science.image.array.mean() == pytest.approx(50, abs=0.1)
    small = Exposure(MaskedImage.from_arrays(np.ones((119, 120)), None, 1.0))
    with pytest.raises(RuntimeError, match=r"\(119, 120\)"):
        task_of().matchBackgrounds(reference, small)


def test_steps_can_be_overridden() -> None:
    called = []

    class Task(MatchBackgroundsTask):  # type: ignore[misc]
        def selectRefExposure(self, expRefList: Any, imageScalerList: Any, expDatasetType: Any):
            called.append(("select", expDatasetType))
            return 1

        def matchBackgrounds(self, refExposure: Any, sciExposure: Any) -> Struct:
            called.append(("match", float(sciExposure.image.array.mean().round())))
            return Struct(backgroundModel="mine", fitRMS=1.0, matchedMSE=2.0, diffImVar=3.0)

    infos = task_of(Task).run(exposures(), "warp").backgroundInfoList
    assert called == [("select", "warp"), ("match", 50.0), ("match", 20.0)]
    assert [info.backgroundModel for info in infos] == ["mine", None, "mine"]
    assert [info.isReference for info in infos] == [False, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"badMaskPlanes": ["NO_DATA", "NONSENSE"]},
        {"gridStatistic": "MODE"},
        {"bestRefWeightLevel": 1.1},
        {"undersampleStyle": "INCREASE_NXNYSAMPLE"},
    ],
)
def test_configurations_that_are_refused(wrong: dict[str, Any]) -> None:
    def make() -> None:
        config = MatchBackgroundsConfig()
        for name, value in wrong.items():
            setattr(config, name, value)
        config.validate()

    with pytest.raises((FieldValidationError, ValueError)):
        make()

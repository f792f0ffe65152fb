# SPDX-License-Identifier: BSD-3-Clause
"""The task classes have the names, argument orders and defaults that `seed_api.toml` lists."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

import deepcoadd.tasks

pytestmark = pytest.mark.lsst

API: dict[str, Any] = tomllib.loads(
    (Path(__file__).parent / "seed_api.toml").read_text(encoding="utf-8")
)
METHODS = [(task, name) for task, seed in API.items() for name in seed["methods"]]
SUBTASKS = [(task, name) for task, seed in API.items() for name in seed.get("subtasks", {})]
FIELDS = [(task, name) for task, seed in API.items() for name in seed["config"]]


@pytest.mark.parametrize("task", API)
def test_class(task: str) -> None:
    cls = getattr(deepcoadd.tasks, task)
    seed = API[task]
    assert cls._DefaultName == seed["default_name"]
    assert cls.ConfigClass.__name__ == seed["config_class"]
    assert getattr(deepcoadd.tasks, seed["config_class"]) is cls.ConfigClass
    assert set(seed["bases"]) <= {base.__name__ for base in cls.__mro__}
    assert task in deepcoadd.tasks.__all__


@pytest.mark.parametrize(("task", "name"), METHODS)
def test_method(task: str, name: str) -> None:
    method = getattr(getattr(deepcoadd.tasks, task), name)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    assert ", ".join(map(str, bare)) == API[task]["methods"][name]


@pytest.mark.parametrize(("task", "name"), FIELDS)
def test_config_field(task: str, name: str) -> None:
    config = getattr(deepcoadd.tasks, task).ConfigClass()
    value, expected = getattr(config, name), API[task]["config"][name]
    if isinstance(expected, str) and expected.startswith("*"):
        assert value.target._DefaultName == (expected[1:] or name)
        return
    if isinstance(expected, list):
        value = list(value)
    if isinstance(expected, dict):
        value = dict(value)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("task", "name"), SUBTASKS)
def test_defaults_of_a_subtask(task: str, name: str) -> None:
    config = getattr(getattr(deepcoadd.tasks, task).ConfigClass(), name)
    expected = API[task]["subtasks"][name]
    assert {field: getattr(config, field) for field in expected} == expected


def test_results_of_safe_clip() -> None:
    from deepcoadd import Exposure, MaskedImage
    from deepcoadd.psf import GaussianPsf
    from deepcoadd.tasks import SafeClipAssembleCoaddTask, SkyInfo

    pixels = MaskedImage.from_arrays(np.ones((30, 30)), None, 1.0)
    one = Exposure(pixels, psf=GaussianPsf((9, 9), 1.5), unit=u.nJy)
    task = SafeClipAssembleCoaddTask()
    found = task.detectClip(one, [one])
    result = task.run(SkyInfo(one.box), [one], [None], [1.0])
    members = API["SafeClipAssembleCoaddTask"]["result"]
    assert set(members["detectClip"]) <= set(found.getDict())
    assert set(members["run"]) <= set(result.getDict())


def test_results() -> None:
    from deepcoadd import Exposure, MaskedImage
    from deepcoadd.tasks import AssembleCoaddTask, SkyInfo

    one = Exposure(MaskedImage.from_arrays(np.ones((3, 3)), None, 1.0))
    task = AssembleCoaddTask(config=_without_units())
    prepared = task.prepareInputs([one])
    result = task.run(SkyInfo(one.box), [one], [None], [1.0])
    members = API["AssembleCoaddTask"]["result"]
    assert set(members["prepareInputs"]) <= set(prepared.getDict())
    assert set(members["run"]) <= set(result.getDict())


def _without_units() -> Any:
    class Config(deepcoadd.tasks.AssembleCoaddConfig):  # type: ignore[misc, name-defined]
        def to_options(self) -> Any:
            from dataclasses import replace

            return replace(super().to_options(), unit=None)

    return Config()

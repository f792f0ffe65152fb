# SPDX-License-Identifier: BSD-3-Clause
"""The bench of artifact rejections runs, and its table can be written."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from tests.conftest import ROOT

import deepcoadd


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    path = ROOT / "benches" / "science" / "reject.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("science_reject", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]
    logging.disable(logging.NOTSET)
    deepcoadd.set_num_threads(0)


def test_methods_are_told_apart(bench: ModuleType) -> None:
    methods = tuple(bench.METHODS)
    jobs = [bench.Job("default", 4, 160, seed, methods) for seed in (2, 3)]
    found = {("default", 4): [bench.run(job) for job in jobs]}
    rms = {name: [one[name]["rms"] for one in found["default", 4]] for name in methods}
    for k in range(2):
        assert rms["(ideal mask)"][k] < rms["visitclip"][k] * 1.01 < rms["none (mean)"][k]
    text = bench.table(found, methods, family=False)
    assert text.count("\n") == 2 + len(methods)
    assert "| 4 | visitclip | 1." in text


# An ideal mask leaves 1.05 to 1.09. One star whose wings are left out of the visit in the broadest
# seeing, or one trail that is left in, makes 1.3 and more.
@pytest.mark.parametrize(
    ("family", "seed"), [("bright", 3005), ("level", 3004), ("no-psf", 3004), ("wings", 3004)]
)
def test_scenes_of_other_kinds(bench: ModuleType, family: str, seed: int) -> None:
    found = bench.run(bench.Job(family, 6, 224, seed, ("visitclip",)))["visitclip"]
    assert found["rms"] < 1.15
    assert found["clean lost"] < 1e-3

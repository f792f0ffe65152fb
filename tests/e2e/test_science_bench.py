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
def bench() -> Iterator[ModuleType]:
    path = ROOT / "benches" / "science" / "reject.py"
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
    found = {4: [bench.run((4, 160, seed)) for seed in (2, 3)]}
    rms = {name: [one[name]["rms"] for one in found[4]] for name in bench.METHODS}
    for k in range(2):
        assert rms["(ideal mask)"][k] < rms["visitclip"][k] * 1.01 < rms["none (mean)"][k]
    text = bench.table(found)
    assert text.count("\n") == 2 + len(bench.METHODS)
    assert "| 4 | visitclip | 1." in text

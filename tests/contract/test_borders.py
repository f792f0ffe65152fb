# SPDX-License-Identifier: BSD-3-Clause
"""Borders that the import contracts cannot see, because the core is not a Python module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.conftest import ROOT

PACKAGE = ROOT / "python" / "deepcoadd"


def imported_modules(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(*parts: str) -> list[Path]:
    found = [path for part in parts for path in sorted((PACKAGE / part).rglob("*.py"))]
    assert found
    return found


@pytest.mark.parametrize("path", files_of("cli", "tasks", "plot", "testing"), ids=lambda p: p.stem)
def test_upper_storeys_reach_kernels_through_subject_packages(path: Path) -> None:
    assert not [name for name in imported_modules(path) if name.startswith("deepcoadd._core")]


@pytest.mark.parametrize("path", files_of("."), ids=lambda p: p.stem)
def test_nothing_unpickles(path: Path) -> None:
    assert not imported_modules(path) & {"pickle", "dill", "cloudpickle", "marshal", "shelve"}


@pytest.mark.parametrize("path", files_of("."), ids=lambda p: p.stem)
def test_every_file_names_its_licence(path: Path) -> None:
    assert path.read_text().startswith("# SPDX-License-Identifier: BSD-3-Clause\n")

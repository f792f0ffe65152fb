# SPDX-License-Identifier: BSD-3-Clause
"""What the README says is true: its Python examples run, the files and commands it names exist."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_python_examples_run() -> None:
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    case = doctest.DocTestParser().get_doctest(blocks, {}, "README.md", "README.md", 0)
    assert len(case.examples) >= 5
    result = doctest.DocTestRunner(verbose=False).run(case)
    assert result.failed == 0


def test_named_files_exist() -> None:
    named = set(re.findall(r"`((?:docs|benches|examples)/[\w./-]*)`", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"\bmake (\w[\w-]*)", README))
    assert {"demo", "test"} <= targets
    rules = (ROOT / "Makefile").read_text()
    assert [name for name in targets if not re.search(rf"^{name}:", rules, re.MULTILINE)] == []


def test_named_commands_exist() -> None:
    code = "\n".join(re.findall(r"```\n(.*?)```", README, flags=re.DOTALL))
    named = set(re.findall(r"^deepcoadd ([\w-]+)", code, re.MULTILINE))
    assert named
    for command in sorted(named):
        done = subprocess.run(
            [sys.executable, "-m", "deepcoadd.cli", command, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout

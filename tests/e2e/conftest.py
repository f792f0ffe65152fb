# SPDX-License-Identifier: BSD-3-Clause
"""The command line in a process of its own, with what it must not need kept out of reach."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The child limits itself, refuses imports that the base install lacks, and writes down its peak
# memory (that of the process alone: what the parent sees would count the parent's pages).
_LAUNCHER = """
import json, os, signal, sys
# Where the tests run in the background, a shell has had interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
how = json.loads(os.environ["DEEPCOADD_TEST_LAUNCH"])
for name in how["absent"]:
    sys.modules[name] = None  # neither imported nor found
if how["limits"]:
    import resource
    for name, value in how["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
from deepcoadd.cli import main
code = main()
from deepcoadd.cli._memory import peak_memory
with open(how["peak"], "w") as file:
    file.write(str(peak_memory()))
sys.exit(code)
"""

_NEVER_NEEDED = ("lsst", "scipy", "matplotlib", "photutils", "ccdproc")


@dataclass
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str
    peak: int
    """Bytes of memory at most; 0 when the process did not get to write it down."""


class Program:
    """Runs ``deepcoadd`` in processes of their own."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._running: list[subprocess.Popen[str]] = []
        self._n = 0

    def start(
        self,
        *arguments: object,
        limits: Mapping[str, int] | None = None,
        absent: tuple[str, ...] = _NEVER_NEEDED,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start the program as the leader of a process group; its pipes are text."""
        self._n += 1
        peak = self._scratch / f"peak-{self._n}"
        how = {"absent": absent, "limits": dict(limits or {}), "peak": str(peak)}
        environment = {**os.environ, "DEEPCOADD_TEST_LAUNCH": json.dumps(how)}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *map(str, arguments)],
            text=True,
            start_new_session=True,
            env=environment,
            **options,
        )
        process.peak_file = peak  # type: ignore[attr-defined]
        self._running.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], timeout: float = 50) -> Done:
        """Wait for the end of a process."""
        out, err = process.communicate(timeout=timeout)
        file: Path = process.peak_file  # type: ignore[attr-defined]
        return Done(
            process.returncode, out or "", err or "", int(file.read_text()) if file.exists() else 0
        )

    def __call__(self, *arguments: object, timeout: float = 50, **options: Any) -> Done:
        """Run the program to its end."""
        return self.finish(self.start(*arguments, **options), timeout)

    def close(self) -> None:
        """End what is still running."""
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def deepcoadd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """`deepcoadd(*arguments)` runs the command line; see `Program`."""
    program = Program(tmp_path_factory.mktemp("peaks"))
    yield program
    program.close()

# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C and SIGTERM in mid-run: the right exit code, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.exposure import Exposure
from deepcoadd.io import read, write

SLOW = ["-v", "--unit", "none", "-c", "subregion=1,1"]
"""Tiles of one row: 1500 of them, each of which reads every input, so that no run ends early."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = [tmp_path / "inputs" / f"v{k}.fits" for k in range(12)]
    paths[0].parent.mkdir()
    for path in paths:
        pixels = rng.normal(0, 1, (1500, 40)).astype(np.float32)
        write(path, Exposure(MaskedImage.from_arrays(pixels, variance=1.0)))
    return paths


def interrupt(
    process: subprocess.Popen[str], line_with: str, number: signal.Signals = signal.SIGINT
) -> None:
    """Send a signal to the process group once a line of stderr says how far the work is."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line_with in line:
            os.killpg(process.pid, number)
            return
    pytest.fail(f"the program ended before {line_with!r}: {seen}")


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.iterdir())


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("weighing: ", ["--max-memory", "4kB", "-c", "interpolate=none"]),
        # Of 1500 tiles, so that the run is far from its end when the signal comes.
        ("stacking: 75 of 1500", []),
        # Written by tiles: the temporary file exists by then.
        ("stacking: 75 of 1500", ["--max-memory", "1MB", "-c", "interpolate=none"]),
    ],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_output(
    deepcoadd: Any,
    files: list[Path],
    tmp_path: Path,
    stage: str,
    options: list[str],
    number: signal.Signals,
    code: int,
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    process = deepcoadd.start("coadd", *files, "-o", folder / "coadd.fits", *SLOW, *options)
    interrupt(process, stage, number)
    done = deepcoadd.finish(process)
    assert done.code == code
    assert contents(folder) == []
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err
    if number == signal.SIGINT:
        assert done.err.endswith("deepcoadd: interrupted\n")


def test_an_interrupted_overwrite_keeps_the_old_file(
    deepcoadd: Any, files: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "coadd.fits").write_bytes(b"old")
    arguments = ["-o", folder / "coadd.fits", "--overwrite", *SLOW]
    process = deepcoadd.start("coadd", *files, *arguments)
    interrupt(process, "stacking: 75 of 1500")
    assert deepcoadd.finish(process).code == 130
    assert contents(folder) == ["coadd.fits"]
    assert (folder / "coadd.fits").read_bytes() == b"old"


def test_an_interrupted_report_leaves_the_coadd_that_is_done(
    deepcoadd: Any, files: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "out"
    folder.mkdir()
    arguments = ["-o", folder / "coadd.fits", "--report", folder / "report", *SLOW]
    process = deepcoadd.start("coadd", *files, *arguments, absent=("lsst", "scipy"))
    interrupt(process, "plain mean: stacking: 75 of 1500")
    assert deepcoadd.finish(process).code == 130
    assert contents(folder) == ["coadd.fits"]
    assert read(folder / "coadd.fits").box.shape == (1500, 40)


def test_an_interrupted_simulation_leaves_nothing(deepcoadd: Any, tmp_path: Path) -> None:
    arguments = ["-o", tmp_path / "visits", "-v", "-n", "200", "-c", "shape=300,300"]
    process = deepcoadd.start("simulate", *arguments)
    interrupt(process, "simulating: 10 of 200")
    done = deepcoadd.finish(process)
    assert done.code == 130
    assert contents(tmp_path) == []
    assert "Traceback" not in done.err

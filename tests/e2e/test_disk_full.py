# SPDX-License-Identifier: BSD-3-Clause
"""No room for the output: one clear line, exit code 1, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.exposure import Exposure
from deepcoadd.io import write

MEGABYTE = 10**6


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"v{k}.fits" for k in range(3)]
    for path in paths:
        pixels = rng.normal(0, 1, (400, 400)).astype(np.float32)
        write(path, Exposure(MaskedImage.from_arrays(pixels, variance=1.0)))
    return paths


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Folder on a file system of its own with room for one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# At once, and tile by tile: 400 x 400 pixels of 20 bytes are 3.2 megabytes.
WAYS = [["--max-memory", "1GiB"], ["--max-memory", "2MB"]]
COMMON = ["--unit", "none", "--method", "clipped", "-c", "interpolate=none"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("compression", ["none", "lossless"])
def test_full_disk(
    deepcoadd: Any, files: list[Path], small_disk: Path, way: list[str], compression: str
) -> None:
    out = small_disk / "coadd.fits"
    out.write_bytes(b"old")
    arguments = ["-o", out, "--overwrite", "--compression", compression, *COMMON, *way]
    done = deepcoadd("coadd", *files, *arguments)
    assert done.code == 1
    assert "No space left on device" in done.err
    assert str(out) in done.err
    assert len(done.err.splitlines()) == 1
    assert list(small_disk.iterdir()) == [out]
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize("way", WAYS)
def test_file_size_limit(deepcoadd: Any, files: list[Path], tmp_path: Path, way: list[str]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    arguments = ["-o", folder / "coadd.fits", *COMMON, *way]
    done = deepcoadd("coadd", *files, *arguments, limits={"RLIMIT_FSIZE": MEGABYTE})
    assert done.code == 1
    assert "File too large" in done.err
    assert len(done.err.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_no_room_for_the_report(deepcoadd: Any, files: list[Path], small_disk: Path) -> None:
    pytest.importorskip("matplotlib")
    out = small_disk.parent / "coadd.fits"
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * (900 * 1024))
    arguments = ["-o", out, "--report", small_disk / "report", *COMMON]
    done = deepcoadd("coadd", *files, *arguments, absent=("lsst", "scipy"))
    assert done.code == 1
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err
    assert list(small_disk.iterdir()) == [filler]
    assert out.exists()


def test_no_room_for_a_simulation(deepcoadd: Any, small_disk: Path) -> None:
    done = deepcoadd("simulate", "-o", small_disk / "visits", "-n", "9", "-c", "shape=200,200")
    assert done.code == 1
    assert "No space left on device" in done.err
    assert list(small_disk.iterdir()) == []


def test_protected_folder(deepcoadd: Any, files: list[Path], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "out"
    folder.mkdir(mode=0o500)
    done = deepcoadd("coadd", *files, "-o", folder / "coadd.fits", *COMMON)
    assert done.code == 1
    assert "Permission denied" in done.err

# SPDX-License-Identifier: BSD-3-Clause
"""Input that is not as it should be, given to the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import Box, MaskedImage
from deepcoadd.exposure import Exposure
from deepcoadd.io import read, write

COMMON = ["--unit", "none"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"v{k}.fits" for k in range(4)]
    for path in paths:
        image = MaskedImage.from_arrays(rng.normal(0, 1, (40, 50)), variance=1.0)
        image.mask.set("CR", (slice(3, 6), slice(3, 9)))
        write(path, Exposure(image))
    return paths


def test_planes_that_disagree_in_size(deepcoadd: Any, files: list[Path], tmp_path: Path) -> None:
    with fits.open(files[1], mode="update") as hdus:
        hdus["MASK"].data = hdus["MASK"].data[:30]
    done = deepcoadd("coadd", *files, "-o", tmp_path / "coadd.fits", *COMMON)
    assert done.code == 0, done.err
    assert re.search(r"inputs used +3", done.out)
    assert str(files[1]) in done.err
    assert "mask" in done.err.lower()
    assert "30" in done.err


def test_an_unknown_bad_plane_is_warned_of_once(
    deepcoadd: Any, files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *files, "-o", out, *COMMON, "--bad-planes", "NO_DATA,CRR,CR")
    assert done.code == 0, done.err
    assert done.err.count("CRR") == 1
    assert (read(out).mask.has("NO_DATA")[3:6, 3:9]).all()


def test_an_unknown_plane_with_a_threshold_is_refused(
    deepcoadd: Any, files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *files, "-o", out, *COMMON, "-c", "propagation_thresholds.CRR=0.1")
    assert done.code == 2
    assert "CRR" in done.err
    assert "NO_DATA" in done.err
    assert not out.exists()


def test_files_of_all_kinds_of_damage(deepcoadd: Any, files: list[Path], tmp_path: Path) -> None:
    good = files[0].read_bytes()
    bad = {
        "empty.fits": b"",
        "text.fits": b"not a FITS file at all\n" * 1000,
        "short.fits": good[: len(good) // 2],
        "header.fits": good[:2880],
        "broken.fits": good[:4000] + b"\xff" * 3000 + good[7000:],
        "folder.fits": None,
    }
    for name, content in bad.items():
        if content is None:
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)
    names = [tmp_path / name for name in bad]
    done = deepcoadd("coadd", *files, *names, "-o", tmp_path / "coadd.fits", *COMMON)
    assert done.code == 0, done.err
    assert re.search(r"inputs used +4", done.out)
    assert re.search(rf"inputs skipped +{len(bad)}", done.out)
    for name in bad:
        assert name in done.err
        assert name in done.out
    assert "Traceback" not in done.err


def test_a_file_that_is_damaged_after_it_was_opened(
    deepcoadd: Any, files: list[Path], tmp_path: Path
) -> None:
    """Cut short while the program runs: the error names the file, and nothing is written."""
    folder = tmp_path / "out"
    folder.mkdir()
    # One row a tile, so that the files are read again and again.
    arguments = ["-o", folder / "c.fits", *COMMON, "-v", "--max-memory", "8kB"]
    arguments += ["-c", "interpolate=none", "-c", "subregion=1,1"]
    big = tmp_path / "big.fits"
    rng = np.random.default_rng(2)
    write(big, Exposure(MaskedImage.from_arrays(rng.normal(0, 1, (3000, 50)), variance=1.0)))
    process = deepcoadd.start("coadd", big, *files, *arguments)
    for line in process.stderr:
        if "stacking: 150 of" in line:
            with big.open("r+b") as stream:
                stream.truncate(10000)
            break
    done = deepcoadd.finish(process)
    assert done.code == 1
    assert "big.fits" in done.err
    assert "Traceback" not in done.err
    assert list(folder.iterdir()) == []


def test_all_inputs_empty(deepcoadd: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"v{k}.fits" for k in range(2)]
    write(paths[0], Exposure(MaskedImage.no_data(Box.from_shape((40, 50)))))
    zero = MaskedImage.from_arrays(np.ones((40, 50)), variance=0.0)
    write(paths[1], Exposure(zero))
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *paths, "-o", out, *COMMON)
    assert done.code == 1
    for path in paths:
        assert str(path) in done.err.splitlines()[-1]
    assert not out.exists()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1)])
def test_tiny_images(deepcoadd: Any, tmp_path: Path, shape: tuple[int, int]) -> None:
    paths = [tmp_path / f"v{k}.fits" for k in range(3)]
    for k, path in enumerate(paths):
        image = MaskedImage.from_arrays(np.full(shape, float(k)), variance=1.0)
        write(path, Exposure(image))
    out, report = tmp_path / "coadd.fits", tmp_path / "report"
    options = [*COMMON, "--method", "mean", "--report", report]
    done = deepcoadd("coadd", *paths, "-o", out, *options, absent=("lsst",))
    assert done.code == 0, done.err
    assert (read(out).image.array == 1.0).all()
    assert (report / "index.html").exists()

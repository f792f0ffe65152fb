# SPDX-License-Identifier: BSD-3-Clause
"""Each command in a process of its own, with nothing but the base install within reach."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import MaskedImage
from deepcoadd.exposure import Exposure
from deepcoadd.io import read, write

SCENE = ["-n", "4", "--seed", "3", "-c", "shape=96,128", "-c", "satellites.visits=2"]


@pytest.fixture
def visits(deepcoadd: Any, tmp_path: Path) -> list[str]:
    done = deepcoadd("simulate", "-o", tmp_path / "visits", *SCENE)
    assert done.code == 0, done.err
    return sorted(map(str, (tmp_path / "visits").glob("visit-*.fits")))


def test_simulate_then_coadd(deepcoadd: Any, visits: list[str], tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *visits, "-o", out, "--maps", "weight")
    assert done.code == 0, done.err
    assert done.err == ""
    assert re.search(r"inputs used +4", done.out)
    ratio = float(re.search(r"measured / expected ([\d.]+)", done.out)[1])
    # Clipping three or four samples costs a little; 96 x 128 pixels measure the ratio to 2 %.
    assert 0.9 < ratio < 1.15
    made, truth = read(out), read(tmp_path / "visits" / "truth" / "truth-102.fits")
    trail = truth.mask.has("SATELLITE")
    assert trail.sum() > 100
    assert np.nanmax(np.abs(made.image.array - truth.image.array)[trail]) < 1000
    with fits.open(out) as hdus:
        hdus.verify("exception")
        assert list(hdus["INPUTS"].data["name"]) == visits


def test_info(deepcoadd: Any, visits: list[str]) -> None:
    done = deepcoadd("info", "--json", "--statistics", *visits)
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["path"] for one in found] == visits
    assert [one["visit"]["id"] for one in found] == [100, 101, 102, 103]
    assert all(one["statistics"]["finite"] == 1 for one in found)


def test_the_same_command_gives_the_same_bytes(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    outs = [tmp_path / "a.fits", tmp_path / "b.fits"]
    for out, threads in zip(outs, (1, 2), strict=True):
        assert deepcoadd("coadd", *visits, "-o", out, "--threads", threads).code == 0
    a, b = (fits.open(out) for out in outs)
    with a, b:
        for x, y in zip(a, b, strict=True):
            assert x.name == y.name
            if x.data is not None:
                assert x.data.tobytes() == y.data.tobytes()


def test_report_needs_matplotlib_and_says_so(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    arguments = ["coadd", *visits, "-o", tmp_path / "c.fits", "--report", tmp_path / "report"]
    without = deepcoadd(*arguments)
    assert without.code == 2
    assert 'pip install "deepcoadd[plot]"' in without.err
    assert not (tmp_path / "c.fits").exists()


def test_report(deepcoadd: Any, visits: list[str], tmp_path: Path) -> None:
    imread = pytest.importorskip("matplotlib.image").imread
    report = tmp_path / "report"
    arguments = [
        "coadd",
        *visits,
        "-o",
        tmp_path / "c.fits",
        "--report",
        report,
        "--method",
        "clipped",
    ]
    done = deepcoadd(*arguments, absent=("lsst", "scipy"))
    assert done.code == 0, done.err
    page = (report / "index.html").read_text()
    for visit in visits:
        assert visit in page
    pictures = sorted(report.glob("*.png"))
    assert len(pictures) == 5 + len(visits)
    for picture in pictures:
        assert f'src="{picture.name}"' in page
        assert imread(picture)[..., :3].std() > 0.01, picture


def test_progress_bar_on_a_terminal_only(deepcoadd: Any, visits: list[str], tmp_path: Path) -> None:
    shown = {}
    for name in ("terminal", "pipe"):
        out = tmp_path / f"{name}.fits"
        if name == "pipe":
            shown[name] = deepcoadd("coadd", *visits, "-o", out).err
            continue
        ours, theirs = pty.openpty()
        process = deepcoadd.start(
            "coadd", *visits, "-o", out, "-c", "subregion=2,2000", stderr=theirs
        )
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:  # Linux: the other end is closed
            pass
        os.close(ours)
        assert deepcoadd.finish(process).code == 0
        shown[name] = text.decode()
    assert "stacking" in shown["terminal"]
    assert re.search(r"\d+/48", shown["terminal"])
    assert shown["pipe"] == ""


def test_python_m_and_a_reader_that_leaves(visits: list[str]) -> None:
    command = [sys.executable, "-m", "deepcoadd.cli", "coadd", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) in (0, 1)
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


def test_tracebacks_only_for_those_who_ask(deepcoadd: Any, tmp_path: Path) -> None:
    arguments = ["coadd", tmp_path / "none.fits", "-o", tmp_path / "c.fits"]
    plain, loud = deepcoadd(*arguments), deepcoadd(*arguments, "-vv")
    assert plain.code == loud.code == 2
    assert "none.fits" in plain.err
    assert len(plain.err.splitlines()) == 1
    assert "Traceback" in loud.err


def test_inputs_may_cover_different_parts(deepcoadd: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    boxes = [(0, 0), (20, 30), (-15, 40)]
    for k, start in enumerate(boxes):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, (50, 60)), variance=1.0, start=start)
        write(tmp_path / f"v{k}.fits", Exposure(pixels))
    files = sorted(tmp_path.glob("v*.fits"))
    out = tmp_path / "coadd.fits"
    options = ["--unit", "none", "--method", "mean", "-c", "interpolate=none"]
    done = deepcoadd("coadd", *files, "-o", out, *options)
    assert done.code == 0, done.err
    made = read(out)
    assert made.box.start == (-15, 0)
    assert made.box.shape == (85, 100)
    total, count = np.zeros(made.box.shape), np.zeros(made.box.shape, int)
    for file in files:
        one = read(file)
        here = one.box.slices_within(made.box)
        total[here] += one.image.array
        count[here] += 1
    with fits.open(out) as hdus:
        np.testing.assert_array_equal(hdus["NIMAGE"].data, count)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(made.image.array, total / count, rtol=1e-6, atol=1e-6)
    assert (made.mask.has("NO_DATA") == (count == 0)).all()


def test_400_inputs_with_few_open_files(deepcoadd: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for k in range(400):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, (24, 24)), variance=1.0)
        pixels.mask.set("BAD", rng.random((24, 24)) < 0.05)
        write(tmp_path / f"v{k:03d}.fits", Exposure(pixels))
    files = sorted(tmp_path.glob("v*.fits"))
    # The budget makes it read each file again for every tile.
    options = ["--unit", "none", "--max-memory", "100kB", "-c", "interpolate=none"]
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *files, "-o", out, *options, limits={"RLIMIT_NOFILE": 256})
    assert done.code == 0, done.err
    assert re.search(r"inputs used +400", done.out)


def test_a_mask_with_too_many_planes_is_a_bad_exposure(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    with fits.open(visits[0], mode="update") as hdus:
        for k in range(33 - 19):
            hdus["MASK"].header[f"HIERARCH MP_EXTRA_PLANE_{k}"] = 18 + k
    done = deepcoadd("coadd", *visits, "-o", tmp_path / "coadd.fits")
    assert done.code == 0, done.err
    assert visits[0] in done.err
    assert "MP_" in done.err or "mask planes" in done.err
    assert re.search(r"inputs skipped +1", done.out)

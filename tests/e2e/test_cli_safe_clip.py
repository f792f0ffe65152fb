# SPDX-License-Identifier: BSD-3-Clause
"""Artifact rejection as a user runs it: visits with known truth, tables, a report to look at."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd.io import read

SCENE = ["-n", "5", "--seed", "3", "-c", "shape=96,128", "-c", "satellites.visits=2"]
SCENE += ["-c", "sources.n_stars=4", "-c", "sources.n_galaxies=2", "-c", "psf.sigma=2,2"]
METHOD = ["--method", "safeclip"]


@pytest.fixture
def visits(deepcoadd: Any, tmp_path: Path) -> list[str]:
    done = deepcoadd("simulate", "-o", tmp_path / "visits", *SCENE)
    assert done.code == 0, done.err
    return sorted(map(str, (tmp_path / "visits").glob("visit-*.fits")))


def test_artifacts_are_left_out_told_and_held_against_the_truth(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    out, csv_file = tmp_path / "coadd.fits", tmp_path / "a.csv"
    truth = tmp_path / "visits" / "truth"
    arguments = [*METHOD, "--decisions", csv_file, "--truth", truth]
    done = deepcoadd("coadd", *visits, "-o", out, *arguments)
    assert done.code == 0, done.err
    assert done.err == ""
    with fits.open(out) as hdus:
        hdus.verify("exception")
        table = Table(hdus["ARTIFACTS"].data)
        n_image = np.array(hdus["NIMAGE"].data)
    with open(csv_file, newline="") as stream:
        told = list(csv.DictReader(stream))
    assert list(told[0]) == table.colnames
    assert len(told) == len(table)
    for row, one in zip(told, table, strict=True):
        for name in ("rule", "visits", "overlaps", "clipped"):
            assert row[name] == one[name]
        for name in ("footprint", "x0", "y0", "x1", "y1", "x", "y", "ra", "dec", "area"):
            assert float(row[name]) == one[name]
    found = re.search(r"artifacts left out +(\d+) of (\d+) footprints; (\d+) pixels", done.out)
    assert found is not None
    assert int(found[1]) == sum(text != "" for text in table["clipped"])
    assert int(found[2]) == len(table)
    # No input has a bad pixel, so that every missing sample is one left out.
    assert int(found[3]) == (5 - n_image).sum()
    # A trail of up to 30 sigma a pixel is found whole, and its fringe costs few clean pixels.
    trail = re.search(r"satellite +(\d+) +0 +(\d+) +([\d.]+) %", done.out)
    assert trail is not None
    known = read(truth / "truth-102.fits").mask.has("SATELLITE")
    assert 0 < int(trail[1]) <= known.sum()
    assert float(trail[3]) > 95
    lost = re.search(r"clean pixels lost +\d+ +\d+ +([\d.]+) %", done.out)
    assert lost is not None
    assert float(lost[1]) < 10
    assert (n_image[known] == 4).mean() > 0.9


def test_report(deepcoadd: Any, visits: list[str], tmp_path: Path) -> None:
    imread = pytest.importorskip("matplotlib.image").imread
    report, decisions = tmp_path / "some report", tmp_path / "left out.csv"
    arguments = ["coadd", *visits, "-o", tmp_path / "c.fits", *METHOD, "--decisions", decisions]
    arguments += ["--report", report, "--truth", tmp_path / "visits" / "truth"]
    done = deepcoadd(*arguments, absent=("lsst", "scipy"))
    assert done.code == 0, done.err
    page = (report / "index.html").read_text()
    for part in (
        "Comparison with the truth",
        "Decisions about artifacts",
        "satellite",
        "<td>single",
    ):
        assert part in page
    assert '<a href="../left%20out.csv">left out.csv</a>' in page
    assert (report / "../left out.csv").is_file()
    pictures = sorted(report.glob("*.png"))
    assert len(pictures) == 5 + 2 * len(visits)
    for picture in pictures:
        assert f'src="{picture.name}"' in page
        assert imread(picture)[..., :3].std() > 0.01, picture
    coloured = {
        k: float(np.ptp(imread(report / f"removed-{k:03d}.png")[..., :3], axis=2).mean())
        for k in range(1, 6)
    }
    assert max(coloured, key=coloured.__getitem__) == 3  # the one with the trail


def test_without_psf_or_with_too_few_inputs(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    few = deepcoadd("coadd", *visits[:2], "-o", out, *METHOD)
    assert few.code == 0, few.err
    assert few.err == "warning: 2 inputs: nothing can be clipped, at least 3 are needed\n"
    for visit in visits:
        with fits.open(visit, mode="update") as hdus:
            del hdus["PSF"]
    bare = deepcoadd("coadd", *visits, "-o", tmp_path / "bare.fits", *METHOD)
    assert bare.code == 2
    assert "--psf-sigma PIXELS" in bare.err
    assert len(bare.err.splitlines()) == 1
    assert not (tmp_path / "bare.fits").exists()
    given = deepcoadd("coadd", *visits, "-o", out, *METHOD, "--psf-sigma", "2", "--overwrite")
    assert given.code == 0, given.err
    assert re.search(r"artifacts left out +[1-9]", given.out)


def test_settings_make_a_round_trip(deepcoadd: Any, visits: list[str], tmp_path: Path) -> None:
    changed = ["-c", "safe_clip.detection.threshold_value=3", "--psf-sigma", "2.25"]
    first = deepcoadd("coadd", *METHOD, *changed, "--dump-config")
    assert first.code == 0, first.err
    file = tmp_path / "coadd.toml"
    file.write_text(first.out)
    assert deepcoadd("coadd", "--config", file, "--dump-config").out == first.out
    for name, how in (("a.fits", [*METHOD, *changed]), ("b.fits", ["--config", file])):
        assert deepcoadd("coadd", *visits, "-o", tmp_path / name, *how).code == 0
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()

# SPDX-License-Identifier: BSD-3-Clause
"""Artifact rejection by PSF-matched exposures as a user runs it, on visits with known truth."""

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

SCENE = ["-n", "6", "--seed", "3", "-c", "shape=96,128", "-c", "satellites.visits=2"]
SCENE += ["-c", "sources.n_stars=4", "-c", "sources.n_galaxies=2", "-c", "psf.sigma=1.6,2.2"]
SCENE += ["-c", "matched_sigma=2.5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deepcoadd.cli._app import run

    made = tmp_path_factory.mktemp("scene") / "visits"
    assert run(["simulate", "-o", str(made), "-q", *SCENE]) == 0
    return made


def files(folder: Path, kind: str) -> list[str]:
    return sorted(map(str, folder.glob(f"{kind}-*.fits")))


def test_artifacts_are_left_out_told_and_held_against_the_truth(
    deepcoadd: Any, folder: Path, tmp_path: Path
) -> None:
    out, csv_file, truth = tmp_path / "coadd.fits", tmp_path / "a.csv", folder / "truth"
    arguments = ["-o", out, "--decisions", csv_file, "--truth", truth]
    matched = reversed(files(folder, "matched"))
    # As a shell expands them: the words after --matched are all of them.
    done = deepcoadd("coadd", *files(folder, "visit"), "--matched", *matched, *arguments)
    assert done.code == 0, done.err
    assert done.err == ""
    assert re.search(r"method +comparewarp", done.out)
    with fits.open(out) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["DEEPCOADD OPTIONS METHOD"] == "comparewarp"
        table = Table(hdus["ARTIFACTS"].data)
        n_image = np.array(hdus["NIMAGE"].data)
    with open(csv_file, newline="") as stream:
        told = list(csv.DictReader(stream))
    assert [row["rule"] for row in told] == list(table["rule"])
    assert {row["clipped"] for row in told if row["rule"] == "artifact"} == {"102"}
    found = re.search(r"artifacts left out +(\d+) of (\d+) footprints; (\d+) pixels", done.out)
    assert found is not None
    # No input has a bad pixel, so that every missing sample is one left out.
    assert int(found[3]) == (6 - n_image).sum()
    trail = re.search(r"satellite +\d+ +0 +\d+ +([\d.]+) %", done.out)
    assert trail is not None
    # Matching spreads a trail, so that what is clipped is wider than the trail in the visit; only
    # where it is faint does it stay below 7.5 sigma of the difference.
    assert float(trail[1]) > 90
    lost = re.search(r"clean pixels lost +\d+ +\d+ +([\d.]+) %", done.out)
    assert lost is not None
    assert float(lost[1]) < 5
    known = read(truth / "truth-102.fits").mask.has("SATELLITE")
    assert (n_image[known] == 5).mean() > 0.85
    assert (n_image[known] >= 5).all()


def test_a_visit_without_matched_version_is_skipped_with_the_reason(
    deepcoadd: Any, folder: Path, tmp_path: Path
) -> None:
    visits, matched = files(folder, "visit"), files(folder, "matched")
    outs = [tmp_path / "a.fits", tmp_path / "b.fits"]
    given = [[*visits[:4], *visits[5:]], visits]
    fewer = [*matched[:4], *matched[5:]]
    runs = [
        deepcoadd("coadd", "-o", out, *some, "--matched", *fewer)
        for out, some in zip(outs, given, strict=True)
    ]
    assert [done.code for done in runs] == [0, 0]
    assert runs[0].err == ""
    reason = "no PSF-matched exposure belongs to it (visit 104)"
    assert runs[1].err == f"warning: skipped {visits[4]}: {reason}\n"
    assert reason in runs[1].out.splitlines()[-1]
    with fits.open(outs[0]) as a, fits.open(outs[1]) as b:
        for name in ("IMAGE", "VARIANCE", "MASK", "NIMAGE"):
            np.testing.assert_array_equal(a[name].data, b[name].data)
        assert [row["name"] for row in b["INPUTS"].data] == given[0]


def test_report(deepcoadd: Any, folder: Path, tmp_path: Path) -> None:
    imread = pytest.importorskip("matplotlib.image").imread
    report = tmp_path / "report"
    names = [*files(folder, "visit"), "--matched", *files(folder, "matched")]
    arguments = ["-o", tmp_path / "c.fits", "--report", report, "--truth", folder / "truth"]
    done = deepcoadd("coadd", *names, *arguments, absent=("lsst", "scipy"))
    assert done.code == 0, done.err
    page = (report / "index.html").read_text()
    for part in ("Comparison with the truth", "<td>artifact", "[compare_warp.artifacts]"):
        assert part in page
    coloured = [
        float(np.ptp(imread(report / f"removed-{k:03d}.png")[..., :3], axis=2).mean())
        for k in range(1, 7)
    ]
    assert int(np.argmax(coloured)) == 2  # the one with the trail


def test_matched_versions_may_serve_the_other_method(
    deepcoadd: Any, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    names = [*files(folder, "visit"), "--matched", *files(folder, "matched")]
    # Matching correlates the noise, which the threshold of white noise is too low for.
    how = ["--method", "safeclip", "-c", "safe_clip.detection.threshold_value=5"]
    done = deepcoadd("coadd", *names, "-o", out, *how)
    assert done.code == 0, done.err
    assert done.err == ""
    with fits.open(out) as hdus:
        rows = Table(hdus["ARTIFACTS"].data)
        n_image = np.array(hdus["NIMAGE"].data)
    assert {text for text in rows["clipped"] if text} == {"102"}
    known = read(folder / "truth" / "truth-102.fits").mask.has("SATELLITE")
    assert (n_image[known] == 5).mean() > 0.9

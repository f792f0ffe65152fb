# SPDX-License-Identifier: BSD-3-Clause
"""A choice of the inputs as a user makes it: by seeing, by a region, by summaries of visits."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack

from deepcoadd import Exposure, VisitInfo
from deepcoadd.coadd import SelectOptions, select
from deepcoadd.io import read, write
from deepcoadd.testing import simulate_warps
from deepcoadd.wcs import corners

SCENE = ["-n", "5", "--seed", "4", "-c", "shape=64,80", "-c", "sources.n_stars=3"]
SCENE += ["-c", "sources.n_galaxies=0", "-c", "psf.sigma=1.5,3.0", "-c", "matched_sigma=3.2"]


@pytest.fixture
def visits(deepcoadd: Any, tmp_path: Path) -> list[str]:
    done = deepcoadd("simulate", "-o", tmp_path / "visits", *SCENE)
    assert done.code == 0, done.err
    return sorted(map(str, (tmp_path / "visits").glob("visit-*.fits")))


def test_the_best_visits_are_combined_and_the_choice_is_told(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    truth = Table.read(tmp_path / "visits" / "truth" / "visits.ecsv")
    order = np.argsort(truth["psf_sigma"])
    best = sorted(visits[k] for k in order[:3])
    out, only = tmp_path / "coadd.fits", tmp_path / "only.fits"
    wanted = ["--select", "best-seeing", "-c", "select.seeing.n_visits_max=3"]
    wanted += ["-c", "select.seeing.max_psf_fwhm=9"]
    done = deepcoadd("coadd", *visits, "-o", out, *wanted)
    assert done.code == 0, done.err
    assert done.err == ""
    assert re.search(r"inputs selected +3 of 5, by best-seeing", done.out)
    assert "rank 5 of 5 by seeing, kept 1 to 3" in done.out
    assert deepcoadd("coadd", *best, "-o", only).code == 0
    with fits.open(out) as a, fits.open(only) as b:
        a.verify("exception")
        table = Table(a["SELECTION"].data)
        for name in ("IMAGE", "MASK", "VARIANCE", "NIMAGE"):
            np.testing.assert_array_equal(a[name].data, b[name].data)
        assert [row["name"] for row in a["INPUTS"].data] == best
    assert [str(name) for name in table["name"][table["kept"]]] == best
    fwhm = truth["psf_sigma"] * 0.2 * math.sqrt(8 * math.log(2))
    np.testing.assert_allclose(table["fwhm"], fwhm, rtol=2e-3)
    np.testing.assert_array_equal(table["rank"] - 1, [*np.where(
        np.argsort(order) < 3, np.argsort(order), -1
    )])  # fmt: skip


def test_matched_versions_follow_the_choice(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    matched = sorted((tmp_path / "visits").glob("matched-*.fits"))
    wanted = ["--select", "seeing-quantile", "-c", "select.seeing.n_visits_min=3"]
    done = deepcoadd("coadd", *visits, "--matched", *matched, "-o", out, *wanted)
    assert done.code == 0, done.err
    assert done.err == ""
    assert re.search(r"inputs used +3\n", done.out)
    assert re.search(r"method +comparewarp", done.out)


def test_a_region_leaves_out_what_lies_elsewhere(
    deepcoadd: Any, visits: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    half = [f"{file}[1:40,1:64]" for file in visits[:2]] + [f"{f}[41:80,1:64]" for f in visits[2:]]
    first = read(visits[0])
    sky = corners(first.info.wcs, first.box)
    # The right half of the field: the middle of its edges, and its corners.
    middle = [SkyCoord(sky[a].ra, sky[a].dec).directional_offset_by(
        sky[a].position_angle(sky[b]), 0.52 * sky[a].separation(sky[b])
    ) for a, b in ((0, 1), (3, 2))]  # fmt: skip
    around = [middle[0], sky[1], sky[2], middle[1]]
    region = ",".join(f"{c.ra.to_value(u.deg):.7f},{c.dec.to_value(u.deg):.7f}" for c in around)
    done = deepcoadd("coadd", *half, "-o", out, "--select", "wcs", "--region", region)
    assert done.code == 0, done.err
    with fits.open(out) as hdus:
        kept = hdus["SELECTION"].data["kept"]
        assert list(hdus["SELECTION"].data["reason"][:2]) == ["does not overlap the region"] * 2
    np.testing.assert_array_equal(kept, [False, False, True, True, True])
    away = deepcoadd("coadd", *visits, "-o", tmp_path / "no.fits", "--select", "wcs", "--region",
                     "1,1,2,1,2,2")  # fmt: skip
    assert away.code == 1
    assert "none of the 5 inputs is selected" in away.err
    assert not (tmp_path / "no.fits").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--select", "wcs"], "region: kind wcs needs one"),
        (["--region", "1,2,3,4,5,6"], "of no use without --select"),
        (["--select", "wcs", "--region", "1,2,3,4"], "at least three corners"),
        (["--select", "wcs", "--region", "1,2,3,4,5,96"], "at least three corners"),
        (["--select", "psf", "--summary", "none.ecsv"], "there is no file 'none.ecsv'"),
        (["--select", "psf", "-c", "select.psf.max_fwhm=3"], "did you mean 'select.psf.max_psf_f"),
        (["--select", "best-seeing", "-c", "select.seeing.n_visits_max=0"], "n_visits_max = 0"),
    ],
)
def test_wrong_requests(
    deepcoadd: Any, visits: list[str], tmp_path: Path, words: list[str], expected: str
) -> None:
    done = deepcoadd("coadd", *visits, "-o", tmp_path / "coadd.fits", *words)
    assert done.code == 2
    assert expected in done.err
    assert not (tmp_path / "coadd.fits").exists()


COLUMNS = ("visit", "id", "band", "psfSigma", "raCorners", "decCorners", "nPsfStar")
BOX = tuple(f"bbox_{end}_{axis}" for end in ("min", "max") for axis in "xy")
RESIDUALS = ("psfStarDeltaE1Median", "psfStarDeltaE2Median", "psfStarScaledDeltaSizeScatter")


def test_summaries_of_real_visits(deepcoadd: Any, real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "lsst_visit_summary").glob("visitSummary_*.fits.gz"))
    tables = []
    for file in files:
        rows = Table.read(file, hdu=1)
        tables.append(rows[[*COLUMNS, *BOX, *RESIDUALS]])
    summary = vstack(tables, metadata_conflicts="silent")
    summary.meta.clear()
    summary.write(tmp_path / "visits.fits")
    # By hand: size of a pixel from the diagonal of each detector, mean over those with a WCS.
    fwhm = {}
    for rows in tables:
        ra, dec = rows["raCorners"], rows["decCorners"]
        diagonal = SkyCoord(ra[:, 0], dec[:, 0], unit="deg").separation(
            SkyCoord(ra[:, 2], dec[:, 2], unit="deg")
        )
        pixels = np.hypot(*(rows[f"bbox_max_{a}"] - rows[f"bbox_min_{a}"] + 1 for a in "xy"))
        arcsec = rows["psfSigma"] * diagonal.arcsec / pixels * math.sqrt(8 * math.log(2))
        fwhm[int(rows["visit"][0])] = float(np.nanmean(np.ma.filled(arcsec, math.nan)))
    found = select(summary, None, SelectOptions(kind="best-seeing"))
    visits = np.asarray(summary["visit"])
    for visit, width in fwhm.items():
        assert math.isclose(found.fwhm[visits == visit][0], width, rel_tol=2e-3)
    ranked = sorted(fwhm, key=fwhm.__getitem__)
    assert list(dict.fromkeys(visits[list(found.kept)].tolist())) == ranked
    # The summary decides for warps of these visits; one that it does not know is left out.
    warps, _ = simulate_warps(n=len(ranked) + 1, shape=(40, 48))
    names = []
    for warp, visit in zip(warps, [*ranked, 1], strict=True):
        info = replace(warp.info, visit_info=replace(warp.info.visit_info or VisitInfo(), id=visit))
        names.append(tmp_path / f"warp-{visit}.fits")
        write(names[-1], Exposure(warp.masked_image, replace(info, id=visit)))
    out = tmp_path / "coadd.fits"
    words = ["--select", "best-seeing", "--summary", tmp_path / "visits.fits"]
    done = deepcoadd("coadd", *names, "-o", out, *words, "-c", "select.seeing.n_visits_max=3")
    assert done.code == 0, done.err
    with fits.open(out) as hdus:
        table = Table(hdus["SELECTION"].data)
    np.testing.assert_array_equal(table["rank"] > 0, [True, True, True, False, False])
    assert table["reason"][4] == "it is not in the summary"

# SPDX-License-Identifier: BSD-3-Clause
"""What a file is, in words and numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS

from deepcoadd import io
from deepcoadd.exposure import Exposure, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import MaskPlanes
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.psf import GaussianPsf
from deepcoadd.visitinfo import VisitInfo

BOX = Box.from_shape((40, 60), start=(-3, 700))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.cdelt = [150.0, 2.0], [-0.2 / 3600, 0.2 / 3600]
    wcs.wcs.crpix = [730.5, 17.5]
    rng = np.random.default_rng(1)
    pixels = MaskedImage.from_arrays(
        rng.normal(50.0, 3.0, BOX.shape), variance=9.0, box=BOX, planes=MaskPlanes(["SAT", "MINE"])
    )
    pixels.image.array[0] = np.nan
    pixels.variance.array[0] = np.inf
    pixels.mask.array[:2, :5] = 2
    exposure = Exposure(
        pixels,
        wcs=wcs,
        unit=u.nJy,
        psf=GaussianPsf((15, 17), 2.0),
        photo_calib=PhotoCalib(2.0),
        filter=FilterLabel("r", "r_03"),
        visit_info=VisitInfo(
            id=5, exposure_time=30.0, airmass=1.25, date=Time("2024-03-05T04:05:06", scale="tai")
        ),
        id=77,
    )
    io.write(
        tmp_path / "a.fits", exposure, compression="rice16", inputs_table=Table({"visit": [1, 2]})
    )
    return tmp_path / "a.fits"


def test_describe(path: Path) -> None:
    about = io.describe(path)
    assert (about.format, about.box, about.id, about.problem) == ("deepcoadd", BOX, 77, "")
    assert about.size == path.stat().st_size
    assert [(hdu.name, hdu.kind, hdu.shape, hdu.dtype) for hdu in about.hdus] == [
        ("", "header", (), ""),
        ("IMAGE", "image", BOX.shape, "float32"),
        ("MASK", "image", BOX.shape, "int32"),
        ("VARIANCE", "image", BOX.shape, "float32"),
        ("PSF", "table", (1,), ""),
        ("INPUTS", "table", (2,), ""),
    ]
    assert [hdu.compression for hdu in about.hdus][1:4] == ["RICE_1", "GZIP_2", "RICE_1"]
    assert about.planes == {"SAT": 0, "MINE": 1}
    assert (about.unit, about.filter) == ("nJy", "r, r_03")
    assert about.psf == "GaussianPsf, 17 x 15 pixels"
    assert about.calibration == "2 nJy per count"
    assert about.sky["pixel_scale"] == pytest.approx(0.2, rel=1e-6)
    assert about.sky["projection"] == "TAN"
    assert about.sky["center_ra"] == pytest.approx(150.0, abs=1e-3)
    assert about.visit["id"] == 5
    assert about.visit["date"].startswith("2024-03-05T04:05:06")
    assert (about.visit["exposure_time"], about.visit["airmass"]) == (30.0, 1.25)
    assert about.statistics == {}
    assert io.image_hdus(path) == [1, 2, 3]


def test_metadata_is_not_the_structure_of_the_file(path: Path) -> None:
    assert io.read(path).info.metadata == {}


def test_statistics(path: Path) -> None:
    numbers = io.describe(path, statistics=True).statistics
    assert numbers["finite"] == 39 / 40
    # Median and robust sigma of 2340 pixels of sigma 3: 0.08 and 1.6 % (one sigma).
    assert numbers["median"] == pytest.approx(50.0, abs=0.4)
    assert numbers["sigma"] == pytest.approx(3.0, rel=0.08)
    assert numbers["variance"] == pytest.approx(9.0, rel=0.01)
    assert numbers["masked"] == {"MINE": 10}


def test_section_and_json(path: Path) -> None:
    about = io.describe(f"{path}[1:10,1:5]", statistics=True)
    assert about.box == Box.from_shape((5, 10), start=BOX.start)
    assert about.statistics["masked"] == {"MINE": 10}
    plain: dict[str, Any] = json.loads(json.dumps(about.to_dict()))
    assert plain["box"] == {"y0": -3, "x0": 700, "ny": 5, "nx": 10}


def test_image_without_anything(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.full((3, 4), np.nan)).writeto(tmp_path / "a.fits")
    about = io.describe(tmp_path / "a.fits", statistics=True)
    assert about.format == "bare"
    assert (about.psf, about.unit, about.calibration, about.sky, about.visit) == (
        "",
        "",
        "",
        {},
        {},
    )
    assert about.statistics["finite"] == 0
    assert math.isnan(about.statistics["median"])

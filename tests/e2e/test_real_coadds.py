# SPDX-License-Identifier: BSD-3-Clause
"""The command line on real images, against plain numpy on the same files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import sigma_clip

COMMON = ["--unit", "none", "-c", "interpolate=none"]

DECAM_SIGMA = {
    "DEC-OBS18a": 52.5,
    "DEC-OBS18b": 40.0,
    "DEC-OBS18c": 45.4,
    "DEC-OBS18d": 54.1,
    "DEC-OBS18e": 48.2,
    "DEC-OBS04c": 24.1,
}
"""Noise of a pixel as measured by those who collected the images, ADU."""


def robust_sigma(values: np.ndarray) -> float:
    middle = np.median(values)
    return float(1.4826 * np.median(np.abs(values - middle)))


@pytest.fixture
def decam(real_data: Path) -> list[Path]:
    return sorted((real_data / "decam_i_stack").glob("DEC-OBS*.fits"))


@pytest.fixture
def stamps(real_data: Path) -> list[Path]:
    return sorted((real_data / "sdss_s82_stamps_17_epochs").glob("stamp-*.fits"))


@pytest.mark.parametrize("noise", [[], ["--noise", "estimate"]])
def test_decam_mean_without_any_variance(
    deepcoadd: Any, decam: list[Path], tmp_path: Path, noise: list[str]
) -> None:
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *decam, "-o", out, "--method", "mean", *COMMON, *noise)
    assert done.code == 0, done.err
    images = [fits.getdata(path).astype(np.float64) for path in decam]
    with fits.open(out) as hdus:
        image, variance = hdus["IMAGE"].data, hdus["VARIANCE"].data
        table = hdus["INPUTS"].data
        weights = np.array(table["weight"])
        assert (hdus["NIMAGE"].data == len(decam)).all()
    expected = np.average(images, axis=0, weights=weights)
    np.testing.assert_allclose(image, expected, rtol=1e-6, atol=1e-5 * np.abs(expected).max())
    sigma = [DECAM_SIGMA[path.name.partition(".")[0]] for path in decam]
    # Two robust estimates of the same noise, one of them on a stamp with stars: 10 %.
    np.testing.assert_allclose(1 / np.sqrt(weights), sigma, rtol=0.10)
    promised = 1 / np.sqrt(np.sum(1 / np.square(sigma)))
    np.testing.assert_allclose(np.sqrt(np.median(variance)), promised, rtol=0.10)
    measured = float(re.search(r"noise measured +([\d.]+)", done.out)[1])
    # Resampling correlates neighbours (0.1 to 0.3 at lag 1), which leaves single pixels alone.
    assert measured == pytest.approx(promised, rel=0.15)


def test_decam_clipping_takes_out_cosmic_rays(
    deepcoadd: Any, decam: list[Path], tmp_path: Path
) -> None:
    made = {}
    for method in ("mean", "clipped"):
        out = tmp_path / f"{method}.fits"
        done = deepcoadd("coadd", *decam, "-o", out, "--method", method, *COMMON)
        assert done.code == 0, done.err
        made[method] = fits.getdata(out, "IMAGE")
        if method == "clipped":
            clipped = fits.getdata(out, "NCLIPPED")
    cube = np.array([fits.getdata(path) for path in decam])
    middle = np.median(cube, axis=0)
    sigma = np.array([DECAM_SIGMA[path.name.partition(".")[0]] for path in decam])
    # A hit: one image 12 sigma above the median of all six in a place where that is sky.
    outlier = (cube - middle) / sigma[:, None, None] > 12
    hit = (outlier.sum(axis=0) == 1) & (np.abs(middle) < 60)
    assert hit.sum() > 30
    assert (clipped[hit] >= 1).mean() > 0.95
    excess = {name: np.median(np.abs(image - middle)[hit]) for name, image in made.items()}
    assert excess["clipped"] < 25
    assert excess["mean"] > 3 * excess["clipped"]


@pytest.mark.parametrize("band", ["r", "i"])
def test_sdss_epochs_of_one_file_with_weights(
    deepcoadd: Any, stamps: list[Path], tmp_path: Path, band: str
) -> None:
    file = next(path for path in stamps if f"-{band}-" in path.name)
    out = tmp_path / "coadd.fits"
    options = ["--method", "mean", "--epochs", "image,weight", *COMMON]
    done = deepcoadd("coadd", file, "-o", out, *options)
    assert done.code == 0, done.err
    with fits.open(file) as hdus:
        images = np.array([hdu.data for hdu in hdus[0::2]], np.float64)
        ivar = np.array([hdu.data for hdu in hdus[1::2]], np.float64)
    with fits.open(out) as hdus:
        image, variance, count = (hdus[n].data for n in ("IMAGE", "VARIANCE", "NIMAGE"))
        table = hdus["INPUTS"].data
        assert list(table["name"]) == [f"{file}[{2 * k}]" for k in range(17)]
        weights = np.array(table["weight"])
    good = ivar > 0
    assert not good.all()
    np.testing.assert_array_equal(count, good.sum(axis=0))
    with np.errstate(divide="ignore"):
        spread = np.where(good, 1 / ivar, np.nan)
    level = [
        sigma_clip(v[g], sigma=3, maxiters=2).mean() for v, g in zip(spread, good, strict=True)
    ]
    # Ours clips by quartiles, this one by the standard deviation, so only roughly the same pixels.
    np.testing.assert_allclose(1 / weights, level, rtol=0.03)
    w = weights[:, None, None] * good
    np.testing.assert_allclose(
        image, (w * images).sum(axis=0) / w.sum(axis=0), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(
        variance, np.nansum(w**2 * spread, axis=0) / w.sum(axis=0) ** 2, rtol=1e-5
    )
    # The galaxy fills the middle. Two of the epochs are nearly the same image and neighbours are
    # correlated: the sky of the coadd scatters more than its variance says, but not by half.
    border = np.ones(image.shape, bool)
    border[10:-10, 10:-10] = False
    assert 0.8 < robust_sigma((image / np.sqrt(variance))[border]) < 1.5
    single = np.array([robust_sigma(x[g & border]) for x, g in zip(images, good, strict=True)])
    assert robust_sigma(image[border]) < 0.45 * np.median(single)


def test_companions_by_rule(deepcoadd: Any, decam: list[Path], tmp_path: Path) -> None:
    files = []
    for path in decam[:3]:
        data = fits.getdata(path).astype(np.float32)
        stem = path.name.partition(".")[0]
        files.append(tmp_path / f"{stem}.fits")
        fits.writeto(files[-1], data)
        weight = np.full(data.shape, 1 / DECAM_SIGMA[stem] ** 2, np.float32)
        weight[:40] = 0
        fits.writeto(tmp_path / f"{stem}-w.fits", weight)
    out = tmp_path / "coadd.fits"
    options = ["--weight", "{stem}-w.fits", "--method", "mean", *COMMON]
    done = deepcoadd("coadd", *files, "-o", out, *options)
    assert done.code == 0, done.err
    with fits.open(out) as hdus:
        count = hdus["NIMAGE"].data
        sigma = 1 / np.sqrt(hdus["INPUTS"].data["weight"])
    assert (count[:40] == 0).all()
    assert (count[40:] == 3).all()
    expected = [DECAM_SIGMA[path.name.partition(".")[0]] for path in files]
    np.testing.assert_allclose(sigma, expected, rtol=1e-5)


def test_unresampled_exposures_are_refused_with_the_reason(
    deepcoadd: Any, real_data: Path, tmp_path: Path
) -> None:
    files = sorted((real_data / "decam_grz_field1867p255" / "images").glob("*_ooi_z_*"))
    assert len(files) == 4
    done = deepcoadd("coadd", *files, "-o", tmp_path / "coadd.fits", *COMMON)
    assert done.code == 0, done.err
    assert re.search(r"inputs used +1\b", done.out)
    assert done.err.count("its WCS is not the grid of the coadd") == 3

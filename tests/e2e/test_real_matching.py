# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of two real epochs, three years apart, are matched on the command line.

The science frame comes to the grid of the reference by its nearest pixel, so that no interpolation
smooths its noise. Numbers of the reference implementation for the very same pair: RMS of the fit
0.0159, mean square 58.5133, 1.0037 times the variance of the difference.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.background import CellGrid, GlobalMatchOptions, measure_levels
from deepcoadd.io import read, write
from deepcoadd.mask import DEFAULT_PLANES
from deepcoadd.refs import as_refs

GAIN, DARK_VARIANCE = 4.76, 1.3225
PLANES = {1: "INTRP", 2: "SAT", 3: "NO_DATA", 4: "DETECTED", 5: "DETECTED", 10: "CR"}
"""HDU of a mask file -> plane."""


def frame(folder: Path, name: str) -> tuple[Any, Any, Any, WCS]:
    """Image less the bias, mask, variance and WCS of an epoch."""
    with fits.open(folder / f"fpC-{name}.fit.gz") as hdus:
        image = hdus[0].data.astype(np.float64) - hdus[0].header["SOFTBIAS"]
        header = hdus[0].header
        header.rename_keyword("RADECSYS", "RADESYS")
        wcs = WCS(header, fix=False)
    mask = np.zeros(image.shape, np.int32)
    with fits.open(folder / f"fpM-{name}.fit.gz") as hdus:
        for hdu, plane in PLANES.items():
            for row in hdus[hdu].data if hdus[hdu].data is not None else []:
                spans = np.frombuffer(np.asarray(row["s"]).tobytes(), ">u2")
                for y, x1, x2 in spans[: 3 * row["nspan"]].reshape(-1, 3).astype(int):
                    mask[y, x1 : x2 + 1] |= DEFAULT_PLANES.bitmask(plane)
    return image, mask, np.maximum(image, 0) / GAIN + DARK_VARIANCE, wcs


@lru_cache(maxsize=1)
def pair(folder: Path) -> list[Exposure]:
    """The two epochs on the grid of the first."""
    image, mask, variance, wcs = frame(folder, "004192-r4-0300")
    other, other_mask, other_variance, other_wcs = frame(folder, "006377-r4-0399")
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    px, py = other_wcs.wcs_world2pix(*wcs.wcs_pix2world(x.ravel(), y.ravel(), 0), 0)
    inside = ((px >= 1) & (px <= 2046) & (py >= 1) & (py <= 1487)).reshape(image.shape)
    i, j = (
        np.clip(np.floor(p + 0.5).astype(int), 0, n - 1).reshape(image.shape)
        for p, n in ((px, image.shape[1]), (py, image.shape[0]))
    )
    moved = np.where(inside, other[j, i], np.nan)
    words = np.where(inside, other_mask[j, i], DEFAULT_PLANES.bitmask("NO_DATA")).astype(np.int32)
    spread = np.where(inside, other_variance[j, i], np.nan)
    return [
        Exposure(MaskedImage.from_arrays(image, mask, variance)),
        Exposure(MaskedImage.from_arrays(moved, words, spread)),
    ]


def epochs(folder: Path, out: Path, box: Box) -> list[Path]:
    """Files of a part of the two epochs."""
    files = [out / "epoch-2003.fits", out / "epoch-2006.fits"]
    for file, exposure in zip(files, pair(folder), strict=True):
        write(file, exposure[box])
    return files


def gradient(files: list[Path]) -> tuple[float, float]:
    """Mean of the difference of two epochs, and the range of a plane through its cells."""
    refs = as_refs([read(file) for file in files])
    grid = CellGrid.of(refs[0].box(), 128)
    bad = GlobalMatchOptions().bad_planes
    levels = measure_levels(refs, grid, bad, min_fraction=0.1, max_memory=2**30).values
    d = (levels[0] - levels[1]).ravel()
    good = np.isfinite(d)
    y, x = (p.ravel() / n - 0.5 for p, n in zip(np.indices(grid.shape), grid.shape, strict=True))
    design = np.stack([np.ones(good.sum()), y[good], x[good]], axis=1)
    level, gy, gx = np.linalg.lstsq(design, d[good], rcond=None)[0]
    return float(level), float(np.hypot(gy, gx))


@pytest.mark.parametrize("mode", ["classic", "global"])
def test_two_epochs(deepcoadd: Any, real_data: Path, tmp_path: Path, mode: str) -> None:
    folder = real_data / "sdss_s82_two_epochs"
    if not folder.is_dir():
        pytest.skip("the two SDSS epochs are not among the real images")
    shape = (1489, 2048) if mode == "classic" else (768, 1024)
    files = epochs(folder, tmp_path, Box.from_shape(shape))
    out = tmp_path / "matched"
    classic = ["--reference", files[0], "-c", "statistic=MEAN", "-c", "n_iter=2"]
    done = deepcoadd(
        "match-backgrounds", *files, "-o", out, *(classic if mode == "classic" else [])
    )
    assert done.code == 0, done.err
    table = Table.read(out / "matches.csv", format="ascii.csv")
    before = gradient(files)
    level, slope = gradient([out / file.name for file in files])
    # The skies of the calibration files differ by 25.4.
    assert before[0] == pytest.approx(25.4, abs=0.3)
    # 7.6 DN of noise in a pixel of the difference, 5 10^5 pixels or more: 0.01 in level, 0.04 in
    # slope.
    assert abs(level) < 0.05
    assert slope < 0.15
    if mode == "classic":
        row = table[1]
        assert row["matched_mse"] == pytest.approx(58.5133, rel=1e-4)
        assert row["matched_mse"] / row["diff_variance"] == pytest.approx(1.0037, abs=1e-3)
        assert row["fit_rms"] < 0.05
    else:
        added = np.array(table["offset"])
        assert added[1] - added[0] == pytest.approx(25.4, abs=0.3)
        assert added.sum() == pytest.approx(0, abs=0.5)

# SPDX-License-Identifier: BSD-3-Clause
"""Cosmic rays and hot pixels of real images are left out; plain numpy says where they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.lib.stride_tricks import sliding_window_view

from deepcoadd.io import read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "real-images.md"


def script() -> str:
    """The Python of the page."""
    found = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def command(number: int) -> str:
    """A command of the page."""
    return re.findall(r"^deepcoadd .*", PAGE.read_text(), re.M)[number]


def words(line: str, names: dict[str, list[str]], folder: Path) -> list[str]:
    """Words of a command of the page, with real files in place of its patterns."""
    out: list[str] = []
    for word in line.split()[1:]:
        is_output = word in ("coadd.fits", "artifacts.csv", "report")
        out += names.get(word, [str(folder / word) if is_output else word])
    return out


def scatter(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def check_report(folder: Path, n_inputs: int) -> None:
    """Every input has a picture with what was left out of it."""
    report = folder / "report"
    page = (report / "index.html").read_text()
    assert "Decisions about artifacts" in page
    assert len(list(report.glob("removed-*.png"))) == n_inputs


def test_cosmic_rays_of_aligned_images(deepcoadd: Any, real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = sorted((real_data / "decam_i_stack").glob("DEC-OBS18*.fits"))
    names = {"DEC-OBS18*.fits": list(map(str, files))}
    done = deepcoadd(*words(command(0), names, tmp_path), absent=("lsst", "scipy"))
    assert done.code == 0, done.err
    assert "carry no DETECTED pixels: sources are detected on them" in done.err
    cube = np.array([fits.getdata(file).astype(np.float64) for file in files])
    noise = np.array([scatter(image) for image in cube])
    with fits.open(tmp_path / "coadd.fits") as hdus:
        image, n_image = np.array(hdus["IMAGE"].data), np.array(hdus["NIMAGE"].data)
        weights = np.array(hdus["INPUTS"].data["weight"])
    # Far above the others, which show empty sky there.
    n_rays = n_found = 0
    for k, one in enumerate(cube):
        others = np.delete(cube, k, axis=0)
        middle, top = np.median(others, axis=0), others.max(axis=0)
        rays = (one - middle > 8 * noise[k]) & (np.abs(middle) < 4 * np.median(noise))
        rays &= top < 6 * np.median(noise)
        found = rays & (n_image == len(files) - 1)
        n_rays, n_found = n_rays + rays.sum(), n_found + found.sum()
        rest = np.average(others, axis=0, weights=np.delete(weights, k))
        np.testing.assert_allclose(image[found], rest[found], rtol=1e-5, atol=1e-3)
    assert n_rays > 30
    assert n_found > 0.9 * n_rays
    # What else is left out is around them: no star lost a pixel.
    assert (n_image < len(files)).mean() < 0.05
    stars = np.median(cube, axis=0) > 30 * np.median(noise)
    assert stars.sum() > 100
    assert (n_image[stars] == len(files)).all()
    check_report(tmp_path, len(files))


def excess(image: np.ndarray) -> np.ndarray:
    """Image less the median of the 5 x 5 pixels around each."""
    windows = sliding_window_view(np.pad(image, 2, mode="edge"), (5, 5))
    return np.asarray(image - np.median(windows.reshape(*image.shape, 25), axis=-1))


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_hot_pixels_of_a_drifting_field(deepcoadd: Any, real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    everything = sorted((real_data / "hatp32_drift_stack").glob("*.fits.gz"))
    frames = everything[9:30:2]
    exec(compile(script(), str(PAGE), "exec"), {"frames": frames, "folder": tmp_path})
    visits = sorted(tmp_path.glob("visit-*.fits"))
    names = {
        "visit-*.fits": list(map(str, visits)),
        "matched-*.fits": list(map(str, sorted(tmp_path.glob("matched-*.fits")))),
    }
    done = deepcoadd(*words(command(1), names, tmp_path), absent=("lsst", "scipy"))
    assert done.code == 0, done.err
    # On the detector hot pixels stand out in every frame, whatever the sky above them.
    raw = [fits.getdata(file).astype(np.float32) for file in everything[::7]]
    standing = np.median([excess(image) for image in raw], axis=0)
    inputs = [read(visit) for visit in visits]
    noise = float(np.median([np.sqrt(one.variance.array[0, 0]) for one in inputs]))
    with fits.open(tmp_path / "coadd.fits") as hdus:
        decided = Table(hdus["ARTIFACTS"].data)
        n_image = np.array(hdus["NIMAGE"].data)
    box = read(tmp_path / "coadd.fits").box
    cube = np.full((len(inputs), *box.shape), np.nan, np.float32)
    for plane, one in zip(cube, inputs, strict=True):
        plane[one.box.slices_within(box)] = np.where(
            one.mask.has("SAT", "BAD"), np.nan, one.image.array
        )
    covered = np.isfinite(cube).sum(axis=0)
    sky = np.full(box.shape, np.inf, np.float32)
    sky[covered > 0] = np.nanmedian(cube[:, covered > 0], axis=0)
    around = sliding_window_view(np.pad(sky, 3, mode="edge"), (7, 7)).max(axis=(2, 3))
    hot = standing > 30 * noise
    hot[:35] = False  # bad rows, and what smoothing makes of them
    n_hot = n_found = 0
    for one, plane in zip(inputs, cube, strict=True):
        place = one.box.slices_within(box)
        empty = (around[place] < 10 * noise) & np.isfinite(plane[place])
        inner = np.zeros(one.box.shape, bool)
        inner[7:-7, 7:-7] = True  # a blurred frame has no data along its edges
        at = np.argwhere(hot & empty & inner) + np.array(one.box.start)
        clipped = decided[decided["clipped"] == str(one.info.visit_info.id)]
        n_hot += len(at)
        n_found += sum(
            bool(np.any((clipped["x0"] <= x) & (x <= clipped["x1"])
                        & (clipped["y0"] <= y) & (y <= clipped["y1"])))
            for y, x in at
        )  # fmt: skip
    assert n_hot > 300
    # The rest lies where residuals of stars, which all frames show, reach it.
    assert n_found > 0.7 * n_hot
    # Hardly anything else is lost: the number of inputs is that of the frames with data.
    assert (covered - n_image.astype(int))[covered > 0].mean() < 0.3
    check_report(tmp_path, len(frames))

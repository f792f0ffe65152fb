# SPDX-License-Identifier: BSD-3-Clause
"""Memory stays within the budget, whatever the number of inputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import MaskedImage
from deepcoadd.exposure import Exposure
from deepcoadd.io import open_warp, write

MIB = 2**20


def make_inputs(folder: Path, n: int, side: int, n_distinct: int) -> list[Path]:
    """Masked images of noise; beyond `n_distinct` they are further names of the same files.

    That saves disk and time, and costs the program as much as if all were different: it opens,
    reads and keeps each one by its name.
    """
    folder.mkdir()
    rng = np.random.default_rng(1)
    paths = [folder / f"v{k:02d}.fits" for k in range(n)]
    for path in paths[:n_distinct]:
        pixels = rng.standard_normal((side, side), dtype=np.float32)
        image = MaskedImage.from_arrays(pixels, variance=np.ones_like(pixels))
        image.mask.array[:: side // 16] = image.planes.bitmask("BAD")
        write(path, Exposure(image))
    for k, path in enumerate(paths[n_distinct:]):
        os.link(paths[k % n_distinct], path)
    return paths


def check_mean(out: Path, paths: list[Path], n_rows: int, where: np.ndarray | None = None) -> None:
    """Compare the first rows with the plain mean of the inputs' good pixels."""
    made = open_warp(out)
    box = made.box()
    part = next(box.tiles((n_rows, box.x.size)))
    total = np.zeros(part.shape)
    count = np.zeros(part.shape, int)
    for path in paths:
        pixels = open_warp(path).read(part)
        good = ~pixels.mask.has("BAD")
        total += np.where(good, pixels.image.array, 0)
        count += good
    with np.errstate(invalid="ignore"):
        expected = total / count
    # Weights are equal (every variance is 1), so that the mean is exact to float32 rounding.
    image = made.read(part).image.array
    if where is not None:
        where = where & (count > 0)  # what is interpolated is not a mean
        image, expected = image[where], expected[where]
    np.testing.assert_allclose(image, expected, rtol=2e-6, atol=2e-7)


def not_clipped(out: Path, n_rows: int) -> np.ndarray:
    """Where in the first rows clipping left out nothing."""
    with fits.open(out) as hdus:
        where = np.asarray(hdus["NCLIPPED"].section[:n_rows, :]) == 0
    assert where.mean() > 0.5
    return where


COMMON = ["--unit", "none", "--method", "mean", "-c", "interpolate=none"]


def tiny_peak(deepcoadd: Any, folder: Path) -> int:
    """Memory of a coadd next to nothing: the interpreter and the libraries."""
    paths = make_inputs(folder / "tiny", n=2, side=32, n_distinct=2)
    done = deepcoadd("coadd", *paths, "-o", folder / "tiny.fits", *COMMON)
    assert done.code == 0, done.err
    return int(done.peak)


def test_many_inputs_take_no_more_than_the_budget(deepcoadd: Any, tmp_path: Path) -> None:
    libraries = tiny_peak(deepcoadd, tmp_path)
    paths = make_inputs(tmp_path / "inputs", n=32, side=1024, n_distinct=4)
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *paths, "-o", out, *COMMON, "--max-memory", "64MiB")
    assert done.code == 0, done.err
    # The inputs are 384 MiB, the coadd is 20. Work arrays of one input may come on top of the
    # budget, 32 bytes for each of its pixels.
    assert done.peak - libraries < (64 + 32) * MIB
    check_mean(out, paths, 300)


def test_a_coadd_larger_than_the_budget(deepcoadd: Any, tmp_path: Path) -> None:
    libraries = tiny_peak(deepcoadd, tmp_path)
    paths = make_inputs(tmp_path / "inputs", n=6, side=2048, n_distinct=3)
    out = tmp_path / "coadd.fits"
    done = deepcoadd("coadd", *paths, "-o", out, *COMMON, "--max-memory", "64MiB", "-v")
    assert done.code == 0, done.err
    assert "by tiles" in done.err
    # The coadd is 80 MiB, the inputs are 288.
    assert done.peak - libraries < (64 + 4 * 32) * MIB
    check_mean(out, paths, 300)


@pytest.mark.parametrize("method", ["safeclip", "comparewarp"])
def test_searches_for_artifacts_take_no_more_than_the_budget(
    deepcoadd: Any, tmp_path: Path, method: str
) -> None:
    libraries = tiny_peak(deepcoadd, tmp_path)
    paths = make_inputs(tmp_path / "inputs", n=16, side=1024, n_distinct=4)
    matched = make_inputs(tmp_path / "matched", n=16, side=1024, n_distinct=4)
    words: list[object] = [*paths, "-o", tmp_path / "coadd.fits", "--method", method]
    words += ["--unit", "none", "-c", "interpolate=none", "--psf-sigma", 2]
    words += ["--matched", *matched] if method == "comparewarp" else []
    done = deepcoadd("coadd", *words, "--max-memory", "128MiB")
    assert done.code == 0, done.err
    # The inputs are 192 MiB, twice that with the matched ones; whole planes count towards the
    # budget. Beyond it there are work arrays for one input, 32 bytes a pixel.
    assert done.peak - libraries < (128 + 32) * MIB
    assert re.search(r"inputs used +16", done.out)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_40_large_exposures_in_one_gibibyte(deepcoadd: Any, tmp_path: Path) -> None:
    paths = make_inputs(tmp_path / "inputs", n=40, side=4096, n_distinct=4)
    out = tmp_path / "coadd.fits"
    arguments = ["--unit", "none", "--max-memory", "1GiB"]
    done = deepcoadd("coadd", *paths, "-o", out, *arguments, timeout=350)
    assert done.code == 0, done.err
    assert re.search(r"inputs used +40", done.out)
    assert done.peak < 1536 * MIB
    check_mean(out, paths[:4], 300, where=not_clipped(out, 300))

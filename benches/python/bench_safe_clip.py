# SPDX-License-Identifier: BSD-3-Clause
"""The artifact rejection by visit footprints, whole and by steps, in units of the yardstick."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from _yardstick import Row, bench, cube, measure

from deepcoadd import Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    SafeClipOptions,
    assemble,
    build_difference_image,
    detect_clip,
    prepare,
    safe_clip,
)
from deepcoadd.psf import GaussianPsf

SIGMA = 2.0


def visits(n: int, side: int, seed: int = 1) -> list[Exposure]:
    """Visits with stars in all of them, streaks in two, and cosmic rays in each."""
    rng = np.random.default_rng(seed)
    y, x = rng.integers(20, side - 20, (2, 300))
    grid = np.arange(-12, 13)
    star = np.exp(-np.add.outer(grid**2, grid**2) / (2 * SIGMA**2)) / (2 * np.pi * SIGMA**2)
    sky = np.zeros((side, side), "f4")
    for row, column, flux in zip(y, x, 10 ** rng.uniform(2, 5, 300), strict=True):
        sky[row - 12 : row + 13, column - 12 : column + 13] += flux * star
    made = []
    for number, noise in enumerate(cube(n, side, seed)):
        image = noise - 100 + sky
        pixels = MaskedImage.from_arrays(image, None, 25.0 + sky)
        flags = sky > 5
        if number < 2:
            across = np.arange(side)
            for offset in range(-3, 4):
                image[(across + 397 * number + offset) % side, across] += 100
                flags[(across + 397 * number + 2 * offset) % side, across] = True
        rows, columns = rng.integers(5, side - 5, (2, 50))
        for dy in range(-5, 6):
            for dx in range(-5, 6):
                flags[rows + dy, columns + dx] = True
        image[rows, columns] += 1000
        pixels.mask.set("DETECTED", flags)
        pixels.mask.set("BAD", rng.random((side, side), dtype="f4") < 0.005)
        info = VisitInfo(id=number + 1)
        psf = GaussianPsf((25, 25), SIGMA)
        made.append(Exposure(pixels, unit=u.nJy, visit_info=info, psf=psf))
    return made


def rows(y: float, repeats: int) -> list[Row]:
    """The whole, its steps, and a plain mean beside it."""
    n, side = 10, 1024
    inputs = visits(n, side)
    chosen = SafeClipOptions()
    weights = [1.0] * n
    plan = prepare(inputs, weights=weights, options=chosen.assemble)
    difference = build_difference_image(plan).exposure
    name = f"{n} warps {side}^2 in memory"
    cases = [
        (f"SafeClip whole, {name}", 0.35, lambda: safe_clip(inputs, weights=weights)),
        ("SafeClip with weights measured", None, lambda: safe_clip(inputs)),
        ("of it the difference image", None, lambda: build_difference_image(plan)),
        ("of it finding artifacts", None, lambda: detect_clip(difference, plan.inputs)),
        (f"plain mean, {name}", None, lambda: assemble(plan)),
    ]
    return [measure(what, bar, y, call, repeats) for what, bar, call in cases]


if __name__ == "__main__":
    bench(rows, __doc__)

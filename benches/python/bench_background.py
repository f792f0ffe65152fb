# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds and sky frames of a 4096 x 4096 image in units of the yardstick."""

from __future__ import annotations

import numpy as np
from _yardstick import Row, bench, measure

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    TASK_SKY,
    BackgroundModel,
    BackgroundOptions,
    SkyOptions,
    fit_background,
    measure_sky_bins,
    sample_sky,
)

SIDE = 4096


def scene() -> MaskedImage:
    """Noise about a level, two pixels in a hundred masked."""
    rng = np.random.default_rng(2)
    image = rng.normal(100, 5, (SIDE, SIDE)).astype("f4")
    mask = (rng.random(image.shape, dtype="f4") < 0.02).astype("i4")
    return MaskedImage.from_arrays(image, mask, 25.0)


def grid(n: int, **options: object) -> BackgroundModel:
    """Random bins of an image."""
    values = np.random.default_rng(3).normal(100, 1, (n, n)).astype("f4")
    box = Box.from_shape((SIDE, SIDE))
    return BackgroundModel(values, np.ones_like(values), box, BackgroundOptions(**options))


def rows(y: float, repeats: int) -> list[Row]:
    """The rows of the table of bars that are backgrounds or sky frames."""
    result = []
    pixels = scene()
    large = BackgroundOptions(bin_size=256)
    result.append(
        measure(
            "background, 256-pixel bins MEANCLIP, 4096^2",
            0.10,
            y,
            lambda: fit_background(pixels, large),
            repeats,
        )
    )
    for style in ("LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"):
        name = f"background image 16 x 16 -> 4096^2, {style}"
        result.append(measure(name, 0.04, y, grid(16, algorithm=style).image, repeats))
    akima, target = grid(16), pixels.copy()
    result.append(
        measure(
            "the same, subtracted from an image, AKIMA_SPLINE",
            None,
            y,
            lambda: akima.subtract_from(target.image),
            repeats,
        )
    )
    polynomial = grid(16, use_approx=True, approx_order=6)
    name = "Chebyshev order 6, fit and image 4096^2"
    result.append(measure(name, 0.04, y, polynomial.image, repeats))
    result.append(
        measure(
            "sky frame: bins of 32 pixels, 4096^2",
            0.12,
            y,
            lambda: measure_sky_bins(pixels, TASK_SKY),
            repeats,
        )
    )
    sky = measure_sky_bins(pixels, TASK_SKY)
    for name, bar, options in (
        ("sky frame: samples of the documented scale", 0.15, TASK_SKY),
        ("sky frame: samples in the bins of the frame", None, SkyOptions()),
    ):
        result.append(measure(name, bar, y, lambda o=options: sample_sky(pixels, sky, o), repeats))
    return result


if __name__ == "__main__":
    bench(rows, __doc__)

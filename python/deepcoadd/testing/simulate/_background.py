# SPDX-License-Identifier: BSD-3-Clause
"""Sky light that is left in the images: an offset, a smooth surface, a fringe pattern."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from deepcoadd.testing.simulate._options import SceneOptions
from deepcoadd.testing.simulate._random import Stream, generator

__all__ = ["draw_background"]


def draw_background(
    options: SceneOptions, index: int, sky_level: float
) -> npt.NDArray[np.float32]:  # fmt: skip
    """(ny, nx) float32 background of one visit, nJy a pixel.

    With u and v from -1 to 1 across the box: level + offset + gradient . (v, u) + curvature .
    (v**2, u**2, u v) + pattern * sky level * waves; the waves are the same in all visits.
    """
    background = options.background
    rng = generator(options.seed, Stream.BACKGROUND, index)
    offset, slope_y, slope_x, bend_y, bend_x, twist = rng.standard_normal(6)
    ny, nx = options.shape
    v = ((np.arange(ny) + 0.5) / ny * 2.0 - 1.0)[:, None]
    u = (np.arange(nx) + 0.5) / nx * 2.0 - 1.0
    surface = (
        (background.level + background.offset * offset)
        + background.gradient * (slope_y * v + slope_x * u)
        + background.curvature * (bend_y * v * v + bend_x * u * u + twist * v * u)
    )
    if background.pattern:
        wave = 2.0 * math.pi / background.pattern_period
        y = (options.start[0] + np.arange(ny))[:, None]
        x = options.start[1] + np.arange(nx)
        # Two waves that are bent and of unlike length: a fringe frame without symmetry.
        waves = np.sin(wave * (x + 0.3 * y) + 0.8 * np.sin(0.31 * wave * y)) + 0.5 * np.cos(
            wave * (0.6 * y - 0.25 * x)
        )
        surface = surface + (background.pattern * sky_level) * waves
    return np.broadcast_to(surface, options.shape).astype(np.float32)

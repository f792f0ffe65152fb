# SPDX-License-Identifier: BSD-3-Clause
"""Variance of images that bring none along: from weights, from a noise model, or estimated."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deepcoadd.io._layout import Floats
from deepcoadd.io._plane import Plane
from deepcoadd.io._pool import FilePool

__all__ = ["EstimatedVariance", "ModelVariance", "inverted", "squared"]

BLOCK_SIDE = 256
"""Side in pixels of the blocks in which the noise is estimated."""
_FEWEST = 64  # finite pixels a block needs: the error of a robust sigma is then about 15 %
_MAD_TO_SIGMA = 1.482602218505602


def inverted(weights: Floats) -> Floats:
    """Variance of inverse variances, in place; a weight that is not above 0 gives +inf."""
    good = weights > 0
    with np.errstate(over="ignore"):
        np.divide(np.float32(1), weights, out=weights, where=good)
    weights[~good] = np.inf
    return weights


def squared(sigmas: Floats) -> Floats:
    """Variance of standard deviations, in place."""
    with np.errstate(over="ignore"):
        sigmas *= sigmas
    return sigmas


@dataclass(frozen=True)
class ModelVariance:
    """Variance from a gain and a read noise, or of one constant sigma.

    Parameters
    ----------
    sigma : float
        Standard deviation without light, in the unit of the image.
    gain : float, optional
        Electrons per unit; None leaves out the noise of the light.
    """

    sigma: float
    gain: float | None = None

    def read(self, pool: FilePool, rows: slice, columns: slice, image: Floats) -> Floats:
        """Variance of a section: sigma^2 + max(image, 0) / gain."""
        floor = np.float32(self.sigma * self.sigma)
        if self.gain is None:
            return np.full(image.shape, floor, np.float32)
        light = np.maximum(image, np.float32(0), dtype=np.float32)
        light /= np.float32(self.gain)
        light += floor
        return light


@dataclass(frozen=True)
class EstimatedVariance:
    """Variance estimated from the pixels: one robust value a block of 256 x 256 pixels.

    The blocks are counted from the first pixel of the file, so that a section has the values it
    has in the whole. The first section read costs a pass over the image.
    """

    plane: Plane
    _cache: list[npt.NDArray[np.float32]] = field(default_factory=list, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def read(self, pool: FilePool, rows: slice, columns: slice, image: Floats) -> Floats:
        """Variance of a section; NaN (unknown) if no block has enough finite pixels."""
        with self._lock:
            if not self._cache:
                self._cache.append(self._grid(pool))
        grid = self._cache[0]
        y = np.arange(rows.start, rows.stop) // BLOCK_SIDE
        x = np.arange(columns.start, columns.stop) // BLOCK_SIDE
        section: Floats = grid[np.ix_(y, x)]
        return section

    def _grid(self, pool: FilePool) -> npt.NDArray[np.float32]:
        """Variance of each block; blocks without an estimate get the median of the others."""
        ny, nx = self.plane.shape
        shape = -(-ny // BLOCK_SIDE), -(-nx // BLOCK_SIDE)
        grid = np.full(shape, np.nan)
        for j in range(shape[0]):
            rows = slice(j * BLOCK_SIDE, min(ny, (j + 1) * BLOCK_SIDE))
            band = self.plane.floats(pool, rows, slice(0, nx))
            for i in range(shape[1]):
                block = band[:, i * BLOCK_SIDE : (i + 1) * BLOCK_SIDE]
                values = block[np.isfinite(block)].astype(np.float64)
                if values.size >= _FEWEST:
                    spread = np.median(np.abs(values - np.median(values)))
                    grid[j, i] = (_MAD_TO_SIGMA * spread) ** 2
        # A spread of 0 is that of a constant (padding, saturation), not of an image.
        known = grid > 0
        grid[~known] = np.median(grid[known]) if known.any() else np.nan
        return grid.astype(np.float32)

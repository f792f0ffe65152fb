# SPDX-License-Identifier: BSD-3-Clause
"""Noise of an image as its pixels show it, to be held against what its variance plane promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.refs import WarpRef, as_ref

__all__ = ["NoiseSample", "sample_noise"]

_LEFT_OUT = (
    "BAD",
    "SAT",
    "EDGE",
    "NO_DATA",
    "INTRP",
    "DETECTED",
    "DETECTED_NEGATIVE",
    "BRIGHT_OBJECT",
)
"""Planes of pixels that say nothing about the noise of the sky."""

_ONE_SIGMA = 15.865525393145708
"""Percentile of a Gaussian one standard deviation below its mean."""


@dataclass(frozen=True)
class NoiseSample:
    """Sky pixels with their local level taken off, and the scatter their variance promises.

    Parameters
    ----------
    residual : (n,) float32 array
        Pixel minus the median of its cell, in the unit of the image.
    sigma : (n,) float32 array
        Square root of the variance plane at the same pixels.
    """

    residual: npt.NDArray[np.float32]
    sigma: npt.NDArray[np.float32]

    @property
    def measured(self) -> float:
        """Standard deviation that a pixel of the `expected` one shows; NaN without pixels.

        It is `ratio` times `expected`, so that an image whose depth varies is measured by how the
        pixels compare with their own variance, and not by how much of it is shallow.
        """
        return self.ratio * self.expected

    @property
    def expected(self) -> float:
        """Median of the standard deviations the variance plane promises; NaN without pixels."""
        return float(np.median(self.sigma)) if self.sigma.size else math.nan

    @property
    def normalized(self) -> npt.NDArray[np.float32]:
        """(n,) float32 array: residual / sigma, a unit Gaussian when the variance is right."""
        return self.residual / self.sigma

    @property
    def ratio(self) -> float:
        """Standard deviation of the normalised residuals; 1 is right, NaN without pixels.

        Distance from the median down to the 15.87th percentile. Sources that nobody masked lift
        pixels and so leave the lower side of the distribution alone.
        """
        values = self.normalized
        if not values.size:
            return math.nan
        low, middle = np.percentile(values, (_ONE_SIGMA, 50.0))
        return float(middle - low)


def sample_noise(
    image: MaskedImage | WarpRef, *, cell: int = 32, max_cells: int = 4096
) -> NoiseSample:
    """Residuals of the sky pixels of an image against the median of their square cell.

    Parameters
    ----------
    image : MaskedImage or WarpRef
        In memory, or a reference of which only the cells are read. Pixels count when image and
        variance are finite, the variance is above 0 and none of the planes BAD, SAT, EDGE, NO_DATA,
        INTRP, DETECTED, DETECTED_NEGATIVE, BRIGHT_OBJECT is set.
    cell : int
        Side of the cells, pixels: larger than the sources, smaller than the structure of the sky.
        An incomplete cell at the upper edges is left out unless there is no other.
    max_cells : int
        With more cells than this, an evenly spaced choice is taken: 4096 cells of 32 pixels measure
        the noise to 0.1 %.

    Returns
    -------
    NoiseSample
        Empty when no pixel counts.

    Raises
    ------
    OptionError
        `cell` is below 2 or `max_cells` below 1.
    """
    if cell < 2:
        raise OptionError(f"cell = {cell}: expected at least 2 pixels")
    if max_cells < 1:
        raise OptionError(f"max_cells = {max_cells}: expected at least 1")
    ref = as_ref(image)
    residuals, sigmas = [], []
    for box in _cells(ref.box(), cell, max_cells):
        part = ref.read(box)
        bits = np.int32(part.planes.known_bitmask(_LEFT_OUT))
        good = (part.mask.array & bits) == 0
        good &= np.isfinite(part.image.array) & np.isfinite(part.variance.array)
        good &= part.variance.array > 0
        if good.any():
            values = part.image.array[good]
            residuals.append(values - np.median(values))
            sigmas.append(np.sqrt(part.variance.array[good]))
    if not residuals:
        return NoiseSample(np.empty(0, np.float32), np.empty(0, np.float32))
    return NoiseSample(np.concatenate(residuals), np.concatenate(sigmas))


def _cells(box: Box, cell: int, max_cells: int) -> Iterator[Box]:
    """Complete cells of a box, thinned evenly to at most `max_cells`; else the whole box."""
    ny, nx = box.y.size // cell, box.x.size // cell
    if ny * nx == 0:
        if not box.is_empty:
            yield box
        return
    step = max(1.0, ny * nx / max_cells)
    for k in range(min(ny * nx, max_cells)):
        iy, ix = divmod(int(k * step), nx)
        start = (box.y.start + iy * cell, box.x.start + ix * cell)
        yield Box.from_shape((cell, cell), start=start)

# SPDX-License-Identifier: BSD-3-Clause
"""Photometric calibration: what one count is worth in nJy, constant or varying over the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw_names import PhotoCalibNames

__all__ = ["AB_ZERO_FLUX_NJY", "ChebyshevField", "PhotoCalib"]

AB_ZERO_FLUX_NJY = 10 ** (-48.6 / 2.5) * 1e32
"""Flux density of AB magnitude 0, in nJy (3.6307805e12)."""


@dataclass(frozen=True)
class ChebyshevField:
    """Chebyshev polynomial of the first kind over a box.

    Parameters
    ----------
    box : Box
        Domain; its outer pixel edges map to -1 and 1.
    coefficients : tuple of tuple of float
        ``coefficients[i][j]`` multiplies ``T_i(y) T_j(x)``.
    """

    box: Box
    coefficients: tuple[tuple[float, ...], ...]

    def evaluate(self, *, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Value at positions (parent pixels); the arrays broadcast."""
        v = _scaled(np.asarray(y, np.float64), self.box.y.start, self.box.y.size)
        u = _scaled(np.asarray(x, np.float64), self.box.x.start, self.box.x.size)
        return np.asarray(np.polynomial.chebyshev.chebval2d(v, u, np.array(self.coefficients)))

    def image(self, box: Box) -> Image:
        """float64 image of the field on the pixels of `box`."""
        y = np.arange(box.y.start, box.y.stop, dtype=np.float64)
        x = np.arange(box.x.start, box.x.stop, dtype=np.float64)
        v = _scaled(y, self.box.y.start, self.box.y.size)
        u = _scaled(x, self.box.x.start, self.box.x.size)
        grid = np.polynomial.chebyshev.chebgrid2d(v, u, np.array(self.coefficients))
        return Image(np.asarray(grid, np.float64), box)


def _scaled(position: npt.NDArray[np.float64], start: int, size: int) -> npt.NDArray[np.float64]:
    """Map the pixel edges of an interval to -1 and 1."""
    if size == 0:
        raise ShapeError("a Chebyshev field over an empty box cannot be evaluated")
    return (2.0 * (position - (start - 0.5)) / size) - 1.0


@dataclass(frozen=True)
class PhotoCalib(PhotoCalibNames):
    """Calibration from counts to nJy.

    Parameters
    ----------
    mean : float
        nJy per count, > 0. The mean over the image when `field` is given.
    error : float
        Standard error of `mean`, nJy per count.
    field : ChebyshevField, optional
        nJy per count as a function of position; None means constant.
    """

    mean: float = 1.0
    error: float = 0.0
    field: ChebyshevField | None = None

    def __post_init__(self) -> None:
        if not (self.mean > 0 and math.isfinite(self.mean)):
            raise OptionError(f"mean = {self.mean}: a calibration must be finite and above 0")

    @classmethod
    def from_fluxmag0(cls, fluxmag0: float, error: float = 0.0) -> PhotoCalib | None:
        """Calibration from the counts of a magnitude-0 source; None when that is no number > 0."""
        if not (fluxmag0 > 0 and math.isfinite(fluxmag0)):
            return None
        mean = AB_ZERO_FLUX_NJY / fluxmag0
        return cls(mean, mean * (error / fluxmag0))

    @classmethod
    def from_zero_point(cls, magnitude: float) -> PhotoCalib:
        """Calibration of an image in which 1 count is AB magnitude `magnitude`."""
        return cls(AB_ZERO_FLUX_NJY * 10 ** (-0.4 * magnitude))

    @property
    def is_constant(self) -> bool:
        """Whether the calibration is the same everywhere."""
        return self.field is None

    def at(self, *, y: float, x: float) -> float:
        """Nanojansky per count at a position (parent pixels)."""
        return self.mean if self.field is None else float(self.field.evaluate(y=y, x=x))

    def calibrate(self, masked_image: MaskedImage) -> MaskedImage:
        """Masked image in nJy: image times calibration, variance times its square; a copy."""
        out = masked_image.copy()
        if self.field is None:
            if self.mean != 1.0:
                out *= self.mean
            return out
        factor = self.field.image(masked_image.box)
        out *= Image(factor.array.astype(np.float32), factor.box)
        return out

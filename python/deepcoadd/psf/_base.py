# SPDX-License-Identifier: BSD-3-Clause
"""What a PSF model is, and what all models share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import NoDataError
from deepcoadd.geometry import Box, round_half_up
from deepcoadd.image import Image
from deepcoadd.psf._names import PsfNames

__all__ = ["ModelPsf", "Psf", "PsfParts"]

_ORDER = 5  # of the Lanczos filter that shifts an image by a part of a pixel
_TAPS = 2 * _ORDER

Floats = npt.NDArray[np.float64]


@runtime_checkable
class Psf(Protocol):
    """A point-spread function that may depend on position (absolute pixels)."""

    def kernel_image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """float64 image of sum 1, centred on pixel (0, 0) of its own frame.

        Without a position, at the average position.
        """
        ...

    def image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """float64 image as a star at that position looks, in the parent frame."""
        ...

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the kernel image."""
        ...

    @property
    def average_position(self) -> tuple[float, float]:
        """Position (y, x) that stands for the whole image."""
        ...


@dataclass(frozen=True)
class PsfParts:
    """A PSF taken apart, for writing: no code, only numbers.

    Parameters
    ----------
    kind : str
        Name of the model.
    numbers : mapping
        Numbers, texts and lists of them.
    arrays : mapping of str to array
        Arrays of float64.
    children : tuple of PsfParts
        Parts of the PSFs that this one is made of.
    """

    kind: str
    numbers: Mapping[str, Any]
    arrays: Mapping[str, Floats]
    children: tuple[PsfParts, ...] = ()


class ModelPsf(PsfNames):
    """Base of the models: the image at a position follows from the kernel image."""

    @property
    def average_position(self) -> tuple[float, float]:
        """Position (y, x) that stands for the whole image; (0, 0) unless the model knows."""
        return (0.0, 0.0)

    def _kernel_array(self, y: float, x: float) -> Floats:
        """(ny, nx) float64 kernel image of sum 1."""
        raise NotImplementedError

    def _center(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Index (y, x) of the middle pixel of the kernel image."""
        return (shape[0] - 1) // 2, (shape[1] - 1) // 2

    def position(self, y: float | None, x: float | None) -> tuple[float, float]:
        """Position asked for, or the average one.

        Raises
        ------
        NoDataError
            Only one coordinate is given, or one is not finite.
        """
        if y is None and x is None:
            return self.average_position
        if y is None or x is None or not (math.isfinite(y) and math.isfinite(x)):
            raise NoDataError(f"PSF at y = {y}, x = {x}: expected two finite coordinates")
        return float(y), float(x)

    def kernel_image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """float64 image of sum 1, centred on pixel (0, 0) of its own frame."""
        array = self._kernel_array(*self.position(y, x))
        ny, nx = array.shape
        cy, cx = self._center((ny, nx))
        return Image(array, Box.from_shape((ny, nx), start=(-cy, -cx)))

    def image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """float64 image as a star at that position looks, in the parent frame.

        The kernel image shifted by the part of a pixel with a Lanczos filter of order 5.
        """
        row, column = self.position(y, x)
        kernel = self.kernel_image(y=row, x=column)
        iy, ix = round_half_up(row), round_half_up(column)
        array = _shifted(kernel.array, row - iy, column - ix)
        return Image(array, kernel.box.shifted_by(y=iy, x=ix))

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the kernel image."""
        return self.kernel_image(y=y, x=x).box.shape


def _shifted(array: Floats, dy: float, dx: float) -> Floats:
    """Image moved by less than a pixel, in an image of the same size; outside it is 0."""
    padded = np.pad(array, _ORDER)
    padded = _filtered(padded, dx, axis=1)
    padded = _filtered(padded, dy, axis=0)
    return np.ascontiguousarray(padded[_ORDER:-_ORDER, _ORDER:-_ORDER])


def _filtered(array: Floats, shift: float, axis: int) -> Floats:
    """Correlation along one axis with the taps of a shift; pixels beyond the ends count as 0."""
    # float32 as in the reference, whose images this must reproduce.
    shift = float(np.float32(shift))
    if shift == 0:
        return array
    center = _ORDER if shift > 0 else _ORDER - 1
    t = np.arange(_TAPS) - center + shift
    taps = np.where(np.abs(t) < _ORDER, np.sinc(t) * np.sinc(t / _ORDER), 0.0)
    taps /= taps.sum()
    wide = np.pad(array, [(_TAPS, _TAPS) if a == axis else (0, 0) for a in (0, 1)])
    n = array.shape[axis]
    out = np.zeros_like(array)
    for i, tap in enumerate(taps):
        first = _TAPS + i - center
        out += tap * np.take(wide, np.arange(first, first + n), axis=axis)
    return out

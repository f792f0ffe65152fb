# SPDX-License-Identifier: BSD-3-Clause
"""A PSF seen through a map of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deepcoadd._core import warp as _core
from deepcoadd.errors import NoDataError, SingularError
from deepcoadd.psf._base import Floats, ModelPsf, Psf
from deepcoadd.psf._kernels import normalized
from deepcoadd.psf._transforms import (
    Affine,
    PixelTransform,
    applied,
    inverted,
    linearized,
)

__all__ = ["WarpedPsf", "warped_array", "warped_shape"]

_LARGEST = 200.0
"""Scale above which a map is taken for a mistake: the image would fill the memory."""


@dataclass(frozen=True, eq=False, repr=False)
class WarpedPsf(ModelPsf):
    """PSF of an image that was warped.

    Parameters
    ----------
    psf : Psf
        Of the source.
    transform : PixelTransform
        From the pixels of the source to those of the destination.
    kernel : str
        Interpolation kernel: lanczos2 to lanczos5, bilinear or nearest. Taps are exact.

    Notes
    -----
    The map is taken as affine about the position. ``docs/algorithms/psf.md``.
    """

    psf: Psf
    transform: PixelTransform
    kernel: str = "lanczos3"

    def __post_init__(self) -> None:
        _core.kernel_size(self.kernel)

    @property
    def average_position(self) -> tuple[float, float]:
        """Destination position (y, x) of the average position of the source."""
        y, x = self.transform.forward(*self.psf.average_position)
        return float(y), float(x)

    def __repr__(self) -> str:
        return f"WarpedPsf({type(self.psf).__name__}, {self.kernel})"

    def _kernel_array(self, y: float, x: float) -> Floats:
        return warped_array(self.psf, linearized(self.transform, y, x), y, x, self.kernel)

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the kernel image: two odd numbers."""
        row, column = self.position(y, x)
        return warped_shape(self.psf, linearized(self.transform, row, column), row, column)


def _round_away(value: float) -> int:
    """Nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _half_sizes(shape: tuple[int, int], forward: Affine) -> tuple[int, int]:
    """Half sizes (y, x) of the image that holds the outline of a warped one."""
    if max(map(abs, forward)) > _LARGEST:
        raise NoDataError(
            f"the map magnifies by up to {max(map(abs, forward)):.3g}; {_LARGEST:g} is allowed"
        )
    ny, nx = shape
    corners_y = np.array([0.0, 0.0, ny, ny])
    corners_x = np.array([0.0, nx, 0.0, nx])
    sides = (np.ptp(values) for values in applied(forward, corners_y, corners_x))
    half_y, half_x = (math.floor(0.5 * float(side)) for side in sides)
    return half_y, half_x


def _scales(affine: Affine) -> Affine:
    """The linear part of a map."""
    a, b, _, d, e, _ = affine
    return (a, b, 0.0, d, e, 0.0)


def warped_shape(psf: Psf, inverse: Affine, y: float, x: float) -> tuple[int, int]:
    """Shape (ny, nx) of `warped_array`."""
    source_y, source_x = applied(inverse, _round_away(y), _round_away(x))
    shape = psf.size_at(y=source_y, x=source_x)
    half_y, half_x = _half_sizes(shape, _scales(inverted(inverse)))
    return 2 * half_y + 1, 2 * half_x + 1


def warped_array(psf: Psf, inverse: Affine, y: float, x: float, kernel: str) -> Floats:
    """Kernel image of a warped PSF.

    Parameters
    ----------
    psf : Psf
        Of the source.
    inverse : Affine
        From destination to source.
    y, x : float
        Destination position; its nearest pixel counts.
    kernel : str
        Interpolation kernel.

    Returns
    -------
    (ny, nx) float64 array
        Of odd sides and sum 1, its middle pixel at the position.

    Raises
    ------
    NoDataError
        The map magnifies by more than 200, or no light is left.
    """
    row, column = _round_away(y), _round_away(x)
    source_y, source_x = applied(inverse, row, column)
    source = psf.image(y=source_y, x=source_x)
    half_y, half_x = _half_sizes(source.box.shape, _scales(inverted(inverse)))
    # Position, in the array of the source, of the first pixel of the output.
    first_y, first_x = applied(inverse, row - half_y, column - half_x)
    a, b, _, d, e, _ = inverse
    start_y, start_x = source.box.start
    width, center = _core.kernel_size(kernel)
    out = np.empty((2 * half_y + 1, 2 * half_x + 1))
    array = np.ascontiguousarray(source.array, np.float64)
    to_source = (a, b, first_x - start_x, d, e, first_y - start_y)
    _core.resample_affine(array, to_source, kernel, max(center, width - center), out)
    try:
        return normalized(out)
    except SingularError as error:
        raise NoDataError(f"the warped PSF at y = {y}, x = {x}: {error}") from None

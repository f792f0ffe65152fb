# SPDX-License-Identifier: BSD-3-Clause
"""Convolution of images together with their variances and masks.

Kernels are not flipped, as in the Rubin pipelines: ``out[y] = sum_k taps[k] * image[y + k - c]``
with the centre ``c = (n - 1) // 2``. Only pixels under which the whole kernel has data come out.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._buffers import on_large_pages
from deepcoadd._core import convolve as _core
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box, Interval
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask

__all__ = ["convolve_separable", "gaussian_taps", "kernel_width", "smooth"]

Pixels = TypeVar("Pixels", MaskedImage, Image)

# Beyond this a kernel is a mistake: no image that fits in memory is wider.
_WIDEST = 2**20


def _check_sigma(sigma: float) -> None:
    if not (math.isfinite(sigma) and sigma > 0):
        raise OptionError(f"sigma: got {sigma}, must be finite and > 0")


def kernel_width(sigma: float, n_sigma: float = 7.0) -> int:
    """Odd number of pixels of a Gaussian kernel that is about `n_sigma` sigma wide.

    ``2 * (int(sigma * n_sigma + 0.5) // 2) + 1``: 15 for sigma 2 and 23 for sigma 3.27.

    Parameters
    ----------
    sigma : float
        Of the Gaussian [pixels]; finite, > 0.
    n_sigma : float
        Full width [sigma]; finite, >= 0.

    Raises
    ------
    OptionError
        A number is not allowed.
    """
    _check_sigma(sigma)
    if not (math.isfinite(n_sigma) and n_sigma >= 0):
        raise OptionError(f"n_sigma: got {n_sigma}, must be finite and >= 0")
    if sigma * n_sigma > _WIDEST:
        raise OptionError(f"sigma: got {sigma}, {n_sigma} times of it must be at most {_WIDEST}")
    return 2 * (int(sigma * n_sigma + 0.5) // 2) + 1


def gaussian_taps(sigma: float, width: int) -> NDArray[np.float64]:
    """(width,) float64: a Gaussian at whole pixels about the middle one, of sum 1.

    Parameters
    ----------
    sigma : float
        Standard deviation [pixels]; finite, > 0.
    width : int
        Number of pixels; odd.

    Raises
    ------
    OptionError
        A number is not allowed.
    """
    _check_sigma(sigma)
    if not 0 < width <= _WIDEST or width % 2 == 0:
        raise OptionError(f"width: got {width}, must be odd and at most {_WIDEST}")
    return np.array(_core.gaussian_taps(sigma, int(width)))


def convolve_separable(
    pixels: Pixels, taps_y: ArrayLike, taps_x: ArrayLike, *, with_mask: bool = True
) -> Pixels:
    """Image convolved with the outer product of two rows of taps.

    Parameters
    ----------
    pixels : MaskedImage or Image
        float32. NaN and infinities spread to all pixels within the kernel.
    taps_y, taps_x : (ny,) and (nx,) array
        Finite numbers, at least one each. A tap of exactly 0 spreads neither NaN nor mask bits.
    with_mask : bool
        Off: the mask of the result is empty, for those who do not look at it.

    Returns
    -------
    MaskedImage or Image
        As `pixels`, float32, of the box that loses ``(n - 1) // 2`` pixels at the start and
        ``n // 2`` at the stop of each axis. Sums are float64, rounded once. The variance is
        convolved with the squared kernel (covariances do not enter); the mask is the OR of the
        words under the kernel.

    Raises
    ------
    ShapeError
        The image is smaller than the kernel, or the taps are not 1-D.
    OptionError
        A tap is not finite, or the image is not float32.
    """
    rows = [_taps("taps_y", taps_y), _taps("taps_x", taps_x)]
    box = _inside(pixels.box, len(rows[0]), len(rows[1]))
    image = Image(on_large_pages(box.shape, np.float32), box)
    if isinstance(pixels, Image):
        _core.separable((_rows(pixels.array), None, None), *rows, out=(image.array, None, None))
        return image
    make = on_large_pages if with_mask else np.zeros
    words = make(box.shape, np.int32)
    variance = Image(on_large_pages(box.shape, np.float32), box)
    _core.separable(
        (_rows(pixels.image.array), _rows(pixels.mask.array), _rows(pixels.variance.array)),
        *rows,
        out=(image.array, words if with_mask else None, variance.array),
    )
    return MaskedImage(image, Mask(words, box, pixels.planes), variance)


def smooth(
    pixels: MaskedImage, sigma: float, width: int | None = None, *, with_mask: bool = True
) -> MaskedImage:
    """Masked image smoothed by a Gaussian; see `convolve_separable`.

    Parameters
    ----------
    pixels : MaskedImage
        float32.
    sigma : float
        Standard deviation [pixels]; finite, > 0.
    width : int, optional
        Pixels of the kernel along each axis; odd, by default `kernel_width` of `sigma`.
    with_mask : bool
        Off: the mask of the result is empty.

    Raises
    ------
    ShapeError
        The image is smaller than the kernel.
    OptionError
        A number is not allowed.
    """
    taps = gaussian_taps(sigma, kernel_width(sigma) if width is None else width)
    return convolve_separable(pixels, taps, taps, with_mask=with_mask)


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    """Array of contiguous rows: a copy where it is a view with strided columns."""
    return array if array.strides[1] == array.itemsize else np.ascontiguousarray(array)


def _taps(name: str, taps: ArrayLike) -> list[float]:
    array = np.asarray(taps, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(f"{name}: got shape {array.shape}, must be 1-D with at least one number")
    values: list[float] = array.tolist()
    return values


def _inside(box: Box, ny: int, nx: int) -> Box:
    """Pixels under which a whole kernel has data."""
    if box.y.size < ny or box.x.size < nx:
        raise ShapeError(f"image: got shape {box.shape}, must be at least {(ny, nx)} as the kernel")
    sides = ((box.y, ny), (box.x, nx))
    y, x = (Interval(axis.start + (n - 1) // 2, axis.stop - n // 2) for axis, n in sides)
    return Box(y, x)

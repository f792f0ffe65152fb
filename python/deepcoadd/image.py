# SPDX-License-Identifier: BSD-3-Clause
"""Images that know where they lie: a 2-D array with a box, alone or with mask and variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.interop.afw_names import ImageNames, MaskedImageNames
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes

__all__ = ["Image", "MaskedImage"]

Scalar = TypeVar("Scalar", bound=np.generic)


class Image(ImageNames):
    """A 2-D array and the box it covers.

    Parameters
    ----------
    array : (ny, nx) array
        Not copied. Any native-endian numeric dtype; pixels of exposures are float32.
    box : Box, optional
        Where the pixels lie in the parent frame; by default at (0, 0).

    Raises
    ------
    ShapeError
        The array is not 2-D or does not have the shape of the box.
    OptionError
        It is not a numpy array of real numbers of native byte order.
    """

    __slots__ = ("array", "box")

    def __init__(self, array: npt.NDArray[Any], box: Box | None = None) -> None:
        if not isinstance(array, np.ndarray) or np.ma.isMaskedArray(array):
            raise OptionError(f"image: expected a numpy array, got {type(array).__name__}")
        if array.ndim != 2:
            raise ShapeError(f"image: expected a 2-D array, got shape {array.shape}")
        if array.dtype.kind not in "fiub" or not array.dtype.isnative:
            raise OptionError(f"image: expected native numbers, got dtype {array.dtype}")
        self.array = array
        self.box = Box.from_shape(array.shape) if box is None else box
        if self.box.shape != array.shape and not (self.box.is_empty and array.size == 0):
            raise ShapeError(f"image: array of shape {array.shape} for box {self.box}")

    @classmethod
    def full(cls, box: Box, value: float, dtype: npt.DTypeLike = np.float32) -> Image:
        """Image of one value."""
        return cls(np.full(box.shape, value, dtype), box)

    def __getitem__(self, box: Box) -> Image:
        """View of the pixels of `box` (parent coordinates)."""
        return Image(self.array[box.slices_within(self.box)], box)

    def copy(self) -> Image:
        """Copy of the pixels."""
        return Image(self.array.copy(), self.box)

    def __repr__(self) -> str:
        return f"Image(box={self.box}, dtype={self.array.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Image, (self.array, self.box))


class MaskedImage(MaskedImageNames):
    """Image, mask and variance of one box.

    Parameters
    ----------
    image : Image
        float32 pixels; NaN where there is no data.
    mask : Mask
        int32 bit fields.
    variance : Image
        float32, in the square of the unit of the image; +inf where there is no data.

    Raises
    ------
    ShapeError
        The three boxes differ.
    OptionError
        A plane has another dtype.
    """

    __slots__ = ("image", "mask", "variance")

    def __init__(self, image: Image, mask: Mask, variance: Image) -> None:
        for name, part in (("mask", mask), ("variance", variance)):
            if part.box != image.box:
                raise ShapeError(f"{name}: box {part.box}, but the image has {image.box}")
        for name, plane in (("image", image), ("variance", variance)):
            if plane.array.dtype != np.float32:
                raise OptionError(
                    f"{name}: expected float32 of native byte order, got {plane.array.dtype}"
                )
        self.image = image
        self.mask = mask
        self.variance = variance

    @classmethod
    def from_arrays(
        cls,
        image: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        variance: npt.ArrayLike | float | None = None,
        *,
        box: Box | None = None,
        start: tuple[int, int] = (0, 0),
        planes: MaskPlanes = DEFAULT_PLANES,
    ) -> MaskedImage:
        """Masked image of arrays of any numeric dtype, converted where they must be.

        Parameters
        ----------
        image : (ny, nx) array_like
            Pixels; kept without a copy when they are float32 of native byte order. What float32
            cannot hold becomes an infinity.
        mask : (ny, nx) array_like of integer, optional
            Bit fields; no bit set when left out. Of a boolean array True sets bit 0 (BAD).
        variance : (ny, nx) array_like or float, optional
            Variance of the pixels; NaN (unknown) when left out.
        box, start : Box or (y0, x0), optional
            Where the pixels lie.
        planes : MaskPlanes
            Names of the bits.

        Raises
        ------
        ShapeError
            Shapes differ, or an array is not 2-D.
        OptionError
            Pixels are not real numbers, or in a masked array; the mask is not of an integer type,
            or needs more than 32 bits.
        """
        pixels = _plane("image", image, np.float32)
        box = Box.from_shape(pixels.shape, start=start) if box is None else box
        if variance is None or np.ndim(variance) == 0:
            value = np.nan if variance is None else float(variance)  # type: ignore[arg-type]
            spread = np.full(pixels.shape, value, np.float32)
        else:
            spread = _plane("variance", variance, np.float32)
        bits = np.zeros(pixels.shape, np.int32) if mask is None else _mask_plane(mask)
        return cls(Image(pixels, box), Mask(bits, box, planes), Image(spread, box))

    @classmethod
    def no_data(cls, box: Box, planes: MaskPlanes = DEFAULT_PLANES) -> MaskedImage:
        """Masked image of pixels without data: NaN, NO_DATA, variance +inf."""
        mask = Mask.zeros(box, planes)
        mask.array[...] = planes.bitmask("NO_DATA")
        return cls(Image.full(box, np.nan), mask, Image.full(box, np.inf))

    @property
    def box(self) -> Box:
        """Box of the three planes."""
        return self.image.box

    @property
    def planes(self) -> MaskPlanes:
        """Mask dictionary."""
        return self.mask.planes

    def __getitem__(self, box: Box) -> MaskedImage:
        """View of the pixels of `box` (parent coordinates)."""
        return MaskedImage(self.image[box], self.mask[box], self.variance[box])

    def copy(self) -> MaskedImage:
        """Copy of the three planes."""
        return MaskedImage(self.image.copy(), self.mask.copy(), self.variance.copy())

    def __iadd__(self, other: MaskedImage | Image | float) -> MaskedImage:
        """Add; masks are OR-ed and variances added when `other` has them."""
        return self._combine(other, np.add)

    def __isub__(self, other: MaskedImage | Image | float) -> MaskedImage:
        """Subtract; masks are OR-ed and variances *added* when `other` has them."""
        return self._combine(other, np.subtract)

    def __imul__(self, factor: Image | float) -> MaskedImage:
        """Multiply the image by a factor and the variance by its square."""
        scale = self._operand(factor)
        self.image.array *= scale
        self.variance.array *= scale * scale
        return self

    def _combine(
        self, other: MaskedImage | Image | float, operation: Callable[..., Any]
    ) -> MaskedImage:
        if not isinstance(other, MaskedImage):
            operation(self.image.array, self._operand(other), out=self.image.array)
            return self
        self._operand(other.image)
        bits = other.mask.conformed_to(self.planes).array
        operation(self.image.array, other.image.array, out=self.image.array)
        self.mask.array |= bits
        self.variance.array += other.variance.array
        return self

    def _operand(self, other: Image | float) -> Any:
        """Array (or number) to combine with, after a check of the boxes."""
        if not isinstance(other, Image):
            return np.float32(other)
        if other.box.shape != self.box.shape:
            raise ShapeError(f"operand: box {other.box}, but the image has {self.box}")
        return other.array

    def __repr__(self) -> str:
        return f"MaskedImage(box={self.box})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (MaskedImage, (self.image, self.mask, self.variance))


def _plane(name: str, values: npt.ArrayLike, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """2-D array of `dtype`, not copied when it is one already."""
    if np.ma.isMaskedArray(values):
        raise OptionError(f"{name}: masked array; give array.filled(numpy.nan), or its mask apart")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise OptionError(f"{name}: expected numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        raise ShapeError(f"{name}: expected a 2-D array, got shape {array.shape}")
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)


def _mask_plane(values: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Mask words as int32; unsigned 32-bit words keep their bits."""
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise OptionError(f"mask: expected integers, got dtype {array.dtype}")
    if array.dtype.itemsize == 8 and array.size:
        low, high = int(array.min()), int(array.max())
        if low < -(2**31) or high >= 2**32:
            raise OptionError(f"mask: values {low}..{high} need more than 32 bits")
    return _plane("mask", array.astype(np.int32) if array.dtype != np.int32 else array, np.int32)

# SPDX-License-Identifier: BSD-3-Clause
"""Planes as the kernels want them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deepcoadd.image import MaskedImage

__all__ = ["whole_rows", "with_whole_rows"]

_Scalar = TypeVar("_Scalar", bound=np.generic)


def with_whole_rows(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """The array itself if the pixels of a row are neighbours in memory, else a copy."""
    return array if array.strides[1] == array.itemsize else np.ascontiguousarray(array)


def whole_rows(
    pixels: MaskedImage,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Image, mask and variance, each with whole rows."""
    return (
        with_whole_rows(pixels.image.array),
        with_whole_rows(pixels.mask.array),
        with_whole_rows(pixels.variance.array),
    )

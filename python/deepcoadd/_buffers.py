# SPDX-License-Identifier: BSD-3-Clause
"""Memory for pixels that are read strip by strip: used again instead of given back.

An allocator keeps what it frees and hands it out again only where it fits, so that strips of
changing size and threads of their own make a process grow beyond its budget. Whoever works by
strips lends an `Arena` to the thread that reads; files take their arrays from it.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Arena", "empty", "lent", "on_large_pages", "taken"]

_ALIGNMENT = 64
_LARGE_PAGE = 2**21


class Arena:
    """One block of memory that arrays are cut from, one after the other.

    Parameters
    ----------
    size : int
        Bytes; what does not fit is allocated as usual.
    """

    def __init__(self, size: int) -> None:
        self._block = np.empty(max(0, size) + _ALIGNMENT, np.uint8)
        self._first = -self._block.ctypes.data % _ALIGNMENT
        self._used = self._first
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Start again: arrays handed out before will be overwritten."""
        self._used = self._first

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Array of any content; of this memory as long as there is room."""
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        with self._lock:  # several threads may read into one arena
            start, stop = self._used, self._used + n_bytes
            if stop <= self._block.size:
                self._used = stop + -(stop - self._first) % _ALIGNMENT
        if stop > self._block.size:
            return np.empty(shape, dtype)
        return self._block[start:stop].view(dtype).reshape(shape)


def on_large_pages(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Array of any content that begins where a large page of the processor does.

    Systems give memory in such pages where a whole one is asked for, and touching them for the
    first time takes one interruption in place of 512.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < _LARGE_PAGE:
        return np.empty(shape, dtype)
    block = np.empty(n_bytes + _LARGE_PAGE, np.uint8)
    first = -block.ctypes.data % _LARGE_PAGE
    return block[first : first + n_bytes].view(dtype).reshape(shape)


class _Lending(threading.local):
    """Arena of this thread, and whether arrays are to be taken from it."""

    arena: Arena | None = None
    taking = False


_lending = _Lending()


@contextlib.contextmanager
def lent(arena: Arena | None) -> Iterator[None]:
    """Lend an arena to what this thread reads; None lends nothing."""
    before, _lending.arena = _lending.arena, arena
    try:
        yield
    finally:
        _lending.arena = before


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """Take arrays from the arena that was lent: for pixels that nobody keeps."""
    before, _lending.taking = _lending.taking, True
    try:
        yield
    finally:
        _lending.taking = before


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Array of any content, from the arena of this thread where one is lent and taken from."""
    arena = _lending.arena if _lending.taking else None
    return np.empty(shape, dtype) if arena is None else arena.empty(shape, dtype)

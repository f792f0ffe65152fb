# SPDX-License-Identifier: BSD-3-Clause
"""Large images made small enough to look at, tile by tile."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask, MaskPlanes
from deepcoadd.refs import WarpRef
from deepcoadd.spans import SpanSet

__all__ = ["MAX_SIDE", "Preview", "thumbnail"]

MAX_SIDE = 1200
"""Longest side of a picture, in pixels; larger images are averaged in square blocks."""

STRIP_PIXELS = 2**21
"""About as many pixels of an image are looked at (or read) at a time."""


class Preview:
    """Means of square blocks of an image, and where its mask planes are set.

    Parameters
    ----------
    box : Box
        Pixels of the full image.
    max_side : int
        Longest side of the preview; blocks are the smallest that bring the image down to it.

    Notes
    -----
    Tiles are added in any order, and blocks may straddle them. Blocks at the upper edges may be
    smaller than the others.
    """

    def __init__(self, box: Box, *, max_side: int = MAX_SIDE) -> None:
        if max_side < 1:
            raise OptionError(f"max_side = {max_side}: expected at least 1")
        self.box = box
        self.factor = max(1, -(-max(box.shape) // max_side))
        self.shape = (-(-box.y.size // self.factor), -(-box.x.size // self.factor))
        self.planes: dict[str, npt.NDArray[np.bool_]] = {}
        self.counts: dict[str, int] = {}
        self._total = np.zeros(self.shape, np.float64)
        self._count = np.zeros(self.shape, np.int64)

    @classmethod
    def of(cls, image: Image | MaskedImage, *, max_side: int = MAX_SIDE) -> Preview:
        """Preview of an image in memory, with its mask if it has one."""
        out = cls(image.box, max_side=max_side)
        if isinstance(image, MaskedImage):
            out.add(image.image)
            out.add_mask(image.mask)
        else:
            out.add(image)
        return out

    def add(self, tile: Image) -> None:
        """Take in the pixels of a tile; those that are NaN or infinite do not count."""
        for box in _strips(tile.box):
            here, starts = self._blocks(box)
            values = tile[box].array
            finite = np.isfinite(values)
            self._total[here] += _sums(np.where(finite, values, 0.0), starts, np.float64)
            self._count[here] += _sums(finite, starts, np.int64)

    def add_mask(self, tile: Mask) -> None:
        """Take in the mask of a tile; a block has a plane when any of its pixels has."""
        for box in _strips(tile.box):
            here, (starts_y, starts_x) = self._blocks(box)
            words = tile[box]
            used = int(np.bitwise_or.reduce(words.array, axis=None))
            for name in words.planes.names_of(used):
                where = words.has(name)
                rows = np.logical_or.reduceat(where, starts_y, axis=0)
                plane = self.planes.setdefault(name, np.zeros(self.shape, bool))
                plane[here] |= np.logical_or.reduceat(rows, starts_x, axis=1)
                self.counts[name] = self.counts.get(name, 0) + int(np.count_nonzero(where))

    def with_spans(self, name: str, spans: SpanSet) -> Preview:
        """Preview of the same pixels in which a plane is set where `spans` says, and only there."""
        out = copy.copy(self)
        out.planes, out.counts = dict(self.planes), dict(self.counts)
        out.planes.pop(name, None)
        out.counts.pop(name, None)
        planes = MaskPlanes([name])
        for box in _strips(self.box):
            out.add_mask(spans.to_mask(box, name, planes))
        return out

    def minus(self, other: Preview) -> Preview:
        """Preview of the difference; NaN where either has no finite pixel."""
        if (other.box, other.factor) != (self.box, self.factor):
            raise ShapeError(f"preview of {other.box}, but the other one is of {self.box}")
        out = copy.copy(self)
        out._count = np.minimum(self._count, other._count)
        out._total = out._count * np.nan_to_num(self.array - other.array).astype(np.float64)
        return out

    @property
    def array(self) -> npt.NDArray[np.float32]:
        """(ny, nx) float32 array of the means; NaN where a block has no finite pixel."""
        means = self._total / np.maximum(self._count, 1)
        return np.where(self._count > 0, means, np.nan).astype(np.float32)

    def _blocks(self, box: Box) -> tuple[tuple[slice, slice], tuple[Any, Any]]:
        """Blocks that a tile touches, and where in the tile each begins."""
        if not self.box.contains(box):
            raise ShapeError(f"tile {box} is not inside {self.box}")
        slices, starts = [], []
        for axis, outer in ((box.y, self.box.y), (box.x, self.box.x)):
            first = (axis.start - outer.start) // self.factor
            last = -(-(axis.stop - outer.start) // self.factor)
            edges = outer.start + np.arange(first, last) * self.factor - axis.start
            slices.append(slice(first, last))
            starts.append(np.maximum(edges, 0))
        return (slices[0], slices[1]), (starts[0], starts[1])


def _sums(array: npt.NDArray[Any], starts: tuple[Any, Any], dtype: type) -> npt.NDArray[Any]:
    """Sums of the blocks of a tile."""
    rows = np.add.reduceat(array, starts[0], axis=0, dtype=dtype)
    return np.asarray(np.add.reduceat(rows, starts[1], axis=1, dtype=dtype))


def _strips(box: Box) -> Iterator[Box]:
    """Strips of whole rows, small enough that work arrays do not matter."""
    width = max(1, box.x.size)
    return box.tiles((max(1, STRIP_PIXELS // width), width))


def thumbnail(ref: WarpRef, *, max_side: int = 256) -> Preview:
    """Preview of an input (image only), read strip by strip.

    Parameters
    ----------
    ref : WarpRef
        The input.
    max_side : int
        Longest side of the preview.
    """
    out = Preview(ref.box(), max_side=max_side)
    for strip in _strips(out.box):
        out.add(ref.read(strip).image)
    return out

# SPDX-License-Identifier: BSD-3-Clause
"""Integer intervals and boxes in the pixel frame of a tract (the *parent* frame).

Pixel ``i`` is centred on coordinate ``i`` and covers ``[i - 0.5, i + 0.5)``. Axis order is
always y, x.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.interop.afw_names import BoxNames

__all__ = ["COORD_MAX", "YX", "Box", "Interval", "round_half_up"]

COORD_MAX = 2**30
"""Pixels of sets and tables lie between minus this and this."""


class YX(NamedTuple):
    """A pair of numbers, one an axis, in array order."""

    y: int
    x: int


def round_half_up(value: float) -> int:
    """Integer pixel that holds a position: ``floor(value + 0.5)``."""
    return math.floor(value + 0.5)


def _as_int(name: str, value: Any) -> int:
    """Return `value` as an int; refuse what is not a whole number."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(f"{name} = {value!r}: expected a whole number") from None
    if whole != value:
        raise OptionError(f"{name} = {value!r}: expected a whole number")
    return whole


@dataclass(frozen=True, order=True)
class Interval:
    """A run of integers; every empty interval equals ``Interval(0, 0)``.

    Parameters
    ----------
    start, stop : int
        First integer, and one past the last (half-open).
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        start, stop = _as_int("start", self.start), _as_int("stop", self.stop)
        if stop <= start:
            start = stop = 0
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)

    @property
    def min(self) -> int:
        """First integer."""
        return self.start

    @property
    def max(self) -> int:
        """Last integer (inclusive); ``start - 1`` when empty."""
        return self.stop - 1

    @property
    def size(self) -> int:
        """Number of integers."""
        return self.stop - self.start

    def __len__(self) -> int:
        return self.size

    def __and__(self, other: Interval) -> Interval:
        return Interval(max(self.start, other.start), min(self.stop, other.stop))

    def hull(self, other: Interval) -> Interval:
        """Smallest interval that holds both."""
        if not self.size or not other.size:
            return self if self.size else other
        return Interval(min(self.start, other.start), max(self.stop, other.stop))

    def contains(self, other: Interval | float) -> bool:
        """Whether an interval, or the pixel a position falls in, lies wholly inside.

        Every interval contains the empty one; no interval contains NaN.
        """
        if isinstance(other, Interval):
            return not other.size or (self.start <= other.start and other.stop <= self.stop)
        return self.start - 0.5 <= other < self.stop - 0.5

    def dilated_by(self, n: int) -> Interval:
        """Interval with both ends moved out by `n` (in, when negative); empty stays empty."""
        return Interval(self.start - n, self.stop + n) if self.size else self

    def shifted_by(self, n: int) -> Interval:
        """Interval moved by `n`; empty stays empty."""
        return Interval(self.start + n, self.stop + n) if self.size else self


@dataclass(frozen=True)
class Box(BoxNames):
    """A rectangle of pixels; empty along one axis means empty along both.

    Parameters
    ----------
    y, x : Interval
        Rows and columns, in the parent frame.

    Examples
    --------
    >>> box = Box.from_shape((2, 3), start=(10, -1))
    >>> box.shape, box.y.min, box.x.max
    ((2, 3), 10, 1)
    """

    y: Interval
    x: Interval

    def __post_init__(self) -> None:
        for name, part in (("y", self.y), ("x", self.x)):
            if not isinstance(part, Interval):
                raise OptionError(f"{name} = {part!r}: expected an Interval; see Box.from_shape")
        if not self.y.size or not self.x.size:
            object.__setattr__(self, "y", Interval(0, 0))
            object.__setattr__(self, "x", Interval(0, 0))

    @classmethod
    def from_shape(cls, shape: tuple[int, int], *, start: tuple[int, int] = (0, 0)) -> Box:
        """Box of `shape` (ny, nx) whose first pixel is `start` (y0, x0)."""
        (ny, nx), (y0, x0) = shape, start
        return cls(Interval(y0, y0 + ny), Interval(x0, x0 + nx))

    @classmethod
    def from_corners(cls, *, x0: int, y0: int, x1: int, y1: int) -> Box:
        """Box from its first and last pixel, both *inclusive*."""
        return cls(Interval(y0, y1 + 1), Interval(x0, x1 + 1))

    @classmethod
    def empty(cls) -> Box:
        """Return the box without pixels."""
        return cls(Interval(0, 0), Interval(0, 0))

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return (self.y.size, self.x.size)

    @property
    def start(self) -> YX:
        """First pixel (y0, x0)."""
        return YX(self.y.start, self.x.start)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.y.size * self.x.size

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel."""
        return self.area == 0

    @property
    def center(self) -> tuple[float, float]:
        """Position (y, x) of the middle of the box, in pixels."""
        return (0.5 * (self.y.min + self.y.max), 0.5 * (self.x.min + self.x.max))

    def __and__(self, other: Box) -> Box:
        return Box(self.y & other.y, self.x & other.x)

    def hull(self, other: Box) -> Box:
        """Smallest box that holds both."""
        return Box(self.y.hull(other.y), self.x.hull(other.x))

    def contains(self, other: Box) -> bool:
        """Whether `other` lies wholly inside; every box contains the empty one."""
        if other.is_empty:
            return True
        return self.y.contains(other.y) and self.x.contains(other.x)

    def contains_point(self, *, y: float, x: float) -> bool:
        """Whether a position falls in the box; the upper edges are outside."""
        return self.y.contains(y) and self.x.contains(x)

    def overlaps(self, other: Box) -> bool:
        """Whether there is a common pixel."""
        return not (self & other).is_empty

    def dilated_by(self, n: int) -> Box:
        """Box grown by `n` pixels on each side (shrunk, when negative)."""
        return Box(self.y.dilated_by(n), self.x.dilated_by(n))

    def shifted_by(self, *, y: int = 0, x: int = 0) -> Box:
        """Box moved by whole pixels."""
        return Box(self.y.shifted_by(y), self.x.shifted_by(x))

    def slices_within(self, outer: Box) -> tuple[slice, slice]:
        """Array slices of this box in an array that covers `outer`.

        Raises
        ------
        ShapeError
            A pixel of this box lies outside `outer`.
        """
        if not outer.contains(self):
            raise ShapeError(f"box {self} is not inside {outer}")
        if self.is_empty:
            return (slice(0, 0), slice(0, 0))
        (y0, x0), (oy, ox) = self.start, outer.start
        return (
            slice(y0 - oy, y0 - oy + self.y.size),
            slice(x0 - ox, x0 - ox + self.x.size),
        )

    def tiles(self, shape: tuple[int, int]) -> Iterator[Box]:
        """Row-major tiles of at most `shape` (ny, nx), counted from the first pixel.

        Raises
        ------
        OptionError
            A side of `shape` is below one.
        """
        ny, nx = (_as_int("tile side", side) for side in shape)
        if ny < 1 or nx < 1:
            raise OptionError(f"tile shape {(ny, nx)}: both sides must be at least 1")
        for y0 in range(self.y.start, self.y.stop, ny):
            for x0 in range(self.x.start, self.x.stop, nx):
                yield Box.from_shape((ny, nx), start=(y0, x0)) & self

    def __str__(self) -> str:
        if self.is_empty:
            return "[empty]"
        return f"[y={self.y.min}..{self.y.max}, x={self.x.min}..{self.x.max}]"

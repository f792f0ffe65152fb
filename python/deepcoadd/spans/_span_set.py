# SPDX-License-Identifier: BSD-3-Clause
"""The pixel set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._checks import instance, number
from deepcoadd._core import spans as _core
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.interop.afw_names import SpanSetNames
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes
from deepcoadd.spans._arguments import (
    Bits,
    Stencil,
    bits_of,
    bounds_of,
    box_of,
    check_mask,
    first_pixel,
    start_of,
    stencil_of,
    whole,
)

__all__ = ["Moments", "Span", "SpanSet"]

# Pixels of a hull that `transformed_by` looks at in one go, and at most.
_CHUNK, _MOST = 1 << 20, 1 << 31

Transform = Callable[
    [NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]
]


class Span(NamedTuple):
    """A run of pixels of row y, from column x0 to x1, both inclusive."""

    y: int
    x0: int
    x1: int


class Moments(NamedTuple):
    """Second moments in pixels squared."""

    xx: float
    yy: float
    xy: float


def _rows(spans: ArrayLike) -> NDArray[np.int32]:
    """(n, 3) int32 array; refuse what does not fit."""
    try:
        table = np.asarray(spans)
    except ValueError:
        raise ShapeError("spans: got rows of different lengths, must be (n, 3)") from None
    if table.size == 0:
        return np.empty((0, 3), np.int32)
    if table.dtype.kind not in "iu":
        raise OptionError(f"spans: got dtype {table.dtype}, must be integers")
    if table.ndim != 2:
        raise ShapeError(f"spans: got shape {table.shape}, must be (n, 3)")
    limits = np.iinfo(np.int32)
    if table.dtype != np.int32 and (table.min() < limits.min or table.max() > limits.max):
        raise OptionError("spans: got coordinates that need more than 32 bits")
    return table.astype(np.int32, copy=False)


def _coordinates(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """(n,) int64 array; refuse what is not a list of whole numbers."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"{name}: got shape {array.shape}, must be (n,)")
    if array.dtype.kind not in "iu" and array.size:
        raise OptionError(f"{name}: got dtype {array.dtype}, must be integers")
    if array.dtype == np.uint64:  # those beyond int64 are in no set, like those at its end
        array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
    return np.asarray(array, np.int64)


def _positions(
    name: str, transform: Transform, y: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a transform makes of positions; refuse what is no position for each."""
    made = transform(y, x)
    if isinstance(made, tuple | list) and len(made) == 2:
        rows, columns = (np.asarray(one, np.float64) for one in made)
        if rows.shape == columns.shape == y.shape:
            return rows, columns
    raise ShapeError(f"{name}: must return two arrays y, x of shape {y.shape}, as it is given")


class SpanSet(SpanSetNames):
    """An immutable set of pixels, held as maximal runs sorted by row and column.

    Sets support ``|``, ``&``, ``-``, ``^``, ``==``, ``<=`` (is a subset), ``bool`` (has pixels)
    and hashing; iterating gives the runs and ``len`` their number, `area` is the number of pixels.

    Parameters
    ----------
    spans : (n, 3) array_like of int, optional
        Rows (y, x0, x1), both columns inclusive, in any order; they may overlap. Without it the
        set is empty.

    Raises
    ------
    OptionError
        x1 < x0, a coordinate beyond 2**30, or numbers that are not integers.
    ShapeError
        Not three columns.

    Examples
    --------
    >>> a = SpanSet([(1, 0, 3), (1, 5, 7)])
    >>> (a & SpanSet([(1, 2, 6)])).spans.tolist()
    [[1, 2, 3], [1, 5, 6]]
    """

    __slots__ = ("_set",)
    _set: _core.SpanSet

    def __init__(self, spans: ArrayLike = ()) -> None:
        self._set = _core.SpanSet(_rows(spans))

    @classmethod
    def _wrap(cls, core: _core.SpanSet) -> SpanSet:
        new = cls.__new__(cls)
        new._set = core
        return new

    @classmethod
    def from_box(cls, box: Box) -> SpanSet:
        """Pixels of a box of at most 2**24 rows."""
        return cls._wrap(_core.SpanSet.from_box(bounds_of("box", box)))

    @classmethod
    def from_shape(
        cls, radius: int, stencil: Stencil = "circle", *, y: int = 0, x: int = 0
    ) -> SpanSet:
        """Disc (dx**2 + dy**2 <= radius**2), diamond or square of a radius about (y, x)."""
        y, x = whole("y", y), whole("x", x)
        core = _core.SpanSet.from_stencil(whole("radius", radius), stencil_of(stencil), y, x)
        return cls._wrap(core)

    @classmethod
    def from_ellipse(
        cls, a: float, b: float, theta: float = 0.0, *, y: float = 0.0, x: float = 0.0
    ) -> SpanSet:
        """Pixels whose centres lie in an ellipse.

        Parameters
        ----------
        a, b : float
            Semi-axes [pixel].
        theta : float
            Angle of `a` from the x axis towards the y axis [rad].
        y, x : float
            Centre.
        """
        c, s = math.cos(theta), math.sin(theta)
        a2, b2 = a * a, b * b
        xx, yy = a2 * c * c + b2 * s * s, a2 * s * s + b2 * c * c
        return cls._wrap(_core.SpanSet.from_ellipse(xx, yy, (a2 - b2) * c * s, y, x))

    @classmethod
    def from_mask(cls, mask: Mask, bits: Bits | None = None) -> SpanSet:
        """Pixels of a mask that have any of the bits or planes (any bit at all: None)."""
        check_mask(mask)
        word = -1 if bits is None else bits_of(mask, bits)
        return cls._wrap(_core.SpanSet.from_mask(mask.array, word, start_of("mask", mask.box)))

    @classmethod
    def from_array(cls, array: NDArray[np.bool_], *, start: tuple[int, int] = (0, 0)) -> SpanSet:
        """True pixels of a 2-D boolean array whose first pixel is `start` (y0, x0)."""
        return cls._wrap(_core.SpanSet.from_flags(array, first_pixel(start)))

    @classmethod
    def from_labels(
        cls, labels: NDArray[np.uint32], *, start: tuple[int, int] = (0, 0)
    ) -> dict[int, SpanSet]:
        """Pixels of each label > 0 of a (ny, nx) uint32 image whose first pixel is `start`."""
        found = _core.sets_from_labels(labels, first_pixel(start))
        return {label: cls._wrap(core) for label, core in found}

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self._set.area

    @property
    def box(self) -> Box:
        """Smallest box that holds the set."""
        return box_of(self._set.bounds)

    @property
    def spans(self) -> NDArray[np.int32]:
        """(n, 3) int32: rows (y, x0, x1), both columns inclusive; a copy."""
        return self._set.spans()

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel."""
        return not self._set.area

    @property
    def is_contiguous(self) -> bool:
        """Whether there is at most one 4-connected component."""
        return self._set.is_contiguous(4)

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean (y, x) of the pixel centres; NaN when empty."""
        return self._set.centroid()

    @property
    def moments(self) -> Moments:
        """Second moments about the centroid; NaN when empty."""
        return Moments(*self._set.moments())

    def __len__(self) -> int:
        return self._set.n_spans()

    def __iter__(self) -> Iterator[Span]:
        return (Span(*row) for row in self.spans.tolist())

    def __bool__(self) -> bool:
        return not self.is_empty

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpanSet) and self._set.equals(other._set)

    def __hash__(self) -> int:
        return hash((self.area, self.spans.tobytes()))

    def __repr__(self) -> str:
        return f"SpanSet(box={self.box}, area={self.area}, spans={len(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (SpanSet, (self.spans,))

    def __or__(self, other: SpanSet) -> SpanSet:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._wrap(self._set.union(other._set))

    def __and__(self, other: SpanSet) -> SpanSet:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._wrap(self._set.intersection(other._set))

    def __sub__(self, other: SpanSet) -> SpanSet:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._wrap(self._set.difference(other._set))

    def __xor__(self, other: SpanSet) -> SpanSet:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._wrap(self._set.symmetric_difference(other._set))

    def __le__(self, other: SpanSet) -> bool:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._set.common_area(other._set) == self.area

    def union(self, other: SpanSet | Mask, bits: Bits | None = None) -> SpanSet:
        """Pixels of either; of a mask those that have any of the bits (any at all: None)."""
        return self | _operand(other, bits)

    def intersect(self, other: SpanSet | Mask, bits: Bits | None = None) -> SpanSet:
        """Pixels of both; of a mask those that have any of the bits (any at all: None)."""
        return self & _operand(other, bits)

    def intersect_not(self, other: SpanSet | Mask, bits: Bits | None = None) -> SpanSet:
        """Pixels that are not in `other`; with a mask only pixels inside its box remain."""
        inside = self.clipped_to(other.box) if isinstance(other, Mask) else self
        return inside - _operand(other, bits)

    def overlaps(self, other: SpanSet) -> bool:
        """Whether there is a common pixel."""
        return self._set.overlaps(_operand(other, None)._set)

    def common_area(self, other: SpanSet) -> int:
        """Number of common pixels."""
        return self._set.common_area(_operand(other, None)._set)

    def contains(self, other: SpanSet) -> bool:
        """Whether all pixels of `other` are in this set; *False* for an empty `other`."""
        return self._set.contains(_operand(other, None)._set)

    def contains_point(self, *, y: int, x: int) -> bool:
        """Whether a pixel is in the set."""
        return bool(self.contains_points(y=[y], x=[x])[0])

    def contains_points(self, *, y: ArrayLike, x: ArrayLike) -> NDArray[np.bool_]:
        """(n,) bool: whether each of the pixels (n,) y, x is in the set."""
        return self._set.contains_pixels(_coordinates("y", y), _coordinates("x", x))

    def split(self, connectivity: int = 4) -> list[SpanSet]:
        """Connected components by first pixel (of an empty set: one empty set).

        With `connectivity` 4 pixels touch along a side, with 8 also at a corner.
        """
        return [self._wrap(part) for part in self._set.split(whole("connectivity", connectivity))]

    def _element(self, shape: int | SpanSet, stencil: Stencil) -> _core.SpanSet:
        if isinstance(shape, SpanSet):
            return shape._set
        return _core.SpanSet.from_stencil(whole("radius", shape), stencil_of(stencil), 0, 0)

    def dilated(self, shape: int | SpanSet, stencil: Stencil = "circle") -> SpanSet:
        """Minkowski sum with a stencil of a radius, or with a set (an empty one: no change)."""
        return self._wrap(self._set.dilated(self._element(shape, stencil)))

    def eroded(self, shape: int | SpanSet, stencil: Stencil = "circle") -> SpanSet:
        """Pixels p for which p + B lies in the set; B as in `dilated` (an empty one: no change)."""
        return self._wrap(self._set.eroded(self._element(shape, stencil)))

    def edge_pixels(self) -> SpanSet:
        """Pixels that have a 4-neighbour outside the set."""
        return self._wrap(self._set.edge_pixels())

    def shifted_by(self, *, y: int = 0, x: int = 0) -> SpanSet:
        """Set moved by whole pixels."""
        return self._wrap(self._set.shifted(whole("y", y), whole("x", x)))

    def clipped_to(self, box: Box) -> SpanSet:
        """Pixels inside a box."""
        return self._wrap(self._set.clipped(bounds_of("box", box)))

    def transformed_by(self, forward: Transform, inverse: Transform) -> SpanSet:
        """Pixels whose positions an inverse transform brings into this set.

        Parameters
        ----------
        forward, inverse : callable
            Take and return float64 arrays y, x of positions. `forward` bounds the result (by the
            corners of `box`), `inverse` decides for each pixel.

        Returns
        -------
        SpanSet
            Empty if `inverse` does not bring the corners back to within one pixel.

        Raises
        ------
        ShapeError
            A transform does not return two arrays of the shape it is given.
        OptionError
            The box of the result has more than 2**31 pixels, or lies beyond 2**30.
        """
        if self.is_empty:
            return self
        box = self.box
        y = np.array([box.y.min, box.y.min, box.y.max, box.y.max], float)
        x = np.array([box.x.min, box.x.max, box.x.min, box.x.max], float)
        corners = _positions("forward", forward, y, x)
        if not np.isfinite(corners).all():
            return SpanSet()
        back = _positions("inverse", inverse, *corners)
        if not max(np.abs(back[0] - y).max(), np.abs(back[1] - x).max()) <= 1.0:
            return SpanSet()
        low = [math.ceil(v.min() - 0.5) for v in corners]
        high = [math.floor(v.max() + 0.5) for v in corners]
        hull = Box.from_corners(y0=low[0], x0=low[1], y1=high[0], x1=high[1])
        if hull.area > _MOST:
            raise OptionError(f"forward: got a result in {hull}, must be at most {_MOST} pixels")
        parts = []
        rows = max(1, _CHUNK // max(hull.x.size, 1))
        for tile in hull.tiles((rows, max(hull.x.size, 1))):
            grid = np.mgrid[tile.y.start : tile.y.stop, tile.x.start : tile.x.stop].astype(float)
            found = _positions("inverse", inverse, grid[0], grid[1])
            source = [np.floor(v.ravel() + 0.5) for v in found]
            known = np.isfinite(source[0]) & np.isfinite(source[1])
            near = [np.where(known, v, 2.0**31).clip(-(2.0**31), 2.0**31) for v in source]
            inside = self.contains_points(y=near[0].astype(np.int64), x=near[1].astype(np.int64))
            parts.append(SpanSet.from_array(inside.reshape(tile.shape), start=tile.start).spans)
        return SpanSet(np.concatenate(parts)) if parts else SpanSet()

    def indices(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """int32 arrays (y, x) of all pixels, in the order of the runs."""
        return self._set.indices()

    def _local(self, box: Box) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Indices into an array that covers `box`, which must hold the set."""
        if not box.contains(self.box):
            raise ShapeError(f"image: got {box}, must hold the pixels in {self.box}")
        y0, x0 = start_of("image", box)
        y, x = self._set.shifted(-y0, -x0).indices()
        return y, x

    def flatten(self, image: Image | Mask) -> NDArray[Any]:
        """(area,) values of an image at the pixels of the set, all of which must lie in it."""
        instance("image", image, Mask if isinstance(image, Mask) else Image)
        return np.asarray(image.array[self._local(image.box)])

    def unflatten(self, values: ArrayLike, fill: float = 0) -> Image:
        """Image over `box` with (area,) values at the pixels of the set and `fill` elsewhere."""
        flat = np.asarray(values)
        if flat.shape != (self.area,):
            raise ShapeError(f"values: got shape {flat.shape}, must be {(self.area,)}")
        out = np.full(self.box.shape, _as_pixel("fill", fill, flat.dtype), flat.dtype)
        out[self._local(self.box)] = flat
        return Image(out, self.box)

    def as_array(self, box: Box | None = None) -> NDArray[np.bool_]:
        """(ny, nx) bool image of a box (default: that of the set): True at pixels of the set."""
        box = self.box if box is None else box
        out = np.zeros(box.shape, bool)
        self._set.flag(out, start_of("box", box))
        return out

    def to_mask(self, box: Box, bits: Bits, planes: MaskPlanes = DEFAULT_PLANES) -> Mask:
        """Mask of a box with bits or planes set at the pixels of the set inside it."""
        mask = Mask.zeros(instance("box", box, Box), planes)
        self.clipped_to(box).set_mask(mask, bits)
        return mask

    def set_mask(self, mask: Mask, bits: Bits) -> None:
        """Set bits or planes at all pixels, in place; ShapeError if one lies outside the mask."""
        word = bits_of(check_mask(mask), bits)
        self._set.change_mask(mask.array, start_of("mask", mask.box), word, 0)

    def clear_mask(self, mask: Mask, bits: Bits) -> None:
        """Clear bits or planes at all pixels, in place; ShapeError if one lies outside."""
        word = bits_of(check_mask(mask), bits)
        self._set.change_mask(mask.array, start_of("mask", mask.box), 0, word)

    def set_image(
        self, image: Image, value: float, region: Box | None = None, *, clip: bool = False
    ) -> None:
        """Set the pixels of the set (those inside `region`) to a value, in place.

        Raises
        ------
        ShapeError
            A pixel lies outside the image and `clip` is off.
        OptionError
            Pixels of the image cannot hold the value.
        """
        instance("image", image, Mask if isinstance(image, Mask) else Image)
        part = self if region is None else self.clipped_to(region)
        part = part.clipped_to(image.box) if clip else part
        image.array[part._local(image.box)] = _as_pixel("value", value, image.array.dtype)

    def count(self, mask: Mask, any_of: Bits = 0, none_of: Bits = 0) -> int:
        """Number of pixels inside the mask with any of some bits (0: all) and none of others."""
        words = bits_of(check_mask(mask), any_of), bits_of(mask, none_of)
        return self._set.count(mask.array, start_of("mask", mask.box), *words)


def _as_pixel(name: str, value: float, dtype: np.dtype[Any]) -> float:
    """Return a value; refuse one that pixels of a type cannot hold."""
    if dtype.kind in "iu":
        number(name, value)
        limits = np.iinfo(dtype)
        if not (limits.min <= value <= limits.max and float(value).is_integer()):
            raise OptionError(f"{name}: got {value}, must be a whole number that {dtype} holds")
    return value


def _operand(other: SpanSet | Mask, bits: Bits | None) -> SpanSet:
    """Set that an argument stands for."""
    if isinstance(other, Mask):
        return SpanSet.from_mask(other, bits)
    if bits is not None:
        raise OptionError(f"bits: got {bits!r}, must be None beside a SpanSet")
    return instance("other", other, SpanSet)

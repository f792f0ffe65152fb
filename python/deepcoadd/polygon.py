# SPDX-License-Identifier: BSD-3-Clause
"""Polygons in pixel coordinates: where a detector, a PSF or a warp is valid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import Image

__all__ = ["Polygon", "SinglePolygonError"]

Point = tuple[float, float]


class SinglePolygonError(NoDataError):
    """An intersection is empty, or is of several polygons where one is needed."""


@dataclass(frozen=True)
class Polygon:
    """A simple polygon (its edges do not cross), convex or not.

    Parameters
    ----------
    vertices : tuple of (float, float)
        Positions (y, x) in order, either way round; a closing copy of the first is dropped.

    Raises
    ------
    OptionError
        Fewer than three vertices, or one that is not finite.
    """

    vertices: tuple[Point, ...]

    def __post_init__(self) -> None:
        points = [(float(y), float(x)) for y, x in self.vertices]
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()
        if len(points) < 3:
            raise OptionError(f"polygon of {len(points)} vertices; at least 3 are needed")
        if not all(math.isfinite(value) for point in points for value in point):
            raise OptionError(f"polygon: a vertex is not finite: {points}")
        object.__setattr__(self, "vertices", tuple(points))

    @classmethod
    def from_box(cls, box: Box) -> Polygon:
        """Outline of the pixels of a box.

        Raises
        ------
        NoDataError
            The box is empty.
        """
        if box.is_empty:
            raise NoDataError("the outline of an empty box")
        y0, y1 = box.y.start - 0.5, box.y.stop - 0.5
        x0, x1 = box.x.start - 0.5, box.x.stop - 0.5
        return cls(((y0, x0), (y0, x1), (y1, x1), (y1, x0)))

    @property
    def area(self) -> float:
        """Area in pixels."""
        return abs(_signed_area(self.vertices))

    @property
    def bounds(self) -> tuple[Point, Point]:
        """Least and largest (y, x) of the vertices."""
        ys, xs = zip(*self.vertices, strict=True)
        return (min(ys), min(xs)), (max(ys), max(xs))

    @property
    def box(self) -> Box:
        """Smallest box whose pixels cover the polygon."""
        (y0, x0), (y1, x1) = self.bounds
        return Box.from_corners(
            y0=math.floor(y0 + 0.5),
            x0=math.floor(x0 + 0.5),
            y1=math.ceil(y1 - 0.5),
            x1=math.ceil(x1 - 0.5),
        )

    def contains(self, *, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether positions lie strictly inside; the boundary is outside. The arrays broadcast."""
        py, px = np.broadcast_arrays(np.asarray(y, float), np.asarray(x, float))
        inside = np.zeros(py.shape, bool)
        on_edge = np.zeros(py.shape, bool)
        for (y0, x0), (y1, x1) in _edges(self.vertices):
            cross = (x1 - x0) * (py - y0) - (y1 - y0) * (px - x0)
            within = (
                (py >= min(y0, y1))
                & (py <= max(y0, y1))
                & (px >= min(x0, x1))
                & (px <= max(x0, x1))
            )
            on_edge |= (cross == 0) & within
            spans = (y0 > py) != (y1 > py)
            # The edge lies to the right of the point: the sign of `cross` follows its direction.
            inside ^= spans & ((cross > 0) == (y1 < y0)) & (cross != 0)
        return inside & ~on_edge

    def transformed(self, move: Callable[[Any, Any], tuple[Any, Any]]) -> Polygon:
        """Polygon whose vertices are ``move(y, x)`` of these (arrays in, arrays out)."""
        ys, xs = (np.array(values) for values in zip(*self.vertices, strict=True))
        new_ys, new_xs = move(ys, xs)
        return Polygon(tuple(zip(new_ys, new_xs, strict=True)))

    def intersection(self, box: Box) -> Polygon:
        """Part inside the pixels of a box.

        Raises
        ------
        SinglePolygonError
            Nothing is left, or more than one piece.
        """
        y0, y1 = box.y.start - 0.5, box.y.stop - 0.5
        x0, x1 = box.x.start - 0.5, box.x.stop - 0.5
        pieces = [list(self.vertices)] if not box.is_empty else []
        for axis, bound, sign in ((0, y0, 1), (0, y1, -1), (1, x0, 1), (1, x1, -1)):
            pieces = [part for piece in pieces for part in _cut(piece, axis, bound, sign)]
        pieces = [piece for piece in pieces if _signed_area(piece) != 0]
        if len(pieces) != 1:
            raise SinglePolygonError(
                f"the polygon meets box {box} in {len(pieces)} pieces; one is needed"
            )
        return Polygon(tuple(pieces[0]))

    def coverage(self, box: Box) -> Image:
        """float32 image of the share of each pixel (0 to 1) that lies inside."""
        ny, nx = box.shape
        # Signed areas: each edge adds, in its row, the area between it and the right border.
        buffer = np.zeros((ny, nx + 2))
        for (y0, x0), (y1, x1) in _edges(self.vertices):
            _add_edge(
                buffer,
                (y0 - box.y.start + 0.5, x0 - box.x.start + 0.5),
                (y1 - box.y.start + 0.5, x1 - box.x.start + 0.5),
            )
        share = np.abs(np.cumsum(buffer, axis=1)[:, :nx])
        # Rounding of the sums leaves 1e-16 where there is nothing.
        share[share < 1e-12] = 0.0
        return Image(np.minimum(share, 1.0).astype(np.float32), box)


def _edges(points: Sequence[Point]) -> zip[tuple[Point, Point]]:
    return zip(points, [*points[1:], points[0]], strict=True)


def _signed_area(points: Sequence[Point]) -> float:
    return 0.5 * math.fsum(x0 * y1 - x1 * y0 for (y0, x0), (y1, x1) in _edges(points))


def _cut(points: list[Point], axis: int, bound: float, sign: int) -> list[list[Point]]:
    """Pieces of a simple polygon on one side of a line along an axis.

    The chains of vertices inside start and end on the line. Along the line the crossings alternate
    between outside and inside of the polygon, so that crossings 0 and 1, 2 and 3, ... are joined.
    """
    inside = [sign * (point[axis] - bound) >= 0 for point in points]
    if all(inside):
        return [points]
    if not any(inside):
        return []
    # Start outside, so that every chain is met as a whole.
    start = inside.index(False)
    points, inside = points[start:] + points[:start], inside[start:] + inside[:start]
    chains: list[list[Point]] = []
    for i, point in enumerate(points):
        following = (i + 1) % len(points)
        if inside[i]:
            chains[-1].append(point)
        if inside[i] != inside[following]:
            crossing = _crossing(point, points[following], axis, bound)
            if inside[i]:
                chains[-1].append(crossing)
            else:
                chains.append([crossing])
    return _joined(chains, 1 - axis)


def _crossing(a: Point, b: Point, axis: int, bound: float) -> Point:
    """Point of a segment on the line."""
    t = (bound - a[axis]) / (b[axis] - a[axis])
    other = a[1 - axis] + t * (b[1 - axis] - a[1 - axis])
    return (bound, other) if axis == 0 else (other, bound)


def _joined(chains: list[list[Point]], along: int) -> list[list[Point]]:
    """Closed pieces of chains whose ends lie on one line."""
    ends = sorted(
        (
            (chain[last][along], number, last)
            for number, chain in enumerate(chains)
            for last in (0, -1)
        ),
    )
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for (_, n, n_end), (_, m, m_end) in zip(ends[::2], ends[1::2], strict=True):
        partner[n, n_end], partner[m, m_end] = (m, m_end), (n, n_end)
    pieces: list[list[Point]] = []
    left = set(range(len(chains)))
    while left:
        number = first = min(left)
        piece: list[Point] = []
        while True:
            left.discard(number)
            piece += chains[number]
            number, _ = partner[number, -1]
            # The second test ends the walk when edges cross, for which the pairs are no ring.
            if number == first or number not in left:
                break
        pieces.append(piece)
    return pieces


def _add_edge(buffer: npt.NDArray[np.float64], a: Point, b: Point) -> None:
    """Add the area to the right of an edge, row by row; pixel (i, j) is [i, i+1) x [j, j+1)."""
    ny, width = buffer.shape
    sign = 1.0 if b[0] > a[0] else -1.0
    (y0, x0), (y1, x1) = (a, b) if sign > 0 else (b, a)
    if y0 == y1:
        return
    slope = (x1 - x0) / (y1 - y0)
    for row in range(max(0, math.floor(y0)), min(ny, math.ceil(y1))):
        top, bottom = max(y0, float(row)), min(y1, row + 1.0)
        if bottom <= top:
            continue
        left, right = x0 + (top - y0) * slope, x0 + (bottom - y0) * slope
        _add_span(buffer[row], min(left, right), max(left, right), sign * (bottom - top), width - 2)


def _add_span(
    row: npt.NDArray[np.float64], left: float, right: float, height: float, n: int
) -> None:
    """Add to one row the area right of a segment from `left` to `right` of a given height."""
    left_in, right_in = min(max(left, 0.0), float(n)), min(max(right, 0.0), float(n))
    if right - left < 1e-12:
        _add_vertical(row, left_in, height)
        return
    density = height / (right - left)
    # Parts beyond the sides count as vertical there.
    row[0] += density * max(0.0, min(right, 0.0) - left)
    position = left_in
    while position < right_in:
        column = math.floor(position)
        stop = min(right_in, column + 1.0)
        part = density * (stop - position)
        middle = 0.5 * (position + stop) - column
        row[column] += part * (1.0 - middle)
        row[column + 1] += part * middle
        position = stop


def _add_vertical(row: npt.NDArray[np.float64], position: float, height: float) -> None:
    column = math.floor(position)
    inside = position - column
    row[column] += height * (1.0 - inside)
    row[column + 1] += height * inside

# SPDX-License-Identifier: BSD-3-Clause
"""Coordinate maps that are kept as text of the Starlink AST library.

Archives of the Rubin pipelines hold their WCS and transforms so. Decoded are the maps that such
WCS are made of: matrices, shifts, polynomials, spheres, the gnomonic projection. A map may be
inverted as a whole (`Invert`, which counts only for the outermost one) or inside of a compound
(`InvA`, `InvB`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import FileFormatError
from deepcoadd.psf._transforms import (
    AffineTransform,
    Pair,
    Values,
    register_sky_map,
    register_transform,
)

__all__ = ["StarlinkSky", "StarlinkTransform"]

Points = list[Values]
"""Coordinates of points, one array an axis."""

_NEWTON_STEPS = 30


@dataclass
class _Node:
    """An object of the text: its class, and its values (texts or objects) by name."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: float = 0.0) -> float:
        return float(self.values.get(name, default))

    def integer(self, name: str, default: int = 0) -> int:
        return int(float(self.values.get(name, default)))

    def row(self, name: str, n: int, default: float = 0.0) -> Values:
        """Numbers ``name1`` to ``name<n>``."""
        return np.array([self.number(f"{name}{i}", default) for i in range(1, n + 1)])


def _parsed(text: str) -> _Node:
    """Outermost object of a text.

    Raises
    ------
    FileFormatError
        The text ends too early or is none of this kind.
    """
    start = text.find("Begin ")
    if start < 0:
        raise FileFormatError("a coordinate map without Begin")
    lines = (line.strip() for line in text[start:].splitlines())
    try:
        return _object(next(lines).split()[1], lines)
    except (StopIteration, IndexError):
        raise FileFormatError("a coordinate map whose text ends too early") from None


def _object(kind: str, lines: Iterator[str]) -> _Node:
    node = _Node(kind)
    pending = ""
    while True:
        line = next(lines)
        if line.startswith("End "):
            return node
        if line.startswith("Begin "):
            node.values[pending] = _object(line.split()[1], lines)
        elif "=" in line and not line.startswith("#"):
            name, _, value = (part.strip() for part in line.partition("="))
            pending = name
            if value:
                node.values[name] = value.strip('"')


def _mapped(node: _Node, points: Points, *, inverse: bool) -> Points:
    """Points that a map makes of points."""
    if node.kind not in _MAPS:
        raise FileFormatError(f"a coordinate map of class {node.kind} is not decoded")
    return _MAPS[node.kind](node, points, inverse)


def _compound(node: _Node, points: Points, inverse: bool) -> Points:
    """Two maps, one after the other or side by side."""
    flags = bool(node.integer("InvA")), bool(node.integer("InvB"))
    parts = node.values["MapA"], node.values["MapB"]
    if not node.integer("Series", 1):
        # As many axes as the first one takes, then the rest.
        n = parts[0].integer("Nin", 2)
        if flags[0] != inverse:
            n = parts[0].integer("Nout", n)
        first = _mapped(parts[0], points[:n], inverse=flags[0] != inverse)
        return first + _mapped(parts[1], points[n:], inverse=flags[1] != inverse)
    order = (1, 0) if inverse else (0, 1)
    for i in order:
        points = _mapped(parts[i], points, inverse=flags[i] != inverse)
    return points


def _unit(node: _Node, points: Points, inverse: bool) -> Points:
    return points


def _zoom(node: _Node, points: Points, inverse: bool) -> Points:
    zoom = node.number("Zoom", 1.0)
    return [p / zoom if inverse else p * zoom for p in points]


def _shift(node: _Node, points: Points, inverse: bool) -> Points:
    shifts = node.row("Sft", len(points))
    return [p - s if inverse else p + s for p, s in zip(points, shifts, strict=True)]


def _window(node: _Node, points: Points, inverse: bool) -> Points:
    shifts, scales = node.row("Sft", len(points)), node.row("Scl", len(points), 1.0)
    pairs = zip(points, shifts, scales, strict=True)
    return [(p - s) / k if inverse else s + k * p for p, s, k in pairs]


def _matrix(node: _Node, points: Points, inverse: bool) -> Points:
    n = len(points)
    form = str(node.values.get("Form", "Full"))
    if form == "Unit":
        return points
    if form == "Diagonal":
        matrix = np.diag([node.number(f"M{i}") for i in range(n)])
    else:
        matrix = np.array([node.number(f"M{i}") for i in range(n * n)]).reshape(n, n)
    if inverse:
        matrix = np.linalg.inv(matrix)
    return list(np.tensordot(matrix, np.stack(points), 1))


def _sphere(node: _Node, points: Points, inverse: bool) -> Points:
    """Vectors to longitude and latitude, radians."""
    if inverse:
        longitude, latitude = points
        cosine = np.cos(latitude)
        return [np.cos(longitude) * cosine, np.sin(longitude) * cosine, np.sin(latitude)]
    x, y, z = points
    return [np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))]


def _projection(node: _Node, points: Points, inverse: bool) -> Points:
    """Native longitude and latitude to the plane of the gnomonic projection, radians."""
    kind = str(node.values.get("Type", "")).strip()
    if kind != "TAN":
        raise FileFormatError(f"a projection of type {kind} is not decoded")
    if inverse:
        x, y = points
        return [np.arctan2(x, -y), np.arctan2(1.0, np.hypot(x, y))]
    longitude, latitude = points
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(latitude > 0, np.cos(latitude) / np.sin(latitude), np.nan)
    return [radius * np.sin(longitude), -radius * np.cos(longitude)]


def _norm(node: _Node, points: Points, inverse: bool) -> Points:
    """A point to its direction and distance from a centre."""
    if inverse:
        *direction, norm = points
        center = node.row("Ctr", len(direction))
        return [d * norm + c for d, c in zip(direction, center, strict=True)]
    center = node.row("Ctr", len(points))
    offsets = [p - c for p, c in zip(points, center, strict=True)]
    norm = np.sqrt(sum(d * d for d in offsets))
    with np.errstate(divide="ignore", invalid="ignore"):
        return [*(np.where(norm > 0, d / norm, 0.0) for d in offsets), norm]


def _polynomial(node: _Node, points: Points, inverse: bool) -> Points:
    if not inverse:
        return _sums(node, points, "F")
    n = node.integer("Nin", len(points))
    if not node.integer("IterInv") and any(f"NCI{i}" in node.values for i in range(1, n + 1)):
        return _sums(node, points, "I")
    # Newton's method with numerical slopes; the maps are close to a shift and a scale.
    guess = [np.array(p, float) for p in points]
    for _ in range(_NEWTON_STEPS):
        values = _sums(node, guess, "F")
        residual = np.stack([p - v for p, v in zip(points, values, strict=True)])
        slopes = _slopes(node, guess, values)
        with np.errstate(invalid="ignore"):
            step = np.linalg.solve(slopes, np.moveaxis(residual, 0, -1)[..., None])[..., 0]
        guess = [g + step[..., k] for k, g in enumerate(guess)]
        if not np.nanmax(np.abs(step), initial=0.0) > 1e-10:
            break
    return guess


def _slopes(node: _Node, points: Points, values: Points) -> Values:
    """Matrices of d(output)/d(input), one a point."""
    columns = []
    for k in range(len(points)):
        moved = [p + (1e-4 if k == i else 0.0) for i, p in enumerate(points)]
        changed = _sums(node, moved, "F")
        columns.append(np.stack([(c - v) / 1e-4 for c, v in zip(changed, values, strict=True)]))
    matrix = np.stack(columns)  # input, output, points
    return np.moveaxis(matrix, (0, 1), (-1, -2))


def _sums(node: _Node, points: Points, letter: str) -> Points:
    """Polynomials of one direction: F or I."""
    n_in = len(points)
    n_out = node.integer("Nout", node.integer("Nin", n_in)) if letter == "F" else n_in
    out, term = [], 0
    for i in range(1, n_out + 1):
        total = np.zeros(np.shape(points[0]))
        for _ in range(node.integer(f"NC{letter}{i}")):
            product = node.number(f"C{letter}{term + 1}") * np.ones(np.shape(points[0]))
            for k, p in enumerate(points):
                product = product * p ** node.integer(f"P{letter}{term * n_in + k + 1}")
            total, term = total + product, term + 1
        out.append(total)
    return out


_MAPS: dict[str, Callable[[_Node, Points, bool], Points]] = {
    "CmpMap": _compound,
    "UnitMap": _unit,
    "ZoomMap": _zoom,
    "ShiftMap": _shift,
    "WinMap": _window,
    "MatrixMap": _matrix,
    "SphMap": _sphere,
    "WcsMap": _projection,
    "UnitNormMap": _norm,
    "PolyMap": _polynomial,
}


def _columns(y: npt.ArrayLike, x: npt.ArrayLike) -> Points:
    """Points (x, y) of positions, as arrays of at least one element."""
    return [np.atleast_1d(np.asarray(values, float)) for values in (x, y)]


def _as_given(points: Points, like: npt.ArrayLike) -> Pair:
    """(y, x) in the shape of what was asked."""
    x, y = (np.reshape(values, np.shape(like)) for values in points)
    return y, x


@dataclass(frozen=True, eq=False, repr=False)
class StarlinkSky:
    """Sky positions by a frame set: pixels, perhaps a plane, sky (radians).

    Parameters
    ----------
    text : str
        The frame set.
    shift : (float, float)
        What to subtract from positions (y, x) before.

    Raises
    ------
    FileFormatError
        The text is damaged, or holds a map that is not decoded.
    """

    text: str
    shift: tuple[float, float] = (0.0, 0.0)
    _chain: list[tuple[_Node, bool]] = field(init=False)

    def __post_init__(self) -> None:
        node = _parsed(self.text)
        if node.kind != "FrameSet":
            raise FileFormatError(f"sky positions by a {node.kind}; expected a FrameSet")
        object.__setattr__(self, "_chain", _chain(node))
        # What is not decoded shall be known at once, both ways.
        self.to_pixel(*self.to_sky(np.zeros(1), np.zeros(1)))

    def to_sky(self, y: Values, x: Values) -> Pair:
        """ICRS longitude and latitude, degrees."""
        points = _columns(np.asarray(y) - self.shift[0], np.asarray(x) - self.shift[1])
        for node, inverse in self._chain:
            points = _mapped(node, points, inverse=inverse)
        latitude, longitude = _as_given(points, y)
        return np.rad2deg(longitude) % 360.0, np.rad2deg(latitude)

    def to_pixel(self, longitude: Values, latitude: Values) -> Pair:
        """Pixel positions (y, x); NaN where the projection does not reach."""
        points = _columns(np.deg2rad(latitude), np.deg2rad(longitude))
        for node, inverse in reversed(self._chain):
            points = _mapped(node, points, inverse=not inverse)
        y, x = _as_given(points, longitude)
        return y + self.shift[0], x + self.shift[1]

    def shifted_by(self, *, y: float, x: float) -> StarlinkSky:
        """The same sky under pixel positions that are larger by (y, x)."""
        return StarlinkSky(self.text, (self.shift[0] + y, self.shift[1] + x))

    def numbers(self) -> dict[str, Any]:
        """Text to write."""
        return {"starlink": {"text": self.text, "shift": list(self.shift)}}


def _chain(node: _Node) -> list[tuple[_Node, bool]]:
    """Maps from the base frame to the current one of a frame set, and which are inverted."""
    frame = node.integer("Currnt", node.integer("Nframe"))
    base = node.integer("Base", 1)
    chain: list[tuple[_Node, bool]] = []
    while frame != base:
        if f"Map{frame}" not in node.values or f"Lnk{frame}" not in node.values:
            raise FileFormatError(f"a frame set whose frame {frame} is not tied to the first")
        chain.insert(0, (node.values[f"Map{frame}"], bool(node.integer(f"Inv{frame}"))))
        frame = node.integer(f"Lnk{frame}")
        if len(chain) > node.integer("Nframe"):
            raise FileFormatError("a frame set whose frames are tied in a circle")
    return chain


@dataclass(frozen=True, eq=False, repr=False)
class StarlinkTransform:
    """A map from the pixels of a source to those of a destination.

    Parameters
    ----------
    text : str
        The map.
    after : AffineTransform
        What follows it.

    Raises
    ------
    FileFormatError
        The text is damaged, or holds a map that is not decoded.
    """

    text: str
    after: AffineTransform = field(default_factory=lambda: AffineTransform.shift(y=0, x=0))
    _map: tuple[_Node, bool] = field(init=False)

    def __post_init__(self) -> None:
        node = _parsed(self.text)
        object.__setattr__(self, "_map", (node, bool(node.integer("Invert"))))
        self.inverse(*self.forward(0.0, 0.0))

    def forward(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Destination positions (y, x) of source positions."""
        node, inverse = self._map
        there = _as_given(_mapped(node, _columns(y, x), inverse=inverse), y)
        return self.after.forward(*there)

    def inverse(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Source positions (y, x) of destination positions."""
        node, inverse = self._map
        points = _columns(*self.after.inverse(y, x))
        return _as_given(_mapped(node, points, inverse=not inverse), y)

    def shifted_by(self, *, y: float, x: float) -> StarlinkTransform:
        """The same map to destination positions that are larger by (y, x)."""
        return StarlinkTransform(self.text, self.after.shifted_by(y=y, x=x))

    def numbers(self) -> dict[str, Any]:
        """Text to write."""
        return {"starlink": {"text": self.text, "after": list(self.after.affine)}}


register_sky_map("starlink", lambda v: StarlinkSky(v["text"], tuple(v["shift"])))
register_transform(
    "starlink", lambda v: StarlinkTransform(v["text"], AffineTransform(tuple(v["after"])))
)

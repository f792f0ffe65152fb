# SPDX-License-Identifier: BSD-3-Clause
"""Convex polygons on the sphere, as far as choosing exposures needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SkyHull", "unit_vectors"]

Points = npt.NDArray[np.float64]

_TINY = 1e-12
"""Smallest sine of an angle that is not 0: 0.2 micro-arcsec."""

_WIDEST = np.cos(np.radians(45.0))
"""Cosine of the largest distance from the middle; two such hulls that are not far apart fit into
one hemisphere, where great circles separate as lines do in a plane."""


def unit_vectors(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Points:
    """(n, 3) unit vectors of positions in degrees."""
    a, d = np.radians(np.asarray(ra, np.float64)), np.radians(np.asarray(dec, np.float64))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


class SkyHull:
    """Convex hull of some positions; its edges are great circles.

    Parameters
    ----------
    ra, dec : (n,) array
        Positions [deg], all within 45 degrees of their middle.

    Raises
    ------
    ValueError
        A position is not finite; they lie farther apart; or their hull has no area.
    """

    def __init__(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> None:
        points = unit_vectors(ra, dec).reshape(-1, 3)
        if len(points) < 3 or not np.isfinite(points).all():
            raise ValueError("fewer than three finite positions")
        middle = points.mean(axis=0)
        length = float(np.linalg.norm(middle))
        if not np.all(points @ middle > _WIDEST * length):
            raise ValueError("the positions lie more than 45 degrees from their middle")
        self._middle = middle / length
        self._points = _hull(points, self._middle)
        if len(self._points) < 3:
            raise ValueError("the positions lie on one line")
        following = np.roll(self._points, -1, axis=0)
        normals = np.cross(self._points, following)
        # Counter-clockwise: inside the product with each normal is positive.
        self._normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def intersects(self, other: SkyHull) -> bool:
        """Whether the two have a position in common; to touch is enough."""
        apart = _angle(self._middle, other._middle)
        if np.any(apart > self._radius() + other._radius() + _TINY):
            return False
        for one, two in ((self, other), (other, self)):
            if ((two._points @ one._normals.T) < -_TINY).all(axis=0).any():
                return False
        return True

    def _radius(self) -> float:
        """Distance of the farthest vertex from the middle [rad]."""
        return float(_angle(self._points, self._middle).max())


def _angle(a: Points, b: Points) -> Any:
    """Angle between unit vectors [rad], exact for small ones."""
    return 2.0 * np.arcsin(np.clip(0.5 * np.linalg.norm(a - b, axis=-1), 0.0, 1.0))


def _hull(points: Points, middle: Points) -> Points:
    """Vertices of the convex hull, counter-clockwise seen from outside of the sphere."""
    # Gnomonic projection keeps great circles straight.
    axis = np.eye(3)[np.argmin(np.abs(middle))]
    east = np.cross(axis, middle)
    east /= np.linalg.norm(east)
    north = np.cross(middle, east)
    depth = points @ middle
    plane = np.stack([points @ east / depth, points @ north / depth], axis=-1)
    order = np.lexsort((plane[:, 1], plane[:, 0]))
    lower = _chain(plane, order)
    upper = _chain(plane, order[::-1])
    return points[[*lower[:-1], *upper[:-1]]]


def _chain(plane: Points, order: npt.NDArray[np.int64]) -> list[int]:
    """One half of a convex hull: points that turn left all the way."""
    kept: list[int] = []
    for n in order.tolist():
        while len(kept) > 1:
            a, b = plane[kept[-1]] - plane[kept[-2]], plane[n] - plane[kept[-1]]
            if a[0] * b[1] - a[1] * b[0] > _TINY * np.hypot(*a) * np.hypot(*b):
                break
            kept.pop()
        kept.append(n)
    return kept

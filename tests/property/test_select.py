# SPDX-License-Identifier: BSD-3-Clause
"""Convex hulls on the sphere against brute force; selections against their definitions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.coadd import SeeingOptions, SelectOptions, select
from deepcoadd.coadd._sky_hull import SkyHull

FWHM = math.sqrt(8 * math.log(2))


def rectangle(ra: float, dec: float, width: float, height: float, angle: float) -> np.ndarray:
    """Corners (4, 2) of a rectangle of a tangent plane [deg]; gnomonic, as the hull's edges."""
    plane = 0.5 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width, height]
    c, s = math.cos(angle), math.sin(angle)
    xi, eta = np.radians(plane @ np.array([[c, s], [-s, c]])).T
    d0 = math.radians(dec)
    ra_out = np.degrees(np.arctan2(xi, math.cos(d0) - eta * math.sin(d0))) + ra
    below = np.hypot(xi, math.cos(d0) - eta * math.sin(d0))
    dec_out = np.degrees(np.arctan2(math.sin(d0) + eta * math.cos(d0), below))
    return np.stack([ra_out % 360, dec_out], axis=-1)


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which unit vectors lie on one side of all great circles through a polygon's edges."""
    vectors = unit(polygon)
    normals = np.cross(vectors, np.roll(vectors, -1, axis=0))
    side = points @ normals.T
    return (side >= 0).all(axis=1) | (side <= 0).all(axis=1)


def unit(sky: np.ndarray) -> np.ndarray:
    ra, dec = np.radians(sky).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def fill(polygon: np.ndarray, n: int = 41) -> np.ndarray:
    """Unit vectors that fill a quadrilateral."""
    a, b = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    weights = np.stack([(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b], axis=-1)
    points = weights.reshape(-1, 4) @ unit(polygon)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


shapes = st.tuples(
    st.floats(0, 359), st.floats(-85, 85), st.floats(0.5, 3), st.floats(0.5, 3), st.floats(0, 3)
)


@given(one=shapes, dx=st.floats(-4, 4), dy=st.floats(-4, 4), angle=st.floats(0, 3))
def test_two_rectangles(
    one: tuple[float, float, float, float, float], dx: float, dy: float, angle: float
) -> None:
    ra, dec, width, height, turned = one
    a = rectangle(ra, dec, width, height, turned)
    cos = max(math.cos(math.radians(dec)), 0.05)
    b = rectangle(ra + dx / cos, float(np.clip(dec + dy, -89, 89)), 1.7, 0.9, angle)
    hulls = SkyHull(*a.T), SkyHull(*b[[2, 0, 3, 1]].T)
    found = hulls[0].intersects(hulls[1])
    assert found == hulls[1].intersects(hulls[0])
    in_both = inside(fill(a), b).any() or inside(fill(b), a).any()
    # A grid of points may miss an overlap of less than its step, never see one that is not there.
    if in_both:
        assert found
    grown = rectangle(ra, dec, width + 0.2, height + 0.2, turned)
    if not inside(fill(b, 81), grown).any() and not inside(fill(grown, 81), b).any():
        assert not found


seeings = st.lists(st.one_of(st.floats(0.3, 3.0), st.just(math.nan)), min_size=1, max_size=30)


@given(fwhm=seeings, most=st.integers(1, 12), high=st.floats(0.3, 3.0))
def test_best_seeing_keeps_the_best(fwhm: list[float], most: int, high: float) -> None:
    n = len(fwhm)
    summary = {
        "visit": np.arange(n),
        "raCorners": np.tile([0.0, 1.0, 1.0, 0.0], (n, 1)),
        "decCorners": np.tile([0.0, 0.0, 1.0, 1.0], (n, 1)),
        "pixelScale": np.full(n, 0.25),
        "psfSigma": np.array(fwhm) / FWHM / 0.25,
    }
    good = [k for k in range(n) if fwhm[k] <= high * (1 - 1e-9)]
    due = sorted(good, key=lambda k: (summary["psfSigma"][k], k))[:most]
    how = SeeingOptions(max_psf_fwhm=high, n_visits_max=most)
    options = SelectOptions(kind="best-seeing", seeing=how)
    if not any(value <= high * (1 + 1e-9) for value in fwhm):
        return  # nothing is left: an error, tested elsewhere
    if any(abs(value / high - 1) <= 1e-9 for value in fwhm):
        return  # on the limit rounding decides
    found = select(summary, None, options)
    assert list(found.kept) == due
    assert [not reason for reason in found.reasons] == [k in due for k in range(n)]

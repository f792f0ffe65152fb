# SPDX-License-Identifier: BSD-3-Clause
"""Helpers for astropy WCS objects in the parent frame: origin 0, pixel centres at integers.

A WCS attached to an exposure maps *parent* pixel positions, so it is the same for every sub-image.
"""

from __future__ import annotations

import math
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, DistortionLookupTable, Sip
from astropy.wcs.utils import pixel_to_skycoord, proj_plane_pixel_scales, skycoord_to_pixel

from deepcoadd.errors import NoDataError
from deepcoadd.geometry import Box

__all__ = [
    "box_center",
    "corners",
    "pixel_scale",
    "pixel_to_sky",
    "same_grid",
    "shifted",
    "sky_to_pixel",
]


def shifted(wcs: WCS, *, y: float, x: float) -> WCS:
    """Copy of a WCS whose pixel positions are larger by (y, x).

    The SIP polynomials and the tables of distortions keep reference pixels of their own, which
    move too.
    """
    out = wcs.deepcopy()
    out.wcs.crpix = np.add(wcs.wcs.crpix, (x, y))
    if wcs.sip is not None:
        sip = wcs.sip
        out.sip = Sip(sip.a, sip.b, sip.ap, sip.bp, np.add(sip.crpix, (x, y)))
    for name in ("cpdis1", "cpdis2", "det2im1", "det2im2"):
        table = getattr(wcs, name)
        if table is not None:
            place = np.add(table.crval, (x, y))
            moved = DistortionLookupTable(table.data, table.crpix, place, table.cdelt)
            setattr(out, name, moved)
    out.wcs.set()
    return out


def pixel_scale(wcs: WCS) -> float:
    """Geometric mean size of a pixel, in arcsec.

    Raises
    ------
    NoDataError
        The WCS has no celestial axes.
    """
    if not wcs.has_celestial:
        raise NoDataError(f"the WCS has no celestial axes: {', '.join(wcs.wcs.ctype)}")
    scales = proj_plane_pixel_scales(wcs.celestial)
    return math.sqrt(float(scales[0]) * float(scales[1])) * 3600.0


def pixel_to_sky(wcs: WCS, *, y: npt.ArrayLike, x: npt.ArrayLike) -> SkyCoord:
    """ICRS position of parent pixel positions."""
    return pixel_to_skycoord(x, y, wcs, origin=0).icrs


def sky_to_pixel(wcs: WCS, sky: SkyCoord) -> tuple[Any, Any]:
    """Parent pixel positions (y, x) of sky positions; NaN where the projection has none."""
    x, y = skycoord_to_pixel(sky, wcs, origin=0)
    return y, x


def corners(wcs: WCS, box: Box) -> SkyCoord:
    """ICRS positions of the four outer corners of a box, from its first pixel along x first."""
    if box.is_empty:
        raise NoDataError("corners of an empty box")
    y0, y1 = box.y.start - 0.5, box.y.stop - 0.5
    x0, x1 = box.x.start - 0.5, box.x.stop - 0.5
    return pixel_to_sky(wcs, y=[y0, y0, y1, y1], x=[x0, x1, x1, x0])


def box_center(wcs: WCS, box: Box) -> SkyCoord:
    """ICRS position of the middle of a box."""
    y, x = box.center
    return pixel_to_sky(wcs, y=y, x=x)


def same_grid(a: WCS, b: WCS, box: Box, *, tolerance: float = 0.01) -> bool:
    """Whether two WCS put the corners and the middle of a box at the same place.

    Parameters
    ----------
    a, b : WCS
        Both in the parent frame.
    box : Box
        Where they are compared.
    tolerance : float
        Largest distance allowed, in pixels.
    """
    yc, xc = box.center
    y = np.array([box.y.min, box.y.min, box.y.max, box.y.max, yc])
    x = np.array([box.x.min, box.x.max, box.x.max, box.x.min, xc])
    separation = pixel_to_sky(a, y=y, x=x).separation(pixel_to_sky(b, y=y, x=x))
    worst = float(np.max(separation.to_value(u.arcsec)))
    return worst <= tolerance * pixel_scale(a)

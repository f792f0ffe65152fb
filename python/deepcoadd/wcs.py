# SPDX-License-Identifier: BSD-3-Clause
"""Helpers for astropy WCS objects in the parent frame: origin 0, pixel centres at integers.

A WCS attached to an exposure maps *parent* pixel positions, so it is the same for every sub-image.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, DistortionLookupTable, Sip
from astropy.wcs.utils import pixel_to_skycoord, proj_plane_pixel_scales, skycoord_to_pixel

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.geometry import Box

__all__ = [
    "box_center",
    "cards_of",
    "corners",
    "from_cards",
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
    with np.errstate(over="ignore"):  # a damaged matrix has the scale infinity
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


def cards_of(wcs: WCS, start: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    """Cards of sky coordinates, in the frame of an array whose first pixel is at `start` (y, x).

    Raises
    ------
    OptionError
        The WCS has distortion tables, or is not of two celestial axes: cards cannot hold it.
    """
    if wcs.naxis != 2 or not wcs.has_celestial:
        raise OptionError(f"wcs: expected two celestial axes, got {wcs.wcs.ctype}")
    if wcs.cpdis1 or wcs.cpdis2 or wcs.det2im1 or wcs.det2im2:
        raise OptionError("wcs: distortion tables cannot be written to header cards")
    y0, x0 = start
    core = wcs.wcs
    cards: dict[str, Any] = {"WCSAXES": 2}
    for axis, offset in ((0, x0), (1, y0)):
        n = axis + 1
        cards[f"CTYPE{n}"] = core.ctype[axis]
        cards[f"CRPIX{n}"] = float(core.crpix[axis] - offset)
        cards[f"CRVAL{n}"] = float(core.crval[axis])
        cards[f"CUNIT{n}"] = str(core.cunit[axis])
    matrix = wcs.pixel_scale_matrix
    for row in range(2):
        for column in range(2):
            cards[f"CD{row + 1}_{column + 1}"] = float(matrix[row, column])
    for axis, index, value in core.get_pv():
        cards[f"PV{axis}_{index}"] = float(value)
    if wcs.sip is None:
        cards |= _distortion_cards(wcs)
    for key, value in (("LONPOLE", core.lonpole), ("LATPOLE", core.latpole)):
        if math.isfinite(value):
            cards[key] = float(value)
    if core.radesys:
        cards["RADESYS"] = core.radesys
    if math.isfinite(core.equinox):
        cards["EQUINOX"] = float(core.equinox)
    return cards | _sip_cards(wcs)


def _distortion_cards(wcs: WCS) -> dict[str, Any]:
    """Cards of distortions that the library keeps apart from the projection (TPV, for one).

    Once a WCS is used, its own type is that of the bare projection, and its parameters are gone.

    Raises
    ------
    OptionError
        Distortions of a kind that needs records (TPD), which this package does not write.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what the standard does not know
        header = wcs.to_header(relax=True)
    kept = ("CTYPE1", "CTYPE2")
    if any(key.startswith(("DP", "DQ", "CPDIS", "CQDIS")) for key in header):
        raise OptionError(f"wcs: distortions of {header['CTYPE1']} cannot be written to cards")
    if all(header[key] == wcs.wcs.ctype[n] for n, key in enumerate(kept)):
        return {}
    return {key: header[key] for key in header if key in kept or key.startswith("PV")}


def _sip_cards(wcs: WCS) -> dict[str, Any]:
    """Cards of the distortion polynomials, which share CRPIX with the projection."""
    cards: dict[str, Any] = {}
    if wcs.sip is None:
        return cards
    if not np.allclose(wcs.sip.crpix, wcs.wcs.crpix, rtol=0, atol=1e-6):
        raise OptionError(
            f"wcs: SIP refers to {wcs.sip.crpix}, the projection to {wcs.wcs.crpix}; "
            "a header has one reference pixel"
        )
    for letter in ("a", "b", "ap", "bp"):
        table = getattr(wcs.sip, letter)
        if table is None:
            continue
        cards[f"{letter.upper()}_ORDER"] = table.shape[0] - 1
        for i, j in zip(*np.nonzero(table), strict=True):
            cards[f"{letter.upper()}_{i}_{j}"] = float(table[i, j])
    return cards


def from_cards(cards: Mapping[str, Any]) -> WCS:
    """WCS of the cards that `cards_of` gives; ten times as fast as the parser of headers.

    Raises
    ------
    NoDataError
        They hold no celestial WCS.
    """
    wcs = WCS(naxis=2)
    core = wcs.wcs
    try:
        for name in ("ctype", "cunit", "crpix", "crval"):
            setattr(core, name, [cards[f"{name.upper()}{axis}"] for axis in (1, 2)])
        core.cd = [[cards[f"CD{row}_{column}"] for column in (1, 2)] for row in (1, 2)]
        for name in ("lonpole", "latpole", "radesys", "equinox"):
            if name.upper() in cards:
                setattr(core, name, cards[name.upper()])
        numbers = [(key.split("_"), value) for key, value in cards.items() if key.startswith("PV")]
        core.set_pv([(int(key[2:]), int(index), value) for (key, index), value in numbers])
        tables = [_sip_table(cards, letter) for letter in ("A", "B", "AP", "BP")]
        if any(table is not None for table in tables):
            wcs.sip = Sip(*tables, core.crpix)
        core.set()
    except Exception as error:  # the library raises many kinds, all about damaged cards
        raise NoDataError(f"the cards hold no WCS: {error!r}") from None
    if not wcs.has_celestial:
        raise NoDataError(f"the cards hold a WCS of {list(core.ctype)}, not of the sky")
    return wcs


def _sip_table(cards: Mapping[str, Any], letter: str) -> npt.NDArray[np.float64] | None:
    """Coefficients of one distortion polynomial, None when there is none."""
    if f"{letter}_ORDER" not in cards:
        return None
    order = int(cards[f"{letter}_ORDER"])
    table = np.zeros((order + 1, order + 1))
    for i, j in np.ndindex(table.shape):
        table[i, j] = cards.get(f"{letter}_{i}_{j}", 0.0)
    return table

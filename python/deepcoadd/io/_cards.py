# SPDX-License-Identifier: BSD-3-Clause
"""Header cards and what they mean: box offset, unit, mask planes, filter, sky coordinates."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from deepcoadd.errors import FileFormatError, MaskPlaneError, OptionError
from deepcoadd.exposure import FilterLabel
from deepcoadd.io._hdus import Hdu
from deepcoadd.mask import DEFAULT_PLANES, MaskPlanes
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.wcs import shifted

__all__ = [
    "file_planes",
    "filter_cards",
    "filter_of",
    "integer_of",
    "mask_cards",
    "number_of",
    "offset_cards",
    "offset_of",
    "parse_unit",
    "photo_calib_of",
    "unit_text",
    "wcs_of",
]

_log = logging.getLogger(__name__)

_MAX_OFFSET = 2**31 - 1
_WCS_CARD = re.compile(
    r"(WCSAXES|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CROTA\d|CD\d_\d|PC\d_\d|PV\d_\d+|PS\d_\d+"
    r"|RADESYS|RADECSYS|EQUINOX|EPOCH|LONPOLE|LATPOLE|[AB]P?_ORDER|[AB]P?_\d+_\d+|[AB]P?_DMAX)$"
)
_LINEAR_CARD = re.compile(r"(CTYPE|CRPIX|CRVAL|CUNIT|CDELT|WCSNAME)\d?A$|LTV\d$|LTM\d_\d$")
_STRUCTURE_CARD = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|BUNIT|INHERIT"
    r"|EXTTYPE|EXTNAME|EXTVER|EXTLEVEL|CHECKSUM|DATASUM|CONTINUE|LONGSTRN|UZSCALE|CREATOR|DCOADDV|DCINFNAN)$"
)
_TABLE_CARD = re.compile(r"(TFIELDS|THEAP|T(TYPE|FORM|DIM|UNIT|NULL|SCAL|ZERO|DISP)\d+)$")
_TILE_CARD = re.compile(
    r"Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|BLANK|MASKCMP|SIMPLE"
    r"|TENSION|EXTEND|BLOCKED|PCOUNT|GCOUNT|HECKSUM|DATASUM)$"
)
_UNKNOWN_FILTERS = {"", "_UNKNOWN_", "UNKNOWN", "NONE"}
_BANDS = {"u", "g", "r", "i", "z", "y"}
# Filters of the first camera release, whose cards hold a nickname of band and filter in one.
_NICKNAMES = {"i2": ("i", "HSC-I2"), "r2": ("r", "HSC-R2")}


def number_of(cards: Mapping[str, Any], *keys: str) -> float:
    """Number of the first of some cards that is there; NaN when it is none."""
    value = next((cards[key] for key in keys if key in cards), math.nan)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def integer_of(cards: Mapping[str, Any], *keys: str) -> int:
    """Whole number of the first of some cards that is there; 0 when it is none."""
    value = next((cards[key] for key in keys if key in cards), 0)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def is_metadata_card(key: str) -> bool:
    """Whether a card says something that no structure of the file and no coordinate says."""
    patterns = (_STRUCTURE_CARD, _TABLE_CARD, _TILE_CARD, _WCS_CARD, _LINEAR_CARD)
    return not any(pattern.match(key) for pattern in patterns)


def offset_of(cards: Mapping[str, Any], where: str) -> tuple[int, int]:
    """Parent position (y0, x0) of the first pixel.

    The alternate WCS "A" gives it when it refers to the first pixel, else the IRAF cards LTV of an
    unscaled section; (0, 0) without either.

    Raises
    ------
    FileFormatError
        The offset is no number or does not fit in 32 bits.
    """
    linear = None
    if cards.get("CRPIX1A") == 1 and cards.get("CRPIX2A") == 1:
        linear = _offset(cards, ("CRVAL2A", "CRVAL1A"), 1, where)
    shifts = None
    if "LTV1" in cards and "LTV2" in cards and _unscaled(cards):
        shifts = _offset(cards, ("LTV2", "LTV1"), -1, where)
    if linear is not None and shifts is not None and linear != shifts:
        _log.warning("%s: the WCS A puts the first pixel at %s, LTV at %s", where, linear, shifts)
    return linear or shifts or (0, 0)


def _unscaled(cards: Mapping[str, Any]) -> bool:
    return all(cards.get(key, 1) == 1 for key in ("LTM1_1", "LTM2_2"))


def _offset(
    cards: Mapping[str, Any], keys: tuple[str, str], sign: int, where: str
) -> tuple[int, int]:
    pair = []
    for key in keys:
        value = number_of(cards, key) if key in cards else 0.0
        if not math.isfinite(value) or abs(value) > _MAX_OFFSET:
            raise FileFormatError(f"{where}: {key} = {cards[key]!r} is no pixel position")
        pair.append(math.floor(sign * value + 0.5))
    return pair[0], pair[1]


def offset_cards(start: tuple[int, int]) -> dict[str, Any]:
    """Cards of a box offset, for this package, the Rubin pipelines and image viewers."""
    y0, x0 = start
    return {
        "LTV1": float(-x0),
        "LTV2": float(-y0),
        "CTYPE1A": "LINEAR",
        "CTYPE2A": "LINEAR",
        "CRPIX1A": 1.0,
        "CRPIX2A": 1.0,
        "CRVAL1A": float(x0),
        "CRVAL2A": float(y0),
        "CUNIT1A": "PIXEL",
        "CUNIT2A": "PIXEL",
    }


def parse_unit(text: Any) -> u.UnitBase | None:
    """Unit of a BUNIT card; None without one, an unrecognised unit of that name if need be."""
    name = str(text or "").strip()
    if not name:
        return None
    known = {
        "counts": "count",
        "electrons": "electron",
        "e-": "electron",
        "dn": "adu",
        "dns": "adu",
    }
    name = known.get(name.lower(), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        return u.Unit(name, parse_strict="silent")


def unit_text(unit: u.UnitBase, power: int = 1) -> str:
    """Text of a BUNIT card."""
    name = unit.to_string()
    if power == 1:
        return str(name)
    return f"{name}**{power}" if re.fullmatch(r"\w+", name) else f"({name})**{power}"


def file_planes(cards: Mapping[str, Any], where: str) -> MaskPlanes | None:
    """Mask dictionary of the MP_ cards; None when there are none.

    Raises
    ------
    MaskPlaneError
        Two names share a bit, or a bit is not in 0..31.
    """
    bits = {key[3:]: value for key, value in cards.items() if key.startswith("MP_")}
    if not bits:
        return None
    for name, bit in bits.items():
        if isinstance(bit, bool) or not isinstance(bit, int):
            raise MaskPlaneError(f"{where}: MP_{name} = {bit!r}; expected a bit number")
    try:
        return MaskPlanes(bits)
    except MaskPlaneError as error:
        raise MaskPlaneError(f"{where}: {error}") from None


def conformed_planes(planes: MaskPlanes) -> MaskPlanes:
    """Dictionary in which the planes of a file take this package's bits.

    Known names get their default bits, other names the lowest free ones in order of their bits in
    the file; default planes that the file lacks are added while there is room.
    """
    known = {name: DEFAULT_PLANES[name] for name in planes if name in DEFAULT_PLANES}
    others = sorted((name for name in planes if name not in known), key=planes.__getitem__)
    if len(DEFAULT_PLANES) + len(others) <= 32:
        return DEFAULT_PLANES.with_planes(*others)
    return MaskPlanes(known).with_planes(*others)


def mask_cards(planes: MaskPlanes) -> dict[str, int]:
    """MP_ cards of a mask dictionary."""
    return {f"MP_{name}": bit for name, bit in planes.items()}


def filter_of(text: Any) -> FilterLabel | None:
    """Filter of a FILTER card: a band, or the name of a physical filter."""
    name = str(text or "").strip()
    if name.upper() in _UNKNOWN_FILTERS:
        return None
    if name in _NICKNAMES:
        return FilterLabel(*_NICKNAMES[name])
    return FilterLabel(band=name) if name in _BANDS else FilterLabel(physical=name)


def filter_cards(label: FilterLabel | None) -> dict[str, str]:
    """FILTER card (as the Rubin pipelines read it) and the two names on their own."""
    if label is None:
        return {}
    cards = {"FILTER": label.physical or label.band or "_unknown_"}
    if label.band:
        cards["HIERARCH DEEPCOADD BAND"] = label.band
    if label.physical:
        cards["HIERARCH DEEPCOADD PHYSICAL"] = label.physical
    return cards


def photo_calib_of(cards: Mapping[str, Any]) -> PhotoCalib | None:
    """Calibration of the FLUXMAG0 card; None when it is absent or 0 (uncalibrated)."""
    error = number_of(cards, "FLUXMAG0ERR")
    flux = number_of(cards, "FLUXMAG0")
    try:
        return PhotoCalib.from_fluxmag0(flux, error if math.isfinite(error) else 0.0)
    except (OptionError, OverflowError):
        _log.warning("FLUXMAG0 = %s is no calibration and left out", flux)
        return None


def wcs_of(hdu: Hdu, start: tuple[int, int], where: str) -> WCS | None:
    """Sky coordinates of parent pixel positions (origin 0); None when there are none.

    Parameters
    ----------
    hdu : Hdu
        Its cards refer to the array, 1-based.
    start : (int, int)
        Parent position (y0, x0) of the first pixel.
    where : str
        How messages call the HDU.
    """
    if "CTYPE1" not in hdu.cards or "CTYPE2" not in hdu.cards:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cards that the fix below puts right
            header = hdu.header_of(_WCS_CARD)
            header["NAXIS"] = 2
            wcs = WCS(header, fix=False)
            wcs.wcs.fix()
            wcs.wcs.set()
            if wcs.naxis != 2:
                wcs = wcs.celestial
            if wcs.naxis != 2 or not wcs.has_celestial:
                return None
            wcs_to_celestial_frame(wcs)
    except Exception as error:  # the parser raises many kinds, all about damaged cards
        _log.warning("%s: the sky coordinates cannot be read: %s", where, error)
        return None
    y0, x0 = start
    return shifted(wcs, y=y0, x=x0)

# SPDX-License-Identifier: BSD-3-Clause
"""What headers of observatories say in common words: time, exposure, airmass, filter."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.coordinates import Angle
from astropy.time import Time

from deepcoadd.exposure import ExposureInfo, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.io._cards import (
    filter_of,
    integer_of,
    is_metadata_card,
    number_of,
    offset_of,
    parse_unit,
    wcs_of,
)
from deepcoadd.io._plane import Plane
from deepcoadd.visitinfo import VisitInfo

__all__ = ["generic_info", "generic_visit"]

_log = logging.getLogger(__name__)

_VISIT_KEYS = ("VISIT", "EXPNUM", "EXPID")
_EXPOSURE_KEYS = ("EXPTIME", "EXPOSURE", "EXP_TIME")


def generic_info(plane: Plane, primary: Mapping[str, Any], **parts: Any) -> ExposureInfo:
    """Information of a foreign image.

    Parameters
    ----------
    plane : Plane
        Image; its cards come before those of the primary HDU.
    primary : mapping
        Cards of the primary HDU.
    **parts
        Fields of `ExposureInfo` that the format knows better.
    """
    cards = {**primary, **plane.hdu.cards}
    start = offset_of(plane.hdu.cards, plane.where)
    known: dict[str, Any] = {
        "wcs": wcs_of(plane.hdu, start, plane.where),
        "visit_info": generic_visit(cards, plane.where),
        "filter": generic_filter(cards),
        "unit": parse_unit(plane.hdu.get("BUNIT", primary.get("BUNIT"))),
        "metadata": {key: value for key, value in cards.items() if is_metadata_card(key)},
    }
    return ExposureInfo(Box.from_shape(plane.shape, start=start), **{**known, **parts})


def generic_filter(cards: Mapping[str, Any]) -> FilterLabel | None:
    """Filter of a FILTER card such as ``z DECam SDSS c0004``: its first word may be the band."""
    label = filter_of(cards.get("FILTER"))
    if label is None or label.band:
        return label
    first = filter_of(label.physical.split()[0])
    return FilterLabel(first.band if first is not None else "", label.physical)


def generic_visit(cards: Mapping[str, Any], where: str) -> VisitInfo | None:
    """Facts of a visit as far as common cards tell them; None when they tell nothing."""
    exposure = number_of(cards, *_EXPOSURE_KEYS)
    visit = VisitInfo(
        id=integer_of(cards, *_VISIT_KEYS),
        exposure_time=exposure,
        dark_time=number_of(cards, "DARKTIME"),
        date=_middle(cards, exposure, where),
        airmass=number_of(cards, "AIRMASS"),
        boresight_ra=_angle(cards, ("TELRA", "RA"), u.hourangle),
        boresight_dec=_angle(cards, ("TELDEC", "DEC"), u.deg),
        instrument=str(cards.get("INSTRUME", "")).strip(),
        target=str(cards.get("OBJECT", "")).strip(),
    )
    known = visit.id or visit.date is not None
    finite = any(math.isfinite(value) for value in (visit.exposure_time, visit.airmass))
    return visit if known or finite else None


def _middle(cards: Mapping[str, Any], exposure: float, where: str) -> Time | None:
    """Middle of the exposure from its start: MJD-OBS, else DATE-OBS, both UTC."""
    half = exposure / 2 if math.isfinite(exposure) else 0.0
    start = number_of(cards, "MJD-OBS")
    try:
        if math.isfinite(start) and start > 0:
            return Time(start, format="mjd", scale="utc").tai + half * u.s
        text = str(cards.get("DATE-OBS", "")).strip()
        if "T" in text:
            return Time(text, format="isot", scale="utc").tai + half * u.s
    except ValueError as error:
        _log.warning("%s: the date cannot be read: %s", where, error)
    return None


def _angle(cards: Mapping[str, Any], keys: tuple[str, ...], unit: u.Unit) -> u.Quantity:
    """Angle of a card: sexagesimal text in `unit`, or a number of degrees."""
    for key in keys:
        value = cards.get(key)
        if isinstance(value, str):
            try:
                return u.Quantity(Angle(value, unit=unit).to(u.deg))
            except (ValueError, u.UnitsError):
                continue
        if math.isfinite(number_of(cards, key)):
            return number_of(cards, key) * u.deg
    return math.nan * u.deg

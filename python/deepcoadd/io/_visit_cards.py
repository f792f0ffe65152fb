# SPDX-License-Identifier: BSD-3-Clause
"""Facts of a visit as header cards: angles in degrees, absent means unknown."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.coordinates import EarthLocation
from astropy.time import Time

from deepcoadd.io._cards import integer_of, number_of
from deepcoadd.visitinfo import VisitInfo, Weather

__all__ = ["VISIT_CARDS", "visit_cards", "visit_of"]

_log = logging.getLogger(__name__)

_NUMBERS = {
    "EXPTIME": "exposure_time",
    "DARKTIME": "dark_time",
    "MJD-AVG-UT1": "ut1_mjd",
    "BORE-AIRMASS": "airmass",
    "FOCUSZ": "focus_z",
}
_ANGLES = {
    "AVG-ERA": "era",
    "BORE-RA": "boresight_ra",
    "BORE-DEC": "boresight_dec",
    "BORE-AZ": "boresight_az",
    "BORE-ALT": "boresight_alt",
    "BORE-ROTANG": "rotation_angle",
}
_TEXTS = {
    "INSTRUMENT": "instrument",
    "OBSTYPE": "observation_type",
    "PROGRAM": "science_program",
    "REASON": "observation_reason",
    "OBJECT": "target",
}
_UNIX_ZERO_MJD = 40587.0
_ROTATION_TYPES = ("UNKNOWN", "SKY", "HORIZON", "MOUNT")
VISIT_CARDS = (
    frozenset(_NUMBERS)
    | frozenset(_ANGLES)
    | frozenset(_TEXTS)
    | {
        "DATE-AVG",
        "TIMESYS",
        "TIME-MID",
        "ROTTYPE",
        "IDNUM",
        "OBS-LONG",
        "OBS-LAT",
        "OBS-ELEV",
        "AIRTEMP",
        "AIRPRESS",
        "HUMIDITY",
        "HAS-SIMULATED-CONTENT",
    }
)
"""Keywords that hold facts of a visit."""


def visit_of(cards: Mapping[str, Any], where: str) -> VisitInfo | None:
    """Facts of a visit; None when no card holds one.

    A fact that cannot be read (a date of an unknown time system, text for a number) is left out
    with a warning: pixels do not depend on it.
    """
    found = [key for key in VISIT_CARDS if key in cards]
    if not found:
        return None
    parts: dict[str, Any] = {name: number_of(cards, key) for key, name in _NUMBERS.items()}
    parts |= {name: number_of(cards, key) * u.deg for key, name in _ANGLES.items()}
    parts |= {name: str(cards.get(key, "")).strip() for key, name in _TEXTS.items()}
    rotation = str(cards.get("ROTTYPE", "UNKNOWN")).strip().upper()
    if rotation not in _ROTATION_TYPES:
        _log.warning("%s: ROTTYPE = %r is not one of %s", where, rotation, _ROTATION_TYPES)
        rotation = "UNKNOWN"
    visit = VisitInfo(
        id=integer_of(cards, "IDNUM"),
        date=_date(cards, where),
        rotation_type=rotation,
        observatory=_observatory(cards, where),
        weather=Weather(
            number_of(cards, "AIRTEMP") * u.deg_C,
            number_of(cards, "AIRPRESS") * u.Pa,
            number_of(cards, "HUMIDITY"),
        ),
        has_simulated_content=cards.get("HAS-SIMULATED-CONTENT") is True,
        **parts,
    )
    return None if _is_empty(visit) else visit


def _is_empty(visit: VisitInfo) -> bool:
    """Whether nothing is known (files of the Rubin pipelines carry two cards even then)."""
    always = {"ROTTYPE", "HAS-SIMULATED-CONTENT"}
    return not visit.has_simulated_content and visit_cards(visit).keys() == always


def _date(cards: Mapping[str, Any], where: str) -> Time | None:
    """Middle of the exposure; DATE-AVG is TAI, the older TIME-MID is UTC with a Z."""
    new, old = cards.get("DATE-AVG"), cards.get("TIME-MID")
    system = str(cards.get("TIMESYS", "")).strip().upper()
    try:
        if new is not None:
            if system not in ("TAI", "UTC", "TT"):
                _log.warning("%s: DATE-AVG is left out: TIMESYS = %r", where, system)
                return None
            return Time(str(new).strip(), format="isot", scale=system.lower()).tai
        if old is not None:
            date = Time(str(old).strip().rstrip("Z"), format="isot", scale="utc").tai
            # Old files say "unknown" by the zero of Unix time.
            return None if abs(date.mjd - _UNIX_ZERO_MJD) < 1e-3 else date
    except ValueError as error:
        _log.warning("%s: the date cannot be read: %s", where, error)
    return None


def _observatory(cards: Mapping[str, Any], where: str) -> EarthLocation | None:
    place = [number_of(cards, key) for key in ("OBS-LONG", "OBS-LAT", "OBS-ELEV")]
    if not all(math.isfinite(value) for value in place[:2]):
        return None
    if abs(place[1]) > 90:
        _log.warning("%s: OBS-LAT = %s is no latitude; the place is left out", where, place[1])
        return None
    height = place[2] if math.isfinite(place[2]) else 0.0
    return EarthLocation.from_geodetic(place[0] * u.deg, place[1] * u.deg, height * u.m)


def visit_cards(visit: VisitInfo) -> dict[str, Any]:
    """Cards of a visit; what is unknown is left out.

    ROTTYPE and HAS-SIMULATED-CONTENT are always written, as the Rubin pipelines do.
    """
    cards: dict[str, Any] = {}
    for key, name in _NUMBERS.items():
        cards[key] = float(getattr(visit, name))
    for key, name in _ANGLES.items():
        cards[key] = float(getattr(visit, name).to_value(u.deg))
    place = visit.observatory
    if place is not None:
        longitude, latitude, height = place.to_geodetic()
        cards["OBS-LONG"] = float(longitude.to_value(u.deg))
        cards["OBS-LAT"] = float(latitude.to_value(u.deg))
        cards["OBS-ELEV"] = round(float(height.to_value(u.m)), 6)
    cards["AIRTEMP"] = visit.weather.getAirTemperature()
    cards["AIRPRESS"] = visit.weather.getAirPressure()
    cards["HUMIDITY"] = float(visit.weather.humidity)
    cards = {key: value for key, value in cards.items() if math.isfinite(value)}
    if visit.date is not None:
        cards["DATE-AVG"] = Time(visit.date.tai, format="isot", precision=9).value
        cards["TIMESYS"] = "TAI"
    if visit.id:
        cards["IDNUM"] = int(visit.id)
    cards |= {key: getattr(visit, name) for key, name in _TEXTS.items() if getattr(visit, name)}
    cards["ROTTYPE"] = visit.rotation_type
    cards["HAS-SIMULATED-CONTENT"] = bool(visit.has_simulated_content)
    return cards

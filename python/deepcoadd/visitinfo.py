# SPDX-License-Identifier: BSD-3-Clause
"""What is known about one visit: when, where the telescope pointed, the weather."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from deepcoadd.interop.afw_names import VisitInfoNames

__all__ = ["VisitInfo", "Weather"]


@dataclass(frozen=True)
class Weather:
    """Weather at the telescope; NaN where it is not known.

    Parameters
    ----------
    temperature : Quantity
        Air temperature, deg C.
    pressure : Quantity
        Air pressure, Pa.
    humidity : float
        Relative humidity, per cent.
    """

    temperature: u.Quantity = field(default_factory=lambda: math.nan * u.deg_C)
    pressure: u.Quantity = field(default_factory=lambda: math.nan * u.Pa)
    humidity: float = math.nan

    def getAirTemperature(self) -> float:  # noqa: N802  (documented getter)
        """Air temperature in deg C."""
        return float(self.temperature.to_value(u.deg_C))

    def getAirPressure(self) -> float:  # noqa: N802  (documented getter)
        """Air pressure in Pa."""
        return float(self.pressure.to_value(u.Pa))

    def getHumidity(self) -> float:  # noqa: N802  (documented getter)
        """Relative humidity in per cent."""
        return self.humidity


def _nan_deg() -> u.Quantity:
    return math.nan * u.deg


@dataclass(frozen=True)
class VisitInfo(VisitInfoNames):
    """Facts about one visit; whatever is unknown is NaN, None or empty.

    Parameters
    ----------
    id : int
        Visit identifier; 0 when there is none.
    exposure_time, dark_time : float
        Seconds.
    date : Time, optional
        Middle of the exposure (TAI).
    ut1_mjd : float
        The same moment as MJD (UT1).
    era : Quantity
        Earth rotation angle at that moment.
    boresight_ra, boresight_dec : Quantity
        ICRS direction of the boresight.
    boresight_az, boresight_alt : Quantity
        Refracted topocentric direction of the boresight.
    airmass : float
        Airmass at the boresight.
    rotation_angle : Quantity
        Rotator angle, of the kind `rotation_type` (UNKNOWN, SKY, HORIZON or MOUNT).
    observatory : EarthLocation, optional
        Place of the telescope.
    weather : Weather
        Weather at the telescope.
    instrument, observation_type, science_program, observation_reason, target : str
        Labels as in the file.
    focus_z : float
        Focus position, mm.
    has_simulated_content : bool
        Whether simulated sources were added.
    """

    id: int = 0
    exposure_time: float = math.nan
    dark_time: float = math.nan
    date: Time | None = None
    ut1_mjd: float = math.nan
    era: u.Quantity = field(default_factory=_nan_deg)
    boresight_ra: u.Quantity = field(default_factory=_nan_deg)
    boresight_dec: u.Quantity = field(default_factory=_nan_deg)
    boresight_az: u.Quantity = field(default_factory=_nan_deg)
    boresight_alt: u.Quantity = field(default_factory=_nan_deg)
    airmass: float = math.nan
    rotation_angle: u.Quantity = field(default_factory=_nan_deg)
    rotation_type: str = "UNKNOWN"
    observatory: EarthLocation | None = None
    weather: Weather = field(default_factory=Weather)
    instrument: str = ""
    focus_z: float = math.nan
    observation_type: str = ""
    science_program: str = ""
    observation_reason: str = ""
    target: str = ""
    has_simulated_content: bool = False

    @property
    def mjd(self) -> float:
        """Middle of the exposure as MJD (TAI); NaN when unknown."""
        return math.nan if self.date is None else float(self.date.tai.mjd)

    @property
    def boresight_radec(self) -> SkyCoord:
        """ICRS direction of the boresight."""
        return SkyCoord(self.boresight_ra, self.boresight_dec, frame="icrs")

    @property
    def boresight_azalt(self) -> AltAz:
        """Topocentric direction of the boresight."""
        return AltAz(az=self.boresight_az, alt=self.boresight_alt)

    @property
    def hour_angle(self) -> u.Quantity:
        """Hour angle of the boresight, in -180..180 deg; NaN when it cannot be known."""
        if self.observatory is None:
            return _nan_deg()
        angle = (self.era + self.observatory.lon - self.boresight_ra).to_value(u.deg)
        return ((angle + 180.0) % 360.0 - 180.0) * u.deg

    @property
    def parallactic_angle(self) -> u.Quantity:
        """Angle at the boresight from north, through east, to the zenith; NaN when unknown."""
        if self.observatory is None:
            return _nan_deg()
        hour_angle = self.hour_angle.to_value(u.rad)
        latitude = self.observatory.geodetic.lat.to_value(u.rad)
        dec = self.boresight_dec.to_value(u.rad)
        return (
            np.arctan2(
                np.sin(hour_angle),
                np.cos(dec) * np.tan(latitude) - np.sin(dec) * np.cos(hour_angle),
            )
            * u.rad
        ).to(u.deg)

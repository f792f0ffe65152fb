# SPDX-License-Identifier: BSD-3-Clause
"""Where and when the visits of a scene were taken: WCS and visit information."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
from astropy.coordinates import EarthLocation
from astropy.time import Time
from astropy.wcs import WCS

from deepcoadd.testing.simulate._options import SceneOptions
from deepcoadd.testing.simulate._random import Stream, between, generator
from deepcoadd.visitinfo import VisitInfo, Weather

__all__ = ["tan_wcs", "visit_info"]

_LATITUDE, _LONGITUDE, _HEIGHT = -30.24464, -70.74942, 2663.0  # Cerro Pachon: degrees, metres
_TAI_MINUS_UTC = 37.0 / 86400.0
# IAU 2000: turns of the Earth since 2000-01-01 12:00 UT1.
_ERA_AT_EPOCH, _TURNS_A_DAY, _EPOCH_MJD = 0.7790572732640, 1.00273781191135448, 51544.5


def tan_wcs(options: SceneOptions) -> WCS:
    """Gnomonic WCS of parent pixel positions, north up, the middle of the box at (ra, dec)."""
    observation = options.observation
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [observation.ra, observation.dec]
    middle = [y0 + 0.5 * (n - 1) for y0, n in zip(options.start, options.shape, strict=True)]
    wcs.wcs.crpix = [middle[1] + 1.0, middle[0] + 1.0]
    scale = observation.pixel_scale / 3600.0
    wcs.wcs.cd = [[-scale, 0.0], [0.0, scale]]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def visit_info(options: SceneOptions, index: int) -> VisitInfo:
    """What is known about a visit: taken at a random hour angle in its night.

    Altitude and azimuth leave refraction out; the airmass follows Young and Irvine (1967). UT1 is
    taken as UTC.
    """
    observation = options.observation
    rng = generator(options.seed, Stream.OBSERVATION, index)
    hour_angle = math.radians(15.0 * between(rng, observation.hour_angle))
    rotation = between(rng, (0.0, 360.0))
    era = (hour_angle - math.radians(_LONGITUDE) + math.radians(observation.ra)) % (2.0 * math.pi)
    night = observation.first_mjd + index
    turns = _ERA_AT_EPOCH + _TURNS_A_DAY * (night - _EPOCH_MJD)
    ut1 = night + ((era / (2.0 * math.pi) - turns) % 1.0) / _TURNS_A_DAY
    altitude, azimuth = _horizontal(hour_angle, math.radians(observation.dec))
    secant = 1.0 / math.sin(altitude)
    return VisitInfo(
        id=observation.first_visit + index,
        exposure_time=observation.exposure_time,
        dark_time=observation.exposure_time,
        date=Time(ut1 + _TAI_MINUS_UTC, format="mjd", scale="tai"),
        ut1_mjd=ut1,
        era=(era * u.rad).to(u.deg),
        boresight_ra=observation.ra * u.deg,
        boresight_dec=observation.dec * u.deg,
        boresight_az=(azimuth * u.rad).to(u.deg),
        boresight_alt=(altitude * u.rad).to(u.deg),
        airmass=secant * (1.0 - 0.0012 * (secant * secant - 1.0)),
        rotation_angle=rotation * u.deg,
        rotation_type="SKY",
        observatory=EarthLocation.from_geodetic(
            lon=_LONGITUDE * u.deg, lat=_LATITUDE * u.deg, height=_HEIGHT * u.m
        ),
        weather=Weather(temperature=10.0 * u.deg_C, pressure=73000.0 * u.Pa, humidity=40.0),
        instrument=observation.instrument,
        observation_type="science",
        has_simulated_content=True,
    )


def _horizontal(hour_angle: float, dec: float) -> tuple[float, float]:
    """Altitude and azimuth (from north through east), radians."""
    latitude = math.radians(_LATITUDE)
    up = math.sin(latitude) * math.sin(dec) + math.cos(latitude) * math.cos(dec) * math.cos(
        hour_angle
    )
    north = math.cos(latitude) * math.sin(dec) - math.sin(latitude) * math.cos(dec) * math.cos(
        hour_angle
    )
    east = -math.cos(dec) * math.sin(hour_angle)
    return math.asin(np.clip(up, -1.0, 1.0)), math.atan2(east, north) % (2.0 * math.pi)

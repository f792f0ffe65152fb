# SPDX-License-Identifier: BSD-3-Clause
"""Facts of a visit: derived angles, unknown values, documented getters."""

from __future__ import annotations

import math

import astropy.units as u
import pytest
from astropy.coordinates import EarthLocation
from astropy.time import Time

from deepcoadd.visitinfo import VisitInfo, Weather

RUBIN = EarthLocation.from_geodetic(-70.749417 * u.deg, -30.244639 * u.deg, 2663 * u.m)


def visit(hour_angle: float, dec: float) -> VisitInfo:
    """Visit at an hour angle and declination, in degrees."""
    ra = 100.0
    era = hour_angle - RUBIN.lon.deg + ra
    return VisitInfo(
        id=3,
        observatory=RUBIN,
        era=era * u.deg,
        boresight_ra=ra * u.deg,
        boresight_dec=dec * u.deg,
    )


def test_everything_is_unknown_by_default() -> None:
    empty = VisitInfo()
    assert empty.id == 0
    assert empty.date is None
    numbers = [empty.mjd, empty.airmass, empty.exposure_time, empty.hour_angle.value]
    numbers += [empty.parallactic_angle.value, empty.weather.humidity]
    assert all(math.isnan(value) for value in numbers)


@pytest.mark.parametrize("hour_angle", [-170.0, -30.0, 0.0, 45.0, 179.0, 200.0, -307.0, 725.0])
def test_hour_angle_is_wrapped(hour_angle: float) -> None:
    found = visit(hour_angle, -10.0).hour_angle.to_value(u.deg)
    assert -180 <= found < 180
    assert math.remainder(found - hour_angle, 360) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("hour_angle", "dec", "angle"),
    [
        (0.0, 0.0, 180.0),  # north of the zenith as seen from the south: up is south
        (0.0, -80.0, 0.0),  # south of the zenith: up is north
    ],
)
def test_parallactic_angle_on_the_meridian(hour_angle: float, dec: float, angle: float) -> None:
    found = visit(hour_angle, dec).parallactic_angle.to_value(u.deg)
    assert abs(math.remainder(found - angle, 360)) < 1e-9


def test_parallactic_angle_is_that_of_the_spherical_triangle() -> None:
    """sin(q) = cos(latitude) sin(hour angle) / sin(zenith distance)."""
    for hour_angle, dec in ((40.0, 10.0), (-25.0, -60.0), (70.0, -20.0)):
        h, d, lat = (math.radians(value) for value in (hour_angle, dec, RUBIN.lat.deg))
        cos_z = math.sin(lat) * math.sin(d) + math.cos(lat) * math.cos(d) * math.cos(h)
        expected = math.cos(lat) * math.sin(h) / math.sqrt(1 - cos_z**2)
        found = visit(hour_angle, dec).parallactic_angle.to_value(u.rad)
        assert math.sin(found) == pytest.approx(expected, abs=1e-9)


def test_angles_need_a_place() -> None:
    nowhere = VisitInfo(era=10 * u.deg, boresight_ra=0 * u.deg, boresight_dec=0 * u.deg)
    assert math.isnan(nowhere.hour_angle.value)
    assert math.isnan(nowhere.parallactic_angle.value)


def test_date_in_any_scale() -> None:
    tai = Time("2024-03-05T04:05:06.5", scale="tai")
    assert VisitInfo(date=tai.utc).mjd == pytest.approx(tai.mjd, abs=1e-12)


def test_directions() -> None:
    info = VisitInfo(
        boresight_ra=10 * u.deg,
        boresight_dec=-20 * u.deg,
        boresight_az=30 * u.deg,
        boresight_alt=40 * u.deg,
    )
    assert info.boresight_radec.icrs.ra.deg == pytest.approx(10)
    assert info.boresight_azalt.alt.deg == pytest.approx(40)


def test_documented_getters() -> None:
    weather = Weather(13.5 * u.deg_C, 72000 * u.Pa, 40.0)
    info = VisitInfo(id=9, airmass=1.3, weather=weather, instrument="Cam", exposure_time=30.0)
    assert (info.getId(), info.getBoresightAirmass(), info.getExposureTime()) == (9, 1.3, 30.0)
    assert info.getInstrumentLabel() == "Cam"
    found = info.getWeather()
    assert found.getAirTemperature() == 13.5
    assert found.getAirPressure() == 72000
    assert found.getHumidity() == 40.0

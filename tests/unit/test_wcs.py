# SPDX-License-Identifier: BSD-3-Clause
"""WCS helpers: parent positions, shifts, grids."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, DistortionLookupTable, Sip

from deepcoadd.errors import NoDataError
from deepcoadd.geometry import Box
from deepcoadd.wcs import (
    box_center,
    cards_of,
    corners,
    from_cards,
    pixel_scale,
    pixel_to_sky,
    same_grid,
    shifted,
    sky_to_pixel,
)

_BOX = Box.from_shape((200, 100), start=(-30, 50))


def _wcs(*, sip: bool = False, table: bool = False) -> WCS:
    out = WCS(naxis=2)
    out.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if sip else ["RA---TAN", "DEC--TAN"]
    out.wcs.crval = [209.0, -20.25]
    out.wcs.crpix = [101.0, 71.0]
    out.wcs.cd = np.array([[-0.2, 0.01], [0.01, 0.2]]) / 3600
    if sip:
        terms = np.zeros((3, 3))
        terms[0, 2], terms[1, 1] = 2e-5, -1e-5
        inverse = np.zeros((3, 3))
        out.sip = Sip(terms, terms.T, inverse, inverse, out.wcs.crpix)
    if table:
        values = np.random.default_rng(0).normal(size=(30, 30)).astype("f4")
        out.cpdis1 = DistortionLookupTable(values, (1, 1), (1, 1), (8, 8))
    out.wcs.set()
    return out


def test_positions_are_zero_based():
    sky = pixel_to_sky(_wcs(), y=70.0, x=100.0)
    assert sky.separation(SkyCoord(209.0, -20.25, unit="deg")) < 1e-9 * u.arcsec
    y, x = sky_to_pixel(_wcs(), sky)
    assert (float(y), float(x)) == pytest.approx((70.0, 100.0), abs=1e-9)


def test_position_without_projection_is_nan():
    sky = SkyCoord([29.0, 209.0], [20.25, -20.25], unit="deg")
    y, x = sky_to_pixel(_wcs(), sky)
    assert np.isnan([y[0], x[0]]).all()
    assert (y[1], x[1]) == pytest.approx((70.0, 100.0), abs=1e-9)


@pytest.mark.parametrize("kind", [{}, {"sip": True}, {"table": True}])
def test_shifting_moves_positions_and_leaves_the_sky(kind):
    before = _wcs(**kind)
    after = shifted(before, y=12.0, x=-7.0)
    y, x = np.array([60.0, 90.5]), np.array([80.0, 121.25])
    there = pixel_to_sky(before, y=y, x=x)
    here = pixel_to_sky(after, y=y + 12.0, x=x - 7.0)
    assert (there.separation(here) < 1e-7 * u.arcsec).all()


def test_distortions_of_the_shift_test_are_not_negligible():
    flat = pixel_to_sky(_wcs(), y=90.5, x=121.25)
    for kind in ({"sip": True}, {"table": True}):
        bent = pixel_to_sky(_wcs(**kind), y=90.5, x=121.25)
        assert bent.separation(flat) > 1e-4 * u.arcsec


def test_shifting_leaves_the_original():
    wcs = _wcs(sip=True)
    shifted(wcs, y=5, x=5)
    assert wcs.wcs.crpix.tolist() == [101.0, 71.0]
    assert wcs.sip.crpix.tolist() == [101.0, 71.0]


def test_pixel_scale_is_the_root_of_the_pixel_area():
    assert pixel_scale(_wcs()) == pytest.approx(np.hypot(0.2, 0.01), rel=1e-12)


def test_pixel_scale_needs_celestial_axes():
    linear = WCS(naxis=2)
    linear.wcs.ctype = ["WAVE", "TIME"]
    with pytest.raises(NoDataError, match="WAVE, TIME"):
        pixel_scale(linear)


def test_corners_are_the_outer_edges_of_the_box():
    y, x = sky_to_pixel(_wcs(), corners(_wcs(), _BOX))
    np.testing.assert_allclose(y, [-30.5, -30.5, 169.5, 169.5], atol=1e-8)
    np.testing.assert_allclose(x, [49.5, 149.5, 149.5, 49.5], atol=1e-8)
    middle_y, middle_x = sky_to_pixel(_wcs(), box_center(_wcs(), _BOX))
    assert (float(middle_y), float(middle_x)) == pytest.approx((69.5, 99.5), abs=1e-8)


def test_an_empty_box_has_no_corners():
    with pytest.raises(NoDataError, match="empty"):
        corners(_wcs(), Box.empty())


def test_same_grid_allows_a_hundredth_of_a_pixel():
    wcs = _wcs()
    assert same_grid(wcs, wcs.deepcopy(), _BOX)
    assert same_grid(wcs, shifted(wcs, y=0.009, x=0.0), _BOX)
    assert not same_grid(wcs, shifted(wcs, y=0.0, x=0.011), _BOX)
    assert same_grid(wcs, shifted(wcs, y=0.0, x=0.011), _BOX, tolerance=0.02)


def test_same_grid_sees_rotation_and_distortion():
    turned = _wcs()
    turned.wcs.cd = turned.wcs.cd @ np.array([[1.0, 3e-4], [-3e-4, 1.0]])
    turned.wcs.set()
    assert not same_grid(_wcs(), turned, _BOX)
    assert not same_grid(_wcs(), _wcs(sip=True), _BOX)


def test_cards_give_the_wcs_again() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TPV", "DEC--TPV"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [51.25, -7.5]
    wcs.wcs.cd = [[-5e-5, 1e-6], [2e-6, 5e-5]]
    wcs.wcs.radesys, wcs.wcs.equinox = "FK5", 2000.0
    wcs.wcs.set_pv([(1, 1, 1.001), (1, 4, 1e-3), (2, 1, 0.999)])
    wcs.wcs.set()
    table = np.zeros((3, 3))
    table[2, 0], table[1, 1] = 3e-6, -2e-6
    bent = WCS(naxis=2)
    bent.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    bent.wcs.crval, bent.wcs.crpix = [10.0, -80.0], [30.0, 40.0]
    bent.wcs.cd = [[-5e-5, 0.0], [0.0, 5e-5]]
    bent.sip = Sip(table, table.T, -table, -table.T, bent.wcs.crpix)
    bent.wcs.set()
    x, y = np.array([3.0, 80.0]), np.array([-4.0, 120.0])
    for one in (wcs, bent):
        again = from_cards(cards_of(one))
        np.testing.assert_array_equal(again.all_pix2world(x, y, 0), one.all_pix2world(x, y, 0))
        assert cards_of(again) == cards_of(one)
        moved = shifted(one, y=10.0, x=20.0).all_pix2world(x + 20.0, y + 10.0, 0)
        np.testing.assert_allclose(moved, one.all_pix2world(x, y, 0), rtol=1e-13)
    assert cards_of(wcs)["CTYPE1"] == "RA---TPV"
    for cards in ({}, {**cards_of(wcs), "CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}):
        with pytest.raises(NoDataError, match="hold"):
            from_cards(cards)

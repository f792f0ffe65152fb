# SPDX-License-Identifier: BSD-3-Clause
"""Drawn sources: fluxes, moments and shapes against closed forms."""

import math

import numpy as np
import pytest

from deepcoadd.testing.simulate._profiles import GALAXY_PARTS, Canvas, Profile

_PROFILES = {
    "gaussian": Profile.gaussian(1.7),
    "double": Profile.double_gaussian(1.4),
    "moffat": Profile.moffat(1.6, 3.5),
}


def _moments(canvas: Canvas) -> tuple[float, float, float, np.ndarray]:
    """Flux, centroid (y, x) and second moments (2 x 2, y first) of a drawn source."""
    y, x = (np.arange(n) + first for n, first in zip(canvas.array.shape, canvas.start, strict=True))
    flux = canvas.array.sum()
    cy = (canvas.array.sum(axis=1) * y).sum() / flux
    cx = (canvas.array.sum(axis=0) * x).sum() / flux
    dy, dx = (y - cy)[:, None], x - cx
    yy, xx, xy = ((canvas.array * term).sum() / flux for term in (dy * dy, dx * dx, dy * dx))
    return flux, cy, cx, np.array([[yy, xy], [xy, xx]])


def _variance(profile: Profile) -> float:
    return sum(flux * sigma**2 for flux, sigma in profile.parts)


@pytest.mark.parametrize("profile", _PROFILES.values(), ids=_PROFILES)
def test_profiles_are_normalised(profile):
    assert sum(flux for flux, _ in profile.parts) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("profile", _PROFILES.values(), ids=_PROFILES)
def test_star_has_its_flux_place_and_width(profile):
    """Truncation at 6 sigma: 1.5e-8 of the flux, 36 times that of the second moment."""
    canvas = Canvas((141, 141), start=(-50, 300))
    canvas.add_star(profile, y=20.3, x=369.6, flux=250.0)
    flux, cy, cx, moments = _moments(canvas)
    assert flux == pytest.approx(250.0, rel=3e-8)
    assert (cy, cx) == pytest.approx((20.3, 369.6), abs=1e-6)
    np.testing.assert_allclose(moments, np.eye(2) * _variance(profile), rtol=1e-6, atol=1e-6)


def test_star_is_the_sampled_gaussian():
    canvas = Canvas((9, 11), start=(100, 200))
    canvas.add_star(Profile.gaussian(1.5), y=103.2, x=205.7, flux=10.0)
    y, x = np.mgrid[100:109, 200:211]
    expected = 10 / (2 * np.pi * 2.25) * np.exp(-((y - 103.2) ** 2 + (x - 205.7) ** 2) / 4.5)
    np.testing.assert_allclose(canvas.array, expected, rtol=1e-13)


def test_sampling_conserves_flux_at_the_narrowest_psf_allowed():
    """Poisson summation: the sum of samples is off by at most 4 exp(-2 pi**2 sigma**2)."""
    bound = 4 * math.exp(-2 * math.pi**2 * 0.9**2) * 1.01 + 2e-8
    errors = []
    for offset in (0.0, 0.25, 0.5):
        canvas = Canvas((21, 21), start=(-10, -10))
        canvas.add_star(Profile.gaussian(0.9), y=offset, x=offset, flux=1.0)
        errors.append(abs(canvas.array.sum() - 1.0))
    assert max(errors) <= bound
    assert max(errors) > 0.1 * bound


def test_double_gaussian_has_the_stated_wing():
    (core, s1), (wing, s2) = Profile.double_gaussian(1.4).parts
    assert s2 == 2.5 * s1
    assert (wing / s2**2) / (core / s1**2) == pytest.approx(0.1)


@pytest.mark.parametrize("beta", [2.5, 3.5, 4.765])
def test_moffat_follows_its_formula(beta):
    """Six Gaussians: within 0.5 % of the peak out to three half-widths (measured 0.3 % at most)."""
    sigma = 2.0
    half = sigma * math.sqrt(2 * math.log(2))
    r = np.linspace(0.0, 3 * half, 200)
    alpha = half / math.sqrt(2 ** (1 / beta) - 1)
    formula = (beta - 1) / (np.pi * alpha**2) * (1 + (r / alpha) ** 2) ** -beta
    parts = Profile.moffat(sigma, beta).parts
    drawn = sum(f / (2 * np.pi * s * s) * np.exp(-0.5 * (r / s) ** 2) for f, s in parts)
    assert np.abs(drawn - formula).max() < 0.005 * formula[0]


def test_core_of_a_gaussian_is_its_sigma_and_a_wing_widens_little():
    assert Profile.gaussian(1.7).core == pytest.approx(1.7)
    assert 1.4 < Profile.double_gaussian(1.4).core < 1.4 * 1.3


def test_psf_image_is_a_centred_star_of_sum_one():
    image = _PROFILES["double"].image(10)
    assert image.shape == (21, 21)
    assert image.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(image, image.T, rtol=1e-14)
    assert image[10, 10] == image.max()


@pytest.mark.parametrize("place", [(-3.0, 5.0), (12.2, 31.0), (-30.0, 10.0), (5.0, 400.0)])
def test_source_near_or_off_the_edge_is_a_cut_out(place):
    y, x = place
    whole = Canvas((120, 130), start=(-50, -50))
    part = Canvas((12, 30))
    for canvas in (whole, part):
        canvas.add_star(_PROFILES["double"], y=y, x=x, flux=5.0)
        canvas.add_galaxy(
            _PROFILES["gaussian"], y=y, x=x, flux=7.0, radius=3.0, axis_ratio=0.5, angle=1.0
        )
        canvas.add_trail(_PROFILES["gaussian"], y=y, x=x, flux=9.0, length=11.0, angle=2.0)
    np.testing.assert_allclose(part.array, whole.array[50:62, 50:80], rtol=1e-12, atol=1e-300)


def test_galaxy_has_flux_moments_and_direction():
    profile, radius, ratio, angle = _PROFILES["gaussian"], 4.0, 0.4, 0.6
    canvas = Canvas((161, 161), start=(-80, -80))
    canvas.add_galaxy(
        profile, y=0.3, x=-0.4, flux=90.0, radius=radius, axis_ratio=ratio, angle=angle
    )
    flux, cy, cx, moments = _moments(canvas)
    intrinsic = sum(part * scale**2 for part, scale in GALAXY_PARTS) * radius**2
    along, across = (
        np.array([np.sin(angle), np.cos(angle)]),
        np.array([np.cos(angle), -np.sin(angle)]),
    )
    expected = intrinsic * (np.outer(along, along) + ratio**2 * np.outer(across, across))
    expected += np.eye(2) * _variance(profile)
    assert flux == pytest.approx(90.0, rel=3e-8)
    assert (cy, cx) == pytest.approx((0.3, -0.4), abs=1e-6)
    np.testing.assert_allclose(moments, expected, rtol=2e-6)
    assert moments[0, 1] > 1.0


def test_galaxy_is_near_an_exponential_disc():
    """Fraction of the light within r half-light radii of 1 - (1 + br) exp(-br), b = 1.678."""
    for r in (0.5, 1.0, 2.0, 3.0):
        drawn = sum(part * (1 - math.exp(-0.5 * (r / scale) ** 2)) for part, scale in GALAXY_PARTS)
        br = 1.67835 * r
        assert drawn == pytest.approx(1 - (1 + br) * math.exp(-br), abs=0.01)


@pytest.mark.parametrize("profile", _PROFILES.values(), ids=_PROFILES)
def test_trail_is_a_star_that_moved(profile):
    length, angle = 17.0, 0.7
    trail, stars = Canvas((101, 101), start=(-50, -50)), Canvas((101, 101), start=(-50, -50))
    trail.add_trail(profile, y=1.2, x=0.1, flux=60.0, length=length, angle=angle)
    n = 400
    for t in ((np.arange(n) + 0.5) / n - 0.5) * length:
        stars.add_star(profile, y=1.2 + t * np.sin(angle), x=0.1 + t * np.cos(angle), flux=60 / n)
    assert trail.array.sum() == pytest.approx(60.0, rel=1e-7)
    # Midpoint rule of step h = 0.04: error h**2 / 24 of the second derivative, < 5e-5 of the peak.
    np.testing.assert_allclose(trail.array, stars.array, atol=5e-5 * stars.array.max())


def test_trail_of_no_length_is_a_star():
    trail, star = Canvas((31, 31)), Canvas((31, 31))
    trail.add_trail(_PROFILES["moffat"], y=15.2, x=14.9, flux=3.0, length=0.0, angle=1.0)
    star.add_star(_PROFILES["moffat"], y=15.2, x=14.9, flux=3.0)
    np.testing.assert_array_equal(trail.array, star.array)

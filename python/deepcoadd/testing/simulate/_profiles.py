# SPDX-License-Identifier: BSD-3-Clause
"""Stars, galaxies and trails drawn from closed formulas.

A profile is *sampled* at the centres of the pixels: the PSF of an image has the response of the
pixel in it already, and a Gaussian of sigma >= 0.9 pixels sampled so sums to its flux within
4 exp(-2 pi**2 sigma**2) (5e-7 at 0.9, 1e-19 at 1.5). So a star drawn with a Gaussian is exactly
what the Gaussian PSF attached to the image says, and so is a PSF-matched twin. Every profile is a
sum of Gaussians, each drawn out to 6 sigma (1.5e-8 of its flux lies outside).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["GALAXY_PARTS", "Canvas", "Profile", "Window", "erf"]

_REACH = 6.0
_SQRT2 = math.sqrt(2.0)
_SQRT2PI = math.sqrt(2.0 * math.pi)

_Array = npt.NDArray[np.float64]

erf = np.vectorize(math.erf, otypes=[np.float64])
"""Error function of an array."""

GALAXY_PARTS = ((0.112, 0.33), (0.444, 0.71), (0.444, 1.33))
"""(flux, sigma / half-light radius) of three Gaussians that make an exponential disc.

Fitted to exp(-1.678 r) over 0 < r < 6 half-light radii: flux within 1 radius 0.500.
"""


@dataclass(frozen=True)
class Profile:
    """A round PSF: a sum of Gaussians.

    Parameters
    ----------
    parts : tuple of (float, float)
        (flux, sigma in pixels) of each; the fluxes add up to 1.
    """

    parts: tuple[tuple[float, float], ...]

    @classmethod
    def gaussian(cls, sigma: float) -> Profile:
        """A single Gaussian."""
        return cls(((1.0, sigma),))

    @classmethod
    def double_gaussian(cls, sigma: float, ratio: float = 2.5, peak: float = 0.1) -> Profile:
        """A Gaussian and a wing, `ratio` times as wide and of `peak` times the height."""
        core, wing = 1.0, peak * ratio * ratio
        total = core + wing
        return cls(((core / total, sigma), (wing / total, ratio * sigma)))

    @classmethod
    def moffat(cls, sigma: float, beta: float, n: int = 6) -> Profile:
        """Moffat profile of the full width at half maximum of a Gaussian of `sigma`.

        ``(1 + r**2 / a**2)**-beta`` is a mixture of Gaussians whose ``t = a**2 / (2 sigma**2)``
        follows a gamma distribution of shape beta - 1; the `n` nodes and weights of its
        Gauss-Laguerre rule (from the eigenvalues of the Jacobi matrix) stand for it.
        """
        width = sigma * math.sqrt(2.0 * math.log(2.0)) / math.sqrt(2.0 ** (1.0 / beta) - 1.0)
        k = np.arange(n)
        off = np.sqrt(k[1:] * (k[1:] + beta - 2.0))
        nodes, vectors = np.linalg.eigh(
            np.diag(2.0 * k + beta - 1.0) + np.diag(off, 1) + np.diag(off, -1)
        )
        sigmas = width / np.sqrt(2.0 * nodes)
        weights = vectors[0] ** 2
        return cls(tuple((float(w), float(s)) for w, s in zip(weights, sigmas, strict=True)))

    @property
    def radius(self) -> float:
        """Distance beyond which nothing is drawn, pixels."""
        return _REACH * max(sigma for _, sigma in self.parts)

    @property
    def core(self) -> float:
        """Sigma of the Gaussian that has the same height at the centre, pixels."""
        return math.sqrt(1.0 / sum(flux / sigma**2 for flux, sigma in self.parts))

    def across(self, distance: npt.ArrayLike) -> _Array:
        """Light of a line of unit brightness (nJy per pixel of length) at distances from it."""
        d = np.asarray(distance, np.float64)
        parts = [f / (s * _SQRT2PI) * np.exp(-0.5 * (d / s) ** 2) for f, s in self.parts]
        return np.asarray(sum(parts))

    def image(self, radius: int) -> _Array:
        """(2 radius + 1)**2 pixels of a star at the centre, scaled to the sum 1."""
        canvas = Canvas((2 * radius + 1, 2 * radius + 1), start=(-radius, -radius))
        canvas.add_star(self, y=0.0, x=0.0, flux=1.0)
        return np.asarray(canvas.array / canvas.array.sum())


@dataclass(frozen=True)
class Window:
    """The part of a canvas near a position: array slices, and the pixel positions in it."""

    rows: slice
    columns: slice
    y: _Array
    x: _Array


class Canvas:
    """A float64 image on which sources are drawn, each within a stamp.

    Parameters
    ----------
    shape : (int, int)
        (ny, nx).
    start : (int, int)
        First pixel (y0, x0); positions are in that frame.
    """

    def __init__(self, shape: tuple[int, int], start: tuple[int, int] = (0, 0)) -> None:
        self.array = np.zeros(shape)
        self.start = start

    def window(self, y: float, x: float, ry: float, rx: float) -> Window | None:
        """Pixels within (ry, rx) of a position; None when there are none."""
        slices, axes = [], []
        for centre, reach, first, size in zip(
            (y, x), (ry, rx), self.start, self.array.shape, strict=True
        ):
            low = max(math.ceil(centre - reach) - first, 0)
            high = min(math.floor(centre + reach) - first + 1, size)
            if low >= high:
                return None
            slices.append(slice(low, high))
            axes.append(np.arange(low, high, dtype=np.float64) + first)
        return Window(slices[0], slices[1], axes[0], axes[1])

    def add(self, window: Window, values: _Array) -> None:
        """Add a stamp of pixels."""
        self.array[window.rows, window.columns] += values

    def add_star(self, profile: Profile, *, y: float, x: float, flux: float) -> None:
        """Add a point source of total `flux`."""
        for part, sigma in profile.parts:
            window = self.window(y, x, _REACH * sigma, _REACH * sigma)
            if window is not None:
                along_y = np.exp(-0.5 * ((window.y - y) / sigma) ** 2)
                along_x = np.exp(-0.5 * ((window.x - x) / sigma) ** 2)
                along_y *= flux * part / (2.0 * math.pi * sigma * sigma)
                self.add(window, along_y[:, None] * along_x)

    def add_galaxy(
        self, profile: Profile, *, y: float, x: float, flux: float,
        radius: float, axis_ratio: float, angle: float,
    ) -> None:  # fmt: skip
        """Add an exponential disc.

        Parameters
        ----------
        profile : Profile
            PSF.
        y, x, flux : float
            Centre and total flux.
        radius, axis_ratio : float
            Half-light radius along the major axis, pixels, and minor over major axis.
        angle : float
            Of the major axis, from the x axis towards the y axis, radians.
        """
        cos, sin = math.cos(angle), math.sin(angle)
        for galaxy_part, scale in GALAXY_PARTS:
            major = (scale * radius) ** 2
            minor = major * axis_ratio**2
            for psf_part, sigma in profile.parts:
                xx = major * cos * cos + minor * sin * sin + sigma * sigma
                yy = major * sin * sin + minor * cos * cos + sigma * sigma
                xy = (major - minor) * sin * cos
                self._add_ellipse(y, x, flux * galaxy_part * psf_part, (yy, xx, xy))

    def _add_ellipse(
        self, y: float, x: float, flux: float, moments: tuple[float, float, float]
    ) -> None:
        """Add an elliptical Gaussian of second moments (yy, xx, xy)."""
        yy, xx, xy = moments
        window = self.window(y, x, _REACH * math.sqrt(yy), _REACH * math.sqrt(xx))
        if window is None:
            return
        det = yy * xx - xy * xy
        dy, dx = (window.y - y)[:, None], window.x - x
        exponent = (xx * dy * dy - 2.0 * xy * dy * dx + yy * dx * dx) * (-0.5 / det)
        self.add(window, np.exp(exponent) * (flux / (2.0 * math.pi * math.sqrt(det))))

    def add_trail(
        self, profile: Profile, *, y: float, x: float, flux: float, length: float, angle: float
    ) -> None:
        """Add a source that moved evenly by `length` pixels during the exposure.

        The middle of the trail is at (y, x); `angle` is that of the motion, from the x axis
        towards the y axis, radians.
        """
        if length < 1e-3:
            self.add_star(profile, y=y, x=x, flux=flux)
            return
        cos, sin = math.cos(angle), math.sin(angle)
        for part, sigma in profile.parts:
            reach = _REACH * sigma
            window = self.window(
                y, x, reach + 0.5 * length * abs(sin), reach + 0.5 * length * abs(cos)
            )
            if window is None:
                continue
            dy, dx = (window.y - y)[:, None], window.x - x
            along, across = dx * cos + dy * sin, dy * cos - dx * sin
            unit = sigma * _SQRT2
            ends = erf((along + 0.5 * length) / unit) - erf((along - 0.5 * length) / unit)
            light = np.exp(-0.5 * (across / sigma) ** 2) / (sigma * _SQRT2PI)
            self.add(window, (0.5 * flux * part / length) * ends * light)

# SPDX-License-Identifier: BSD-3-Clause
"""Visits of a mosaic of detectors under a structured sky, to make and test sky frames with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.image import MaskedImage
from deepcoadd.visitinfo import VisitInfo

__all__ = ["SkyVisit", "SkyVisitOptions", "simulate_sky_visits", "sky_patterns"]

_DEGREES = 0.2 / 3600


@dataclass(frozen=True)
class SkyVisitOptions:
    """Mosaic of detectors, and the sky above it.

    Attributes
    ----------
    shape : (int, int)
        Pixels (h, w) of a detector.
    mosaic : (int, int)
        Detectors along y and x.
    gap : int
        Pixels between detectors.
    n_visits : int
        Number of visits.
    levels : (float, float)
        Range of the sky level, electrons a pixel.
    read_noise : float
        Standard deviation of a pixel without light, electrons.
    amplitude : float
        Standard deviation of the pattern of a detector, as a share of the sky.
    scale : float
        Smallest wavelength of the pattern, pixels.
    gradient : float
        Largest slope of the sky across the mosaic, as a share of its level.
    star_density : float
        Stars for each pixel.
    seed : int
        Everything follows from it.
    pattern_seed : int
        The patterns of the detectors follow from it.
    """

    shape: tuple[int, int] = (512, 512)
    mosaic: tuple[int, int] = (2, 3)
    gap: int = 32
    n_visits: int = 12
    levels: tuple[float, float] = (300.0, 1500.0)
    read_noise: float = 5.0
    amplitude: float = 0.005
    scale: float = 128.0
    gradient: float = 0.03
    star_density: float = 2e-4
    seed: int = 0
    pattern_seed: int = 1

    def __post_init__(self) -> None:
        for name in ("n_visits", "gap"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name}: got {getattr(self, name)}, must be 0 or more")
        if min(*self.shape, *self.mosaic) < 1:
            raise OptionError("shape, mosaic: must be at least 1 along each axis")


@dataclass(frozen=True)
class SkyVisit:
    """A visit: its exposures by the number of the detector, and its sky level [electrons]."""

    number: int
    level: float
    exposures: dict[int, Exposure]


def sky_patterns(options: SkyVisitOptions) -> list[NDArray[np.float64]]:
    """(h, w) pattern of every detector, in shares of the sky: mean 0, the amplitude asked for."""
    rng = np.random.default_rng(options.pattern_seed)
    height, width = options.shape
    y = np.fft.fftfreq(height)[:, None] * options.scale
    x = np.fft.rfftfreq(width)[None, :] * options.scale
    # Waves down to the scale, of falling power; none that fills the detector.
    power = np.exp(-0.5 * (y**2 + x**2) / 0.5**2)
    power[0, 0] = 0.0
    out = []
    for _ in range(options.mosaic[0] * options.mosaic[1]):
        waves = np.fft.rfft2(rng.normal(size=options.shape)) * power
        pattern = np.fft.irfft2(waves, options.shape)
        out.append(options.amplitude * pattern / pattern.std())
    return out


def simulate_sky_visits(options: SkyVisitOptions) -> Iterator[SkyVisit]:
    """Visits one after the other.

    Parameters
    ----------
    options : SkyVisitOptions
        Scene.

    Yields
    ------
    SkyVisit
        Exposures with a linear WCS, visit information, and the metadata DETECTOR. Pixels: sky
        level times (1 + gradient + pattern), stars, noise. Variances are those of the sky.
    """
    patterns = sky_patterns(options)
    (rows, columns), (height, width) = options.mosaic, options.shape
    for number in range(1, options.n_visits + 1):
        rng = np.random.default_rng([options.seed, number])
        level = float(rng.uniform(*options.levels))
        slope = rng.uniform(-options.gradient, options.gradient, 2)
        exposures = {}
        for k, pattern in enumerate(patterns):
            y0 = (k // columns) * (height + options.gap)
            x0 = (k % columns) * (width + options.gap)
            v = (np.arange(height) + y0)[:, None] / (rows * height) - 0.5
            u = (np.arange(width) + x0)[None, :] / (columns * width) - 0.5
            sky = level * (1.0 + slope[0] * v + slope[1] * u + pattern)
            light = sky + _stars(rng, options, level)
            image = rng.normal(light, np.sqrt(light + options.read_noise**2))
            variance = np.float32(level + options.read_noise**2)
            exposures[k] = Exposure(
                MaskedImage.from_arrays(image, None, variance),
                wcs=_wcs(y0, x0),
                visit_info=VisitInfo(id=number),
                metadata={"DETECTOR": k},
            )
        yield SkyVisit(number, level, exposures)


def _stars(rng: np.random.Generator, options: SkyVisitOptions, level: float) -> NDArray[np.float64]:
    """Round stars of sigma 1.5 pixels at random places; bright ones are rarer."""
    height, width = options.shape
    out = np.zeros(options.shape)
    n = rng.poisson(options.star_density * height * width)
    for y, x, u in zip(*rng.uniform(size=(3, n)), strict=True):
        y, x = y * height, x * width
        flux = 30.0 * np.sqrt(level) * (1.0 - u) ** -1.2
        j0, i0 = int(y) - 9, int(x) - 9
        j = np.arange(max(j0, 0), min(j0 + 19, height))
        i = np.arange(max(i0, 0), min(i0 + 19, width))
        profile = np.exp(-0.5 * ((j[:, None] - y) ** 2 + (i[None, :] - x) ** 2) / 1.5**2)
        out[j[:, None], i[None, :]] += flux * profile / (2 * np.pi * 1.5**2)
    return out


def _wcs(y0: int, x0: int) -> WCS:
    """Tangent plane whose middle is pixel (-y0, -x0) of the detector; origin 0."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [30.0, -5.0]
    wcs.wcs.crpix = [1.0 - x0, 1.0 - y0]
    wcs.wcs.cdelt = [-_DEGREES, _DEGREES]
    return wcs

# SPDX-License-Identifier: BSD-3-Clause
"""Scenes that artifact rejections are measured on: families that differ from the default in one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deepcoadd import Exposure
from deepcoadd.coadd import AssembleOptions
from deepcoadd.psf import GaussianPsf
from deepcoadd.testing.simulate import (
    BackgroundOptions,
    CosmicRayOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
    Visit,
    simulate_visits,
)

SEEING = (1.486, 2.760)
"""Sigma of the PSF [pixel]: 0.7 to 1.3 arcsec at 0.2 arcsec a pixel."""
PLAIN = AssembleOptions(statistic="MEAN", interpolate=None)

Flags = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float64]


def scene(n: int, side: int, seed: int) -> SceneOptions:
    """A scene of the default family."""
    part = (side / 1024) ** 2
    return SceneOptions(
        n_visits=n,
        shape=(side, side),
        seed=seed,
        sources=SourceOptions(
            n_stars=round(180 * part), n_galaxies=round(220 * part), flux=(300.0, 4e6), slope=0.55
        ),
        psf=PsfOptions(sigma=SEEING),
        background=BackgroundOptions(offset=2.0, gradient=2.0),
        detector=DetectorOptions(
            chip_shape=(380, 380),
            gap=12,
            edge=4,
            dither=150.0,
            dead_columns=1.0,
            hot_pixels=5.0,
            full_well=1.0e5,
        ),
        cosmic_rays=CosmicRayOptions(per_visit=100 * part),
        satellites=SatelliteOptions(per_visit=0.3),
        ghosts=GhostOptions(per_visit=0.3),
        asteroids=MoverOptions(n=2, trail=0.1),
        slow_movers=MoverOptions(n=1, step=(2.8, 2.8)),
    )


@dataclass
class Sky:
    """Visits as arrays (visit, y, x), and what is true of them."""

    visits: list[Visit]
    weights: list[float]
    good: Flags
    pixels: Plane
    truth: Plane
    sources: Plane
    variance: Plane
    light: Plane

    @classmethod
    def made(cls, options: SceneOptions) -> Sky:
        """Simulate."""
        visits = list(simulate_visits(options))
        truths = [visit.truth for visit in visits]
        noise = np.array([truth.noise for truth in truths])[:, None, None]
        sky = np.array([truth.sky for truth in truths], np.float64)
        bits = [visit.warp.planes.known_bitmask(PLAIN.bad_planes) for visit in visits]
        masks = zip(visits, bits, strict=True)
        good = np.array([visit.warp.mask.array & np.int32(b) == 0 for visit, b in masks])
        pixels = np.array([visit.warp.image.array for visit in visits], np.float64)
        return cls(
            visits=visits,
            weights=[1.0 / truth.noise**2 for truth in truths],
            good=good & np.isfinite(pixels),
            pixels=pixels,
            truth=sky + np.array([truth.background for truth in truths]),
            sources=sky,
            variance=sky / options.noise.gain + noise**2,
            light=np.array([truth.artifact_light for truth in truths], np.float64),
        )

    @property
    def warps(self) -> list[Exposure]:
        """What a method gets to see."""
        return [visit.warp for visit in self.visits]

    @property
    def noise(self) -> Plane:
        """Noise of a pixel without sources, of each visit."""
        return np.array([visit.truth.noise for visit in self.visits])[:, None, None]

    def observe(self, k: int, pixels: Plane, bad: Flags | None = None) -> None:
        """Give visit `k` other pixels, and make some of them bad."""
        self.pixels[k] = pixels
        self.visits[k].warp.image.array[...] = pixels
        if bad is not None:
            self.good[k] &= ~bad
            self.visits[k].warp.mask.set("BAD", bad)

    def mean(self, values: Plane, keep: Flags) -> Plane:
        """Weighted mean over visits; NaN where none is kept."""
        weight = np.array(self.weights)[:, None, None] * keep
        total = weight.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.where(keep, weight * values, 0.0).sum(axis=0) / total

    def sigma(self) -> Plane:
        """Noise of the coadd of all good pixels."""
        weight = np.array(self.weights)[:, None, None] * self.good
        total = weight.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.sqrt((weight**2 * self.variance).sum(axis=0)) / total


@dataclass(frozen=True)
class Family:
    """How a scene differs from one of the default family.

    Parameters
    ----------
    about : str
        In a few words.
    options : callable
        Options from those of the default.
    change : callable
        Changes the visits made; gets them and a random generator.
    """

    about: str
    options: Callable[[SceneOptions], SceneOptions] = lambda options: options
    change: Callable[[Sky, np.random.Generator], None] = lambda sky, rng: None

    def make(self, n: int, side: int, seed: int, matched: float | None = None) -> Sky:
        """Visits of one scene, with PSF-matched twins if a sigma is given for these."""
        sky = Sky.made(replace(self.options(scene(n, side, seed)), matched_sigma=matched))
        self.change(sky, np.random.default_rng(seed))
        return sky


def _sources(**change: object) -> Callable[[SceneOptions], SceneOptions]:
    """Other sources; numbers of them are of a field of 1024 x 1024 pixels."""

    def options(scene: SceneOptions) -> SceneOptions:
        part = scene.shape[0] * scene.shape[1] / 1024**2
        scaled = {k: round(v * part) if k.startswith("n_") else v for k, v in change.items()}
        return replace(scene, sources=replace(scene.sources, **scaled))

    return options


def _moffat(beta: float) -> Callable[[SceneOptions], SceneOptions]:
    return lambda scene: replace(scene, psf=PsfOptions("moffat", SEEING, beta))


def _with_psf(warp: Exposure, sigma: float | None) -> Exposure:
    psf = None if sigma is None else GaussianPsf((25, 25), sigma)
    return Exposure(warp.masked_image, replace(warp.info, psf=psf))


def _wrong_widths(sky: Sky, rng: np.random.Generator) -> None:
    """Widths of the PSFs are 10 % off."""
    for k, visit in enumerate(sky.visits):
        sigma = visit.truth.psf_sigma * (1 + 0.1 * rng.standard_normal())
        sky.visits[k] = replace(visit, warp=_with_psf(visit.warp, max(sigma, 0.8)))


def _no_widths(sky: Sky, rng: np.random.Generator) -> None:
    """No visit has a PSF."""
    for k, visit in enumerate(sky.visits):
        sky.visits[k] = replace(visit, warp=_with_psf(visit.warp, None))


def _wrong_variances(sky: Sky, rng: np.random.Generator) -> None:
    """Variance planes are too high or too low by 20 %."""
    for visit in sky.visits:
        visit.warp.variance.array[...] *= np.float32(rng.choice([0.8, 1.2]))


def _lanczos(values: Plane, place: tuple[Plane, Plane], power: int = 1) -> Plane:
    """Values at other places (y, x) by a Lanczos kernel of order 3 to a power, 0 outside."""
    (ny, nx), radius = values.shape, 3
    padded = np.pad(values, radius)
    whole = [np.floor(at).astype(int) for at in place]
    taps = []
    for at, first in zip(place, whole, strict=True):
        away = np.array([at - (first + k) for k in range(1 - radius, radius + 1)])
        one = np.sinc(away) * np.sinc(away / radius)
        taps.append((one / one.sum(axis=0)) ** power)
    total = np.zeros(place[0].shape)
    for i, v in enumerate(taps[0]):
        rows = np.clip(whole[0] + 1 + i, 0, ny + 2 * radius - 1)
        for j, u in enumerate(taps[1]):
            columns = np.clip(whole[1] + 1 + j, 0, nx + 2 * radius - 1)
            total += v * u * padded[rows, columns]
    return total


def _resampled(sky: Sky, rng: np.random.Generator) -> None:
    """Noise and artifacts are those of images that were warped, turned and shifted a little."""
    (ny, nx), grow = sky.good.shape[1:], 2
    y, x = np.mgrid[:ny, :nx].astype(float)
    for k, visit in enumerate(sky.visits):
        (a, b), turn = rng.uniform(-0.5, 0.5, 2), rng.normal(0, 0.01)
        place = (y + a + turn * (x - nx / 2), x + b - turn * (y - ny / 2))
        lost = ~sky.good[k]
        rest = np.where(lost, 0.0, sky.pixels[k] - sky.truth[k])
        wide = np.pad(lost, grow)
        bad = np.zeros_like(lost)
        for v in range(2 * grow + 1):
            for u in range(2 * grow + 1):
                bad |= wide[v : v + ny, u : u + nx]
        edge = (place[0] < 0) | (place[0] > ny - 1) | (place[1] < 0) | (place[1] > nx - 1)
        sky.light[k] = _lanczos(sky.light[k], place)
        noisy = np.where(lost, sky.noise[k] ** 2, visit.warp.variance.array)
        visit.warp.variance.array[...] = _lanczos(noisy.astype(float), place, 2)
        sky.variance[k] = _lanczos(sky.variance[k], place, 2)
        sky.observe(k, sky.truth[k] + _lanczos(rest, place), bad | edge)


def _static_ghosts(sky: Sky, rng: np.random.Generator) -> None:
    """One ghost at the same place of a quarter of the visits."""
    n, ny, nx = sky.good.shape
    y, x = np.mgrid[:ny, :nx]
    r = np.hypot(y - ny * rng.uniform(0.3, 0.7), x - nx * rng.uniform(0.3, 0.7))
    ring = (r < 0.18 * nx) & (r > 0.06 * nx)
    for k in range(max(n // 4, 1)):
        light = np.where(ring, rng.uniform(2.0, 5.0) * sky.noise[k], 0.0)
        sky.light[k] += light
        sky.observe(k, sky.pixels[k] + light)


def _halves(sky: Sky, rng: np.random.Generator) -> None:
    """Each visit sees a part of the field: half of it at least."""
    _, ny, nx = sky.good.shape
    y, x = np.mgrid[:ny, :nx]
    for k in range(len(sky.visits)):
        angle = rng.uniform(0, 2 * math.pi)
        along = (y - ny / 2) * math.sin(angle) + (x - nx / 2) * math.cos(angle)
        sky.observe(k, sky.pixels[k], along > rng.uniform(0.0, 0.4) * nx)


def _crossing(options: SceneOptions) -> SceneOptions:
    return replace(options, satellites=SatelliteOptions(per_visit=0.5, visits=(0, 0, 1, 1)))


def _scale(options: SceneOptions) -> SceneOptions:
    """0.263 arcsec a pixel."""
    low, high = SEEING
    return replace(options, psf=PsfOptions(sigma=(low * 0.2 / 0.263, high * 0.2 / 0.263)))


def _depths(options: SceneOptions) -> SceneOptions:
    return replace(options, noise=replace(options.noise, sky_level=(150.0, 3000.0)))


def _background(options: SceneOptions) -> SceneOptions:
    return replace(options, background=BackgroundOptions(offset=20.0, gradient=5.0, curvature=3.0))


def _level(options: SceneOptions) -> SceneOptions:
    return replace(options, background=replace(options.background, level=2e4))


FAMILIES = {
    "default": Family("as described above"),
    "moffat": Family("Moffat PSFs, beta 3.5", _moffat(3.5)),
    "wings": Family("Moffat PSFs, beta 2.5", _moffat(2.5)),
    "wrong-psf": Family("widths of the PSFs are 10 % off", change=_wrong_widths),
    "no-psf": Family("without PSFs", change=_no_widths),
    "resampled": Family("warped by a Lanczos kernel", change=_resampled),
    "variance": Family("variances are 20 % off", change=_wrong_variances),
    "dense": Family("4000 sources in 1024 x 1024", _sources(n_stars=3000, n_galaxies=1000)),
    "galaxies": Family(
        "large galaxies", _sources(n_galaxies=300, galaxy_radius=(5.0, 30.0), flux=(3e3, 2e6))
    ),
    "bright": Family("bright stars", _sources(n_stars=300, flux=(3e4, 4e7))),
    "depths": Family("depths differ by a factor of 4", _depths),
    "coarse": Family("0.263 arcsec a pixel", _scale),
    "background": Family("backgrounds differ by more than the noise", _background),
    "level": Family("a sky of 2e4 nJy was left in", _level),
    "halves": Family("visits overlap in part", change=_halves),
    "crossing": Family("two trails each in two visits", _crossing),
    "static": Family("one ghost in a quarter of the visits", change=_static_ghosts),
}

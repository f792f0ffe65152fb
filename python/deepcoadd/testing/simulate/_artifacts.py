# SPDX-License-Identifier: BSD-3-Clause
"""Light that is not of the static sky: cosmic rays, satellites, ghosts, moving bodies."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deepcoadd.testing.simulate._options import MoverOptions, SceneOptions
from deepcoadd.testing.simulate._profiles import Canvas, Profile, erf
from deepcoadd.testing.simulate._random import Stream, between, generator, log_between

__all__ = ["Artifact", "Artifacts", "draw_artifacts"]

_HOLE = 0.35  # radius of the hole of a ghost, of its own radius
_SOFT_EDGE = 1.5  # width of the edge of a ghost, pixels
_STEP = 0.1  # a track is laid down in steps of this many pixels


@dataclass(frozen=True)
class Artifact:
    """One artifact in one visit.

    Parameters
    ----------
    kind : str
        "cosmic_ray", "satellite", "ghost", "asteroid" or "slow_mover".
    y, x : float
        A point of it, the middle when it has one; parent pixels.
    brightness : float
        nJy: total flux of a moving body, of others the light of one pixel (on the axis of a trail,
        per pixel along a track).
    size : float
        Length of a track or streak, width of a satellite trail, radius of a ghost; pixels.
    angle : float
        Direction, from the x axis towards the y axis, radians.
    """

    kind: str
    y: float
    x: float
    brightness: float
    size: float
    angle: float


@dataclass
class Artifacts:
    """All artifacts of a visit.

    Parameters
    ----------
    rows : list of Artifact
        One each.
    light : dict of str to (ny, nx) float64 array
        Their light by kind, nJy a pixel; kinds that do not occur are missing.
    flagged : (ny, nx) bool array
        Pixels of those cosmic rays that carry CR.
    """

    flagged: npt.NDArray[np.bool_]
    rows: list[Artifact] = field(default_factory=list)
    light: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)


def draw_artifacts(options: SceneOptions, index: int, profile: Profile, noise: float) -> Artifacts:
    """Artifacts of one visit.

    Parameters
    ----------
    options : SceneOptions
        The scene.
    index : int
        Which visit, from 0.
    profile : Profile
        Its PSF.
    noise : float
        Typical noise of its pixels, nJy.
    """
    return _Painter(options, index, profile, noise).paint()


class _Painter:
    """Draws the artifacts of one visit, each kind from its own stream."""

    def __init__(self, options: SceneOptions, index: int, profile: Profile, noise: float) -> None:
        self.options = options
        self.index = index
        self.profile = profile
        self.noise = noise
        self.found = Artifacts(np.zeros(options.shape, bool))

    def paint(self) -> Artifacts:
        """Draw all kinds."""
        self._cosmic_rays()
        self._satellites()
        self._ghosts()
        self._movers("asteroid", Stream.ASTEROIDS, self.options.asteroids)
        self._movers("slow_mover", Stream.SLOW_MOVERS, self.options.slow_movers)
        return self.found

    def _rng(self, stream: Stream) -> np.random.Generator:
        return generator(self.options.seed, stream, self.index)

    def _position(self, rng: np.random.Generator) -> tuple[float, float]:
        """A point of the box (y, x)."""
        (y0, x0), (ny, nx) = self.options.start, self.options.shape
        return float(rng.uniform(y0 - 0.5, y0 + ny - 0.5)), float(
            rng.uniform(x0 - 0.5, x0 + nx - 0.5)
        )

    def _canvas(self) -> Canvas:
        return Canvas(self.options.shape, self.options.start)

    def _keep(self, kind: str, canvas: Canvas, rows: list[Artifact]) -> None:
        if rows:
            self.found.rows += rows
            self.found.light[kind] = canvas.array

    def _cosmic_rays(self) -> None:
        options, rng = self.options.cosmic_rays, self._rng(Stream.COSMIC_RAYS)
        canvas, rows = self._canvas(), []
        for _ in range(rng.poisson(options.per_visit)):
            y, x = self._position(rng)
            charge = self.noise * log_between(rng, options.peak)
            is_track = rng.uniform() < options.track_fraction
            length = max(rng.exponential(options.length), 1.0)
            angle = rng.uniform(0.0, math.pi)
            is_flagged = rng.uniform() < options.flagged
            if not is_track:
                length = 0.0
            rows.append(Artifact("cosmic_ray", y, x, charge, length, angle))
            pixels, charges = _track(rows[-1], canvas)
            np.add.at(canvas.array, pixels, charges)
            if is_flagged:
                self.found.flagged[pixels] = True
        self._keep("cosmic_ray", canvas, rows)

    def _satellites(self) -> None:
        options, rng = self.options.satellites, self._rng(Stream.SATELLITES)
        extra = rng.poisson(options.per_visit)
        canvas, rows = self._canvas(), []
        for _ in range(extra + options.visits.count(self.index)):
            (y0, x0), (ny, nx) = self.options.start, self.options.shape
            # Through the middle half of the box, so that the trail is long.
            y = y0 - 0.5 + ny * between(rng, (0.25, 0.75))
            x = x0 - 0.5 + nx * between(rng, (0.25, 0.75))
            angle = rng.uniform(0.0, math.pi)
            peak = self.noise * log_between(rng, options.peak)
            width = between(rng, options.width)
            rows.append(Artifact("satellite", y, x, peak, width, angle))
            _add_line(canvas, self.profile, rows[-1])
        self._keep("satellite", canvas, rows)

    def _ghosts(self) -> None:
        options, rng = self.options.ghosts, self._rng(Stream.GHOSTS)
        canvas, rows = self._canvas(), []
        for _ in range(rng.poisson(options.per_visit)):
            y, x = self._position(rng)
            radius = between(rng, options.radius)
            peak = self.noise * log_between(rng, options.peak)
            rows.append(Artifact("ghost", y, x, peak, radius, 0.0))
            window = canvas.window(y, x, radius + 10.0, radius + 10.0)
            if window is not None:
                r = np.hypot((window.y - y)[:, None], window.x - x)
                disc = 0.5 - 0.5 * np.tanh((r - radius) / _SOFT_EDGE)
                hole = 0.5 - 0.5 * np.tanh((r - _HOLE * radius) / _SOFT_EDGE)
                canvas.add(window, peak * (disc - hole))
        self._keep("ghost", canvas, rows)

    def _movers(self, kind: str, stream: Stream, options: MoverOptions) -> None:
        # One stream for all visits: a body has the same orbit and flux in each.
        rng = generator(self.options.seed, stream)
        canvas, rows = self._canvas(), []
        middle = 0.5 * (self.options.n_visits - 1)
        for _ in range(options.n):
            y, x = self._position(rng)
            flux = log_between(rng, options.flux)
            step = between(rng, options.step)
            angle = rng.uniform(0.0, 2.0 * math.pi)
            y += (self.index - middle) * step * math.sin(angle)
            x += (self.index - middle) * step * math.cos(angle)
            length = options.trail * step
            rows.append(Artifact(kind, y, x, flux, length, angle))
            canvas.add_trail(self.profile, y=y, x=x, flux=flux, length=length, angle=angle)
        self._keep(kind, canvas, rows)


def _track(
    ray: Artifact, canvas: Canvas
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]:
    """Pixels that a cosmic ray hits, with repetitions, and the charge left at each hit."""
    n = max(round(ray.size / _STEP), 1)
    along = (np.arange(n) - 0.5 * (n - 1)) * _STEP
    rows = np.floor(ray.y + along * math.sin(ray.angle) + 0.5).astype(np.int64) - canvas.start[0]
    columns = np.floor(ray.x + along * math.cos(ray.angle) + 0.5).astype(np.int64) - canvas.start[1]
    ny, nx = canvas.array.shape
    inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
    share = ray.brightness * (_STEP if ray.size else 1.0)
    return (rows[inside], columns[inside]), np.full(np.count_nonzero(inside), share)


def _add_line(canvas: Canvas, profile: Profile, trail: Artifact) -> None:
    """Draw a trail across the whole canvas: a band of even light seen through the PSF."""
    (y0, x0), (ny, nx) = canvas.start, canvas.array.shape
    dy = (np.arange(ny) + (y0 - trail.y))[:, None]
    dx = np.arange(nx) + (x0 - trail.x)
    distance = dy * math.cos(trail.angle) - dx * math.sin(trail.angle)
    near = np.abs(distance) < profile.radius + 0.5 * trail.size
    canvas.array[near] += (
        trail.brightness
        * _band(profile, distance[near], trail.size)
        / _band(profile, np.zeros(1), trail.size)
    )


def _band(
    profile: Profile, distance: npt.NDArray[np.float64], width: float
) -> npt.NDArray[np.float64]:
    """Light across a band of unit brightness and some width, seen through the PSF."""
    total = np.zeros(distance.shape)
    for part, sigma in profile.parts:
        unit = sigma * math.sqrt(2.0)
        total += (0.5 * part) * (
            erf((distance + 0.5 * width) / unit) - erf((distance - 0.5 * width) / unit)
        )
    return total

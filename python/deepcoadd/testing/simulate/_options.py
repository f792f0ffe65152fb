# SPDX-License-Identifier: BSD-3-Clause
"""Options of a simulated scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from deepcoadd.errors import OptionError

__all__ = [
    "BackgroundOptions",
    "CosmicRayOptions",
    "DetectionOptions",
    "DetectorOptions",
    "GhostOptions",
    "MoverOptions",
    "NoiseOptions",
    "ObservationOptions",
    "PsfOptions",
    "Range",
    "SatelliteOptions",
    "SceneOptions",
    "SourceOptions",
]

Range = tuple[float, float]
"""Lowest and highest value of a number that is drawn evenly between the two."""


def _check_range(name: str, pair: Range, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse a range that is not ordered, not finite, or leaves [low, high]."""
    ok = len(pair) == 2 and all(math.isfinite(value) for value in pair)
    if not ok or not low <= pair[0] <= pair[1] <= high:
        raise OptionError(
            f"{name} = {pair}: expected (lowest, highest), both finite, within {low:g} to {high:g}"
        )


def _check(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse a number outside [low, high] (NaN is outside)."""
    if not low <= value <= high:
        raise OptionError(f"{name} = {value!r}: expected a number from {low:g} to {high:g}")


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not in the list."""
    if value not in allowed:
        raise OptionError(f"{name} = {value!r}: expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class SourceOptions:
    """Stars and galaxies.

    Parameters
    ----------
    n_stars, n_galaxies : int
        How many of each.
    flux : (float, float)
        Faintest and brightest flux, nJy, > 0.
    slope : float
        The number brighter than f goes as ``f**-slope``; 0 is even in log f, -1 even in f.
    galaxy_radius : (float, float)
        Half-light radius of a galaxy along its major axis, pixels.
    margin : float
        Sources lie up to this many pixels outside of the box too, so that their wings reach in.
    """

    n_stars: int = 150
    n_galaxies: int = 150
    flux: Range = (300.0, 3e5)
    slope: float = 0.7
    galaxy_radius: Range = (1.5, 5.0)
    margin: float = 15.0

    def __post_init__(self) -> None:
        _check("sources.n_stars", self.n_stars, 0)
        _check("sources.n_galaxies", self.n_galaxies, 0)
        _check_range("sources.flux", self.flux, 1e-6)
        _check("sources.slope", self.slope, -10.0, 10.0)
        _check_range("sources.galaxy_radius", self.galaxy_radius, 0.1, 100.0)
        _check("sources.margin", self.margin, 0.0)


@dataclass(frozen=True)
class PsfOptions:
    """Shape of a star.

    Parameters
    ----------
    kind : {"gaussian", "double_gaussian", "moffat"}
        A double Gaussian adds to the core one of 2.5 times its sigma and 0.1 times its peak. The
        Moffat profile is rendered as the six Gaussians that have its first moments in 1/sigma**2.
    sigma : (float, float)
        Sigma of the core, pixels, >= 0.9; drawn anew for each visit. For a Moffat profile:
        full width at half maximum / 2.3548.
    beta : float
        Exponent of the Moffat profile, > 1.5.
    """

    kind: str = "gaussian"
    sigma: Range = (1.5, 2.5)
    beta: float = 3.5

    def __post_init__(self) -> None:
        _check_choice("psf.kind", self.kind, ("gaussian", "double_gaussian", "moffat"))
        # Below 0.9 px a sampled Gaussian no longer sums to one (error 4 exp(-2 pi**2 sigma**2)).
        _check_range("psf.sigma", self.sigma, 0.9, 50.0)
        _check("psf.beta", self.beta, 1.5, 20.0)


@dataclass(frozen=True)
class NoiseOptions:
    """Noise of the pixels.

    Parameters
    ----------
    kind : {"photon", "uniform"}
        "photon": Gaussian noise of variance (sky + source) / gain + (read_noise / gain)**2, which
        is also the variance plane. "uniform": even over `width`, with the median taken out; the
        variance plane is then ``|image| + width``.
    gain : float
        Electrons per nJy.
    read_noise : float
        Electrons.
    sky_level : (float, float)
        Brightness of the night sky, nJy a pixel; drawn anew for each visit. It makes noise; of the
        light itself only what `BackgroundOptions` says is left in the image.
    width : float
        Full width of the uniform noise, nJy.
    """

    kind: str = "photon"
    gain: float = 1.8
    read_noise: float = 9.0
    sky_level: Range = (400.0, 600.0)
    width: float = 5.0

    def __post_init__(self) -> None:
        _check_choice("noise.kind", self.kind, ("photon", "uniform"))
        _check("noise.gain", self.gain, 1e-6)
        _check("noise.read_noise", self.read_noise, 0.0)
        _check_range("noise.sky_level", self.sky_level, 0.0)
        _check("noise.width", self.width, 0.0)
        if self.kind == "photon" and self.read_noise == 0.0 and self.sky_level[0] == 0.0:
            raise OptionError("noise: read_noise and sky_level are both 0, so there is no noise")


@dataclass(frozen=True)
class BackgroundOptions:
    """Sky light that is left in the images.

    Parameters
    ----------
    level : float
        The same in all visits, nJy a pixel.
    offset : float
        Standard deviation of a constant that differs from visit to visit, nJy.
    gradient : float
        Standard deviation of the slope along each axis: nJy from the middle to the edge.
    curvature : float
        Standard deviation of each quadratic term, nJy at the edge.
    pattern : float
        Amplitude of a fringe-like pattern fixed to the detector, as a fraction of the sky level.
    pattern_period : float
        Its period, pixels.
    """

    level: float = 0.0
    offset: float = 0.0
    gradient: float = 0.0
    curvature: float = 0.0
    pattern: float = 0.0
    pattern_period: float = 120.0

    def __post_init__(self) -> None:
        _check("background.level", self.level, -math.inf)
        for name in ("offset", "gradient", "curvature", "pattern"):
            _check(f"background.{name}", getattr(self, name), 0.0)
        _check("background.pattern_period", self.pattern_period, 2.0)


@dataclass(frozen=True)
class DetectorOptions:
    """Detectors: gaps, defects, saturation.

    Parameters
    ----------
    chip_shape : (int, int) or None
        (ny, nx) pixels of a chip of the mosaic; None is one chip larger than the box.
    gap : int
        Pixels between chips; there is no data there.
    edge : int
        Pixels along each side of a chip that carry EDGE.
    dither : float
        Largest shift of the mosaic between visits along each axis, pixels.
    rotate : bool
        Whether the mosaic is turned by the rotator angle of the visit.
    dead_columns, hot_pixels : float
        Mean number a chip; both carry BAD.
    full_well : float
        Electrons a pixel can hold; what is above runs along the column. SAT.
    """

    chip_shape: tuple[int, int] | None = None
    gap: int = 0
    edge: int = 0
    dither: float = 0.0
    rotate: bool = False
    dead_columns: float = 0.0
    hot_pixels: float = 0.0
    full_well: float = math.inf

    def __post_init__(self) -> None:
        for side in self.chip_shape or ():
            _check("detector.chip_shape", side, 8)
        for name in ("gap", "edge", "dither", "dead_columns", "hot_pixels"):
            _check(f"detector.{name}", getattr(self, name), 0.0)
        _check("detector.full_well", self.full_well, 1.0)


@dataclass(frozen=True)
class CosmicRayOptions:
    """Cosmic rays: points and straight tracks, sharper than the PSF.

    Parameters
    ----------
    per_visit : float
        Mean number a visit.
    track_fraction : float
        Fraction that are tracks; the others hit one pixel.
    length : float
        Mean length of a track, pixels (exponential distribution).
    peak : (float, float)
        Charge a pixel along the track, in units of the pixel noise, even in its logarithm.
    flagged : float
        Fraction that carries CR, as if single-frame processing had found them.
    """

    per_visit: float = 0.0
    track_fraction: float = 0.6
    length: float = 12.0
    peak: Range = (10.0, 500.0)
    flagged: float = 0.0

    def __post_init__(self) -> None:
        _check("cosmic_rays.per_visit", self.per_visit, 0.0)
        _check("cosmic_rays.track_fraction", self.track_fraction, 0.0, 1.0)
        _check("cosmic_rays.length", self.length, 1.0)
        _check_range("cosmic_rays.peak", self.peak, 1e-3)
        _check("cosmic_rays.flagged", self.flagged, 0.0, 1.0)


@dataclass(frozen=True)
class SatelliteOptions:
    """Straight trails that cross the whole image.

    Parameters
    ----------
    per_visit : float
        Mean number a visit.
    visits : tuple of int
        Indices of visits that have one trail for certain, counted from 0.
    peak : (float, float)
        Brightness on the axis of the trail, in units of the pixel noise.
    width : (float, float)
        Width before the PSF, pixels (satellites are out of focus).
    """

    per_visit: float = 0.0
    visits: tuple[int, ...] = ()
    peak: Range = (5.0, 60.0)
    width: Range = (1.0, 6.0)

    def __post_init__(self) -> None:
        _check("satellites.per_visit", self.per_visit, 0.0)
        for index in self.visits:
            _check("satellites.visits", index, 0)
        _check_range("satellites.peak", self.peak, 1e-3)
        _check_range("satellites.width", self.width, 0.01)


@dataclass(frozen=True)
class GhostOptions:
    """Out-of-focus reflections: discs with a hole, large and faint.

    Parameters
    ----------
    per_visit : float
        Mean number a visit.
    peak : (float, float)
        Brightness, in units of the pixel noise.
    radius : (float, float)
        Outer radius, pixels; that of the hole is 0.35 of it.
    """

    per_visit: float = 0.0
    peak: Range = (0.5, 3.0)
    radius: Range = (40.0, 120.0)

    def __post_init__(self) -> None:
        _check("ghosts.per_visit", self.per_visit, 0.0)
        _check_range("ghosts.peak", self.peak, 1e-3)
        _check_range("ghosts.radius", self.radius, 2.0)


@dataclass(frozen=True)
class MoverOptions:
    """Bodies of the solar system: in every visit, at a place that moves on.

    Parameters
    ----------
    n : int
        How many.
    flux : (float, float)
        Flux of each, nJy; the same in all visits.
    step : (float, float)
        Pixels from one visit to the next, in a direction of its own.
    trail : float
        Length of the streak within a visit, as a fraction of the step.
    """

    n: int = 0
    flux: Range = (2e3, 2e4)
    step: Range = (40.0, 120.0)
    trail: float = 0.0

    def __post_init__(self) -> None:
        _check("movers.n", self.n, 0)
        _check_range("movers.flux", self.flux, 1e-6)
        _check_range("movers.step", self.step, 0.0)
        _check("movers.trail", self.trail, 0.0, 1.0)


@dataclass(frozen=True)
class DetectionOptions:
    """How the DETECTED plane of a visit is made; from the truth, not from the noisy pixels.

    Parameters
    ----------
    kind : {"smoothed", "threshold", "none"}
        "smoothed": noiseless light smoothed by the PSF above `threshold` times the noise of the
        smoothed image. "threshold": noisy image above its background by `threshold` nJy.
    threshold : float
        In units of the noise ("smoothed") or nJy ("threshold").
    grow : float
        Radius by which what is found is grown, in units of the sigma of the PSF.
    """

    kind: str = "smoothed"
    threshold: float = 5.0
    grow: float = 2.4

    def __post_init__(self) -> None:
        _check_choice("detection.kind", self.kind, ("smoothed", "threshold", "none"))
        _check("detection.threshold", self.threshold, 1e-6)
        _check("detection.grow", self.grow, 0.0, 20.0)


@dataclass(frozen=True)
class ObservationOptions:
    """Where and when.

    Parameters
    ----------
    ra, dec : float
        ICRS position of the middle of the box, degrees.
    pixel_scale : float
        Arcsec.
    band, physical_filter, instrument : str
        Labels.
    first_visit : int
        Identifier of the first visit; the others follow.
    exposure_time : float
        Seconds.
    first_mjd : float
        Day of the first visit; one visit a night.
    hour_angle : (float, float)
        Hours, drawn anew for each visit.
    """

    ra: float = 209.0
    dec: float = -20.25
    pixel_scale: float = 0.2
    band: str = "r"
    physical_filter: str = "r_57"
    instrument: str = "Simulated"
    first_visit: int = 100
    exposure_time: float = 30.0
    first_mjd: float = 61000.0
    hour_angle: Range = (-2.5, 2.5)

    def __post_init__(self) -> None:
        _check("observation.ra", self.ra, 0.0, 360.0)
        _check("observation.dec", self.dec, -90.0, 30.0)
        _check("observation.pixel_scale", self.pixel_scale, 1e-3, 60.0)
        _check("observation.first_visit", self.first_visit, 1)
        _check("observation.exposure_time", self.exposure_time, 0.0)
        _check("observation.first_mjd", self.first_mjd, 40000.0, 90000.0)
        _check_range("observation.hour_angle", self.hour_angle, -4.0, 4.0)


@dataclass(frozen=True)
class SceneOptions:
    """A simulated scene: one field seen in several visits.

    Parameters
    ----------
    n_visits : int
        Number of visits, at least 1.
    shape : (int, int)
        (ny, nx) of every image.
    start : (int, int)
        First pixel (y0, x0), in the frame of the tract.
    seed : int
        Everything follows from it. Each kind of thing in each visit draws from a stream of its
        own, so that adding one kind leaves all others as they were.
    matched_sigma : float or None
        When given, PSF-matched twins of the images are made too, with this Gaussian PSF (sigma in
        pixels, at least that of any visit).
    sources, psf, noise, background, detector, cosmic_rays, satellites, ghosts, asteroids, \
slow_movers, detection, observation
        Options of the parts.

    Raises
    ------
    OptionError
        A value is not allowed; the message names it.
    """

    n_visits: int = 8
    shape: tuple[int, int] = (512, 512)
    start: tuple[int, int] = (0, 0)
    seed: int = 0
    matched_sigma: float | None = None
    sources: SourceOptions = field(default_factory=SourceOptions)
    psf: PsfOptions = field(default_factory=PsfOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    background: BackgroundOptions = field(default_factory=BackgroundOptions)
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    cosmic_rays: CosmicRayOptions = field(default_factory=CosmicRayOptions)
    satellites: SatelliteOptions = field(default_factory=SatelliteOptions)
    ghosts: GhostOptions = field(default_factory=GhostOptions)
    asteroids: MoverOptions = field(default_factory=lambda: MoverOptions(trail=0.1))
    slow_movers: MoverOptions = field(default_factory=lambda: MoverOptions(step=(2.0, 2.0)))
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    observation: ObservationOptions = field(default_factory=ObservationOptions)

    def __post_init__(self) -> None:
        _check("n_visits", self.n_visits, 1)
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise OptionError(f"shape = {self.shape}: expected (ny, nx), both at least 1")
        if len(self.start) != 2:
            raise OptionError(f"start = {self.start}: expected (y0, x0)")
        _check("seed", self.seed, 0)
        if any(index >= self.n_visits for index in self.satellites.visits):
            raise OptionError(
                f"satellites.visits = {self.satellites.visits}: there are only visits 0 to "
                f"{self.n_visits - 1}"
            )
        if self.matched_sigma is not None:
            _check("matched_sigma", self.matched_sigma, self.psf.sigma[1], 100.0)
            if self.psf.kind != "gaussian":
                raise OptionError(
                    f"matched_sigma = {self.matched_sigma}: twins need psf.kind 'gaussian', "
                    f"not {self.psf.kind!r}"
                )

# SPDX-License-Identifier: BSD-3-Clause
"""Scenes: the visits of one field, with the truth beside the images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from astropy.wcs import WCS

from deepcoadd.errors import ShapeError
from deepcoadd.exposure import Exposure, ExposureInfo, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.testing.simulate._artifacts import Artifact, Artifacts, draw_artifacts
from deepcoadd.testing.simulate._background import draw_background
from deepcoadd.testing.simulate._catalogue import draw_catalogue, render_sky
from deepcoadd.testing.simulate._detection import detected, dilated, gaussian_taps, smoothed
from deepcoadd.testing.simulate._detector import Detector, draw_detector, saturate
from deepcoadd.testing.simulate._observation import tan_wcs, visit_info
from deepcoadd.testing.simulate._options import SceneOptions
from deepcoadd.testing.simulate._presets import preset
from deepcoadd.testing.simulate._profiles import Profile
from deepcoadd.testing.simulate._psf import psf_model, psf_profile
from deepcoadd.testing.simulate._random import Stream, between, generator

__all__ = ["Scene", "Truth", "Visit", "VisitTruth", "simulate_scene", "simulate_visits"]

_Plane = npt.NDArray[np.float32]
_Where = npt.NDArray[np.bool_]

_VISIBLE = 0.1  # an artifact covers the pixels where its light exceeds this times the noise
_HOT = 2.0e4  # electrons of a hot pixel


@dataclass(frozen=True)
class VisitTruth:
    """What is true of one visit.

    Parameters
    ----------
    visit : int
        Identifier.
    sky : (ny, nx) float32 array
        Noiseless stars and galaxies at the PSF of the visit, nJy a pixel.
    background : (ny, nx) float32 array
        Sky light left in the image, nJy a pixel.
    artifact_light : (ny, nx) float32 array
        Light of all artifacts together, nJy a pixel.
    artifacts : dict of str to (ny, nx) bool array
        Pixels of each kind that occurs in the scene: "cosmic_ray", "satellite", "ghost",
        "asteroid", "slow_mover" (light above 0.1 of the pixel noise), "saturated", "dead_column",
        "hot_pixel", "gap".
    artifact_rows : tuple of Artifact
        One for each artifact of light.
    psf_sigma : float
        Sigma of the core of the PSF, pixels.
    sky_level : float
        Brightness of the night sky that makes the noise, nJy a pixel.
    noise : float
        Noise of a pixel without sources, nJy.
    """

    visit: int
    sky: _Plane
    background: _Plane
    artifact_light: _Plane
    artifacts: Mapping[str, _Where]
    artifact_rows: tuple[Artifact, ...]
    psf_sigma: float
    sky_level: float
    noise: float

    def any_artifact(self, *kinds: str) -> _Where:
        """(ny, nx) bool: pixels of the named kinds (of all kinds of light, without names)."""
        lights = ("cosmic_ray", "satellite", "ghost", "asteroid", "slow_mover")
        out = np.zeros(self.sky.shape, bool)
        for kind in kinds or lights:
            out |= self.artifacts.get(kind, False)
        return out


@dataclass(frozen=True)
class Visit:
    """One visit: its image, its PSF-matched twin when asked for, and the truth."""

    warp: Exposure
    matched: Exposure | None
    truth: VisitTruth


@dataclass(frozen=True)
class Truth:
    """What is true of a scene.

    Parameters
    ----------
    visits : tuple of VisitTruth
        In the order of the images.
    catalogue : Table
        The sources (see docs/simulate.md for the columns).
    matched_sky : (ny, nx) float32 array or None
        Noiseless stars and galaxies at the matched PSF, nJy a pixel.
    """

    visits: tuple[VisitTruth, ...]
    catalogue: Table
    matched_sky: _Plane | None = None

    def sky(self, weights: Sequence[float] | npt.NDArray[np.float64] | None = None) -> _Plane:
        """(ny, nx) float32 noiseless sky that a weighted mean of the visits shows, nJy a pixel.

        Parameters
        ----------
        weights : sequence of float, optional
            One a visit; equal when left out. Gaps are not taken into account.

        Raises
        ------
        ShapeError
            The number of weights is not that of the visits.
        """
        shares = np.ones(len(self.visits)) if weights is None else np.asarray(weights, np.float64)
        if shares.shape != (len(self.visits),):
            raise ShapeError(f"weights: {shares.shape} given for {len(self.visits)} visits")
        total = np.zeros(self.visits[0].sky.shape)
        for share, visit in zip(shares / shares.sum(), self.visits, strict=True):
            total += share * visit.sky
        return total.astype(np.float32)

    def artifact_table(self) -> Table:
        """Table of all artifacts of light: visit, kind, y, x, brightness, size, angle."""
        rows = [(v.visit, row) for v in self.visits for row in v.artifact_rows]
        units = {"y": u.pix, "x": u.pix, "brightness": u.nJy, "size": u.pix, "angle": u.rad}
        columns: dict[str, Any] = {
            "visit": np.array([visit for visit, _ in rows], np.int64),
            "kind": np.array([row.kind for _, row in rows], "U12"),
        }
        for name, unit in units.items():
            columns[name] = np.array([getattr(row, name) for _, row in rows], np.float64) * unit
        return Table(columns)

    def visit_table(self) -> Table:
        """Table of the visits: visit, psf_sigma, sky_level, noise."""
        names = ("visit", "psf_sigma", "sky_level", "noise")
        return Table({name: [getattr(visit, name) for visit in self.visits] for name in names})


@dataclass(frozen=True)
class Scene:
    """The images of a simulated scene, and the truth.

    Parameters
    ----------
    options : SceneOptions
        What it was made from; the same options give the same scene, bit for bit.
    warps : list of Exposure
        One a visit, all on one grid.
    matched : list of Exposure
        PSF-matched twins; empty when not asked for.
    truth : Truth
        What is true of it.
    """

    options: SceneOptions
    warps: list[Exposure]
    matched: list[Exposure]
    truth: Truth

    @property
    def box(self) -> Box:
        """Pixels of the images."""
        return self.warps[0].box

    @property
    def wcs(self) -> WCS:
        """WCS of the images."""
        return self.warps[0].info.wcs


def simulate_scene(options: SceneOptions | str = "demo") -> Scene:
    """Images of one field in several visits, with the truth.

    Parameters
    ----------
    options : SceneOptions or str
        What to make, or the name of a preset ("clean", "demo", "reference").

    Returns
    -------
    Scene
        Everything in memory: per visit 12 bytes a pixel of images (twice that with twins), 12 of
        truth and 1 for each kind of artifact. For more visits than fit see `simulate_visits`.

    Raises
    ------
    OptionError
        There is no preset of that name.

    Examples
    --------
    >>> scene = simulate_scene(SceneOptions(n_visits=2, shape=(40, 50), seed=3))
    >>> len(scene.warps), scene.box.shape
    (2, (40, 50))
    """
    options = preset(options)
    visits = list(simulate_visits(options))
    catalogue = draw_catalogue(options, tan_wcs(options))
    matched_sky = None
    if options.matched_sigma is not None:
        profile = Profile.gaussian(options.matched_sigma)
        matched_sky = render_sky(catalogue, profile, options.shape, options.start)
    return Scene(
        options=options,
        warps=[visit.warp for visit in visits],
        matched=[visit.matched for visit in visits if visit.matched is not None],
        truth=Truth(tuple(visit.truth for visit in visits), catalogue, matched_sky),
    )


def simulate_visits(options: SceneOptions | str = "demo") -> Iterator[Visit]:
    """Visits of a scene, made one at a time so that only one is in memory.

    The images are those of `simulate_scene`, bit for bit.
    """
    options = preset(options)
    wcs = tan_wcs(options)
    catalogue = draw_catalogue(options, wcs)
    for index in range(options.n_visits):
        yield _VisitMaker(options, index, wcs, catalogue).make()


class _VisitMaker:
    """Makes one visit: light first, then noise, then the detector, then what is found in it."""

    def __init__(self, options: SceneOptions, index: int, wcs: WCS, catalogue: Table) -> None:
        self.options = options
        self.index = index
        self.wcs = wcs
        self.catalogue = catalogue
        self.visit_info = visit_info(options, index)
        seed = options.seed
        self.sigma = between(generator(seed, Stream.SEEING, index), options.psf.sigma)
        self.sky_level = between(generator(seed, Stream.SKY_LEVEL, index), options.noise.sky_level)
        self.profile = psf_profile(options, self.sigma)
        self.noise = self._plain_noise()

    def make(self) -> Visit:
        """Image, twin and truth."""
        options = self.options
        rotation = math.radians(self.visit_info.rotation_angle.to_value(u.deg))
        detector = draw_detector(options, self.index, rotation)
        sky = render_sky(self.catalogue, self.profile, options.shape, options.start)
        background = draw_background(options, self.index, self.sky_level)
        artifacts = draw_artifacts(options, self.index, self.profile, self.noise)
        light = np.zeros(options.shape, np.float32)
        for part in artifacts.light.values():
            light += part.astype(np.float32)
        image, variance = self._noisy(sky + light, background)
        saturated = self._read_out(image, detector)
        found = self._detect(image, sky + light, background, variance)
        residual = image - sky - background
        masks = self._masks(artifacts, detector, saturated)
        twin = None
        if options.matched_sigma is not None:
            twin = self._twin(residual, background, variance, masks, found)
        pixels = self._pixels(image, variance, masks, detector, artifacts.flagged, found)
        truth = VisitTruth(
            visit=self.visit_info.id,
            sky=sky,
            background=background,
            artifact_light=light,
            artifacts=masks,
            artifact_rows=tuple(artifacts.rows),
            psf_sigma=self.sigma,
            sky_level=self.sky_level,
            noise=self.noise,
        )
        warp = Exposure(pixels, self._info(pixels.box, self.profile))
        return Visit(warp, twin, truth)

    def _plain_noise(self) -> float:
        """Noise of a pixel without sources, nJy."""
        noise = self.options.noise
        if noise.kind == "uniform":
            return noise.width / math.sqrt(12.0)
        return math.sqrt(self.sky_level / noise.gain + (noise.read_noise / noise.gain) ** 2)

    def _noisy(self, light: _Plane, background: _Plane) -> tuple[_Plane, _Plane]:
        """Image with noise, and the variance plane."""
        noise = self.options.noise
        rng = generator(self.options.seed, Stream.NOISE, self.index)
        clean = light + background
        if noise.kind == "uniform":
            draw = rng.random(self.options.shape, dtype=np.float32) * np.float32(noise.width)
            image = clean + (draw - np.median(draw))
            return image, np.abs(image) + np.float32(noise.width)
        variance = light / np.float32(noise.gain) + np.float32(self.noise**2)
        draw = rng.standard_normal(self.options.shape, dtype=np.float32)
        return clean + draw * np.sqrt(variance), variance

    def _read_out(self, image: _Plane, detector: Detector) -> _Where:
        """Put saturation and defects into the image; returns the saturated pixels."""
        gain, full_well = self.options.noise.gain, self.options.detector.full_well
        level = np.float32(self.sky_level)
        saturated = np.zeros(image.shape, bool)
        if math.isfinite(full_well):
            saturated = saturate((image + level) * np.float32(gain), full_well)
            image[saturated] = full_well / gain - self.sky_level
        image[detector.dead_column] = -level
        image[detector.hot_pixel] = _HOT / gain
        return saturated

    def _detect(self, image: _Plane, light: _Plane, background: _Plane, variance: _Plane) -> _Where:
        """Pixels of the DETECTED plane."""
        detection = self.options.detection
        if detection.kind == "none":
            return np.zeros(image.shape, bool)
        if detection.kind == "threshold":
            found = image > background + np.float32(detection.threshold)
            return dilated(found, int(detection.grow * self.sigma + 0.5))
        return detected(light, variance, self.sigma, detection.threshold, detection.grow)

    def _masks(
        self, artifacts: Artifacts, detector: Detector, saturated: _Where
    ) -> dict[str, _Where]:
        """Pixels of each kind of artifact that the options ask for."""
        options = self.options
        masks = {kind: light > _VISIBLE * self.noise for kind, light in artifacts.light.items()}
        if math.isfinite(options.detector.full_well):
            masks["saturated"] = saturated
        if options.detector.dead_columns:
            masks["dead_column"] = detector.dead_column
        if options.detector.hot_pixels:
            masks["hot_pixel"] = detector.hot_pixel
        if options.detector.chip_shape is not None:
            masks["gap"] = detector.gap
        return masks

    def _pixels(
        self,
        image: _Plane,
        variance: _Plane,
        masks: Mapping[str, _Where],
        detector: Detector,
        flagged: _Where,
        found: _Where,
    ) -> MaskedImage:
        """Masked image of the warp; changes the planes given."""
        box = Box.from_shape(self.options.shape, start=self.options.start)
        mask = Mask.zeros(box)
        nothing = np.zeros(box.shape, bool)
        mask.set("SAT", masks.get("saturated", nothing))
        mask.set("BAD", detector.dead_column | detector.hot_pixel)
        mask.set("EDGE", detector.edge)
        mask.set("CR", flagged)
        mask.set("DETECTED", found)
        _erase(image, mask, variance, detector.gap)
        return MaskedImage(Image(image, box), mask, Image(variance, box))

    def _twin(
        self,
        residual: _Plane,
        background: _Plane,
        variance: _Plane,
        masks: Mapping[str, _Where],
        found: _Where,
    ) -> Exposure:
        """PSF-matched twin: sources drawn with the matched PSF, all else smoothed to it.

        Pixels within the reach of the smoothing (2.5 sigma of it) of a gap have no data; saturated
        and defective pixels spread their planes over the same reach.
        """
        options = self.options
        assert options.matched_sigma is not None
        profile = Profile.gaussian(options.matched_sigma)
        sigma = math.sqrt(max(options.matched_sigma**2 - self.sigma**2, 0.0))
        taps = gaussian_taps(sigma)
        image = render_sky(self.catalogue, profile, options.shape, options.start) + background
        image += smoothed(residual, taps)
        spread = smoothed(variance, taps**2)
        box = Box.from_shape(options.shape, start=options.start)
        mask = Mask.zeros(box)
        planes = {"SAT": "saturated", "BAD": "dead_column", "EDGE": "gap"}
        for plane, kind in planes.items():
            if kind in masks:
                mask.set(plane, dilated(masks[kind], 2.5 * sigma))
        if "hot_pixel" in masks:
            mask.set("BAD", dilated(masks["hot_pixel"], 2.5 * sigma))
        mask.set("DETECTED", found)
        if "gap" in masks:
            _erase(image, mask, spread, dilated(masks["gap"], 2.5 * sigma))
        pixels = MaskedImage(Image(image, box), mask, Image(spread, box))
        return Exposure(pixels, self._info(box, profile))

    def _info(self, box: Box, profile: Profile) -> ExposureInfo:
        """Everything but the pixels."""
        observation = self.options.observation
        return ExposureInfo(
            box,
            wcs=self.wcs,
            psf=psf_model(profile, box.center),
            photo_calib=PhotoCalib(1.0),
            visit_info=self.visit_info,
            filter=FilterLabel(observation.band, observation.physical_filter),
            unit=u.nJy,
            id=self.visit_info.id,
        )


def _erase(image: _Plane, mask: Mask, variance: _Plane, where: _Where) -> None:
    """Make pixels without data, in place: NaN, NO_DATA alone, variance +inf."""
    image[where] = np.nan
    variance[where] = np.inf
    mask.array[where] = mask.planes.bitmask("NO_DATA")

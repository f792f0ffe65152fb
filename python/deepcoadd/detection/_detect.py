# SPDX-License-Identifier: BSD-3-Clause
"""Detection of the pixels and footprints of sources."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from deepcoadd._checks import instance, number
from deepcoadd.background import BackgroundModel, fit_background
from deepcoadd.convolve import kernel_width, smooth
from deepcoadd.detection._options import DetectionOptions
from deepcoadd.detection._peaks import found_again, rebuilt, with_significance
from deepcoadd.errors import NoDataError, OptionError, PsfGenerationError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes
from deepcoadd.psf import Psf, determinant_radius
from deepcoadd.spans import FootprintSet, Threshold
from deepcoadd.statistics import StatsOptions, statistics

__all__ = ["DetectionResult", "detect"]

_log = logging.getLogger(__name__)

_DEFAULTS = DetectionOptions()
Polarity = Literal["positive", "negative"]
_LARGEST_RADIUS = 2**20
_PLANE: dict[Polarity, str] = {"positive": "DETECTED", "negative": "DETECTED_NEGATIVE"}


@dataclass(frozen=True)
class DetectionResult:
    """What `detect` found.

    Attributes
    ----------
    positive, negative : FootprintSet or None
        Footprints, with their peaks; None for a polarity that was not asked for. Peaks carry
        their significance for thresholds of type "pixel_stdev" and "stdev" (else NaN).
    sigma : float or None
        Of the PSF [pixels]; None where it was neither given nor needed.
    n_grow : int
        Radius of growth [pixels].
    kernel_width : int
        Side of the smoothing kernel [pixels]; 0 without smoothing.
    factor, factor_negative : float
        What the thresholds were multiplied by.
    n_positive, n_negative : int
        Footprints found; also of a polarity not asked for, if the new background needed them.
    n_positive_peaks, n_negative_peaks : int
        Peaks in them.
    background : tuple of BackgroundModel
        Backgrounds that were subtracted from the image.
    """

    positive: FootprintSet | None
    negative: FootprintSet | None
    sigma: float | None
    n_grow: int
    kernel_width: int
    factor: float
    factor_negative: float
    n_positive: int = 0
    n_negative: int = 0
    n_positive_peaks: int = 0
    n_negative_peaks: int = 0
    background: tuple[BackgroundModel, ...] = ()


def detect(
    exposure: Exposure | MaskedImage,
    options: DetectionOptions = _DEFAULTS,
    sigma: float | None = None,
    *,
    do_smooth: bool = True,
    clear_mask: bool = True,
    flag: bool = True,
    factor: float = 1.0,
    factor_negative: float | None = None,
) -> DetectionResult:
    """Detect sources, and flag their pixels in the mask.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
        float32, background subtracted. In its mask DETECTED and DETECTED_NEGATIVE are set at the
        grown footprints and, with smoothing, EDGE in the rim that the kernel does not cover. The
        image is changed only by `DetectionOptions.re_estimate_background`. Masked pixels are
        detected like others, NaN never is; with smoothing NaN spreads over the kernel. Pixels
        whose variance is not above 0 are not detected with "pixel_stdev".
    options : DetectionOptions
        Threshold, growth, backgrounds.
    sigma : float, optional
        Of the PSF [pixels]; by default from the PSF of the exposure.
    do_smooth : bool
        Smooth by a Gaussian of `sigma` before.
    clear_mask : bool
        Clear the two planes first.
    flag : bool
        Off: the mask is neither changed nor copied, unless a step needs it.
    factor, factor_negative : float
        Factor on the threshold, and on that for negative sources (default: the same).

    Returns
    -------
    DetectionResult

    Raises
    ------
    PsfGenerationError
        Sigma is needed and neither given nor to be had from the PSF.
    ShapeError
        The image is smaller than the smoothing kernel.
    OptionError
        A number is not allowed, or "stdev" and "variance" meet an image without scatter.
    MaskPlaneError
        The mask lacks one of the three planes, or a plane of the options is unknown.

    Notes
    -----
    ``docs/algorithms/detection.md``.
    """
    pixels = exposure.masked_image if isinstance(exposure, Exposure) else exposure
    instance("exposure", pixels, MaskedImage)
    instance("options", options, DetectionOptions)
    factors = _factors(factor, factor_negative)
    psf = exposure.info.psf if isinstance(exposure, Exposure) else None
    psf_sigma = sigma_of(psf, options, sigma, do_smooth=do_smooth)
    n_grow = radius_to_grow(psf_sigma, options)
    width = 0
    if do_smooth and psf_sigma is not None:
        width = kernel_width(psf_sigma, options.n_sigma_for_kernel)
    own = flag or fits_backgrounds(options)
    words = _starting_words(pixels, options, clear=clear_mask) if own else pixels.mask
    scene = MaskedImage(pixels.image, words, pixels.variance)
    if options.do_temp_wide_background:
        scene = _less_wide_background(scene, options)
    middle = _smoothed(scene, psf_sigma, width, options)
    if width and own:
        _set_rim(words, middle.box)
    found = _search(middle, scene, options, factors)
    wider = {
        polarity: grown(footprints.with_region(pixels.box), n_grow, options)
        for polarity, footprints in found.items()
    }
    if own:
        for polarity, footprints in wider.items():
            footprints.set_mask(words, _PLANE[polarity])
    if not options.return_original_footprints:
        found = wider
    counts = _counts(found)
    backgrounds: tuple[BackgroundModel, ...] = ()
    if options.re_estimate_background:
        backgrounds = (_subtracted_background(pixels, words, options),)
        for polarity in set(_PLANE) - set(wanted(options)):
            found.pop(polarity)
            words.clear(_PLANE[polarity])
    if flag:
        pixels.mask.array[...] = words.array
    _log.debug("detected %s", counts)
    return DetectionResult(
        positive=found.get("positive"),
        negative=found.get("negative"),
        sigma=psf_sigma,
        n_grow=n_grow,
        kernel_width=width,
        factor=factors["positive"],
        factor_negative=factors["negative"],
        background=backgrounds,
        **counts,
    )


def fits_backgrounds(options: DetectionOptions) -> bool:
    """Whether a step looks at the mask that the detection makes."""
    return (
        options.re_estimate_background
        or options.do_temp_local_background
        or options.do_temp_wide_background
    )


def _counts(found: dict[Polarity, FootprintSet]) -> dict[str, int]:
    """Numbers of footprints and peaks, by their names in the result."""
    footprints = {f"n_{polarity}": len(f) for polarity, f in found.items()}
    return footprints | {f"n_{polarity}_peaks": len(f.peaks) for polarity, f in found.items()}


def _factors(factor: float, factor_negative: float | None) -> dict[Polarity, float]:
    """Factor on the threshold of each polarity."""
    negative = factor if factor_negative is None else factor_negative
    for name, value in (("factor", factor), ("factor_negative", negative)):
        if not (math.isfinite(number(name, value)) and value >= 0):
            raise OptionError(f"{name}: got {value}, must be finite and >= 0")
    return {"positive": float(factor), "negative": float(negative)}


def sigma_of(
    psf: Psf | None, options: DetectionOptions, sigma: float | None, *, do_smooth: bool
) -> float | None:
    """Sigma of the PSF [pixels]: the one given, else that of `psf`.

    None where it is not known and nothing needs it; PsfGenerationError where something does.
    """
    if sigma is not None:
        if not (math.isfinite(number("sigma", sigma)) and sigma > 0):
            raise OptionError(f"sigma: got {sigma}, must be finite and > 0")
        return float(sigma)
    if psf is None:
        if do_smooth or options.n_sigma_to_grow > 0:
            raise PsfGenerationError("sigma: got None, must be given for an image without a PSF")
        return None
    try:
        return determinant_radius(psf)
    except NoDataError as error:
        raise PsfGenerationError(f"sigma of the PSF cannot be had: {error}") from error


def radius_to_grow(sigma: float | None, options: DetectionOptions) -> int:
    """Radius [pixels] that footprints grow by."""
    radius = options.n_sigma_to_grow * (sigma or 0.0) + 0.5
    if radius > _LARGEST_RADIUS:
        raise OptionError(
            f"sigma: got {sigma}, {options.n_sigma_to_grow} times of it must be at most "
            f"{_LARGEST_RADIUS}"
        )
    return int(radius)


def _bits(planes: MaskPlanes, names: tuple[str, ...]) -> np.int32:
    """Bits of named planes; standard ones that this mask lacks count for nothing."""
    unknown = [name for name in names if name not in planes and name not in DEFAULT_PLANES]
    return np.int32(planes.bitmask(*unknown) if unknown else planes.known_bitmask(names))


def _starting_words(pixels: MaskedImage, options: DetectionOptions, *, clear: bool) -> Mask:
    """Copy of the mask to work on, so that an error leaves the image's own as it was."""
    needed = [*_PLANE.values(), "EDGE"]
    pixels.planes.bitmask(*needed)
    _bits(pixels.planes, options.stats_planes)
    words = pixels.mask.copy()
    if clear:
        words.clear(*_PLANE.values())
    return words


def _less_wide_background(scene: MaskedImage, options: DetectionOptions) -> MaskedImage:
    """Image less its wide background; the median of the good pixels where there is no data."""
    background = fit_background(scene, options.temp_wide_background).image()
    image = Image(scene.image.array - background.array, scene.box)
    missing = scene.mask.has("NO_DATA")
    good = (scene.mask.array & _bits(scene.planes, options.stats_planes)) == 0
    good &= np.isfinite(image.array)
    if good.any():
        image.array[missing] = np.median(image.array[good])
    return MaskedImage(image, scene.mask, scene.variance)


def _smoothed(
    scene: MaskedImage, sigma: float | None, width: int, options: DetectionOptions
) -> MaskedImage:
    """Image to search: smoothed if `width` is not 0, with 0 at excluded pixels."""
    bits = _bits(scene.planes, options.exclude_planes)
    middle = scene
    if width and sigma is not None:
        measured = options.threshold_type in ("stdev", "variance")
        middle = smooth(scene, sigma, width, with_mask=bool(bits) or measured)
    if not bits:
        return middle
    image = np.where(middle.mask.array & bits, np.float32(0), middle.image.array)
    return MaskedImage(Image(image, middle.box), middle.mask, middle.variance)


def _set_rim(words: Mask, inside: Box) -> None:
    """Set EDGE outside the pixels that the kernel covers."""
    rim = np.ones(words.array.shape, bool)
    rim[inside.slices_within(words.box)] = False
    words.set("EDGE", rim)


def wanted(options: DetectionOptions) -> tuple[Polarity, ...]:
    """Polarities that are asked for."""
    if options.threshold_polarity == "both":
        return tuple(_PLANE)
    return (options.threshold_polarity,)


def _noise(middle: MaskedImage, options: DetectionOptions) -> float | None:
    """Clipped standard deviation of the image, where the threshold is in units of it."""
    if options.threshold_type not in ("stdev", "variance"):
        return None
    planes = options.stats_planes if options.threshold_type == "stdev" else ()
    bad = int(_bits(middle.planes, planes))
    noise = statistics(middle, properties="STDEVCLIP", options=StatsOptions(bad_bits=bad)).value()
    if not noise > 0:
        raise OptionError(
            f"threshold_type: got {options.threshold_type!r} for an image of clipped standard "
            f"deviation {noise}, which must be above 0"
        )
    return noise


def _search(
    middle: MaskedImage,
    scene: MaskedImage,
    options: DetectionOptions,
    factors: dict[Polarity, float],
) -> dict[Polarity, FootprintSet]:
    """Footprints, not grown, of the polarities that are needed."""
    noise = _noise(middle, options)
    kind: Literal["pixel_stdev", "value"] = "value"
    if options.threshold_type == "pixel_stdev":
        kind = "pixel_stdev"
    thresholds = {
        polarity: Threshold(
            options.threshold_value * factors[polarity] * (1.0 if noise is None else noise),
            kind,
            polarity,
            options.include_threshold_multiplier,
        )
        for polarity in (_PLANE if options.re_estimate_background else wanted(options))
    }
    least = options.min_pixels
    found = {p: FootprintSet.search(middle, t, least) for p, t in thresholds.items()}
    if options.do_temp_local_background:
        local = fit_background(scene, options.temp_local_background).image(middle.box)
        image = Image(middle.image.array - local.array, middle.box)
        middle = MaskedImage(image, middle.mask, middle.variance)
        simple = options.n_peaks_max_simple
        for polarity, threshold in thresholds.items():
            found[polarity] = found_again(found[polarity], middle, threshold, least, simple)
    if options.threshold_type in ("pixel_stdev", "stdev"):
        return {p: with_significance(f, middle, noise) for p, f in found.items()}
    return found


def grown(footprints: FootprintSet, radius: int, options: DetectionOptions) -> FootprintSet:
    """Footprints grown by a radius [pixels], within their region."""
    if radius == 0:
        return footprints
    if options.combined_grow:
        return footprints.grown(radius, isotropic=options.isotropic_grow)
    stencil: Literal["circle", "manhattan"] = "circle" if options.isotropic_grow else "manhattan"
    parts = [f.dilated(radius, stencil).clipped_to(footprints.region) for f in footprints]
    return rebuilt(footprints, parts)


def _subtracted_background(
    pixels: MaskedImage, words: Mask, options: DetectionOptions
) -> BackgroundModel:
    """Fit a background beside what was detected, and subtract it from the image."""
    scene = MaskedImage(pixels.image, words, pixels.variance)
    model = fit_background(scene, options.background)
    model = replace(model, values=model.values + np.float32(options.adjust_background))
    pixels.image.array -= model.image().array
    return model

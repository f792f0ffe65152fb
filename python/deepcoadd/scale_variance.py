# SPDX-License-Identifier: BSD-3-Clause
"""Variance planes scaled to the scatter that the pixels show.

Warping and matching correlate pixels, and a variance plane knows nothing of covariances: it comes
out too small. The quartiles of the pixels of empty sky tell by how much.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import instance, names, number
from deepcoadd.background import BackgroundOptions, fit_background
from deepcoadd.errors import ExceedsMaxVarianceScaleError, OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.image import MaskedImage
from deepcoadd.statistics import StatsOptions, StatsResult, statistics

__all__ = ["ScaleFactors", "ScaleVarianceOptions", "scale_factors", "scale_variance"]

_log = logging.getLogger(__name__)

_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP")


@dataclass(frozen=True)
class ScaleVarianceOptions:
    """Options of `scale_variance`.

    Attributes
    ----------
    mask_planes : tuple of str
        Pixels with one of these planes are not measured; planes that a mask does not have are not
        looked for.
    limit : float
        Largest factor allowed; finite, > 0.
    iqr_to_sigma : float
        Standard deviation per inter-quartile range. 0.74 as in the pipelines: the factor of
        perfect Gaussian noise is 0.9965 (0.741301 would make it 1).
    background : BackgroundOptions
        Background subtracted for the measurement.

    Raises
    ------
    OptionError
        A number is not allowed.
    """

    mask_planes: tuple[str, ...] = _PLANES
    limit: float = 10.0
    iqr_to_sigma: float = 0.74
    background: BackgroundOptions = field(
        default_factory=lambda: BackgroundOptions(bin_size=32, ignored_planes=_PLANES)
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask_planes", names("mask_planes", self.mask_planes))
        instance("background", self.background, BackgroundOptions)
        for name in ("limit", "iqr_to_sigma"):
            value = number(name, getattr(self, name))
            if not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name}: got {value}, must be finite and > 0")


_DEFAULTS = ScaleVarianceOptions()


@dataclass(frozen=True)
class ScaleFactors:
    """Ratios of the observed scatter, squared, to the variances.

    Attributes
    ----------
    pixel : float
        From the pixels in units of their own errors.
    image : float
        From the pixels as they are, and the median variance.
    n_pixels : int
        Pixels measured; with fewer than two both factors are 1.
    """

    pixel: float
    image: float
    n_pixels: int

    def chosen(self, limit: float) -> float:
        """Return the pixel factor, or, where it exceeds the limit, that of the image.

        Raises
        ------
        ExceedsMaxVarianceScaleError
            Both exceed the limit, or neither is a number above 0.
        """
        for factor in (self.pixel, self.image):
            if 0 < factor <= limit:
                return factor
        raise ExceedsMaxVarianceScaleError(
            f"variance scale factor: got {self.pixel:g} from pixels and {self.image:g} from the "
            f"image, must be above 0 and at most {limit:g}"
        )


def scale_factors(
    pixels: MaskedImage | Exposure, options: ScaleVarianceOptions = _DEFAULTS
) -> ScaleFactors:
    """Measure how much larger the scatter of the pixels is than their variances say.

    Parameters
    ----------
    pixels : MaskedImage or Exposure
        float32, not changed. Only pixels without `mask_planes`, finite, with a finite variance
        above 0 are measured, after a binned background is subtracted from a copy.
    options : ScaleVarianceOptions
        Planes, background.

    Returns
    -------
    ScaleFactors
        ``docs/algorithms/background.md``, "Scaling of variances".

    Raises
    ------
    TooManyMaskedPixelsError
        No pixel is good enough to measure a background.
    ShapeError
        The image has no pixels.
    """
    if isinstance(pixels, Exposure):
        pixels = pixels.masked_image
    instance("pixels", pixels, MaskedImage)
    image = pixels.image.array - fit_background(pixels, options.background).image().array
    noise = pixels.variance.array.copy()
    noise[~((noise > 0) & (noise < np.inf))] = np.nan
    image[np.isnan(noise)] = np.nan
    noise[~np.isfinite(image)] = np.nan
    stats = StatsOptions(bad_bits=pixels.planes.known_bitmask(options.mask_planes))

    def of_good_pixels(values: NDArray[np.float32], properties: str) -> StatsResult:
        return statistics(values, pixels.mask.array, properties=properties, options=stats)

    median = of_good_pixels(noise, "MEDIAN|NPOINT")
    if median.n_point < 2:
        _log.warning("variance scale factor: %d good pixels, left at 1", median.n_point)
        return ScaleFactors(1.0, 1.0, median.n_point)
    to_sigma = options.iqr_to_sigma
    by_image = (to_sigma * of_good_pixels(image, "IQRANGE").value()) ** 2 / median.value("MEDIAN")
    np.sqrt(noise, out=noise)
    image /= noise
    by_pixel = (to_sigma * of_good_pixels(image, "IQRANGE").value()) ** 2
    return ScaleFactors(by_pixel, by_image, median.n_point)


def scale_variance(
    pixels: MaskedImage | Exposure, options: ScaleVarianceOptions = _DEFAULTS
) -> float:
    """Scale the variance plane, in place, to the scatter of the pixels; see `scale_factors`.

    Returns
    -------
    float
        The factor.

    Raises
    ------
    ExceedsMaxVarianceScaleError
        Both factors exceed the limit; the variances are as they were.
    TooManyMaskedPixelsError
        No pixel is good enough to measure a background.
    """
    factor = scale_factors(pixels, options).chosen(options.limit)
    pixels.variance.array *= np.float32(factor)
    _log.debug("variances scaled by %g", factor)
    return factor

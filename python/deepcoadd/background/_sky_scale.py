# SPDX-License-Identifier: BSD-3-Clause
"""How much of a sky frame is in an exposure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import check_finite
from deepcoadd._core import background as _core
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._planes import with_whole_rows
from deepcoadd.background._sky_means import curve_variances
from deepcoadd.background._sky_options import SkyOptions
from deepcoadd.errors import NoSamplesError, OptionError, ShapeError, SingularError
from deepcoadd.image import Image, MaskedImage
from deepcoadd.statistics import Property, StatsOptions

__all__ = ["SkySamples", "SkyScale", "sample_sky", "solve_sky_scale", "subtract_sky_frame"]

_log = logging.getLogger(__name__)
_DEFAULTS = SkyOptions()

Floats = NDArray[np.float64]

# Standard deviations of a Gaussian in the distance of its quartiles, as the method writes it.
_SIGMA_PER_IQR = 0.741
# Share of a frame's squares that rounding leaves beside terms that contain it.
_NOTHING = 1e-24


@dataclass(frozen=True)
class SkySamples:
    """Samples of an exposure and of a sky frame at the same places of one detector.

    Attributes
    ----------
    image, sky : (n,) float64 array
        Values; NaN where a sample has no good pixel.
    variance : (n,) float64 array, optional
        Squared errors of the image's: the noise of a pixel of the detector over their number.
    sky_variance : (n,) float64 array, optional
        Squared errors of the sky frame's; NaN where not known.
    y, x : (n,) float64 array, optional
        Middles of the samples, from -1 to 1 across the detector.
    """

    image: Floats
    sky: Floats
    variance: Floats | None = None
    sky_variance: Floats | None = None
    y: Floats | None = None
    x: Floats | None = None


@dataclass(frozen=True)
class SkyScale:
    """Scale of a sky frame in an exposure; `float` of it is the scale.

    Attributes
    ----------
    scale, error : float
        Scale, and its standard error: from the errors of the samples if they were weighted by
        them, else from the scatter of the samples.
    chi2 : float
        Sum of the squares of the residuals of the samples used, over their squared errors if
        they were weighted.
    n_used, n_samples : int
        Samples used; samples given.
    n_terms : int
        Terms that were fitted.
    nuisance : (d, k) float64 array
        Constants (and slopes along y and x, per half detector) of each detector.
    used : (n_samples,) bool array
        Which samples were used, in the order given.
    """

    scale: float
    error: float
    chi2: float
    n_used: int
    n_samples: int
    n_terms: int
    nuisance: Floats
    used: NDArray[np.bool_]

    def __float__(self) -> float:
        return self.scale


def check_boxes(image: MaskedImage, sky: BackgroundModel) -> None:
    """Raise ShapeError unless a sky frame covers exactly the pixels of an image."""
    if image.box != sky.box:
        raise ShapeError(f"sky frame: covers {sky.box}, must cover {image.box} like the image")


def sample_sky(
    image: MaskedImage, sky: BackgroundModel, options: SkyOptions = _DEFAULTS
) -> SkySamples:
    """Measure an exposure and a sky frame in the same samples.

    Parameters
    ----------
    image : MaskedImage
        float32 image of a detector, any origin. Pixels of ``options.ignored_planes`` and those
        that are not finite do not count.
    sky : BackgroundModel
        Sky frame of the same box.
    options : SkyOptions
        Samples, statistic, planes.

    Returns
    -------
    SkySamples
        Cells run along the first column, then the next (x outer, y inner); bins along the rows.

    Raises
    ------
    ShapeError
        The boxes differ.
    MaskPlaneError
        The mask does not have a plane that is to be ignored.
    """
    check_boxes(image, sky)
    stats = StatsOptions(
        bad_bits=image.planes.bitmask(*options.ignored_planes),
        sigma_clip=options.sigma_clip,
        n_iter=options.n_iter,
    )
    cells = _cells(image.box.shape, sky, options)
    table = _core.cell_statistics(
        with_whole_rows(image.image.array),
        with_whole_rows(image.mask.array),
        cells.tolist(),
        property=int(Property.parse(options.statistic)),
        options=stats.core_options(),
        grid=np.ascontiguousarray(sky.values),
        curves=sky.curves(),
        same_pixels=options.same_pixels,
    )
    height, width = image.box.shape
    sky_variance = curve_variances(sky, cells) if options.correct_noise else None
    return SkySamples(
        table[:, 0],
        table[:, 4],
        _variances(table[:, 2], table[:, 3]),
        sky_variance,
        (cells[:, 0] + cells[:, 1]) / height - 1.0,
        (cells[:, 2] + cells[:, 3]) / width - 1.0,
    )


def _variances(scatter: Floats, n: Floats) -> Floats:
    """Squared errors of samples of n pixels of one noise, the median scatter of all samples.

    The scatter of a sample itself is the greater the steeper the frame is there: weights that
    follow it would prefer the samples that tell least.
    """
    known = scatter[np.isfinite(scatter)]
    pixel = np.median(known) if known.size else np.nan
    with np.errstate(divide="ignore"):
        return np.where(n > 0, pixel / n, np.nan)


def _cells(shape: tuple[int, int], sky: BackgroundModel, options: SkyOptions) -> NDArray[np.int64]:
    """(n, 4): first row, the one after the last, first column, the one after the last."""
    height, width = shape
    if options.samples == "bins":
        y, x = (
            np.array(_core.edges(n, m), np.int64)
            for n, m in zip(shape, sky.values.shape, strict=True)
        )
        rows, columns = (index.ravel() for index in np.indices(sky.values.shape))
    else:
        ny, nx = min(options.y_samples, height), min(options.x_samples, width)
        y, x = (np.linspace(0, n, m + 1).astype(np.int64) for n, m in ((height, ny), (width, nx)))
        columns, rows = (index.ravel() for index in np.indices((nx, ny)))
    return np.stack([y[rows], y[rows + 1], x[columns], x[columns + 1]], axis=1)


def solve_sky_scale(samples: Sequence[SkySamples], options: SkyOptions = _DEFAULTS) -> SkyScale:
    """Fit one scale to the samples of all detectors of an exposure.

    Parameters
    ----------
    samples : sequence of SkySamples
        One for each detector. Samples that are not finite do not count.
    options : SkyOptions
        Rounds and threshold of rejection, weights, nuisance terms, noise of the frame.

    Returns
    -------
    SkyScale
        Least squares with rejection of samples whose residual exceeds `reject` robust standard
        deviations; ``docs/algorithms/sky-frames.md``. A frame that is 0 everywhere has the
        scale 0.

    Raises
    ------
    NoSamplesError
        No sample is usable, or there are fewer than terms to fit.
    SingularError
        The frame is a sum of the nuisance terms.
    ShapeError
        The numbers of samples of an exposure and its sky frame, or of their errors, differ.
    OptionError
        Samples without errors are to be weighted, or without places to be fitted by nuisances.
    """
    image, sky = _joined(samples)
    root = _roots(samples, options)
    good = np.isfinite(image) & np.isfinite(sky) & np.isfinite(root) & (root > 0)
    noise = np.concatenate([_noise(one, options) for one in samples]) * root**2
    data, sky = (np.where(good, values * root, np.nan) for values in (image, sky))
    nuisances = [block * root[rows, None] for rows, block in _nuisances(samples, options)]
    system = _System(data, sky, noise, nuisances)
    largest = np.max(np.abs(data[good]), initial=0.0)
    for _ in range(options.max_rounds):
        kept = kept_samples(system.solve(good).residual, good, options.reject, largest)
        if kept is None:
            break
        good = kept
    found = system.solve(good)
    chi2 = float(np.sum(found.residual[good] ** 2))
    n_used, n_terms = int(good.sum()), 1 + sum(block.shape[1] for block in nuisances)
    variance = found.variance
    if not options.weighting:
        variance *= chi2 / (n_used - n_terms) if n_used > n_terms else np.nan
    return SkyScale(
        found.scale,
        float(np.sqrt(variance)),
        chi2,
        n_used,
        len(image),
        n_terms,
        np.stack(found.nuisance),
        good,
    )


def _joined(samples: Sequence[SkySamples]) -> tuple[Floats, Floats]:
    if not samples:
        raise NoSamplesError("no usable sky samples: got no detectors")
    for k, one in enumerate(samples):
        if np.shape(one.image) != np.shape(one.sky) or np.ndim(one.image) != 1:
            raise ShapeError(
                f"sky samples: detector {k} has {np.shape(one.image)} of the image and "
                f"{np.shape(one.sky)} of the sky frame, must be equal numbers"
            )
        for name in ("variance", "sky_variance", "y", "x"):
            part = getattr(one, name)
            if part is not None and np.shape(part) != np.shape(one.image):
                raise ShapeError(
                    f"sky samples: detector {k} has {np.shape(part)} of {name}, must be "
                    f"{np.shape(one.image)}"
                )
    image, sky = (
        np.concatenate([np.asarray(getattr(s, name), np.float64) for s in samples])
        for name in ("image", "sky")
    )
    return image, sky


def _roots(samples: Sequence[SkySamples], options: SkyOptions) -> Floats:
    """Square roots of the weights of all samples."""
    if not options.weighting:
        return np.ones(sum(len(s.image) for s in samples))
    if any(s.variance is None for s in samples):
        raise OptionError("weighting: got True, must be False for samples without errors")
    variance = np.concatenate([np.asarray(s.variance, np.float64) for s in samples])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 / np.sqrt(variance))


def _nuisances(samples: Sequence[SkySamples], options: SkyOptions) -> list[tuple[slice, Floats]]:
    """Places of the samples of each detector, and (n, k) columns of its nuisance terms."""
    out, start = [], 0
    for one in samples:
        n = len(one.image)
        columns = [] if options.nuisance == "none" else [np.ones(n)]
        if options.nuisance == "plane":
            if one.y is None or one.x is None:
                raise OptionError("nuisance: got plane, must be another for samples without places")
            columns += [one.y, one.x]
        block = np.stack(columns, axis=1) if columns else np.zeros((n, 0))
        out.append((slice(start, start + n), block))
        start += n
    return out


def _noise(one: SkySamples, options: SkyOptions) -> Floats:
    """Squared errors of the sky frame at the samples of a detector, 0 where they are not known."""
    if not options.correct_noise or one.sky_variance is None:
        return np.zeros(len(one.image))
    variance = np.asarray(one.sky_variance, np.float64)
    return np.where(np.isfinite(variance) & (variance > 0), variance, 0.0)


@dataclass(frozen=True)
class _Solution:
    scale: float
    variance: float
    nuisance: list[Floats]
    residual: Floats


@dataclass(frozen=True)
class _System:
    """Samples times the roots of their weights, and the columns that go with each detector."""

    data: Floats
    sky: Floats
    noise: Floats
    nuisances: list[Floats]

    def solve(self, good: NDArray[np.bool_]) -> _Solution:
        """Fit the good samples: what is left of data and frame beside the nuisance terms."""
        n, n_terms = int(good.sum()), 1 + sum(block.shape[1] for block in self.nuisances)
        if n == 0:
            raise NoSamplesError("no usable sky samples")
        if n < n_terms:
            raise NoSamplesError(f"no usable sky samples: {n} are too few for {n_terms} terms")
        pairs = np.stack([self.data, self.sky], axis=1)
        left = np.where(good[:, None], pairs, 0.0)
        start, found = 0, []
        for block in self.nuisances:
            rows = slice(start, start + len(block))
            part = np.where(good[rows, None], block, 0.0)
            found.append(np.linalg.lstsq(part, left[rows], rcond=None)[0])
            left[rows] -= part @ found[-1]
            start += len(block)
        data, sky = left.T
        square, whole = float(sky @ sky), float(np.sum(self.sky[good] ** 2))
        if square <= _NOTHING * whole and n_terms > 1 and whole > 0:
            raise SingularError("sky frame: it cannot be told from the nuisance terms")
        scale = float(data @ sky) / square if square > 0 else 0.0
        variance = 1.0 / square if square > 0 else np.inf
        gain = noise_gain(float(self.noise[good].sum()), square)
        scale, variance = scale * gain, variance * gain**2
        return _Solution(
            scale,
            variance,
            [terms[:, 0] - scale * terms[:, 1] for terms in found],
            np.where(good, data - scale * sky, np.nan),
        )


def noise_gain(noise: float, square: float) -> float:
    """Factor by which the noise of the frame made the scale too small."""
    if noise <= 0 or square <= 0:
        return 1.0
    if noise > 0.5 * square:
        _log.warning("sky frame: it is mostly noise, and the scale is not corrected for that")
        return 1.0
    return square / (square - noise)


def kept_samples(
    residual: Floats, good: NDArray[np.bool_], reject: float, largest: float
) -> NDArray[np.bool_] | None:
    """Samples that stay; None: not even two would, and the round before stands."""
    lower, upper = np.percentile(residual[good], [25.0, 75.0])
    sd = _SIGMA_PER_IQR * (upper - lower)
    kept: NDArray[np.bool_] = good & ~(np.abs(residual) > reject * sd)
    if kept.sum() >= 2:
        return kept
    sd = max(sd, 8.0 * np.finfo(np.float64).eps * largest)
    kept = good & ~(np.abs(residual - np.median(residual[good])) > reject * sd)
    return kept if kept.sum() >= 2 else None


def subtract_sky_frame(image: MaskedImage, sky: BackgroundModel, scale: float) -> BackgroundModel:
    """Subtract a multiple of a sky frame from an image.

    Parameters
    ----------
    image : MaskedImage
        Changed: float32, ``image -= scale * sky``; mask and variance stay.
    sky : BackgroundModel
        Sky frame of the same box.
    scale : float
        Used as float32; finite.

    Returns
    -------
    BackgroundModel
        What was subtracted, as bins.

    Raises
    ------
    ShapeError
        The boxes differ; the image is as it was.
    OptionError
        The scale is not finite.
    """
    check_boxes(image, sky)
    check_finite("scale", scale)
    sky.add_to(Image(image.image.array, image.box), -float(scale))
    return sky.scaled_by(scale)

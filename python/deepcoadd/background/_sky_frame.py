# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames: bins of exposures, their average, and the exposures that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import INTERPOLATIONS
from deepcoadd.background._sky_options import SKY_BACKGROUND, SkyOptions
from deepcoadd.errors import FileFormatError, NoDataError, OptionError, ShapeError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.statistics import StatsOptions, stack

__all__ = [
    "FRAME_ERRORS",
    "average_sky_bins",
    "background_to_exposure",
    "exposure_to_background",
    "measure_sky_bins",
]

_BOX_KEYS = ("BOX.MINX", "BOX.MINY", "BOX.MAXX", "BOX.MAXY")
_STYLE_KEY = "ALGORITHM"
_DEFAULTS = SkyOptions()

FRAME_ERRORS = ("scatter", "jackknife")


def measure_sky_bins(pixels: MaskedImage, options: SkyOptions = _DEFAULTS) -> BackgroundModel:
    """Bins of an exposure from which a large-scale background has been taken.

    Parameters
    ----------
    pixels : MaskedImage
        float32. Pixels of the ignored planes of ``options.background`` and those that are not
        finite do not count; without any good pixel all bins are NaN.
    options : SkyOptions
        Bins, statistic, curve.

    Returns
    -------
    BackgroundModel
        ``max(floor(L / bin_size + 1/2), 1)`` bins along an axis of L pixels.

    Raises
    ------
    MaskPlaneError
        The mask does not have a plane that is to be ignored.
    ShapeError
        The image has no pixels.
    """
    pixels.planes.bitmask(*options.background.ignored_planes)
    return fit_background(pixels, options.background, allow_empty=True)


def average_sky_bins(
    models: Sequence[BackgroundModel],
    weights: ArrayLike | None = None,
    *,
    inverse_variance: bool = False,
    errors: str = "scatter",
) -> BackgroundModel:
    """Sky frame of one detector: clipped means of the bins of many exposures.

    Parameters
    ----------
    models : sequence of BackgroundModel
        Bins of exposures that were divided by their sky level; one box, shape and curve. They are
        left as they are. NaN bins do not count.
    weights : (n,) array, optional
        Weights of the exposures, finite and >= 0; by default all count alike. The sky level is
        best for exposures limited by the noise of the sky, its square for the noise of the
        readout.
    inverse_variance : bool
        Weight every bin by one over its own squared error instead; bins without one do not count.
    errors : {"scatter", "jackknife"}
        Where the errors come from: the scatter of the samples that clipping left, which makes them
        too small by a tenth where there are few; or the scatter of the means that leave out one
        exposure each, which knows of the clipping and of the weights and is rather too large.

    Returns
    -------
    BackgroundModel
        MEANCLIP (3 sigma, 3 passes) of each bin; variance: the squared error of that mean (NaN for
        a single exposure); counts: exposures that clipping left. Bins without any contributor get
        the median of the other bins of the detector, mask plane NO_DATA and variance NaN.

    Raises
    ------
    NoDataError
        There is no exposure, or no bin of any is good.
    ShapeError
        An exposure differs in box, shape or curve from the first; the message names it.
    OptionError
        Both kinds of weights are asked for, or errors of an unknown kind.
    """
    if errors not in FRAME_ERRORS:
        raise OptionError(f"errors: got {errors!r}, must be one of {', '.join(FRAME_ERRORS)}")
    if inverse_variance and weights is not None:
        raise OptionError("weights: got some, must be None with inverse_variance")
    _check_alike(models)
    no_data = DEFAULT_PLANES.bitmask("NO_DATA")
    options = StatsOptions(no_data_bits=no_data, weighted=inverse_variance or None)
    if inverse_variance:
        bins: list[Any] = [model.statistics for model in models]
    else:
        bins = [np.ascontiguousarray(model.values) for model in models]
    result = stack(bins, "MEANCLIP", options, weights)
    values = result.image.astype(np.float32)
    good = np.isfinite(values)
    if not good.any():
        raise NoDataError(f"sky frame: no bin of any of {len(models)} exposures is good")
    values[~good] = np.median(values[good].astype(np.float64))
    words = np.where(good, 0, no_data).astype(np.int32)
    variances = result.variance
    if errors == "jackknife":
        variances = _jackknife(models, options, weights)
    return replace(
        models[0],
        values=values,
        variances=np.where(good, variances, np.nan).astype(np.float32),
        mask=Mask(words, None),
        counts=(result.n_point - result.n_clipped).astype(np.uint32),
    )


def _check_alike(models: Sequence[BackgroundModel]) -> None:
    """Refuse bins that cannot be averaged."""
    if not models:
        raise NoDataError("sky frame: got no exposures, must be at least one")
    first = models[0]
    for k, model in enumerate(models):
        for name, ours, theirs in (
            ("box", model.box, first.box),
            ("bins", model.values.shape, first.values.shape),
            ("curve", model.options.algorithm, first.options.algorithm),
        ):
            if ours != theirs:
                raise ShapeError(f"sky frame: {name} of exposure {k} is {ours}, not {theirs}")


def _jackknife(
    models: Sequence[BackgroundModel], options: StatsOptions, weights: ArrayLike | None
) -> NDArray[np.float64]:
    """Squared errors of clipped means from the means that leave out one exposure each."""
    weight = np.ones(len(models)) if weights is None else np.asarray(weights, np.float64)
    values = [model.values.astype(np.float64) for model in models]
    bins: list[Any] = list(values)
    if options.weighted:
        bins = [
            MaskedImage.from_arrays(v, None, m.variances)
            for v, m in zip(values, models, strict=True)
        ]
    means = np.full((len(models), *values[0].shape), np.nan)
    for k in range(len(models) if len(models) > 1 else 0):
        left = None if weights is None else np.delete(weight, k)
        if left is not None and not left.any():
            continue
        mean = stack(bins[:k] + bins[k + 1 :], "MEANCLIP", options, left).image
        counts = np.isfinite(values[k]) & (weight[k] > 0)
        if options.weighted:
            counts &= np.isfinite(models[k].variances) & (models[k].variances > 0)
        means[k] = np.where(counts, mean, np.nan)
    n = np.isfinite(means).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.nansum(means, axis=0) / n
        squares = np.nansum((means - middle) ** 2, axis=0)
        return np.asarray(np.where(n > 1, (n - 1) / n * squares, np.nan))


def background_to_exposure(statistics: MaskedImage, box: Box, algorithm: str) -> Exposure:
    """Exposure that holds a sky frame: one pixel a bin, box and curve in the metadata.

    Parameters
    ----------
    statistics : MaskedImage
        Value, mask word and squared error of every bin.
    box : Box
        Pixels that the bins cover.
    algorithm : str
        Curve through the bins.

    Returns
    -------
    Exposure
        Metadata BOX.MINX, BOX.MINY, BOX.MAXX, BOX.MAXY (inclusive corners) and ALGORITHM.
    """
    corners = (box.x.min, box.y.min, box.x.max, box.y.max)
    cards: dict[str, Any] = dict(zip(_BOX_KEYS, corners, strict=True))
    return Exposure(statistics, metadata={**cards, _STYLE_KEY: algorithm})


def exposure_to_background(exposure: Exposure) -> BackgroundModel:
    """Background that an exposure holds as `background_to_exposure` makes it.

    Parameters
    ----------
    exposure : Exposure
        One pixel a bin. Keys of the metadata may be in any case and begin with HIERARCH.

    Returns
    -------
    BackgroundModel
        With copies of the planes; where good bins are too few a simpler curve stands in.

    Raises
    ------
    FileFormatError
        A key is missing or has a value without meaning; the message names it.
    """
    cards = _cards(exposure.info.metadata)
    corners = []
    for key in _BOX_KEYS:
        value = cards.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise FileFormatError(f"sky frame: {_found(cards, key)}, must be an integer")
        corners.append(int(value))
    style = str(cards.get(_STYLE_KEY, "")).strip()
    if style not in INTERPOLATIONS:
        raise FileFormatError(
            f"sky frame: {_found(cards, _STYLE_KEY)}, must be one of {', '.join(INTERPOLATIONS)}"
        )
    x0, y0, x1, y1 = corners
    pixels = exposure.masked_image
    ny, nx = pixels.box.shape
    if x1 - x0 + 1 < nx or y1 - y0 + 1 < ny or min(ny, nx) < 1:
        raise FileFormatError(
            f"sky frame: the box x {x0} to {x1}, y {y0} to {y1} cannot hold {nx} x {ny} bins"
        )
    return BackgroundModel(
        np.array(pixels.image.array, np.float32),
        np.array(pixels.variance.array, np.float32),
        Box.from_corners(x0=x0, y0=y0, x1=x1, y1=y1),
        replace(SKY_BACKGROUND, algorithm=style),
        Mask(pixels.mask.array.copy(), None, pixels.planes),
    )


def _cards(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key.upper().removeprefix("HIERARCH ").strip(): v for key, v in metadata.items()}


def _found(cards: Mapping[str, Any], key: str) -> str:
    return f"{key} is {cards[key]!r}" if key in cards else f"{key} is missing"

# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames: bins of exposures, their average, and the exposures that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import INTERPOLATIONS
from deepcoadd.background._sky_options import SKY_BACKGROUND, SkyOptions
from deepcoadd.errors import FileFormatError, NoDataError, ShapeError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.statistics import StatsOptions, stack

__all__ = [
    "average_sky_bins",
    "background_to_exposure",
    "exposure_to_background",
    "measure_sky_bins",
]

_BOX_KEYS = ("BOX.MINX", "BOX.MINY", "BOX.MAXX", "BOX.MAXY")
_STYLE_KEY = "ALGORITHM"
_DEFAULTS = SkyOptions()


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
    models: Sequence[BackgroundModel], weights: ArrayLike | None = None
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

    Returns
    -------
    BackgroundModel
        MEANCLIP (3 sigma, 3 passes) of each bin; variance: the squared error of that mean from the
        scatter of the exposures (NaN for a single one). Bins without any contributor get the median
        of the other bins of the detector, mask plane NO_DATA and variance NaN.

    Raises
    ------
    NoDataError
        There is no exposure, or no bin of any is good.
    ShapeError
        An exposure differs in box, shape or curve from the first; the message names it.
    """
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
    no_data = DEFAULT_PLANES.bitmask("NO_DATA")
    result = stack(
        [np.ascontiguousarray(model.values) for model in models],
        "MEANCLIP",
        StatsOptions(no_data_bits=no_data),
        weights,
    )
    values = result.image.astype(np.float32)
    good = np.isfinite(values)
    if not good.any():
        raise NoDataError(f"sky frame: no bin of any of {len(models)} exposures is good")
    values[~good] = np.median(values[good].astype(np.float64))
    words = np.where(good, 0, no_data).astype(np.int32)
    variances = result.variance.astype(np.float32)
    return replace(first, values=values, variances=variances, mask=Mask(words, None))


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

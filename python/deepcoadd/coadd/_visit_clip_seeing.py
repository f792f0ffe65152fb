# SPDX-License-Identifier: BSD-3-Clause
"""Widths of the PSFs of inputs, measured on their own bright, isolated stars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from deepcoadd.coadd._input import CoaddInput
from deepcoadd.errors import NoDataError
from deepcoadd.geometry import Box

__all__ = ["measured_sigmas"]

Floats = npt.NDArray[np.float64]

_SIGNIFICANT = 8.0
"""Peak of a star, in noise of a pixel: of the median of all inputs, and of the input."""

_HALF = 15
"""Pixels of a stamp, either way."""

_NEIGHBOUR = 0.1
"""Light beside a star, in units of its peak, that makes it a blend."""

_MOST_STARS = 200
"""Of a part of the sky; the brightest."""

_ENOUGH = 15
"""Stars of an input after which no other part is looked at."""

_FEWEST = 2
"""Stars that give a width."""

_MOST_PARTS = 9

_LOCUS = 1.12
"""Largest width of a star, in units of the smallest: galaxies lie above it."""

_ROUNDS = 25
_NARROWEST = 0.3


def measured_sigmas(
    inputs: Sequence[CoaddInput], bad_bits: int, parts: Sequence[Box]
) -> list[float]:
    """Sigma of the PSF [pixel] of each input; NaN where too few stars tell.

    Parameters
    ----------
    inputs : sequence of CoaddInput
        On one grid.
    bad_bits : int
        Bits that make a pixel of an input bad.
    parts : sequence of Box
        Parts of the sky; those in the middle are looked at first, and no more than are needed.

    Raises
    ------
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    ``docs/algorithms/visit-clip.md``, "Inputs without a PSF". Stars are peaks of the median of the
    inputs, so that a cosmic ray is none. The same stars are measured on all inputs, so that their
    widths can be compared.
    """
    common: list[Floats] = []
    own: list[Floats] = []
    for box in _from_the_middle(parts):
        pixels = _pixels(inputs, bad_bits, box)
        widths = _widths_of_stars(pixels)
        common.append(widths[0])
        own.append(widths[1:])
        every = np.concatenate(own, axis=1)
        if (np.isfinite(every).sum(axis=1) >= _ENOUGH).all():
            break
    stars = _locus(np.concatenate(common))
    every = np.concatenate(own, axis=1)[:, stars]
    return [_usual(one[np.isfinite(one)]) for one in every]


def _usual(widths: Floats) -> float:
    """Median of enough of them; NaN of fewer."""
    return float(np.median(widths)) if widths.size >= _FEWEST else math.nan


def _from_the_middle(parts: Sequence[Box]) -> Iterator[Box]:
    """Parts of the sky in the order of their distance from the middle of all."""
    centers = np.array([part.center for part in parts])
    away = ((centers - centers.mean(axis=0)) ** 2).sum(axis=1)
    for k in np.argsort(away, kind="stable")[:_MOST_PARTS]:
        yield parts[k]


def _pixels(inputs: Sequence[CoaddInput], bad_bits: int, box: Box) -> npt.NDArray[np.float32]:
    """Pixels (input, y, x) in units of the noise of each; NaN where they cannot be used."""
    out = np.full((len(inputs), *box.shape), np.nan, np.float32)
    for one, to in zip(inputs, out, strict=True):
        if not one.box().overlaps(box):
            continue
        try:
            pixels = one.view(box)
        except Exception as error:
            raise NoDataError(f"{one.name}: reading {box} failed: {error}") from error
        variance = pixels.variance.array
        ok = np.isfinite(pixels.image.array) & np.isfinite(variance) & (variance > 0)
        ok &= pixels.mask.array & np.int32(bad_bits) == 0
        if not ok.any():
            continue
        values = np.where(ok, pixels.image.array, np.nan)
        noise = math.sqrt(float(np.median(variance[ok])))
        to[...] = (values - np.nanmedian(values)) / noise
    return out


def _widths_of_stars(pixels: npt.NDArray[np.float32]) -> Floats:
    """Sigmas (1 + input, star) [pixel] on the median of the inputs, and on each; NaN if unknown."""
    n, ny, nx = pixels.shape
    nothing = np.empty((n + 1, 0))
    depth = np.isfinite(pixels).sum(axis=0)
    # What one of several inputs shows alone may be no star.
    lower, median = depth == min(n, 2), depth > 2
    if min(ny, nx) <= 2 * _HALF or not (lower | median).any():
        return nothing
    middle = np.full((ny, nx), np.nan)
    middle[lower] = np.nanmin(pixels[:, lower], axis=0)
    if median.any():
        middle[median] = np.nanmedian(pixels[:, median], axis=0)
    places = _isolated(middle)
    if not len(places):
        return nothing
    stamps = [_stamps(plane, places) for plane in (middle, *pixels)]
    widths = np.array([_sigmas(one) for one in stamps])
    several = np.isfinite(widths[1:]).sum(axis=0) >= min(n, 2)
    return np.where(several, widths, np.nan)


def _isolated(plane: Floats) -> npt.NDArray[np.intp]:
    """Places (y, x) of bright peaks without anything bright beside them, the brightest first."""
    ny, nx = plane.shape
    known = np.where(np.isfinite(plane), plane, -np.inf)
    largest = known
    for axis in (0, 1):
        ends = [np.roll(largest, shift, axis) for shift in (-2, -1, 1, 2)]
        largest = np.maximum.reduce([largest, *ends])
    noise = _noise(plane)
    peaks = np.argwhere((known >= largest) & (known > _SIGNIFICANT * noise))
    inner = (peaks >= _HALF).all(axis=1) & (peaks < np.array([ny, nx]) - _HALF).all(axis=1)
    peaks = peaks[inner]
    order = np.argsort(-known[tuple(peaks.T)], kind="stable")
    kept = []
    for y, x in peaks[order][:_MOST_STARS]:
        near = plane[y - _HALF : y + _HALF + 1, x - _HALF : x + _HALF + 1]
        # Beyond half of the stamp the light of a star has fallen to next to nothing.
        ring = _distance(near.shape) > _HALF / 2 + 2
        if np.isfinite(near).all() and near[ring].max() < _NEIGHBOUR * plane[y, x] + 5 * noise:
            kept.append((y, x))
    return np.array(kept, np.intp).reshape(-1, 2)


def _noise(plane: Floats) -> float:
    """Noise of a pixel, from the differences of neighbours by their median."""
    steps = np.abs(np.diff(plane, axis=1))
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) / 0.954 if steps.size else math.inf


def _distance(shape: tuple[int, ...]) -> Floats:
    """Distance of the pixels of a stamp from its middle."""
    y, x = (np.arange(size) - size // 2 for size in shape)
    return np.hypot(y[:, None], x[None, :])


def _stamps(plane: npt.NDArray[np.floating], places: npt.NDArray[np.intp]) -> Floats:
    """Pixels (star, y, x) around places, less the sky around each."""
    steps = np.arange(-_HALF, _HALF + 1)
    rows, columns = (places[:, k, None] + steps for k in (0, 1))
    stamps = plane[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    around = _distance(stamps.shape[1:]) > _HALF - 1
    sky = np.median(stamps[:, around], axis=1)
    return np.asarray(stamps - sky[:, None, None])


def _sigmas(stamps: Floats) -> Floats:
    """Sigma of the Gaussian weight that matches each stamp; NaN where there is none.

    With the weight of an object's own sigma, its moment is half of the square of that.
    """
    peak = stamps[:, _HALF - 1 : _HALF + 2, _HALF - 1 : _HALF + 2].max(axis=(1, 2))
    stamps = np.where((peak > _SIGNIFICANT)[:, None, None], stamps, np.nan)
    at = np.arange(-_HALF, _HALF + 1.0)
    y, x = np.zeros(len(stamps)), np.zeros(len(stamps))
    square = np.full(len(stamps), 4.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(_ROUNDS):
            dy, dx = at - y[:, None], at - x[:, None]
            weights = [np.exp(-0.5 * d * d / square[:, None]) for d in (dy, dx)]
            light = stamps * weights[0][:, :, None] * weights[1][:, None, :]
            rows, columns = light.sum(axis=2), light.sum(axis=1)
            total = rows.sum(axis=1)
            moment = ((rows * dy * dy).sum(axis=1) + (columns * dx * dx).sum(axis=1)) / total
            # Twice what the weight tells of the centre brings it to the object's.
            y = y + 2 * (rows * dy).sum(axis=1) / total
            x = x + 2 * (columns * dx).sum(axis=1) / total
            square = np.clip(moment, _NARROWEST**2, (_HALF / 2) ** 2)
        away = np.hypot(y, x)
        known = (total > 0) & (away < 2.0) & (square > _NARROWEST**2) & (square < (_HALF / 2) ** 2)
    return np.where(known, np.sqrt(square), np.nan)


def _locus(widths: Floats) -> npt.NDArray[np.bool_]:
    """Which objects are stars: most of those that have nearly one width."""
    known = np.sort(widths[np.isfinite(widths)])
    if not known.size:
        return np.zeros(widths.shape, bool)
    count = np.searchsorted(known, _LOCUS * known, side="right") - np.arange(known.size)
    low = known[int(np.argmax(count))]
    return np.asarray((widths >= low) & (widths <= _LOCUS * low))

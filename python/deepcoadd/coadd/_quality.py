# SPDX-License-Identifier: BSD-3-Clause
"""How good an input is: its finite pixels, and the clipped mean of its variance.

Planes up to `WHOLE` pixels are handed to the statistics kernel as one. Larger ones are read block
by block, once for each step: quartiles are exact (a radix histogram of the float32 bit patterns),
sums run over blocks of a fixed size in order. Which way is taken depends on the plane alone, so
that no memory budget changes a bit of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepcoadd._core import quality as _core
from deepcoadd.coadd._tiles import with_whole_rows
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.refs import Weighed
from deepcoadd.statistics import StatsOptions, statistics

__all__ = [
    "WHOLE",
    "Quality",
    "blocks_of",
    "is_alive",
    "measure",
    "measure_in_blocks",
    "measure_weighed",
]

WHOLE = 20_000_000
"""Pixels of the largest plane that is taken as one: 240 MB with image and mask."""

_BLOCK = 2**20
_SIGMA_OF_IQR = 0.741301109252802
"""Standard deviation of a Gaussian per unit of its inter-quartile range."""

Values = npt.NDArray[np.float32]
Blocks = Callable[[], Iterator[Values]]


@dataclass(frozen=True)
class Quality:
    """Numbers that decide whether, and with which weight, an input is used.

    Parameters
    ----------
    n_finite : int
        Finite pixels.
    n_good : int
        Finite pixels without a bad plane.
    mean_variance : float
        Clipped mean of the variance of the pixels without a bad plane; NaN if there are none.
    estimated : bool
        Whether the input has no variance (NaN throughout), so that `mean_variance` is the squared
        robust scatter of its good pixels, 0.7413 times the inter-quartile range.
    """

    n_finite: int
    n_good: int
    mean_variance: float
    estimated: bool


def measure(pixels: MaskedImage, options: StatsOptions) -> Quality:
    """Quality of pixels in memory; `options` brings the bad bits and the clipping."""
    image, mask, variance = _planes(pixels)
    counts, mean = _core.measure(image.view(np.uint32), mask, variance, options.core_options())
    n_finite, n_good, n_variance = counts
    if n_variance == 0:
        iqr = statistics(image, mask, properties="IQRANGE", options=options).value()
        return Quality(n_finite, n_good, (_SIGMA_OF_IQR * iqr) ** 2, True)
    return Quality(n_finite, n_good, mean, False)


def is_alive(pixels: MaskedImage) -> bool:
    """Whether any pixel is finite, and any variance known."""
    n_finite, _, n_variance = _counts(pixels, 0)
    return n_finite > 0 and n_variance > 0


def measure_weighed(found: Weighed, options: StatsOptions) -> Quality | None:
    """Quality of an input whose image was counted and not kept; None if that is needed."""
    if found.n_known == 0:
        return None
    mask, variance = found.mask.array, found.variance.array
    mean = statistics(variance, mask, properties="MEANCLIP", options=options).value()
    return Quality(found.n_finite, found.n_good, mean, False)


def _planes(pixels: MaskedImage) -> tuple[Values, npt.NDArray[np.int32], Values]:
    """Image, mask and variance as the kernels need them."""
    planes = pixels.image.array, pixels.mask.array, pixels.variance.array
    image, mask, variance = (with_whole_rows(plane) for plane in planes)
    return image, mask, variance


def _counts(pixels: MaskedImage, bad_bits: int) -> tuple[int, int, int]:
    """Numbers of finite pixels, of those without a bad bit, and of variances that are known."""
    image, mask, variance = _planes(pixels)
    return _core.count(image.view(np.uint32), False, mask, variance, bad_bits)


def blocks_of(box: Box) -> list[Box]:
    """Blocks of whole rows, of a size that depends on nothing but the width."""
    return list(box.tiles((max(1, _BLOCK // box.x.size), box.x.size)))


def measure_in_blocks(
    read: Callable[[Box], MaskedImage], box: Box, options: StatsOptions
) -> Quality:
    """Quality of the pixels of `box`, which are read block by block, several times."""
    bad = np.int32(options.bad_bits)

    def good(plane: str) -> Iterator[Values]:
        for block in blocks_of(box):
            pixels = read(block)
            values = getattr(pixels, plane).array
            yield values[((pixels.mask.array & bad) == 0) & np.isfinite(values)]

    counts = [_counts(read(block), options.bad_bits) for block in blocks_of(box)]
    n_finite, n_good, n_variance = (sum(column) for column in zip(*counts, strict=True))
    if n_variance == 0:
        q1, _, q3 = _quartiles(lambda: good("image"))[1]
        return Quality(n_finite, n_good, (_SIGMA_OF_IQR * (q3 - q1)) ** 2, True)
    mean = _clipped_mean(lambda: good("variance"), options)
    return Quality(n_finite, n_good, mean, False)


def _clipped_mean(blocks: Blocks, options: StatsOptions) -> float:
    """Mean of the values that `options.n_iter` clipping passes keep."""
    n, (q1, center, q3) = _quartiles(blocks)
    half = options.sigma_clip * _SIGMA_OF_IQR * (q3 - q1)
    result = center
    for _ in range(options.n_iter):
        kept, mean, variance = _moments(blocks, center, half)
        if kept < min(2, n):
            break
        result = center = mean
        if n > 1:
            half = options.sigma_clip * math.sqrt(max(variance, 0.0))
    return result


def _moments(blocks: Blocks, center: float, half: float) -> tuple[int, float, float]:
    """Count, mean and debiased variance of the values within `half` of `center`."""
    n, s1, s2 = 0, 0.0, 0.0
    for values in blocks():
        d = values.astype(np.float64) - center
        d = d[np.abs(d) <= half]
        n, s1, s2 = n + d.size, s1 + float(d.sum()), s2 + float(d @ d)
    if n < 2:
        return n, center + s1 if n else math.nan, math.nan
    return n, center + s1 / n, (s2 - s1 * s1 / n) / (n - 1)


def _quartiles(blocks: Blocks) -> tuple[int, tuple[float, float, float]]:
    """Count, and the exact quartiles with linear interpolation; NaN without values."""
    high = np.zeros(2**16, np.int64)
    for values in blocks():
        high += np.bincount(_key(values) >> 16, minlength=2**16)
    last = high.cumsum()
    n = int(last[-1])
    if n == 0:
        return 0, (math.nan, math.nan, math.nan)
    places = [f * (n - 1) for f in (0.25, 0.5, 0.75)]
    ranks = sorted({min(math.floor(t) + i, n - 1) for t in places for i in (0, 1)})
    group = {rank: int(np.searchsorted(last, rank, side="right")) for rank in ranks}
    low = {b: np.zeros(2**16, np.int64) for b in group.values()}
    for values in blocks():
        key = _key(values)
        for b, counts in low.items():
            counts += np.bincount(key[(key >> 16) == b] & 0xFFFF, minlength=2**16)
    value = {}
    for rank, b in group.items():
        before = int(last[b] - high[b])
        within = int(np.searchsorted(low[b].cumsum(), rank - before, side="right"))
        value[rank] = _value((b << 16) | within)
    q = [
        (math.floor(t) + 1 - t) * value[math.floor(t)]
        + (t - math.floor(t)) * value[min(math.floor(t) + 1, n - 1)]
        for t in places
    ]
    return n, (q[0], q[1], q[2])


def _key(values: Values) -> npt.NDArray[np.uint32]:
    """Unsigned integers that order like the float32 values."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(2**31))


def _value(key: int) -> float:
    """Float32 value of a key."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array([bits], np.uint32).view(np.float32)[0])

# SPDX-License-Identifier: BSD-3-Clause
"""Large images made small enough to look at, without ever holding a whole input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.refs import WarpRef

__all__ = ["block_any", "block_factor", "block_mean", "thumbnail"]


def block_factor(shape: tuple[int, int], max_side: int) -> int:
    """Smallest whole factor that brings both sides to at most `max_side` pixels."""
    if max_side < 1:
        raise OptionError(f"max_side = {max_side}: expected at least 1")
    return max(1, -(-max(shape) // max_side))


def block_mean(array: npt.NDArray[Any], factor: int) -> npt.NDArray[np.float32]:
    """Mean of the finite pixels of each square block; NaN where there is none.

    Parameters
    ----------
    array : (ny, nx) array of numbers
        NaN and infinite pixels do not count.
    factor : int
        Side of the blocks; those at the upper edges may be smaller.

    Returns
    -------
    (ceil(ny / factor), ceil(nx / factor)) float32 array
    """
    if factor == 1:
        out = array.astype(np.float32)
        out[~np.isfinite(out)] = np.nan
        return out
    rows = []
    for y in range(0, array.shape[0], factor):
        strip = array[y : y + factor].astype(np.float64)
        finite = np.isfinite(strip)
        starts = np.arange(0, array.shape[1], factor)
        count = np.add.reduceat(finite.sum(axis=0), starts)
        total = np.add.reduceat(np.where(finite, strip, 0.0).sum(axis=0), starts)
        rows.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    shape = (len(rows), -(-array.shape[1] // factor))
    return np.array(rows, np.float32).reshape(shape)


def block_any(array: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[np.bool_]:
    """Whether any pixel of each square block is set; the shape is that of `block_mean`."""
    if factor == 1:
        return array
    starts_y = np.arange(0, array.shape[0], factor)
    starts_x = np.arange(0, array.shape[1], factor)
    rows = np.logical_or.reduceat(array, starts_y, axis=0)
    return np.asarray(np.logical_or.reduceat(rows, starts_x, axis=1), bool)


def thumbnail(
    ref: WarpRef, box: Box, *, max_side: int = 256, strip_pixels: int = 2**22
) -> npt.NDArray[np.float32]:
    """Small image of an input on the pixels of a box, read strip by strip.

    Parameters
    ----------
    ref : WarpRef
        The input.
    box : Box
        What to show; parts that the input does not cover are NaN.
    max_side : int
        Longest side of the result, pixels.
    strip_pixels : int
        About as many pixels are read at a time.

    Returns
    -------
    (ny, nx) float32 array
        Means of blocks of finite pixels; mask planes are not looked at.
    """
    factor = block_factor(box.shape, max_side)
    height = factor * max(1, strip_pixels // (factor * max(1, box.x.size)))
    strips = []
    for strip in box.tiles((height, max(1, box.x.size))):
        pixels = np.full(strip.shape, np.nan, np.float32)
        inside = strip & ref.box()
        if not inside.is_empty:
            pixels[inside.slices_within(strip)] = ref.read(inside).image.array
        strips.append(block_mean(pixels, factor))
    return np.concatenate(strips) if strips else np.empty((0, 0), np.float32)

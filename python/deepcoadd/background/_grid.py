# SPDX-License-Identifier: BSD-3-Clause
"""Numbers and places of the bins of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import check_choice, check_count
from deepcoadd._core import background as _core
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box, Interval

__all__ = ["UNDERSAMPLE_STYLES", "Grid", "bin_centers", "choose_grid"]

UNDERSAMPLE_STYLES = ("REDUCE_INTERP_ORDER", "THROW_EXCEPTION", "INCREASE_NXNYSAMPLE")


@dataclass(frozen=True)
class Grid:
    """Bins of an image, and the order of a polynomial that they can carry.

    Attributes
    ----------
    shape : (int, int)
        Bins (ny, nx).
    order : int
        Order of the polynomial: what was asked for, or what was possible.
    """

    shape: tuple[int, int]
    order: int = 0


def choose_grid(
    shape: tuple[int, int],
    bin_size: tuple[int, int],
    *,
    order: int = 0,
    undersample_style: str = "REDUCE_INTERP_ORDER",
    nearest: bool = False,
) -> Grid:
    """Bins of about the wanted size that can carry a polynomial.

    Parameters
    ----------
    shape : (int, int)
        Pixels (h, w) of the image, at least (1, 1).
    bin_size : (int, int)
        Nominal bin (y, x) [pixels].
    order : int
        Order of the polynomial that will be fitted; it needs `order` + 1 bins along each axis.
        0 for curves.
    undersample_style : {"REDUCE_INTERP_ORDER", "THROW_EXCEPTION", "INCREASE_NXNYSAMPLE"}
        Where the bins are too few: lower the order, raise, or take smaller bins.
    nearest : bool
        Round the number of bins to the nearest instead of upwards (to one at least), so that the
        mean size comes closest to the nominal one.

    Returns
    -------
    Grid
        An axis of L pixels has ``ceil(L / bin_size)`` bins, or ``floor(L / bin_size + 1/2)``.

    Raises
    ------
    OptionError
        Bins are too few and may not be made do with, or pixels are too few for smaller ones; a
        number or name is not allowed.
    """
    for name, pair in (("shape", shape), ("bin_size", bin_size)):
        for value in pair:
            check_count(name, value, 1)
    check_count("order", order, 0)
    check_choice("undersample_style", undersample_style, UNDERSAMPLE_STYLES)
    ny, nx = (
        max((2 * n + size) // (2 * size), 1) if nearest else -(-n // size)
        for n, size in zip(shape, bin_size, strict=True)
    )
    least = min(ny, nx)
    if least > order:
        return Grid((ny, nx), order)
    if undersample_style == "REDUCE_INTERP_ORDER":
        return Grid((ny, nx), least - 1)
    if undersample_style == "THROW_EXCEPTION":
        raise OptionError(
            f"approx_order: got {order}, must be below the number of bins, {ny} x {nx} for "
            f"{shape[0]} x {shape[1]} pixels"
        )
    size = min(shape) // order
    if size == 0 or min(n // size for n in shape) < order:
        raise OptionError(
            f"approx_order: got {order}, must be at most {min(shape)} for "
            f"{shape[0]} x {shape[1]} pixels"
        )
    # At most as many bins as pixels.
    ny, nx = (min(n // size + 1, n) for n in shape)
    return Grid((ny, nx), min(order, min(ny, nx) - 1))


def bin_centers(box: Box, shape: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    """(ny,) and (nx,) float64: centres y and x of the bins [pixels, in the frame of the box].

    Raises
    ------
    OptionError
        There are no bins along an axis, or more than pixels.
    """

    def along(axis: Interval, n: int) -> NDArray[np.float64]:
        edges = np.array(_core.edges(axis.size, n), np.float64)
        return np.asarray(axis.start - 0.5 + 0.5 * (edges[:-1] + edges[1:]))

    return along(box.y, shape[0]), along(box.x, shape[1])

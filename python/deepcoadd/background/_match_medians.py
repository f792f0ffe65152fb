# SPDX-License-Identifier: BSD-3-Clause
"""Levels of exposures in the cells of one grid, each exposure by itself.

A level is the median of the good pixels of a cell within 3 sigma of their clipped mean. Light that
one exposure masks and another does not pulls it; `measure_levels` compares pixel by pixel instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from deepcoadd.background._match_cells import (
    BAD,
    CellGrid,
    CellLevels,
    cell_table,
    columns_at_a_time,
    parts_of,
    read_part,
)
from deepcoadd.refs import WarpRef
from deepcoadd.statistics import Property

__all__ = ["measure_medians"]

Floats = NDArray[np.float64]

_SIGMA = 3.0


def measure_medians(
    refs: Sequence[WarpRef],
    grid: CellGrid,
    bad_planes: tuple[str, ...],
    *,
    min_fraction: float,
    max_memory: int,
    on_step: Callable[[int], None] | None = None,
) -> CellLevels:
    """Measure the levels of exposures, one after the other.

    Parameters
    ----------
    refs : sequence of WarpRef
        Exposures; parts outside the grid are not read.
    grid : CellGrid
        Cells.
    bad_planes : tuple of str
        Pixels with one of these mask planes do not count; nor does NaN.
    min_fraction : float
        Least share of good pixels of a cell.
    max_memory : int
        Bytes that may be held, whatever the number of exposures.
    on_step : callable, optional
        Called with the number of pixels of the grid that are done.

    Returns
    -------
    CellLevels
        Cells that fewer than two exposures have are NaN in all.

    Raises
    ------
    OptionError
        The budget does not hold the least part of a row of cells.
    """
    ny, nx = grid.shape
    values, variances = (np.full((len(refs), ny, nx), np.nan) for _ in range(2))
    least = np.maximum(min_fraction * grid.areas(), 2.0)
    together = columns_at_a_time(1, grid, max_memory)
    for j, first, stop, box in parts_of(grid, together):
        cut = slice(first, stop)
        edges = [x - grid.edges_x[first] for x in grid.edges_x[first : stop + 1]]
        for k, ref in enumerate(refs):
            if not box.overlaps(ref.box()):
                continue
            found = _medians(*read_part(ref, box, bad_planes), edges, least[j, cut])
            values[k, j, cut], variances[k, j, cut] = found
        if on_step is not None:
            on_step(box.area)
    alone = np.isfinite(values).sum(axis=0) < 2
    values[:, alone] = variances[:, alone] = np.nan
    return CellLevels(grid, values, variances)


def _medians(
    image: NDArray[np.float32], mask: NDArray[np.int32], edges: list[int], least: Floats
) -> tuple[Floats, Floats]:
    """Clipped medians of a row of cells and their squared errors; the mask is scratch."""
    mean, _, variance, _ = cell_table(image, mask, edges, Property.MEANCLIP)
    widths = np.diff(edges)
    with np.errstate(invalid="ignore"):
        half = _SIGMA * np.sqrt(variance)
        low, high = (np.repeat(limit, widths) for limit in (mean - half, mean + half))
        mask[(image < low) | (image > high)] = BAD
    median, square, _, n = cell_table(image, mask, edges, Property.MEDIAN)
    good = n >= least
    return np.where(good, median, np.nan), np.where(good, square, np.nan)

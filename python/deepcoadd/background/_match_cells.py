# SPDX-License-Identifier: BSD-3-Clause
"""Levels of all exposures in the cells of one grid, free of sources and of artifacts.

In each row of cells all exposures are read once. Their difference from the median of all exposures
at each pixel holds the differences of the skies, noise, and what only one exposure shows; pixels
where the median itself shows a source are left out of all, so that seeing does not matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import background as _core
from deepcoadd._core import convolve as _convolve
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box, Interval
from deepcoadd.refs import WarpRef, look
from deepcoadd.statistics import Property, StackPlanes, StatsOptions, stack_planes

__all__ = [
    "BAD",
    "CellGrid",
    "CellLevels",
    "any_in_ranges",
    "cell_table",
    "columns_at_a_time",
    "measure_levels",
    "near_cells",
    "read_part",
]

Floats = NDArray[np.float64]
Pixels = NDArray[np.float32]
Words = NDArray[np.int32]

BAD = 1
_STATS = StatsOptions(bad_bits=BAD)
_LEVEL_STATS = StatsOptions(bad_bits=BAD, sigma_clip=4.0)
"""Of what the marks have left nearly all is noise, of which 3 sigma would clip too much: the median
of all exposures takes a share of it, and the tails of the rest are long."""

_CELLS_AT_A_TIME = 16
"""Cells of a row that are taken together. Artifacts are grown within them, so their number is
fixed: no memory budget changes a result."""

_STEP = 4

_SOURCE, _ARTIFACT = 3.5, 4.0
"""Sums of 5 x 5 pixels that are farther off are marked [sigma]."""

_WING_WIDTH, _WING_SHARE = 4.0, 0.3
"""Light of marked sources is spread by a Gaussian of this sigma [pixels]; where there is more of it
than this share of the scatter of a pixel, the wings that the seeing changes are marked too."""

_BYTES_PER_PIXEL = 24
"""Image, mask, difference and scratch of one exposure."""


@dataclass(frozen=True)
class CellGrid:
    """Cells of nearly equal size that cover a box.

    Attributes
    ----------
    box : Box
        Pixels.
    edges_y, edges_x : list of int
        Edges of the cells [pixels from the first].
    """

    box: Box
    edges_y: list[int]
    edges_x: list[int]

    @classmethod
    def of(cls, box: Box, size: int) -> CellGrid:
        """Cells of a nominal size."""
        n = [-(-side // size) for side in box.shape]
        return cls(box, _core.edges(box.y.size, n[0]), _core.edges(box.x.size, n[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells (ny, nx)."""
        return len(self.edges_y) - 1, len(self.edges_x) - 1

    def areas(self) -> Floats:
        """(ny, nx): pixels of each cell."""
        return np.asarray(np.outer(np.diff(self.edges_y), np.diff(self.edges_x)), np.float64)

    def part(self, j: int, first: int, stop: int) -> Box:
        """Box of cells `first` to `stop` of row `j`."""
        y0, x0 = self.box.start
        return Box(
            Interval(y0 + self.edges_y[j], y0 + self.edges_y[j + 1]),
            Interval(x0 + self.edges_x[first], x0 + self.edges_x[stop]),
        )


def near_cells(
    grid: CellGrid, cells: NDArray[np.bool_], reach: float, box: Box
) -> NDArray[np.bool_]:
    """Pixels of a box that lie in some cells of a grid, or not farther from one than `reach`."""
    ranges = []
    for interval, first, edges in zip(
        (box.y, box.x), grid.box.start, (grid.edges_y, grid.edges_x), strict=True
    ):
        pixels = np.arange(interval.start, interval.stop)[:, None] - first
        low, high = np.array(edges[:-1]), np.array(edges[1:]) - 1
        ranges.append(((pixels - high > reach).sum(axis=1), (low - pixels <= reach).sum(axis=1)))
    return any_in_ranges(cells, *ranges)


def any_in_ranges(
    cells: NDArray[np.bool_],
    y: tuple[NDArray[np.int64], NDArray[np.int64]],
    x: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.bool_]:
    """Whether one of some cells is set, for each range of rows and each range of columns.

    Parameters
    ----------
    cells : (ny, nx) bool array
        Cells.
    y, x : two (n,) int64 arrays
        First of each range, and the one after its last. Equal ranges side by side, as those of
        neighbouring pixels are, are looked at once.

    Returns
    -------
    (n_y, n_x) bool array
    """
    counts = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), np.int64)
    counts[1:, 1:] = cells.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    repeats = []
    for axis, (first, stop) in enumerate((y, x)):
        new = np.ones(len(first), bool)
        new[1:] = (np.diff(first) != 0) | (np.diff(stop) != 0)
        at = np.flatnonzero(new)
        repeats.append(np.diff(at, append=len(first)))
        counts = counts.take(stop[at], axis=axis) - counts.take(first[at], axis=axis)
    return (counts > 0).repeat(repeats[1], axis=1).repeat(repeats[0], axis=0)


@dataclass(frozen=True)
class CellLevels:
    """Levels of n exposures in the cells of a grid.

    Attributes
    ----------
    grid : CellGrid
        The cells.
    values, variances : (n, ny, nx) float64 array
        Level, up to what all exposures of a cell have in common, and its squared error by the
        scatter of the pixels; NaN where an exposure has too few good pixels in a cell, or no
        other has.
    offsets : (n, ny, nx, 2) float64 array, optional
        Middle (y, x) of the pixels that count, from the middle of the cell [pixels]: where the sky
        slopes, a level belongs there. None: 0.
    """

    grid: CellGrid
    values: Floats
    variances: Floats
    offsets: Floats | None = None


def measure_levels(
    refs: Sequence[WarpRef],
    grid: CellGrid,
    bad_planes: tuple[str, ...],
    *,
    min_fraction: float,
    max_memory: int,
    on_step: Callable[[int], None] | None = None,
) -> CellLevels:
    """Measure the levels of all exposures.

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
        Bytes that may be held; fewer cells at a time are read where a whole row takes more.
    on_step : callable, optional
        Called with the number of pixels of the grid that are done.

    Returns
    -------
    CellLevels

    Raises
    ------
    OptionError
        The budget does not hold the exposures of the least part of a row.
    """
    n, (ny, nx) = len(refs), grid.shape
    values, variances = (np.full((n, ny, nx), np.nan) for _ in range(2))
    offsets = np.zeros((n, ny, nx, 2))
    least = min_fraction * grid.areas()
    together = columns_at_a_time(n, grid, max_memory)

    def read() -> Iterator[_Part]:
        for j, first, stop, box in parts_of(grid, together):
            which = [k for k, ref in enumerate(refs) if box.overlaps(ref.box())]
            planes = [read_part(refs[k], box, bad_planes) for k in which]
            yield _Part(j, first, stop, box, which, planes)

    def measure(part: _Part) -> _Part:
        j, edges_x = part.row, grid.edges_x
        for start in range(part.first, part.stop, _CELLS_AT_A_TIME):
            end = min(start + _CELLS_AT_A_TIME, part.stop)
            cut = slice(*(edges_x[i] - edges_x[part.first] for i in (start, end)))
            edges = [x - edges_x[start] for x in edges_x[start : end + 1]]
            pairs = [(image[:, cut].copy(), mask[:, cut].copy()) for image, mask in part.planes]
            found = _levels(pairs, edges, least[j, start:end])
            for out, one in zip((values, variances, offsets), found, strict=True):
                out[part.which, j, start:end] = one
        return part

    # As many parts as there are threads wait, beside the one that is being read.
    room = max_memory // _cost(n, grid, together) - 1
    for part in in_turn(read(), measure, max(1, min(n_workers(ny * nx), room))):
        if on_step is not None:
            on_step(part.box.area)
    return CellLevels(grid, values, variances, offsets)


@dataclass(frozen=True)
class _Part:
    """Some cells of a row, the exposures that have pixels there, and their pixels."""

    row: int
    first: int
    stop: int
    box: Box
    which: list[int]
    planes: list[tuple[Pixels, Words]]


def parts_of(grid: CellGrid, together: int) -> Iterator[tuple[int, int, int, Box]]:
    """Rows of cells in parts: the row, its first cell, the one past the last, and their box."""
    ny, nx = grid.shape
    for j in range(ny):
        for first in range(0, nx, together):
            stop = min(first + together, nx)
            yield j, first, stop, grid.part(j, first, stop)


def columns_at_a_time(n: int, grid: CellGrid, max_memory: int) -> int:
    """Cells of a row that are read at once: all, or as many as are taken together."""
    cost = [_cost(n, grid, columns) for columns in (grid.shape[1], _CELLS_AT_A_TIME)]
    if cost[0] <= max_memory:
        return grid.shape[1]
    if cost[1] <= max_memory:
        return _CELLS_AT_A_TIME
    raise OptionError(
        f"max_memory: got {max_memory} bytes, must be {cost[1]} or more to hold {n} exposures of "
        f"a row of cells; smaller cells take less"
    )


def _cost(n: int, grid: CellGrid, columns: int) -> int:
    """Bytes that some cells of a row take."""
    wide = int(np.diff(grid.edges_x).max()) * columns
    height = int(np.diff(grid.edges_y).max())
    return _BYTES_PER_PIXEL * n * height * min(wide, grid.box.x.size)


def read_part(ref: WarpRef, box: Box, bad_planes: tuple[str, ...]) -> tuple[Pixels, Words]:
    """Image and bad pixels of a box, which may reach beyond the exposure."""
    inner = box & ref.box()
    pixels = look(ref, inner)
    image = np.full(box.shape, np.nan, np.float32)
    mask = np.full(box.shape, BAD, np.int32)
    cut = inner.slices_within(box)
    image[cut] = pixels.image.array
    bits = np.int32(pixels.planes.known_bitmask(bad_planes))
    bad = (pixels.mask.array & bits != 0) | ~np.isfinite(pixels.image.array)
    mask[cut] = np.where(bad, BAD, 0)
    return image, mask


def cell_table(
    image: Pixels,
    mask: Words,
    edges: list[int],
    statistic: Property,
    options: StatsOptions = _STATS,
) -> Floats:
    """Value, squared error, variance and number of the good pixels of a row of cells, (4, n)."""
    cells = [[0, len(image), x0, x1] for x0, x1 in itertools.pairwise(edges)]
    found = _core.cell_statistics(
        image, mask, cells, property=int(statistic), options=options.core_options()
    )
    return np.asarray(found[:, :4].T)


def _rough_levels(
    planes: Sequence[tuple[Pixels, Words]], edges: list[int], statistic: Property
) -> list[Floats]:
    """Values of the cells of some exposures from every fourth row."""
    return [
        cell_table(image[::_STEP], mask[::_STEP], edges, statistic)[0] for image, mask in planes
    ]


def _levels(
    planes: list[tuple[Pixels, Words]], edges: list[int], least: Floats
) -> tuple[Floats, Floats, Floats]:
    """Levels, squared errors and offsets (y, x) of some exposures; the planes are scratch."""
    n, n_cells = len(planes), len(edges) - 1
    offsets = np.zeros((n, n_cells, 2))
    if n < 2:
        return np.full((n, n_cells), np.nan), np.full((n, n_cells), np.nan), offsets
    widths = np.diff(edges)
    levels = np.zeros((n, n_cells))

    def shift(found: Sequence[Floats]) -> None:
        for (image, _), level, total in zip(planes, found, levels, strict=True):
            known = np.where(np.isfinite(level), level, 0.0)
            image -= np.repeat(known, widths).astype(np.float32)
            total += known

    # Levels that are subtracted here are added again: every fourth row says enough of them.
    shift(_rough_levels(planes, edges, Property.MEDIAN))
    scene = np.zeros_like(planes[0][0])
    # Exposures with other masks have other levels at first, which the second round puts right.
    planes, scene = _less_median(planes, scene)
    shift(_rough_levels(planes, edges, Property.MEANCLIP))
    planes, scene = _less_median(planes, scene)
    planes = _without_outliers(planes, scene, edges)
    values, variances = np.empty((n, n_cells)), np.empty((n, n_cells))
    for k, (image, mask) in enumerate(planes):
        found = cell_table(image, mask, edges, Property.MEANCLIP, _LEVEL_STATS)
        value, square, _, n_good = found
        good = n_good >= np.maximum(least, 2)
        values[k] = np.where(good, levels[k] + value, np.nan)
        variances[k] = np.where(good, square, np.nan)
        offsets[k] = _offsets(mask, edges)
    # The median holds a share of the noise of each exposure, which the scatter lacks.
    count = np.isfinite(values).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances *= np.where(count > 1, count / (count - 1.0), np.nan)
    values[:, count < 2] = np.nan
    return values, variances, offsets


def _offsets(mask: Words, edges: list[int]) -> Floats:
    """(cells, 2): middle (y, x) of the good pixels of each cell, from its own middle."""
    height, width = mask.shape
    good = (mask == 0).astype(np.float64)
    columns = good.sum(axis=0)
    rows = (np.arange(height) - 0.5 * (height - 1))[:, None]
    sums = np.stack([columns, (rows * good).sum(axis=0), np.arange(width) * columns])
    n, y, x = np.add.reduceat(sums, edges[:-1], axis=1)
    middles = 0.5 * (np.array(edges[:-1]) + np.array(edges[1:]) - 1)
    x = np.where(n > 0, x, middles)
    n = np.maximum(n, 1.0)
    return np.stack([y / n, x / n - middles], axis=1)


def _less_median(
    planes: list[tuple[Pixels, Words]], scene: Pixels
) -> tuple[list[tuple[Pixels, Words]], Pixels]:
    """Exposures less their median; where fewer than two are good, all are bad.

    `scene` has been subtracted before; what comes back is all that is subtracted now.
    """
    out = StackPlanes.allocate(scene.shape, mask=False, variance=False, n_clipped=False)
    images, masks = [image for image, _ in planes], [mask for _, mask in planes]
    stack_planes(images, masks, None, "MEDIAN", _STATS, out=out)
    assert out.n_point is not None
    alone = out.n_point < 2
    median = np.where(alone, np.float32(0), out.image).astype(np.float32)
    done = [
        (image - median, np.where(alone, np.int32(BAD), mask).astype(np.int32))
        for image, mask in planes
    ]
    return done, scene + median


def _without_outliers(
    planes: list[tuple[Pixels, Words]], scene: Pixels, edges: list[int]
) -> list[tuple[Pixels, Words]]:
    """Mark sources in all exposures, and artifacts in the one that shows them."""
    images, masks = [image for image, _ in planes], [mask for _, mask in planes]
    nowhere = np.bitwise_and.reduce(masks)

    def flagged(images: list[Pixels], masks: list[Words], threshold: float, most: float) -> Any:
        return _core.flag_outliers(
            images,
            masks,
            columns=edges,
            half_width=2,
            threshold=threshold,
            grow=3,
            most=most,
            bit=BAD,
        )

    # Light of a large galaxy widens the scatter of a cell and is no source to leave out.
    sources = flagged([scene], [nowhere], _SOURCE, np.inf)[0]
    sources |= _wings(scene, sources, nowhere)
    masks = flagged(images, [mask | sources for mask in masks], _ARTIFACT, 1.2)
    return list(zip(images, masks, strict=True))


def _wings(scene: Pixels, sources: Words, nowhere: Words) -> Words:
    """Marks where light of sources may be, the farther out the brighter they are."""
    free = sources == 0
    if not free.any():
        return np.zeros_like(sources)
    # The median of a cell has been subtracted from it before.
    light = np.where(free | (nowhere != 0), np.float32(0), scene)
    reach = int(4 * _WING_WIDTH)
    taps = _convolve.gaussian_taps(_WING_WIDTH, 2 * reach + 1)
    spread = np.empty_like(scene)
    _convolve.separable((np.pad(light, reach), None, None), taps, taps, out=(spread, None, None))
    sigma = 1.4826 * float(np.median(np.abs(scene[free])))
    return np.where(spread > _WING_SHARE * sigma, BAD, 0).astype(np.int32)

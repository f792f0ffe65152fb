# SPDX-License-Identifier: BSD-3-Clause
"""Detectors: chip gaps and edges, dead columns, hot pixels, saturation with bleeding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepcoadd.testing.simulate._options import SceneOptions
from deepcoadd.testing.simulate._random import Stream, between, generator

__all__ = ["Detector", "draw_detector", "saturate"]

_Mask = npt.NDArray[np.bool_]

_CHIPS = 8  # the mosaic repeats after this many chips along each axis


@dataclass(frozen=True)
class Detector:
    """Which pixels of a visit suffer from its detectors; each (ny, nx) bool."""

    gap: _Mask
    edge: _Mask
    dead_column: _Mask
    hot_pixel: _Mask


def draw_detector(options: SceneOptions, index: int, rotation: float) -> Detector:
    """Detector masks of one visit.

    Parameters
    ----------
    options : SceneOptions
        The scene.
    index : int
        Which visit, from 0.
    rotation : float
        Rotator angle, radians; used when the mosaic turns.

    Notes
    -----
    The defects belong to the chips (one stream for all visits), so they move over the sky with the
    pointing.
    """
    detector = options.detector
    mosaic = _Mosaic(options, index, rotation if detector.rotate else 0.0)
    chip_v, in_v = np.divmod(mosaic.v, mosaic.period[0])
    chip_u, in_u = np.divmod(mosaic.u, mosaic.period[1])
    ny, nx = mosaic.chip
    is_gap = (in_v >= ny) | (in_u >= nx)
    edge = detector.edge
    is_edge = (in_v < edge) | (in_v >= ny - edge) | (in_u < edge) | (in_u >= nx - edge)
    rng = generator(options.seed, Stream.DETECTOR_DEFECTS)
    is_dead = rng.uniform(size=(_CHIPS, _CHIPS, mosaic.period[1])) < detector.dead_columns / nx
    is_hot = np.zeros(options.shape, bool)
    for number, n in enumerate(rng.poisson(detector.hot_pixels, _CHIPS * _CHIPS)):
        hot = rng.uniform(size=(2, n)) * np.array([[ny], [nx]])
        for chip in mosaic.chips_like(number):
            is_hot[mosaic.pixels(chip, hot)] = True
    return Detector(
        gap=is_gap,
        edge=is_edge & ~is_gap,
        dead_column=is_dead[chip_v % _CHIPS, chip_u % _CHIPS, in_u] & ~is_gap,
        hot_pixel=is_hot & ~is_gap,
    )


class _Mosaic:
    """The mosaic of chips as a visit sees it.

    Attributes
    ----------
    chip, period : (int, int)
        Rows and columns of a chip, and from one chip to the next. Without chips in the options
        there is one that reaches beyond the box however it is shifted and turned.
    v, u : int64 arrays
        Detector row and column of each pixel, counted over all chips from the corner of one; they
        broadcast to (ny, nx).
    """

    def __init__(self, options: SceneOptions, index: int, rotation: float) -> None:
        detector = options.detector
        if detector.chip_shape is None:
            side = math.ceil(math.hypot(*options.shape) + 2.0 * detector.dither) + 2
            self.chip = (side + 2 * detector.edge, side + 2 * detector.edge)
            gap = 0
        else:
            self.chip, gap = detector.chip_shape, int(detector.gap)
        self.period = (self.chip[0] + gap, self.chip[1] + gap)
        rng = generator(options.seed, Stream.POINTING, index)
        limits = (-detector.dither, detector.dither)
        self._shift = tuple(between(rng, limits) + 0.5 * side for side in self.chip)
        self._shape = options.shape
        self._turn = (math.cos(rotation), math.sin(rotation))
        cos, sin = self._turn
        y, x = (np.arange(n) - 0.5 * (n - 1) for n in options.shape)
        y = y[:, None]
        # An upright mosaic needs one column and one row of positions only.
        v, u = (y * cos - x * sin, y * sin + x * cos) if sin else (y, x[None, :])
        self.v = np.floor(v + self._shift[0]).astype(np.int64)
        self.u = np.floor(u + self._shift[1]).astype(np.int64)
        self._rows, self._columns = (
            range(int(part.min()) // period, int(part.max()) // period + 1)
            for part, period in zip((self.v, self.u), self.period, strict=True)
        )

    def chips_like(self, number: int) -> list[tuple[int, int]]:
        """Chips in view that have the defects of that number."""
        wanted = divmod(number, _CHIPS)
        return [
            (row, column)
            for row in self._rows
            for column in self._columns
            if (row % _CHIPS, column % _CHIPS) == wanted
        ]

    def pixels(
        self, chip: tuple[int, int], places: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Array indices of places (row, column) on a chip; those out of the box are left out."""
        v = places[0] + (chip[0] * self.period[0] - self._shift[0])
        u = places[1] + (chip[1] * self.period[1] - self._shift[1])
        cos, sin = self._turn
        ny, nx = self._shape
        rows = np.floor(v * cos + u * sin + 0.5 * ny).astype(np.int64)
        columns = np.floor(u * cos - v * sin + 0.5 * nx).astype(np.int64)
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        return rows[inside], columns[inside]


def saturate(electrons: npt.NDArray[np.float32], full_well: float) -> _Mask:
    """Saturated pixels; the charge above the full well runs along the columns.

    Parameters
    ----------
    electrons : (ny, nx) float32 array
        Charge; not changed.
    full_well : float
        Electrons a pixel can hold.
    """
    full = electrons > full_well
    for x in np.flatnonzero(full.any(axis=0)):
        column = electrons[:, x]
        edges = np.flatnonzero(np.diff(np.r_[False, column > full_well, False].astype(np.int8)))
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            excess = float(column[first:stop].sum(dtype=np.float64)) - (stop - first) * full_well
            reach = math.ceil(0.5 * excess / full_well)
            full[max(first - reach, 0) : stop + reach, x] = True
    return full

# SPDX-License-Identifier: BSD-3-Clause
"""Smooth functions on a box as sums of products of functions of y and of x.

Chebyshev polynomials, and cosines of a box that is wider by a margin. Cells are fitted with the
means of the functions over their pixels, not with values at their centres, so that large cells
bias nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from deepcoadd.background._match_cells import CellGrid, near_cells
from deepcoadd.errors import ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image

__all__ = ["Series", "SeriesModel"]

Floats = NDArray[np.float64]

_ROWS = 64
"""Rows of an image that are evaluated at a time."""


@dataclass(frozen=True)
class Series:
    """Terms of smooth functions on the box of a grid.

    Attributes
    ----------
    grid : CellGrid
        Cells; its box is where the functions live.
    order : int
        Total degree of the polynomials.
    n_waves : int
        Half waves along the longer side of the widened box; 0: polynomials only.
    margin : float
        Pixels by which the box of the cosines is wider on each side.
    """

    grid: CellGrid
    order: int
    n_waves: int = 0
    margin: float = 0.0

    @cached_property
    def _lengths(self) -> tuple[float, float]:
        """Sides of the widened box [pixels]."""
        y, x = self.grid.box.shape
        return y + 2 * self.margin, x + 2 * self.margin

    @cached_property
    def _waves(self) -> tuple[int, int]:
        """Half waves along y and x."""
        longest = max(self._lengths)
        y, x = (int(np.floor(self.n_waves * length / longest + 1e-9)) for length in self._lengths)
        return y, x

    @cached_property
    def terms(self) -> NDArray[np.int64]:
        """(K, 2): numbers of the functions of y and of x of each term, polynomials first."""
        p = self.order + 1
        terms = [(total - x, x) for total in range(p) for x in range(total, -1, -1)]
        if self.n_waves:
            my, mx = self._waves
            terms += [
                (p + j, p + i)
                for j in range(my + 1)
                for i in range(mx + 1)
                if (i or j) and self._square(j, i) <= self._square_limit
            ]
        return np.array(terms)

    def _square(self, j: int, i: int) -> float:
        ly, lx = self._lengths
        return float((np.pi * j / ly) ** 2 + (np.pi * i / lx) ** 2)

    @property
    def _square_limit(self) -> float:
        return float((np.pi * self.n_waves / max(self._lengths)) ** 2 * (1 + 1e-9))

    @property
    def n_polynomials(self) -> int:
        """Number of terms that are polynomials."""
        return (self.order + 1) * (self.order + 2) // 2

    @property
    def shortest(self) -> float:
        """Correlation length of the shortest field that the cosines can show [pixels]."""
        return 0.96 * max(self.grid.box.shape) / max(self.n_waves, 1)

    def spectrum(self) -> tuple[Floats, Floats]:
        """Squared wave number of each cosine [1 / pixel^2], and one over its mean square."""
        pairs = self.terms[self.n_polynomials :] - (self.order + 1)
        squares = np.array([self._square(int(j), int(i)) for j, i in pairs])
        return squares, np.prod(np.where(pairs > 0, 2.0, 1.0), axis=1)

    def cells(self) -> Floats:
        """(cells, K): mean of each term over each cell, rows of cells one after the other."""
        means = []
        for axis, edges in enumerate((self.grid.edges_y, self.grid.edges_x)):
            values = self._values(np.arange(edges[-1]), axis)
            sums = np.add.reduceat(values, edges[:-1], axis=0)
            means.append(sums / np.diff(edges)[:, None])
        y, x = means
        products = y[:, None, self.terms[:, 0]] * x[None, :, self.terms[:, 1]]
        return np.asarray(products.reshape(-1, len(self.terms)))

    def image(self, factors: Floats, box: Box | None = None) -> Image:
        """float32 image of a sum of the terms, by default on the whole box.

        Raises
        ------
        ShapeError
            The box reaches outside the one of the grid.
        """
        whole = self.grid.box
        box = whole if box is None else box
        if not whole.contains(box):
            raise ShapeError(f"box: got {box}, must be inside {whole}")
        matrix = np.zeros(self.terms.max(axis=0) + 1)
        matrix[self.terms[:, 0], self.terms[:, 1]] = factors
        y, x = (
            self._values(np.arange(part.start - first, part.stop - first), axis)[:, :n]
            for axis, (part, first, n) in enumerate(
                zip((box.y, box.x), whole.start, matrix.shape, strict=True)
            )
        )
        out = np.empty(box.shape, np.float32)
        rows = y @ matrix
        for k in range(0, len(rows), _ROWS):
            out[k : k + _ROWS] = rows[k : k + _ROWS] @ x.T
        return Image(out, box)

    def _values(self, pixels: NDArray[np.int64], axis: int) -> Floats:
        """(n, functions): values at pixels of an axis, from the first of the grid."""
        length = self.grid.box.shape[axis]
        inside = (pixels + 0.5) * (2.0 / length) - 1.0
        polynomials = chebyshev.chebvander(inside, self.order)
        waves = np.arange(self._waves[axis] + 1 if self.n_waves else 0)
        phases = np.pi * np.outer(pixels + 0.5 + self.margin, waves) / self._lengths[axis]
        return np.hstack([polynomials, np.cos(phases)])


@dataclass(frozen=True)
class SeriesModel:
    """A sum of the terms of a series, fitted to some of its cells.

    Attributes
    ----------
    series : Series
        The terms.
    factors : (K,) float64 array
        Their factors [unit of the image].
    measured : (ny, nx) bool array
        Cells that the factors were fitted to.
    reach : float
        Distance from them up to which the model is valid, along x and along y [pixels].
    part : Box
        Pixels of the exposure.
    """

    series: Series
    factors: Floats
    measured: NDArray[np.bool_]
    reach: float
    part: Box

    @property
    def box(self) -> Box:
        """Pixels where the model is known."""
        return self.part

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the model, by default of its whole box."""
        return self.series.image(self.factors, self.part if box is None else box)

    @property
    def extrapolates(self) -> bool:
        """Whether the model has pixels that are not valid."""
        return not self.validity().all()

    def validity(self, box: Box | None = None) -> NDArray[np.bool_]:
        """Pixels not farther than `reach` from a cell that the factors were fitted to."""
        box = self.part if box is None else box
        return near_cells(self.series.grid, self.measured, self.reach, box)

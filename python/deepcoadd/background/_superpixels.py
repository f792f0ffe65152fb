# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds on a grid laid over many detectors, whose edges therefore leave no steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import (
    check_choice,
    check_count,
    check_least,
    check_positive,
    names,
)
from deepcoadd._core import background as _core
from deepcoadd.background._cells import fill_cells, smooth_cells
from deepcoadd.background._grid import bin_centers
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._options import INTERPOLATIONS, BackgroundOptions
from deepcoadd.background._planes import with_whole_rows
from deepcoadd.errors import NoDataError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.statistics import Property, StatsOptions

__all__ = [
    "AffineTransform",
    "CallableTransform",
    "FrameTransform",
    "SuperpixelBackground",
    "SuperpixelOptions",
]

Floats = NDArray[np.float64]

_MOST = 10**8
"""Superpixels of a grid (2.4 GB)."""


class FrameTransform(Protocol):
    """Places of the pixels of a detector in the frame of a focal plane, and back."""

    def to_frame(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Places (y, x) in the frame of some pixels."""
        ...

    def to_pixels(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Pixels (y, x) at some places of the frame."""
        ...


@dataclass(frozen=True)
class AffineTransform:
    """Frame = matrix x (x, y, 1) of the pixel.

    Attributes
    ----------
    matrix : ((float, float, float), (float, float, float))
        Row for x in the frame, row for y, in units of the frame for each pixel.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]

    def __post_init__(self) -> None:
        values = np.asarray(self.matrix, np.float64)
        if values.shape != (2, 3) or not np.isfinite(values).all():
            raise OptionError("transform: got a matrix that is not 2 x 3 finite numbers")
        if np.linalg.det(values[:, :2]) == 0:
            raise OptionError("transform: got a matrix that cannot be inverted")

    def to_frame(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Places (y, x) in the frame of some pixels."""
        (a, b, c), (d, e, f) = self.matrix
        return d * x + e * y + f, a * x + b * y + c

    def to_pixels(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Pixels (y, x) at some places of the frame."""
        (a, b, c), (d, e, f) = self.matrix
        u, v, unit = x - c, y - f, 1.0 / (a * e - b * d)
        return (a * unit) * v - (d * unit) * u, (e * unit) * u - (b * unit) * v

    def scaled(self, factors: tuple[float, float], offset: tuple[float, float]) -> AffineTransform:
        """To a frame whose places (y, x) are those of this one times factors plus an offset."""
        (a, b, c), (d, e, f) = self.matrix
        (sy, sx), (oy, ox) = factors, offset
        return AffineTransform(((sx * a, sx * b, sx * c + ox), (sy * d, sy * e, sy * f + oy)))


@dataclass(frozen=True)
class CallableTransform:
    """Any transform, as two functions of arrays.

    Attributes
    ----------
    forward, backward : callable
        ``forward(y, x)`` gives places (y, x) in the frame, ``backward(y, x)`` the pixels of places.
    """

    forward: Callable[[Floats, Floats], tuple[Floats, Floats]]
    backward: Callable[[Floats, Floats], tuple[Floats, Floats]]

    def to_frame(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Places (y, x) in the frame of some pixels."""
        return self.forward(y, x)

    def to_pixels(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Pixels (y, x) at some places of the frame."""
        return self.backward(y, x)


@dataclass(frozen=True)
class SuperpixelOptions:
    """Grid of superpixels.

    Attributes
    ----------
    y_size, x_size : float
        Size of a superpixel [units of the frame].
    pixel_size : float
        Size of a pixel of a detector in these units.
    min_fraction : float
        A superpixel is good if it holds at least this share of the pixels that it has room for.
    ignored_planes : tuple of str
        Pixels with one of these planes do not count; planes that a mask does not have are not
        looked for.
    fill : str
        How bad superpixels get a value: "INPAINT" (as smoothly as possible, within the range of
        the good ones), or a curve through the good ones of their row and column, which goes on
        beyond them.
    algorithm : str
        Curve through the bins of the background of a detector.
    smooth : float
        Standard deviation of a Gaussian over the superpixels; 0: none.
    binning : int
        Pixels between the bins of the background of a detector.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    y_size: float
    x_size: float
    pixel_size: float = 1.0
    min_fraction: float = 0.1
    ignored_planes: tuple[str, ...] = (
        "BAD",
        "SAT",
        "INTRP",
        "DETECTED",
        "DETECTED_NEGATIVE",
        "EDGE",
        "NO_DATA",
    )
    fill: str = "INPAINT"
    algorithm: str = "AKIMA_SPLINE"
    smooth: float = 0.0
    binning: int = 64

    def __post_init__(self) -> None:
        for name in ("y_size", "x_size", "pixel_size"):
            check_positive(name, getattr(self, name))
        for name in ("min_fraction", "smooth"):
            check_least(name, getattr(self, name), 0.0)
        check_choice("fill", self.fill, ("INPAINT", *INTERPOLATIONS))
        check_choice("algorithm", self.algorithm, INTERPOLATIONS)
        check_count("binning", self.binning, 1)
        object.__setattr__(self, "ignored_planes", names("ignored_planes", self.ignored_planes))

    @property
    def scale(self) -> tuple[float, float]:
        """Superpixels (y, x) in a unit of the frame."""
        return 1.0 / self.y_size, 1.0 / self.x_size

    @property
    def least_pixels(self) -> float:
        """Pixels that a good superpixel holds at least."""
        area = (self.x_size / self.pixel_size) * (self.y_size / self.pixel_size)
        return self.min_fraction * area


class SuperpixelBackground:
    """Sums over superpixels of a frame, of as many detectors as are added.

    Attributes
    ----------
    options : SuperpixelOptions
        Grid.
    offset : (float, float)
        Position (y, x) on the grid of the origin of the frame; whole numbers are the middles of
        superpixels.
    numbers, sums, squares : (ny, nx) float64 arrays
        Pixels of each superpixel, sum of their means times their numbers, sum of the squared
        errors of the means times the squares of the numbers.
    """

    def __init__(
        self, options: SuperpixelOptions, offset: tuple[float, float], shape: tuple[int, int]
    ) -> None:
        self.options = options
        self.offset = offset
        self.numbers, self.sums, self.squares = (np.zeros(shape) for _ in range(3))

    @classmethod
    def covering(
        cls, detectors: Iterable[tuple[Box, FrameTransform]], options: SuperpixelOptions
    ) -> SuperpixelBackground:
        """Empty grid that covers all detectors, given by their pixels and transforms.

        The grid has ``ceil(w / size) + 2`` superpixels along an axis, w being the extent of all
        corners; the lowest corner is the middle of its second one.

        Raises
        ------
        NoDataError
            There is no detector.
        OptionError
            A transform gives no places for the corners, or the superpixels are too many (10^8).
        """
        places = [_corners(box, transform) for box, transform in detectors]
        if not places:
            raise NoDataError("superpixels: got no detectors, must be at least one")
        y, x = (np.concatenate(values) for values in zip(*places, strict=True))
        if not (np.isfinite(y).all() and np.isfinite(x).all()):
            raise OptionError("transform: got places of corners that are not finite")
        shape = (
            math.ceil(float(np.ptp(y)) / options.y_size) + 2,
            math.ceil(float(np.ptp(x)) / options.x_size) + 2,
        )
        if math.prod(shape) > _MOST:
            raise OptionError(
                f"y_size, x_size: got {options.y_size:g} and {options.x_size:g}, must be larger: "
                f"detectors would need {shape[0]} x {shape[1]} superpixels"
            )
        sy, sx = options.scale
        return cls(options, (1.0 - float(y.min()) * sy, 1.0 - float(x.min()) * sx), shape)

    def add(self, pixels: MaskedImage, transform: FrameTransform) -> None:
        """Add the pixels of a detector.

        Each superpixel takes the clipped mean (3 sigma, 3 passes) of the good pixels in the
        rectangle between its corners, which a rotated detector fills only about; neighbours share
        a row of pixels.

        Raises
        ------
        ShapeError
            The image has no pixels.
        """
        if pixels.box.is_empty:
            raise ShapeError("image: got no pixels, must have at least one")
        places, cells = self._cells(pixels.box, transform)
        if not len(cells):
            return
        stats = StatsOptions(bad_bits=pixels.planes.known_bitmask(self.options.ignored_planes))
        table = _core.cell_statistics(
            with_whole_rows(pixels.image.array),
            with_whole_rows(pixels.mask.array),
            cells.tolist(),
            property=int(Property.MEANCLIP),
            options=stats.core_options(),
        )
        mean, square, _, n = table.T[:4]
        good = np.isfinite(mean)
        at = (places[good, 0], places[good, 1])
        self.numbers[at] += n[good]
        self.sums[at] += mean[good] * n[good]
        # A single pixel has no error of its own.
        self.squares[at] += np.where(np.isfinite(square), square, 0.0)[good] * n[good] ** 2

    def _cells(
        self, box: Box, transform: FrameTransform
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Superpixels (j, i) that meet a box, and their pixels (y0, y1, x0, x1) there."""
        j, i = (index.ravel() for index in np.indices(self.numbers.shape, np.float64))
        low, high = (
            np.floor(np.stack(self._to_pixels(transform, j + s, i + s)) + 0.5) for s in (-0.5, 0.5)
        )
        first, last = np.minimum(low, high), np.maximum(low, high) + 1
        # Superpixels that a transform knows no pixels of hold none.
        first, last = (np.where(np.isfinite(first + last), v, -np.inf) for v in (first, last))
        (y0, x0), (height, width) = box.start, box.shape
        y = np.clip(np.stack([first[0], last[0]]) - y0, 0, height).astype(np.int64)
        x = np.clip(np.stack([first[1], last[1]]) - x0, 0, width).astype(np.int64)
        meets = (y[0] < y[1]) & (x[0] < x[1])
        places = np.stack([j, i], axis=1).astype(np.int64)
        return places[meets], np.concatenate([y, x]).T[meets]

    def _to_pixels(self, transform: FrameTransform, j: Floats, i: Floats) -> tuple[Floats, Floats]:
        """Pixels (y, x) at positions on the grid."""
        if isinstance(transform, AffineTransform):
            # In one step: corners of superpixels often lie just between two pixels.
            return transform.scaled(self.options.scale, self.offset).to_pixels(j, i)
        (sy, sx), (oy, ox) = self.options.scale, self.offset
        return transform.to_pixels((j - oy) / sy, (i - ox) / sx)

    def position(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Positions (j, i) on the grid of places in the frame."""
        (sy, sx), (oy, ox) = self.options.scale, self.offset
        return y * sy + oy, x * sx + ox

    def copy(self) -> SuperpixelBackground:
        """A grid of its own with the same sums."""
        out = SuperpixelBackground(self.options, self.offset, self.numbers.shape)
        return out.merge(self)

    def merge(self, other: SuperpixelBackground) -> SuperpixelBackground:
        """Add the sums of another grid of the same form; returns itself.

        Raises
        ------
        ShapeError
            The grids differ in form or place.
        """
        ours, theirs = (
            (g.numbers.shape, g.offset, g.options.y_size, g.options.x_size) for g in (self, other)
        )
        if ours != theirs:
            raise ShapeError(f"superpixels: got a grid of {theirs}, must be {ours} to be merged")
        self.numbers += other.numbers
        self.sums += other.sums
        self.squares += other.squares
        return self

    @property
    def good(self) -> NDArray[np.bool_]:
        """(ny, nx) bool: superpixels that hold enough pixels."""
        return (self.numbers >= self.options.least_pixels) & (self.numbers > 0)

    def means(self) -> Floats:
        """(ny, nx) float64: means of the superpixels, NaN without pixels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.sums / self.numbers)

    def variances(self) -> Floats:
        """(ny, nx) float64: squared errors of the means, NaN without pixels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.squares / self.numbers**2)

    def level(self) -> float:
        """Median of the good superpixels.

        Raises
        ------
        NoDataError
            No superpixel is good.
        """
        self._check()
        return float(np.median(self.means()[self.good]))

    def statistics(self) -> Floats:
        """(ny, nx) float64: means of the good superpixels, smoothed if asked for, the rest filled.

        Raises
        ------
        NoDataError
            No superpixel is good.
        """
        self._check()
        values, bad = self.means(), ~self.good
        if self.options.smooth:
            # The Gaussian reaches bad superpixels too.
            values = smooth_cells(values, bad, self.options.smooth)
            bad = np.isnan(values)
        fill = self.options.fill
        return fill_cells(values, bad, None if fill == "INPAINT" else fill) if bad.any() else values

    def _check(self) -> None:
        if not self.good.any():
            raise NoDataError(
                f"superpixels: none holds {self.options.least_pixels:g} good pixels; the fullest "
                f"has {self.numbers.max(initial=0):g}"
            )

    def sample(self, statistics: Floats, y: Floats, x: Floats) -> Floats:
        """Bilinear values of a grid at places of the frame; NaN outside the outermost middles."""
        j, i = self.position(y, x)
        ny, nx = statistics.shape
        inside = (j >= 0) & (j < ny - 1) & (i >= 0) & (i < nx - 1)
        j0, i0 = (np.where(inside, np.floor(v), 0).astype(np.int64) for v in (j, i))
        v, u = j - j0, i - i0
        value = (1 - v) * ((1 - u) * statistics[j0, i0] + u * statistics[j0, i0 + 1]) + v * (
            (1 - u) * statistics[j0 + 1, i0] + u * statistics[j0 + 1, i0 + 1]
        )
        return np.where(inside, value, np.nan)

    def background(
        self, box: Box, transform: FrameTransform, statistics: Floats | None = None
    ) -> BackgroundModel:
        """Background of one detector.

        Parameters
        ----------
        box : Box
            Its pixels.
        transform : FrameTransform
            Where they are in the frame.
        statistics : (ny, nx) float64 array, optional
            Grid to take instead of `statistics`.

        Returns
        -------
        BackgroundModel
            ``max(L // binning, 1)`` bins along an axis of L pixels, sampled at their middles;
            those outside the grid have the mean of the others, and BAD in the mask.

        Raises
        ------
        NoDataError
            No superpixel is good, or the detector lies outside the grid.
        ShapeError
            The grid given has another shape.
        """
        n = (max(side // self.options.binning, 1) for side in box.shape)
        y, x = np.meshgrid(*bin_centers(box, (next(n), next(n))), indexing="ij")
        grid = self.statistics() if statistics is None else statistics
        if np.shape(grid) != self.numbers.shape:
            raise ShapeError(
                f"statistics: got {np.shape(grid)}, must be {self.numbers.shape} superpixels"
            )
        values = self.sample(grid, *transform.to_frame(y, x))
        outside = np.isnan(values)
        if outside.all():
            raise NoDataError(f"superpixels: the detector of {box} lies outside the grid")
        values[outside] = values[~outside].mean()
        words = np.where(outside, DEFAULT_PLANES.bitmask("BAD"), 0).astype(np.int32)
        options = replace(BackgroundOptions(), algorithm=self.options.algorithm)
        variances = np.zeros(values.shape, np.float32)
        return BackgroundModel(
            values.astype(np.float32), variances, box, options, Mask(words, None)
        )


def _corners(box: Box, transform: FrameTransform) -> tuple[Floats, Floats]:
    """Places (y, x) of the outer corners of a detector."""
    y = np.array([box.y.start - 0.5, box.y.stop - 0.5])
    x = np.array([box.x.start - 0.5, box.x.stop - 0.5])
    return transform.to_frame(np.repeat(y, 2), np.tile(x, 2))

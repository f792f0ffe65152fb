# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the background of one exposure to that of a reference.

The steps and formulas stand in ``docs/algorithms/match-backgrounds.md``.
"""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import background as _core
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.background._match_cells import any_in_ranges
from deepcoadd.background._match_options import ClassicMatchOptions
from deepcoadd.background._match_result import MatchResult
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._options import BackgroundOptions
from deepcoadd.errors import (
    DeepcoaddError,
    NoDataError,
    NoOverlapError,
    OptionError,
    SizeMismatchError,
)
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.statistics import Property, StatsOptions, statistics

__all__ = ["CheckGrid", "ClassicModel", "difference", "fit_difference", "match_to_reference"]

_log = logging.getLogger(__name__)
_DEFAULTS = ClassicMatchOptions()
_BAD = 1
_ROWS = 128
"""Rows of a difference that are made at a time: they stay in the cache."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Reference less science: pixels, their variance, and where either is bad (bit 1)."""

    image: NDArray[np.float32]
    mask: NDArray[np.int32]
    variance: NDArray[np.float32]
    box: Box


@dataclass(frozen=True)
class CheckGrid:
    """Bins of exactly the nominal size (the last ones of an axis are cut off), for checks.

    Attributes
    ----------
    y, x : (n,) float64 array
        Centres of the bins with two good pixels or more [pixels from the first].
    values, errors : (n,) float64 array
        Statistic, and standard deviation over the root of the number of pixels.
    """

    y: Floats
    x: Floats
    values: Floats
    errors: Floats

    def residuals(self, image: NDArray[np.float32]) -> Floats:
        """Values less the image at the centres, interpolated linearly between pixels."""
        at = np.zeros_like(self.values)
        for dy in (np.floor(self.y), np.ceil(self.y)):
            for dx in (np.floor(self.x), np.ceil(self.x)):
                at += 0.25 * image[dy.astype(int), dx.astype(int)]
        return np.asarray(self.values - at)


@dataclass(frozen=True)
class ClassicModel:
    """Background fitted to the bins of a difference.

    Farther than one bin from every good bin the model keeps the value of the nearest pixel that is
    not (in its row, or else in the nearest row): an extrapolated curve has values of any size.

    Attributes
    ----------
    background : BackgroundModel
        Bins, and the curve or polynomial through them.
    """

    background: BackgroundModel

    @property
    def box(self) -> Box:
        """Pixels that the bins cover."""
        return self.background.box

    @property
    def extrapolates(self) -> bool:
        """Whether the model has pixels that are not valid."""
        return not self.validity().all()

    def validity(self, box: Box | None = None) -> NDArray[np.bool_]:
        """Pixels not farther than one bin from a good bin."""
        ny, nx = self.background.values.shape
        reach = [self.box.y.size / ny, self.box.x.size / nx]
        near = []
        for positions, interval, step in zip(
            self.background.centers(), (self.box.y, self.box.x), reach, strict=True
        ):
            beyond = np.arange(interval.start, interval.stop)[:, None] - positions[None, :]
            near.append(((beyond > step).sum(axis=1), (beyond >= -step).sum(axis=1)))
        valid = any_in_ranges(np.isfinite(self.background.values), *near)
        return valid if box is None else valid[box.slices_within(self.box)]

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the model, by default of its whole box."""
        valid = self.validity()
        if valid.all():
            return self.background.image(box)
        whole = self.background.image()
        _hold(whole.array, valid)
        return whole if box is None else Image(whole[box].array, box)


def _hold(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Fill the pixels that are not valid with the nearest that is, along x, then along y."""
    for row, good in zip(image, valid, strict=True):
        if good.any() and not good.all():
            row[:] = row[_nearest(good)]
    rows = np.asarray(valid.any(axis=1))
    if rows.any() and not rows.all():
        image[:] = image[_nearest(rows)]


def _nearest(good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the nearest True of a line; of two, the first."""
    index = np.arange(good.size)
    known = np.flatnonzero(good)
    after = np.searchsorted(known, index).clip(0, known.size - 1)
    before = (np.searchsorted(known, index, side="right") - 1).clip(0)
    closer = np.abs(known[before] - index) <= np.abs(known[after] - index)
    return np.asarray(np.where(closer, known[before], known[after]))


def difference(
    reference: MaskedImage, science: MaskedImage, bad_planes: tuple[str, ...]
) -> Difference:
    """Reference less science.

    Raises
    ------
    SizeMismatchError
        The boxes differ.
    """
    if reference.box.shape != science.box.shape:
        raise SizeMismatchError(
            f"science: got {science.box.shape} pixels (h, w), must be {reference.box.shape} as the "
            "reference"
        )
    if reference.box != science.box:
        raise SizeMismatchError(
            f"science: got box {science.box}, must be {reference.box} as the reference"
        )
    bits = [np.int32(pixels.planes.known_bitmask(bad_planes)) for pixels in (reference, science)]
    image, variance = (np.empty(reference.box.shape, np.float32) for _ in range(2))
    bad = np.empty(reference.box.shape, np.int32)

    def subtract(rows: slice) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            a, b = reference.image.array[rows], science.image.array[rows]
            np.subtract(a, b, out=image[rows])
            a, b = reference.variance.array[rows], science.variance.array[rows]
            np.add(a, b, out=variance[rows])
        words = reference.mask.array[rows] & bits[0]
        words |= science.mask.array[rows] & bits[1]
        bad[rows] = np.where(words != 0, np.int32(_BAD), np.int32(0))

    parts = [slice(first, first + _ROWS) for first in range(0, len(image), _ROWS)]
    for _ in in_turn(parts, subtract, n_workers(len(parts))):
        pass
    return Difference(image, bad, variance, reference.box)


def check_grid(diff: Difference, options: ClassicMatchOptions) -> CheckGrid:
    """Statistics of the bins of exactly the nominal size."""
    height, width = diff.box.shape
    edges = [[*range(0, length, options.bin_size), length] for length in (height, width)]
    cells = [
        [y0, y1, x0, x1]
        for y0, y1 in itertools.pairwise(edges[0])
        for x0, x1 in itertools.pairwise(edges[1])
    ]
    value, _, variance, n, _ = _core.cell_statistics(
        diff.image,
        diff.mask,
        cells,
        property=int(Property.parse(options.statistic)),
        options=_stats(options).core_options(),
    ).T
    good = n >= 2
    y0, y1, x0, x1 = np.array(cells, np.float64).T[:, good]
    error = np.maximum(np.sqrt(variance[good]), options.stdev_floor) / np.sqrt(n[good])
    return CheckGrid(0.5 * (y0 + y1 - 1), 0.5 * (x0 + x1 - 1), value[good], error)


def _stats(options: ClassicMatchOptions) -> StatsOptions:
    return StatsOptions(bad_bits=_BAD, sigma_clip=options.sigma_clip, n_iter=options.n_iter)


def fit_difference(
    diff: Difference, grid: CheckGrid, options: ClassicMatchOptions
) -> BackgroundModel:
    """Bins of a difference, with the curve or polynomial that the options ask for.

    Raises
    ------
    NoOverlapError
        No bin has good pixels.
    OptionError
        The order is too high for the bins and may not be lowered.
    """
    if not grid.values.size:
        raise NoOverlapError(
            "science: no bin has two pixels that are good in the reference too; there is nothing "
            "to match"
        )
    size, order, weighting = options.bin_size, options.order, False
    if options.use_polynomial:
        size, order = _adapted(grid, options)
        weighting = options.weighting and bool((grid.errors > options.stdev_floor).any())
    values, variances = _bins(diff, size, options)
    # The bins of this grid lie otherwise: the last step to as many positions as terms.
    while 1 < size < options.bin_size and _positions(*np.nonzero(~np.isnan(values))) <= order:
        size = size * 3 // 4
        values, variances = _bins(diff, size, options)
    # Bins without scatter are the best there are; without a floor their weight is infinite.
    floor = np.float32(max(options.stdev_floor, 1e-15) ** 2)
    variances = np.where(np.isnan(variances), np.float32(np.nan), np.maximum(variances, floor))
    variances *= np.float32(options.variance_inflation)
    reduce = options.undersample_style == "REDUCE_INTERP_ORDER"
    how = BackgroundOptions(
        statistic=options.statistic,
        bin_size=size,
        algorithm=options.interp_style if options.interp_style != "NONE" else "AKIMA_SPLINE",
        edge=options.edge,
        undersample_style="REDUCE_INTERP_ORDER" if reduce else "THROW_EXCEPTION",
        ignored_planes=options.bad_planes,
        use_approx=options.use_polynomial,
        approx_order=order,
        bin_averaged=options.bin_averaged,
        weighting=weighting,
    )
    return BackgroundModel(values, variances, diff.box, how)


def _bins(
    diff: Difference, size: int, options: ClassicMatchOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values and variances of bins of a nominal size."""
    height, width = diff.box.shape
    return _core.bin_statistics(
        diff.image,
        diff.mask,
        diff.variance,
        bins=(-(-height // size), -(-width // size)),
        property=int(Property.parse(options.statistic)),
        options=_stats(options).core_options(),
    )


def _positions(y: NDArray[Any], x: NDArray[Any]) -> int:
    """Number of different positions along the axis that has fewer."""
    return min(np.unique(y).size, np.unique(x).size)


def _check_sizes(shape: tuple[int, int], options: ClassicMatchOptions) -> None:
    """Refuse polynomials that the bins of an image cannot determine, and curves without a name."""
    short = min(shape)
    if not options.use_polynomial:
        if options.interp_style == "NONE":
            raise OptionError("interp_style: got NONE, must name a curve to match backgrounds")
        return
    if short < options.bin_size:
        raise OptionError(
            f"bin_size: got {options.bin_size}, must be {short} at most, the shorter side of the "
            "science image"
        )
    n = -(-short // options.bin_size)
    if options.order > n - 1:
        raise OptionError(
            f"order: got {options.order}, must be {n - 1} at most with {n} bins of "
            f"{options.bin_size} pixels along the shorter side"
        )


def _adapted(grid: CheckGrid, options: ClassicMatchOptions) -> tuple[int, int]:
    """Bin size and order that the good bins determine."""
    n = _positions(grid.y, grid.x)
    if n > options.order:
        return options.bin_size, options.order
    if options.undersample_style == "THROW_EXCEPTION":
        raise OptionError(
            f"order: got {options.order}, must be {n - 1} at most: the good bins of "
            f"{options.bin_size} pixels have {n} positions along one axis"
        )
    if options.undersample_style == "REDUCE_INTERP_ORDER":
        _log.warning("order lowered from %d to %d for want of good bins", options.order, n - 1)
        return options.bin_size, n - 1
    return max(1, n * options.bin_size // (options.order + 1)), options.order


def match_to_reference(
    reference: MaskedImage,
    science: MaskedImage,
    options: ClassicMatchOptions = _DEFAULTS,
    *,
    name: str = "science",
    in_place: bool = False,
) -> MatchResult:
    """Find the background that makes one exposure match another.

    Parameters
    ----------
    reference, science : MaskedImage
        float32, the same box and unit.
    options : ClassicMatchOptions
        Bins, curve or polynomial.
    name : str
        What to call the exposure in the result.
    in_place : bool
        Add the model to `science`, whose mask and variance stay.

    Returns
    -------
    MatchResult
        Status "ok". The model is what has to be added to `science`.

    Raises
    ------
    SizeMismatchError
        The boxes differ.
    NoOverlapError
        No bin has good pixels; `science` is as it was.
    OptionError
        Bin size or order do not fit the image.
    NoDataError
        The model cannot be made of the good bins.
    """
    _check_sizes(science.box.shape, options)
    diff = difference(reference, science, options.bad_planes)
    grid = check_grid(diff, options)
    model = ClassicModel(fit_difference(diff, grid, options))
    try:
        added = model.image().array
    except (OptionError, NoOverlapError):
        raise
    except DeepcoaddError as error:
        raise NoDataError(f"background of {name} cannot be matched: {error}") from error
    if not np.isfinite(added).all():
        raise NoOverlapError(f"background of {name} cannot be matched: too few good bins")
    if in_place:
        science.image.array += added
    return replace(diagnose(diff, grid, model, added, options), id=name)


def diagnose(
    diff: Difference,
    grid: CheckGrid,
    model: ClassicModel,
    added: NDArray[np.float32],
    options: ClassicMatchOptions,
) -> MatchResult:
    """Result with the numbers that tell how good a match is; `diff` loses the model."""
    residuals = grid.residuals(added)
    residuals = residuals[np.isfinite(residuals)]
    stats = _stats(options)
    variance = statistics(diff.variance, diff.mask, properties="MEANCLIP", options=stats).value()
    diff.image[...] -= added
    left = statistics(diff.image, diff.mask, properties="MEANSQUARE|NPOINT", options=stats)
    pixels_of_a_bin = left.n_point / max(grid.values.size, 1)
    return MatchResult(
        id="",
        status="ok",
        model=model,
        fit_rms=math.sqrt(float(np.mean(residuals**2))) if residuals.size else math.nan,
        matched_mse=left.value("MEANSQUARE"),
        diff_variance=variance,
        bin_variance=variance * options.variance_inflation / max(pixels_of_a_bin, 1.0),
        model_variance=float(np.nanmean(model.background.variances, dtype=np.float64)),
    )

# SPDX-License-Identifier: BSD-3-Clause
"""The plain mean of the inputs, and its difference from their clipped mean, in one pass."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from deepcoadd import _core
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._alternate import one_span_set
from deepcoadd.coadd._assemble import assemble
from deepcoadd.coadd._prepare import CoaddPlan, Progress
from deepcoadd.coadd._result import CoaddResult
from deepcoadd.coadd._rules import flag_inexact_psf
from deepcoadd.coadd._stack import TileWork, rows_of, stack_tile
from deepcoadd.errors import DeepcoaddError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.psf import FixedKernel, KernelPsf, Psf
from deepcoadd.spans import SpanSet
from deepcoadd.statistics import StackDiagnostics, StackPlanes

__all__ = ["FEWEST", "Difference", "build_difference_image", "difference_of_matched", "psf_of"]

_log = logging.getLogger(__name__)

_IN_CACHE = 2**15
"""Pixels of which all planes of a difference stay in the cache."""

_AT_A_TIME = 2**18
"""Pixels, for each thread, whose clipped mean is held: less than a tile of inputs in memory."""

FEWEST = 3
"""Inputs below which clipping by their scatter cannot tell which of them is wrong."""


@dataclass
class Difference:
    """Plain minus clipped mean, and the plain mean.

    Parameters
    ----------
    exposure : Exposure
        Image: the difference, exactly 0 where nothing was clipped, NaN where no input is good.
        Variance: the *sum* of the two variances. Mask: the OR of the two.
    mean : CoaddResult
        The plain mean, not interpolated.
    stored : SpanSet
        Pixels at which the mask of an input has CLIPPED as it comes.
    """

    exposure: Exposure
    mean: CoaddResult
    stored: SpanSet


def build_difference_image(plan: CoaddPlan, *, progress: Progress | None = None) -> Difference:
    """Difference between the plain and the clipped mean of the inputs of a plan.

    Parameters
    ----------
    plan : CoaddPlan
        From `deepcoadd.coadd.prepare`; ``options.sigma_clip`` and ``options.n_iter`` say how the
        one mean is clipped, whatever the statistic.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    Difference
        Its exposure carries the PSF of the mean: that of the plan, else the weighted mean of
        those of the inputs.

    Raises
    ------
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    Every input is read once. Where clipping leaves all inputs in, both means are the same number
    by definition, so the difference is set to 0 there rather than left to rounding.
    """
    options = replace(plan.options, statistic="MEAN", interpolate=None)
    work = replace(plan, options=options)
    step = _BothMeans(work)
    mean = assemble(work, tile_step=step, progress=progress)
    flag_inexact_psf(step.pixels.mask)
    _warn_of_few(mean)
    exposure = Exposure(step.pixels, replace(plan.info, psf=psf_of(plan), inputs=None))
    return Difference(exposure, mean, one_span_set(step.stored))


def difference_of_matched(
    plan: CoaddPlan, still: CoaddPlan, *, progress: Progress | None = None
) -> Difference:
    """The plain mean of the inputs, and the difference of both means of their matched versions.

    Parameters
    ----------
    plan : CoaddPlan
        Of the inputs.
    still : CoaddPlan
        Of their PSF-matched versions, with the same box, `deepcoadd.coadd.prepare`.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    Difference
        Its exposure has the mask planes of the inputs, of which NO_DATA alone is set.
    """
    matched = build_difference_image(still, progress=progress).exposure
    step = _PlainMean()
    options = replace(plan.options, statistic="MEAN", interpolate=None)
    mean = assemble(replace(plan, options=options), tile_step=step, progress=progress)
    mask = Mask.zeros(plan.box, plan.rules.planes)
    mask.set("NO_DATA", np.isnan(matched.image.array))
    pixels = MaskedImage(matched.image, mask, matched.variance)
    return Difference(Exposure(pixels, matched.info), mean, one_span_set(step.stored))


class _PlainMean:
    """Step of one tile: the plain mean, and where the inputs carry CLIPPED."""

    writes_all = True

    def __init__(self) -> None:
        self.stored: list[SpanSet] = []

    def __call__(self, work: TileWork) -> StackDiagnostics:
        totals = stack_tile(work)
        self.stored.append(_stored(work))
        return totals


class _BothMeans:
    """Step of one tile: the plain mean goes to the coadd, its difference from the other here."""

    writes_all = True

    def __init__(self, plan: CoaddPlan) -> None:
        self._clipped_options = replace(plan.options, statistic="MEANCLIP")
        # Every pixel is in a tile, and written there.
        image, variance = (Image(np.empty(plan.box.shape, np.float32), plan.box) for _ in range(2))
        mask = Mask(np.empty(plan.box.shape, np.int32), plan.box, plan.rules.planes)
        self.pixels = MaskedImage(image, mask, variance)
        self.stored: list[SpanSet] = []

    def __call__(self, work: TileWork) -> StackDiagnostics:
        totals = stack_tile(work)
        n_rows = max(1, _AT_A_TIME * _core.get_num_threads() // max(work.box.x.size, 1))
        tiles = list(work.box.tiles((n_rows, work.box.x.size)))
        room = StackPlanes.allocate(tiles[0].shape)
        for tile in tiles:
            part = _rows_of(work, tile)
            clipped = rows_of(room, slice(tile.y.size))
            stack_tile(replace(part, options=self._clipped_options, out=clipped))
            _subtract(part, clipped, self.pixels[tile])
        self.stored.append(_stored(work))
        return totals


def _rows_of(work: TileWork, tile: Box) -> TileWork:
    """Some rows of a tile."""
    pixels = [None if one is None else one[tile] for one in work.pixels]
    rows = tile.slices_within(work.box)[0]
    return replace(work, box=tile, pixels=pixels, out=rows_of(work.out, rows))


def _subtract(work: TileWork, clipped: StackPlanes, out: MaskedImage) -> None:
    """Write the difference of one tile into `out`."""
    mean = work.masked_image
    n_clipped, clipped_variance, clipped_mask = clipped.n_clipped, clipped.variance, clipped.mask
    assert n_clipped is not None  # allocated with all planes
    assert clipped_variance is not None
    assert clipped_mask is not None
    n_rows = max(1, _IN_CACHE // max(work.box.x.size, 1))

    def subtract(first: int) -> None:
        rows = slice(first, first + n_rows)
        image, plain = out.image.array[rows], mean.image.array[rows]
        np.subtract(plain, clipped.image[rows], out=image)
        np.copyto(image, 0.0, where=(n_clipped[rows] == 0) & ~np.isnan(plain))
        variances = mean.variance.array[rows], clipped_variance[rows]
        np.add(*variances, out=out.variance.array[rows])
        np.bitwise_or(mean.mask.array[rows], clipped_mask[rows], out=out.mask.array[rows])

    # Some rows at a time, so that what is between the steps stays in the cache.
    parts = range(0, work.box.y.size, n_rows)
    for _ in in_turn(parts, subtract, n_workers(len(parts))):
        pass


def _stored(work: TileWork) -> SpanSet:
    """Pixels of a combined tile at which the mask of any input has CLIPPED."""
    bit = work.rules.planes.bitmask("CLIPPED")
    if not work.rules.remove & bit:
        # A mean clips nothing, so the plane is there because of an input, good or not.
        return SpanSet.from_mask(work.masked_image.mask, bit)
    masks = [one.mask for one in work.pixels if one is not None]
    return one_span_set([SpanSet.from_mask(mask, bit) for mask in masks])


def _warn_of_few(mean: CoaddResult) -> None:
    """Say where there are too few inputs for anything to be clipped."""
    assert mean.n_image is not None  # the mean is kept
    n = len(mean.inputs)
    if n < FEWEST:
        _log.warning("%d inputs: nothing can be clipped, at least %d are needed", n, FEWEST)
        return
    few = int(np.count_nonzero(mean.n_image.array < FEWEST))
    _log.info("%d pixels have fewer than %d good inputs: nothing is clipped there", few, FEWEST)


def psf_of(plan: CoaddPlan) -> Psf | None:
    """PSF of a coadd: that of its plan, else the weighted mean of the PSFs of its inputs.

    Each is taken in the middle of its input; inputs without a PSF that can be evaluated are left
    out. None where no input has one.
    """
    if plan.info.psf is not None:
        psf: Psf = plan.info.psf
        return psf
    stamps: list[tuple[float, Image]] = []
    for one, weight in zip(plan.inputs, plan.weights, strict=True):
        y, x = one.ref.box().center
        try:
            stamps.append((weight, one.info().require("psf").kernel_image(y=y, x=x)))
        except DeepcoaddError:
            continue
    if not stamps:
        return None
    hull = Box.empty()
    for _, stamp in stamps:
        hull = hull.hull(stamp.box)
    total = np.zeros(hull.shape)
    for weight, stamp in stamps:
        total[stamp.box.slices_within(hull)] += weight * stamp.array
    center = (-hull.y.start, -hull.x.start)
    return KernelPsf(FixedKernel(total / total.sum(), center), plan.box.center)

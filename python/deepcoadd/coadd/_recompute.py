# SPDX-License-Identifier: BSD-3-Clause
"""Parts of a finished coadd made again, after masks of its inputs have changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._alternate import AlternateMask, packed_alternate, with_alternate
from deepcoadd.coadd._assemble import noise_of, read_tile
from deepcoadd.coadd._maps import MapMaker
from deepcoadd.coadd._prepare import CoaddPlan, Progress
from deepcoadd.coadd._result import CoaddResult
from deepcoadd.coadd._rules import flag_inexact_psf
from deepcoadd.coadd._stack import TileWork, stack_tile
from deepcoadd.coadd._tiles import prefetched, strips
from deepcoadd.geometry import Box, Interval
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.spans import SpanSet
from deepcoadd.statistics import StackPlanes

__all__ = ["blocks_around", "recompute"]

_ROWS, _COLUMNS = 64, 256
"""Pixels of a block of files. Small ones follow a streak closely; each costs a read."""

_MANY = 2**14
"""Pixels of a block from which on several inputs are packed at a time."""


def recompute(
    result: CoaddResult, plan: CoaddPlan, where: SpanSet, *, progress: Progress | None = None
) -> None:
    """Make a coadd again, in place, around some pixels.

    Parameters
    ----------
    result : CoaddResult
        A coadd of the same inputs, weights and options, not yet interpolated.
    plan : CoaddPlan
        With the masks and rules that hold now.
    where : SpanSet
        All pixels at which an input is masked otherwise than before.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Raises
    ------
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    A pixel of a coadd depends on nothing but that pixel of the inputs, so the outcome has the bits
    of a coadd made from scratch; only blocks that hold a pixel of `where` are read, and of these
    only such pixels are combined, packed into one row.
    """
    maker = MapMaker(plan)
    n = sum(not one.in_memory for one in plan.inputs)
    budget = max(plan.options.max_memory - 2 * plan.output_bytes, plan.options.max_memory // 4)
    height = _ROWS if n else plan.box.y.size
    rows = list(strips(plan.box, n, budget=budget, max_rows=height))
    tiles = list(blocks_around(where, rows))
    # Masks are changed only at the pixels that count, when they have been packed.
    bare = replace(plan, alternate_masks=(None,) * len(plan.inputs))
    readings = prefetched(tiles, lambda tile: read_tile(bare, tile), ahead=n > 0)
    for done, (tile, pixels) in enumerate(readings):
        if progress is not None:
            progress(done, len(tiles), "leaving out artifacts")
        y, x = where.clipped_to(tile).indices()
        place = y - tile.y.start, x - tile.x.start
        flat = place[0].astype(np.int64) * tile.x.size + place[1]
        row = Box.from_shape((1, len(y)), start=tile.start)
        at = _Place(tile, flat, row)

        def pack(
            given: tuple[MaskedImage | None, AlternateMask | None], at: _Place = at
        ) -> MaskedImage | None:
            return _packed(*given, plan, at)

        given = zip(pixels, plan.alternate_masks, strict=True)
        workers = n_workers(len(pixels)) if len(flat) >= _MANY else 1
        packed = list(in_turn(given, pack, workers))
        old = _planes_of(result, tile)
        out = StackPlanes.allocate(row.shape, weight_sum=old.weight_sum is not None)
        work = TileWork(row, packed, plan.weights, plan.rules, plan.options, out)
        stack_tile(work)
        flag_inexact_psf(work.masked_image.mask)
        for name, plane in vars(old).items():
            if plane is not None:
                plane[place] = getattr(out, name)[0]
        for name, values in maker.tile(packed, work.masked_image.variance.array).items():
            result.maps[name][tile].array[place] = values[0]
    if tiles:
        result.noise = noise_of(result.variance)


class _Place(NamedTuple):
    """Some pixels of a tile, by number, and a box (of nothing) that holds them side by side."""

    tile: Box
    flat: npt.NDArray[np.int64]
    row: Box


def _packed(
    pixels: MaskedImage | None, alternate: AlternateMask | None, plan: CoaddPlan, at: _Place
) -> MaskedImage | None:
    """Pixels of one input, with its alternate mask; None for one that lies elsewhere."""
    flags = packed_alternate(alternate, at.tile, plan.box, at.flat) if alternate else {}
    if pixels is None:
        if not flags:
            return None
        packed = MaskedImage.no_data(at.row, plan.rules.planes)
    else:
        image, mask, variance = (
            plane.array.take(at.flat)[np.newaxis]
            for plane in (pixels.image, pixels.mask, pixels.variance)
        )
        words = Mask(mask, at.row, pixels.planes)
        packed = MaskedImage(Image(image, at.row), words, Image(variance, at.row))
    return with_alternate(packed, flags, at.row, bad_bits=plan.rules.bad) if flags else packed


def _planes_of(result: CoaddResult, tile: Box) -> StackPlanes:
    """Views of the planes of a coadd at a tile."""
    assert result.n_image is not None  # the coadd was kept
    assert result.n_clipped_image is not None
    part = result.exposure.masked_image[tile]
    weight = result.maps.get("weight")
    return StackPlanes(
        image=part.image.array,
        mask=part.mask.array,
        variance=part.variance.array,
        n_point=result.n_image[tile].array,
        n_clipped=result.n_clipped_image[tile].array,
        weight_sum=None if weight is None else weight[tile].array,
    )


def blocks_around(where: SpanSet, rows: list[Box]) -> Iterator[Box]:
    """Boxes that hold all pixels of a set: for each strip the runs of blocks that it touches.

    Parameters
    ----------
    where : SpanSet
        Pixels, within the strips.
    rows : list of Box
        Strips of whole rows, in order.
    """
    for strip in rows:
        part = where.clipped_to(strip)
        if part:
            for first, last in _runs(_touched(part, strip)):
                start = strip.x.start + first * _COLUMNS
                stop = min(strip.x.start + last * _COLUMNS, strip.x.stop)
                yield Box(strip.y, Interval(start, stop))


def _touched(part: SpanSet, strip: Box) -> npt.NDArray[np.bool_]:
    """Which blocks of a strip hold a pixel."""
    spans = part.spans - strip.x.start
    edges = np.zeros(strip.x.size // _COLUMNS + 2, np.int64)
    np.add.at(edges, spans[:, 1] // _COLUMNS, 1)
    np.add.at(edges, spans[:, 2] // _COLUMNS + 1, -1)
    return np.asarray(np.cumsum(edges)[:-1] > 0)


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    padded = np.concatenate([[False], flags, [False]]).astype(np.int8)
    steps = np.diff(padded)
    return list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True))

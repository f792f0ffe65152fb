# SPDX-License-Identifier: BSD-3-Clause
"""The base assembler: a statistic of aligned warps, strip by strip under a memory budget."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS

from deepcoadd._buffers import Arena, lent
from deepcoadd._core import mask as _core_mask
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._alternate import AlternateMask, with_alternate
from deepcoadd.coadd._bright_objects import BrightObject, mask_bright_objects, read_bright_objects
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._maps import MapMaker
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._prepare import CoaddPlan, Progress, prepare
from deepcoadd.coadd._result import CoaddResult
from deepcoadd.coadd._rules import flag_inexact_psf
from deepcoadd.coadd._stack import TileWork, rows_of, stack_tile
from deepcoadd.coadd._tiles import BYTES_PER_SAMPLE, prefetched, strips
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interpolate import interpolate_missing
from deepcoadd.mask import Mask
from deepcoadd.refs import in_memory
from deepcoadd.statistics import StackDiagnostics, StackPlanes, statistics

__all__ = ["CoaddTile", "Finisher", "assemble", "noise_of", "read_tile"]

_log = logging.getLogger(__name__)

_NOISE_PIXELS = 2**18
"""Pixels that the median noise is taken from: its error is 0.25 % of the spread of sigma."""

TileStep = Callable[[TileWork], StackDiagnostics]


@dataclass(frozen=True)
class CoaddTile:
    """A finished part of a coadd, as handed to `on_tile`.

    Parameters
    ----------
    masked_image : MaskedImage
        Pixels of the coadd.
    n_image, n_clipped_image : Image
        uint32 counts of good and of clipped inputs.
    maps : dict of str to Image
        Optional maps.
    """

    masked_image: MaskedImage
    n_image: Image
    n_clipped_image: Image
    maps: dict[str, Image]

    @property
    def box(self) -> Box:
        """Pixels of the tile."""
        return self.masked_image.box


def assemble(
    inputs: Iterable[Any] | CoaddPlan,
    box: Box | None = None,
    *,
    weights: Sequence[float] | None = None,
    options: AssembleOptions | None = None,
    scalers: Sequence[Any] | None = None,
    alternate_masks: Sequence[AlternateMask | None] | None = None,
    bright_objects: str | Path | Sequence[BrightObject] | None = None,
    wcs: WCS | None = None,
    progress: Progress | None = None,
    on_tile: Callable[[CoaddTile], None] | None = None,
    tile_step: TileStep = stack_tile,
    mask_step: Callable[[Mask], None] = flag_inexact_psf,
) -> CoaddResult:
    """Coadd of warps that lie on one pixel grid.

    Parameters
    ----------
    inputs : iterable of Exposure, MaskedImage or WarpRef; or CoaddPlan
        Warps; float32 images and variances, int32 masks. Each may cover any part of the coadd:
        what it does not cover counts as NO_DATA. A plan of `prepare` brings everything up to
        `wcs`, which must then be left out.
    box : Box, optional
        Pixels of the coadd; the hull of the inputs when left out.
    weights : sequence of float, optional
        Weight of each input, finite and at least 0 (0 skips it). By default 1 / clipped mean of
        the variance of its good pixels.
    options : AssembleOptions, optional
        How to combine.
    scalers : sequence, optional
        For each input None or an object whose ``scaleMaskedImage(masked_image)`` changes the
        pixels in place.
    alternate_masks : sequence of mapping, optional
        For each input None or a mapping of plane name to where it is set: a `SpanSet` or a list
        of them, a bool array of the coadd's shape, or a `Mask` or `Image` that is not 0 there.
        Unknown names become planes. Where NO_DATA is set, bad planes of the input are forgotten.
    bright_objects : path or sequence of BrightObject, optional
        Objects to mask; a path is that of a ds9 region file.
    wcs : WCS, optional
        WCS of the coadd, parent positions; that of the first input that has one when left out.
        An input on another grid is moved by whole pixels when that brings it onto this one, else
        skipped.
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    on_tile : callable, optional
        Takes each finished `CoaddTile`, from the first row on, and nothing is kept: for coadds
        larger than memory.
    tile_step : callable, optional
        What combines the inputs of one tile, `deepcoadd.coadd.stack_tile` by default.
    mask_step : callable, optional
        What changes the mask of a combined tile, `deepcoadd.coadd.flag_inexact_psf` by default.

    Returns
    -------
    CoaddResult
        Pixels without a good input are NaN, NO_DATA, with NaN variance, before interpolation
        fills them (NO_DATA stays, INTRP is set). The bits of the result do not depend on
        `max_memory`, `subregion` or the number of threads.

    Raises
    ------
    NoWorkError
        There is no input, or none can be used.
    ShapeError
        Lists differ in length, or a mask does not have the shape of the coadd.
    OptionError
        A weight, unit or other option is not allowed.
    MaskPlaneError
        A plane with a propagation threshold is unknown, or there are more than 32 planes.
    NoDataError
        An input that could be weighed cannot be read any more; the message names it and the tile.

    Notes
    -----
    Rules of masks, weights and variances: ``docs/algorithms/coadd.md``.
    """
    started = time.perf_counter()
    if isinstance(inputs, CoaddPlan):
        given = (box, weights, options, scalers, alternate_masks, wcs)
        if any(part is not None for part in given):
            raise OptionError("a CoaddPlan brings box, weights, options and so on; leave them out")
        plan = inputs
    else:
        plan = prepare(
            inputs,
            box,
            weights=weights,
            options=options,
            scalers=scalers,
            alternate_masks=alternate_masks,
            wcs=wcs,
            progress=progress,
        )
    finish = Finisher(plan, bright_objects, whole=on_tile is None)
    outputs = _Outputs(plan, kept=on_tile is None, cleared=not _writes_all(tile_step))
    step = _Step(tile_step, mask_step, None if on_tile is None else finish, on_tile)
    _make_tiles(plan, outputs, step, progress)
    result = outputs.result()
    if result.planes is not None:
        finish(result.planes.masked_image)
    result.seconds = time.perf_counter() - started
    _log.info(
        "coadded %d inputs (%d skipped), clipped %.3f %% of samples, noise %.4g",
        len(result.inputs),
        len(result.skipped),
        100 * result.clipped_fraction,
        result.noise,
    )
    return result


def _writes_all(step: TileStep) -> bool:
    """Whether a step is known to leave no pixel of its tile unwritten."""
    return step is stack_tile or getattr(step, "writes_all", False)


class _Step(NamedTuple):
    """What is done with each tile, in order."""

    combine: TileStep
    flag: Callable[[Mask], None]
    finish: Callable[[MaskedImage], None] | None
    hand_out: Callable[[CoaddTile], None] | None


def _make_tiles(plan: CoaddPlan, outputs: _Outputs, step: _Step, progress: Progress | None) -> None:
    """Combine the inputs, one strip after the other."""
    # Inputs that are in memory as they are need no room of their own.
    n = sum(not one.in_memory for one in plan.inputs) + sum(map(bool, plan.alternate_masks))
    memory = plan.options.max_memory
    budget = max(memory - (plan.output_bytes if outputs.kept else 0), memory // 4)
    tiles = strips(plan.box, n, budget=budget, max_rows=plan.options.subregion[0])
    readings = prefetched(tiles, _reader(plan, tiles), ahead=n > 0)
    for done, (tile, pixels) in enumerate(readings):
        if progress is not None:
            progress(done, len(tiles), "stacking")
        planes = outputs.planes_of(tile)
        work = TileWork(tile, pixels, plan.weights, plan.rules, plan.options, planes)
        part = outputs.finished(work, _combined(step.combine, work))
        step.flag(part.masked_image.mask)
        if step.finish is not None:
            step.finish(part.masked_image)
        if step.hand_out is not None:
            step.hand_out(part)
    if progress is not None:
        progress(len(tiles), len(tiles), "stacking")


def _reader(plan: CoaddPlan, tiles: list[Box]) -> Callable[[Box], list[MaskedImage | None]]:
    """Reading of tiles, in order, into two blocks of memory in turn.

    While a tile is combined the next one is read; when that is done, the first is of no use.
    """
    from_files = sum(not in_memory(one.ref) and one.kept is None for one in plan.inputs)
    if not from_files:
        return lambda tile: read_tile(plan, tile)
    n_pixels = from_files * max(tile.area for tile in tiles)
    arenas = itertools.cycle([Arena(n_pixels * BYTES_PER_SAMPLE) for _ in range(2)])
    safe = all(one.thread_safe for one in plan.inputs)
    workers = n_workers(from_files) if safe else 1

    def read(tile: Box) -> list[MaskedImage | None]:
        arena = next(arenas)
        arena.clear()
        return read_tile(plan, tile, arena, workers)

    return read


def _combined(step: TileStep, work: TileWork) -> StackDiagnostics:
    """Result of one step; an error is raised again with the tile named."""
    try:
        return step(work)
    except Exception as error:
        error.add_note(f"while combining {len(work.pixels)} inputs at {work.box}")
        raise


def read_tile(
    plan: CoaddPlan, tile: Box, arena: Arena | None = None, workers: int = 1
) -> list[MaskedImage | None]:
    """Pixels of a tile for each input, None for those that lie elsewhere.

    Files are read into `arena`, several at a time with more `workers` than one.
    """

    def read(chosen: tuple[CoaddInput, AlternateMask | None]) -> MaskedImage | None:
        one, alternate = chosen
        if not alternate and not one.box().overlaps(tile):
            return None
        try:
            with lent(arena):
                pixels = one.view(tile)
        except Exception as error:
            raise NoDataError(f"{one.name}: reading {tile} failed: {error}") from error
        if alternate:
            return with_alternate(pixels, alternate, plan.box, bad_bits=plan.rules.bad)
        return pixels

    return list(in_turn(zip(plan.inputs, plan.alternate_masks, strict=True), read, workers))


class Finisher:
    """What is done to finished pixels: interpolation, masks of bright objects."""

    def __init__(
        self,
        plan: CoaddPlan,
        bright_objects: str | Path | Sequence[BrightObject] | None,
        *,
        whole: bool,
    ) -> None:
        self._plan = plan
        self._interpolate = plan.options.interpolate
        if isinstance(bright_objects, (str, Path)):
            bright_objects = read_bright_objects(bright_objects)
        self._objects = None if bright_objects is None else list(bright_objects)
        if self._objects is not None:
            # What is missing shall be known before the work begins.
            plan.info.require("wcs")
            plan.rules.planes.with_planes(plan.options.bright_object_plane)
        how = self._interpolate
        if not whole and how is not None:
            by_row = how.direction == "row" and not how.transpose
            known = how.fallback_value_type == "USER" or not how.use_fallback_value_at_edge
            if not (by_row and known):
                raise OptionError(
                    "interpolate: a coadd that is handed out by tiles can be interpolated only "
                    'along rows and with fallback_value_type="USER", because other fallback '
                    "values are statistics of the whole image; or set interpolate to None"
                )

    def __call__(self, masked_image: MaskedImage) -> None:
        how = self._interpolate
        if how is not None:
            missing = masked_image.mask.planes.bitmask("NO_DATA")
            if not _core_mask.count_set(masked_image.mask.array, missing):
                # A statistic of all pixels to fall back on would be of no use.
                how = replace(how, fallback_value_type="USER", fallback_user_value=0.0)
            interpolate_missing(masked_image, how)
        if self._objects is not None:
            plane = self._plan.options.bright_object_plane
            mask = masked_image.mask
            masked_image.mask = Mask(mask.array, mask.box, mask.planes.with_planes(plane))
            wcs = self._plan.info.require("wcs")
            mask_bright_objects(masked_image.mask, self._objects, wcs, self._plan.box, plane)


@dataclass
class _Outputs:
    """Planes and totals of a coadd while its tiles are made."""

    plan: CoaddPlan
    kept: bool
    cleared: bool
    clipped: int = 0
    samples: int = 0
    fallbacks: int = 0
    _planes: StackPlanes | None = None
    _maps: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    _variances: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._maker = MapMaker(self.plan)
        if self.kept:
            self._planes = self._allocated(self.plan.box)

    def _allocated(self, box: Box) -> StackPlanes:
        planes = StackPlanes.allocate(box.shape, weight_sum="weight" in self.plan.options.maps)
        if self.cleared:  # a step that is not ours may leave pixels unwritten
            values = {"image": np.nan, "variance": np.nan}
            values["mask"] = self.plan.rules.planes.bitmask("NO_DATA")
            for name, plane in vars(planes).items():
                if plane is not None:
                    plane[...] = values.get(name, 0)
        return planes

    def planes_of(self, tile: Box) -> StackPlanes:
        """Planes that a tile is written into."""
        if self._planes is None:
            return self._allocated(tile)
        return rows_of(self._planes, tile.slices_within(self.plan.box)[0])

    def finished(self, work: TileWork, totals: StackDiagnostics) -> CoaddTile:
        """Account for a tile; returns its part of the coadd."""
        tile, planes = work.box, work.out
        self.clipped += totals.n_clipped_total
        self.samples += totals.n_samples_total
        self.fallbacks += totals.n_fallback
        assert planes.variance is not None  # allocated above
        self._sample_noise(tile, planes.variance)
        maps = self._maker.tile(work.pixels, planes.variance)
        if planes.weight_sum is not None:
            maps["weight"] = planes.weight_sum
        if self.kept:
            rows = tile.slices_within(self.plan.box)[0]
            for name, values in maps.items():
                whole = self._maps.setdefault(name, np.empty(self.plan.box.shape, values.dtype))
                whole[rows] = values
        return self._tile(tile, planes, maps)

    def _tile(self, box: Box, planes: StackPlanes, maps: dict[str, npt.NDArray[Any]]) -> CoaddTile:
        assert planes.mask is not None  # allocated above, as are the others
        assert planes.variance is not None
        assert planes.n_point is not None
        assert planes.n_clipped is not None
        mask = Mask(planes.mask, box, self.plan.rules.planes)
        return CoaddTile(
            MaskedImage(Image(planes.image, box), mask, Image(planes.variance, box)),
            Image(planes.n_point, box),
            Image(planes.n_clipped, box),
            {name: Image(maps[name], box) for name in self.plan.options.maps},
        )

    def _sample_noise(self, tile: Box, variance: npt.NDArray[np.float32]) -> None:
        """Keep the variances of every n-th pixel both ways, counted from the coadd's first."""
        step = _noise_step(self.plan.box)
        first = (self.plan.box.y.start - tile.y.start) % step
        self._variances.append(np.ascontiguousarray(variance[first::step, ::step]))

    def result(self) -> CoaddResult:
        """The result, before its pixels are finished."""
        plan = self.plan
        whole = None
        if self._planes is not None:
            whole = self._tile(plan.box, self._planes, self._maps)
        return CoaddResult(
            planes=None if whole is None else Exposure(whole.masked_image, plan.info),
            n_image=None if whole is None else whole.n_image,
            n_clipped_image=None if whole is None else whole.n_clipped_image,
            maps={} if whole is None else whole.maps,
            box=plan.box,
            options=plan.options,
            inputs=list(plan.records),
            skipped=list(plan.skipped),
            clipped_fraction=self.clipped / self.samples if self.samples else math.nan,
            noise=_median_sigma(self._variances),
            n_fallback=self.fallbacks,
        )


def _noise_step(box: Box) -> int:
    """Every which pixel, both ways, the noise of a coadd is taken from."""
    return math.ceil(math.sqrt(box.area / _NOISE_PIXELS))


def noise_of(variance: Image) -> float:
    """Noise of a coadd by its whole variance plane, as `CoaddResult.noise` has it."""
    step = _noise_step(variance.box)
    return _median_sigma([np.ascontiguousarray(variance.array[::step, ::step])])


def _median_sigma(variances: list[npt.NDArray[np.float32]]) -> float:
    """Square root of the median of the finite ones of some variances; NaN when there is none."""
    values = variances[0] if len(variances) == 1 else np.concatenate(variances)
    median = statistics(values, properties="MEDIAN").value() if values.size else math.nan
    return math.sqrt(median) if median >= 0 else math.nan

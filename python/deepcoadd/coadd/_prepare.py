# SPDX-License-Identifier: BSD-3-Clause
"""Choose, weigh and align the inputs of a coadd."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from astropy.wcs import WCS

from deepcoadd._checks import instance, number
from deepcoadd.coadd._alternate import AlternateMask, united
from deepcoadd.coadd._grid import grid_shift
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._metadata import coadd_info
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._quality import Quality
from deepcoadd.coadd._result import InputRecord, SkippedInput
from deepcoadd.coadd._rules import MaskRules, mask_rules
from deepcoadd.coadd._units import calibration_to
from deepcoadd.coadd._weighing import UNREADABLE, WeighJob, weighed
from deepcoadd.errors import NoWorkError, OptionError, ShapeError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import COORD_MAX, Box
from deepcoadd.refs import WarpRef, as_refs, name_of
from deepcoadd.statistics import StatsOptions

__all__ = ["CoaddPlan", "Progress", "prepare"]

_log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with (units done, units in all, what is being done)."""

_MOST_EMPTY = 16
"""A hull this many times larger than its inputs is more likely a wrong header than a mosaic."""


@dataclass(frozen=True)
class CoaddPlan:
    """Everything about a coadd but its pixels.

    Parameters
    ----------
    box : Box
        Pixels of the coadd.
    info : ExposureInfo
        What the coadd's file will say.
    inputs : tuple of CoaddInput
        Inputs used.
    records : tuple of InputRecord
        One for each of `inputs`.
    skipped : tuple of SkippedInput
        Inputs left out.
    rules : MaskRules
        Bits of the mask planes.
    options : AssembleOptions
        How to combine.
    alternate_masks : tuple
        One mapping (or None) for each of `inputs`.
    """

    box: Box
    info: ExposureInfo
    inputs: tuple[CoaddInput, ...]
    records: tuple[InputRecord, ...]
    skipped: tuple[SkippedInput, ...]
    rules: MaskRules
    options: AssembleOptions
    alternate_masks: tuple[AlternateMask | None, ...]

    @property
    def weights(self) -> list[float]:
        """Weight of each input."""
        return [record.weight for record in self.records]

    @property
    def output_bytes(self) -> int:
        """Memory that the planes of the coadd take."""
        # Image, mask, variance and two counts of four bytes; a map of eight at most.
        return self.box.area * (20 + 8 * len(self.options.maps))


def prepare(
    inputs: Iterable[Any],
    box: Box | None = None,
    *,
    weights: Sequence[float] | None = None,
    options: AssembleOptions | None = None,
    scalers: Sequence[Any] | None = None,
    alternate_masks: Sequence[AlternateMask | None] | None = None,
    wcs: WCS | None = None,
    bad_bits: int = 0,
    tables: bool = True,
    progress: Progress | None = None,
) -> CoaddPlan:
    """Choose the inputs that can be used, weigh them, and fix box and header of the coadd.

    Parameters
    ----------
    inputs, box, weights, options, scalers, alternate_masks, wcs, progress
        As in `deepcoadd.coadd.assemble`.
    bad_bits : int
        Bits of the default mask dictionary that are bad beside ``options.bad_planes``.
    tables : bool
        Whether ``info.inputs`` of the plan is wanted.

    Returns
    -------
    CoaddPlan
        To be handed to `deepcoadd.coadd.assemble` in place of the inputs.

    Raises
    ------
    NoWorkError
        There is no input, or none can be used; the message gives each reason.
    ShapeError, OptionError, MaskPlaneError
        As in `deepcoadd.coadd.assemble`.
    """
    options = instance("options", options or AssembleOptions(), AssembleOptions)
    refs = as_refs(inputs)
    if not refs:
        raise NoWorkError("inputs: the list is empty")
    if box is not None and instance("box", box, Box).is_empty:
        raise OptionError("box is empty: there is no pixel to coadd")
    given = _checked_weights(weights, len(refs))
    scaler_list = _checked_scalers(scalers, len(refs))
    alternates = _one_each("alternate_masks", alternate_masks, len(refs))
    chooser = _Chooser(refs, options, box, _grid_of(refs) if wcs is None else wcs)
    for index, ref in enumerate(refs):
        chooser.place(index, ref, given[index], scaler_list[index])
    rules = mask_rules(
        chooser.dictionaries,
        options,
        extra_planes=[name for one in alternates if one for name in one],
        bad_bits=bad_bits,
    )
    chooser.weigh(rules, given, progress)
    return chooser.plan(rules, alternates, tables=tables)


class _Chooser:
    """The inputs of one coadd while they are sorted into used and skipped."""

    def __init__(
        self, refs: list[WarpRef], options: AssembleOptions, box: Box | None, wcs: WCS | None
    ) -> None:
        self.refs = refs
        self.options = options
        self.box = box
        self.wcs = wcs
        self.dictionaries: list[Any] = []
        self._used: dict[int, CoaddInput] = {}
        self._records: dict[int, InputRecord] = {}
        self._skipped: list[SkippedInput] = []

    def skip(self, index: int, reason: str) -> None:
        ref = self.refs[index]
        self._used.pop(index, None)
        self._skipped.append(SkippedInput(dict(ref.data_id), name_of(ref), reason, index))
        _log.warning("skipped %s: %s", name_of(ref), reason)

    def place(self, index: int, ref: WarpRef, weight: float | None, scaler: Any) -> None:
        """Put one input on the grid and into the unit of the coadd, without its pixels."""
        if weight == 0:
            self.skip(index, "its weight is 0")
            return
        try:
            info, own = ref.info(), ref.box()
            planes = info.planes
            if planes is None and not own.is_empty:
                planes = ref.read(Box.from_shape((1, 1), start=own.start)).planes
        except UNREADABLE as error:
            self.skip(index, f"cannot be read: {error}")
            return
        if own.is_empty:
            self.skip(index, "it has no pixels")
            return
        shift = grid_shift(info.wcs, own, self.wcs)
        if shift is None:
            self.skip(index, "its WCS is not the grid of the coadd, nor a whole-pixel shift of it")
            return
        calibration = calibration_to(self.options.unit, info, name_of(ref))
        one = CoaddInput(ref, shift, calibration, scaler)
        if self.box is not None and not one.box().overlaps(self.box):
            self.skip(index, f"its box {one.box()} does not overlap that of the coadd")
            return
        self.dictionaries.append(planes)
        self._used[index] = one

    def weigh(self, rules: MaskRules, given: list[float | None], progress: Progress | None) -> None:
        """Measure what is not given; skip what has no weight."""
        stats = StatsOptions(
            sigma_clip=self.options.sigma_clip, n_iter=self.options.n_iter, bad_bits=rules.bad
        )
        total = len(self._used)
        jobs = [
            WeighJob(i, replace(one, planes=rules.planes), self._overlap(one), given[i] is not None)
            for i, one in self._used.items()
        ]
        measured = weighed(jobs, stats, rules, self.options.max_memory)
        for done, (index, one, found) in enumerate(measured):
            if progress is not None:
                progress(done + 1, total, "weighing")
            if isinstance(found, Exception):
                self.skip(index, f"cannot be read: {found}")
                continue
            weight = given[index]
            reason = _unusable(found, weight)
            if reason is not None:
                self.skip(index, reason)
                continue
            if found.estimated:
                one = replace(one, sigma2=found.mean_variance)
            self._used[index] = one
            self._records[index] = _record(index, one, self._overlap(one), found, weight)

    def _overlap(self, one: CoaddInput) -> Box:
        return one.box() if self.box is None else one.box() & self.box

    def _hull(self, used: Sequence[CoaddInput]) -> Box:
        """Box of all inputs used; refused when it is large and next to all of it empty."""
        box = Box.empty()
        for one in used:
            box = box.hull(one.box())
        sparse = box.area > _MOST_EMPTY * sum(one.box().area for one in used)
        if sparse and 20 * box.area > self.options.max_memory:
            raise OptionError(f"the inputs lie far apart, in {box}: say with `box` what to coadd")
        return box

    def plan(
        self, rules: MaskRules, alternates: Sequence[AlternateMask | None], *, tables: bool
    ) -> CoaddPlan:
        """The plan, when every input has been looked at."""
        if not self._records:
            reasons = "; ".join(f"{item.name}: {item.reason}" for item in self._skipped)
            raise NoWorkError(f"none of the {len(self.refs)} inputs can be used ({reasons})")
        order = sorted(self._records)
        used = tuple(self._used[index] for index in order)
        box = _within_reach(self._hull(used) if self.box is None else self.box)
        chosen = tuple(united(alternates[index], box) for index in order)
        records = tuple(self._records[index] for index in order)
        return CoaddPlan(
            box=box,
            info=coadd_info(box, records, used, self.options, self.wcs, tables=tables),
            inputs=used,
            records=records,
            skipped=tuple(sorted(self._skipped, key=lambda item: item.index)),
            rules=rules,
            options=self.options,
            alternate_masks=chosen,
        )


def _unusable(found: Quality, weight: float | None) -> str | None:
    """Why an input cannot be used, or None."""
    if found.n_finite == 0:
        return "no pixel is finite"
    if weight is not None and not found.estimated:
        return None
    if math.isnan(found.mean_variance):
        return "no pixel without a bad plane has a finite variance"
    if not (found.mean_variance > 0 and math.isfinite(found.mean_variance)):
        return f"its mean variance is {found.mean_variance:g}"
    return None


def _record(
    index: int, one: CoaddInput, overlap: Box, found: Quality, weight: float | None
) -> InputRecord:
    info = one.info()
    visit = info.visit_info
    return InputRecord(
        data_id=dict(one.data_id),
        name=one.name,
        index=index,
        weight=1.0 / found.mean_variance if weight is None else weight,
        mean_variance=found.mean_variance,
        n_good=found.n_good,
        box=overlap,
        shift=(one.shift.y, one.shift.x),
        factor=1.0 if one.calibration is None else one.calibration.mean,
        variance_estimated=found.estimated,
        filter="" if info.filter is None else str(info.filter),
        exposure_time=math.nan if visit is None else visit.exposure_time,
        mjd=math.nan if visit is None else visit.mjd,
    )


def _grid_of(refs: Sequence[WarpRef]) -> WCS | None:
    """WCS of the first input that has one and can be read."""
    for ref in refs:
        try:
            wcs = ref.info().wcs
        except UNREADABLE:
            continue
        if wcs is not None:
            return wcs
    return None


def _one_each(name: str, values: Sequence[Any] | None, n: int) -> list[Any]:
    """List with one item for each input; Nones when left out."""
    if values is None:
        return [None] * n
    if len(values) != n:
        raise ShapeError(f"{name}: {len(values)} for {n} inputs; one for each is needed")
    return list(values)


def _within_reach(box: Box) -> Box:
    """A box whose coordinates sets of pixels and the tables of inputs can hold."""
    if min(box.y.start, box.x.start) < -COORD_MAX or max(box.y.stop, box.x.stop) > COORD_MAX:
        raise OptionError(f"box = {box}: pixels must lie between {-COORD_MAX} and {COORD_MAX}")
    return box


def _checked_weights(weights: Sequence[float] | None, n: int) -> list[float | None]:
    given: list[float | None] = []
    for index, value in enumerate(_one_each("weights", weights, n)):
        if value is None:
            given.append(None)
            continue
        if not (number(f"weights[{index}]", value) >= 0 and math.isfinite(value)):
            raise OptionError(f"weights[{index}] = {value}: expected a finite number of at least 0")
        given.append(float(value))
    return given


def _checked_scalers(scalers: Sequence[Any] | None, n: int) -> list[Any]:
    given = _one_each("scalers", scalers, n)
    for index, one in enumerate(given):
        if one is not None and not hasattr(one, "scaleMaskedImage"):
            raise OptionError(
                f"scalers[{index}]: got {type(one).__name__}, must be None or an object with "
                "scaleMaskedImage"
            )
    return given

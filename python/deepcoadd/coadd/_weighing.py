# SPDX-License-Identifier: BSD-3-Clause
"""The quality of the inputs: read whole or in blocks, one ahead or several at a time."""

from __future__ import annotations

import math
import queue
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from deepcoadd._buffers import Arena, lent
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._quality import (
    WHOLE,
    Quality,
    is_alive,
    measure,
    measure_in_blocks,
    measure_weighed,
)
from deepcoadd.coadd._rules import MaskRules
from deepcoadd.coadd._tiles import BYTES_PER_SAMPLE, prefetched
from deepcoadd.errors import DeepcoaddError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.refs import Weighed, in_memory
from deepcoadd.statistics import StatsOptions

__all__ = ["UNREADABLE", "WeighJob", "weighed"]

UNREADABLE = (OSError, EOFError, LookupError, ValueError, DeepcoaddError)
"""What a reader may raise about one bad file; everything else is a defect and goes up."""

_PROBE_ROWS = 64
_NOT_MEASURED = Quality(n_finite=-1, n_good=-1, mean_variance=math.nan, estimated=False)


class WeighJob(NamedTuple):
    """One input: its number, the part of it that counts, and whether its weight is known."""

    number: int
    one: CoaddInput
    overlap: Box
    is_weighed: bool

    @property
    def n_bytes(self) -> int:
        """Memory that its pixels take."""
        return BYTES_PER_SAMPLE * self.overlap.area

    @property
    def n_bytes_in_work(self) -> int:
        """The same while it is weighed: calibrated pixels stand beside those that were read."""
        return self.n_bytes if self.one.calibration is None else 2 * self.n_bytes


Outcome = tuple[int, CoaddInput, Quality | Exception]
"""Number of an input, the input (perhaps with its pixels kept), and what was found."""


class _Seen(NamedTuple):
    """What was read of an input: its pixels, what its weight is made of, or why neither."""

    one: CoaddInput
    found: MaskedImage | Weighed | Quality | Exception | None
    arena: Arena | None


def weighed(
    jobs: Sequence[WeighJob], stats: StatsOptions, rules: MaskRules, max_memory: int
) -> Iterator[Outcome]:
    """Quality of each input, in order; an exception of `UNREADABLE` stands in its place.

    Parameters
    ----------
    jobs : sequence of WeighJob
        Inputs, with masks in the dictionary of the coadd.
    stats : StatsOptions
        How variances are averaged.
    rules : MaskRules
        Bits of the mask planes.
    max_memory : int
        Bytes of pixels that may be held. If half of it holds all inputs, they are kept.
    """
    work = _Work(jobs, stats, rules, max_memory)
    if work.workers > 1:
        yield from in_turn(jobs, lambda job: work.judged(job, work.read(job)), work.workers)
        return
    ahead = any(not job.one.in_memory for job in jobs)
    for job, seen in prefetched(jobs, work.read, ahead=ahead):
        yield work.judged(job, seen)


class _Work:
    """How inputs are read and judged, and the memory that those in work take."""

    def __init__(
        self, jobs: Sequence[WeighJob], stats: StatsOptions, rules: MaskRules, max_memory: int
    ) -> None:
        self._stats = stats
        self._max_memory = max_memory
        self._bad_planes = rules.planes.names_of(rules.bad)
        to_keep = [job.n_bytes for job in jobs if not in_memory(job.one.ref)]
        self._held = 0 < 2 * sum(to_keep) <= max_memory
        sizes = [job.n_bytes_in_work for job in jobs if not job.one.in_memory]
        room = max_memory // max(sizes) if sizes else len(jobs)
        safe = all(job.one.thread_safe for job in jobs)
        # A look at some rows that are there is not worth a thread.
        slow = sum(not (job.is_weighed and job.one.in_memory) for job in jobs)
        self.workers = max(1, min(n_workers(slow), room)) if safe else 1
        # Two are in use where one input is read while another is judged.
        self._arenas: queue.SimpleQueue[Arena] = queue.SimpleQueue()
        if to_keep and room and not self._held:
            for _ in range(max(2, self.workers)):
                self._arenas.put(Arena(max(to_keep)))

    def read(self, job: WeighJob) -> _Seen:
        """Read what the quality of an input needs, if there is room for it."""
        arena = self._taken()
        try:
            with lent(arena):
                one, found = self._read(job)
        except UNREADABLE as error:
            return _Seen(job.one, error, arena)
        return _Seen(one, found, arena)

    def judged(self, job: WeighJob, seen: _Seen) -> Outcome:
        """Quality of what was read; its memory is free again."""
        found = self._judged(job, seen)
        if seen.arena is not None:
            self._arenas.put(seen.arena)
        return job.number, seen.one, found

    def _taken(self) -> Arena | None:
        try:
            arena = self._arenas.get_nowait()
        except queue.Empty:
            return None
        arena.clear()
        return arena

    def _read(self, job: WeighJob) -> tuple[CoaddInput, MaskedImage | Weighed | Quality | None]:
        one = job.one
        known = job.is_weighed and _probe_is_good(one, job.overlap)
        if known and not self._held:
            return one, _NOT_MEASURED
        if not self._reads_whole(job):
            return one, None
        found = None if self._held or known else one.weigh(job.overlap, self._bad_planes)
        if found is not None:
            return one, found
        pixels = one.view(job.overlap)
        kept = replace(one, kept=pixels) if self._held else one
        return kept, _NOT_MEASURED if known else pixels

    def _judged(self, job: WeighJob, seen: _Seen) -> Quality | Exception:
        found = seen.found
        if isinstance(found, MaskedImage):
            return measure(found, self._stats)
        if isinstance(found, Weighed):
            found = measure_weighed(found, self._stats)
        if found is not None:
            return found
        try:
            return self._measured_large(job)
        except UNREADABLE as error:
            return error

    def _measured_large(self, job: WeighJob) -> Quality:
        """Quality of an input whose three planes do not fit into the budget twice."""
        if job.overlap.area > WHOLE:
            return measure_in_blocks(job.one.view, job.overlap, self._stats)
        return measure(job.one.view(job.overlap), self._stats)

    def _reads_whole(self, job: WeighJob) -> bool:
        """Whether two inputs as large as this one fit into the budget."""
        return job.overlap.area <= WHOLE and 2 * job.n_bytes <= self._max_memory


def _probe_is_good(one: CoaddInput, box: Box) -> bool:
    """Whether the middle rows show finite pixels and some variance.

    An input whose weight is given needs no more; only if they do not is all of it looked at.
    """
    middle = (box.y.start + box.y.stop - min(_PROBE_ROWS, box.y.size)) // 2
    rows = Box.from_shape((_PROBE_ROWS, box.x.size), start=(middle, box.x.start)) & box
    return is_alive(one.view(rows))

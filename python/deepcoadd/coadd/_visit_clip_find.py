# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts of single visits, part of the sky by part."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from deepcoadd._core import reject as _core
from deepcoadd.coadd._alternate import one_span_set
from deepcoadd.coadd._decisions import Decision
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._prepare import CoaddPlan, Progress
from deepcoadd.coadd._tiles import prefetched
from deepcoadd.coadd._visit_clip_options import VisitClipOptions
from deepcoadd.coadd._visit_clip_seeing import measured_sigmas
from deepcoadd.errors import DeepcoaddError, NoDataError, OptionError
from deepcoadd.geometry import Box, Interval
from deepcoadd.image import MaskedImage
from deepcoadd.psf import determinant_radius
from deepcoadd.spans import SpanSet

__all__ = ["RULES", "cells", "find_in_visits", "psf_sigmas", "warn_of_memory"]

_log = logging.getLogger(__name__)

RULES = {
    "sharp": _core.SHARP,
    "smooth": _core.SMOOTH,
    "lobe": _core.LOBE,
    "single": _core.SINGLE,
}
"""Bits by which the core tells why it flagged a pixel."""

_BYTES = 12
"""Of a pixel of a visit while a part is worked on: value, variance, state, seeing difference."""

_SETTLED = 2e-5
"""Share of pixels of visits: if a pass flags or frees fewer, there is no other."""

_USUAL = 2.0
"""Sigma [pixel] of the PSF of inputs that have none."""

_WIDEST = 100.0
"""Largest sigma [pixel] of a PSF: smoothing by it looks 3.5 of them far."""

_OPTIONS = (
    "seed",
    "grow",
    "soft",
    "amplitude",
    "amplitude_extended",
    "extended",
    "winsor",
    "source",
    "flux_tolerance",
    "seeing_tolerance",
    "spread_tolerance",
    "bright_spread",
    "rim_tolerance",
    "bright",
    "lobe",
    "odd",
    "mesh",
    "mesh_most",
)


def cells(box: Box, options: VisitClipOptions) -> list[tuple[Box, Box]]:
    """Parts of a box: what each is responsible for, and the same with its margin.

    Parameters
    ----------
    box : Box
        Of the coadd.
    options : VisitClipOptions
        ``cell`` and ``margin``.
    """
    margin = options.margin
    return [
        (inner, inner.dilated_by(margin) & box)
        for y in _parts(box.y, options.cell)
        for inner in (Box(y, x) for x in _parts(box.x, options.cell))
    ]


def _parts(whole: Interval, size: int) -> Iterator[Interval]:
    """Equal parts of an interval, of half to one and a half times the size."""
    n = max((whole.size + size // 2) // size, 1)
    for k in range(n):
        start, stop = (whole.start + whole.size * i // n for i in (k, k + 1))
        yield Interval(start, stop)


def warn_of_memory(plan: CoaddPlan, options: VisitClipOptions) -> None:
    """Say so where a part of all visits takes more than the budget: its size decides on pixels."""
    largest = max(outer.area for _, outer in cells(plan.box, options))
    needed = _BYTES * largest * len(plan.inputs)
    if needed > plan.options.max_memory:
        _log.warning(
            "cell = %d: %d visits take %d bytes, more than max_memory = %d; smaller cells take "
            "less (results depend on cell, not on max_memory)",
            options.cell,
            len(plan.inputs),
            needed,
            plan.options.max_memory,
        )


def psf_sigmas(
    plan: CoaddPlan,
    sigma: float | Sequence[float] | None,
    bad_bits: int = 0,
    options: VisitClipOptions | None = None,
) -> list[float]:
    """Sigma of the PSF [pixel] of each input of a plan.

    Parameters
    ----------
    plan : CoaddPlan
        Each input is asked for its PSF in the middle of its box.
    sigma : float or sequence of float, optional
        Of all inputs, or of each that the plan was made from, skipped ones included; from the
        PSFs when left out.
    bad_bits : int
        Bits that make a pixel of an input bad.
    options : VisitClipOptions, optional
        Parts of the sky that stars are looked for in.

    Raises
    ------
    OptionError
        `sigma` is not above 0, is more than 100, or does not have one number for each input.
    NoDataError
        An input cannot be read any more.

    Notes
    -----
    The width of an input without a PSF is measured on its own stars; without enough stars it is
    the median of the others, and 2 pixels if there are none. Warnings tell of each.
    """
    if sigma is not None:
        values = _given(sigma, len(plan.inputs) + len(plan.skipped))
        return [values[record.index] for record in plan.records]
    found = [_own_sigma(one) for one in plan.inputs]
    if any(math.isnan(value) for value in found):
        found = _measured(plan, found, bad_bits, VisitClipOptions() if options is None else options)
    known = [value for value in found if math.isfinite(value)]
    if not known:
        _log.warning(
            "no input has a PSF that can be evaluated, or stars to tell: sigma = %g pixels is "
            "assumed; give sigma (--psf-sigma PIXELS) where stars are wider or narrower, lest "
            "their cores suffer",
            _USUAL,
        )
        return [_USUAL] * len(found)
    if len(known) < len(found):
        usual = float(np.median(known))
        each = zip(plan.inputs, found, strict=True)
        names = [one.name for one, value in each if math.isnan(value)]
        _log.warning(
            "no PSF that can be evaluated, and too few stars, sigma = %.3g pixels is assumed: %s",
            usual,
            ", ".join(names),
        )
        found = [usual if math.isnan(value) else value for value in found]
    return found


def _measured(
    plan: CoaddPlan, found: Sequence[float], bad_bits: int, options: VisitClipOptions
) -> list[float]:
    """Widths with those that are not known (NaN) measured on stars, where there are any."""
    parts = [outer for _, outer in cells(plan.box, options)]
    measured = measured_sigmas(plan.inputs, bad_bits, parts)
    out, told = [], []
    for one, own, value in zip(plan.inputs, found, measured, strict=True):
        out.append(value if math.isnan(own) else own)
        if math.isnan(own) and math.isfinite(value):
            told.append(f"{one.name} ({value:.3g})")
    if told:
        _log.warning(
            "no PSF that can be evaluated, sigma [pixel] was measured on stars: %s",
            ", ".join(told),
        )
    return out


def _given(sigma: float | Sequence[float], n: int) -> list[float]:
    """The given widths, one for each input."""
    values = [float(value) for value in np.atleast_1d(np.asarray(sigma, np.float64))]
    if np.ndim(sigma) == 0:
        values = values * n
    if len(values) != n:
        raise OptionError(f"sigma: {len(values)} numbers for {n} inputs; one for each is needed")
    for value in values:
        if not 0 < value <= _WIDEST:
            raise OptionError(
                f"sigma = {value}: expected a number of pixels above 0, at most {_WIDEST:g}"
            )
    return values


def _own_sigma(one: CoaddInput) -> float:
    """Width of the PSF of an input; NaN where it cannot be had, or cannot be true."""
    y, x = one.ref.box().center
    try:
        sigma = determinant_radius(one.info().require("psf"), y=y, x=x)
    except DeepcoaddError:
        return math.nan
    return sigma if sigma <= _WIDEST else math.nan


def find_in_visits(
    plan: CoaddPlan,
    sigmas: Sequence[float],
    bad_bits: int,
    options: VisitClipOptions,
    progress: Progress | None = None,
) -> tuple[list[SpanSet], list[Decision]]:
    """Artifacts of each input of a plan.

    Parameters
    ----------
    plan : CoaddPlan
        Inputs and box.
    sigmas : sequence of float
        Width of the PSF [pixel] of each input.
    bad_bits : int
        Bits that make a pixel of an input bad.
    options : VisitClipOptions
        Numbers of the method.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    list of SpanSet
        Pixels to leave out of each input.
    list of Decision
        One for each group of touching pixels of an input; its rule is that of most of its pixels,
        the overlap their share.

    Raises
    ------
    NoDataError
        An input cannot be read any more.
    """
    found = _Found(len(plan.inputs))
    parts = cells(plan.box, options)
    core_options = _core.Options(**{name: getattr(options, name) for name in _OPTIONS})
    readings = _read(plan.inputs, parts)
    for done, (inner, outer) in enumerate(parts):
        report = _reporter(progress, (done, len(parts)), options.n_pass)
        cell = _core.Cell(outer.shape, _ends(outer, plan.box), core_options)
        numbers = []
        for k, pixels in next(readings):
            planes = (pixels.image.array, pixels.variance.array, pixels.mask.array)
            if cell.add(planes, bad_bits=bad_bits, sigma=sigmas[k]):
                numbers.append(k)
        for n in range(options.n_pass):
            report(n)
            if cell.run_pass() <= _SETTLED * outer.area * len(numbers):
                break
        if options.single:
            cell.find_single()
        found.add(cell, numbers, inner, outer)
    return found.decided()


def _reporter(
    progress: Progress | None, place: tuple[int, int], n_pass: int
) -> Callable[[int], None]:
    """Tells of each pass over a part."""
    done, total = place

    def report(n: int) -> None:
        if progress is not None:
            progress(done * n_pass + n, total * n_pass, "comparing visits")

    return report


def _ends(outer: Box, box: Box) -> tuple[bool, bool, bool, bool]:
    """Whether a part reaches to the first and last row, first and last column of a box."""
    return (
        outer.y.start == box.y.start,
        outer.y.stop == box.y.stop,
        outer.x.start == box.x.start,
        outer.x.stop == box.x.stop,
    )


def _read(
    inputs: Sequence[CoaddInput], parts: Sequence[tuple[Box, Box]]
) -> Iterator[Iterator[tuple[int, MaskedImage]]]:
    """For each part the number and pixels of each input that reaches into it."""
    jobs = [
        [(k, outer) for k, one in enumerate(inputs) if one.box().overlaps(outer)]
        for _, outer in parts
    ]

    def read(job: tuple[int, Box]) -> MaskedImage:
        k, outer = job
        try:
            return inputs[k].view(outer)
        except Exception as error:
            raise NoDataError(f"{inputs[k].name}: reading {outer} failed: {error}") from error

    ahead = not all(one.in_memory for one in inputs)
    readings = prefetched((job for some in jobs for job in some), read, ahead=ahead)
    for some in jobs:
        yield ((k, pixels) for (k, _), pixels in (next(readings) for _ in some))


class _Found:
    """What was flagged, by input and rule, from part to part."""

    def __init__(self, n: int) -> None:
        self._sets: list[dict[str, list[SpanSet]]] = [
            {rule: [] for rule in RULES} for _ in range(n)
        ]

    def add(self, cell: _core.Cell, numbers: Sequence[int], inner: Box, outer: Box) -> None:
        """Keep what was flagged in one part."""
        rows, columns = inner.slices_within(outer)
        window = (rows.start, columns.start), (rows.stop, columns.stop)
        start = outer.start
        for place, k in enumerate(numbers):
            for rule, bit in RULES.items():
                flagged = cell.flagged(place, bit, window=window, start=(start.y, start.x))
                if flagged.area:
                    self._sets[k][rule].append(SpanSet._wrap(flagged))

    def decided(self) -> tuple[list[SpanSet], list[Decision]]:
        """Pixels of each input, and the objects that they make up."""
        names = list(RULES)
        masks, decisions = [], []
        for k, by_rule in enumerate(self._sets):
            sets = _exclusive([one_span_set(by_rule[rule]) for rule in names])
            masks.append(one_span_set(sets))
            for spans, number, share in _core.components_by_rule([one._set for one in sets]):
                decision = Decision(SpanSet._wrap(spans), names[number], (k,), (share,), (k,))
                decisions.append(decision)
        return masks, decisions


def _exclusive(sets: list[SpanSet]) -> list[SpanSet]:
    """Each pixel in the first of the sets only that it is in."""
    rest, before = [], SpanSet()
    for one in sets:
        rest.append(one - before)
        before = before | one
    return rest

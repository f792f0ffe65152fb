# SPDX-License-Identifier: BSD-3-Clause
"""Which exposures of many to combine: by overlap, by the quality of the PSF, by seeing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.table import Table

from deepcoadd._checks import instance
from deepcoadd.coadd._select_options import FALLBACK, PsfLimits, SeeingOptions, SelectOptions
from deepcoadd.coadd._sky_hull import SkyHull
from deepcoadd.errors import NoWorkError, OptionError

__all__ = ["FWHM_PER_SIGMA", "Selection", "select"]

_log = logging.getLogger(__name__)

FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian per its sigma."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """Rows of a summary that were kept, and why others were not.

    Parameters
    ----------
    kept : tuple of int
        Numbers of the rows kept; by seeing: best visits first, else in their order.
    reasons : tuple of str
        For each row why it was not kept; empty for those kept.
    fwhm : (n,) float64 array
        Full width at half maximum of the PSF [arcsec] of each row; where visits are chosen that of
        the visit. NaN where it is not known.
    """

    kept: tuple[int, ...]
    reasons: tuple[str, ...]
    fwhm: Numbers

    def table(self, labels: Sequence[str]) -> Table:
        """Table with a row for each row of the summary.

        Columns: name, fwhm [arcsec], kept (bool), rank (from 1 in the order of `kept`, 0 where it
        is not), reason.

        Parameters
        ----------
        labels : sequence of str
            Name of each row.
        """
        rank = np.zeros(len(self.reasons), np.int32)
        rank[list(self.kept)] = np.arange(1, len(self.kept) + 1)
        columns = {
            "name": np.array(list(labels), str),
            "fwhm": np.asarray(self.fwhm, np.float64),
            "kept": rank > 0,
            "rank": rank,
            # FITS knows no texts of no letters.
            "reason": np.array(self.reasons, f"U{max([1, *map(len, self.reasons)])}"),
        }
        return Table(columns, units={"fwhm": "arcsec"})


def select(
    summary: Table | Mapping[str, Any],
    region: SkyCoord | None = None,
    options: SelectOptions | None = None,
) -> Selection:
    """Choose exposures by what a summary says of them.

    Parameters
    ----------
    summary : Table or mapping
        One row for each detector of each visit, with the columns of the visit summaries of the
        Rubin pipelines, as far as a kind asks for them: ``visit``; ``instrument``, ``detector``
        (or ``id``), ``band``; ``raCorners``, ``decCorners`` [deg] (n, 4); ``psfSigma`` [pixel];
        ``pixelScale`` [arcsec] (else from the corners and the box ``bbox_min_x`` ... of the
        detector); ``mjd`` (or ``expMidptMJD``); statistics of the PSF; any other column with a
        minimum. `deepcoadd.coadd.summarize` makes one of exposures.
    region : SkyCoord, optional
        Positions whose convex hull is to be covered; see `deepcoadd.wcs.corners`.
    options : SelectOptions, optional
        How to choose.

    Returns
    -------
    Selection

    Raises
    ------
    OptionError
        The summary lacks a column; or the kind is wcs, and there is no region.
    NoWorkError
        No visit is left to choose from (kinds best-seeing and seeing-quantile).

    Notes
    -----
    Rules: ``docs/algorithms/select.md``. A visit is told from others by instrument and number.
    """
    options = instance("options", options or SelectOptions(), SelectOptions)
    if not isinstance(summary, Table | Mapping):
        raise OptionError(f"summary: got {type(summary).__name__}, must be a Table or a mapping")
    if region is not None:
        instance("region", region, SkyCoord)
    rows = _Rows(summary)
    if options.kind == "all":
        return Selection(tuple(range(len(rows))), ("",) * len(rows), rows.fwhm())
    if options.kind in ("wcs", "psf"):
        return _by_detector(rows, region, options)
    return _by_visit(rows, region, options)


class _Rows:
    """Columns of a summary."""

    def __init__(self, summary: Table | Mapping[str, Any]) -> None:
        self._columns = summary
        self._names = set(summary.colnames if isinstance(summary, Table) else summary)
        self._n = len(self.column("visit"))

    def __len__(self) -> int:
        return self._n

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def column(self, *names: str) -> npt.NDArray[Any]:
        """The first of some columns that there is; masked values become NaN."""
        for name in names:
            if name in self._names:
                values = self._columns[name]
                if np.ma.isMaskedArray(values) and np.issubdtype(values.dtype, np.floating):
                    values = np.ma.filled(values, math.nan)
                return np.asarray(values)
        raise OptionError(f"summary: there is no column {' or '.join(names)}")

    def numbers(self, *names: str) -> Numbers:
        """A column of numbers."""
        return self.column(*names).astype(np.float64)

    def visits(self) -> list[Hashable]:
        """What tells visits apart."""
        visits = self.column("visit").tolist()
        if "instrument" not in self:
            return list(visits)
        return list(zip(map(str, self.column("instrument").tolist()), visits, strict=True))

    def has_wcs(self) -> npt.NDArray[np.bool_]:
        """Rows with corners on the sky."""
        corners = np.stack([self.numbers("raCorners"), self.numbers("decCorners")], axis=-1)
        return np.asarray(np.isfinite(corners).all(axis=tuple(range(1, corners.ndim))))

    def hulls(self) -> list[SkyHull | str]:
        """Hull of each row, or why there is none."""
        out: list[SkyHull | str] = []
        each = zip(self.numbers("raCorners"), self.numbers("decCorners"), strict=True)
        for known, (ra, dec) in zip(self.has_wcs(), each, strict=True):
            try:
                out.append(SkyHull(ra, dec) if known else "no WCS")
            except ValueError as error:
                out.append(f"its corners span no polygon: {error}")
        return out

    def pixel_scale(self) -> Numbers:
        """Size of a pixel [arcsec]."""
        if "pixelScale" in self:
            return self.numbers("pixelScale")
        width, height = (
            self.numbers(f"bbox_max_{axis}") - self.numbers(f"bbox_min_{axis}") + 1 for axis in "xy"
        )
        ra, dec = self.numbers("raCorners"), self.numbers("decCorners")
        return _scale_of(ra, dec, width * height)

    def fwhm(self) -> Numbers:
        """Width of the PSF of each row [arcsec]; NaN where it is not known."""
        if "psfSigma" not in self:
            return np.full(self._n, math.nan)
        return self.numbers("psfSigma") * self.pixel_scale() * FWHM_PER_SIGMA


def _scale_of(ra: Numbers, dec: Numbers, n_pixels: Numbers) -> Numbers:
    """Size of a pixel [arcsec] from the corners of a detector, in order around it."""
    # East and north from the first corner; a detector is small, and its width is all that counts.
    north = np.radians(dec - dec[:, :1])
    east = np.radians((ra - ra[:, :1] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec))
    following = np.roll(east, -1, axis=1), np.roll(north, -1, axis=1)
    area = 0.5 * np.abs((east * following[1] - following[0] * north).sum(axis=1))
    return np.asarray(np.degrees(np.sqrt(area / n_pixels)) * 3600.0)


def _region_hull(region: SkyCoord) -> SkyHull:
    sky = region.icrs
    try:
        return SkyHull(sky.ra.deg, sky.dec.deg)
    except ValueError as error:
        raise OptionError(f"region: {error}") from None


def _by_detector(rows: _Rows, region: SkyCoord | None, options: SelectOptions) -> Selection:
    """Kinds wcs and psf: each row for itself."""
    if options.kind == "wcs" and region is None:
        raise OptionError("region: kind wcs needs one")
    reasons = _overlap_reasons(rows, region, options)
    fwhm = rows.fwhm()
    if options.kind == "psf":
        for name, limit, bad in _psf_tests(rows, fwhm, options.psf):
            for n in np.flatnonzero(bad):
                shown = f"{limit[n]:g}" if np.ndim(limit) else f"{limit:g}"
                reasons[n] = reasons[n] or f"{name[0]} {name[1][n]:.4g}, {name[2]} {shown}"
    kept = tuple(n for n, reason in enumerate(reasons) if not reason)
    _log.info("%d of %d exposures are kept", len(kept), len(rows))
    return Selection(kept, tuple(reasons), fwhm)


def _overlap_reasons(rows: _Rows, region: SkyCoord | None, options: SelectOptions) -> list[str]:
    """Why each row is left out: by its detector, its WCS, where it lies."""
    target = None if region is None else _region_hull(region)
    excluded = set(options.exclude_detectors)
    detectors = rows.column("detector", "id").tolist() if excluded else [None] * len(rows)
    reasons = []
    for detector, hull in zip(detectors, rows.hulls(), strict=True):
        if detector in excluded:
            reasons.append(f"detector {detector} is excluded")
        elif isinstance(hull, str):
            reasons.append(hull)
        elif target is not None and not hull.intersects(target):
            reasons.append("does not overlap the region")
        else:
            reasons.append("")
    return reasons


_MAXIMA: Mapping[str, tuple[str, str]] = {
    "max_size_scatter": ("scatter of sizes", "psfStarDeltaSizeScatter"),
    "max_scaled_size_scatter": ("scaled scatter of sizes", "psfStarScaledDeltaSizeScatter"),
    "max_psf_trace_radius_delta": ("range of sizes", "psfTraceRadiusDelta"),
    "max_psf_ap_flux_delta": ("range of aperture fluxes", "psfApFluxDelta"),
    "max_psf_ap_corr_sigma_scaled_delta": (
        "range of aperture corrections",
        "psfApCorrSigmaScaledDelta",
    ),
}
"""Limit -> what it is of, and its column."""

_BY_BAND: Mapping[str, tuple[str, str]] = {
    "min_n_psf_star": ("stars in the PSF", "nPsfStar"),
    "max_star_e": ("ellipticity of stars", "starEMedian"),
    "max_star_unnormalized_e": ("unnormalised ellipticity", "starUnNormalizedEMedian"),
}


def _psf_tests(rows: _Rows, fwhm: Numbers, limits: PsfLimits) -> list[tuple[Any, Any, Any]]:
    """Each test that can be made: (what, values, word), limit, rows that fail; in their order."""
    tests: list[tuple[Any, Any, Any]] = []

    def above(what: str, values: Numbers, limit: Any) -> None:
        tests.append(((what, values, "limit"), limit, ~(values <= limit)))

    if limits.max_psf_fwhm is not None and "psfSigma" in rows:
        above("FWHM [arcsec]", fwhm, limits.max_psf_fwhm)
    residual = ("psfStarDeltaE1Median", "psfStarDeltaE2Median")
    if limits.max_ellip_residual is not None and all(name in rows for name in residual):
        values = np.hypot(*(rows.numbers(name) for name in residual))
        above("residual ellipticity", values, limits.max_ellip_residual)
    for option, (what, column) in _MAXIMA.items():
        limit = getattr(limits, option)
        if limit is not None and column in rows:
            above(what, rows.numbers(column), limit)
    for option, (what, column) in _BY_BAND.items():
        by_band = _limits_of_bands(rows, getattr(limits, option))
        if column not in rows:
            continue
        values = rows.numbers(column)
        if option.startswith("min"):
            tests.append(((what, values, "at least"), by_band, values < by_band))
        else:
            tests.append(
                ((what, values, "limit"), by_band, ~(values <= by_band) & ~np.isnan(by_band))
            )
    return tests


def _limits_of_bands(rows: _Rows, by_band: Mapping[str, float]) -> Numbers:
    """Limit of each row by its band; NaN where there is none."""
    bands = rows.column("band").tolist() if "band" in rows else [FALLBACK] * len(rows)
    fallback = by_band.get(FALLBACK, math.nan)
    return np.array([by_band.get(str(band), fallback) for band in bands], np.float64)


def _by_visit(rows: _Rows, region: SkyCoord | None, options: SelectOptions) -> Selection:
    """Kinds best-seeing and seeing-quantile: whole visits."""
    how = options.seeing
    quantile = options.kind == "seeing-quantile"
    average = _quiet(np.nanmedian if quantile else np.nanmean)
    groups = _groups(rows.visits())
    each = np.where(rows.has_wcs(), rows.fwhm(), math.nan)
    seeing = {visit: average(each[numbers]) for visit, numbers in groups.items()}
    here = _overlaps(rows, region if how.confirm_overlap else None)
    reasons = {}
    for visit, numbers in groups.items():
        reasons[visit] = (
            ("" if quantile else _seeing_reason(seeing[visit], how))
            or ("no detector has a WCS and a PSF" if math.isnan(seeing[visit]) else "")
            or _time_reason(rows, numbers, how)
            or ("" if here[numbers].any() else "does not overlap the region")
            or _minima_reason(rows, numbers, how)
        )
    ranked = sorted(
        (visit for visit, reason in reasons.items() if not reason),
        key=lambda visit: (seeing[visit], visit),
    )
    if not ranked:
        told = [f"{_name(visit)}: {reason}" for visit, reason in reasons.items()]
        why = "; ".join(told) or "the summary is empty"
        raise NoWorkError(f"no visit can be selected ({why})")
    first, last = _range(len(ranked), how) if quantile else (0, _most(len(ranked), how))
    for place, visit in enumerate(ranked, 1):
        if not first < place <= last:
            reasons[visit] = f"rank {place} of {len(ranked)} by seeing, kept {first + 1} to {last}"
    _log.info("%d of %d visits are kept", last - first, len(groups))
    fwhm, why_not = np.empty(len(rows)), [""] * len(rows)
    for visit, numbers in groups.items():
        fwhm[numbers] = seeing[visit]
        for n in numbers:
            why_not[n] = reasons[visit]
    kept = tuple(n for visit in ranked[first:last] for n in groups[visit])
    return Selection(kept, tuple(why_not), fwhm)


def _groups(visits: Sequence[Hashable]) -> dict[Any, list[int]]:
    """Rows of each visit."""
    groups: dict[Any, list[int]] = {}
    for n, visit in enumerate(visits):
        groups.setdefault(visit, []).append(n)
    return groups


def _name(visit: Hashable) -> str:
    return " ".join(map(str, visit)) if isinstance(visit, tuple) else f"visit {visit}"


def _quiet(average: Callable[..., Any]) -> Callable[[Numbers], float]:
    """An average that is NaN of no number, without a warning."""
    return lambda values: float(average(values)) if np.isfinite(values).any() else math.nan


def _overlaps(rows: _Rows, region: SkyCoord | None) -> npt.NDArray[np.bool_]:
    """Rows that overlap a region; all of them without one."""
    if region is None:
        return np.ones(len(rows), bool)
    target = _region_hull(region)
    return np.array([isinstance(h, SkyHull) and h.intersects(target) for h in rows.hulls()], bool)


def _seeing_reason(fwhm: float, how: SeeingOptions) -> str:
    """Why a visit of known seeing does not count; empty if it does."""
    if math.isnan(fwhm) or how.min_psf_fwhm <= fwhm <= how.max_psf_fwhm:
        return ""
    return f"FWHM {fwhm:.3f} arcsec, limits {how.min_psf_fwhm:g} to {how.max_psf_fwhm:g}"


def _time_reason(rows: _Rows, numbers: list[int], how: SeeingOptions) -> str:
    """Why the time of a visit is not in the range; empty if it is."""
    for limit, sign, word in ((how.min_mjd, 1.0, "from"), (how.max_mjd, -1.0, "up to")):
        if limit is not None:
            mjd = float(rows.numbers("mjd", "expMidptMJD")[numbers[0]])
            if not sign * mjd >= sign * limit:
                return f"MJD {mjd:.5f}, kept {word} {limit:g}"
    return ""


def _minima_reason(rows: _Rows, numbers: list[int], how: SeeingOptions) -> str:
    """Why a column is too small; empty if none is."""
    for column, least in how.column_minima.items():
        value = _quiet(np.nanmean)(rows.numbers(column)[numbers])
        if not value >= least:
            return f"{column} {value:.4g}, at least {least:g}"
    return ""


def _most(n: int, how: SeeingOptions) -> int:
    """How many of n visits are kept."""
    return n if how.n_visits_max < 0 else min(n, how.n_visits_max)


def _range(n: int, how: SeeingOptions) -> tuple[int, int]:
    """First and last (exclusive) of n visits to keep."""
    first = min(round(how.q_min * n), max(0, n - how.n_visits_min))
    return first, min(n, max(round(how.q_max * n), how.n_visits_min))

# SPDX-License-Identifier: BSD-3-Clause
"""Choice of exposures on the command line, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from deepcoadd.cli._config import RunOptions
from deepcoadd.cli._matched import Pairs
from deepcoadd.cli._summary import number
from deepcoadd.coadd import select, summarize
from deepcoadd.errors import MissingFileError, NoWorkError, OptionError
from deepcoadd.refs import WarpRef, name_of

__all__ = ["SELECTION_HEAD", "chosen", "selection_rows"]

SELECTION_HEAD = ("input", "FWHM, arcsec", "selected", "why not")
"""Columns of `selection_rows`."""

_NOT_THERE = "it is not in the summary"


def chosen(inputs: Pairs, run: RunOptions) -> Pairs:
    """Those inputs that are selected, with a table of all of them; the same without a selection.

    Parameters
    ----------
    inputs : Pairs
        All of them.
    run : RunOptions
        Its `select`, `region` and `summary`.

    Raises
    ------
    NoWorkError
        None is left.
    MissingFileError, OptionError
        The summary, the region or a limit cannot be used.
    """
    if run.select.kind == "all":
        if run.region or run.summary:
            raise OptionError("region, summary: are of no use without --select")
        return inputs
    if not inputs.refs:
        return inputs
    region = _region(run.region)
    if run.summary is None:
        table = select(summarize(inputs.refs), region, run.select).table(
            [name_of(ref) for ref in inputs.refs]
        )
    else:
        table = _by_summary(inputs.refs, Path(run.summary), region, run)
    kept = np.flatnonzero(table["kept"]).tolist()
    if not kept:
        why = "; ".join(f"{row['name']}: {row['reason']}" for row in table)
        raise NoWorkError(f"none of the {len(table)} inputs is selected ({why})")
    return replace(
        inputs,
        refs=[inputs.refs[n] for n in kept],
        matched=[inputs.matched[n] for n in kept] if inputs.matched else [],
        selection=table,
    )


def _region(values: Sequence[float]) -> SkyCoord | None:
    """Corners given as RA, Dec, RA, Dec, ... in degrees."""
    if not values:
        return None
    ra, dec = np.array(values[0::2]), np.array(values[1::2])
    if len(values) < 6 or len(values) % 2 or np.any(np.abs(dec) > 90):
        shown = ",".join(f"{value:g}" for value in values)
        raise OptionError(f"region = {shown}: expected RA,DEC of at least three corners, degrees")
    return SkyCoord(ra * u.deg, dec * u.deg, frame="icrs")


def _by_summary(
    refs: Sequence[WarpRef], file: Path, region: SkyCoord | None, run: RunOptions
) -> Table:
    """Selection table of exposures whose summary is in a file, a row each."""
    summary = _read(file)
    found = select(summary, region, run.select)
    detectors = next((name for name in ("detector", "id") if name in summary.colnames), None)
    rows: dict[Hashable, list[int]] = {}
    for n, visit in enumerate(summary["visit"].tolist()):
        rows.setdefault(visit, []).append(n)
        if detectors is not None:
            rows[visit, summary[detectors].tolist()[n]] = [n]
    rank = {n: place for place, n in enumerate(found.kept, 1)}
    columns: dict[str, list[Any]] = {"fwhm": [], "kept": [], "rank": [], "reason": []}
    for ref in refs:
        visit = ref.data_id.get("visit")
        own = rows.get((visit, ref.data_id.get("detector")), rows.get(visit, []))
        kept = [n for n in own if n in rank]
        reasons = [found.reasons[n] for n in own] or [_NOT_THERE]
        columns["fwhm"].append(float(found.fwhm[own[0]]) if own else math.nan)
        columns["kept"].append(bool(kept))
        columns["rank"].append(min((rank[n] for n in kept), default=0))
        columns["reason"].append("" if kept else reasons[0])
    table = Table({"name": [name_of(ref) for ref in refs], **columns})
    table["reason"] = table["reason"].astype(f"U{max(1, *map(len, columns['reason']))}")
    table["fwhm"].unit = u.arcsec
    return table


def _read(file: Path) -> Table:
    """A table file: FITS, ECSV or CSV."""
    if not file.is_file():
        raise MissingFileError(f"summary: there is no file {str(file)!r}")
    fits_like = "".join(file.suffixes).lower().rpartition(".gz")[0] or file.suffix.lower()
    is_fits = fits_like.endswith((".fits", ".fit"))
    how: dict[str, Any] = {"format": "fits", "hdu": 1} if is_fits else {"format": "ascii"}
    try:
        return Table.read(file, **how)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise OptionError(f"summary: {file} is no table that can be read: {error}") from None


def selection_rows(table: Table) -> list[tuple[str, ...]]:
    """Cells of a selection table for the terminal and the report."""
    return [
        (
            str(row["name"]),
            "" if math.isnan(row["fwhm"]) else number(row["fwhm"]),
            f"yes, {row['rank']}" if row["kept"] else "no",
            str(row["reason"]),
        )
        for row in table
    ]

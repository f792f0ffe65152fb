# SPDX-License-Identifier: BSD-3-Clause
"""The report on sky frames: the frames, scales against levels, what is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepcoadd.io._folder import atomic_folder
from deepcoadd.plot import _html
from deepcoadd.plot._figures import cell_limit, show_cells

__all__ = ["SkyPoint", "SkyReport", "write_sky_report"]

Bins = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class SkyPoint:
    """A visit in a report.

    Parameters
    ----------
    visit : str
        Its name.
    level : float
        Its sky level.
    scale, error : float
        Scale of the sky frames in it, and its error; NaN where they were made of it.
    before, after : mapping of str to array
        Bins of its detectors less their large-scale sky, without and with the frames taken out.
    """

    visit: str
    level: float
    scale: float = math.nan
    error: float = math.nan
    before: Bins = field(default_factory=dict)
    after: Bins = field(default_factory=dict)


@dataclass(frozen=True)
class SkyReport:
    """What a report on sky frames shows.

    Parameters
    ----------
    title : str
        Heading.
    frames : mapping of str to array
        Bins of the frame of every detector.
    points : sequence of SkyPoint
        Visits.
    summary : mapping of str to str
        Numbers at the head of the page.
    skipped : sequence of (str, str)
        What was left out, and why.
    settings : str
        Settings, as TOML.
    errors : mapping of str to array
        Standard errors of the bins of the frames.
    unit : str
        Unit of the exposures.
    """

    title: str
    frames: Bins
    points: Sequence[SkyPoint]
    summary: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[tuple[str, str]] = ()
    settings: str = ""
    errors: Bins = field(default_factory=dict)
    unit: str = ""


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path)


@dataclass(frozen=True)
class _Row:
    """One row of pictures: bins of each detector on one scale."""

    label: str
    bins: Bins
    unit: str

    @property
    def limit(self) -> float:
        """Where colours saturate, for all detectors alike."""
        nothing = np.zeros(0, np.float32)
        return cell_limit(np.concatenate([nothing, *(b.ravel() for b in self.bins.values())]))


def _mosaic(title: str, rows: Sequence[_Row], path: Path) -> None:
    """One row of pictures for each set of bins, one column for each detector."""
    names = list(rows[0].bins)
    size = (1.6 * max(len(names), 3) + 1.6, 2.0 * len(rows) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for ax, name in zip(line, names, strict=True):
            show_cells(ax, row.bins[name], limit=row.limit)
            ax.set_title(f"detector {name}" if len(names) < _FEW else name, fontsize=8)
        line[0].set_ylabel(row.label, fontsize=8)
        figure.colorbar(line[-1].images[0], ax=list(line), shrink=0.9, label=row.unit)
    figure.suptitle(f"{title} (grey: not known)", fontsize=10)
    _save(figure, path)


_FEW = 12
"""Detectors in a row whose pictures have room for the word."""


def _scales(points: Sequence[SkyPoint], unit: str, path: Path) -> None:
    """Scale against level, and their ratio."""
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    level = np.array([p.level for p in points])
    scale, error = (np.array([getattr(p, name) for p in points]) for name in ("scale", "error"))
    left.errorbar(level, scale, error, fmt="o", color="#4477aa", label="visits")
    span = [0.0, 1.05 * float(np.nanmax([*level, 1.0]))]
    left.plot(span, span, color="#bbbbbb", zorder=0, label="scale = level")
    left.set_xlabel(f"sky level [{unit}]")
    left.set_ylabel(f"scale of the sky frames [{unit}]")
    left.legend(loc="upper left")
    places = np.arange(len(points))
    right.errorbar(places, scale / level, error / level, fmt="o", color="#4477aa")
    right.axhline(1.0, color="#bbbbbb", zorder=0)
    step = -(-len(points) // _MOST_TICKS)
    right.set_xticks(places[::step], [p.visit for p in points[::step]], rotation=45, fontsize=8)
    right.ticklabel_format(axis="y", useOffset=False)
    right.set_xlabel("visit")
    right.set_ylabel("scale / level, with the standard error")
    _save(figure, path)


_MOST_TICKS = 20


def write_sky_report(folder: Path, report: SkyReport, *, overwrite: bool = False) -> Path:
    """Write a page and its pictures, together or not at all.

    Parameters
    ----------
    folder : Path
        Folder to make.
    report : SkyReport
        What to show.
    overwrite : bool
        Whether the folder may hold files already.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputExistsError, OptionError
        See `atomic_folder`.
    """
    with atomic_folder(folder, overwrite=overwrite, owned=("*.png", "index.html")) as work:
        parts = [_html.table(report.summary.items())]
        unit = report.unit or "pixel value"
        _mosaic(report.title, _frame_rows(report), work / "frames.png")
        parts.append(
            _html.section("Sky frames", _html.figure("frames.png", "bins of every detector"))
        )
        measured = [p for p in report.points if math.isfinite(p.scale)]
        if measured:
            _scales(measured, unit, work / "scales.png")
            what = "scales of the sky frames against the level of the sky"
            parts.append(_html.section("Scales", _html.figure("scales.png", what)))
        cells = [(p.visit, f"{p.level:.6g}", _text(p.scale), _text(p.error)) for p in report.points]
        head = ("visit", f"level [{unit}]", f"scale [{unit}]", "error")
        parts.append(_html.section("Visits", _html.table(cells, head)))
        pictures = []
        for k, point in enumerate(report.points):
            if point.before and point.after:
                name = f"visit-{k}.png"
                # Each has a scale of its own: what is left would not be seen on that of before.
                rows = [_Row(when, getattr(point, when), unit) for when in ("before", "after")]
                _mosaic(f"visit {point.visit}", rows, work / name)
                pictures.append(_html.figure(name, f"visit {point.visit}", caption=True))
        if pictures:
            parts.append(_html.section("Residual maps", *pictures))
        if report.skipped:
            parts.append(_html.section("Left out", _html.table(report.skipped)))
        if report.settings:
            parts.append(_html.section("Settings", _html.code(report.settings)))
        (work / "index.html").write_text(_html.page(report.title, parts), encoding="utf-8")
    return folder / "index.html"


def _frame_rows(report: SkyReport) -> list[_Row]:
    """Frames, and their errors where they are known."""
    rows = [_Row("frame", report.frames, "share of the sky level")]
    if any(np.isfinite(error).any() for error in report.errors.values()):
        rows.append(_Row("error", report.errors, "share of the sky level"))
    return rows


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""

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
    """

    title: str
    frames: Bins
    points: Sequence[SkyPoint]
    summary: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[tuple[str, str]] = ()
    settings: str = ""


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(path)


def _mosaic(rows: Sequence[tuple[str, Bins]], limit: float, path: Path) -> None:
    """One row of pictures for each mapping, one column for each detector."""
    names = list(rows[0][1])
    size = (1.6 * max(len(names), 2) + 1.0, 1.8 * len(rows) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    shown = None
    for line, (label, bins) in zip(axes, rows, strict=True):
        for ax, name in zip(line, names, strict=True):
            shown = ax.imshow(bins[name], origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_title(name, fontsize=8)
        line[0].set_ylabel(label, fontsize=8)
    if shown is not None:
        figure.colorbar(shown, ax=axes, shrink=0.8)
    _save(figure, path)


def _limit(bins: Bins) -> float:
    """Four times the scatter of all bins; 1 where there is none."""
    nothing = np.zeros(0, np.float32)
    values = np.concatenate([nothing, *(b[np.isfinite(b)] for b in bins.values())])
    spread = 4.0 * float(np.std(values)) if values.size else 0.0
    return spread if spread > 0 else 1.0


def _scales(points: Sequence[SkyPoint], path: Path) -> None:
    """Scale against level, and their ratio."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    level = np.array([p.level for p in points])
    scale, error = (np.array([getattr(p, name) for p in points]) for name in ("scale", "error"))
    left.errorbar(level, scale, error, fmt="o", color="#4477aa")
    span = [0.0, 1.05 * float(np.nanmax([*level, 1.0]))]
    left.plot(span, span, color="#bbbbbb", zorder=0)
    left.set_xlabel("sky level")
    left.set_ylabel("scale of the sky frames")
    right.errorbar(range(len(points)), scale / level, error / level, fmt="o", color="#4477aa")
    right.axhline(1.0, color="#bbbbbb", zorder=0)
    right.set_xlabel("visit")
    right.set_ylabel("scale / level")
    _save(figure, path)


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
        _mosaic([("frame", report.frames)], _limit(report.frames), work / "frames.png")
        parts.append(
            _html.section("Sky frames", _html.figure("frames.png", "bins of every detector"))
        )
        measured = [p for p in report.points if math.isfinite(p.scale)]
        if measured:
            _scales(measured, work / "scales.png")
            what = "scales of the sky frames against the level of the sky"
            parts.append(_html.section("Scales", _html.figure("scales.png", what)))
        cells = [(p.visit, f"{p.level:.6g}", _text(p.scale), _text(p.error)) for p in report.points]
        head = ("visit", "level", "scale", "error")
        parts.append(_html.section("Visits", _html.table(cells, head)))
        pictures = []
        for k, point in enumerate(report.points):
            if point.before and point.after:
                name = f"visit-{k}.png"
                rows = [("before", point.before), ("after", point.after)]
                _mosaic(rows, _limit(point.before), work / name)
                pictures.append(_html.figure(name, f"visit {point.visit}", caption=True))
        if pictures:
            parts.append(_html.section("Residual maps", *pictures))
        if report.skipped:
            parts.append(_html.section("Left out", _html.table(report.skipped)))
        if report.settings:
            parts.append(_html.section("Settings", _html.code(report.settings)))
        (work / "index.html").write_text(_html.page(report.title, parts), encoding="utf-8")
    return folder / "index.html"


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""

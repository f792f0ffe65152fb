# SPDX-License-Identifier: BSD-3-Clause
"""The quick-look report of a coadd: pictures and one page, written together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from deepcoadd.io._folder import atomic_folder
from deepcoadd.noise import NoiseSample
from deepcoadd.plot import _html
from deepcoadd.plot._figures import (
    colored,
    grey_levels,
    show_difference,
    show_image,
    show_mask,
    show_noise,
    show_scale,
)
from deepcoadd.plot._reduce import Preview

__all__ = ["Report", "ReportInput", "ReportTable", "write_report"]

PAGE = "index.html"

Drawing = Callable[[Axes], Axes]


@dataclass(frozen=True)
class ReportInput:
    """One input in a report.

    Parameters
    ----------
    name : str
        What it is called.
    facts : mapping of str to str
        What is worth a line: weight, noise, ...
    thumbnail : Preview, optional
        Small image; pixels without data are drawn black.
    removed : Preview, optional
        The same with the mask plane CLIPPED: what was left out of this input.
    """

    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    thumbnail: Preview | None = None
    removed: Preview | None = None


@dataclass(frozen=True)
class ReportTable:
    """A table in a report.

    Parameters
    ----------
    title : str
        Heading.
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells.
    note : str
        A line above it.
    link : str
        Address of a file to link to behind the note, percent-encoded.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Parameters
    ----------
    title : str
        Heading of the page.
    coadd : Preview
        The coadd with its mask.
    noise : NoiseSample
        Noise of its sky pixels.
    unit : str
        Unit of the coadd.
    n_image : Preview, optional
        Number of inputs in each pixel.
    plain_mean : Preview, optional
        Mean of the same inputs without any clipping, to show what was taken out.
    maps : mapping of str to Preview
        Further maps by name.
    inputs : sequence of ReportInput
        Inputs that were used.
    skipped : sequence of (str, str)
        Name of each input that was not, and why.
    tables : sequence of ReportTable
        Further tables.
    summary : mapping of str to str
        Numbers at the head of the page.
    settings : str
        Options, as TOML.
    versions : mapping of str to str
        Program -> version.
    """

    title: str
    coadd: Preview
    noise: NoiseSample
    unit: str = ""
    n_image: Preview | None = None
    plain_mean: Preview | None = None
    maps: Mapping[str, Preview] = field(default_factory=dict)
    inputs: Sequence[ReportInput] = ()
    skipped: Sequence[tuple[str, str]] = ()
    tables: Sequence[ReportTable] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def write_report(folder: str | Path, report: Report, *, overwrite: bool = False) -> Path:
    """Write a report and return the path of its page, ``index.html``.

    Parameters
    ----------
    folder : str or Path
        Where the page and its PNG files go. It appears complete or not at all.
    report : Report
        What to show.
    overwrite : bool
        Whether the folder may hold files already.

    Raises
    ------
    OutputExistsError
        The folder is not empty and `overwrite` is False.
    """
    folder = Path(folder)
    with atomic_folder(folder, overwrite=overwrite, owned=("input-*.png", "removed-*.png")) as work:
        parts = [_html.section("Summary", _html.table(report.summary.items()))]
        pictures = _pictures(report)
        for name, (draw, caption) in pictures.items():
            _save(work / f"{name}.png", draw)
            parts.append(_html.section(caption, _html.figure(f"{name}.png", caption)))
        parts += [_inputs(work, report.inputs), _removed(work, report.inputs)]
        parts += [_skipped(report.skipped), *map(_table, report.tables)]
        parts.append(_html.section("Options", _html.code(report.settings)))
        parts.append(_html.section("Versions", _html.table(report.versions.items())))
        (work / PAGE).write_text(_html.page(report.title, parts), encoding="utf-8")
    return folder / PAGE


def _pictures(report: Report) -> dict[str, tuple[Drawing, str]]:
    """File name -> how to draw it, and its caption."""
    coadd, noise, n_image, mean = report.coadd, report.noise, report.n_image, report.plain_mean
    label, title = report.unit or "pixel value", report.title
    out: dict[str, tuple[Drawing, str]] = {
        "coadd": (lambda ax: show_image(ax, coadd, title=title, label=label), "Coadd"),
        "mask": (lambda ax: show_mask(ax, coadd, title=f"{title}: mask"), "Mask planes"),
    }
    if n_image is not None:
        out["n-image"] = (
            lambda ax: show_scale(
                ax, n_image, title=f"{title}: good inputs", label="number of inputs"
            ),
            "Number of inputs in each pixel",
        )
    if mean is not None:
        difference = coadd.minus(mean)
        out["difference"] = (
            lambda ax: show_difference(
                ax,
                difference,
                limit=5.0 * noise.expected,
                title=f"{title} - plain mean",
                label=f"{label}, saturating at 5 times the expected noise",
            ),
            "Coadd minus the plain mean: what was taken out is blue",
        )
    out["noise"] = (
        lambda ax: show_noise(ax, noise, title=f"{title}: sky pixels"),
        f"Noise of the sky pixels: {noise.ratio:.3f} times what the variance plane promises",
    )
    for name, image in report.maps.items():
        out[f"map-{name}"] = (_drawn_map(image, name, label), f"Map: {name}")
    return out


_MAP_UNITS = {"exposure_time": "s", "depth": "AB magnitudes at 5 sigma", "date": "MJD"}


def _drawn_map(image: Preview, name: str, unit: str) -> Drawing:
    unit = {**_MAP_UNITS, "weight": f"1 / {unit}²"}.get(name, "")
    label = f"{name} [{unit}]" if unit else name
    return lambda ax: show_scale(ax, image, title=name.replace("_", " "), label=label)


def _save(path: Path, draw: Drawing) -> None:
    """Draw one picture; no pyplot, so that nothing global changes and no display is needed."""
    figure = Figure(figsize=(10.0, 8.0), dpi=100)
    FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    figure.savefig(path, bbox_inches="tight")


def _inputs(work: Path, inputs: Sequence[ReportInput]) -> str:
    """Section of the inputs that were used: small pictures where there are, and a table."""
    captions: dict[str, str] = {}
    for number, one in enumerate(inputs, 1):
        if one.thumbnail is not None and not one.thumbnail.box.is_empty:
            file = f"input-{number:03d}.png"
            grey = grey_levels(one.thumbnail.array)
            imsave(work / file, grey, cmap="gray", vmin=0.0, vmax=1.0, origin="lower")
            captions[file] = one.name
    head = ["input", *dict.fromkeys(key for one in inputs for key in one.facts)]
    rows = [[one.name, *(one.facts.get(key, "") for key in head[1:])] for one in inputs]
    return _html.section(
        f"Inputs used: {len(inputs)}", _html.gallery(captions), _html.table(rows, head)
    )


def _removed(work: Path, inputs: Sequence[ReportInput]) -> str:
    """Section of what was left out of the inputs, a picture for each; nothing without them."""
    captions: dict[str, str] = {}
    for number, one in enumerate(inputs, 1):
        if one.removed is not None and not one.removed.box.is_empty:
            file = f"removed-{number:03d}.png"
            imsave(work / file, colored(one.removed), origin="lower")
            captions[file] = f"{one.name}: {one.removed.counts.get('CLIPPED', 0)} pixels"
    if not captions:
        return ""
    return _html.section("Left out of the inputs as artifacts", _html.gallery(captions))


def _table(one: ReportTable) -> str:
    above = _html.paragraph(one.note, one.link) if one.note or one.link else ""
    return _html.section(one.title, above, _html.table(one.rows, one.head))


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return _html.section("Inputs skipped: none")
    return _html.section(
        f"Inputs skipped: {len(skipped)}", _html.table(skipped, ("input", "reason"))
    )

# SPDX-License-Identifier: BSD-3-Clause
"""The report of ``deepcoadd coadd --report``: gathers what `deepcoadd.plot` draws."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import matplotlib
import numpy as np
from astropy import __version__ as astropy_version
from astropy.table import Table

from deepcoadd import __version__
from deepcoadd.cli._config import CoaddConfig
from deepcoadd.cli._methods import METHODS
from deepcoadd.cli._product import Product
from deepcoadd.cli._selection import SELECTION_HEAD, selection_rows
from deepcoadd.cli._summary import number
from deepcoadd.cli._terminal import ProgressCallback
from deepcoadd.cli._truth import TRUTH_HEAD
from deepcoadd.coadd import ArtifactCoadd, CoaddResult, CoaddTile, InputRecord, assemble
from deepcoadd.geometry import Box
from deepcoadd.plot import (
    Preview,
    Report,
    ReportInput,
    ReportTable,
    thumbnail,
    write_report,
)
from deepcoadd.refs import WarpRef
from deepcoadd.spans import SpanSet

__all__ = ["QuickLook"]

MOST_ROWS = 200
"""Rows of a table that a page shows."""


class QuickLook:
    """Previews of a coadd, collected while it is made; its full planes need not be kept."""

    def __init__(self) -> None:
        self._box = Box.empty()
        self._previews: dict[str, Preview] = {}

    def begin(self, box: Box) -> None:
        """Learn the box of the coadd."""
        self._box = box

    def add(self, tile: CoaddTile) -> None:
        """Take in a tile of the coadd."""
        coadd = self._preview("coadd")
        coadd.add(tile.masked_image.image)
        coadd.add_mask(tile.masked_image.mask)
        self._preview("n_image").add(tile.n_image)
        for name, image in tile.maps.items():
            self._preview(name).add(image)

    def _preview(self, name: str) -> Preview:
        if name not in self._previews:
            self._previews[name] = Preview(self._box)
        return self._previews[name]

    def write(
        self,
        folder: Path,
        title: str,
        product: Product,
        refs: Sequence[WarpRef],
        config: CoaddConfig,
        summary: Mapping[str, str],
        *,
        decisions: Path | None = None,
        truth: Sequence[tuple[str, ...]] = (),
        selection: Table | None = None,
        overwrite: bool,
        progress: ProgressCallback,
    ) -> Path:
        """Write the report; returns its page.

        Reads the inputs once more for their small pictures and, unless the coadd is a plain mean
        itself, for the mean that it is compared with. `decisions` is the CSV file of artifacts, if
        there is one; `truth` holds the rows of the comparison with the truth, `selection` those
        of the choice of inputs.
        """
        result = product.result
        mean = None
        if config.name != "mean":
            mean = _plain_mean(result, refs, progress)
        previews = dict(self._previews)
        report = Report(
            title=title,
            coadd=previews.pop("coadd"),
            noise=product.noise,
            unit=result.options.unit or "",
            n_image=previews.pop("n_image"),
            plain_mean=mean,
            maps=previews,
            inputs=_inputs(result, refs, progress),
            skipped=[(item.name, item.reason) for item in product.skipped],
            tables=[*_selection(selection), *_tables(result, folder, decisions, truth)],
            summary=summary,
            settings=config.to_toml(),
            versions={
                "deepcoadd": __version__,
                "Python": platform.python_version(),
                "numpy": np.__version__,
                "astropy": astropy_version,
                "matplotlib": matplotlib.__version__,
            },
        )
        return write_report(folder, report, overwrite=overwrite)


def _plain_mean(
    result: CoaddResult, refs: Sequence[WarpRef], progress: ProgressCallback
) -> Preview:
    """Mean of the same inputs with the same weights and bad planes, without clipping."""
    preview = Preview(result.box)
    options = replace(
        result.options, statistic=METHODS["mean"].options.statistic, interpolate=None, maps=()
    )
    assemble(
        [refs[record.index] for record in result.inputs],
        result.box,
        weights=[record.weight for record in result.inputs],
        options=options,
        progress=lambda done, total, label: progress(done, total, f"plain mean: {label}"),
        on_tile=lambda tile: preview.add(tile.masked_image.image),
    )
    return preview


def _inputs(
    result: CoaddResult, refs: Sequence[WarpRef], progress: ProgressCallback
) -> list[ReportInput]:
    """Small picture and facts of each input used."""
    total = math.fsum(record.weight for record in result.inputs)
    out = []
    for done, record in enumerate(result.inputs):
        progress(done, len(result.inputs), "small pictures")
        facts = _facts(record, total)
        small = thumbnail(refs[record.index])
        removed = None
        if isinstance(result, ArtifactCoadd):
            spans = result.artifact_masks[done]["CLIPPED"]
            facts["artifact pixels"] = str(spans.area)
            removed = small.with_spans("CLIPPED", _moved_back(spans, record))
        out.append(ReportInput(record.name, facts, small, removed))
    progress(len(result.inputs), len(result.inputs), "small pictures")
    return out


def _moved_back(spans: SpanSet, record: InputRecord) -> SpanSet:
    """Pixels of a coadd in the frame of one of its inputs."""
    y, x = record.shift
    return spans.shifted_by(y=-y, x=-x)


def _selection(table: Table | None) -> list[ReportTable]:
    """Table of the choice of inputs, if one was made."""
    if table is None:
        return []
    return [ReportTable("Selection of the inputs", SELECTION_HEAD, selection_rows(table))]


def _tables(
    result: CoaddResult, folder: Path, decisions: Path | None, truth: Sequence[tuple[str, ...]]
) -> list[ReportTable]:
    """Tables of artifacts: how many of those that truly are there were found, and all decisions."""
    out = []
    if truth:
        note = "Pixels in which artifacts truly outshine the noise, and clean ones."
        out.append(ReportTable("Comparison with the truth", TRUTH_HEAD, truth, note))
    if isinstance(result, ArtifactCoadd):
        table = result.decisions
        rows = [[_cell(value) for value in row] for row in table[:MOST_ROWS].iterrows()]
        n = len(table)
        note = f"The first {MOST_ROWS} of {n} footprints." if n > MOST_ROWS else ""
        note = f"{note} All are in the table ARTIFACTS of the coadd.".strip()
        link = "" if decisions is None else _relative(decisions, folder)
        out.append(ReportTable("Decisions about artifacts", table.colnames, rows, note, link))
    return out


def _relative(file: Path, folder: Path) -> str:
    """Link from a page in a folder to a file."""
    return quote(os.path.relpath(file.absolute(), folder.absolute()))


def _cell(value: object) -> str:
    """Short text of a value in a table."""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _facts(record: InputRecord, total_weight: float) -> dict[str, str]:
    known = {
        "visit": str(record.data_id.get("visit", "")),
        "weight": f"{100 * record.weight / total_weight:.2f} %",
        "noise": number(math.sqrt(record.mean_variance)),
        "good pixels": str(record.n_good),
        "filter": record.filter,
        "exposure time [s]": number(record.exposure_time),
        "MJD": f"{record.mjd:.5f}",
        "variance": "estimated" if record.variance_estimated else "given",
    }
    return {name: "" if text == "nan" else text for name, text in known.items()}

# SPDX-License-Identifier: BSD-3-Clause
"""Report of matched backgrounds: a page with offsets, maps before and after, and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deepcoadd.background import BackgroundMatch, BackgroundModel, ClassicModel, TractModel
from deepcoadd.geometry import Box
from deepcoadd.io._folder import atomic_folder
from deepcoadd.plot import _html
from deepcoadd.plot._figures import show_cells, show_scale
from deepcoadd.plot._reduce import Preview

__all__ = ["write_match_report"]

Floats = NDArray[np.float64]

_ROWS = 256


def write_match_report(
    folder: str | Path,
    match: BackgroundMatch,
    summary: Mapping[str, str],
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    settings: str,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a report and return the path of its page, ``index.html``.

    Parameters
    ----------
    folder : str or Path
        Where the page and its PNG files go. It appears complete or not at all.
    match : BackgroundMatch
        What to show: for each exposure its model, and the cells that it was made of before and
        after (before only, where a curve goes through them).
    summary : mapping
        Facts, name -> text.
    table : (head, rows)
        A row of texts for each exposure.
    settings : str
        The settings as text.
    overwrite : bool
        Whether the folder may hold files already.

    Raises
    ------
    OutputExistsError
        The folder is not empty and `overwrite` is False.
    """
    folder = Path(folder)
    with atomic_folder(folder, overwrite=overwrite, owned=("match-*.png",)) as work:
        captions: dict[str, str] = {}
        for k, result in enumerate(match.results):
            if result.model is None:
                continue
            file = f"match-{k + 1:03d}.png"
            _draw(work / file, match, k)
            captions[file] = result.id
        head, rows = table
        parts = [
            _html.section("Summary", _html.table(summary.items())),
            _html.section("Exposures", _html.table(rows, head)),
            _html.section(
                "Backgrounds added, and cells before and after",
                *(_html.figure(file, name, caption=True) for file, name in captions.items()),
            ),
            _html.section("Options", _html.code(settings)),
        ]
        page = _html.page("Matched backgrounds", parts)
        (work / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


@dataclass(frozen=True)
class _Cells:
    """Cells of one exposure, exposure less what it is matched to; NaN where there is none."""

    before: Floats
    after: Floats | None
    box: Box
    against: str


def _cells_of(match: BackgroundMatch, index: int) -> _Cells | None:
    """Cells that the model of one exposure was made of."""
    fit, model = match.fit, match.results[index].model
    if fit is not None:
        box = fit.levels.grid.box
        return _Cells(fit.before[index], fit.residuals[index], box, "mean of all")
    if isinstance(model, ClassicModel):
        bins = model.background
        before = -bins.values.astype(np.float64)
        # A curve goes through its bins: nothing is left to be shown.
        after = before + _at_centers(model, bins) if bins.options.use_approx else None
        return _Cells(before, after, bins.box, "reference")
    if isinstance(model, TractModel):
        before = np.where(model.measured, -model.background.values, np.nan)
        return _Cells(before, None, model.grid.box, "reference")
    return None


def _at_centers(model: ClassicModel, bins: BackgroundModel) -> Floats:
    """Model in the pixels in the middle of the bins."""
    y, x = (
        np.floor(centers - start).astype(int)
        for centers, start in zip(bins.centers(), bins.box.start, strict=True)
    )
    return np.asarray(model.image().array[np.ix_(y, x)], np.float64)


def _draw(path: Path, match: BackgroundMatch, index: int) -> None:
    """Model of one exposure, and its cells before and after, side by side."""
    result, cells = match.results[index], _cells_of(match, index)
    model = result.model
    assert model is not None
    unit = str(match.refs[index].info().unit or "pixel value")
    n = 1 if cells is None else 2 + (cells.after is not None)
    figure = Figure(figsize=(5.2 * n, 4.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, n, squeeze=False)[0]
    preview = Preview(model.box, max_side=400)
    for strip in model.box.tiles((_ROWS, model.box.x.size)):
        preview.add(model.image(strip))
    show_scale(axes[0], preview, title="background added", label=unit)
    if cells is not None:
        title = f"cells less the {cells.against}, rms {_rms(cells.before):.3g}"
        show_cells(axes[1], cells.before, cells.box, title=title, label=unit)
        if cells.after is not None:
            # A scale of its own: what is left would not be seen on that of what was there.
            title = f"the same with the background added, rms {_rms(cells.after):.3g}"
            show_cells(axes[2], cells.after, cells.box, title=title, label=unit)
    figure.suptitle(result.id)
    figure.savefig(path)


def _rms(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")

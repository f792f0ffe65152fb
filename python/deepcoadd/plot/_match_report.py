# SPDX-License-Identifier: BSD-3-Clause
"""Report of matched backgrounds: a page with offsets, maps before and after, and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepcoadd.background import BackgroundMatch
from deepcoadd.image import Image
from deepcoadd.io._folder import atomic_folder
from deepcoadd.plot import _html
from deepcoadd.plot._figures import show_difference, show_scale
from deepcoadd.plot._reduce import Preview

__all__ = ["write_match_report"]

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
        What to show: for each exposure its model and, of a joint fit, the cells before and after.
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
                "Backgrounds added, and cells less the common scene before and after",
                *(_html.figure(file, name, caption=True) for file, name in captions.items()),
            ),
            _html.section("Options", _html.code(settings)),
        ]
        page = _html.page("Matched backgrounds", parts)
        (work / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def _draw(path: Path, match: BackgroundMatch, index: int) -> None:
    """Model of one exposure, and its cells before and after, side by side."""
    model = match.results[index].model
    assert model is not None
    fit = match.fit
    figure = Figure(figsize=(5.0 if fit is None else 15.0, 4.0), dpi=80)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 if fit is None else 3, squeeze=False)[0]
    preview = Preview(model.box, max_side=400)
    for strip in model.box.tiles((_ROWS, model.box.x.size)):
        preview.add(model.image(strip))
    show_scale(axes[0], preview, title="background added", label="pixel value")
    if fit is not None:
        # One scale for both, so that what is gone is seen.
        limit = float(np.nanmax(np.abs(fit.before[index]), initial=0.0))
        show_difference(axes[1], _cells(fit.before[index]), limit=limit, title="cells before")
        after = _cells(fit.residuals[index])
        noise = 4.0 * float(np.nanstd(fit.residuals[index]))
        show_difference(axes[2], after, limit=noise, title=f"cells after, within {noise:.3g}")
    figure.savefig(path, bbox_inches="tight")


def _cells(values: npt.NDArray[np.float64]) -> Image:
    return Image(values.astype(np.float32))

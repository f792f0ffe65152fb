# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the backgrounds of visits to that of one visit, over all patches of a tract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd.background._cells import fill_cells, smooth_cells
from deepcoadd.background._match_cells import (
    CellGrid,
    CellLevels,
    measure_levels,
    near_cells,
)
from deepcoadd.background._match_medians import measure_medians
from deepcoadd.background._match_options import TractMatchOptions
from deepcoadd.background._match_result import MatchResult
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._options import BackgroundOptions
from deepcoadd.errors import NoOverlapError, OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box, Interval
from deepcoadd.image import Image, MaskedImage
from deepcoadd.refs import WarpRef, look, name_of

__all__ = ["TractModel", "match_tract"]

Floats = NDArray[np.float64]


class _Visit:
    """All warps of a visit as one exposure; where they overlap the first one counts."""

    def __init__(self, refs: Sequence[WarpRef]) -> None:
        self.refs = list(refs)

    @property
    def data_id(self) -> Mapping[str, Any]:
        return self.refs[0].data_id

    def box(self) -> Box:
        hull = self.refs[0].box()
        for ref in self.refs[1:]:
            hull = hull.hull(ref.box())
        return hull

    def info(self) -> ExposureInfo:
        return replace(self.refs[0].info(), box=self.box())

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of a box; NaN where no warp of the visit has any."""
        box = self.box() if box is None else box
        parts = [(ref, ref.box() & box) for ref in self.refs]
        met = [(ref, part) for ref, part in parts if not part.is_empty]
        out = MaskedImage.no_data(box) if not met else None
        for ref, part in reversed(met):
            pixels = look(ref, part)
            if out is None:
                out = MaskedImage.no_data(box, pixels.planes)
            cut = part.slices_within(box)
            out.image.array[cut] = pixels.image.array
            out.variance.array[cut] = pixels.variance.array
            out.mask.array[cut] = pixels.mask.conformed_to(out.planes).array
        assert out is not None
        return out


@dataclass(frozen=True)
class TractModel:
    """Part of the background of a visit that lies in one of its warps.

    Attributes
    ----------
    background : BackgroundModel
        Superpixels of the tract; those without pixels are filled within the range of the others.
    grid : CellGrid
        Where they lie.
    measured : (ny, nx) bool array
        Superpixels that were not filled.
    part : Box
        Pixels of the warp.
    """

    background: BackgroundModel
    grid: CellGrid
    measured: NDArray[np.bool_]
    part: Box

    @property
    def box(self) -> Box:
        """Pixels where the model is known."""
        return self.part

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the model, by default of its whole box."""
        return self.background.image(self.part if box is None else box)

    @property
    def extrapolates(self) -> bool:
        """Whether the model has pixels that are not valid."""
        return not self.validity().all()

    def validity(self, box: Box | None = None) -> NDArray[np.bool_]:
        """Pixels not farther than one superpixel from one that was measured."""
        reach = float(np.diff(self.grid.edges_x).max())
        return near_cells(self.grid, self.measured, reach, self.part if box is None else box)


def _by_visit(refs: Sequence[WarpRef]) -> list[list[int]]:
    """Indices of the warps of each visit; a warp that does not know its visit is one of its own."""
    visits: dict[Any, list[int]] = {}
    for k, ref in enumerate(refs):
        visits.setdefault(ref.data_id.get("visit", ("warp", k)), []).append(k)
    return list(visits.values())


def _grid(refs: Sequence[WarpRef], size: int) -> CellGrid:
    """Superpixels aligned to the origin of the tract that cover all warps."""
    hull = refs[0].box()
    for ref in refs[1:]:
        hull = hull.hull(ref.box())
    y, x = (
        Interval(side.start // size * size, -(-side.stop // size) * size)
        for side in (hull.y, hull.x)
    )
    return CellGrid.of(Box(y, x), size)


def _costs(levels: CellLevels, options: TractMatchOptions) -> Floats:
    """Cost of each visit as the reference; NaN for one that shares too little."""
    y, x = (p.ravel() for p in np.indices(levels.grid.shape) - 0.0)
    terms = []
    for values, variances in zip(levels.values, levels.variances, strict=True):
        good = np.isfinite(values.ravel()) & (variances.ravel() > 0)
        if np.count_nonzero(good) <= 3:
            terms.append((np.nan, np.nan, np.nan))
            continue
        z, v = values.ravel()[good], variances.ravel()[good]
        design = np.stack([np.ones(z.size), y[good], x[good]], axis=1) / np.sqrt(v)[:, None]
        rest = z / np.sqrt(v) - design @ np.linalg.lstsq(design, z / np.sqrt(v), rcond=None)[0]
        terms.append((float(rest @ rest) / (z.size - 3), float(v.mean()), float(z.size)))
    chi2, variance, n = np.array(terms).T
    if np.isnan(n).all():
        return np.full(len(terms), np.nan)
    cost = options.weight_chi2 * chi2 / max(float(np.nanmax(chi2)), 1e-300)
    cost = cost + options.weight_variance * variance / np.nanmax(variance)
    return np.asarray(cost + options.weight_coverage * np.nanmin(n) / n)


def match_tract(
    refs: Sequence[WarpRef],
    options: TractMatchOptions | None = None,
    *,
    reference: int | None = None,
    max_memory: int = 2 * 2**30,
    on_step: Callable[[int], None] | None = None,
) -> tuple[list[MatchResult], int]:
    """Match the backgrounds of visits to that of one visit.

    Parameters
    ----------
    refs : sequence of WarpRef
        Warps of all visits and patches, in the pixels of the tract; `visit` in the identification
        says what belongs together.
    options : TractMatchOptions, optional
        Superpixels, choice of the reference.
    reference : int, optional
        Index of a warp of the reference visit; by default the visit of the least cost.
    max_memory : int
        Bytes that may be held while the warps are read.
    on_step : callable, optional
        Called with the number of pixels of the tract that are done.

    Returns
    -------
    list of MatchResult
        One for each warp, in order. Those of the reference visit have no model.
    int
        Index of the first warp of the reference visit.

    Raises
    ------
    NoOverlapError
        No two visits overlap.
    OptionError
        The reference is none of the warps, or overlaps no other visit.
    """
    options = TractMatchOptions() if options is None else options
    if reference is not None and not 0 <= reference < len(refs):
        raise OptionError(f"reference: got {reference}, must be 0 to {len(refs) - 1}")
    visits = _by_visit(refs)
    grid = _grid(refs, options.cell_size)
    measure = measure_levels if options.binning == "exact" else measure_medians
    levels = measure(
        [_Visit([refs[k] for k in visit]) for visit in visits],
        grid,
        options.bad_planes,
        min_fraction=options.min_fraction,
        max_memory=max_memory,
        on_step=on_step,
    )
    levels = replace(levels, variances=levels.variances * options.variance_inflation)
    costs = _costs(levels, options)
    if not np.isfinite(costs).any():
        raise NoOverlapError(f"no two of {len(visits)} visits share superpixels of good pixels")
    chosen = int(np.nanargmin(costs))
    if reference is not None:
        chosen = next(n for n, visit in enumerate(visits) if reference in visit)
        if not np.isfinite(levels.values[chosen]).any():
            raise OptionError(f"reference: {name_of(refs[reference])} overlaps no other visit")
    results: dict[int, MatchResult] = {}
    for n, visit in enumerate(visits):
        made = None if n == chosen else _match(levels, n, chosen, options)
        for k in visit:
            results[k] = _result(refs[k], n == chosen, made)
    return [results[k] for k in range(len(refs))], visits[chosen][0]


def _match(
    levels: CellLevels, visit: int, chosen: int, options: TractMatchOptions
) -> tuple[TractModel, Floats] | None:
    """Background of a visit on the whole tract, and what smoothing left of the differences.

    None where it shares nothing with the reference.
    """
    difference = levels.values[chosen] - levels.values[visit]
    measured = np.isfinite(difference)
    if not measured.any():
        return None
    wanted = difference
    if options.smooth > 0:
        wanted = smooth_cells(difference, ~measured, options.smooth)
    variances = levels.variances[chosen] + levels.variances[visit]
    # A variance beyond float32 becomes infinite.
    with np.errstate(over="ignore"):
        narrow = np.where(measured, variances, np.nan).astype(np.float32)
    background = BackgroundModel(
        fill_cells(np.where(measured, wanted, np.nan)).astype(np.float32),
        narrow,
        levels.grid.box,
        BackgroundOptions(bin_size=options.cell_size, algorithm=options.interp_style),
    )
    rest = (difference - wanted)[measured]
    return TractModel(background, levels.grid, measured, levels.grid.box), rest


def _result(
    ref: WarpRef, is_reference: bool, match: tuple[TractModel, Floats] | None
) -> MatchResult:
    name = name_of(ref)
    if is_reference:
        return MatchResult(name, "reference")
    if match is None:
        message = "its visit shares no superpixel of good pixels with the reference"
        return MatchResult(name, "failed", message=message)
    model, rest = match
    mse = float(np.mean(rest**2))
    variance = float(model.background.variances[model.measured].mean(dtype=np.float64))
    return MatchResult(
        name,
        "ok",
        replace(model, part=ref.box()),
        fit_rms=float(np.sqrt(mse)),
        matched_mse=mse,
        diff_variance=variance,
        model_variance=variance,
        bin_variance=variance,
    )

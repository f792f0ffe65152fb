# SPDX-License-Identifier: BSD-3-Clause
"""Means over bins of the curves through sky frames: their errors, and curves that keep means."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import background as _core
from deepcoadd.background._curves import interpolate_nodes
from deepcoadd.background._grid import bin_centers
from deepcoadd.background._model import BackgroundModel
from deepcoadd.geometry import Box

__all__ = ["curve_variances", "means_over_bins", "through_means"]

Floats = NDArray[np.float64]

_NODES = {"CONSTANT": 1, "LINEAR": 2, "NATURAL_SPLINE": 3, "CUBIC_SPLINE": 3}


def curve_variances(sky: BackgroundModel, cells: NDArray[np.int64]) -> Floats:
    """Squared errors of the means of a sky frame over cells, from those of its bins.

    A mean over a cell is a sum of bins with weights that are products of one along y and one along
    x, as the curve is laid along one axis after the other.
    """
    variances = np.where(np.isfinite(sky.variances), sky.variances, 0.0).astype(np.float64)
    at = []
    for axis, (length, n) in enumerate(zip(sky.box.shape, sky.values.shape, strict=True)):
        # A row of cells begins where no other does.
        _, first, which = np.unique(cells[:, 2 * axis], return_index=True, return_inverse=True)
        edges = cells[first, 2 * axis : 2 * axis + 2].ravel().tolist()
        weights = _bin_weights(length, n, sky.options.algorithm, tuple(edges))
        # Not by `@`: its threads would go on waiting for more of it while the kernels work.
        variances = np.einsum("ij,jk->ki", weights**2, variances)
        at.append(which)
    return np.asarray(variances[at[0], at[1]])


def means_over_bins(sky: BackgroundModel) -> Floats:
    """(ny, nx): means of the curve of a sky frame over its own bins."""
    y, x = _own_weights(sky)
    return np.asarray(y @ sky.values.astype(np.float64) @ x.T)


def through_means(means: BackgroundModel) -> BackgroundModel:
    """Sky frame whose curve has given means over its bins.

    A curve *through* the means of a pattern is flatter than the pattern. The variances are such
    that those of the means of the curve are the ones given.

    Parameters
    ----------
    means : BackgroundModel
        Means over the bins, all finite, and their variances, NaN where not known.
    """
    y, x = _own_weights(means)
    values = _unfolded(y, means.values.astype(np.float64), x)
    known = np.isfinite(means.variances)
    variances = means.variances.astype(np.float64)
    if known.any():
        filled = np.where(known, variances, np.median(variances[known]))
        found = _unfolded(y**2, filled, x**2)
        variances = np.where(known, np.maximum(found, filled), np.nan)
    return replace(means, values=values.astype(np.float32), variances=variances.astype(np.float32))


def _own_weights(sky: BackgroundModel) -> list[Floats]:
    """Share of each bin in the mean of the curve over each bin, along y and along x."""
    return [
        _bin_weights(length, n, sky.options.algorithm, _pairs(_core.edges(length, n)))
        for length, n in zip(sky.box.shape, sky.values.shape, strict=True)
    ]


def _pairs(edges: list[int]) -> tuple[int, ...]:
    return tuple(edge for pair in itertools.pairwise(edges) for edge in pair)


def _unfolded(y: Floats, means: Floats, x: Floats) -> Floats:
    """Values of which y @ values @ x.T are the means."""
    return np.asarray(np.linalg.solve(x, np.linalg.solve(y, means).T).T)


@functools.lru_cache(maxsize=8)
def _bin_weights(length: int, n: int, style: str, edges: tuple[int, ...]) -> Floats:
    """(cells, n): share of each bin in the mean of the curve over each cell of an axis."""
    centers = bin_centers(Box.from_shape((length, length)), (n, n))[0]
    # Only the Akima spline is not linear in the values; the natural one is near enough to it.
    style = "NATURAL_SPLINE" if style == "AKIMA_SPLINE" else style
    for simpler in (style, "NATURAL_SPLINE", "LINEAR", "CONSTANT"):
        if n >= _NODES[simpler]:
            style = simpler
            break
    pixels = np.arange(length)
    curves = np.stack([interpolate_nodes(centers, one, pixels, style) for one in np.eye(n)])
    starts, stops = edges[::2], edges[1::2]
    return np.stack([curves[:, a:b].mean(axis=1) for a, b in zip(starts, stops, strict=True)])

# SPDX-License-Identifier: BSD-3-Clause
"""Curves through nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._core import background as _core
from deepcoadd.background._options import BackgroundOptions

__all__ = ["Curves", "interpolate_nodes"]


@dataclass(frozen=True)
class Curves:
    """What the core wants to know of the curves through a grid.

    Attributes
    ----------
    style, edge : str
        As in `BackgroundOptions`.
    reduce : bool
        Whether a simpler curve may stand in.
    edge_reach : float
        As there.
    centres_y, centres_x : list of float
        Places of the rows and columns of the grid.
    """

    style: str
    reduce: bool
    edge: str
    edge_reach: float
    centres_y: list[float]
    centres_x: list[float]

    @classmethod
    def of(cls, options: BackgroundOptions, centers: tuple[NDArray[np.float64], ...]) -> Curves:
        """Curves of some options through bins at some places (y, x)."""
        return cls(
            options.algorithm,
            options.reduce,
            options.edge,
            options.edge_reach,
            *(positions.tolist() for positions in centers),
        )


def interpolate_nodes(
    x: ArrayLike,
    y: ArrayLike,
    at: ArrayLike,
    style: str = "AKIMA_SPLINE",
    *,
    edge: str = "quadratic",
    edge_reach: float = math.inf,
) -> NDArray[np.float64]:
    """Values of a curve through nodes.

    Parameters
    ----------
    x, y : (n,) float64 arrays
        Nodes: rising abscissae, and values. n >= 1 for CONSTANT, 2 for LINEAR, 3 for
        NATURAL_SPLINE and CUBIC_SPLINE, 5 for AKIMA_SPLINE.
    at : (m,) float64 array
        Where to evaluate; NaN gives NaN.
    style : str
        One of these names.
    edge, edge_reach : str and float
        What goes on beyond the outermost nodes, and how far: see `BackgroundOptions`.

    Returns
    -------
    (m,) float64 array
        ``docs/algorithms/background.md``, "Curves".

    Raises
    ------
    ShapeError
        Nodes are too few for the style, or their abscissae and values differ in number.
    OptionError
        The abscissae do not rise, or a name is not known.
    """
    nodes, values, places = (np.ravel(np.asarray(a, np.float64)).tolist() for a in (x, y, at))
    return _core.interpolate(nodes, values, places, style=style, edge=edge, edge_reach=edge_reach)

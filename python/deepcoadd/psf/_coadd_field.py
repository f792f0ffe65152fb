# SPDX-License-Identifier: BSD-3-Clause
"""A function of position of a coadd: the weighted mean of those of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import NoDataError
from deepcoadd.geometry import Box
from deepcoadd.photocalib import ChebyshevField
from deepcoadd.polygon import Polygon
from deepcoadd.psf._transforms import PixelTransform, Values, transform_from

__all__ = ["CoaddField", "CoaddFieldInput"]


@dataclass(frozen=True, eq=False)
class CoaddFieldInput:
    """Function of position of one input of a coadd.

    Parameters
    ----------
    field : ChebyshevField
        In pixels of the input; valid in its box.
    transform : PixelTransform
        From the pixels of the input to those of the coadd.
    weight : float
        Relative.
    polygon : Polygon, optional
        Where the input is valid, in its own pixels.
    """

    field: ChebyshevField
    transform: PixelTransform
    weight: float
    polygon: Polygon | None = None


@dataclass(frozen=True, eq=False)
class CoaddField:
    """Weighted mean of the functions of the inputs that are valid at a position.

    Parameters
    ----------
    inputs : tuple of CoaddFieldInput
        At least one.

    Notes
    -----
    ``sum w f(q) / sum w`` over the inputs whose field box (half-open) and polygon (strictly) hold
    the source position q. ``docs/algorithms/psf.md``, "Aperture corrections".
    """

    inputs: tuple[CoaddFieldInput, ...]

    def evaluate(self, *, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Value at positions of the coadd; the arrays broadcast.

        Raises
        ------
        NoDataError
            No input is valid at one of the positions.
        """
        ys, xs = np.broadcast_arrays(np.asarray(y, float), np.asarray(x, float))
        total, weight = np.zeros(ys.shape), np.zeros(ys.shape)
        for one in self.inputs:
            source_y, source_x = one.transform.inverse(ys, xs)
            inside = _inside(one.field.box, source_y, source_x)
            if one.polygon is not None:
                inside &= one.polygon.contains(y=source_y, x=source_x)
            safe_y, safe_x = (np.where(inside, s, 0.0) for s in (source_y, source_x))
            value = one.field.evaluate(y=safe_y, x=safe_x)
            total += np.where(inside, one.weight * value, 0.0)
            weight += np.where(inside, one.weight, 0.0)
        if not (weight > 0).all():
            where = np.argwhere(~np.atleast_1d(weight > 0))[0]
            first = np.atleast_1d(ys)[tuple(where)], np.atleast_1d(xs)[tuple(where)]
            raise NoDataError(f"no input of the coadd is valid at y, x = {first}")
        return np.asarray(total / weight)

    def reweighted(self, weight: float, *, y: float, x: float) -> tuple[CoaddFieldInput, ...]:
        """Inputs for a coadd that this one is an input of, moved by (y, x)."""
        return tuple(
            replace(one, weight=weight * one.weight, transform=one.transform.shifted_by(y=y, x=x))
            for one in self.inputs
        )

    def numbers(self) -> list[dict[str, Any]]:
        """Numbers and texts to write."""
        return [
            {
                "box": list(_limits(one.field.box)),
                "coefficients": one.field.coefficients,
                "transform": one.transform.numbers(),
                "weight": one.weight,
                "polygon": None if one.polygon is None else one.polygon.vertices,
            }
            for one in self.inputs
        ]

    @classmethod
    def from_numbers(cls, numbers: Sequence[Any]) -> CoaddField:
        """Field of what `numbers` gave."""
        inputs = []
        for one in numbers:
            y0, y1, x0, x1 = one["box"]
            rows = tuple(tuple(map(float, row)) for row in one["coefficients"])
            polygon = one["polygon"]
            inputs.append(
                CoaddFieldInput(
                    ChebyshevField(Box.from_shape((y1 - y0, x1 - x0), start=(y0, x0)), rows),
                    transform_from(one["transform"]),
                    float(one["weight"]),
                    None if polygon is None else Polygon(tuple((y, x) for y, x in polygon)),
                )
            )
        return cls(tuple(inputs))


def _limits(box: Box) -> tuple[int, int, int, int]:
    return box.y.start, box.y.stop, box.x.start, box.x.stop


def _inside(box: Box, y: Values, x: Values) -> npt.NDArray[np.bool_]:
    """Whether positions lie on the pixels of a box (half-open); NaN does not."""
    y0, y1, x0, x1 = (limit - 0.5 for limit in _limits(box))
    return np.asarray((y >= y0) & (y < y1) & (x >= x0) & (x < x1))

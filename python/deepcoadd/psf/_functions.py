# SPDX-License-Identifier: BSD-3-Clause
"""Functions of position whose values weight the basis images of a kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError

__all__ = ["Chebyshev2", "Polynomial2", "SpatialFunction", "order_of", "powers"]


class SpatialFunction(Protocol):
    """A function of position."""

    def at(self, *, y: float, x: float) -> float:
        """Value at a position (parent pixels)."""
        ...


def powers(order: int) -> list[tuple[int, int]]:
    """Powers (of x, of y) of the terms up to a total degree.

    By degree, and inside a degree by falling power of x: 1; x, y; x^2, xy, y^2; ...
    """
    return [(degree - j, j) for degree in range(order + 1) for j in range(degree + 1)]


def order_of(n_terms: int) -> int:
    """Degree of a function of so many coefficients.

    Raises
    ------
    OptionError
        The number is not 1, 3, 6, 10, ...
    """
    order = (math.isqrt(8 * n_terms + 1) - 3) // 2
    if n_terms < 1 or (order + 1) * (order + 2) // 2 != n_terms:
        raise OptionError(f"{n_terms} coefficients: expected 1, 3, 6, 10, 15, ...")
    return order


@dataclass(frozen=True)
class Polynomial2:
    """Polynomial of x and y.

    Parameters
    ----------
    coefficients : tuple of float
        In the order of `powers`.
    """

    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        order_of(len(self.coefficients))

    def at(self, *, y: float, x: float) -> float:
        """Value at a position."""
        terms = powers(order_of(len(self.coefficients)))
        return math.fsum(
            c * x**p * y**q for c, (p, q) in zip(self.coefficients, terms, strict=True)
        )


@dataclass(frozen=True)
class Chebyshev2:
    """Sum of products of Chebyshev polynomials of the first kind, cut at a total degree.

    Parameters
    ----------
    coefficients : tuple of float
        In the order of `powers`; the term of powers (p, q) is ``T_p(x') T_q(y')``.
    x_range, y_range : (float, float)
        What maps to -1 and 1, in parent pixels; positions outside are allowed.
    """

    coefficients: tuple[float, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def __post_init__(self) -> None:
        order_of(len(self.coefficients))
        for low, high in (self.x_range, self.y_range):
            if not low < high:
                raise OptionError(f"range ({low}, {high}): expected low < high")

    def at(self, *, y: float, x: float) -> float:
        """Value at a position."""
        order = order_of(len(self.coefficients))
        t_x = _chebyshev(order, _scaled(x, self.x_range))
        t_y = _chebyshev(order, _scaled(y, self.y_range))
        terms = powers(order)
        return math.fsum(
            c * t_x[p] * t_y[q] for c, (p, q) in zip(self.coefficients, terms, strict=True)
        )


def _scaled(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return (value - 0.5 * (low + high)) * 2.0 / (high - low)


def _chebyshev(order: int, t: float) -> npt.NDArray[np.float64]:
    """Values of T_0 .. T_order."""
    values = np.ones(order + 1)
    if order:
        values[1] = t
    for n in range(2, order + 1):
        values[n] = 2.0 * t * values[n - 1] - values[n - 2]
    return values

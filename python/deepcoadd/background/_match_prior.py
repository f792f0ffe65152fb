# SPDX-License-Identifier: BSD-3-Clause
"""How smooth the differences of backgrounds are, found from themselves.

The difference of two backgrounds is a polynomial of third degree plus a Gaussian random field.
Its length, its strength against the noise of the cells, and the form of its spectrum are those
under which the differences of some pairs of exposures are most likely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import linalg as _core
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.background._match_series import Series

__all__ = ["FieldPrior", "most_likely_prior", "pairs_of"]

Floats = NDArray[np.float64]

_FORMS = ("gaussian", "matern")
_N_LENGTHS = 8
"""Lengths that are tried, from the shortest that the cosines can show to the side of the box."""

_STRENGTHS = tuple(np.geomspace(1e-2, 1e6, 33).tolist())
"""Variances of the field that are tried, in units of the median variance of a cell."""

_FREE = 1e4
"""Prior variance of the polynomials but the constant, in units of that of the field or of a cell,
whichever is larger: they are free where the data say anything, and do not run away elsewhere."""

_MOST_PAIRS = 8

_LEAST_SHARE = 1e-7
"""Terms weaker than this against the strongest are left out while lengths are compared."""

_LEAST_NOISE = 1e-12
"""Noise of data without any, whose logarithm is wanted."""


@dataclass(frozen=True)
class FieldPrior:
    """A random field, and what was found of it.

    Attributes
    ----------
    form : {"gaussian", "matern", "none"}
        Spectrum: Gaussian, or falling with the seventh power of the wave number (Matern 5/2).
    length : float
        Correlation length [pixels].
    amplitude : float
        Standard deviation of the field of one exposure [unit of the image].
    noise : float
        Variance of the cells over what the scatter of their pixels says.
    variances : (K,) float64 array
        Prior variance of the factor of each term of the series [unit of the image squared].
    """

    form: str
    length: float
    amplitude: float
    noise: float
    variances: Floats


def pairs_of(weights: Floats, min_cells: int) -> list[tuple[int, int]]:
    """Pairs of exposures that share many cells; each exposure is in two if it can be.

    Parameters
    ----------
    weights : (n, cells) float64 array
        Above 0 where an exposure has a level.
    min_cells : int
        Cells that a pair shares at least.
    """
    n = len(weights)
    has = (weights > 0).astype(np.float64)
    shared = np.triu(has @ has.T, 1)
    uses = np.zeros(n, int)
    found: list[tuple[int, int]] = []
    for flat in np.argsort(-shared, axis=None, kind="stable"):
        e, f = divmod(int(flat), n)
        if shared[e, f] < min_cells or len(found) == _MOST_PAIRS:
            break
        if max(uses[e], uses[f]) < 2:
            found.append((e, f))
            uses[[e, f]] += 1
    return found


def _share(series: Series, form: str, length: float) -> Floats:
    """(K,): share of each term in the variance of a field; 0 for polynomials."""
    squares, norms = series.spectrum()
    k2 = squares * length**2
    density = np.exp(-0.5 * k2) if form == "gaussian" else (1.0 + k2 / 5.0) ** -3.5
    density = density * norms
    return np.concatenate([np.zeros(series.n_polynomials), density / density.sum()])


@dataclass(frozen=True)
class _PairSums:
    """Sums over the cells of one pair, with the polynomials fitted and taken out."""

    matrix: Floats
    vector: Floats
    square: float
    n: int

    @classmethod
    def of(
        cls, values: Floats, weights: Floats, phi: Floats, n_polynomials: int, pair: tuple[int, int]
    ) -> _PairSums:
        """Sums of the cosines of the difference of two exposures."""
        e, f = pair
        both = (weights[e] > 0) & (weights[f] > 0)
        root = np.sqrt(1.0 / (1.0 / weights[e][both] + 1.0 / weights[f][both]))
        y, part = root * (values[e] - values[f])[both], phi[both] * root[:, None]
        sums = _core.reduced_sums(part, y[:, None], n_polynomials)
        return cls(*sums, int(both.sum()) - n_polynomials)

    def evidence(self, variances: Floats, strengths: list[float]) -> tuple[Floats, Floats]:
        """Squared residuals in units of the noise, and log of the determinant.

        Both (priors, strengths), from (priors, waves) variances.
        """
        return _core.evidence(
            self.matrix,
            self.vector[:, None],
            self.square,
            variances,
            strengths,
            least_share=_LEAST_SHARE,
        )


def most_likely_prior(
    values: Floats,
    weights: Floats,
    series: Series,
    phi: Floats,
    pairs: Sequence[tuple[int, int]],
) -> FieldPrior:
    """Prior of the backgrounds under which the differences of some pairs are most likely.

    Parameters
    ----------
    values, weights : (n, cells) float64 array
        Levels, and one over their variances; 0 where there is none.
    series : Series
        Polynomials and cosines.
    phi : (cells, K) float64 array
        Their means over the cells.
    pairs : sequence of (int, int)
        At least one; each shares more cells than there are polynomials.

    Returns
    -------
    FieldPrior
    """
    n_polynomials = series.n_polynomials

    def of(pair: tuple[int, int]) -> _PairSums:
        return _PairSums.of(values, weights, phi, n_polynomials, pair)

    sums = list(in_turn(pairs, of, n_workers(len(pairs))))
    unit = float(np.median(1.0 / weights[weights > 0]))
    n_free = sum(s.n for s in sums)
    strengths = unit * np.array(_STRENGTHS)
    lengths = np.geomspace(series.shortest, max(series.grid.box.shape), _N_LENGTHS)
    kinds = [(form, float(length)) for form in _FORMS for length in lengths]
    shares = np.array([_share(series, *kind) for kind in kinds])
    # The difference of two fields has twice the variance.
    doubled = 2.0 * shares[:, n_polynomials:]
    found = [s.evidence(doubled, strengths.tolist()) for s in sums]
    noises = np.maximum(sum(square for square, _ in found) / n_free, _LEAST_NOISE)
    likelihood = -0.5 * (n_free * np.log(noises) + sum(logs for _, logs in found))
    i, k = np.unravel_index(np.argmax(likelihood), likelihood.shape)
    noise, strength = float(noises[i, k]), float(strengths[k])
    variances = noise * strength * shares[i]
    amplitude = math.sqrt(noise * strength)
    variances[:n_polynomials] = _FREE * max(noise * unit, amplitude**2)
    variances[0] = np.inf
    return FieldPrior(*kinds[i], amplitude, noise, variances)

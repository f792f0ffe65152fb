# SPDX-License-Identifier: BSD-3-Clause
"""Joint least squares of smooth backgrounds of many exposures over one common scene.

Level of exposure e in cell s: scene_s + phi_s . b_e + noise. The scene is eliminated; the factors
b_e follow from the normal equations with a prior on each term. Adding one function to all b_e
changes nothing: the solution has a sum of 0 in each group of overlapping exposures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import linalg as _core
from deepcoadd.errors import ConvergenceError, SingularError

__all__ = ["JointFit", "fit_jointly", "groups_of", "residuals"]

Floats = NDArray[np.float64]

_MOST_DENSE = 2500
"""Unknowns up to which the normal equations are factorised whole (50 MB)."""

_TOLERANCE = 1e-12
_MOST_STEPS = 2000
_LEAST_PIVOT = 1e-13


@dataclass(frozen=True)
class JointFit:
    """Factors of the backgrounds of n exposures.

    Attributes
    ----------
    factors : (n, K) float64 array
        Of each term.
    covariances : (n, K, K) float64 array
        Of the factors of each exposure about the mean of all, for the variances as given. With
        many unknowns the errors of the other exposures are left out.
    n_effective : float
        Number of parameters that the levels determine, those that the prior does left out.
    """

    factors: Floats
    covariances: Floats
    n_effective: float


def groups_of(weights: Floats, min_cells: int) -> list[list[int]]:
    """Groups of exposures that overlap, directly or through others; the largest first.

    Parameters
    ----------
    weights : (n, cells) float64 array
        Above 0 where an exposure has a level.
    min_cells : int
        Cells that two exposures share at least.
    """
    has = (weights > 0).astype(np.float64)
    linked = has @ has.T >= min_cells
    left, groups = set(range(len(weights))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(f) for e in edge for f in np.flatnonzero(linked[e])} - group
        left -= group
        groups.append(sorted(group))
    return sorted(groups, key=lambda group: (-len(group), group))


def residuals(values: Floats, weights: Floats) -> Floats:
    """(n, cells): values less the weighted mean of all exposures of a cell; 0 without weight."""
    total = weights.sum(axis=0)
    mean = (weights * values).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.asarray(np.where(weights > 0, values - mean, 0.0))


def fit_jointly(values: Floats, weights: Floats, phi: Floats, precision: Floats) -> JointFit:
    """Fit the exposures of one group.

    Parameters
    ----------
    values, weights : (n, cells) float64 array
        Levels, finite, and one over their variances; 0 where there is none.
    phi : (cells, K) float64 array
        Terms.
    precision : (K,) float64 array
        One over the prior variance of the factor of each term; 0: free.

    Returns
    -------
    JointFit

    Raises
    ------
    SingularError
        The levels and the prior do not determine all terms.
    ConvergenceError
        The iteration for many unknowns does not end.
    """
    rhs = (weights * residuals(values, weights)) @ phi
    curvature = np.einsum("es,sk->k", weights, phi**2) / len(weights)
    scale = 1.0 / np.sqrt(np.where(curvature + precision > 0, curvature + precision, 1.0))
    scaled, prior = phi * scale, precision * scale**2
    n, k = rhs.shape
    if n * k <= _MOST_DENSE:
        factors, covariances, held = _dense(weights, scaled, prior, rhs * scale)
    else:
        factors, covariances = _iterated(weights, scaled, prior, rhs * scale)
        held = float(np.einsum("ekk,k->", covariances, prior)) + k
    factors -= factors.mean(axis=0)
    return JointFit(factors * scale, covariances * np.outer(scale, scale), n * k - held)


def _shares(weights: Floats) -> Floats:
    total = weights.sum(axis=0)
    return np.asarray(weights / np.where(total > 0, total, 1.0))


def _dense(
    weights: Floats, phi: Floats, prior: Floats, rhs: Floats
) -> tuple[Floats, Floats, float]:
    """Factors, covariances, and the number of parameters that prior and gauge determine."""
    n, k = rhs.shape
    shares = _shares(weights)
    matrix = np.empty((n, k, n, k))
    for e in range(n):
        pairs = -weights[e] * shares[: e + 1]
        pairs[e] += weights[e]
        # Not by `@`: the threads of numpy's linear algebra are others than those asked for.
        for f, block in enumerate(_core.normal_matrices(phi, pairs)):
            matrix[e, :, f], matrix[f, :, e] = block, block.T
        matrix[e, :, e] += np.diag(prior)
    # The common function of all, which nothing determines: its sum is made 0.
    matrix += np.eye(k)[None, :, None, :]
    flat = matrix.reshape(n * k, n * k)
    diagonal = flat.diagonal().copy()
    full, pivots = _core.positive_inverse(flat)
    if not (pivots > _LEAST_PIVOT * np.maximum(diagonal, 1.0)).all():
        raise SingularError(
            f"the overlaps of {n} exposures do not determine the {k} terms of their backgrounds: "
            "lower the order, or raise the ridge"
        )
    factors = (full @ rhs.ravel()).reshape(n, k)
    # One step of refinement: the prior spans many orders of magnitude.
    factors += (full @ (rhs.ravel() - flat @ factors.ravel())).reshape(n, k)
    blocks = full.reshape(n, k, n, k)
    own, means = np.stack([blocks[e, :, e] for e in range(n)]), blocks.mean(axis=2)
    covariances = own - means - np.transpose(means, (0, 2, 1)) + means.mean(axis=0)
    held = float(np.einsum("ekk,k->", own, prior)) + float(np.einsum("ekfk->", blocks))
    return factors, covariances, held


def _iterated(weights: Floats, phi: Floats, prior: Floats, rhs: Floats) -> tuple[Floats, Floats]:
    """Conjugate gradients, with the own block of each exposure as preconditioner."""
    shares = _shares(weights)
    covariances = np.empty((len(rhs), len(prior), len(prior)))
    for e, (w, share) in enumerate(zip(weights, shares, strict=True)):
        block = phi.T @ (phi * (w * (1 - share))[:, None]) + np.diag(prior)
        covariances[e] = np.linalg.pinv(block, rcond=1e-13, hermitian=True)

    def product(factors: Floats) -> Floats:
        own = factors @ phi.T
        common = (shares * own).sum(axis=0)
        return np.asarray((weights * (own - common)) @ phi + factors * prior)

    def precondition(vector: Floats) -> Floats:
        found = np.einsum("ekl,el->ek", covariances, vector)
        return np.asarray(found - found.mean(axis=0))

    factors = np.zeros_like(rhs)
    left = rhs.copy()
    step = precondition(left)
    size = float((left * step).sum())
    first = size
    for _ in range(_MOST_STEPS):
        if size <= _TOLERANCE**2 * max(first, np.finfo(float).tiny):
            return factors, covariances
        ahead = product(step)
        length = size / float((step * ahead).sum())
        factors += length * step
        left -= length * ahead
        found = precondition(left)
        size, before = float((left * found).sum()), size
        step = found + (size / before) * step
    raise ConvergenceError(
        f"the joint fit of {len(rhs)} exposures did not converge in {_MOST_STEPS} steps: lower the "
        "order, or raise the ridge"
    )

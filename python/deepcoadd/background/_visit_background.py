# SPDX-License-Identifier: BSD-3-Clause
"""Background of a visit in one linear fit to the bins of all its detectors, sky frames included.

No pixel is read: the bins of each detector are the data, polynomials over the focal plane, levels
of detectors and the sky frames the terms.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import check_choice, check_count, check_positive
from deepcoadd._core import background as _core
from deepcoadd.background._approximate import chebyshev_terms
from deepcoadd.background._least_squares import normal_equations
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._superpixels import FrameTransform
from deepcoadd.errors import NoDataError, ShapeError, SingularError

__all__ = ["VisitBackground", "VisitBackgroundOptions", "VisitBins", "fit_visit_background"]

Floats = NDArray[np.float64]

_TERMS = ("total", "tensor")
_LEVELS = ("common", "kinds", "detectors")

_DETERMINED = 1e-12
"""Share of the largest eigenvalue of the normal matrix, of columns of length 1, below which a sum
of terms is not determined."""


@dataclass(frozen=True)
class VisitBackgroundOptions:
    """How the background of a visit is fitted.

    Attributes
    ----------
    y_order, x_order : int
        Degrees of the Chebyshev polynomials over the focal plane.
    terms : {"total", "tensor"}
        Products of powers up to a total degree (the larger of the two), or all of them.
    levels : {"common", "kinds", "detectors"}
        One constant for all detectors, or one for each kind of them, or for each of them.
    fit_sky_frame : bool
        Fit a multiple of the sky frames, where there are.
    clip_positive, clip_negative : float, optional
        Bins farther above (below) the fit than this [unit of the image] do not count; None: all do.
    n_iter : int
        Most rounds of clipping.
    weighting : bool
        Weight bins by one over their squared errors, which must be above 0; those of others do not
        count.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    y_order: int = 6
    x_order: int = 6
    terms: str = "total"
    levels: str = "common"
    fit_sky_frame: bool = True
    clip_positive: float | None = 50.0
    clip_negative: float | None = None
    n_iter: int = 10
    weighting: bool = True

    def __post_init__(self) -> None:
        check_choice("terms", self.terms, _TERMS)
        check_choice("levels", self.levels, _LEVELS)
        for name in ("y_order", "x_order", "n_iter"):
            check_count(name, getattr(self, name), 0)
        for name in ("clip_positive", "clip_negative"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))


@dataclass(frozen=True)
class VisitBins:
    """What is known of one detector.

    Attributes
    ----------
    background : BackgroundModel
        Bins of its image; NaN bins do not count.
    transform : FrameTransform
        Where its pixels are on the focal plane, in any unit.
    sky : BackgroundModel, optional
        Its sky frame, of the same box and any bins; None: 0.
    kind : hashable, optional
        What detectors of one kind have in common.
    """

    background: BackgroundModel
    transform: FrameTransform
    sky: BackgroundModel | None = None
    kind: Hashable = None


@dataclass(frozen=True)
class VisitBackground:
    """Background of a visit.

    Attributes
    ----------
    backgrounds : dict
        Of each detector by its name: the fit in all of its bins, with the squared errors of the
        fit; box, bins and curve are those of its data.
    scale, scale_error : float
        Multiple of the sky frames, and its standard error; 0 and NaN without them.
    terms : tuple of (int, int)
        Degrees (y, x) of the polynomials, without the constant.
    factors : (p,) float64 array
        Levels, polynomials, scale (where it was fitted).
    covariance : (p, p) float64 array
        Their covariance: by the errors of the bins, or without weights by their scatter.
    levels : dict
        Constant of each detector.
    residuals : dict
        Of each detector by its name: (ny, nx) float64, bins less the fit; NaN where a bin is.
    chi2 : float
        Sum of the squared residuals of the bins that count, over their squared errors.
    n_used, n_clipped : int
        Bins that count; that clipping left out.
    """

    backgrounds: dict[Any, BackgroundModel]
    scale: float
    scale_error: float
    terms: tuple[tuple[int, int], ...]
    factors: Floats
    covariance: Floats
    levels: dict[Any, float]
    residuals: dict[Any, Floats]
    chi2: float
    n_used: int
    n_clipped: int

    @property
    def dof(self) -> int:
        """Bins that count less terms."""
        return self.n_used - len(self.factors)


@dataclass(frozen=True)
class _Rows:
    """Terms, data and weights of the bins of one detector; weight 0: it does not count."""

    design: Floats
    data: Floats
    weights: Floats


Good = Mapping[Any, NDArray[np.bool_]]


def fit_visit_background(
    detectors: Mapping[Any, VisitBins], options: VisitBackgroundOptions | None = None
) -> VisitBackground:
    """Fit the background of a visit to the bins of all its detectors.

    Parameters
    ----------
    detectors : mapping of name to VisitBins
        Bins, places and sky frames.
    options : VisitBackgroundOptions, optional
        Polynomials, levels, clipping.

    Returns
    -------
    VisitBackground
        ``docs/algorithms/sky-frames.md``, "Backgrounds of visits".

    Raises
    ------
    NoDataError
        There are no detectors, or no bin counts.
    ShapeError
        A sky frame covers other pixels than the bins of its detector.
    SingularError
        The bins do not determine all terms.
    """
    options = VisitBackgroundOptions() if options is None else options
    if not detectors:
        raise NoDataError("visit background: got no detectors, must be at least one")
    problem = _Problem.of(detectors, options)
    good = problem.known
    if not any(part.any() for part in good.values()):
        raise NoDataError("visit background: no bin of any detector has a value and an error")
    factors, covariance = problem.solved(good)
    for _ in range(options.n_iter):
        kept = problem.kept(factors)
        if all(np.array_equal(kept[name], good[name]) for name in kept):
            break
        good = kept
        factors, covariance = problem.solved(good)
    return problem.result(good, factors, covariance)


@dataclass(frozen=True)
class _Problem:
    """Bins and terms of a visit."""

    detectors: Mapping[Any, VisitBins]
    options: VisitBackgroundOptions
    terms: tuple[tuple[int, int], ...]
    of_level: Mapping[Any, int]
    scaled: bool
    rows: Mapping[Any, _Rows]

    @classmethod
    def of(cls, detectors: Mapping[Any, VisitBins], options: VisitBackgroundOptions) -> _Problem:
        every = chebyshev_terms((options.y_order, options.x_order), options.terms)
        terms = tuple(term for term in every if term != (0, 0))
        of_level = _levels(detectors, options.levels)
        scaled = options.fit_sky_frame and any(d.sky is not None for d in detectors.values())
        places = _places(detectors)
        rows = {}
        for name, one in detectors.items():
            y, x = places[name]
            in_y, in_x = (
                np.polynomial.chebyshev.chebvander(v, order)
                for v, order in ((y, options.y_order), (x, options.x_order))
            )
            level = np.zeros((y.size, max(of_level.values()) + 1))
            level[:, of_level[name]] = 1.0
            columns = [level, *((in_y[:, j] * in_x[:, i])[:, None] for j, i in terms)]
            if scaled:
                columns.append(_frame_in_bins(name, one).reshape(-1, 1))
            rows[name] = _Rows(np.hstack(columns), *_data(one.background, options.weighting))
        return cls(detectors, options, terms, of_level, scaled, rows)

    @property
    def known(self) -> Good:
        """Bins that have a value and a weight."""
        return {name: part.weights > 0 for name, part in self.rows.items()}

    def kept(self, factors: Floats) -> Good:
        """Bins that clipping leaves, those of the round before or not."""
        kept, options = {}, self.options
        for name, part in self.rows.items():
            rest = part.data - part.design @ factors
            kept[name] = part.weights > 0
            if options.clip_positive is not None:
                kept[name] &= rest <= options.clip_positive
            if options.clip_negative is not None:
                kept[name] &= rest >= -options.clip_negative
        return kept

    def solved(self, good: Good) -> tuple[Floats, Floats]:
        """Factors of all terms and their covariance, for the weights as they are."""
        p = next(iter(self.rows.values())).design.shape[1]
        fisher, rhs = np.zeros((p, p)), np.zeros(p)
        for name, part in self.rows.items():
            weighted = part.design * np.where(good[name], part.weights, 0.0)[:, None]
            fisher += part.design.T @ weighted
            rhs += weighted.T @ part.data
        length = np.sqrt(fisher.diagonal())
        unit = 1.0 / np.where(length > 0, length, 1.0)
        scaled = fisher * np.outer(unit, unit)
        found = normal_equations(scaled, rhs * unit, threshold=_DETERMINED)
        n = sum(int(part.sum()) for part in good.values())
        if min(found.rank, n) < p:
            raise SingularError(
                f"visit background: {n} bins determine {min(found.rank, n)} of {p} terms; lower "
                "the orders, or fit fewer levels or no sky frame"
            )
        return found.solution * unit, found.covariance * np.outer(unit, unit)

    def result(self, good: Good, factors: Floats, covariance: Floats) -> VisitBackground:
        """Everything that is wanted of a fit."""
        chi2, n_used = 0.0, sum(int(part.sum()) for part in good.values())
        left = {}
        for name, part in self.rows.items():
            rest = part.data - part.design @ factors
            chi2 += float(part.weights[good[name]] @ rest[good[name]] ** 2)
            values = self.detectors[name].background.values
            left[name] = np.where(np.isfinite(values), rest.reshape(values.shape), np.nan)
        if not self.options.weighting:
            free = n_used - len(factors)
            covariance = covariance * (chi2 / free if free else np.nan)
        return VisitBackground(
            {name: self._background(name, factors, covariance) for name in self.rows},
            float(factors[-1]) if self.scaled else 0.0,
            float(np.sqrt(covariance[-1, -1])) if self.scaled else math.nan,
            self.terms,
            factors,
            covariance,
            {name: float(factors[number]) for name, number in self.of_level.items()},
            left,
            chi2,
            n_used,
            sum(int(part.sum()) for part in self.known.values()) - n_used,
        )

    def _background(self, name: Any, factors: Floats, covariance: Floats) -> BackgroundModel:
        """Fit in the bins of a detector, with its squared errors."""
        model, design = self.detectors[name].background, self.rows[name].design
        errors = np.einsum("kp,pq,kq->k", design, covariance, design, optimize=True)
        values, variances = (
            v.reshape(model.values.shape).astype(np.float32) for v in (design @ factors, errors)
        )
        return replace(model, values=values, variances=variances, mask=None, counts=None)


def _data(model: BackgroundModel, weighting: bool) -> tuple[Floats, Floats]:
    """Values and weights of the bins of a detector, 0 where they do not count."""
    values = model.values.ravel().astype(np.float64)
    weights = np.ones(values.size)
    if weighting:
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = 1.0 / model.variances.ravel().astype(np.float64)
    known = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    # Residuals of bins that have a value but no weight are wanted, too.
    return np.where(np.isfinite(values), values, 0.0), np.where(known, weights, 0.0)


def _levels(detectors: Mapping[Any, VisitBins], how: str) -> dict[Any, int]:
    """Number of the constant of each detector."""
    keys = {
        name: {"common": None, "kinds": one.kind, "detectors": name}[how]
        for name, one in detectors.items()
    }
    numbers = {key: n for n, key in enumerate(dict.fromkeys(keys.values()))}
    return {name: numbers[key] for name, key in keys.items()}


def _places(detectors: Mapping[Any, VisitBins]) -> dict[Any, tuple[Floats, Floats]]:
    """Places (y, x) of the middles of all bins, from -1 to 1 over the focal plane."""
    found, corners = {}, []
    for name, one in detectors.items():
        y, x = np.meshgrid(*one.background.centers(), indexing="ij")
        found[name] = one.transform.to_frame(y.ravel(), x.ravel())
        box = one.background.box
        ends = [np.array([side.start - 0.5, side.stop - 0.5]) for side in (box.y, box.x)]
        corners.append(one.transform.to_frame(np.repeat(ends[0], 2), np.tile(ends[1], 2)))
    every = [np.concatenate(values) for values in zip(*corners, strict=True)]
    low, size = [float(v.min()) for v in every], [max(float(np.ptp(v)), 1e-300) for v in every]
    return {
        name: (2.0 * (y - low[0]) / size[0] - 1.0, 2.0 * (x - low[1]) / size[1] - 1.0)
        for name, (y, x) in found.items()
    }


def _frame_in_bins(name: Any, one: VisitBins) -> Floats:
    """Means of the sky frame of a detector over the bins of its background; 0 without one."""
    box, shape = one.background.box, one.background.values.shape
    if one.sky is None:
        return np.zeros(shape)
    if one.sky.box != box:
        raise ShapeError(f"sky frame of detector {name}: covers {one.sky.box}, must cover {box}")
    means = one.sky.image().array.astype(np.float64)
    for axis, (length, n) in enumerate(zip(box.shape, shape, strict=True)):
        edges = np.array(_core.edges(length, n))
        widths = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        means = np.add.reduceat(means, edges[:-1], axis=axis) / widths
    return np.asarray(means)

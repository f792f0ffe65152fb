# SPDX-License-Identifier: BSD-3-Clause
"""Choice of the exposure that the others are matched to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd.background._match_options import ClassicMatchOptions
from deepcoadd.errors import NoDataError
from deepcoadd.image import MaskedImage
from deepcoadd.statistics import StatsOptions, statistics

__all__ = ["ReferenceTerms", "reference_costs", "reference_terms", "select_reference"]

_DEFAULTS = ClassicMatchOptions()


@dataclass(frozen=True)
class ReferenceTerms:
    """What the cost of a reference is made of.

    Attributes
    ----------
    variance : float
        Variance of the good pixels (cost model "classic"), or median of their variance plane.
    level : float
        Mean of the good pixels.
    n_good : float
        Number of good pixels.
    """

    variance: float
    level: float
    n_good: float

    @classmethod
    def unknown(cls) -> ReferenceTerms:
        """Terms of an exposure that cannot be measured: it is never chosen."""
        return cls(np.nan, np.nan, np.nan)


def reference_terms(
    pixels: MaskedImage, options: ClassicMatchOptions = _DEFAULTS
) -> ReferenceTerms:
    """Measure one exposure.

    Parameters
    ----------
    pixels : MaskedImage
        Pixels of bad planes and those that are not finite do not count.
    options : ClassicMatchOptions
        Bad planes, cost model.

    Returns
    -------
    ReferenceTerms
    """
    stats = StatsOptions(bad_bits=pixels.planes.known_bitmask(options.bad_planes))
    image, mask = pixels.image.array, pixels.mask.array
    found = statistics(image, mask, properties="MEAN|VARIANCE|NPOINT", options=stats)
    spread = found.value("VARIANCE")
    if options.cost_model == "robust":
        spread = statistics(pixels.variance.array, mask, properties="MEDIAN", options=stats).value()
    return ReferenceTerms(spread, found.value("MEAN"), float(found.n_point))


def reference_costs(
    terms: Sequence[ReferenceTerms], options: ClassicMatchOptions = _DEFAULTS
) -> NDArray[np.float64]:
    """Cost of each exposure as the reference.

    Parameters
    ----------
    terms : sequence of ReferenceTerms
        Of all exposures.
    options : ClassicMatchOptions
        Shares of the terms, cost model.

    Returns
    -------
    (n,) float64 array
        The least is the best; NaN for an exposure that cannot be the reference.
    """
    spread, level, n_good = (
        np.array([getattr(t, name) for t in terms], dtype=np.float64)
        for name in ("variance", "level", "n_good")
    )
    if not terms or np.isnan(n_good).all():
        return np.full(len(terms), np.nan)
    if options.cost_model == "robust":
        # An exposure without good pixels would make the coverage of all others worthless.
        n_good[n_good == 0] = np.nan
        level = _rescaled(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = options.weight_variance * spread / _most(spread)
        cost = cost + options.weight_coverage * _most(-n_good) / -n_good
        if options.cost_model == "classic":
            level = level / _most(level)
        return np.asarray(cost + options.weight_level * level)


def _most(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else np.nan


def _rescaled(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels from 0 (lowest) to 1 (highest), which means something for any sign."""
    low, high = -_most(-level), _most(level)
    if not high > low:
        return np.where(np.isnan(level), np.nan, 0.0)
    return np.asarray((level - low) / (high - low))


def select_reference(
    terms: Sequence[ReferenceTerms], options: ClassicMatchOptions = _DEFAULTS
) -> int:
    """Index of the exposure that is the best reference; of equal ones the first.

    Parameters
    ----------
    terms : sequence of ReferenceTerms
        Of all exposures.
    options : ClassicMatchOptions
        Shares of the terms, cost model.

    Returns
    -------
    int

    Raises
    ------
    NoDataError
        No exposure can be the reference.
    """
    costs = reference_costs(terms, options)
    if not np.isfinite(costs).any():
        raise NoDataError(f"none of {len(terms)} exposures can be the reference of a match")
    return int(np.nanargmin(costs))

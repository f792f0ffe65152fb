# SPDX-License-Identifier: BSD-3-Clause
"""Slow and readable statements of what the package computes, one pixel at a time in plain Python.

They are written from the formulas and share no code with what they check. Use them on images of a
few hundred pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deepcoadd.image import MaskedImage
from deepcoadd.mask import Mask, MaskPlanes

__all__ = [
    "ClippedMean",
    "CoaddRules",
    "ReferenceStack",
    "clipped_mean",
    "coadd",
    "conformed",
    "quantile",
    "weighted_mean",
]

_SIGMA_PER_IQR = 0.741301109252802


@dataclass(frozen=True)
class ClippedMean:
    """Result of a (clipped) mean of samples.

    Parameters
    ----------
    mean : float
        NaN without samples.
    error : float
        Standard error of the mean.
    kept : tuple of bool
        Which samples were not clipped.
    """

    mean: float
    error: float
    kept: tuple[bool, ...]


def quantile(values: Sequence[float], fraction: float) -> float:
    """Quantile of samples by linear interpolation between order statistics; NaN without any."""
    ordered = sorted(float(value) for value in values)
    if not ordered:
        return math.nan
    position = fraction * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return (below + 1 - position) * ordered[below] + (position - below) * ordered[above]


def weighted_mean(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    variances: Sequence[float] | None = None,
) -> tuple[float, float, float]:
    """Mean, its error, and the unbiased variance of samples about it.

    Parameters
    ----------
    values : sequence of float
        Samples.
    weights : sequence of float, optional
        One each; equal when left out.
    variances : sequence of float, optional
        When given the error follows from them: ``sqrt(sum w**2 v) / sum w``; otherwise from the
        scatter of the samples.
    """
    n = len(values)
    if n == 0:
        return math.nan, math.nan, math.nan
    w = [1.0] * n if weights is None else [float(weight) for weight in weights]
    total, squares = math.fsum(w), math.fsum(a * a for a in w)
    mean = math.fsum(a * float(x) for a, x in zip(w, values, strict=True)) / total
    scatter = math.fsum(a * (float(x) - mean) ** 2 for a, x in zip(w, values, strict=True)) / total
    spread = math.nan
    if n > 1:
        spread = scatter * total**2 / (total**2 - squares)
    if variances is None:
        return mean, math.sqrt(spread * squares) / total, spread
    known = math.fsum(a * a * float(v) for a, v in zip(w, variances, strict=True))
    return mean, math.sqrt(known) / total, spread


def clipped_mean(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    variances: Sequence[float] | None = None,
    *,
    sigma_clip: float = 3.0,
    n_iter: int = 3,
) -> ClippedMean:
    """Mean of the samples near the others.

    The first pass keeps what is within ``sigma_clip`` times 0.7413 of the interquartile range of
    the median, each later pass what is within ``sigma_clip`` standard deviations of the mean; every
    pass starts from all samples. A pass that would keep fewer than two samples (of two or more)
    ends the clipping with the result of the pass before it; there being none, with the median and
    nothing clipped.
    """
    n = len(values)
    everything = (True,) * n
    if n == 0:
        return ClippedMean(math.nan, math.nan, everything)
    w = [1.0] * n if weights is None else list(weights)
    v = None if variances is None else list(variances)
    centre = quantile(values, 0.5)
    width = _SIGMA_PER_IQR * (quantile(values, 0.75) - quantile(values, 0.25))
    result: ClippedMean | None = None
    for _ in range(n_iter):
        kept = tuple(abs(float(x) - centre) <= sigma_clip * width for x in values)
        if sum(kept) < min(2, n):
            break
        chosen = [k for k in range(n) if kept[k]]
        mean, error, spread = weighted_mean(
            [values[k] for k in chosen],
            [w[k] for k in chosen],
            None if v is None else [v[k] for k in chosen],
        )
        result = ClippedMean(mean, error, kept)
        centre = mean
        width = math.sqrt(max(spread, 0.0)) if n > 1 else 0.0
    if result is not None:
        return result
    total = math.fsum(w)
    if v is not None:
        error = math.sqrt(math.fsum(a * a * b for a, b in zip(w, v, strict=True))) / total
    else:
        error = width * math.sqrt(math.fsum(a * a for a in w)) / total
    return ClippedMean(centre, error, everything)


@dataclass(frozen=True)
class CoaddRules:
    """What a coadd rejects and what it says about it in its mask.

    Parameters
    ----------
    statistic : {"MEAN", "MEANCLIP", "MEDIAN"}
        How the samples of a pixel are combined. The error follows from the input variances, that
        of a median from the scatter.
    bad_planes : tuple of str
        An input pixel with one of these is rejected.
    sigma_clip, n_iter : float, int
        Of MEANCLIP.
    thresholds : mapping of str to float
        Plane -> share of the weight; a plane carried by rejected inputs of a larger share is set.
    """

    statistic: str = "MEAN"
    bad_planes: tuple[str, ...] = ("NO_DATA", "BAD", "SAT", "EDGE")
    sigma_clip: float = 3.0
    n_iter: int = 2
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"SAT": 0.1})


@dataclass(frozen=True)
class ReferenceStack:
    """Coadd of `coadd`: a masked image (float64 planes beside it) and counts.

    Parameters
    ----------
    image, variance : (ny, nx) float64 arrays
        NaN where no input is good.
    mask : Mask
        Planes as in the inputs.
    n_point, n_clipped : (ny, nx) int64 arrays
        Good inputs, and those of them that were clipped.
    """

    image: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    mask: Mask
    n_point: npt.NDArray[np.int64]
    n_clipped: npt.NDArray[np.int64]


def coadd(
    images: Sequence[MaskedImage], weights: Sequence[float], rules: CoaddRules | None = None
) -> ReferenceStack:
    """Coadd of masked images of one box and one dictionary, pixel by pixel.

    Parameters
    ----------
    images : sequence of MaskedImage
        At least one.
    weights : sequence of float
        One an image, > 0.
    rules : CoaddRules, optional
        By default those of the base assembler.
    """
    rules = CoaddRules() if rules is None else rules
    box = images[0].box
    out = ReferenceStack(
        image=np.full(box.shape, np.nan),
        variance=np.full(box.shape, np.nan),
        mask=Mask.zeros(box, images[0].planes),
        n_point=np.zeros(box.shape, np.int64),
        n_clipped=np.zeros(box.shape, np.int64),
    )
    for at in np.ndindex(box.shape):
        samples = [
            _Sample(
                value=float(image.image.array[at]),
                variance=float(image.variance.array[at]),
                planes=frozenset(image.planes.names_of(int(image.mask.array[at]))),
                weight=float(weight),
            )
            for image, weight in zip(images, weights, strict=True)
        ]
        good = [s for s in samples if s.is_good(rules)]
        value, error, kept = _combined(good, rules)
        out.image[at], out.variance[at] = value, error * error
        out.n_point[at], out.n_clipped[at] = len(good), len(good) - sum(kept)
        planes = _planes(samples, good, rules)
        if sum(kept) < len(good):
            planes |= {"CLIPPED", "INEXACT_PSF"}
        out.mask.array[at] = out.mask.planes.bitmask(*planes)
    return out


@dataclass(frozen=True)
class _Sample:
    """One input at one pixel."""

    value: float
    variance: float
    planes: frozenset[str]
    weight: float

    def is_good(self, rules: CoaddRules) -> bool:
        return math.isfinite(self.value) and not self.planes & set(rules.bad_planes)


def _combined(good: list[_Sample], rules: CoaddRules) -> tuple[float, float, tuple[bool, ...]]:
    """Value, its error, and which samples were kept."""
    values = [s.value for s in good]
    weights = [s.weight for s in good]
    variances = [s.variance for s in good]
    if rules.statistic == "MEANCLIP":
        result = clipped_mean(
            values, weights, variances, sigma_clip=rules.sigma_clip, n_iter=rules.n_iter
        )
        return result.mean, result.error, result.kept
    mean, error, spread = weighted_mean(values, weights, variances)
    if rules.statistic == "MEDIAN":
        count = max(len(values), 1)
        mean, error = quantile(values, 0.5), math.sqrt(0.5 * math.pi * spread / count)
    return mean, error, (True,) * len(values)


def _planes(samples: list[_Sample], good: list[_Sample], rules: CoaddRules) -> set[str]:
    """Planes of one pixel of the coadd, apart from what clipping adds."""
    rejected = [s for s in samples if not s.is_good(rules)]
    seen = frozenset().union(*(s.planes for s in samples))
    out: set[str] = set().union(*(s.planes for s in good))
    for plane, threshold in rules.thresholds.items():
        share = math.fsum(s.weight for s in rejected if plane in s.planes)
        if share > 0 and share / (math.fsum(s.weight for s in good) + share) > threshold:
            out.add(plane)
    if not good:
        out = {"NO_DATA"}
    if rejected:
        if seen & (set(rules.bad_planes) - {"NO_DATA", "EDGE", "CLIPPED"}):
            out.add("REJECTED")
        if "EDGE" in seen:
            out.add("SENSOR_EDGE")
        if "CLIPPED" in seen:
            out.add("CLIPPED")
    if out & {"REJECTED", "SENSOR_EDGE", "CLIPPED"}:
        out.add("INEXACT_PSF")
    return out


def conformed(mask: Mask, planes: MaskPlanes) -> npt.NDArray[np.int32]:
    """(ny, nx) int32 words of a mask re-mapped to another dictionary, plane by plane."""
    out = np.zeros(mask.array.shape, np.int64)
    for name, bit in mask.planes.items():
        is_set = (mask.array.astype(np.int64) >> bit) & 1
        out |= is_set << planes[name]
    return out.astype(np.uint32).view(np.int32)

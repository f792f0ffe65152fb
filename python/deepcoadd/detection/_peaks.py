# SPDX-License-Identifier: BSD-3-Clause
"""Peaks of footprints: their significance, and how they are found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepcoadd.image import MaskedImage
from deepcoadd.spans import Footprint, FootprintSet, Threshold

__all__ = ["found_again", "rebuilt", "with_significance"]


def with_significance(
    footprints: FootprintSet, pixels: MaskedImage, unit: float | None
) -> FootprintSet:
    """Footprints whose peaks know how large they are in units of the noise.

    Parameters
    ----------
    footprints : FootprintSet
        Found on `pixels`.
    pixels : MaskedImage
        float32; its variances [unit squared] give the noise, unless `unit` does.
    unit : float, optional
        Noise of all pixels.
    """
    peaks = footprints.peaks
    noise: Any = unit
    if unit is None:
        y0, x0 = pixels.box.start
        noise = np.sqrt(pixels.variance.array[peaks["y"] - y0, peaks["x"] - x0], dtype=np.float64)
    # An infinite value whose variance is infinite has none: NaN.
    with np.errstate(divide="ignore", invalid="ignore"):
        significance = np.abs(peaks["value"]) / noise
    return footprints.with_significance(significance)


def found_again(
    footprints: FootprintSet,
    pixels: MaskedImage,
    threshold: Threshold,
    min_pixels: int,
    n_simple: int,
) -> FootprintSet:
    """Footprints with the peaks that another image of the same pixels has.

    Footprints of `n_simple` peaks at most keep theirs. Of the others the box is searched with the
    threshold; the peaks found inside the footprint replace the old ones, of which the first is
    kept if there are none.
    """
    out = []
    for footprint in footprints:
        if len(footprint.peaks) > n_simple:
            found = FootprintSet.search(pixels[footprint.box], threshold, min_pixels)
            footprint = _with_peaks_of(found, footprint)
        out.append(footprint)
    return rebuilt(footprints, out)


def rebuilt(footprints: FootprintSet, parts: Sequence[Footprint]) -> FootprintSet:
    """Set of other footprints, with the region and the order of peaks of `footprints`."""
    order: Any = footprints.peak_order
    return FootprintSet(parts, footprints.region, order)


def _with_peaks_of(found: FootprintSet, footprint: Footprint) -> Footprint:
    peaks = [
        peak
        for other in found
        for peak in other.peaks
        if footprint.contains_point(y=peak.y, x=peak.x)
    ]
    return replace(footprint, peaks=tuple(peaks) or footprint.peaks[:1])

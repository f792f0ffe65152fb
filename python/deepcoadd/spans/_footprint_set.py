# SPDX-License-Identifier: BSD-3-Clause
"""Thresholds and the footprints they find."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepcoadd._checks import instance, number
from deepcoadd._core import spans as _core
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw_names import FootprintSetNames
from deepcoadd.mask import Mask
from deepcoadd.spans._arguments import (
    Bits,
    bits_of,
    bounds_of,
    box_of,
    check_mask,
    start_of,
    whole,
)
from deepcoadd.spans._footprint import Footprint, Peak
from deepcoadd.spans._span_set import SpanSet

__all__ = ["FootprintSet", "Threshold"]

PeakOrder = Literal["falling", "rising", "magnitude"]

_PEAK_FIELDS = [
    ("footprint", np.uint32),
    ("y", np.int32),
    ("x", np.int32),
    ("value", np.float64),
    ("significance", np.float64),
]


@dataclass(frozen=True)
class Threshold:
    """What a pixel must reach to be in a footprint.

    Attributes
    ----------
    value : float
        Number of the units that `type` says; of "bitmask" the mask word.
    type : {"value", "stdev", "variance", "pixel_stdev", "bitmask"}
        "value": pixel values. "stdev", "variance" (the same numerically): clipped standard
        deviations of the image. "pixel_stdev": square roots of the variance of the pixel, which
        must be positive. "bitmask": any of the bits is set.
    polarity : {"positive", "negative"}
        Negative: the pixels with -pixel >= limit.
    include_multiplier : float
        A footprint counts only if one of its pixels reaches `value` times this.
    """

    value: float
    type: Literal["value", "stdev", "variance", "pixel_stdev", "bitmask"] = "value"
    polarity: Literal["positive", "negative"] = "positive"
    include_multiplier: float = 1.0

    def __post_init__(self) -> None:
        if self.polarity not in ("positive", "negative"):
            raise OptionError(f"polarity: got {self.polarity!r}, must be positive or negative")
        if not isinstance(self.type, str):
            raise OptionError(f"type: got {self.type!r}, must be the name of a type")
        for name in ("value", "include_multiplier"):
            number(name, getattr(self, name))

    def _parts(self) -> tuple[float, str, bool, float]:
        negative = self.polarity == "negative"
        return float(self.value), self.type, negative, float(self.include_multiplier)


class FootprintSet(FootprintSetNames):
    """The footprints of one image, ordered by their first pixel.

    Immutable; ``len``, iteration and indexing give `Footprint` objects, ``==`` compares them, the
    region and the order of peaks.

    Parameters
    ----------
    footprints : iterable of Footprint
        Empty ones are left out.
    region : Box
        Box that was searched; growth is cut to it.
    peak_order : {"falling", "rising", "magnitude"}
        Which peak of a footprint comes first: the largest value, the smallest, the largest
        absolute value.
    """

    __slots__ = ("_box", "_set")
    _box: Box
    _set: _core.FootprintSet

    def __init__(
        self, footprints: Iterable[Footprint], region: Box, peak_order: PeakOrder = "falling"
    ) -> None:
        each = [instance("footprints", one, Footprint) for one in footprints]
        parts = [(f.spans._set, [_row(p) for p in f.peaks]) for f in each]
        self._set = _core.FootprintSet(parts, bounds_of("region", region), peak_order)

    @classmethod
    def _wrap(cls, core: _core.FootprintSet) -> FootprintSet:
        new = cls.__new__(cls)
        new._set = core
        return new

    @classmethod
    def search(
        cls,
        image: Image | MaskedImage | Mask,
        threshold: Threshold,
        min_pixels: int = 1,
        *,
        plane: str | None = None,
        peaks_by_value: bool = False,
    ) -> FootprintSet:
        """8-connected footprints of the pixels that pass a threshold.

        Mask and variance play no part, except that "pixel_stdev" needs the variance: masked
        pixels are found, NaN never is.

        Parameters
        ----------
        image : Image, MaskedImage or Mask
            float32 or float64 pixels; a mask for "value" and "bitmask", and without peaks.
        threshold : Threshold
            Footprints consist of the pixels that pass it.
        min_pixels : int
            Smallest area of a footprint.
        plane : str, optional
            Plane to set at the footprints in the mask of a MaskedImage, or in the mask.
        peaks_by_value : bool
            Sort peaks by falling value also where the threshold is negative; by default the
            strongest, there the smallest value, comes first.

        Raises
        ------
        OptionError
            "stdev" and "variance": the image has no scatter; or an argument is not allowed.

        Notes
        -----
        Peaks are the pixels, not at the border of the image, that no 8-neighbour exceeds; a
        footprint without one gets its first extreme pixel.
        """
        mask: Mask | None = None
        instance("threshold", threshold, Threshold)
        least = whole("min_pixels", min_pixels)
        if least < 0:
            raise OptionError(f"min_pixels: got {least}, must be 0 or more")
        if isinstance(image, Mask):
            mask = image
            found = _core.search_mask(
                image.array,
                start_of("image", image.box),
                threshold=threshold._parts(),
                min_pixels=least,
            )
        elif isinstance(image, Image | MaskedImage):
            pixels, variance = image, None
            if isinstance(image, MaskedImage):
                pixels, variance, mask = image.image, image.variance.array, image.mask
            array = pixels.array  # type: ignore[union-attr]
            found = _core.search(
                array,
                variance,
                start_of("image", image.box),
                threshold=threshold._parts(),
                min_pixels=least,
                peaks_by_value=bool(peaks_by_value),
                double=array.dtype == np.float64,
            )
        else:
            raise OptionError(
                f"image: got {type(image).__name__}, must be an Image, MaskedImage or Mask"
            )
        footprints = cls._wrap(found)
        if plane is not None:
            if mask is None:
                raise OptionError(f"plane: got {plane!r}, must be None for an Image without mask")
            footprints.set_mask(mask, plane)
        return footprints

    @property
    def region(self) -> Box:
        """Box that was searched; growth is cut to it."""
        try:
            return self._box
        except AttributeError:  # asked for by each footprint: made once
            self._box = box_of(self._set.region)
            return self._box

    @property
    def peak_order(self) -> str:
        """Which peak of a footprint comes first: falling, rising (values) or magnitude."""
        return self._set.peak_order

    @property
    def areas(self) -> NDArray[np.uint64]:
        """(n,) uint64: number of pixels of each footprint."""
        return self._set.areas()

    @property
    def spans(self) -> SpanSet:
        """Pixels of all footprints."""
        return SpanSet._wrap(self._set.union())

    @property
    def pixel_sets(self) -> list[SpanSet]:
        """Pixels of each footprint, for those who do not want its peaks."""
        return [SpanSet._wrap(self._set.footprint(k)[0]) for k in range(len(self))]

    @property
    def footprints(self) -> list[Footprint]:
        """All footprints."""
        return list(self)

    @property
    def peaks(self) -> NDArray[np.void]:
        """Table of all peaks: footprint (number), y, x, value, significance (NaN: unknown)."""
        columns = self._set.peaks()
        table = np.empty(len(columns[0]), _PEAK_FIELDS)
        for (name, _), column in zip(_PEAK_FIELDS, columns, strict=True):
            table[name] = column
        return table

    def __len__(self) -> int:
        return self._set.n_footprints()

    def __getitem__(self, index: int) -> Footprint:
        k = operator.index(index)
        k += len(self) if k < 0 else 0
        if not 0 <= k < len(self):
            raise IndexError(f"index: got {index}, there are {len(self)} footprints")
        core, peaks = self._set.footprint(k)
        return Footprint(SpanSet._wrap(core), tuple(_peak(*p) for p in peaks), self.region)

    def __iter__(self) -> Iterator[Footprint]:
        return (self[k] for k in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FootprintSet):
            return NotImplemented
        mine, theirs = (one.__reduce__()[1] for one in (self, other))
        return bool(mine == theirs)

    def __hash__(self) -> int:
        return hash((self.spans, self.region))

    def __repr__(self) -> str:
        n_peaks = len(self._set.peaks()[0])
        return f"FootprintSet({len(self)} footprints, {n_peaks} peaks, region={self.region})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (FootprintSet, (self.footprints, self.region, self.peak_order))

    def with_region(self, region: Box) -> FootprintSet:
        """Set with another box for later growth."""
        return self._wrap(self._set.with_region(bounds_of("region", region)))

    def with_significance(self, significance: ArrayLike) -> FootprintSet:
        """Set whose peaks carry (n_peaks,) significances, in the order of `peaks`."""
        values = np.asarray(significance, np.float64)
        return self._wrap(self._set.with_significance(values.ravel().tolist()))

    def grown(self, radius: int, *, isotropic: bool = True) -> FootprintSet:
        """Footprints dilated by a disc (off `isotropic`: a diamond) and cut to the region.

        Those that come to touch, if only at a corner, become one with the peaks of all; peaks
        outside the region are dropped.
        """
        return self._grown_by(radius, _element(radius, isotropic=isotropic))

    def grown_along(
        self,
        radius: int,
        *,
        left: bool = False,
        right: bool = False,
        up: bool = False,
        down: bool = False,
    ) -> FootprintSet:
        """Footprints dilated by a cross with the chosen arms; "up" means growing y."""
        length = whole("radius", radius)
        # a negative radius is passed on whatever the arms, so that it is refused
        arms = [length if wanted else min(length, 0) for wanted in (left, right, up, down)]
        return self._grown_by(length, _core.SpanSet.from_arms(*arms))

    def _grown_by(self, radius: int, element: _core.SpanSet) -> FootprintSet:
        return self if radius == 0 else self._wrap(self._set.grown(element))

    def merged(
        self,
        other: FootprintSet,
        grow: int = 0,
        other_grow: int = 0,
        *,
        isotropic: bool = True,
    ) -> FootprintSet:
        """Union of two sets, each grown first; footprints that touch become one.

        Raises
        ------
        OptionError
            The regions differ, or a radius is negative.
        """
        mine = _element(grow, isotropic=isotropic)
        theirs = _element(other_grow, isotropic=isotropic)
        core = instance("other", other, FootprintSet)._set
        return self._wrap(self._set.merged(core, mine, theirs))

    def set_mask(self, mask: Mask, bits: Bits) -> None:
        """Set bits or planes at all footprints, in place; ShapeError if one reaches outside."""
        self.spans.set_mask(mask, bits)

    def labels(self, box: Box | None = None) -> NDArray[np.uint32]:
        """(ny, nx) uint32 image of a box (default: the region): k + 1 in footprint k, else 0."""
        box = self.region if box is None else box
        out = np.zeros(box.shape, np.uint32)
        self._set.label(out, start_of("box", box))
        return out

    def count(self, mask: Mask, any_of: Bits = 0, none_of: Bits = 0) -> NDArray[np.uint64]:
        """(n,) uint64: pixels with any of some bits (0: all) and none of others, by footprint.

        Pixels outside the mask do not count.
        """
        return self.counts(mask, [(any_of, none_of)])[0]

    def counts(self, mask: Mask, rules: Sequence[tuple[Bits, Bits]]) -> list[NDArray[np.uint64]]:
        """For each rule (any of, none of) what `count` gives, in one pass over the mask."""
        check_mask(mask)
        words = [(bits_of(mask, any_of), bits_of(mask, none_of)) for any_of, none_of in rules]
        return self._set.counts(mask.array, start_of("mask", mask.box), words)

    def common_areas(self, spans: SpanSet) -> NDArray[np.uint64]:
        """(n,) uint64: pixels that are in a set, by footprint."""
        return self._set.common_areas(instance("spans", spans, SpanSet)._set)


def _row(peak: Peak) -> tuple[int, int, float, float]:
    """Peak as the core takes it."""
    significance = math.nan if peak.significance is None else peak.significance
    return whole("y", peak.y), whole("x", peak.x), float(peak.value), float(significance)


def _peak(y: int, x: int, value: float, significance: float) -> Peak:
    """Peak as the core gives it."""
    return Peak(y, x, value, None if math.isnan(significance) else significance)


def _element(radius: int, *, isotropic: bool) -> _core.SpanSet:
    """Structuring element of growth."""
    stencil = "circle" if isotropic else "manhattan"
    return _core.SpanSet.from_stencil(whole("radius", radius), stencil, 0, 0)

# SPDX-License-Identifier: BSD-3-Clause
"""Footprints and peaks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from deepcoadd._checks import instance
from deepcoadd.geometry import Box
from deepcoadd.interop.afw_names import FootprintNames, PeakNames
from deepcoadd.spans._arguments import Stencil
from deepcoadd.spans._span_set import SpanSet

__all__ = ["Footprint", "Peak"]


@dataclass(frozen=True)
class Peak(PeakNames):
    """A local extreme of the image within a footprint.

    Attributes
    ----------
    y, x : int
        Pixel.
    value : float
        Value of the searched image.
    significance : float, optional
        Value over its noise; None when nobody has worked it out.
    """

    y: int
    x: int
    value: float
    significance: float | None = None


@dataclass(frozen=True)
class Footprint(FootprintNames):
    """Pixels of one object, with its peaks.

    Attributes
    ----------
    spans : SpanSet
        The pixels.
    peaks : tuple of Peak
        Strongest first as far as a search made them.
    region : Box
        The box that was searched.
    """

    spans: SpanSet
    peaks: tuple[Peak, ...] = ()
    region: Box = field(default_factory=Box.empty)

    def __post_init__(self) -> None:
        instance("spans", self.spans, SpanSet)
        object.__setattr__(self, "peaks", tuple(self.peaks))

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.spans.area

    @property
    def box(self) -> Box:
        """Smallest box that holds the footprint."""
        return self.spans.box

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean (y, x) of the pixel centres."""
        return self.spans.centroid

    def contains_point(self, *, y: int, x: int) -> bool:
        """Whether a pixel is in the footprint."""
        return self.spans.contains_point(y=y, x=x)

    def _with_spans(self, spans: SpanSet) -> Footprint:
        """Footprint of other pixels; peaks outside them are dropped."""
        kept = tuple(p for p in self.peaks if spans.contains_point(y=p.y, x=p.x))
        return Footprint(spans, kept, self.region)

    def dilated(self, shape: int | SpanSet, stencil: Stencil = "circle") -> Footprint:
        """Footprint grown by a stencil or a set; see `SpanSet.dilated`."""
        return replace(self, spans=self.spans.dilated(shape, stencil))

    def eroded(self, shape: int | SpanSet, stencil: Stencil = "circle") -> Footprint:
        """Footprint shrunk by a stencil or a set, without the peaks that are left outside."""
        return self._with_spans(self.spans.eroded(shape, stencil))

    def clipped_to(self, box: Box) -> Footprint:
        """Part inside a box, without the peaks outside."""
        return self._with_spans(self.spans.clipped_to(box))

    def split(self, connectivity: int = 4) -> list[Footprint]:
        """Connected components, each with the peaks in it."""
        return [self._with_spans(part) for part in self.spans.split(connectivity)]

    def shifted_by(self, *, y: int = 0, x: int = 0) -> Footprint:
        """Footprint, peaks and region moved by whole pixels."""
        peaks = tuple(replace(p, y=p.y + y, x=p.x + x) for p in self.peaks)
        region = self.region.shifted_by(y=y, x=x)
        return Footprint(self.spans.shifted_by(y=y, x=x), peaks, region)

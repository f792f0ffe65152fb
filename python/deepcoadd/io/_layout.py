# SPDX-License-Identifier: BSD-3-Clause
"""Where the planes of one exposure lie, and how its pixels are read.

A format makes a `Layout` from headers alone; pixels come from `Layout.read`, box by box.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deepcoadd._core.quality import count
from deepcoadd.errors import FileFormatError, ShapeError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.io._plane import Plane
from deepcoadd.io._pool import FilePool
from deepcoadd.mask import DEFAULT_PLANES, Mask, MaskPlanes, conformed_bits
from deepcoadd.refs import Weighed

__all__ = ["Layout", "MaskSource", "NamedBits", "VarianceSource", "check_shapes"]

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.int32]


class MaskSource(Protocol):
    """Something that gives the mask of a section."""

    @property
    def plane(self) -> Plane:
        """Plane of the file."""
        ...

    @property
    def target(self) -> MaskPlanes:
        """Dictionary handed out (sections with unknown bits may extend it)."""
        ...

    def read(self, pool: FilePool, rows: slice, columns: slice) -> tuple[Words, MaskPlanes]:
        """Words of a section (int32, new) and the dictionary they follow."""
        ...


class VarianceSource(Protocol):
    """Something that gives the variance of a section."""

    def read(self, pool: FilePool, rows: slice, columns: slice, image: Floats) -> Floats:
        """Variance of a section (float32, new), whose image is given."""
        ...


@dataclass(frozen=True)
class NamedBits:
    """A mask plane of bit fields whose names are known.

    Parameters
    ----------
    plane : Plane
        Words.
    source : MaskPlanes
        Names as in the file.
    target : MaskPlanes
        Names as handed out; holds those of `source`.
    """

    plane: Plane
    source: MaskPlanes
    target: MaskPlanes
    _reported: set[int] = field(default_factory=set, compare=False, repr=False)

    def read(self, pool: FilePool, rows: slice, columns: slice) -> tuple[Words, MaskPlanes]:
        """Words that follow `target`; bits without a name become planes UNKNOWN<n>."""
        words, used = self.plane.words_and_union(pool, rows, columns)
        unnamed = used & ~self.source.bitmask(*self.source)
        if unnamed:
            return self._with_unknown(words, unnamed)
        # Planes that are set nowhere need no mapping, which saves a pass over the pixels each.
        present = MaskPlanes({name: self.source[name] for name in self.source.names_of(used)})
        if all(self.target[name] == bit for name, bit in present.items()):
            return words, self.target
        return conformed_bits(words, present, self.target), self.target

    def _with_unknown(self, words: Words, unnamed: int) -> tuple[Words, MaskPlanes]:
        bits = [bit for bit in range(32) if unnamed >> bit & 1]
        names = {f"UNKNOWN{bit}": bit for bit in bits}
        if not self._reported.issuperset(bits):
            self._reported.update(bits)
            _log.warning(
                "%s: bits %s have no name; kept as %s",
                self.plane.where,
                ", ".join(map(str, bits)),
                ", ".join(names),
            )
        source = MaskPlanes({**self.source, **names})
        target = _extended(self.target, self.source, names)
        return conformed_bits(words, source, target), target


def _extended(target: MaskPlanes, source: MaskPlanes, names: dict[str, int]) -> MaskPlanes:
    """Dictionary with more names; gives up default planes that the file lacks for the room."""
    spare = [name for name in reversed(list(target)) if name not in source]
    kept = dict(target)
    while len(kept) + len(names) > 32 and spare:
        del kept[spare.pop(0)]
    return MaskPlanes(kept).with_planes(*names)


@dataclass(frozen=True)
class Layout:
    """One exposure in files.

    Parameters
    ----------
    format : str
        Name of the format.
    info : ExposureInfo
        Everything but the pixels; its box is that of the file.
    image : Plane
        Image.
    mask : MaskSource, optional
        Mask; no bit is set without one.
    variance : VarianceSource, optional
        Variance; NaN (unknown) without one.
    marks_no_data : bool
        Whether pixels without a finite value and a finite variance above 0 become no-data pixels.
        True for formats whose own mask does not say it.
    restores_infinity : bool
        Whether a variance of NaN in a NO_DATA pixel stands for +inf (our quantised files).
    """

    format: str
    info: ExposureInfo
    image: Plane
    mask: MaskSource | None = None
    variance: VarianceSource | None = None
    marks_no_data: bool = False
    restores_infinity: bool = False

    def read(self, pool: FilePool, box: Box | None = None) -> MaskedImage:
        """Pixels of a box (parent coordinates).

        Parameters
        ----------
        pool : FilePool
            Open files.
        box : Box, optional
            By default all.

        Returns
        -------
        MaskedImage
            float32, int32, float32 of native byte order; new arrays.

        Raises
        ------
        ShapeError
            A pixel of `box` is not in the file.
        FileFormatError
            The file cannot be read there.
        """
        box = self.info.box if box is None else box
        if not self.info.box.contains(box):
            raise ShapeError(
                f"{self.image.path}: box {box} is not inside that of the file, {self.info.box}"
            )
        rows, columns = box.slices_within(self.info.box)
        pixels = self.image.floats(pool, rows, columns)
        planes = self.info.planes or DEFAULT_PLANES
        if self.mask is None:
            words = np.zeros(box.shape, np.int32)
        else:
            words, planes = self.mask.read(pool, rows, columns)
        if self.variance is None:
            spread = np.full(box.shape, np.nan, np.float32)
        else:
            spread = self.variance.read(pool, rows, columns, pixels)
        if self.restores_infinity:
            bits = np.int32(planes.known_bitmask(["NO_DATA"]))
            spread[np.isnan(spread) & ((words & bits) != 0)] = np.inf
        if self.marks_no_data:
            _mark_no_data(pixels, words, spread, planes, known=self.variance is not None)
        return MaskedImage(Image(pixels, box), Mask(words, box, planes), Image(spread, box))

    def weigh(self, pool: FilePool, box: Box, bad_planes: Iterable[str]) -> Weighed | None:
        """Mask and variance of a box with the counts of its pixels, without the image.

        Parameters
        ----------
        pool : FilePool
            Open files.
        box : Box
            Inside the box of the file.
        bad_planes : iterable of str
            Planes of bad pixels; unknown ones count for nothing.

        Returns
        -------
        Weighed or None
            None for layouts whose mask or variance depends on the image.
        """
        plane = self.variance.plane if isinstance(self.variance, PlaneVariance) else None
        if plane is None or self.mask is None or self.marks_no_data or self.restores_infinity:
            return None
        rows, columns = box.slices_within(self.info.box)
        raw = self.image.raw_rows(pool, rows, columns)
        if raw is None or self.variance is None:
            return None
        words, planes = self.mask.read(pool, rows, columns)
        spread = self.variance.read(pool, rows, columns, np.empty((0, 0), np.float32))
        bad = planes.known_bitmask(bad_planes)
        totals = np.zeros(3, np.int64)
        for first, bits in raw:
            here = slice(first - rows.start, first - rows.start + len(bits))
            totals += count(bits, sys.byteorder == "little", words[here], spread[here], bad)
        mask, variance = Mask(words, box, planes), Image(spread, box)
        return Weighed(mask, variance, *(int(n) for n in totals))


def _mark_no_data(
    pixels: Floats, words: Words, spread: Floats, planes: MaskPlanes, *, known: bool
) -> None:
    """NaN, NO_DATA, +inf where there is no finite value or (if known) no finite variance > 0."""
    bad = ~np.isfinite(pixels)
    if known:
        bad |= ~((spread > 0) & np.isfinite(spread))
        spread[bad] = np.inf
    pixels[bad] = np.nan
    words[bad] |= np.int32(planes.bitmask("NO_DATA"))


def check_shapes(image: Plane, other: Plane, what: str) -> None:
    """Refuse a mask or variance plane of another size than the image, and a mask of floats.

    Raises
    ------
    FileFormatError
        The shapes differ, or the mask is not of an integer type.
    """
    if image.shape != other.shape:
        raise FileFormatError(
            f"{other.where}: the {what} has shape {other.shape}, the image {image.shape}"
        )
    if what == "mask" and not other.is_integer:
        raise FileFormatError(f"{other.where}: a mask of type {other.dtype}; expected integers")


@dataclass(frozen=True)
class PlaneVariance:
    """Variance from a plane of the file.

    Parameters
    ----------
    plane : Plane
        Values.
    convert : callable
        Turns the values (float32, may be changed in place) into variances.
    """

    plane: Plane
    convert: Callable[[Floats], Floats] | None = None

    def read(self, pool: FilePool, rows: slice, columns: slice, image: Any) -> Floats:
        """Variance of a section."""
        values = self.plane.floats(pool, rows, columns)
        return values if self.convert is None else self.convert(values)

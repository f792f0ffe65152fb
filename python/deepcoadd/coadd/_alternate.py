# SPDX-License-Identifier: BSD-3-Clause
"""Masks given beside the inputs: pixels of single inputs that somebody else found to be bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.spans import SpanSet

__all__ = ["AlternateMask", "one_span_set", "packed_alternate", "united", "with_alternate"]

AlternateMask = Mapping[str, Any]
"""Plane name -> where it is set: a `SpanSet` or a sequence of them, a bool array of the coadd's
shape, or a `Mask` or `Image` (set where it is not 0)."""


def one_span_set(sets: Sequence[SpanSet]) -> SpanSet:
    """Union of any number of sets, in one pass."""
    if len(sets) == 1:
        return sets[0]
    rows = [one.spans for one in sets if one]
    return SpanSet(np.concatenate(rows)) if rows else SpanSet()


def united(alternate: AlternateMask | None, box: Box) -> AlternateMask | None:
    """The same mask with one set of pixels, within the box of the coadd, for each plane.

    Parameters
    ----------
    alternate : mapping, optional
        As the caller gives it. Planes without a pixel in `box` are kept as names.
    box : Box
        Of the coadd.

    Raises
    ------
    ShapeError
        An array does not have the shape of the coadd.
    OptionError
        A plane stands for something else.
    """
    if not alternate:
        return None
    return {plane: _one(plane, where, box) for plane, where in alternate.items()}


def _one(plane: str, where: Any, box: Box) -> Any:
    """What one plane stands for, as a set of pixels or an array."""
    where = _joined(where)
    if isinstance(where, SpanSet):
        return where.clipped_to(box)
    if isinstance(where, (Mask, Image)):
        return where
    try:
        shape = np.shape(where)
    except ValueError as error:
        raise OptionError(f"alternate_masks: plane {plane}: {error}") from None
    if shape != box.shape:
        raise ShapeError(
            f"alternate_masks: plane {plane} of shape {shape} for a coadd of {box.shape}"
        )
    return where


def _joined(where: Any) -> Any:
    """One set for a sequence of sets; anything else as it is."""
    if isinstance(where, (list, tuple)) and all(isinstance(one, SpanSet) for one in where):
        return one_span_set(where)
    return where


def with_alternate(
    pixels: MaskedImage, alternate: AlternateMask, box: Box, *, bad_bits: int = 0
) -> MaskedImage:
    """The same pixels with a copy of the mask in which an alternate mask is set.

    Parameters
    ----------
    pixels : MaskedImage
        Of any box; its planes hold those of `alternate`.
    alternate : mapping
        Plane name -> `SpanSet`, bool array of `box`, or `Mask` or `Image` of any box.
    box : Box
        Box of the coadd.
    bad_bits : int
        Bits that make a pixel bad. If NO_DATA is one of them they are cleared where `alternate`
        sets NO_DATA, so that such a pixel counts as one without data and not as one rejected.

    Returns
    -------
    MaskedImage
        Image and variance are those of `pixels`, not copied; `pixels` itself where the mask does
        not touch it.
    """
    flags = {plane: _flags(where, pixels.box, box) for plane, where in alternate.items()}
    flags = {plane: where for plane, where in flags.items() if where is not None}
    if not flags:
        return pixels
    mask = pixels.mask.copy()
    if "NO_DATA" in flags and bad_bits & mask.planes.bitmask("NO_DATA"):
        _change(mask, flags["NO_DATA"], 0, bad_bits)
    for plane, where in flags.items():
        _change(mask, where, mask.planes.bitmask(plane), 0)
    return MaskedImage(pixels.image, mask, pixels.variance)


def packed_alternate(
    alternate: AlternateMask, tile: Box, box: Box, flat: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.bool_]]:
    """An alternate mask at some pixels of a tile, side by side in one row.

    Parameters
    ----------
    alternate : mapping
        As `with_alternate` takes it.
    tile, box : Box
        Of the tile and of the coadd.
    flat : (n,) int64 array
        Numbers of the pixels in the tile, row by row.

    Returns
    -------
    dict of str to (1, n) bool array
        Planes that are set at none of the pixels are left out.
    """
    packed = {}
    for plane, where in alternate.items():
        flags = _flags(where, tile, box)
        if flags is None:
            continue
        if isinstance(flags, SpanSet):
            whole = flags.as_array(tile)
        else:
            whole = np.zeros(tile.shape, bool)
            whole[flags.box.slices_within(tile)] = flags.array
        row = whole.take(flat)
        if row.any():
            packed[plane] = row[np.newaxis]
    return packed


def _flags(where: Any, here: Box, box: Box) -> Any:
    """Part of one plane inside `here`: a `SpanSet` or an `Image` of bool; None when empty."""
    where = _joined(where)
    if isinstance(where, SpanSet):
        part = where.clipped_to(here)
        return part if part else None
    flags = where if isinstance(where, (Mask, Image)) else Image(np.asarray(where), box)
    both = here & flags.box
    if both.is_empty:
        return None
    inside = np.asarray(flags.array[both.slices_within(flags.box)] != 0)
    return Image(inside, both) if inside.any() else None


def _change(mask: Mask, where: Any, set_bits: int, clear_bits: int) -> None:
    """Set or clear bits in place where a part of `_flags` says."""
    if isinstance(where, SpanSet):
        if clear_bits:
            where.clear_mask(mask, clear_bits)
        else:
            where.set_mask(mask, set_bits)
        return
    words = mask.array[where.box.slices_within(mask.box)]
    if clear_bits:
        words[where.array] &= np.int32(~clear_bits)
    else:
        words[where.array] |= np.int32(set_bits)

# SPDX-License-Identifier: BSD-3-Clause
"""Label images: one pass over the pixels answers a question for every object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import spans as _core
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.mask import Mask
from deepcoadd.spans._arguments import (
    Bits,
    Stencil,
    bits_of,
    box_of,
    check_mask,
    start_of,
    whole,
)

__all__ = ["LabelExtent", "count_by_label", "dilate_mask", "label_mask"]


class LabelExtent(NamedTuple):
    """Extent of one labelled object: number of pixels, and smallest box."""

    area: int
    box: Box


def label_mask(
    mask: Mask, bits: Bits | None = None, connectivity: int = 8
) -> tuple[NDArray[np.uint32], list[LabelExtent]]:
    """Numbers of the connected components of a mask.

    Parameters
    ----------
    mask : Mask
        (ny, nx) int32.
    bits : int, str or sequence of str, optional
        Bits or planes of which a pixel must have one; by default any bit.
    connectivity : {8, 4}
        8: pixels touch at corners too.

    Returns
    -------
    labels : (ny, nx) uint32 array
        1, 2, ... by first pixel; 0 where no bit is set.
    extents : list of LabelExtent
        Of labels 1, 2, ...
    """
    word = -1 if bits is None else bits_of(check_mask(mask), bits)
    labels = np.zeros(check_mask(mask).array.shape, np.uint32)
    parts = _core.label_mask(
        mask.array,
        labels,
        start_of("mask", mask.box),
        bits=word,
        connectivity=whole("connectivity", connectivity),
    )
    return labels, [LabelExtent(area, box_of(bounds)) for area, bounds in parts]


def count_by_label(
    labels: NDArray[np.uint32], mask: Mask, n: int, *, any_of: Bits = 0, none_of: Bits = 0
) -> NDArray[np.uint64]:
    """Number of pixels of each label whose mask word has some bits and lacks others.

    Parameters
    ----------
    labels : (ny, nx) uint32 array
        At most `n`; 0 is not counted.
    mask : Mask
        (ny, nx) int32, of the same pixels.
    n : int
        Largest label.
    any_of, none_of : int, str or sequence of str
        Bits or planes: one of the former (0: no condition) and none of the latter must be set.

    Returns
    -------
    (n,) uint64 array
        Counts of labels 1 to n.

    Raises
    ------
    ShapeError
        Shapes differ.
    OptionError
        A label that counts exceeds `n`.
    """
    words = bits_of(check_mask(mask), any_of), bits_of(mask, none_of)
    most = whole("n", n)
    if not 0 <= most < 2**32:
        raise OptionError(f"n: got {most}, must be between 0 and {2**32 - 1}")
    return _core.count_by_label(labels, mask.array, any_bits=words[0], none_bits=words[1], n=most)


def dilate_mask(
    array: NDArray[np.bool_], radius: int, stencil: Stencil = "circle"
) -> NDArray[np.bool_]:
    """(ny, nx) bool: pixels within a stencil of a true pixel, exactly (no rounded distances)."""
    out = np.zeros(np.shape(array), bool)
    _core.dilate_mask(array, out, radius=whole("radius", radius), stencil=stencil)
    return out

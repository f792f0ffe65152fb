# SPDX-License-Identifier: BSD-3-Clause
"""Arguments that several functions of the package take."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from deepcoadd._stats_options import signed_bits
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box, Interval
from deepcoadd.mask import Mask

__all__ = [
    "Bits",
    "Bounds",
    "Stencil",
    "bits_of",
    "bounds_of",
    "box_of",
    "check_mask",
    "first_pixel",
    "start_of",
    "stencil_of",
    "whole",
]

Stencil: TypeAlias = Literal["circle", "manhattan", "box"]
Bits: TypeAlias = int | str | Iterable[str]
Bounds: TypeAlias = tuple[int, int, int, int]

_INT64_MAX = 2**63 - 1


def whole(name: str, value: Any) -> int:
    """Return `value` as an int that fits 64 bits; refuse what is not an integer."""
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(f"{name}: got {value!r}, must be a whole number") from None
    if abs(number) > _INT64_MAX:
        raise OptionError(f"{name}: got {number}, must be a whole number of 64 bits")
    return number


def start_of(name: str, box: Box) -> tuple[int, int]:
    """First pixel (y, x) of a box."""
    return whole(name, box.y.start), whole(name, box.x.start)


def first_pixel(start: Any) -> tuple[int, int]:
    """First pixel (y0, x0) that a caller gives."""
    if not (isinstance(start, tuple | list) and len(start) == 2):
        raise OptionError(f"start: got {start!r}, must be (y0, x0)")
    return whole("start", start[0]), whole("start", start[1])


def stencil_of(stencil: Any) -> Stencil:
    """Name of a stencil; refuse another."""
    if not isinstance(stencil, str):
        raise OptionError(f"stencil: got {stencil!r}, must be circle, manhattan or box")
    return stencil  # type: ignore[return-value]  # the core knows the names


def bounds_of(name: str, box: Box) -> Bounds:
    """(y0, x0, y1, x1) of a box, half-open."""
    if not isinstance(box, Box):
        raise OptionError(f"{name}: got {box!r}, must be a Box")
    y, x = box.y, box.x
    return (
        whole(name, y.start),
        whole(name, x.start),
        whole(name, y.stop),
        whole(name, x.stop),
    )


def box_of(bounds: Bounds) -> Box:
    """Box of (y0, x0, y1, x1), half-open."""
    y0, x0, y1, x1 = bounds
    return Box(Interval(y0, y1), Interval(x0, x1))


def check_mask(mask: Mask) -> Mask:
    """Return `mask`; refuse what is not a Mask."""
    if not isinstance(mask, Mask):
        raise OptionError(f"mask: got {type(mask).__name__}, must be a Mask")
    return mask


def bits_of(mask: Mask, bits: Bits) -> int:
    """Bits of a number, a plane or several planes of a mask, as int32 holds them."""
    if isinstance(bits, str):
        return mask.planes.bitmask(bits)
    if isinstance(bits, Iterable):
        return mask.planes.bitmask(*bits)
    return signed_bits("bits", bits)

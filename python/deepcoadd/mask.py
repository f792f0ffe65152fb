# SPDX-License-Identifier: BSD-3-Clause
"""Mask planes: names for the bits of an int32 mask image.

The dictionary belongs to a mask; there is no global registry. Bits differ from file to file, so
masks are always combined by name (`Mask.conformed_to`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.interop.afw_names import MaskNames

__all__ = ["DEFAULT_PLANES", "MAX_PLANES", "Mask", "MaskPlanes", "conformed_bits"]

MAX_PLANES = 32

_DESCRIPTIONS = {
    "BAD": "defective detector pixel",
    "SAT": "saturated",
    "INTRP": "value filled by interpolation",
    "CR": "cosmic ray",
    "EDGE": "too near the edge of a detector to be trusted",
    "DETECTED": "part of a detected source",
    "DETECTED_NEGATIVE": "part of a negative detection",
    "SUSPECT": "value is doubtful",
    "NO_DATA": "no input pixel was good",
    "VIGNETTED": "vignetted",
    "STREAK": "streak of a satellite or aircraft",
    "REJECTED": "an input was left out because of a bad plane",
    "CLIPPED": "an input was left out as an artifact or by clipping",
    "SENSOR_EDGE": "an input was left out at a detector edge",
    "INEXACT_PSF": "the coadd PSF is not exact here",
    "NOT_DEBLENDED": "source was not deblended",
    "CROSSTALK": "amplifier crosstalk",
    "UNMASKEDNAN": "NaN that carried no other plane",
    "BRIGHT_OBJECT": "inside the mask of a bright object",
}


def _bit_value(bit: int) -> int:
    """Value of one bit as a signed 32-bit integer (bit 31 is the sign)."""
    return 1 << bit if bit < 31 else -(1 << 31)


class MaskPlanes(Mapping[str, int]):
    """Immutable map from plane name to bit number (0 to 31), with a description each.

    Parameters
    ----------
    planes : mapping of str to int, or iterable of str
        Name -> bit, or names that take bits 0, 1, 2, ... in order.
    descriptions : mapping of str to str, optional
        One line a plane; standard planes have one already.

    Raises
    ------
    MaskPlaneError
        More than 32 planes, a name twice, two names with one bit, or a bit outside 0..31.
    OptionError
        `planes` is a single string.

    Examples
    --------
    >>> planes = MaskPlanes(["BAD", "SAT"])
    >>> planes["SAT"], planes.bitmask("BAD", "SAT"), "CR" in planes
    (1, 3, False)
    """

    __slots__ = ("_bits", "_descriptions", "_hash")

    def __init__(
        self,
        planes: Mapping[str, int] | Iterable[str],
        descriptions: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(planes, str):
            raise OptionError(f"planes = {planes!r}: expected a mapping or a list of names")
        if isinstance(planes, Mapping):
            bits = {str(name): _bit_number(str(name), bit) for name, bit in planes.items()}
        else:
            names = [str(name) for name in planes]
            bits = {name: bit for bit, name in enumerate(names)}
            if len(bits) < len(names):
                raise MaskPlaneError(f"a mask plane is named twice: {', '.join(names)}")
        _check_planes(bits)
        known = {**_DESCRIPTIONS, **(descriptions or {})}
        self._bits = bits
        self._descriptions = {name: known.get(name, "") for name in bits}
        self._hash = hash(frozenset(bits.items()))

    def __getitem__(self, name: str) -> int:
        try:
            return self._bits[name]
        except KeyError:
            raise MaskPlaneError(
                f"unknown mask plane {name!r}; this mask has {', '.join(self._bits) or 'none'}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._bits

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MaskPlanes) and self._bits == other._bits

    def __repr__(self) -> str:
        return f"MaskPlanes({self._bits})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (MaskPlanes, (self._bits, self._descriptions))

    def description(self, name: str) -> str:
        """One line on what a plane means; empty when nobody said."""
        if name not in self:
            raise MaskPlaneError(f"unknown mask plane {name!r}; this mask has {', '.join(self)}")
        return self._descriptions[name]

    def bitmask(self, *names: str) -> int:
        """Bits of the named planes as one signed 32-bit integer (0 without names).

        Raises
        ------
        MaskPlaneError
            A name is unknown.
        """
        return reduce(operator.or_, (_bit_value(self[name]) for name in names), 0)

    def known_bitmask(self, names: Iterable[str]) -> int:
        """Bits of those named planes that exist; others count for nothing.

        Raises
        ------
        MaskPlaneError
            The names are one text, whose letters would count as names.
        """
        if isinstance(names, str):
            raise MaskPlaneError(f"mask planes: got {names!r}, must be several names")
        return self.bitmask(*(name for name in names if name in self))

    def names_of(self, bits: int) -> tuple[str, ...]:
        """Names of the planes that are set in `bits`, by bit number."""
        ordered = sorted(self._bits.items(), key=lambda item: item[1])
        return tuple(name for name, bit in ordered if bits & _bit_value(bit))

    def with_planes(self, *names: str) -> MaskPlanes:
        """Dictionary that has `names` too, new ones at the lowest free bits in order.

        Raises
        ------
        MaskPlaneError
            More than 32 planes would be needed; the message lists them.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self]
        if not missing:
            return self
        free = [bit for bit in range(MAX_PLANES) if bit not in set(self._bits.values())]
        if len(missing) > len(free):
            raise MaskPlaneError(
                f"{len(self) + len(missing)} mask planes are needed, {MAX_PLANES} is the most: "
                f"{', '.join([*self._bits, *missing])}"
            )
        return MaskPlanes(
            {**self._bits, **dict(zip(missing, free, strict=False))}, self._descriptions
        )

    def merged_with(self, other: MaskPlanes) -> MaskPlanes:
        """Dictionary with the planes of both; those of `self` keep their bits."""
        return self.with_planes(*other)


def _bit_number(name: str, bit: Any) -> int:
    """Bit as an int; refuse what is not an integer."""
    try:
        return operator.index(bit)
    except TypeError:
        raise MaskPlaneError(f"mask plane {name!r} has bit {bit!r}; allowed are 0 to 31") from None


def _check_planes(bits: Mapping[str, int]) -> None:
    """Refuse bits out of range and bits with two names."""
    if len(bits) > MAX_PLANES:
        raise MaskPlaneError(
            f"{len(bits)} mask planes, {MAX_PLANES} is the most: {', '.join(bits)}"
        )
    seen: dict[int, str] = {}
    for name, bit in bits.items():
        if not 0 <= bit < MAX_PLANES:
            raise MaskPlaneError(f"mask plane {name!r} has bit {bit}; allowed are 0 to 31")
        if bit in seen:
            raise MaskPlaneError(f"mask planes {seen[bit]!r} and {name!r} share bit {bit}")
        seen[bit] = name


DEFAULT_PLANES = MaskPlanes(list(_DESCRIPTIONS))
"""Planes of a new mask: those of the Rubin pipelines at their bits, then those of coaddition."""


class Mask(MaskNames):
    """An int32 image of bit fields, with the names of the bits.

    Parameters
    ----------
    array : (ny, nx) int32 array
        Not copied.
    box : Box, optional
        Where the pixels lie; by default the box of the array's shape at (0, 0).
    planes : MaskPlanes, optional
        Names of the bits.

    Raises
    ------
    ShapeError
        The array is not 2-D or does not have the shape of the box.
    OptionError
        The array is not a numpy array of int32.
    """

    __slots__ = ("array", "box", "planes")

    def __init__(
        self,
        array: npt.NDArray[np.int32],
        box: Box | None = None,
        planes: MaskPlanes = DEFAULT_PLANES,
    ) -> None:
        if not isinstance(array, np.ndarray) or np.ma.isMaskedArray(array):
            raise OptionError(f"mask: expected a numpy array, got {type(array).__name__}")
        if array.ndim != 2:
            raise ShapeError(f"mask: expected a 2-D array, got shape {array.shape}")
        if array.dtype != np.int32:
            raise OptionError(f"mask: expected int32 of native byte order, got {array.dtype}")
        self.array = array
        self.box = Box.from_shape(array.shape) if box is None else box
        self.planes = planes
        if self.box.shape != array.shape and not (self.box.is_empty and array.size == 0):
            raise ShapeError(f"mask: array of shape {array.shape} for box {self.box}")

    @classmethod
    def zeros(cls, box: Box, planes: MaskPlanes = DEFAULT_PLANES) -> Mask:
        """Mask without any bit set."""
        return cls(np.zeros(box.shape, np.int32), box, planes)

    def __getitem__(self, box: Box) -> Mask:
        """View of the pixels of `box` (parent coordinates)."""
        return Mask(self.array[box.slices_within(self.box)], box, self.planes)

    def copy(self) -> Mask:
        """Copy of pixels; the dictionary is shared (it is immutable)."""
        return Mask(self.array.copy(), self.box, self.planes)

    def has(self, *names: str) -> npt.NDArray[np.bool_]:
        """(ny, nx) bool: where any of the named planes is set."""
        return np.asarray(self.array & np.int32(self.planes.bitmask(*names))).astype(bool)

    def set(self, name: str, where: npt.NDArray[np.bool_] | tuple[slice, slice]) -> None:
        """Set a plane, in place, where a boolean array (or pair of slices) says.

        Raises
        ------
        MaskPlaneError
            The plane is unknown.
        ShapeError
            The boolean array does not have the shape of the mask.
        """
        if not isinstance(where, tuple) and where.shape != self.array.shape:
            raise ShapeError(f"where: shape {where.shape}, but the mask has {self.array.shape}")
        self.array[where] |= np.int32(self.planes.bitmask(name))

    def clear(self, *names: str) -> None:
        """Clear the named planes everywhere, in place."""
        self.array &= np.int32(~self.planes.bitmask(*names))

    def conformed_to(self, planes: MaskPlanes) -> Mask:
        """Mask whose bits follow `planes`; see `conformed_bits`.

        The pixels are shared when none has to change.

        Raises
        ------
        MaskPlaneError
            A plane of this mask is missing in `planes`.
        """
        return Mask(conformed_bits(self.array, self.planes, planes), self.box, planes)

    def counts(self) -> dict[str, int]:
        """Number of pixels set, by plane."""
        return {name: int(np.count_nonzero(self.has(name))) for name in self.planes}

    def __repr__(self) -> str:
        return f"Mask(box={self.box}, planes={list(self.planes)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Mask, (self.array, self.box, self.planes))


def conformed_bits(
    bits: npt.NDArray[np.int32], source: MaskPlanes, target: MaskPlanes
) -> npt.NDArray[np.int32]:
    """Mask words re-mapped from one dictionary to another.

    Parameters
    ----------
    bits : (ny, nx) int32 array
        Words that follow `source`. Bits that `source` does not name mean nothing: unless the
        dictionaries are equal they are dropped, lest they mean something in `target`.
    source, target : MaskPlanes
        `target` must hold every name of `source`.

    Returns
    -------
    (ny, nx) int32 array
        `bits` itself when no pixel changes.

    Raises
    ------
    MaskPlaneError
        A name of `source` is missing in `target`.
    """
    moved = {name: bit for name, bit in source.items() if target[name] != bit}
    if not moved:
        nameless = ~source.bitmask(*source)
        if source == target or not int(np.bitwise_or.reduce(bits, axis=None)) & nameless:
            return bits
    words = bits.view(np.uint32)
    out = words & np.uint32(_unsigned(source, (name for name in source if name not in moved)))
    # Planes that move by the same distance move together: a few passes, not a few a plane.
    groups: dict[int, list[str]] = {}
    for name, bit in moved.items():
        groups.setdefault(target[name] - bit, []).append(name)
    for distance, names in groups.items():
        part = words & np.uint32(_unsigned(source, names))
        shift = np.left_shift if distance > 0 else np.right_shift
        out |= shift(part, np.uint32(abs(distance)), out=part)
    return out.view(np.int32)


def _unsigned(planes: MaskPlanes, names: Iterable[str]) -> int:
    """Bits of some planes as an unsigned number."""
    return planes.bitmask(*names) & 0xFFFFFFFF

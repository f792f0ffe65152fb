# SPDX-License-Identifier: BSD-3-Clause
"""Binary tables, row by row, as plain Python and numpy values. Nothing is ever unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import FileFormatError
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._pool import OpenFile

__all__ = ["Table", "read_table"]

_FORMAT = re.compile(r"^\s*(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TYPES = {
    "L": "S1",
    "B": "u1",
    "I": ">i2",
    "J": ">i4",
    "K": ">i8",
    "E": ">f4",
    "D": ">f8",
    "C": ">c8",
    "M": ">c16",
}
_ITEM_BYTES = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}


@dataclass(frozen=True)
class _Column:
    """A column: its code letter, and that of the elements of a variable-length array."""

    name: str
    code: str
    element: str
    count: int


class Table:
    """A binary table in memory.

    Rows are dicts of column name to value: int, float, str, bool, numpy array (native byte order),
    or bytes for variable-length arrays of bytes. Flags, which are packed into one column, stand
    under their own names; a pair of numbers also as ``<name>_x`` and ``<name>_y``.
    """

    def __init__(
        self,
        rows: npt.NDArray[Any],
        heap: bytes,
        heap_start: int,
        columns: tuple[_Column, ...],
        flags: tuple[str, ...],
        where: str,
    ) -> None:
        self._rows = rows
        self._heap = heap
        self._heap_start = heap_start
        self._columns = columns
        self._flags = flags
        self._where = where

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self._columns)

    def heap_items(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Position (from the first byte of the data) and bytes of a column's arrays."""
        column = next(column for column in self._columns if column.name == name)
        for descriptor in self._rows[name]:
            data = self._heap_bytes(column, descriptor)
            yield self._heap_start + int(descriptor[1]), data

    def row(self, index: int) -> dict[str, Any]:
        """Values of one row."""
        record = self._rows[index]
        out: dict[str, Any] = {}
        for column in self._columns:
            value = record[column.name]
            if column.code == "X":
                out |= self._flag_values(value)
            elif column.code in "PQ":
                out[column.name] = self._from_heap(column, value)
            else:
                out[column.name] = _plain(value, column)
                if column.count == 2 and column.code in "IJKED":
                    # The oldest archives keep a point as a pair.
                    x, y = (number.item() for number in value)
                    out |= {f"{column.name}_x": x, f"{column.name}_y": y}
        return out

    def _flag_values(self, packed: npt.NDArray[np.uint8]) -> dict[str, bool]:
        bits = np.unpackbits(np.atleast_1d(packed))
        return {name: bool(bit) for name, bit in zip(self._flags, bits, strict=False)}

    def _from_heap(self, column: _Column, descriptor: npt.NDArray[Any]) -> Any:
        """Array (or text, or bytes) that a descriptor points to."""
        data = self._heap_bytes(column, descriptor)
        if column.element == "A":
            return _text(data)
        if column.element == "B":
            return data
        values = np.frombuffer(data, _TYPES[column.element])
        return values.astype(values.dtype.newbyteorder("="))

    def _heap_bytes(self, column: _Column, descriptor: npt.NDArray[Any]) -> bytes:
        n, offset = (int(number) for number in descriptor)
        size = n * _ITEM_BYTES.get(column.element, 0)
        if n < 0 or offset < 0 or offset + size > len(self._heap):
            raise FileFormatError(
                f"{self._where}: column {column.name} points to bytes {offset}..{offset + size} "
                f"of a heap of {len(self._heap)}"
            )
        return self._heap[offset : offset + size]


def _text(data: bytes) -> str:
    """Text of a field; what no message could show becomes U+FFFD."""
    text = data.decode("ascii", "replace").rstrip("\0 ")
    return _CONTROL.sub("\ufffd", text)


def _plain(value: Any, column: _Column) -> Any:
    """Native value of a fixed-width field."""
    if column.code == "A":
        return _text(bytes(value))
    if column.code == "L":
        logical = np.atleast_1d(value) == b"T"
        return bool(logical[0]) if column.count == 1 else logical
    if column.count == 1:
        return value.item()
    return value.astype(value.dtype.newbyteorder("="))


def read_table(file: OpenFile, hdu: Hdu) -> Table:
    """Table of an HDU.

    Raises
    ------
    FileFormatError
        It is no binary table, or its columns do not fill its rows.
    """
    where = f"{file.path}: {hdu.label}"
    if hdu.get("XTENSION") != "BINTABLE":
        raise FileFormatError(f"{where}: no binary table")
    columns = tuple(_column(hdu, i, where) for i in range(1, hdu.get("TFIELDS", 0) + 1))
    width, n_rows = hdu.get("NAXIS1"), hdu.get("NAXIS2")
    dtype = np.dtype([(column.name, *_dtype_of(column)) for column in columns])
    if dtype.itemsize != width:
        raise FileFormatError(f"{where}: columns of {dtype.itemsize} bytes in rows of {width}")
    main = dtype.itemsize * n_rows if isinstance(n_rows, int) else -1
    if not 0 <= main <= hdu.size:
        raise FileFormatError(f"{where}: {n_rows} rows of {width} bytes in {hdu.size}")
    data = bytearray(hdu.size)
    file.read_into(hdu.offset, memoryview(data))
    rows = np.frombuffer(data, dtype, n_rows) if main else np.zeros(0, dtype)
    start = hdu.get("THEAP", main)
    if not isinstance(start, int) or not main <= start <= hdu.size:
        raise FileFormatError(f"{where}: THEAP = {start!r} is not between {main} and {hdu.size}")
    flags = tuple(str(hdu.get(f"TFLAG{i}")) for i in range(1, 1000) if f"TFLAG{i}" in hdu.cards)
    return Table(rows, bytes(data[start:]), start, columns, flags, where)


def _column(hdu: Hdu, number: int, where: str) -> _Column:
    name, text = hdu.get(f"TTYPE{number}"), str(hdu.get(f"TFORM{number}", ""))
    match = _FORMAT.match(text)
    if name is None or match is None:
        raise FileFormatError(f"{where}: column {number} is {name!r} of format {text!r}")
    count, code, element = match.groups()
    # Oldest files join the parts of compound fields by dots.
    plain = str(name).strip().replace(".", "_")
    return _Column(plain, code, element, 1 if count == "" else int(count))


def _dtype_of(column: _Column) -> tuple[Any, ...]:
    """Dtype, and shape where there is one, of a column."""
    if column.code == "A":
        return (f"S{column.count}",) if column.count else ("V0",)
    if column.code == "X":
        return ("u1", ((column.count + 7) // 8,))
    if column.code in "PQ":
        return (">i4" if column.code == "P" else ">i8", (2,))
    if column.count == 1:
        return (_TYPES[column.code],)
    return (_TYPES[column.code], (column.count,))

# SPDX-License-Identifier: BSD-3-Clause
"""One 2-D array of a file, read by sections into native byte order."""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd._buffers import empty
from deepcoadd._core.quality import swap_words
from deepcoadd.errors import FileFormatError, OptionError
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._pool import FilePool, OpenFile

__all__ = ["Plane"]

# A piece this long is still in the cache when its bytes are swapped.
_CHUNK_BYTES = 1 << 19
_SWAP = sys.byteorder == "little"
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# BZERO by which FITS keeps unsigned integers (and signed bytes).
_OFFSETS = {16: (2**15, "u2"), 32: (2**31, "u4"), 64: (2**63, "u8"), 8: (-128, "i1")}


RawRows = tuple[int, npt.NDArray[np.uint32]]
"""Number of the first row in the plane, and the bits of some rows in the byte order of files."""


def _to_native(values: npt.NDArray[Any]) -> int | None:
    """Turn the byte order of values just read, in place; the OR of 4-byte words on the way."""
    if not _SWAP or values.dtype.itemsize == 1:
        return None
    if values.dtype.itemsize == 4:
        # Other threads can run meanwhile, unlike in numpy's own.
        return swap_words(values.view(np.int32))
    values.byteswap(inplace=True)
    return None


def _union(words: npt.NDArray[np.int32]) -> int:
    return int(np.bitwise_or.reduce(words, axis=None)) if words.size else 0


@dataclass(frozen=True)
class Plane:
    """Where a 2-D array lies and how its values are coded.

    Parameters
    ----------
    path : Path
        File.
    hdu : Hdu
        Its HDU; of type image, plain or tile-compressed.
    """

    path: Path
    hdu: Hdu

    def __post_init__(self) -> None:
        if not self.hdu.is_image:
            raise FileFormatError(f"{self.where}: no 2-D image (shape {self.hdu.shape})")
        zero, scale = self.zero, self.scale
        if not (math.isfinite(zero) and math.isfinite(scale) and scale != 0):
            raise FileFormatError(f"{self.where}: BSCALE = {scale}, BZERO = {zero}")

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"{self.path}: {self.hdu.label}"

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ny, nx = self.hdu.shape
        return ny, nx

    @property
    def zero(self) -> float:
        """Offset of coded values (BZERO)."""
        return self._number("BZERO", 0)

    @property
    def scale(self) -> float:
        """Factor of coded values (BSCALE)."""
        return self._number("BSCALE", 1)

    @property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers."""
        return self.dtype.kind in "iu"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native dtype of the values: unsigned and scaled ones as they are meant."""
        offset, unsigned = _OFFSETS.get(self.hdu.bitpix, (None, ""))
        if self.scale == 1 and self.zero == offset:
            return np.dtype(unsigned)
        plain = self.scale == 1 and self.zero == 0
        if plain and self._blank is None:
            return np.dtype(_TYPES[self.hdu.bitpix]).newbyteorder("=")
        return np.dtype(np.float32 if self.hdu.bitpix in (8, 16, -32) else np.float64)

    def native(self, pool: FilePool, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Values of a section as `dtype`."""
        return self._section(pool, rows, columns, self.dtype)

    def floats(self, pool: FilePool, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """Values of a section as float32; blank integers and values are NaN.

        Numbers beyond the range of float32 become infinite.
        """
        return self._section(pool, rows, columns, np.dtype(np.float32))

    def words(self, pool: FilePool, rows: slice, columns: slice) -> npt.NDArray[np.int32]:
        """Values of a section as int32 bit fields; unsigned 32-bit words keep their bits.

        Raises
        ------
        FileFormatError
            The plane is not of an integer type, or a word needs more than 32 bits.
        """
        return self.words_and_union(pool, rows, columns)[0]

    def words_and_union(
        self, pool: FilePool, rows: slice, columns: slice
    ) -> tuple[npt.NDArray[np.int32], int]:
        """Words of a section, as `words`, and the OR of them all."""
        if not self.is_integer:
            raise FileFormatError(f"{self.where}: a mask of type {self.dtype}; expected integers")
        if self.dtype.itemsize < 8:
            unions: list[int] = []
            out = self._section(pool, rows, columns, np.dtype(np.int32), unions)
            union = functools.reduce(operator.or_, unions) if unions else _union(out)
            return out, union
        wide = self._section(pool, rows, columns, self.dtype)
        low, high = (int(wide.min()), int(wide.max())) if wide.size else (0, 0)
        if low < -(2**31) or high >= 2**32:
            raise FileFormatError(f"{self.where}: mask values {low}..{high} need over 32 bits")
        narrow = wide.astype(np.int32)
        return narrow, _union(narrow)

    def _number(self, key: str, default: float) -> float:
        value = self.hdu.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise FileFormatError(f"{self.where}: {key} = {value!r}; expected a number")
        return value

    def _section(
        self,
        pool: FilePool,
        rows: slice,
        columns: slice,
        dtype: np.dtype[Any],
        unions: list[int] | None = None,
    ) -> npt.NDArray[Any]:
        """Values of a section; where they are words as stored, their ORs are added to a list."""
        try:
            out = empty((rows.stop - rows.start, columns.stop - columns.start), dtype)
            with pool.use(self.path) as file:
                if self.hdu.compressed:
                    self._read_tiles(file, rows, columns, out)
                else:
                    self._read_rows(file, (rows, columns), out, unions)
        except MemoryError:
            raise OptionError(
                f"{self.where}: no memory for a section of {rows.stop - rows.start} x "
                f"{columns.stop - columns.start} pixels"
            ) from None
        return out

    def _read_rows(
        self,
        file: OpenFile,
        section: tuple[slice, slice],
        out: npt.NDArray[Any],
        unions: list[int] | None,
    ) -> None:
        """Read a plain image, some rows at a time."""
        rows, columns = section
        raw_type = np.dtype(_TYPES[self.hdu.bitpix])
        nx = self.shape[1]
        width = columns.stop - columns.start
        # Whole rows unless the section is narrow: one long read beats many short ones.
        whole = 8 * width >= nx
        pixels, first = (nx, 0) if whole else (width, columns.start)
        step = max(1, _CHUNK_BYTES // (pixels * raw_type.itemsize)) if whole else 1
        direct = raw_type.itemsize == out.itemsize and raw_type.kind == out.dtype.kind
        direct = direct and pixels == width and self._as_stored
        for row in range(rows.start, rows.stop, step):
            n = min(step, rows.stop - row)
            target = out[row - rows.start : row - rows.start + n]
            raw = target.view(raw_type) if direct else np.empty((n, pixels), raw_type)
            offset = self.hdu.offset + (row * nx + first) * raw_type.itemsize
            file.read_into(offset, raw.reshape(-1).view(np.uint8).data)
            if direct:
                union = _to_native(target)
                if unions is not None and union is not None:
                    unions.append(union)
            else:
                cut = slice(columns.start - first, columns.stop - first)
                self._decode(raw[:, cut], target)

    @property
    def _as_stored(self) -> bool:
        return self.scale == 1 and self.zero == 0 and self._blank is None

    @property
    def _blank(self) -> Any:
        """Code of pixels without a value; only integers have one."""
        return self.hdu.get("BLANK") if self.hdu.bitpix > 0 else None

    def _decode(self, raw: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Values of coded pixels, without a copy where there is no code."""
        if self._as_stored:
            with np.errstate(over="ignore"):
                out[...] = raw
            return
        if self.is_integer:
            # The unsigned convention: an offset that wraps around in the type of the values.
            wide = raw.astype(np.int64) if self.hdu.bitpix != 64 else raw.astype(np.uint64)
            with np.errstate(over="ignore"):
                out[...] = (wide + np.asarray(int(self.zero), wide.dtype)).astype(self.dtype)
            return
        values = raw.astype(np.float64) * self.scale + self.zero
        if self._blank is not None:
            values[raw == self._blank] = np.nan
        with np.errstate(over="ignore"):
            out[...] = values

    def raw_rows(self, pool: FilePool, rows: slice, columns: slice) -> Iterator[RawRows] | None:
        """float32 values of a section as they stand in the file, some rows at a time.

        Each step overwrites the one before. None where values are coded or of another type.
        """
        plain = not self.hdu.compressed and self.hdu.bitpix == -32 and self._as_stored
        return self._raw_rows(pool, rows, columns) if plain else None

    def _raw_rows(self, pool: FilePool, rows: slice, columns: slice) -> Iterator[RawRows]:
        nx = self.shape[1]
        step = max(1, _CHUNK_BYTES // (4 * max(nx, 1)))
        buffer = np.empty((step, nx), np.uint32)
        with pool.use(self.path) as file:
            for row in range(rows.start, rows.stop, step):
                part = buffer[: min(step, rows.stop - row)]
                offset = self.hdu.offset + 4 * row * nx
                file.read_into(offset, part.reshape(-1).view(np.uint8).data)
                yield row, part[:, columns]

    def _read_tiles(
        self, file: OpenFile, rows: slice, columns: slice, out: npt.NDArray[Any]
    ) -> None:
        """Read a tile-compressed image: only the tiles that the section touches."""
        if out.size == 0:
            return
        try:
            with file.hdulist() as hdus:
                section = hdus[self.hdu.index].section
                cut = (0,) * (len(section.shape) - 2) + (rows, columns)
                values = section[cut]
        except (MemoryError, FileFormatError):
            raise
        except Exception as error:  # the decompressors raise whatever they meet
            raise FileFormatError(f"{self.where}: damaged tiles: {error}") from error
        with np.errstate(over="ignore", invalid="ignore"):
            out[...] = values

# SPDX-License-Identifier: BSD-3-Clause
"""FITS output: at once or tile by tile, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.table import Table

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.exposure import Exposure, ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.io._atomic import atomic_path, check_output
from deepcoadd.io._compress import COMPRESSIONS, compress_file
from deepcoadd.io._out_cards import make_header, plane_cards, primary_cards
from deepcoadd.io._parts_hdus import part_hdus, table_hdu
from deepcoadd.mask import Mask
from deepcoadd.provenance import CoaddInputs

__all__ = ["TileWriter", "write", "writer"]

_BLOCK = 2880
_CHUNK_BYTES = 1 << 20
_TABLES = ("PSF", "PARTS", "INPUTS", "VISITS", "CCDS")
_PLANES = {"IMAGE": np.float32, "MASK": np.int32, "VARIANCE": np.float32}
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
# Unsigned integers are kept as signed ones with an offset.
_SIGNED = {"u2": ("i2", 2**15), "u4": ("i4", 2**31)}


@dataclass(frozen=True)
class _Slot:
    """Where a plane lies in the file that is being written."""

    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, int]
    without_infinity: bool

    def write(self, file: BinaryIO, box: Box, outer: Box, values: npt.NDArray[Any]) -> None:
        """Write the pixels of a box, some rows at a time."""
        rows, columns = box.slices_within(outer)
        stored, zero = _stored(self.dtype)
        width = columns.stop - columns.start
        whole = width == self.shape[1]
        step = max(1, _CHUNK_BYTES // max(1, width * stored.itemsize)) if whole else 1
        for row in range(0, rows.stop - rows.start, step):
            piece = values[row : row + step]
            if self.without_infinity and np.isinf(piece).any():
                piece = np.where(np.isinf(piece), np.nan, piece)
            if zero:
                piece = (piece.astype(np.int64) - zero).astype(stored)
            at = (rows.start + row) * self.shape[1] + columns.start
            file.seek(self.offset + at * stored.itemsize)
            file.write(np.ascontiguousarray(piece, dtype=stored).data)


def _stored(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int]:
    """Dtype in the file (big-endian) and offset of unsigned integers."""
    name = dtype.str[1:]
    signed, zero = _SIGNED.get(name, (name, 0))
    return np.dtype(">" + signed), zero


class TileWriter:
    """An exposure that is written tile by tile; made by `writer`.

    Attributes
    ----------
    inputs_table : Table or None
        Table of the inputs; may be set until the block ends.
    extra_tables : dict of str to Table
        Further tables by name; likewise.
    """

    def __init__(
        self,
        file: BinaryIO,
        info: ExposureInfo,
        extra_images: Mapping[str, npt.DTypeLike],
        provenance: Mapping[str, Any] | None,
        *,
        quantized: bool = False,
    ) -> None:
        self.box = info.box
        warps = info.inputs.warps if isinstance(info.inputs, CoaddInputs) else info.inputs
        self.inputs_table = warps if isinstance(warps, Table) else None
        self.extra_tables: dict[str, Table] = {}
        self._info = info
        self._file = file
        # One infinity spoils the quantisation of its whole tile.
        self._quantized = quantized
        self._n_missing = info.box.area
        self._extra = tuple(name.upper() for name in extra_images)
        dtypes = {**_PLANES, **{name.upper(): kind for name, kind in extra_images.items()}}
        _check_extra(self._extra, dtypes)
        self._slots: dict[str, _Slot] = {}
        self._write_header(_primary_header(info, provenance))
        for name, kind in dtypes.items():
            self._add_plane(info, name, np.dtype(kind))

    def _write_header(self, header: fits.Header) -> None:
        self._file.write(header.tostring().encode("ascii"))

    def _add_plane(self, info: ExposureInfo, name: str, dtype: np.dtype[Any]) -> None:
        stored, zero = _stored(dtype)
        header = fits.Header()
        header["XTENSION"] = "IMAGE"
        header["BITPIX"] = _BITPIX[stored.str[1:]]
        header["NAXIS"] = 2
        header["NAXIS1"], header["NAXIS2"] = info.box.x.size, info.box.y.size
        header["PCOUNT"], header["GCOUNT"] = 0, 1
        if zero:
            header["BSCALE"], header["BZERO"] = 1, zero
        header.extend(make_header(plane_cards(info, name)))
        without_infinity = self._quantized and dtype.kind == "f"
        if without_infinity:
            header["DCINFNAN"] = (True, "infinities are kept as NaN")
        self._write_header(header)
        offset = self._file.tell()
        self._slots[name] = _Slot(dtype, offset, info.box.shape, without_infinity)
        size = info.box.area * stored.itemsize
        # Sparse until the tiles come; the padding that ends the HDU is written now.
        self._file.seek(offset + size)
        self._file.write(b"\0" * (-size % _BLOCK))

    def write_tile(
        self, box: Box, pixels: MaskedImage, extra_images: Mapping[str, Image] | None = None
    ) -> None:
        """Write the pixels of a box; tiles must not overlap.

        Parameters
        ----------
        box : Box
            Part of the exposure.
        pixels : MaskedImage
            Pixels of that box, in the mask dictionary given to `writer`.
        extra_images : mapping of str to Image, optional
            Pixels of the further images, one for each name given to `writer`.

        Raises
        ------
        ShapeError
            The box leaves the exposure, or the pixels are of another box.
        OptionError
            A further image is missing or unknown.
        """
        given = {name.upper(): image for name, image in (extra_images or {}).items()}
        if given.keys() != set(self._extra):
            raise OptionError(f"extra_images = {sorted(given)}; expected {sorted(self._extra)}")
        images: dict[str, Image | Mask] = {
            "IMAGE": pixels.image,
            "MASK": pixels.mask,
            "VARIANCE": pixels.variance,
            **given,
        }
        for name, image in images.items():
            if image.box != box:
                raise ShapeError(f"{name}: box {image.box} for the tile {box}")
            self._slots[name].write(self._file, box, self.box, image.array)
        self._n_missing -= box.area

    def _finish(self) -> None:
        """Write what follows the planes."""
        if self._n_missing:
            raise ShapeError(
                f"the tiles written leave {self._n_missing} of {self.box.area} pixels of "
                f"{self.box} open"
                if self._n_missing > 0
                else f"tiles of {self.box} overlap"
            )
        self._file.seek(0, os.SEEK_END)
        for hdu in part_hdus(self._info):
            self._file.write(_hdu_bytes(hdu))
        inputs = {} if self.inputs_table is None else {"INPUTS": self.inputs_table}
        for name, table in {**inputs, **self.extra_tables}.items():
            self._file.write(_hdu_bytes(table_hdu(table, name)))


def _check_extra(names: tuple[str, ...], dtypes: Mapping[str, npt.DTypeLike]) -> None:
    for name in names:
        dtype = np.dtype(dtypes[name])
        if name in {*_PLANES, *_TABLES} or _stored(dtype)[0].str[1:] not in _BITPIX:
            raise OptionError(
                f"extra image {name!r} of type {dtype}: the name or the type is taken"
            )


def _primary_header(info: ExposureInfo, provenance: Mapping[str, Any] | None) -> fits.Header:
    header = fits.Header()
    header["SIMPLE"], header["BITPIX"], header["NAXIS"] = True, 8, 0
    header["EXTEND"] = True
    header.extend(make_header(primary_cards(info, provenance)))
    return header


def _hdu_bytes(hdu: fits.BinTableHDU) -> bytes:
    """Bytes of an extension HDU."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    return buffer.getvalue()[_BLOCK:]  # the empty primary HDU is one block


@contextlib.contextmanager
def writer(
    path: str | os.PathLike[str],
    info: ExposureInfo,
    *,
    overwrite: bool = False,
    compression: str = "none",
    provenance: Mapping[str, Any] | None = None,
    inputs_table: Table | None = None,
    extra_images: Mapping[str, npt.DTypeLike] | None = None,
) -> Iterator[TileWriter]:
    """Writer of an exposure that need not fit in memory.

    Parameters
    ----------
    path : path-like
        Output. It appears when the block ends without an error, and not before.
    info : ExposureInfo
        What is known, with the box and the mask dictionary.
    overwrite : bool
        Whether an existing file may be replaced.
    compression : str
        "none", "lossless" or "rice16" (see `write`); the planes are then written plain first.
    provenance : mapping, optional
        Cards ``HIERARCH DEEPCOADD <NAME>``; nested mappings are flattened, lists become JSON.
    inputs_table : Table, optional
        Table of the warps; by default that of `info.inputs`. It can be set on the writer until the
        block ends.
    extra_images : mapping of str to dtype, optional
        Further images of the same box, by name.

    Yields
    ------
    TileWriter

    Raises
    ------
    OutputExistsError, OptionError, OutputError
        See `atomic_path`; also an unknown compression.
    ShapeError
        The box is empty, or the tiles do not cover it exactly once.
    """
    if compression not in COMPRESSIONS:
        raise OptionError(f"compression = {compression!r}; allowed are {', '.join(COMPRESSIONS)}")
    if info.box.is_empty:
        raise ShapeError(f"output {os.fspath(path)!r}: an exposure without pixels")
    with contextlib.ExitStack() as stack:
        plain = final = stack.enter_context(atomic_path(path, overwrite))
        if compression != "none":
            plain = stack.enter_context(_scratch(final))
        with open(plain, "wb") as file:
            quantized = compression == "rice16"
            tiles = TileWriter(file, info, extra_images or {}, provenance, quantized=quantized)
            if inputs_table is not None:
                tiles.inputs_table = inputs_table
            yield tiles
            tiles._finish()
        if compression != "none":
            compress_file(plain, final, compression)


@contextlib.contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Name of a file beside another, removed at the end."""
    scratch = path.with_name(f"{path.name}.plain")
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def write(
    path: str | os.PathLike[str],
    exposure: Exposure,
    *,
    overwrite: bool = False,
    compression: str = "none",
    provenance: Mapping[str, Any] | None = None,
    inputs_table: Table | None = None,
    extra_images: Mapping[str, Image] | None = None,
    extra_tables: Mapping[str, Table] | None = None,
) -> None:
    """Write an exposure: IMAGE, MASK and VARIANCE HDUs as the Rubin pipelines read them.

    Parameters
    ----------
    path : path-like
        Output; appears whole or not at all.
    exposure : Exposure
        What to write. Parts that could not be read (placeholders) are left out.
    overwrite : bool
        Whether an existing file may be replaced.
    compression : str
        "none"; "lossless" (GZIP_2 tiles); "rice16" (image and variance quantised to 1/16 of the
        noise with subtractive dither, mask and counts lossless; NaN and 0 survive; infinities
        become NaN, but +inf as the variance of a NO_DATA pixel is restored on reading).
    provenance : mapping, optional
        Cards ``HIERARCH DEEPCOADD <NAME>``.
    inputs_table : Table, optional
        HDU INPUTS.
    extra_images : mapping of str to Image, optional
        Further HDUs of the same box, by name.
    extra_tables : mapping of str to Table, optional
        Further tables, by name.

    Raises
    ------
    OutputExistsError
        The file exists and `overwrite` is False.
    OutputError
        The disk is full or protected; nothing is left behind.
    OptionError
        The path is a folder, or an option is not allowed.
    ShapeError
        There are no pixels, or an extra image has another box.
    """
    check_output(path, overwrite=overwrite)
    extra = dict(extra_images or {})
    tables = {name.upper(): table for name, table in (extra_tables or {}).items()}
    taken = tables.keys() & {*_PLANES, *_TABLES, *map(str.upper, extra)}
    if taken:
        raise OptionError(f"extra table {min(taken)!r}: the name is taken")
    with writer(
        path,
        replace(exposure.info, planes=exposure.mask.planes),
        overwrite=overwrite,
        compression=compression,
        provenance=provenance,
        inputs_table=inputs_table,
        extra_images={name: image.array.dtype for name, image in extra.items()},
    ) as tiles:
        tiles.extra_tables.update(tables)
        tiles.write_tile(exposure.box, exposure.masked_image, extra)

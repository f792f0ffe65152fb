# SPDX-License-Identifier: BSD-3-Clause
"""Tile compression of a FITS file that is already written."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from deepcoadd.io._hdus import scan_hdus
from deepcoadd.io._pool import OpenFile
from deepcoadd.io._tables import read_table

__all__ = ["COMPRESSIONS", "compress_file"]

COMPRESSIONS = ("none", "lossless", "rice16")
_TILE = (128, 128)
_QUANTIZE_LEVEL = 16.0
_GZIP = b"\x1f\x8b\x08"
_GZIP_TIME = slice(4, 8)
_DITHER_SKIPPING_ZEROS = 2  # SUBTRACTIVE_DITHER_2: exact zeros stay zero


def compress_file(plain: Path, out: Path, compression: str) -> None:
    """Write a copy of a file whose images are compressed in tiles of 128 x 128 pixels.

    Parameters
    ----------
    plain, out : Path
        Input, and output (which must not exist).
    compression : str
        "lossless": GZIP_2. "rice16": RICE_1 of floating-point images, in steps of 1/16 of the
        noise of a tile; NaN has a code of its own, infinities must not occur. Integer images are
        GZIP_2, lossless, in both.
    """
    # Floating-point planes may be larger than memory: they stay memory maps, which astropy refuses
    # for unsigned integers.
    with fits.open(plain, memmap=True) as mapped, fits.open(plain, memmap=False) as loaded:
        pairs = zip(mapped, loaded, strict=True)
        copies = [
            _compressed(whole if "BZERO" in whole.header else hdu, compression)
            for hdu, whole in pairs
        ]
        fits.HDUList(copies).writeto(out)
    _clear_times(out)


def _clear_times(path: Path) -> None:
    """Clear the time stamp of each gzip tile, so that equal pixels give equal files."""
    with contextlib.closing(OpenFile(path)) as file, open(path, "r+b") as target:
        with file.raw() as raw:
            hdus = scan_hdus(raw, file.size, str(path))
        for hdu in (hdu for hdu in hdus if hdu.compressed):
            table = read_table(file, hdu)
            for name in {"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"} & set(table.names):
                for start, data in table.heap_items(name):
                    if data.startswith(_GZIP):
                        target.seek(hdu.offset + start + _GZIP_TIME.start)
                        target.write(b"\0" * (_GZIP_TIME.stop - _GZIP_TIME.start))


def _compressed(hdu: Any, compression: str) -> Any:
    """Compressed copy of an image HDU; other HDUs as they are."""
    if not isinstance(hdu, fits.ImageHDU):
        return hdu
    options: dict[str, Any] = {"compression_type": "GZIP_2", "quantize_level": 0.0}
    if compression == "rice16" and hdu.data.dtype.kind == "f":
        options = {
            "compression_type": "RICE_1",
            "quantize_level": _QUANTIZE_LEVEL,
            "quantize_method": _DITHER_SKIPPING_ZEROS,
            "dither_seed": 1 + zlib.crc32(hdu.name.encode()) % 10000,
        }
    tile = tuple(min(side, n) for side, n in zip(_TILE, hdu.data.shape, strict=True))
    return fits.CompImageHDU(
        np.asarray(hdu.data), hdu.header, name=hdu.name, tile_shape=tile, **options
    )

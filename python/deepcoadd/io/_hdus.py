# SPDX-License-Identifier: BSD-3-Clause
"""The list of HDUs of a FITS file: headers, and where the data lie.

Sizes are checked against the file before anything is allocated, so that a damaged or hostile header
gives an error and never a huge array.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from astropy.io import fits

from deepcoadd.errors import FileFormatError
from deepcoadd.io._card_text import CARD_LENGTH, parse_cards

__all__ = ["Hdu", "scan_hdus"]

BLOCK = 2880
_MAX_HEADER_BLOCKS = 4096
_MAX_FIELDS = 999
_END = b"END" + b" " * 77
_KEYWORD = re.compile(rb"[\x20-\x7e]{8}")
_NOT_TEXT = re.compile(rb"[^\x20-\x7e]")
_BITPIX = {8, 16, 32, 64, -32, -64}


@dataclass(frozen=True)
class Hdu:
    """One HDU of a file.

    Parameters
    ----------
    index : int
        Position in the file, from 0.
    text : str
        Header as it stands in the file.
    cards : dict
        Keyword -> value; see `parse_cards`.
    offset, size : int
        First byte of the data and their number, without padding.
    shape : tuple of int
        Shape of the image, in array order; empty for tables and HDUs without pixels.
    bitpix : int
        FITS number of the pixel type of the image (also of a compressed one).
    compressed : bool
        Whether the image is kept as tiles in a binary table.
    """

    index: int
    text: str = field(repr=False, compare=False)
    cards: dict[str, Any] = field(repr=False)
    offset: int
    size: int
    shape: tuple[int, ...]
    bitpix: int
    compressed: bool

    @property
    def name(self) -> str:
        """EXTNAME in capitals; empty when there is none."""
        return str(self.cards.get("EXTNAME", "")).strip().upper()

    @property
    def is_image(self) -> bool:
        """Whether there is a 2-D image with pixels (axes of length 1 before it do not count)."""
        return len(self.shape) == 2 and min(self.shape) > 0

    @property
    def is_table(self) -> bool:
        """Whether this is a binary table that is no compressed image."""
        return self.cards.get("XTENSION") == "BINTABLE" and not self.compressed

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"HDU {self.index}" + (f" ({self.name})" if self.name else "")

    def header_of(self, pattern: re.Pattern[str]) -> fits.Header:
        """The cards whose keyword matches, as astropy takes them."""
        starts = range(0, len(self.text), CARD_LENGTH)
        cards = (self.text[start : start + CARD_LENGTH] for start in starts)
        return fits.Header.fromstring("".join(c for c in cards if pattern.match(c[:8].rstrip())))

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a card."""
        return self.cards.get(key, default)


def scan_hdus(file: BinaryIO, size: int, name: str) -> tuple[Hdu, ...]:
    """Headers of all HDUs, in order.

    Parameters
    ----------
    file : binary file
        Open for reading, seekable.
    size : int
        Its length in bytes.
    name : str
        How messages call the file.

    Raises
    ------
    FileFormatError
        Not a FITS file, no END card, bytes that are no card, impossible sizes, or data that end
        before they should.
    """
    if size == 0:
        raise FileFormatError(f"{name}: the file is empty")
    hdus: list[Hdu] = []
    position = 0
    while position < size:
        text = _read_header(file, position, name, first=not hdus)
        if text is None:
            break
        position += len(text)
        hdu = _make_hdu(text, len(hdus), position, name)
        if hdu.offset + hdu.size > size:
            raise FileFormatError(
                f"{name}: {hdu.label} is truncated: its data end at byte {hdu.offset + hdu.size}, "
                f"the file at {size}"
            )
        hdus.append(hdu)
        position += math.ceil(hdu.size / BLOCK) * BLOCK
    return tuple(hdus)


def _read_header(file: BinaryIO, position: int, name: str, *, first: bool) -> bytes | None:
    """Bytes of the header at a position, padding included; None where no HDU starts."""
    file.seek(position)
    blocks: list[bytes] = []
    while len(blocks) < _MAX_HEADER_BLOCKS:
        block = file.read(BLOCK)
        if not blocks and not block.startswith(b"SIMPLE  =" if first else b"XTENSION"):
            if first:
                raise FileFormatError(f"{name}: not a FITS file (no SIMPLE card)")
            return None  # special records or padding after the last HDU
        if len(block) < BLOCK and _END not in block:
            raise FileFormatError(f"{name}: the header at byte {position} is truncated")
        blocks.append(block)
        for at in range(0, BLOCK, CARD_LENGTH):
            if block[at : at + CARD_LENGTH] == _END:
                return b"".join(blocks)
            # Without this, a header whose END is lost would swallow the HDU that follows.
            if not _KEYWORD.match(block, at):
                place = position + (len(blocks) - 1) * BLOCK + at
                raise FileFormatError(f"{name}: byte {place} begins no header card")
    raise FileFormatError(f"{name}: the header at byte {position} has no END card")


def _make_hdu(text: bytes, index: int, offset: int, name: str) -> Hdu:
    """HDU of a header; checks every number that a size is computed from."""
    where = f"{name}: HDU {index}"
    # One byte a character, and none that would act on the terminal of who reads a message.
    plain = _NOT_TEXT.sub(b"?", text).decode("ascii")
    cards = parse_cards(plain)
    sides = _sides(cards, "NAXIS", where)
    bitpix = _whole(cards, "BITPIX", where)
    if bitpix not in _BITPIX:
        raise FileFormatError(f"{where}: BITPIX = {bitpix} is not a pixel type of FITS")
    groups = _whole(cards, "GCOUNT", where, 1), _whole(cards, "PCOUNT", where, 0)
    if min(groups) < 0:
        raise FileFormatError(f"{where}: GCOUNT, PCOUNT = {groups}: negative")
    n_fields = _whole(cards, "TFIELDS", where, 0)
    if not 0 <= n_fields <= _MAX_FIELDS:
        raise FileFormatError(f"{where}: TFIELDS = {n_fields}; allowed are 0 to {_MAX_FIELDS}")
    random_groups = cards.get("GROUPS") is True and sides[:1] == (0,)
    counted = sides[1:] if random_groups else sides
    n_values = groups[0] * (groups[1] + math.prod(counted)) if counted else 0
    compressed = cards.get("ZIMAGE") is True
    if compressed:
        sides, bitpix = _compressed_sides(cards, where)
    elif random_groups or cards.get("XTENSION", "IMAGE") != "IMAGE":
        sides = ()
    shape = tuple(reversed(sides))
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    size = n_values * abs(_whole(cards, "BITPIX", where)) // 8
    return Hdu(index, plain, cards, offset, size, shape, bitpix, compressed)


def _compressed_sides(cards: dict[str, Any], where: str) -> tuple[tuple[int, ...], int]:
    """Sides and pixel type of a tile-compressed image, after a check of the number of tiles."""
    sides, bitpix = _sides(cards, "ZNAXIS", where), _whole(cards, "ZBITPIX", where)
    if bitpix not in _BITPIX:
        raise FileFormatError(f"{where}: ZBITPIX = {bitpix} is not a pixel type of FITS")
    n_tiles = 1
    for axis, side in enumerate(sides, 1):
        tile = _whole(cards, f"ZTILE{axis}", where, side if axis == 1 else 1)
        if tile < 1:
            raise FileFormatError(f"{where}: ZTILE{axis} = {tile}")
        n_tiles *= math.ceil(side / tile)
    if n_tiles != cards.get("NAXIS2"):
        raise FileFormatError(
            f"{where}: an image of {sides} has {n_tiles} tiles, the table {cards.get('NAXIS2')}"
        )
    return sides, bitpix


def _sides(cards: dict[str, Any], prefix: str, where: str) -> tuple[int, ...]:
    """NAXIS1, NAXIS2, ... (or ZNAXISn)."""
    n_axes = _whole(cards, prefix, where)
    if not 0 <= n_axes <= 999:
        raise FileFormatError(f"{where}: {prefix} = {n_axes}; allowed are 0 to 999")
    sides = tuple(_whole(cards, f"{prefix}{axis}", where) for axis in range(1, n_axes + 1))
    if any(side < 0 for side in sides):
        raise FileFormatError(f"{where}: the sides {prefix}n = {sides} are not all >= 0")
    return sides


def _whole(cards: dict[str, Any], key: str, where: str, default: int | None = None) -> int:
    """Integer value of a card."""
    value = cards.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FileFormatError(f"{where}: {key} = {value!r}; expected a whole number")
    return value

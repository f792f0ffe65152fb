# SPDX-License-Identifier: BSD-3-Clause
"""Amounts of memory as people write them: 512MiB, 2GiB, 1.5 GB."""

from __future__ import annotations

import re

from deepcoadd.errors import OptionError

__all__ = ["format_size", "parse_size"]

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 2**10,
    "m": 2**20,
    "g": 2**30,
    "t": 2**40,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)", re.IGNORECASE)


def parse_size(text: str, name: str = "size") -> int:
    """Number of bytes.

    Parameters
    ----------
    text : str
        A number and a unit: none or B (bytes), kB MB GB TB (powers of 1000), KiB MiB GiB TiB or
        K M G T (powers of 1024); upper or lower case.
    name : str
        What the size is for, named in the message of an error.

    Raises
    ------
    OptionError
        It is not of this form, or not at least one byte.

    Examples
    --------
    >>> parse_size("512MiB"), parse_size("2 GB")
    (536870912, 2000000000)
    """
    found = _SIZE.fullmatch(text.strip())
    scale = _UNITS.get(found[2].lower()) if found else None
    size = 0 if found is None or scale is None else int(float(found[1]) * scale)
    if size < 1:
        raise OptionError(f"{name} = {text!r}: expected a size such as 512MiB or 2GiB")
    return size


def format_size(size: float) -> str:
    """Size in the unit of 1024 that leaves a short number, such as "1.4 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"

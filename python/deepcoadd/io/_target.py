# SPDX-License-Identifier: BSD-3-Clause
"""Names of inputs: a path, perhaps with an HDU and a section in square brackets."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepcoadd.errors import FileFormatError, OptionError, ShapeError
from deepcoadd.geometry import Box, Interval
from deepcoadd.io._hdus import Hdu

__all__ = ["HduName", "Target", "find_hdu", "parse_target"]

HduName = int | str | tuple[str, int]

_BRACKETS = re.compile(r"^(?P<path>.+?)(?P<groups>(\[[^\[\]]*\])+)$")
_RANGE = r"(?:\d+\s*:\s*\d+|\*)"
_SECTION = re.compile(rf"^\s*(?P<x>{_RANGE})\s*,\s*(?P<y>{_RANGE})\s*$")


@dataclass(frozen=True)
class Target:
    """A parsed name.

    Parameters
    ----------
    path : Path
        File.
    hdu : int, str or (str, int), optional
        HDU number from 0, name, or name and version.
    section : ((int, int) or None, (int, int) or None), optional
        First and last pixel, 1-based and inclusive, along x and along y; None means all.
    """

    path: Path
    hdu: HduName | None = None
    section: tuple[tuple[int, int] | None, tuple[int, int] | None] | None = None

    def box(self, whole: Box) -> Box:
        """Box of the section in a file that covers `whole`.

        Raises
        ------
        ShapeError
            The section leaves the file.
        """
        if self.section is None:
            return whole
        x = _interval(self.section[0], whole.x)
        y = _interval(self.section[1], whole.y)
        box = Box(y, x)
        if not whole.contains(box):
            raise ShapeError(
                f"{self.path}: the section {_text(self.section)} leaves the image of "
                f"{whole.x.size} x {whole.y.size} pixels"
            )
        return box


def _interval(pair: tuple[int, int] | None, whole: Interval) -> Interval:
    if pair is None:
        return whole
    return Interval(whole.start + pair[0] - 1, whole.start + pair[1])


def _text(section: tuple[tuple[int, int] | None, tuple[int, int] | None]) -> str:
    return "[" + ",".join("*" if pair is None else f"{pair[0]}:{pair[1]}" for pair in section) + "]"


def parse_target(name: str | os.PathLike[str]) -> Target:
    """Path, HDU and section of a name such as ``file.fits[2][1:100,1:50]``.

    A file whose name itself ends in brackets is taken as it is when it exists.

    Raises
    ------
    OptionError
        What stands in brackets is neither an HDU nor a section.
    """
    text = os.fspath(name)
    match = _BRACKETS.match(text)
    if match is None or os.path.exists(text):
        return Target(Path(text))
    hdu: HduName | None = None
    section = None
    for group in re.findall(r"\[([^\[\]]*)\]", match["groups"]):
        found = _SECTION.match(group)
        if found is not None and section is None:
            section = (_range(found["x"], text), _range(found["y"], text))
        elif hdu is None and section is None:
            hdu = _hdu_name(group, text)
        else:
            raise OptionError(f"input {text!r}: {group!r} after a section; expected [HDU][section]")
    return Target(Path(match["path"]), hdu, section)


def _range(text: str, name: str) -> tuple[int, int] | None:
    if text == "*":
        return None
    first, last = (int(part) for part in text.split(":"))
    if not 1 <= first <= last:
        raise OptionError(f"input {name!r}: range {text}; expected 1 <= first <= last")
    return first, last


def _hdu_name(text: str, name: str) -> HduName:
    """HDU of a bracket: a number, a name, or name and version."""
    text = text.strip()
    if text.isdigit():
        return int(text)
    match = re.fullmatch(r"([A-Za-z_][\w.+-]*)(?:\s*,\s*(\d+))?", text)
    if match is None:
        raise OptionError(
            f"input {name!r}: [{text}] is neither an HDU ([2], [SCI], [SCI,1]) nor a section "
            "([x1:x2,y1:y2], 1-based, inclusive)"
        )
    return match[1] if match[2] is None else (match[1], int(match[2]))


def find_hdu(hdus: Sequence[Hdu], wanted: HduName, path: Path) -> Hdu:
    """HDU of a number, a name, or a name and version.

    Raises
    ------
    FileFormatError
        There is none.
    """
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if 0 <= wanted < len(hdus):
            return hdus[wanted]
    else:
        name, version = wanted if isinstance(wanted, tuple) else (wanted, None)
        for hdu in hdus:
            if hdu.name == str(name).upper() and version in (None, hdu.get("EXTVER", 1)):
                return hdu
    names = ", ".join(f"{hdu.index} {hdu.name}".strip() for hdu in hdus)
    raise FileFormatError(f"{path}: no HDU {wanted!r}; it has {names}")

# SPDX-License-Identifier: BSD-3-Clause
"""The formats that can be read, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.io import _afw, _foreign
from deepcoadd.io._companions import with_companions
from deepcoadd.io._layout import Layout
from deepcoadd.io._opened import Opened
from deepcoadd.io._target import find_hdu

__all__ = ["format_names", "plan", "register_format"]


@dataclass(frozen=True)
class Format:
    """A built-in format: how to know it, and how to lay it out."""

    name: str
    detect: Callable[[Opened], bool]
    plan: Callable[[Opened], Layout]


@dataclass(frozen=True)
class UserFormat:
    """A format of the user: how to know it, and how to read it."""

    name: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], Exposure]


def _has_uncertainty(opened: Opened) -> bool:
    return any(_foreign.uncertainty_kind(hdu) for hdu in opened.images)


_USER: list[UserFormat] = []
_BUILT_IN = [
    Format("lsst-images", lambda o: "DATAMODL" in o.primary, _foreign.lsst_images),
    Format("afw", lambda o: _afw.detect(o.hdus), _afw.layout),
    Format("ccddata", _has_uncertainty, _foreign.ccd_data),
    Format("decam", lambda o: bool(_foreign.PIPELINE.search(o.path.name)), _foreign.pipeline),
    Format(
        "legacysurvey",
        lambda o: bool(_foreign.LEGACY.match(o.path.name)),
        _foreign.legacy_survey,
    ),
    Format("ztf", lambda o: bool(_foreign.ZTF.search(o.path.name)), _foreign.ztf),
    Format("swarp", _foreign.has_weight_file, _foreign.swarp),
    Format("bare", lambda o: True, _foreign.bare),
]


def register_format(
    name: str, detect: Callable[[Path], bool], read: Callable[[Path], Exposure]
) -> None:
    """Add a format of your own; it is tried before the built-in ones, and need not be FITS.

    Parameters
    ----------
    name : str
        Name for ``format=``; registering it again replaces the former.
    detect : callable
        ``detect(path)`` says whether an existing file is of this format.
    read : callable
        ``read(path)`` returns an `Exposure`. The whole exposure is read and kept for the sections
        asked of it later.

    Raises
    ------
    OptionError
        The name belongs to a built-in format, or is empty or "auto".
    """
    if name in {"", "auto"} or name in {known.name for known in _BUILT_IN}:
        raise OptionError(f"format name {name!r} is taken; choose another")
    _USER[:] = [known for known in _USER if known.name != name]
    _USER.append(UserFormat(name, detect, read))


def format_names() -> tuple[str, ...]:
    """Names of all formats, in the order in which they are tried."""
    return (*(known.name for known in _USER), *(known.name for known in _BUILT_IN))


def user_format(path: Path, wanted: str) -> UserFormat | None:
    """Format of the user for a file: the one asked for, or the first that knows it."""
    for known in _USER:
        if known.name == wanted or (wanted == "auto" and path.is_file() and known.detect(path)):
            return known
    return None


def _check_hdu(opened: Opened, layout: Layout, name: str) -> None:
    """Refuse to read an image other than the one that was asked for."""
    asked = opened.options.hdu
    if asked is None:
        return
    taken = layout.image.hdu
    if find_hdu(opened.hdus, asked, opened.path).index != taken.index:
        raise OptionError(
            f"{opened.path}: HDU {asked!r} is asked for, but as a file of format {name} its image "
            f"is HDU {f'{taken.index} {taken.name}'.strip()}; format bare takes any HDU"
        )


def plan(opened: Opened) -> Layout:
    """Layout of a FITS file by the format asked for, or the first that knows it.

    Raises
    ------
    OptionError
        There is no format of that name, or the image is in another HDU than the one asked for.
    FileFormatError
        The file is not of that format, or has no such HDU.
    """
    wanted = opened.options.format
    for known in _BUILT_IN:
        if known.name == wanted or (wanted == "auto" and known.detect(opened)):
            layout = known.plan(opened)
            _check_hdu(opened, layout, known.name)
            return with_companions(opened, layout)
    raise OptionError(f"format = {wanted!r}; allowed are auto, {', '.join(format_names())}")

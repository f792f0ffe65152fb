# SPDX-License-Identifier: BSD-3-Clause
"""What the archive of an afw file adds to an exposure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from deepcoadd.errors import DeepcoaddError
from deepcoadd.io._archive import Archive, MissingPart
from deepcoadd.io._archive_psf import psf_of, sky_of
from deepcoadd.io._cards import integer_of
from deepcoadd.io._opened import Opened
from deepcoadd.psf import MissingPsf

__all__ = ["COMPONENTS", "archive_parts"]

_log = logging.getLogger(__name__)

# Component -> field of the exposure information (or its own name), and how it is read.
_READERS: dict[str, tuple[str, Callable[[Archive, int], Any]]] = {
    "PSF": ("psf", psf_of),
    "PHOTOCALIB": ("photo_calib", Archive.photo_calib),
    "FILTER": ("filter", Archive.filter_label),
    "VALID_POLYGON": ("valid_polygon", Archive.polygon),
    "AP_CORR_MAP": ("ap_corr_map", Archive.ap_corr_map),
    "COADD_INPUTS": ("inputs", Archive.coadd_inputs),
    "SUMMARY_STATS": ("SUMMARY_STATS", Archive.summary_stats),
}
_NOT_READ = ("DETECTOR", "TRANSMISSION_CURVE")
COMPONENTS = (*_READERS, "SKYWCS", *_NOT_READ)
"""Names of the parts that an archive can hold."""


def archive_parts(opened: Opened, cards: Mapping[str, Any], *, has_wcs: bool) -> dict[str, Any]:
    """Fields of `ExposureInfo` that come from the archive.

    A part that is damaged, or of a class that is not decoded, becomes a placeholder with a
    warning: the pixels do not depend on it.

    Parameters
    ----------
    opened : Opened
        File.
    cards : mapping
        Cards of the exposure, which number its parts.
    has_wcs : bool
        Whether the cards hold the sky coordinates; the archive's own are then left out, else
        they become the component SKYWCS (`deepcoadd.psf.StarlinkSky`).
    """
    index = integer_of(cards, "AR_HDU")
    if index <= 0:
        return {}
    try:
        archive = Archive(opened.path, opened.hdus, index - 1, opened.pool)
    except DeepcoaddError as error:
        _log.warning("the archive is left out: %s", error)
        return {}
    fields: dict[str, Any] = {}
    components: dict[str, Any] = {}
    for name, (place, reader) in _READERS.items():
        number = _number(cards, name)
        if not number:
            continue
        part = _read(archive, name, number, reader)
        if place == name or isinstance(part, MissingPart):
            components[name] = part
        else:
            fields[place] = part
    for name in _NOT_READ:
        number = _number(cards, name)
        if number:
            components[name] = MissingPart(name, _class(archive, number))
    number = _number(cards, "SKYWCS")
    if number and not has_wcs:
        components["SKYWCS"] = _read(archive, "SKYWCS", number, sky_of)
        _log.warning(
            "%s: no card holds its sky coordinates: they are the component SKYWCS, not a WCS",
            opened.path,
        )
    return {**fields, "components": components}


def _number(cards: Mapping[str, Any], name: str) -> int:
    """Number of a component; 0 when there is none."""
    return integer_of(cards, f"ARCHIVE_ID_{name}", f"{name}_ID")


def _class(archive: Archive, number: int) -> str:
    try:
        return archive.class_of(number)
    except DeepcoaddError:
        return "unknown class"


def _read(archive: Archive, name: str, number: int, reader: Callable[[Archive, int], Any]) -> Any:
    """Part, or a placeholder that says why there is none."""
    try:
        return reader(archive, number)
    except (DeepcoaddError, KeyError, TypeError, ValueError, IndexError) as error:
        kind = _class(archive, number)
        _log.warning("%s: %s (%s) is not read: %s", archive.path, name, kind, error)
        if name == "PSF":
            return MissingPsf(kind, str(error), str(archive.path))
        return MissingPart(name, kind, str(error))

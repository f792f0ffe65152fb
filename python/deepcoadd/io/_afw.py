# SPDX-License-Identifier: BSD-3-Clause
"""Exposures of the Rubin pipelines (afw) and of this package: image, mask, variance, archive."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepcoadd.errors import FileFormatError
from deepcoadd.exposure import ExposureInfo, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.io._cards import (
    conformed_planes,
    file_planes,
    filter_of,
    integer_of,
    is_metadata_card,
    offset_of,
    parse_unit,
    photo_calib_of,
    wcs_of,
)
from deepcoadd.io._components import COMPONENTS, archive_parts
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._layout import Layout, NamedBits, PlaneVariance, check_shapes
from deepcoadd.io._opened import Opened
from deepcoadd.io._parts_hdus import read_parts
from deepcoadd.io._plane import Plane
from deepcoadd.io._single import is_background
from deepcoadd.io._visit_cards import VISIT_CARDS, visit_of
from deepcoadd.mask import DEFAULT_PLANES

__all__ = ["detect", "layout"]

_log = logging.getLogger(__name__)

_PLANES = ("IMAGE", "MASK", "VARIANCE")
_OWN_PREFIXES = ("MP_", "ARCHIVE_ID_", "DEEPCOADD ")
# What has a place of its own in the exposure.
_OWN_PLACES = frozenset(
    ["FILTER", "FLUXMAG0", "FLUXMAG0ERR", "EXPID", "EXPINFO_V", "AR_HDU", "WCS_ID"]
    + [f"{name}_ID" for name in COMPONENTS]
)


def detect(hdus: Sequence[Hdu]) -> bool:
    """Whether the HDUs are an exposure or a masked image of this layout."""
    primary = hdus[0].cards
    if "DCOADDV" in primary or "AR_HDU" in primary or "EXPINFO_V" in primary:
        return any(hdu.is_image for hdu in hdus)
    images = [hdu for hdu in hdus if hdu.is_image]
    if any(str(hdu.get("EXTTYPE", "")).strip().upper() in _PLANES for hdu in images):
        return True
    masks = [hdu for hdu in images if any(key.startswith("MP_") for key in hdu.cards)]
    return bool(masks) and len(images) > len(masks) and not is_background(hdus)


def find_planes(hdus: Sequence[Hdu], path: Path) -> dict[str, Plane]:
    """Planes by name: EXTTYPE says which is which, else EXTNAME, else the order of the HDUs."""
    images = [hdu for hdu in hdus if hdu.is_image]
    if not images:
        raise FileFormatError(f"{path}: no HDU holds a 2-D image")
    found: dict[str, Hdu] = {}
    for key in ("EXTTYPE", "EXTNAME"):
        for hdu in images:
            name = str(hdu.get(key, "")).strip().upper()
            if name in _PLANES:
                found.setdefault(name, hdu)
    if "IMAGE" not in found:
        # Oldest files: the planes are in order, from the primary HDU or the one after it.
        left = [hdu for hdu in images if hdu not in found.values()]
        missing = [name for name in _PLANES if name not in found]
        found.update(zip(missing, left, strict=False))
    if "IMAGE" not in found:
        raise FileFormatError(f"{path}: {' and '.join(found)} without an IMAGE")
    return {name: Plane(path, found[name]) for name in _PLANES if name in found}


def _report_offset(other: Plane, start: tuple[int, int]) -> None:
    """Say so when a plane claims to lie elsewhere than the image, whose box counts."""
    cards = other.hdu.cards
    if not {"CRVAL1A", "LTV1"} & cards.keys():
        return
    found = offset_of(cards, other.where)
    if found != start:
        _log.warning(
            "%s: its first pixel is at %s, that of the image at %s, which counts",
            other.where,
            found,
            start,
        )


def layout(opened: Opened) -> Layout:
    """Layout of an exposure or a masked image.

    Raises
    ------
    FileFormatError
        No image, planes of different sizes, a mask of floating-point numbers.
    MaskPlaneError
        Two mask planes share a bit.
    """
    hdus, path = opened.hdus, opened.path
    planes = find_planes(hdus, path)
    image = planes["IMAGE"]
    start = offset_of(image.hdu.cards, image.where)
    cards = _metadata_cards(hdus, image.hdu)
    mask = planes.get("MASK")
    named = None
    if mask is not None:
        check_shapes(image, mask, "mask")
        _report_offset(mask, start)
        source = file_planes(mask.hdu.cards, mask.where) or DEFAULT_PLANES
        named = NamedBits(mask, source, conformed_planes(source))
    variance = planes.get("VARIANCE")
    if variance is not None:
        check_shapes(image, variance, "variance")
        _report_offset(variance, start)
    wcs = wcs_of(image.hdu, start, image.where)
    ours = "DCOADDV" in hdus[0].cards
    parts = _calibration(cards)
    parts |= read_parts(opened) if ours else archive_parts(opened, cards, has_wcs=wcs is not None)
    info = ExposureInfo(
        Box.from_shape(image.shape, start=start),
        wcs=wcs,
        visit_info=visit_of(cards, str(path)),
        unit=parse_unit(image.hdu.get("BUNIT", cards.get("BUNIT"))),
        planes=DEFAULT_PLANES if named is None else named.target,
        id=integer_of(cards, "EXPID") or None,
        metadata={key: value for key, value in cards.items() if _is_metadata(key)},
        **parts,
    )
    return Layout(
        "deepcoadd" if ours else "afw",
        info,
        image,
        named,
        None if variance is None else PlaneVariance(variance),
        restores_infinity=variance is not None and variance.hdu.get("DCINFNAN") is True,
    )


def _metadata_cards(hdus: Sequence[Hdu], image: Hdu) -> Mapping[str, Any]:
    """Cards of the exposure: those of the primary HDU count only where the image inherits them."""
    if image.index and image.get("INHERIT") is True:
        return {**hdus[0].cards, **image.cards}
    return image.cards


def _is_metadata(key: str) -> bool:
    own = key in _OWN_PLACES or key in VISIT_CARDS
    return not own and is_metadata_card(key) and not key.startswith(_OWN_PREFIXES)


def _calibration(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Filter and photometric calibration, from cards in the versions that keep them there."""
    version = cards.get("EXPINFO_V", 0)
    label = filter_of(cards.get("FILTER")) if version in (0, 1) else None
    band, physical = cards.get("DEEPCOADD BAND", ""), cards.get("DEEPCOADD PHYSICAL", "")
    if band or physical:
        label = FilterLabel(str(band), str(physical))
    return {"filter": label, "photo_calib": photo_calib_of(cards) if version == 0 else None}

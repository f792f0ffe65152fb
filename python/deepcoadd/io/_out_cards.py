# SPDX-License-Identifier: BSD-3-Clause
"""Headers of the files that we write: the afw layout, as the Rubin pipelines read it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from astropy.io import fits

from deepcoadd._core import __version__
from deepcoadd.errors import OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.io._cards import (
    filter_cards,
    mask_cards,
    offset_cards,
    unit_text,
)
from deepcoadd.io._visit_cards import visit_cards
from deepcoadd.mask import DEFAULT_PLANES
from deepcoadd.photocalib import AB_ZERO_FLUX_NJY
from deepcoadd.wcs import cards_of

__all__ = ["LAYOUT_VERSION", "make_header", "plane_cards", "primary_cards"]

LAYOUT_VERSION = 1


def primary_cards(info: ExposureInfo, provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Cards of the primary HDU: visit, filter, calibration, metadata, provenance.

    There is no archive and no EXPINFO_V, so that the Rubin pipelines take filter and calibration
    from the cards.
    """
    cards: dict[str, Any] = {"DCOADDV": LAYOUT_VERSION, "CREATOR": f"deepcoadd {__version__}"}
    if info.visit_info is not None:
        cards |= visit_cards(info.visit_info)
    if info.id:
        cards["EXPID"] = int(info.id)
    cards |= filter_cards(info.filter)
    if info.photo_calib is not None:
        mean, error = info.photo_calib.mean, info.photo_calib.error
        cards["FLUXMAG0"] = AB_ZERO_FLUX_NJY / mean
        if math.isfinite(error) and error > 0:
            cards["FLUXMAG0ERR"] = AB_ZERO_FLUX_NJY * error / mean**2
    for key, value in info.metadata.items():
        cards.setdefault(str(key), value)
    for key, value in _flat(provenance or {}):
        cards[f"HIERARCH DEEPCOADD {key}"] = value
    return cards


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings, with names joined by a space."""
    for key, value in tree.items():
        name = f"{prefix}{str(key).upper()}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} ")
        elif isinstance(value, (list, tuple)):
            yield name, json.dumps(value, default=str)
        else:
            yield name, value


def plane_cards(info: ExposureInfo, name: str) -> dict[str, Any]:
    """Cards of one plane: its name, box, sky coordinates, unit or mask dictionary."""
    cards: dict[str, Any] = {"EXTNAME": name, "EXTTYPE": name, "INHERIT": True}
    if name == "MASK":
        cards |= mask_cards(info.planes or DEFAULT_PLANES)
    elif info.unit is not None and name in ("IMAGE", "VARIANCE"):
        cards["BUNIT"] = unit_text(info.unit, 2 if name == "VARIANCE" else 1)
    if info.wcs is not None:
        cards |= cards_of(info.wcs, info.box.start)
    return cards | offset_cards(info.box.start)


def make_header(cards: Mapping[str, Any]) -> fits.Header:
    """Header of cards; a value that FITS cannot hold (NaN, None) is left out.

    Raises
    ------
    OptionError
        A keyword cannot be written.
    """
    header = fits.Header()
    for key, value in cards.items():
        plain = _card_value(value)
        if plain is None:
            continue
        bare = key.removeprefix("HIERARCH ").upper()
        short = len(bare) <= 8 and all(c.isalnum() or c in "-_" for c in bare)
        try:
            header[bare if short else f"HIERARCH {bare}"] = plain
        except ValueError as error:
            raise OptionError(f"header card {key!r} = {value!r}: {error}") from None
    return header


def _card_value(value: Any) -> Any:
    """Value as a card can hold it; None for what it cannot."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = str(value).replace("\n", " ")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)

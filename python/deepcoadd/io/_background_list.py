# SPDX-License-Identifier: BSD-3-Clause
"""Background lists in FITS files: three HDUs for each background."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from deepcoadd.background import BackgroundItem, BackgroundList, BackgroundModel, BackgroundOptions
from deepcoadd.errors import FileFormatError, NoDataError, OptionError
from deepcoadd.io._atomic import atomic_path
from deepcoadd.io._cards import mask_cards
from deepcoadd.io._options import PathLike
from deepcoadd.io._out_cards import make_header
from deepcoadd.io._single import BackgroundPlanes, read_background_planes

__all__ = ["read_background_list", "write_background_list"]

_CURVES = {
    0: "CONSTANT",
    1: "LINEAR",
    2: "NATURAL_SPLINE",
    3: "CUBIC_SPLINE",
    5: "AKIMA_SPLINE",
}
_UNDERSAMPLE = {0: "THROW_EXCEPTION", 1: "REDUCE_INTERP_ORDER", 2: "INCREASE_NXNYSAMPLE"}
_APPROX = {-1: "UNKNOWN", 0: "CHEBYSHEV"}
_SIGMA = "BKGD_VARIANCE_IS_SIGMA"


def read_background_list(name: PathLike) -> BackgroundList:
    """Read a background list.

    Parameters
    ----------
    name : path-like
        FITS file of 3 n HDUs: image, mask and variance of the bins of each background, with cards
        that say what box they cover and how they are to be evaluated. Files without the card
        BKGD_VARIANCE_IS_SIGMA hold standard deviations in place of variances, as those of the
        Rubin pipelines do; they are squared.

    Returns
    -------
    BackgroundList
        With the mask words and planes of the file.

    Raises
    ------
    FileFormatError
        The file is no such list, or a card has a value that has no meaning here (periodic
        curves, for one).
    MissingFileError
        There is no such file.
    """
    parts = read_background_planes(name)
    return BackgroundList(*(_item(part, f"{name}: background {k}") for k, part in enumerate(parts)))


def _item(part: BackgroundPlanes, where: str) -> BackgroundItem:
    cards = part.style
    pixels = part.statistics
    variances = pixels.variance.array
    if cards.get(_SIGMA, True):
        variances = variances * variances
    curve = _named(cards, "INTERPSTYLE", _CURVES, where)
    undersample = _named(cards, "UNDERSAMPLESTYLE", _UNDERSAMPLE, where)
    approx = _named({"APPROXSTYLE": -1, **cards}, "APPROXSTYLE", _APPROX, where)
    order_x, order_y = cards.get("APPROXORDERX", 1), cards.get("APPROXORDERY", -1)
    weighting = bool(cards.get("APPROXWEIGHTING", True))
    options = BackgroundOptions(algorithm=curve, undersample_style=undersample)
    model = BackgroundModel(pixels.image.array, variances, part.box, options, pixels.mask)
    return BackgroundItem(model, curve, undersample, approx, order_x, order_y, weighting)


def _named(cards: dict[str, Any], key: str, names: dict[int, str], where: str) -> str:
    if key not in cards:
        raise FileFormatError(f"{where}: the card {key} is missing")
    value = cards[key]
    if value not in names:
        known = ", ".join(f"{number} ({name})" for number, name in names.items())
        raise FileFormatError(f"{where}: {key} is {value}, must be one of {known}")
    return names[value]


def write_background_list(
    path: PathLike, backgrounds: BackgroundList, *, overwrite: bool = False
) -> None:
    """Write a background list, whole or not at all.

    Parameters
    ----------
    path : path-like
        Output. The layout is that of the Rubin pipelines, with variances that are squares of
        errors; the card BKGD_VARIANCE_IS_SIGMA = F says so.
    backgrounds : BackgroundList
        At least one background.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    NoDataError
        The list is empty.
    OutputExistsError, OptionError, OutputError
        See `atomic_path`.
    """
    if not len(backgrounds):
        raise NoDataError("background list: it is empty, and a file needs one background at least")
    hdus = fits.HDUList()
    for item in backgrounds:
        pixels = item.background.statistics
        cards = _cards(item)
        own = {"mask": mask_cards(pixels.planes)}
        for plane in ("image", "mask", "variance"):
            kind = fits.ImageHDU if len(hdus) else fits.PrimaryHDU
            header = make_header({**cards, **own.get(plane, {})})
            hdus.append(kind(np.ascontiguousarray(getattr(pixels, plane).array), header))
    with atomic_path(path, overwrite) as temporary:
        hdus.writeto(temporary)


def _cards(item: BackgroundItem) -> dict[str, Any]:
    box = item.background.box
    return {
        "INTERPSTYLE": _number(item.interp_style, _CURVES),
        "UNDERSAMPLESTYLE": _number(item.undersample_style, _UNDERSAMPLE),
        "APPROXSTYLE": _number(item.approx_style, _APPROX),
        "APPROXORDERX": item.approx_order_x,
        "APPROXORDERY": item.approx_order_y,
        "APPROXWEIGHTING": item.approx_weighting,
        "BKGD_X0": box.x.start,
        "BKGD_Y0": box.y.start,
        "BKGD_WIDTH": box.x.size,
        "BKGD_HEIGHT": box.y.size,
        _SIGMA: False,
    }


def _number(name: str, names: dict[int, str]) -> int:
    for number, known in names.items():
        if known == name:
            return number
    raise OptionError(f"style: got {name!r}, must be one of {', '.join(names.values())}")

# SPDX-License-Identifier: BSD-3-Clause
"""Formats of other pipelines and packages; each is one detection and one small function."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from deepcoadd.errors import FileFormatError, OptionError
from deepcoadd.io._cards import conformed_planes, file_planes, number_of
from deepcoadd.io._companions import companion, foreign_layout, image_plane, sibling
from deepcoadd.io._generic import generic_info
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._layout import Layout, NamedBits, PlaneVariance, check_shapes
from deepcoadd.io._mask_maps import MaskMap, mask_map_of
from deepcoadd.io._noise import inverted, squared
from deepcoadd.io._opened import Opened
from deepcoadd.io._plane import Plane
from deepcoadd.io._single import is_background
from deepcoadd.mask import DEFAULT_PLANES, MaskPlanes
from deepcoadd.photocalib import PhotoCalib

__all__ = ["bare", "ccd_data", "legacy_survey", "lsst_images", "pipeline", "swarp", "ztf"]

_log = logging.getLogger(__name__)

PIPELINE = re.compile(r"_ooi_")
LEGACY = re.compile(r"^(legacysurvey-.+)-image-([a-zA-Z])(\.fits(?:\.fz|\.gz)?)$")
ZTF = re.compile(r"_sciimg(\.fits(?:\.fz|\.gz)?)$")
_FITS = re.compile(r"\.(fits?|fts)(\.fz|\.gz)?$")
_NMGY_ZERO_POINT = 22.5
_CODES_SINCE = (3, 5, 0)
_UNCERTAINTIES = {"std": squared, "var": None, "ivar": inverted}


def lsst_images(opened: Opened) -> Layout:
    """Exposure of the lsst-images package: planes by EXTNAME, mask planes by MSKN and MSKM."""
    planes = {hdu.name: Plane(opened.path, hdu) for hdu in opened.images}
    if "IMAGE" not in planes:
        raise FileFormatError(f"{opened.path}: no HDU IMAGE with a 2-D image")
    image, mask, variance = (planes.get(name) for name in ("IMAGE", "MASK", "VARIANCE"))
    assert image is not None
    source = None
    if mask is not None:
        check_shapes(image, mask, "mask")
        names = schema_planes(mask.hdu.cards)
        source = NamedBits(mask, names, conformed_planes(names))
    if variance is not None:
        check_shapes(image, variance, "variance")
    target = DEFAULT_PLANES if source is None else source.target
    info = generic_info(image, opened.primary, planes=target)
    spread = None if variance is None else PlaneVariance(variance)
    return Layout("lsst-images", info, image, source, spread)


def schema_planes(cards: Mapping[str, Any]) -> MaskPlanes:
    """Mask dictionary of the cards MSKNnnnn (name) and MSKMnnnn (value of the bit)."""
    bits = {}
    for key, name in cards.items():
        value = cards.get(f"MSKM{key[4:]}") if key.startswith("MSKN") else None
        if isinstance(value, int) and value:
            bits[str(name).strip()] = (value & 0xFFFFFFFF).bit_length() - 1
    return MaskPlanes(bits)


def ccd_data(opened: Opened) -> Layout:
    """CCDData of astropy: image, HDU MASK (true where bad), HDU UNCERT with its kind in UTYPE."""
    images = {hdu.name: hdu for hdu in reversed(opened.images)}
    uncertainty = next((hdu for hdu in opened.images if uncertainty_kind(hdu)), None)
    others = {hdu.index for hdu in (uncertainty, images.get("MASK")) if hdu is not None}
    planes = [hdu for hdu in opened.images if hdu.index not in others]
    if not planes:
        raise FileFormatError(f"{opened.path}: no HDU holds the image")
    image = image_plane(opened) if opened.options.hdu is not None else Plane(opened.path, planes[0])
    mask = variance = None
    if "MASK" in images:
        plane = Plane(opened.path, images["MASK"])
        check_shapes(image, plane, "mask")
        mask = plane, mask_map_of("nonzero-bad-1")
    if uncertainty is not None:
        plane = Plane(opened.path, uncertainty)
        check_shapes(image, plane, "uncertainty")
        variance = PlaneVariance(plane, _UNCERTAINTIES[uncertainty_kind(uncertainty)])
    return foreign_layout("ccddata", opened, image, mask=mask, variance=variance)


def uncertainty_kind(hdu: Hdu) -> str:
    """Kind of uncertainty ("std", "var", "ivar") of a UTYPE card; empty without one."""
    kind = str(hdu.get("UTYPE", "")).strip().lower()
    words = {
        "stddevuncertainty": "std",
        "varianceuncertainty": "var",
        "inversevariance": "ivar",
        "inversevarianceuncertainty": "ivar",
        "variance": "var",
        "stddev": "std",
    }
    kind = words.get(kind, kind)
    return kind if kind in _UNCERTAINTIES else ""


def pipeline(opened: Opened) -> Layout:
    """Community Pipeline image (``_ooi_``) with its weights (``_oow_``) and mask (``_ood_``)."""
    image = image_plane(opened, one=True)
    cards = {**opened.primary, **image.hdu.cards}
    mask = _sibling_mask(
        opened, image, PIPELINE.sub("_ood_", opened.path.name), lambda: _pipeline_table(cards)
    )
    variance = _sibling_weight(opened, image, PIPELINE.sub("_oow_", opened.path.name))
    calib = _zero_point(number_of(cards, "MAGZERO"))
    return foreign_layout("decam", opened, image, mask=mask, variance=variance, photo_calib=calib)


def _zero_point(magnitude: float) -> PhotoCalib | None:
    """Calibration of a zero point; None when the card has none."""
    if not math.isfinite(magnitude):
        return None
    try:
        return PhotoCalib.from_zero_point(magnitude)
    except (OptionError, OverflowError):
        _log.warning("the zero point %s is no magnitude and left out", magnitude)
        return None


def _pipeline_table(cards: Mapping[str, Any]) -> str:
    """Table of a Community Pipeline version: codes from V3.5.0 on, bits before."""
    found = re.match(r"V(\d+)\.(\d+)(?:\.(\d+))?", str(cards.get("PLVER", "")).strip())
    if found is None:
        raise FileFormatError(
            f"PLVER = {cards.get('PLVER')!r} does not say which mask values are meant; give "
            'mask_map="decam-cp-codes-1" (V3.5.0 on) or "decam-cp-bits-1"'
        )
    version = tuple(int(part or 0) for part in found.groups())
    return "decam-cp-codes-1" if version >= _CODES_SINCE else "decam-cp-bits-1"


def _sibling_weight(opened: Opened, image: Plane, name: str) -> PlaneVariance | None:
    """Variance from a file of inverse variances, unless the caller names another source."""
    if opened.options.gives_variance:
        return None
    path = sibling(opened, name)
    if path is None:
        return None
    return PlaneVariance(companion(opened, image, path, "weight"), inverted)


def _sibling_mask(
    opened: Opened, image: Plane, name: str, table: Any
) -> tuple[Plane, MaskMap] | None:
    """Mask file and its table, unless the caller names a mask."""
    if opened.options.mask is not None:
        return None
    path = sibling(opened, name)
    if path is None:
        return None
    plane = companion(opened, image, path, "mask")
    wanted = opened.options.mask_map
    return plane, mask_map_of(table() if wanted is None else wanted)


def legacy_survey(opened: Opened) -> Layout:
    """Legacy Survey coadd with its inverse variance and mask bits; nanomaggies."""
    match = LEGACY.match(opened.path.name)
    if match is None:
        raise OptionError(
            f"{opened.path}: format legacysurvey needs a name such as "
            "legacysurvey-<brick>-image-<band>.fits.fz"
        )
    stem, band, suffix = match.groups()
    image = image_plane(opened)
    return foreign_layout(
        "legacysurvey",
        opened,
        image,
        mask=_sibling_mask(
            opened, image, f"{stem}-maskbits{suffix}", lambda: f"legacysurvey-{band}-bits-1"
        ),
        variance=_sibling_weight(opened, image, f"{stem}-invvar-{band}{suffix}"),
        photo_calib=PhotoCalib.from_zero_point(_NMGY_ZERO_POINT),
    )


def ztf(opened: Opened) -> Layout:
    """ZTF science image with its mask; the variance must be asked for (``noise=``)."""
    image = image_plane(opened)
    name = ZTF.sub(r"_mskimg\1", opened.path.name)
    mask = _sibling_mask(opened, image, name, lambda: "ztf-bits-1")
    calib = _zero_point(number_of({**opened.primary, **image.hdu.cards}, "MAGZP"))
    return foreign_layout("ztf", opened, image, mask=mask, photo_calib=calib)


def has_weight_file(opened: Opened) -> bool:
    """Whether ``x.weight.fits`` stands beside ``x.fits``."""
    name = weight_name(opened.path.name)
    return name != opened.path.name and opened.path.with_name(name).is_file()


def weight_name(name: str) -> str:
    """Name of the weight file of an image, as SWarp writes it."""
    return _FITS.sub(lambda found: f".weight{found[0]}", name)


def swarp(opened: Opened) -> Layout:
    """SWarp image with its weight map, taken as inverse variance; scaled by FLXSCALE already."""
    image = image_plane(opened)
    variance = _sibling_weight(opened, image, weight_name(opened.path.name))
    return foreign_layout("swarp", opened, image, variance=variance)


def bare(opened: Opened) -> Layout:
    """Any 2-D image; its variance is unknown unless the caller says where it is."""
    if is_background(opened.hdus):
        raise FileFormatError(f"{opened.path}: a background list; use read_background_planes")
    image = image_plane(opened)
    if file_planes(image.hdu.cards, image.where) is not None:
        raise FileFormatError(f"{image.where}: a mask without an image; use read_mask")
    if not opened.options.gives_variance:
        _log.warning(
            "%s: no variance; give noise, variance or weight (noise estimate measures it)",
            image.where,
        )
    return foreign_layout("bare", opened, image)

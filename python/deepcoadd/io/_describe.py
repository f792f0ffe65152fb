# SPDX-License-Identifier: BSD-3-Clause
"""What a file is, in words and numbers, without reading its pixels unless asked."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from astropy.wcs import WCS

from deepcoadd.errors import DeepcoaddError, FileFormatError, MaskPlaneError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.io._archive import MissingPart
from deepcoadd.io._handles import FitsRef
from deepcoadd.io._hdus import Hdu, scan_hdus
from deepcoadd.io._options import PathLike, ReadOptions
from deepcoadd.io._pool import shared_pool
from deepcoadd.io._target import parse_target
from deepcoadd.provenance import NO_PSF_CARD
from deepcoadd.psf import CoaddPsf, MissingPsf
from deepcoadd.visitinfo import VisitInfo
from deepcoadd.wcs import box_center, pixel_scale

__all__ = ["FileDescription", "HduDescription", "describe", "image_hdus"]

_TYPES = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}
_MAD_TO_SIGMA = 1.482602218505602


@dataclass(frozen=True)
class HduDescription:
    """One HDU: its number, name, kind, shape (array order), pixel type and compression."""

    index: int
    name: str
    kind: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    compression: str = ""


@dataclass(frozen=True)
class FileDescription:
    """What a file is; what it does not say is None or empty.

    Attributes
    ----------
    path, format : str
        Name, and format; "" when it holds no exposure, and `problem` says why.
    size : int
        Bytes.
    hdus : tuple of HduDescription
        All HDUs.
    box : Box or None
        Pixels covered (parent frame).
    planes : dict of str to int
        Mask planes and their bits: those of the file, if it names them, else those they get here.
    unit, filter, psf, calibration : str
        In words.
    sky : dict
        center_ra, center_dec [deg], pixel_scale [arcsec], projection.
    visit : dict
        id, date (TAI), exposure_time [s], airmass, as far as known.
    id : int or None
        Exposure identifier.
    not_read : tuple of str
        Parts that are kept as placeholders.
    statistics : dict
        Only when asked for: finite [share], median, sigma (robust), variance (median of the
        finite ones), and masked (pixels set by plane).
    problem : str
        Why the file cannot be read as an exposure.
    """

    path: str
    format: str = ""
    size: int = 0
    hdus: tuple[HduDescription, ...] = ()
    box: Box | None = None
    planes: dict[str, int] = field(default_factory=dict)
    unit: str = ""
    filter: str = ""
    psf: str = ""
    calibration: str = ""
    sky: dict[str, Any] = field(default_factory=dict)
    visit: dict[str, Any] = field(default_factory=dict)
    id: int | None = None
    not_read: tuple[str, ...] = ()
    statistics: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        out = asdict(self)
        if self.box is not None:
            (y0, x0), (ny, nx) = self.box.start, self.box.shape
            out["box"] = {"y0": y0, "x0": x0, "ny": ny, "nx": nx}
        return out


def describe(path: PathLike, *, statistics: bool = False, **options: Any) -> FileDescription:
    """What a file is.

    Parameters
    ----------
    path : path-like
        FITS file; HDU and section in brackets as for `read`.
    statistics : bool
        Whether to read the pixels and measure them.
    **options
        As for `read`.

    Returns
    -------
    FileDescription
        Also of a FITS file without an exposure (tables, backgrounds): see its `problem`.

    Raises
    ------
    MissingFileError, FileFormatError
        There is no such file, or it is no FITS file, or it is truncated.
    """
    target = parse_target(path)
    size, hdus = _scan(path)
    about: dict[str, Any] = {
        "path": str(target.path),
        "size": size,
        "hdus": tuple(_describe_hdu(hdu) for hdu in hdus),
    }
    try:
        ref = FitsRef(path, ReadOptions(**options))
    except (FileFormatError, MaskPlaneError) as error:
        return FileDescription(**about, problem=str(error))
    try:
        about |= {"format": ref.format, **_describe_info(ref.info())}
        about["planes"] = dict(ref.file_planes or ref.info().planes or {})
        if statistics:
            about["statistics"] = _measure(ref.read())
    finally:
        ref.close()
    return FileDescription(**about)


def image_hdus(path: PathLike) -> list[int]:
    """Numbers of the HDUs of a file that hold a 2-D image, plain or compressed.

    Raises
    ------
    MissingFileError, FileFormatError
        There is no such file, or it is no FITS file.
    """
    return [hdu.index for hdu in _scan(path)[1] if hdu.is_image]


def _scan(path: PathLike) -> tuple[int, tuple[Hdu, ...]]:
    """Size of a file and its HDUs."""
    target = parse_target(path)
    with shared_pool().use(target.path) as file, file.raw() as raw:
        return target.path.stat().st_size, scan_hdus(raw, file.size, str(target.path))


def _describe_hdu(hdu: Hdu) -> HduDescription:
    if hdu.is_table:
        rows = hdu.get("NAXIS2")
        return HduDescription(hdu.index, hdu.name or str(hdu.get("AR_NAME", "")), "table", (rows,))
    if not hdu.shape:
        return HduDescription(hdu.index, hdu.name, "header")
    compression = str(hdu.get("ZCMPTYPE", "")) if hdu.compressed else ""
    dtype = _TYPES[hdu.bitpix]
    return HduDescription(hdu.index, hdu.name, "image", hdu.shape, dtype, compression)


def _describe_info(info: ExposureInfo) -> dict[str, Any]:
    calib = info.photo_calib
    placeholders = [
        f"{name} ({part.class_name})"
        for name, part in info.components.items()
        if isinstance(part, MissingPart)
    ]
    return {
        "box": info.box,
        "unit": "" if info.unit is None else str(info.unit),
        "filter": _filter_text(info),
        "psf": _psf_text(info),
        "calibration": "" if calib is None else _calibration_text(calib.mean, calib.is_constant),
        "sky": {} if info.wcs is None else _sky(info.wcs, info.box),
        "visit": {} if info.visit_info is None else _visit(info.visit_info),
        "id": info.id,
        "not_read": tuple(placeholders),
    }


def _filter_text(info: ExposureInfo) -> str:
    if info.filter is None:
        return ""
    names = (info.filter.band, info.filter.physical)
    return ", ".join(name for name in names if name)


def _psf_text(info: ExposureInfo) -> str:
    psf = info.psf
    if psf is None:
        reason = info.metadata.get(NO_PSF_CARD)
        return "" if reason is None else f"none: {reason}"
    if isinstance(psf, MissingPsf):
        return f"{psf.class_name} (not read: {psf.reason})"
    name = type(psf).__name__
    if isinstance(psf, CoaddPsf):
        name = f"{name} of {len(psf.inputs)} inputs"
    try:
        ny, nx = psf.size_at()
    except DeepcoaddError as error:
        return f"{name} (no image at its average position: {error})"
    return f"{name}, {nx} x {ny} pixels"


def _calibration_text(mean: float, constant: bool) -> str:
    return f"{mean:.6g} nJy per count" + ("" if constant else " (mean; varies with position)")


def _sky(wcs: WCS, box: Box) -> dict[str, Any]:
    center = box_center(wcs, box)
    return {
        "center_ra": float(center.ra.deg),
        "center_dec": float(center.dec.deg),
        "pixel_scale": pixel_scale(wcs),
        "projection": str(wcs.wcs.ctype[0])[5:],
    }


def _visit(visit: VisitInfo) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if visit.id:
        known["id"] = visit.id
    if visit.date is not None:
        known["date"] = str(visit.date.tai.isot)
    for name in ("exposure_time", "airmass"):
        if math.isfinite(getattr(visit, name)):
            known[name] = float(getattr(visit, name))
    if visit.instrument:
        known["instrument"] = visit.instrument
    return known


def _measure(pixels: MaskedImage) -> dict[str, Any]:
    """Numbers of the pixels; NaN where there is nothing to measure."""
    image, variance = pixels.image.array, pixels.variance.array
    good = image[np.isfinite(image)].astype(np.float64)
    spread = variance[np.isfinite(variance)]
    median = float(np.median(good)) if good.size else math.nan
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(good - median))) if good.size else math.nan
    return {
        "finite": good.size / image.size if image.size else math.nan,
        "median": median,
        "sigma": sigma,
        "variance": float(np.median(spread)) if spread.size else math.nan,
        "masked": {name: n for name, n in pixels.mask.counts().items() if n},
    }

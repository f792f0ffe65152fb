# SPDX-License-Identifier: BSD-3-Clause
"""Summary of exposures, from which some may be chosen."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy.table import Table

from deepcoadd.coadd._weighing import UNREADABLE
from deepcoadd.errors import DeepcoaddError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.psf import determinant_radius
from deepcoadd.refs import WarpRef, as_refs, name_of
from deepcoadd.wcs import corners, pixel_scale

__all__ = ["summarize"]

_log = logging.getLogger(__name__)


def summarize(inputs: Iterable[Any]) -> Table:
    """Summary of exposures as `deepcoadd.coadd.select` takes it; no pixels are read.

    Parameters
    ----------
    inputs : iterable of Exposure or WarpRef
        Exposures.

    Returns
    -------
    Table
        One row each, in their order: ``name``; ``instrument``, ``visit`` (-1 - row where it has no
        number), ``detector`` (-1 where unknown), ``band``; ``mjd`` (TAI); ``psfSigma`` [pixel],
        the fourth root of the determinant of the moments of the PSF in the middle;
        ``pixelScale`` [arcsec]; ``raCorners``, ``decCorners`` [deg] (4). NaN where something is
        not known or cannot be evaluated.
    """
    rows = [_row(number, ref) for number, ref in enumerate(as_refs(inputs))]
    names = ("name", "instrument", "visit", "detector", "band", "mjd", "psfSigma", "pixelScale")
    columns = {name: [row[name] for row in rows] for name in names}
    table = Table({name: np.array(values) for name, values in columns.items()})
    for name in ("raCorners", "decCorners"):
        table[name] = np.array([row[name] for row in rows], np.float64).reshape(-1, 4)
        table[name].unit = "deg"
    return table


def _row(number: int, ref: WarpRef) -> dict[str, Any]:
    data_id = ref.data_id
    row: dict[str, Any] = {
        "name": name_of(ref),
        "instrument": str(data_id.get("instrument", "")),
        "visit": _integer(data_id.get("visit"), -1 - number),
        "detector": _integer(data_id.get("detector"), -1),
        "band": "",
        "mjd": math.nan,
        "psfSigma": math.nan,
        "pixelScale": math.nan,
        "raCorners": np.full(4, math.nan),
        "decCorners": np.full(4, math.nan),
    }
    try:
        info, box = ref.info(), ref.box()
    except UNREADABLE as error:
        _log.warning("%s: cannot be read: %s", name_of(ref), error)
        return row
    row["band"] = "" if info.filter is None else info.filter.band
    row["mjd"] = math.nan if info.visit_info is None else info.visit_info.mjd
    row |= _on_sky(info, box)
    row["psfSigma"] = _psf_sigma(info, box)
    return row


def _integer(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, (int, np.integer)) else otherwise


def _on_sky(info: ExposureInfo, box: Box) -> dict[str, Any]:
    """Corners and size of a pixel; nothing without a WCS."""
    if info.wcs is None or not info.wcs.has_celestial or box.is_empty:
        return {}
    sky = corners(info.wcs, box)
    return {
        "pixelScale": pixel_scale(info.wcs),
        "raCorners": sky.ra.deg,
        "decCorners": sky.dec.deg,
    }


def _psf_sigma(info: ExposureInfo, box: Box) -> float:
    """Sigma of the PSF in the middle of the box [pixel]; NaN without a PSF."""
    y, x = box.center
    try:
        return determinant_radius(info.require("psf"), y=y, x=x)
    except DeepcoaddError:
        return math.nan

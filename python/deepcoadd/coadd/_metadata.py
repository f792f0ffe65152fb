# SPDX-License-Identifier: BSD-3-Clause
"""What is known about a coadd beside its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import astropy.units as u
from astropy.wcs import WCS

from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._provenance import ap_corr_map_of, coadd_inputs, coadd_psf
from deepcoadd.coadd._result import InputRecord
from deepcoadd.errors import OptionError
from deepcoadd.exposure import ExposureInfo, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.provenance import NO_PSF_CARD

__all__ = ["coadd_info", "widest_psf"]


def coadd_info(
    box: Box,
    records: Sequence[InputRecord],
    inputs: Sequence[CoaddInput],
    options: AssembleOptions,
    wcs: WCS | None,
    *,
    tables: bool = True,
) -> ExposureInfo:
    """Information of a coadd: WCS of the grid, band of the first input, unit, PSF, and inputs.

    The last are None without `tables`.

    Raises
    ------
    OptionError
        ``options.unit`` is None and the inputs are in different units.
    """
    infos = [one.info() for one in inputs]
    unit = _unit(infos, options, [record.name for record in records])
    first = infos[0].filter
    used = list(zip(inputs, infos, records, strict=True))
    psf, reason = coadd_psf(used, options.psf_kernel)
    return ExposureInfo(
        box,
        wcs=wcs,
        photo_calib=_photo_calib(infos, unit, options),
        filter=None if first is None else FilterLabel(band=first.band),
        unit=unit,
        psf=psf,
        inputs=coadd_inputs(used) if tables else None,
        ap_corr_map=ap_corr_map_of(used),
        metadata={NO_PSF_CARD: reason} if reason else {},
    )


def _unit(
    infos: Sequence[ExposureInfo], options: AssembleOptions, names: Sequence[str]
) -> u.UnitBase | None:
    if options.unit is not None:
        return u.Unit(options.unit)
    known = {
        info.unit: name for info, name in zip(infos, names, strict=True) if info.unit is not None
    }
    if len(known) > 1:
        what = ", ".join(f"{name} in {unit}" for unit, name in known.items())
        raise OptionError(f"unit = None, but the inputs are in different units: {what}")
    return next(iter(known), None)


def _photo_calib(
    infos: Sequence[ExposureInfo], unit: u.UnitBase | None, options: AssembleOptions
) -> PhotoCalib | None:
    """Calibration of the coadd: from its unit, or the one that all inputs share."""
    if unit is not None and unit.is_equivalent(u.nJy):
        return PhotoCalib(float(unit.to(u.nJy)))
    shared = infos[0].photo_calib
    return shared if all(info.photo_calib == shared for info in infos) else None


def widest_psf(infos: Iterable[ExposureInfo]) -> Any:
    """PSF of the input whose PSF image is the widest.

    For inputs that were matched to one model PSF, whose images differ in size only.

    Parameters
    ----------
    infos : iterable of ExposureInfo
        Of the inputs; each PSF counts at its average position.

    Returns
    -------
    Psf or None
        None when no input has a PSF.
    """
    widest, width = None, 0
    for info in infos:
        if info.psf is None:
            continue
        size = info.psf.size_at()[1]
        if size > width:
            widest, width = info.psf, size
    return widest

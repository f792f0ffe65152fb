# SPDX-License-Identifier: BSD-3-Clause
"""Which factor brings an input into the unit of the coadd."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u

from deepcoadd.coadd._options import is_flux
from deepcoadd.errors import OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.photocalib import ChebyshevField, PhotoCalib

__all__ = ["calibration_to"]


def calibration_to(unit: str | None, info: ExposureInfo, name: str) -> PhotoCalib | None:
    """Calibration from the pixels of an input to a unit.

    Parameters
    ----------
    unit : str, optional
        Unit wanted; None leaves the numbers as they are.
    info : ExposureInfo
        Of the input.
    name : str
        Of the input, for the message.

    Returns
    -------
    PhotoCalib or None
        None where nothing has to be multiplied. An input without a unit counts as being in `unit`
        when that is no flux density.

    Raises
    ------
    OptionError
        The input is in another unit and has no photometric calibration.
    """
    if unit is None:
        return None
    target = u.Unit(unit)
    if info.unit is not None and info.unit.is_equivalent(target):
        factor = float(info.unit.to(target))
        return None if factor == 1.0 else PhotoCalib(factor)
    if is_flux(unit) and info.photo_calib is not None:
        return _scaled(info.photo_calib, float(u.nJy.to(target)))
    if info.unit is None and not is_flux(unit):
        return None
    have = "no unit" if info.unit is None else f"unit {info.unit}"
    raise OptionError(
        f"{name}: {have} and no photometric calibration to {unit}; "
        "with the unit none the numbers are combined as they are"
    )


def _scaled(calib: PhotoCalib, factor: float) -> PhotoCalib | None:
    """Calibration to a unit that is `factor` per nJy; None when it changes nothing."""
    if factor == 1.0:
        return None if calib.mean == 1.0 and calib.field is None else calib
    field = calib.field
    if field is not None:
        rows = tuple(tuple(factor * c for c in row) for row in field.coefficients)
        field = ChebyshevField(field.box, rows)
    return replace(calib, mean=factor * calib.mean, error=factor * calib.error, field=field)

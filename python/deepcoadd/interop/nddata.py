# SPDX-License-Identifier: BSD-3-Clause
"""Exposures to and from the CCDData of astropy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, VarianceUncertainty

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.image import MaskedImage
from deepcoadd.wcs import shifted

__all__ = ["BAD_PLANES", "from_ccddata", "to_ccddata"]

BAD_PLANES = ("BAD", "SAT", "CR", "EDGE", "NO_DATA")
"""Planes that make a pixel masked in a CCDData, which knows only true and false."""


def from_ccddata(ccd: Any, *, start: tuple[int, int] = (0, 0)) -> Exposure:
    """Exposure of a CCDData.

    Parameters
    ----------
    ccd : CCDData
        2-D. Its mask becomes the plane BAD; its uncertainty, of any kind that can be turned into a
        variance, the variance plane (NaN, unknown, without one).
    start : (int, int)
        Parent position (y0, x0) of its first pixel.

    Returns
    -------
    Exposure
        float32 planes; data that are float32 already are not copied.

    Raises
    ------
    OptionError
        It has no `data`, or its uncertainty cannot be turned into a variance.
    ShapeError
        The data are not 2-D.
    """
    if not hasattr(ccd, "data") or not hasattr(ccd, "uncertainty"):
        raise OptionError(f"ccd of type {type(ccd).__name__}: expected a CCDData")
    spread = None
    if ccd.uncertainty is not None:
        try:
            spread = ccd.uncertainty.represent_as(VarianceUncertainty).array
        except TypeError as error:
            raise OptionError(
                f"uncertainty of type {type(ccd.uncertainty).__name__}: {error}"
            ) from None
    pixels = MaskedImage.from_arrays(ccd.data, variance=spread, start=start)
    if ccd.mask is not None:
        pixels.mask.set("BAD", np.broadcast_to(np.asarray(ccd.mask, bool), ccd.data.shape))
    y0, x0 = start
    wcs = None if ccd.wcs is None else shifted(ccd.wcs, y=y0, x=x0)
    unit = None if ccd.unit == u.dimensionless_unscaled else ccd.unit
    return Exposure(pixels, wcs=wcs, unit=unit, metadata=dict(ccd.meta))


def to_ccddata(exposure: Exposure, *, bad_planes: Iterable[str] = BAD_PLANES) -> CCDData:
    """CCDData of an exposure; the box is kept in its WCS only.

    Parameters
    ----------
    exposure : Exposure
        Its pixels are copied.
    bad_planes : iterable of str
        Planes that make a pixel masked; names the exposure lacks count for nothing. All planes are
        kept as integers in `flags`.

    Returns
    -------
    CCDData
        With a `VarianceUncertainty`, and a unit (dimensionless where none is known).
    """
    words = exposure.mask.array
    bits = exposure.mask.planes.known_bitmask(bad_planes)
    (y0, x0) = exposure.box.start
    return CCDData(
        exposure.image.array.copy(),
        uncertainty=VarianceUncertainty(exposure.variance.array.copy()),
        mask=(words & np.int32(bits)) != 0,
        flags=words.copy(),
        unit=exposure.unit or u.dimensionless_unscaled,
        wcs=None if exposure.wcs is None else shifted(exposure.wcs, y=-y0, x=-x0),
        meta=dict(exposure.info.metadata),
    )

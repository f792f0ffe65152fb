# SPDX-License-Identifier: BSD-3-Clause
"""Exposures of other packages that carry the documented getters, turned into ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.wcs import WCS

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import MaskPlanes

__all__ = ["as_box", "as_exposure", "as_wcs"]


def as_box(obj: Any) -> Box:
    """Box of ours, from one of ours or an object with `getMinX`, `getMaxX`, and so on."""
    if isinstance(obj, Box):
        return obj
    return Box.from_corners(x0=obj.getMinX(), y0=obj.getMinY(), x1=obj.getMaxX(), y1=obj.getMaxY())


def as_exposure(obj: Any) -> Exposure:
    """Exposure of ours, from one of ours or an object with the documented getters.

    Parameters
    ----------
    obj : Exposure, MaskedImage, or object with `getMaskedImage`
        Ours are passed through. Arrays of others are used without a copy where their types allow.

    Returns
    -------
    Exposure

    Raises
    ------
    OptionError
        `obj` is none of these.
    """
    if isinstance(obj, Exposure):
        return obj
    if isinstance(obj, MaskedImage):
        return Exposure(obj)
    if not hasattr(obj, "getMaskedImage"):
        raise OptionError(
            f"exposure of type {type(obj).__name__}: expected a deepcoadd Exposure or an object "
            "with getMaskedImage()"
        )
    pixels = obj.getMaskedImage()
    masked_image = MaskedImage.from_arrays(
        _plane(pixels.image, np.float32),
        _plane(pixels.mask, np.int32),
        _plane(pixels.variance, np.float32),
        box=as_box(obj.getBBox()),
        planes=MaskPlanes(dict(pixels.mask.getMaskPlaneDict())),
    )
    return Exposure(
        masked_image,
        wcs=as_wcs(_call(obj, "getWcs")),
        psf=_call(obj, "getPsf"),
        metadata=dict(_call(obj, "getMetadata") or {}),
    )


def _plane(image: Any, dtype: Any) -> Any:
    """Native-endian array of an image plane."""
    return np.asarray(image.array, dtype=dtype)


def _call(obj: Any, name: str) -> Any:
    """Result of a getter, or None where the object does not have it."""
    method = getattr(obj, name, None)
    return None if method is None else method()


def as_wcs(wcs: Any) -> WCS | None:
    """WCS of parent positions from an astropy WCS or an object with `getFitsMetadata`."""
    if wcs is None or isinstance(wcs, WCS):
        return wcs
    # The cards of such a WCS are those of parent pixels, 1-based: the frame astropy calls origin 0.
    return WCS(dict(wcs.getFitsMetadata().toDict()))

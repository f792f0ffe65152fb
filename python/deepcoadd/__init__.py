# SPDX-License-Identifier: BSD-3-Clause
"""Rubin-grade coaddition of astronomical images, on numpy arrays, FITS files or a Butler."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deepcoadd._core import __version__, get_num_threads, set_num_threads

if TYPE_CHECKING:
    from deepcoadd.exposure import Exposure, ExposureInfo, FilterLabel
    from deepcoadd.geometry import Box, Interval
    from deepcoadd.image import Image, MaskedImage
    from deepcoadd.mask import Mask, MaskPlanes
    from deepcoadd.photocalib import PhotoCalib
    from deepcoadd.visitinfo import VisitInfo

_HOME = {
    "Box": "geometry",
    "Exposure": "exposure",
    "ExposureInfo": "exposure",
    "FilterLabel": "exposure",
    "Image": "image",
    "Interval": "geometry",
    "Mask": "mask",
    "MaskPlanes": "mask",
    "MaskedImage": "image",
    "PhotoCalib": "photocalib",
    "VisitInfo": "visitinfo",
}

__all__ = [
    "Box",
    "Exposure",
    "ExposureInfo",
    "FilterLabel",
    "Image",
    "Interval",
    "Mask",
    "MaskPlanes",
    "MaskedImage",
    "PhotoCalib",
    "VisitInfo",
    "__version__",
    "get_num_threads",
    "set_num_threads",
]


def __getattr__(name: str) -> Any:
    """Load a class of the data model when it is first asked for."""
    if name in _HOME:
        return getattr(import_module(f"deepcoadd.{_HOME[name]}"), name)
    raise AttributeError(f"module 'deepcoadd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

# SPDX-License-Identifier: BSD-3-Clause
"""Scaling of warps to one photometric zero point, as a task."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import Config, Field
from lsst.pipe.base import Task

from deepcoadd.errors import NoDataError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.image import MaskedImage
from deepcoadd.interop.afw import as_exposure
from deepcoadd.photocalib import PhotoCalib

__all__ = ["ImageScaler", "RefusingScaler", "ScaleZeroPointConfig", "ScaleZeroPointTask"]


class ImageScaler:
    """Multiplies images by one number.

    Parameters
    ----------
    scale : float
        The number.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def scaleMaskedImage(self, maskedImage: MaskedImage) -> None:
        """Multiply the image by the scale and the variance by its square, in place."""
        maskedImage *= self.scale


class RefusingScaler:
    """Stands for a scaler that could not be found: its input is skipped, with the reason.

    Parameters
    ----------
    reason : str
        Why.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def scaleMaskedImage(self, maskedImage: MaskedImage) -> None:
        """Raise `NoDataError` with the reason."""
        raise NoDataError(self.reason)


class ScaleZeroPointConfig(Config):  # type: ignore[misc]
    """Configuration of `ScaleZeroPointTask`."""

    zeroPoint = Field(dtype=float, default=27.0, doc="AB magnitude of one count after scaling.")


class ScaleZeroPointTask(Task):  # type: ignore[misc]
    """Find the factor that brings an exposure to the zero point."""

    ConfigClass = ScaleZeroPointConfig
    _DefaultName = "scaleZeroPoint"

    def getPhotoCalib(self) -> PhotoCalib:
        """Return the calibration of scaled images."""
        return PhotoCalib.from_zero_point(self.config.zeroPoint)

    def computeImageScaler(self, exposure: Any, dataRef: Any = None) -> ImageScaler:
        """Return the scaler of an exposure (or of its information), from its mean calibration.

        Raises
        ------
        NoDataError
            The exposure has no photometric calibration.
        """
        info = exposure if isinstance(exposure, ExposureInfo) else as_exposure(exposure).info
        calib: PhotoCalib = info.require("photo_calib")
        return ImageScaler(calib.mean / self.getPhotoCalib().mean)

# SPDX-License-Identifier: BSD-3-Clause
"""Scaling of variance planes to the scatter of the pixels, as a task."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import Config, ConfigField, ListField, RangeField
from lsst.pipe.base import Struct, Task

from deepcoadd.image import MaskedImage
from deepcoadd.scale_variance import ScaleVarianceOptions, scale_factors, scale_variance
from deepcoadd.tasks.subtract_background import SubtractBackgroundConfig

__all__ = ["ScaleVarianceConfig", "ScaleVarianceTask"]

_DEFAULTS = ScaleVarianceOptions()


class ScaleVarianceConfig(Config):  # type: ignore[misc]
    """Configuration of `ScaleVarianceTask`."""

    background = ConfigField(
        dtype=SubtractBackgroundConfig, doc="Background subtracted for the measurement."
    )
    maskPlanes = ListField(
        dtype=str,
        default=list(_DEFAULTS.mask_planes),
        doc="Planes of pixels that are not measured.",
    )
    limit = RangeField(
        dtype=float,
        default=ScaleVarianceOptions.limit,
        min=0.0,
        inclusiveMin=False,
        doc="Largest factor.",
    )
    iqrToSigma = RangeField(
        dtype=float,
        default=ScaleVarianceOptions.iqr_to_sigma,
        min=0.0,
        inclusiveMin=False,
        doc="Standard deviation per inter-quartile range.",
    )

    def setDefaults(self) -> None:
        """Small bins, nothing detected in them."""
        super().setDefaults()
        self.background.set_from(_DEFAULTS.background)

    def to_options(self) -> ScaleVarianceOptions:
        """Options of the subject package."""
        return ScaleVarianceOptions(
            mask_planes=tuple(self.maskPlanes),
            limit=self.limit,
            iqr_to_sigma=self.iqrToSigma,
            background=self.background.to_options(),
        )


class ScaleVarianceTask(Task):  # type: ignore[misc]
    """Scale the variance plane of an image to the scatter that its pixels show."""

    ConfigClass = ScaleVarianceConfig
    _DefaultName = "scaleVariance"

    def run(self, maskedImage: MaskedImage) -> float:
        """Scale the variances, in place.

        Returns
        -------
        float
            The factor.

        Raises
        ------
        ExceedsMaxVarianceScaleError
            The factor exceeds `limit`; the variances are as they were.
        TooManyMaskedPixelsError
            No pixel is good.
        """
        factor = scale_variance(maskedImage, self.config.to_options())
        self.log.info("variances scaled by %f", factor)
        return factor

    def computeScaleFactors(self, maskedImage: MaskedImage) -> Struct:
        """Measure the factors and change nothing.

        Returns
        -------
        Struct
            ``pixelFactor`` and ``imageFactor``.
        """
        return _struct(maskedImage, self.config.to_options())


def _struct(pixels: Any, options: ScaleVarianceOptions) -> Struct:
    factors = scale_factors(pixels, options)
    return Struct(pixelFactor=factors.pixel, imageFactor=factors.image)

# SPDX-License-Identifier: BSD-3-Clause
"""Interpolation over missing pixels, as a task."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import ChoiceField, Config, Field
from lsst.pipe.base import Struct, Task

from deepcoadd.image import MaskedImage
from deepcoadd.interpolate import InterpolateOptions, interpolate_missing

__all__ = ["InterpImageConfig", "InterpImageTask"]


class InterpImageConfig(Config):  # type: ignore[misc]
    """Configuration of `InterpImageTask`."""

    useFallbackValueAtEdge = Field(
        dtype=bool,
        default=InterpolateOptions.use_fallback_value_at_edge,
        doc="Fill long runs at the edge with the fallback value?",
    )
    fallbackValueType = ChoiceField(
        dtype=str,
        default=InterpolateOptions.fallback_value_type,
        allowed={
            "MEAN": "mean of the image",
            "MEDIAN": "median of the image",
            "MEANCLIP": "clipped mean of the image",
            "USER": "fallbackUserValue",
        },
        doc="Which number is the fallback value.",
    )
    fallbackUserValue = Field(
        dtype=float,
        default=InterpolateOptions.fallback_user_value,
        doc="Fallback value of type USER.",
    )
    negativeFallbackAllowed = Field(
        dtype=bool,
        default=InterpolateOptions.negative_fallback_allowed,
        doc="May the fallback value be negative? If not, 0 takes its place.",
    )
    transpose = Field(dtype=bool, default=InterpolateOptions.transpose, doc="Work along columns?")

    def validate(self) -> None:
        """Check the fields; a user value below 0 must be allowed."""
        super().validate()
        self.to_options()

    def to_options(self) -> InterpolateOptions:
        """Options of the subject package."""
        return InterpolateOptions(
            use_fallback_value_at_edge=self.useFallbackValueAtEdge,
            fallback_value_type=self.fallbackValueType,
            fallback_user_value=self.fallbackUserValue,
            negative_fallback_allowed=self.negativeFallbackAllowed,
            transpose=self.transpose,
        )


class InterpImageTask(Task):  # type: ignore[misc]
    """Fill the pixels of a mask plane from their neighbours."""

    ConfigClass = InterpImageConfig
    _DefaultName = "interpImage"

    def run(self, image: Any, planeName: str = "NO_DATA") -> Struct:
        """Interpolate over a plane, in place.

        Parameters
        ----------
        image : MaskedImage or Exposure
            Pixels, changed in place; INTRP is set where they are filled.
        planeName : str
            Plane of the pixels to fill.

        Returns
        -------
        Struct
            ``nPixels``, and the ``fallbackValue`` used.
        """
        pixels: MaskedImage = getattr(image, "masked_image", image)
        done = interpolate_missing(pixels, self.config.to_options(), plane=planeName)
        self.log.info("interpolated over %d pixels of %s", done.n_pixels, planeName)
        return Struct(nPixels=done.n_pixels, fallbackValue=done.fallback)

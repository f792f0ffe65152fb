# SPDX-License-Identifier: BSD-3-Clause
"""Interpolation over bad and missing pixels.

Along each row (or column) a run of bad pixels is filled by ordinary kriging from up to two good
pixels on either side; formula and limits: ``docs/algorithms/interpolation.md``.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import interpolate as _core
from deepcoadd._stats_options import signed_bits
from deepcoadd.errors import OptionError
from deepcoadd.image import MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.statistics import statistics

__all__ = [
    "InterpolateOptions",
    "InterpolateResult",
    "interpolate_missing",
    "interpolate_rows",
]

_log = logging.getLogger(__name__)

Direction = Literal["row", "column", "shortest"]
VarianceRule = Literal["two-sided", "like-image"]
FallbackType = Literal["MEAN", "MEDIAN", "MEANCLIP", "USER"]


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name}: got {value!r}, must be one of {', '.join(allowed)}")


def interpolate_rows(
    image: MaskedImage | NDArray[np.float32],
    mask: NDArray[np.int32] | None = None,
    variance: NDArray[np.float32] | None = None,
    bad_bits: int = 0,
    *,
    interpolated_bits: int = 0,
    fallback: float = 0.0,
    use_fallback_at_edge: bool = True,
    direction: Direction = "row",
    variance_rule: VarianceRule = "two-sided",
) -> int:
    """Interpolate over bad pixels in place.

    Parameters
    ----------
    image : MaskedImage or (h, w) float32 array
        Pixels; a MaskedImage brings its mask and variance.
    mask : (h, w) int32 array
        Mask words; needed with an array.
    variance : (h, w) float32 array, optional
        Variances [unit of image squared].
    bad_bits : int
        A pixel with any of these bits is bad. What bad pixels hold is never used; a NaN that is
        not flagged makes its run take the mean of the pixels beside it.
    interpolated_bits : int
        Bits set at every bad pixel.
    fallback : float
        Value of lines without any good pixel and, with `use_fallback_at_edge`, of all but the
        last six pixels of longer runs that reach the edge.
    use_fallback_at_edge : bool
        Off: runs at the edge are extrapolated however long they are.
    direction : {"row", "column", "shortest"}
        Lines to work along. "shortest" chooses per pixel: data on both sides before data on one,
        then the shorter run, then the row.
    variance_rule : {"two-sided", "like-image"}
        "two-sided": the variance is interpolated where there is data on both sides and is
        infinite elsewhere, or where the result is not positive. "like-image": it is treated
        exactly as the image is, fallback included.

    Returns
    -------
    int
        Number of bad pixels.

    Raises
    ------
    ShapeError
        Shapes differ.
    OptionError
        A dtype or option is not allowed.
    """
    _check_choice("direction", direction, ("row", "column", "shortest"))
    _check_choice("variance_rule", variance_rule, ("two-sided", "like-image"))
    if isinstance(image, MaskedImage):
        if mask is not None or variance is not None:
            raise OptionError("mask, variance: got arrays, must be None beside a MaskedImage")
        pixels: NDArray[np.float32] = image.image.array
        mask, variance = image.mask.array, image.variance.array
    else:
        pixels = image
    if mask is None:
        raise OptionError("mask: got None, must be an int32 array like the image")
    return _core.interpolate_lines(
        pixels,
        mask,
        variance,
        bad_bits=signed_bits("bad_bits", bad_bits),
        interpolated_bits=signed_bits("interpolated_bits", interpolated_bits),
        fallback=float(fallback),
        use_fallback_at_edge=bool(use_fallback_at_edge),
        direction=direction,
        variance_like_image=variance_rule == "like-image",
    )


@dataclass(frozen=True)
class InterpolateOptions:
    """Options of `interpolate_missing`.

    Attributes
    ----------
    use_fallback_value_at_edge : bool
        Fill long runs at the edge with the fallback value.
    fallback_value_type : {"MEAN", "MEDIAN", "MEANCLIP", "USER"}
        Statistic over the finite pixels of the image that gives the fallback value.
    fallback_user_value : float
        Fallback value of type "USER"; finite.
    negative_fallback_allowed : bool
        Off: a negative statistic is replaced by 0, a negative user value is an error.
    transpose : bool
        Work along columns, whatever `direction` says.
    direction : {"row", "column", "shortest"}
        See `interpolate_rows`.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    use_fallback_value_at_edge: bool = True
    fallback_value_type: FallbackType = "MEDIAN"
    fallback_user_value: float = 0.0
    negative_fallback_allowed: bool = False
    transpose: bool = False
    direction: Direction = "row"

    def __post_init__(self) -> None:
        types = ("MEAN", "MEDIAN", "MEANCLIP", "USER")
        _check_choice("fallback_value_type", self.fallback_value_type, types)
        _check_choice("direction", self.direction, ("row", "column", "shortest"))
        value = self.fallback_user_value
        if not math.isfinite(value):
            raise OptionError(f"fallback_user_value: got {value}, must be finite")
        if self.fallback_value_type == "USER" and value < 0 and not self.negative_fallback_allowed:
            raise OptionError(
                f"fallback_user_value: got {value}, must be >= 0 "
                "unless negative_fallback_allowed is True"
            )

    def fallback_value(self, image: NDArray[Any]) -> float:
        """Fallback value for an image (NaN and infinities are ignored, the mask is not used).

        NaN if no pixel is finite; 0 without `use_fallback_value_at_edge`.
        """
        if not self.use_fallback_value_at_edge:
            return 0.0
        if self.fallback_value_type == "USER":
            return self.fallback_user_value
        value = statistics(image, properties=self.fallback_value_type).value()
        if value < 0 and not self.negative_fallback_allowed:
            _log.info(
                "the %s of the image is %g: 0 is the fallback value instead",
                self.fallback_value_type,
                value,
            )
            return 0.0
        return value


@dataclass(frozen=True)
class InterpolateResult:
    """What `interpolate_missing` did.

    Attributes
    ----------
    n_pixels : int
        Pixels interpolated.
    fallback : float
        Fallback value; NaN if the image has no finite pixel.
    """

    n_pixels: int
    fallback: float


_DEFAULTS = InterpolateOptions()


def interpolate_missing(
    masked_image: MaskedImage,
    options: InterpolateOptions = _DEFAULTS,
    *,
    plane: str = "NO_DATA",
    variance_rule: VarianceRule = "two-sided",
) -> InterpolateResult:
    """Interpolate over the pixels of one mask plane in place.

    Sets INTRP (which is created if need be) at these pixels; the plane itself stays. With the
    "two-sided" rule every pixel of the image whose variance is not positive then gets an infinite
    one.

    Parameters
    ----------
    masked_image : MaskedImage
        Changed in place.
    options : InterpolateOptions
        Fallback value and direction.
    plane : str
        Mask plane of the pixels to fill.
    variance_rule : {"two-sided", "like-image"}
        See `interpolate_rows`.

    Returns
    -------
    InterpolateResult
        Number of pixels, fallback value.

    Raises
    ------
    MaskPlaneError
        The mask does not have the plane.
    """
    mask = masked_image.mask
    bad_bits = mask.planes.bitmask(plane)
    if "INTRP" not in mask.planes:
        mask = Mask(mask.array, mask.box, mask.planes.with_planes("INTRP"))
        masked_image.mask = mask
    if masked_image.image.array.size == 0:
        return InterpolateResult(0, math.nan)
    fallback = options.fallback_value(masked_image.image.array)
    n_pixels = interpolate_rows(
        masked_image,
        bad_bits=bad_bits,
        interpolated_bits=mask.planes.bitmask("INTRP"),
        fallback=fallback,
        use_fallback_at_edge=options.use_fallback_value_at_edge,
        direction="column" if options.transpose else options.direction,
        variance_rule=variance_rule,
    )
    if variance_rule == "two-sided":
        variance = masked_image.variance.array
        variance[~(variance > 0)] = np.inf
    return InterpolateResult(n_pixels, fallback)

# SPDX-License-Identifier: BSD-3-Clause
"""Names of the properties and options of `deepcoadd.statistics`."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepcoadd._core import stats as _core
from deepcoadd.errors import OptionError

__all__ = ["VALUES", "Property", "StatsOptions", "signed_bits"]


class Property(enum.IntFlag):
    """What a set of samples can be asked for; members combine with ``|``."""

    NOTHING = 0x0
    ERRORS = 0x1
    NPOINT = 0x2
    MEAN = 0x4
    STDEV = 0x8
    VARIANCE = 0x10
    MEDIAN = 0x20
    IQRANGE = 0x40
    MEANCLIP = 0x80
    STDEVCLIP = 0x100
    VARIANCECLIP = 0x200
    MIN = 0x400
    MAX = 0x800
    SUM = 0x1000
    MEANSQUARE = 0x2000
    ORMASK = 0x4000
    NCLIPPED = 0x8000
    NMASKED = 0x10000

    @classmethod
    def parse(cls, text: str | int | Property) -> Property:
        """Return the property (or union) that a text such as ``"MEAN|STDEV"`` names.

        Parameters
        ----------
        text : str, int or Property
            Member names in any case, joined by ``|``; or their value.

        Raises
        ------
        OptionError
            A name or bit is unknown.
        """
        if isinstance(text, int):
            if int(text) & ~int(_EVERYTHING) or int(text) < 0:
                raise OptionError(f"property: got {int(text):#x}, must be a union of {_names()}")
            return cls(text)
        result = cls.NOTHING
        for word in text.split("|"):
            name = word.strip().upper()
            if name not in cls.__members__:
                raise OptionError(f"property: got {word.strip()!r}, must be one of {_names()}")
            result |= cls[name]
        return result


# The values in the order in which the core returns them.
VALUES: tuple[Property, ...] = tuple(
    p for p in Property if p not in (Property.NOTHING, Property.ERRORS, Property.ORMASK)
)
_EVERYTHING = Property(sum(Property))


def _names() -> str:
    return ", ".join(Property.__members__)


@dataclass(frozen=True)
class StatsOptions:
    """Options of `statistics` and `stack`.

    Attributes
    ----------
    sigma_clip : float
        Half-width of the clipping interval [sigma]; finite, > 0.
    n_iter : int
        Number of clipping passes; > 0.
    bad_bits : int
        A sample with any of these mask bits is rejected.
    no_data_bits : int
        Mask word of a stacked pixel at which no sample survives.
    nan_safe : bool
        Reject samples that are not finite as float32. Without it a sample that is not finite
        makes every moment and quantile NaN.
    weighted : bool or None
        None: weighted if weights are given. True without weights: weights are 1 / variance.
        False: weights must not be given.
    error_from_input_variance : bool
        Errors of means come from the variances of the inputs instead of the scatter.
    error_mosaic_mode : bool
        The squared error of a mean is the mean of the input variances (inputs fully correlated).
    propagation_thresholds : mapping of int to float
        Bit number -> share of the weight. A bit that rejected samples carry is set where their
        share of all weight exceeds the threshold.
    truncation_correction : bool
        Divide clipped variances by the share that clipping leaves of Gaussian data's variance.
        Off: errors from clipped scatter are too small by 3 % (3 sigma, 3 passes, many samples).
    mask_from_kept : bool
        Clipped samples count as rejected ones in the OR mask and for the thresholds.

    Raises
    ------
    OptionError
        A value is not allowed, or both error options are set.
    """

    sigma_clip: float = 3.0
    n_iter: int = 3
    bad_bits: int = 0
    no_data_bits: int = 0
    nan_safe: bool = True
    weighted: bool | None = None
    error_from_input_variance: bool = False
    error_mosaic_mode: bool = False
    propagation_thresholds: Mapping[int, float] = field(default_factory=dict)
    truncation_correction: bool = False
    mask_from_kept: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma_clip) and self.sigma_clip > 0):
            raise OptionError(f"sigma_clip: got {self.sigma_clip}, must be finite and > 0")
        if not _is_integer(self.n_iter) or not 0 < self.n_iter < 2**31:
            raise OptionError(f"n_iter: got {self.n_iter!r}, must be an integer > 0")
        if self.weighted not in (None, True, False):
            raise OptionError(f"weighted: got {self.weighted!r}, must be True, False or None")
        if self.error_from_input_variance and self.error_mosaic_mode:
            raise OptionError(
                "error_from_input_variance and error_mosaic_mode: got both, must be one at most"
            )
        signed_bits("bad_bits", self.bad_bits)
        signed_bits("no_data_bits", self.no_data_bits)
        for bit, threshold in self.propagation_thresholds.items():
            if not _is_integer(bit) or not 0 <= bit < 32 or math.isnan(threshold):
                raise OptionError(
                    f"propagation_thresholds: got {bit!r}: {threshold!r}, "
                    "must map bit numbers 0 to 31 to numbers"
                )

    def core_options(self) -> _core.Options:
        mode = "mosaic" if self.error_mosaic_mode else "scatter"
        return _core.Options(
            sigma_clip=self.sigma_clip,
            n_iter=int(self.n_iter),
            bad_bits=signed_bits("bad_bits", self.bad_bits),
            no_data_bits=signed_bits("no_data_bits", self.no_data_bits),
            nan_safe=bool(self.nan_safe),
            error_mode="input" if self.error_from_input_variance else mode,
            thresholds=[(int(b), float(t)) for b, t in self.propagation_thresholds.items()],
            truncation_correction=bool(self.truncation_correction),
            mask_from_kept=bool(self.mask_from_kept),
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def signed_bits(name: str, bits: int) -> int:
    """Return a mask word as int32 holds it (bit 31 is the sign)."""
    if not _is_integer(bits) or not -(2**31) <= bits < 2**32:
        raise OptionError(f"{name}: got {bits!r}, must be a mask word of 32 bits")
    return int(bits) - 2**32 if bits >= 2**31 else int(bits)

# SPDX-License-Identifier: BSD-3-Clause
"""Checks of arguments and options that many functions share."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from deepcoadd.errors import OptionError

__all__ = [
    "check_choice",
    "check_count",
    "check_finite",
    "check_least",
    "check_positive",
    "check_share",
    "instance",
    "names",
    "number",
]

T = TypeVar("T")

_LARGEST = float(np.finfo(np.float32).max)


def instance(name: str, value: Any, kind: type[T]) -> T:
    """Return `value`; refuse what is not of the class."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise OptionError(f"{name}: got {type(value).__name__}, must be {article} {kind.__name__}")
    return value


def number(name: str, value: Any) -> Any:
    """Return `value`; refuse what is not a real number. NaN and infinities are numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise OptionError(f"{name}: got {value!r}, must be a number")
    return value


def names(name: str, value: Any) -> tuple[str, ...]:
    """Tuple of names; a bare string would otherwise be taken letter by letter."""
    try:
        several = () if isinstance(value, str) else tuple(value)
    except TypeError:
        several = (None,)
    if isinstance(value, str) or not all(isinstance(one, str) for one in several):
        raise OptionError(f"{name}: got {value!r}, must be a sequence of names")
    return several


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse what is not one of some names."""
    if value not in allowed:
        raise OptionError(f"{name}: got {value!r}, must be one of {', '.join(allowed)}")


def check_count(name: str, value: Any, least: int, most: float = math.inf) -> None:
    """Refuse what is not a whole number from `least` to `most`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        allowed = f"{least} or more" if most == math.inf else f"from {least} to {most}"
        raise OptionError(f"{name}: got {value!r}, must be a whole number, {allowed}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def check_least(name: str, value: Any, least: float, *, finite: bool = True) -> None:
    """Refuse a number below a least one, and one that is not finite unless that is allowed."""
    if not _is_number(value) or not value >= least or (finite and value == math.inf):
        raise OptionError(f"{name}: got {value!r}, must be {'finite and ' * finite}{least} or more")


def check_finite(name: str, value: Any) -> None:
    """Refuse a number that is not finite as float32."""
    if not _is_number(value) or not abs(value) <= _LARGEST:
        raise OptionError(f"{name}: got {value!r}, must be finite as float32")


def check_positive(name: str, value: Any) -> None:
    """Refuse a number that is not finite and above 0."""
    if not _is_number(value) or not 0 < value < math.inf:
        raise OptionError(f"{name}: got {value!r}, must be finite and above 0")


def check_share(name: str, value: Any) -> None:
    """Refuse a number outside 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise OptionError(f"{name}: got {value!r}, must be 0 to 1")

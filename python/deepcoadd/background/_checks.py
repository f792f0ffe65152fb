# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the values of options."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from deepcoadd.errors import OptionError

__all__ = [
    "check_choice",
    "check_count",
    "check_finite",
    "check_least",
    "check_planes",
    "check_positive",
    "check_share",
]

_LARGEST = float(np.finfo(np.float32).max)


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


def check_planes(name: str, value: Any) -> None:
    """Refuse what is not several names; one text would count as the names of its letters."""
    if isinstance(value, str) or not all(isinstance(plane, str) for plane in value):
        raise OptionError(f"{name}: got {value!r}, must be a tuple of names of mask planes")

# SPDX-License-Identifier: BSD-3-Clause
"""Checks of arguments and options that many functions share."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from deepcoadd.errors import OptionError

__all__ = ["instance", "names", "number"]

T = TypeVar("T")


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
        raise OptionError(f"{name} = {value!r}: expected a sequence of names")
    return several

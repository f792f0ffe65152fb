# SPDX-License-Identifier: BSD-3-Clause
"""Checks that options of several assemblers share."""

from __future__ import annotations

from typing import Any

from deepcoadd._checks import instance, number
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.errors import OptionError

__all__ = ["check_fractions", "check_mean"]


def check_fractions(options: Any, *names: str) -> None:
    """Refuse options that are not within 0 to 1; NaN is not."""
    for name in names:
        value = number(name, getattr(options, name))
        if not 0 <= value <= 1:
            raise OptionError(f"{name} = {value}: expected 0 to 1")


def check_mean(assemble: AssembleOptions) -> None:
    """Refuse another statistic than the mean for inputs of which artifacts are left out."""
    instance("assemble", assemble, AssembleOptions)
    if assemble.statistic != "MEAN":
        raise OptionError(
            f"assemble.statistic = {assemble.statistic!r}: must be MEAN, since artifacts "
            "are masked and what is left is averaged"
        )

# SPDX-License-Identifier: BSD-3-Clause
"""Checks that options of several assemblers share."""

from __future__ import annotations

from deepcoadd._checks import instance
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.errors import OptionError

__all__ = ["check_mean"]


def check_mean(assemble: AssembleOptions) -> None:
    """Refuse another statistic than the mean for inputs of which artifacts are left out."""
    instance("assemble", assemble, AssembleOptions)
    if assemble.statistic != "MEAN":
        raise OptionError(
            f"assemble.statistic = {assemble.statistic!r}: must be MEAN, since artifacts "
            "are masked and what is left is averaged"
        )

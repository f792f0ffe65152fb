# SPDX-License-Identifier: BSD-3-Clause
"""Options that say how an input is to be read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from deepcoadd.errors import OptionError
from deepcoadd.io._target import HduName

__all__ = ["Noise", "ReadOptions"]

Noise = float | tuple[float, float] | str
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class ReadOptions:
    """How to read an input.

    Parameters
    ----------
    format : str
        "auto", or the name of a format.
    hdu : int, str or (str, int), optional
        HDU of the image (number from 0, name, or name and version).
    mask_map : str, MaskMap or mapping, optional
        What the values of a foreign mask mean.
    mask, variance, weight : path-like, optional
        Companion files, perhaps with ``[HDU]``; a name that begins with ``[`` is an HDU of the
        image's own file. `weight` is inverse variance.
    noise : float, (float, float) or "estimate", optional
        Noise of an image without variance: sigma per pixel in the unit of the image; gain (electron
        per unit) and read noise (electron); or a robust estimate from the pixels.

    Raises
    ------
    OptionError
        A value is not allowed, or two sources of variance are given.
    """

    format: str = "auto"
    hdu: HduName | None = None
    mask_map: Any = None
    mask: PathLike | None = None
    variance: PathLike | None = None
    weight: PathLike | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        sources = ("variance", "weight", "noise")
        given = [name for name in sources if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} given: one source of variance is allowed")
        if self.noise is not None:
            _check_noise(self.noise)

    @property
    def gives_variance(self) -> bool:
        """Whether the caller says where the variance comes from."""
        return any(value is not None for value in (self.variance, self.weight, self.noise))


def _check_noise(noise: Noise) -> None:
    """Refuse what is no noise."""
    allowed = 'a sigma > 0, (gain > 0, read noise >= 0), or "estimate"'
    if isinstance(noise, str):
        if noise != "estimate":
            raise OptionError(f"noise = {noise!r}; allowed are {allowed}")
        return
    pair = noise if isinstance(noise, tuple) else (noise, 0.0)
    if len(pair) != 2 or not all(isinstance(value, (int, float)) for value in pair):
        raise OptionError(f"noise = {noise!r}; allowed are {allowed}")
    if not all(math.isfinite(value) for value in pair) or pair[0] <= 0 or pair[1] < 0:
        raise OptionError(f"noise = {noise!r}; allowed are {allowed}")

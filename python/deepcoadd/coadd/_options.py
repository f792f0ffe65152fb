# SPDX-License-Identifier: BSD-3-Clause
"""Options of the base assembler; the only place where its defaults are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import astropy.units as u

from deepcoadd._checks import names
from deepcoadd._core.warp import kernel_size
from deepcoadd.errors import OptionError
from deepcoadd.interpolate import InterpolateOptions
from deepcoadd.statistics import Property

__all__ = ["MAPS", "TASK_ASSEMBLE", "AssembleOptions", "stackable"]

MAPS = ("weight", "exposure_time", "depth", "date")
"""Names of the optional maps of a coadd."""

# A pixel filled from its neighbours makes sense where the coadd is a level or its spread.
_INTERPOLABLE = ("MEAN", "MEDIAN", "MEANCLIP", "VARIANCE", "VARIANCECLIP")
_NOT_STACKABLE = Property.NOTHING, Property.ERRORS, Property.ORMASK


def stackable(statistic: str) -> Property:
    """Property of a stack by its name.

    Raises
    ------
    OptionError
        The name is unknown, or names no value of one pixel (NOTHING, ERRORS, ORMASK).
    """
    prop = Property.parse(statistic)
    if prop in _NOT_STACKABLE or prop.bit_count() != 1:
        raise OptionError(f"statistic = {statistic!r}: expected one value a pixel, such as MEAN")
    return prop


@dataclass(frozen=True)
class AssembleOptions:
    """How warps are combined into a coadd.

    Parameters
    ----------
    statistic : str
        What a coadd pixel is: MEAN, MEANCLIP, MEDIAN, or another property of a stack.
    sigma_clip : float
        Clip threshold in sigma, > 0; also of the mean variance that gives the weights.
    n_iter : int
        Clip passes, > 0.
    bad_planes : sequence of str
        A pixel with one of these planes is left out. Unknown names are warned of and ignored.
    remove_planes : sequence of str
        Planes cleared in the inputs before they are combined.
    propagation_thresholds : mapping of str to float
        A plane of rejected pixels is set in the coadd when the weight of those that carry it
        exceeds this fraction. The planes must exist.
    error_from_input_variance : bool
        Variance of the coadd from the variance planes (else from the scatter of the inputs).
    interpolate : InterpolateOptions, optional
        Fill pixels without data from their neighbours; None leaves them NaN.
    maps : sequence of str
        Further maps to make, out of `MAPS`. See `deepcoadd.coadd.CoaddResult`.
    unit : str, optional
        Unit of the coadd. Inputs in another unit are converted or calibrated; one that can be
        neither is an error. None combines the numbers as they are.
    bright_object_plane : str
        Plane for the masks of bright objects.
    psf_kernel : str
        Interpolation kernel of the PSFs of inputs that are placed by their WCS: lanczos2 to
        lanczos5, bilinear or nearest.
    max_memory : int
        Budget for pixels in bytes; it changes no bit of the result.
    subregion : (int, int)
        Most rows (and columns, which are never split) worked on at a time; it changes no bit.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    statistic: str = "MEAN"
    sigma_clip: float = 3.0
    n_iter: int = 2
    bad_planes: tuple[str, ...] = ("NO_DATA", "BAD", "SAT", "EDGE")
    remove_planes: tuple[str, ...] = ("NOT_DEBLENDED",)
    propagation_thresholds: Mapping[str, float] = field(default_factory=lambda: {"SAT": 0.1})
    error_from_input_variance: bool = True
    interpolate: InterpolateOptions | None = field(default_factory=InterpolateOptions)
    maps: tuple[str, ...] = ()
    unit: str | None = "nJy"
    bright_object_plane: str = "BRIGHT_OBJECT"
    psf_kernel: str = "lanczos3"
    max_memory: int = 2 * 2**30
    subregion: tuple[int, int] = (2000, 2000)

    def __post_init__(self) -> None:
        for name in ("bad_planes", "remove_planes", "maps"):
            object.__setattr__(self, name, names(name, getattr(self, name)))
        object.__setattr__(self, "propagation_thresholds", dict(self.propagation_thresholds))
        object.__setattr__(self, "subregion", tuple(self.subregion))
        stackable(self.statistic)
        self._check_numbers()
        for name in self.maps:
            if name not in MAPS:
                raise OptionError(f"maps: {name!r} is not one of {', '.join(MAPS)}")
        if self.interpolate is not None and self.statistic not in _INTERPOLABLE:
            raise OptionError(
                f"statistic = {self.statistic!r} cannot be interpolated: set interpolate to None, "
                f"or choose one of {', '.join(_INTERPOLABLE)}"
            )
        kernel_size(self.psf_kernel)
        _check_unit(self.unit)
        if "depth" in self.maps and not is_flux(self.unit):
            raise OptionError(f"maps: 'depth' needs a unit of flux density, not {self.unit!r}")

    def _check_numbers(self) -> None:
        """Refuse numbers out of range, NaN included."""
        if not (self.sigma_clip > 0 and math.isfinite(self.sigma_clip)):
            raise OptionError(f"sigma_clip = {self.sigma_clip}: expected a number above 0")
        if self.n_iter < 1:
            raise OptionError(f"n_iter = {self.n_iter}: expected at least 1")
        if self.max_memory < 1:
            raise OptionError(f"max_memory = {self.max_memory}: expected bytes, at least 1")
        if len(self.subregion) != 2 or min(self.subregion) < 1:
            raise OptionError(f"subregion = {self.subregion}: expected two numbers of at least 1")
        for plane, threshold in self.propagation_thresholds.items():
            if not 0 <= threshold <= 1:
                raise OptionError(f"propagation_thresholds: {plane} = {threshold}, expected 0 to 1")


def _check_unit(unit: str | None) -> None:
    if unit is not None:
        try:
            u.Unit(unit)
        except (ValueError, TypeError) as error:
            raise OptionError(f"unit = {unit!r}: {error}") from None


def is_flux(unit: str | None) -> bool:
    """Whether a unit is one of flux density, as calibrated images have it."""
    return unit is not None and bool(u.Unit(unit).is_equivalent(u.nJy))


TASK_ASSEMBLE = AssembleOptions(statistic="MEANCLIP")
"""Defaults of the documented task, which clips."""

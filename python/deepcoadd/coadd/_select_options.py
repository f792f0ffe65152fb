# SPDX-License-Identifier: BSD-3-Clause
"""Options of the choice of exposures; the only place where its defaults are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from deepcoadd._checks import instance, number
from deepcoadd.errors import OptionError

__all__ = ["FALLBACK", "PsfLimits", "SeeingOptions", "SelectKind", "SelectOptions"]

FALLBACK = "fallback"
"""Name that stands for every band without a limit of its own."""

SelectKind = Literal["all", "wcs", "psf", "best-seeing", "seeing-quantile"]


def _for_all(value: float) -> Callable[[], Mapping[str, float]]:
    """Makes a limit that is the same for every band."""
    return lambda: {FALLBACK: value}


_BY_BAND = ("min_n_psf_star", "max_star_e", "max_star_unnormalized_e")


@dataclass(frozen=True)
class PsfLimits:
    """Largest values of the statistics of a PSF model; None asks for nothing.

    A statistic that is NaN exceeds any limit, but for the number of stars. One that the summary
    has no column for is not asked for.

    Parameters
    ----------
    max_psf_fwhm : float, optional
        Full width at half maximum [arcsec].
    max_ellip_residual : float, optional
        Median residual of the ellipticity of stars, both components together.
    max_size_scatter, max_scaled_size_scatter : float, optional
        Scatter of the residuals of the sizes of stars [pixel], and in units of the size.
    max_psf_trace_radius_delta : float, optional
        Range of the size of the model over the detector [pixel].
    max_psf_ap_flux_delta, max_psf_ap_corr_sigma_scaled_delta : float, optional
        Range of the aperture flux of the model over the detector; of the aperture correction.
    min_n_psf_star : mapping of str to float
        Smallest number of stars in the model, by band; ``"fallback"`` is for all other bands.
    max_star_e, max_star_unnormalized_e : mapping of str to float
        Median ellipticity of stars, and not normalised, by band likewise.

    Raises
    ------
    OptionError
        A limit is NaN.
    """

    max_psf_fwhm: float | None = 1.8
    max_ellip_residual: float | None = 0.007
    max_size_scatter: float | None = None
    max_scaled_size_scatter: float | None = 0.019
    max_psf_trace_radius_delta: float | None = 0.7
    max_psf_ap_flux_delta: float | None = 0.24
    max_psf_ap_corr_sigma_scaled_delta: float | None = 0.22
    min_n_psf_star: Mapping[str, float] = field(default_factory=_for_all(6.0))
    max_star_e: Mapping[str, float] = field(default_factory=_for_all(0.4))
    max_star_unnormalized_e: Mapping[str, float] = field(default_factory=_for_all(2.8))

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            by_band = name in _BY_BAND
            if by_band and not isinstance(value, Mapping):
                raise OptionError(f"{name} = {value!r}: expected a number for each band")
            values = value.values() if by_band else (value,)
            if any(one is not None and math.isnan(number(name, one)) for one in values):
                raise OptionError(f"{name} = {value}: expected a number")


@dataclass(frozen=True)
class SeeingOptions:
    """Which visits count, and how many of those in the best seeing are kept.

    Parameters
    ----------
    min_psf_fwhm, max_psf_fwhm : float
        Kind best-seeing: limits of the seeing of a visit [arcsec], both included.
    min_mjd, max_mjd : float, optional
        Limits of the time of a visit, both included; a visit of unknown time is within none.
    confirm_overlap : bool
        Only visits of which a detector overlaps the region, where one is given.
    column_minima : mapping of str to float
        Column of the summary -> smallest mean over the detectors of a visit.
    n_visits_max : int
        Kind best-seeing: most visits to keep; -1 keeps all.
    q_min, q_max : float
        Kind seeing-quantile: part of the visits, in the order of their seeing, to keep;
    n_visits_min : int
        but so many at least, where there are as many.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    min_psf_fwhm: float = 0.0
    max_psf_fwhm: float = 1.5
    min_mjd: float | None = None
    max_mjd: float | None = None
    confirm_overlap: bool = True
    column_minima: Mapping[str, float] = field(default_factory=dict)
    n_visits_max: int = 12
    q_min: float = 0.0
    q_max: float = 0.33
    n_visits_min: int = 6

    def __post_init__(self) -> None:
        for name in ("min_psf_fwhm", "max_psf_fwhm", "min_mjd", "max_mjd", "q_min", "q_max"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name))
        for name in ("n_visits_max", "n_visits_min"):
            if number(name, getattr(self, name)) % 1:
                raise OptionError(f"{name} = {getattr(self, name)}: expected a whole number")
        for low, high in (("min_psf_fwhm", "max_psf_fwhm"), ("min_mjd", "max_mjd")):
            a, b = getattr(self, low), getattr(self, high)
            if any(value is not None and math.isnan(value) for value in (a, b)) or (
                a is not None and b is not None and a > b
            ):
                raise OptionError(f"{low} = {a}, {high} = {b}: expected numbers in this order")
        if self.n_visits_max < -1 or self.n_visits_max == 0:
            raise OptionError(f"n_visits_max = {self.n_visits_max}: expected at least 1, or -1")
        if self.n_visits_min < 0:
            raise OptionError(f"n_visits_min = {self.n_visits_min}: expected at least 0")
        if not 0 <= self.q_min <= self.q_max <= 1:
            raise OptionError(
                f"q_min = {self.q_min}, q_max = {self.q_max}: expected 0 to 1, in this order"
            )


@dataclass(frozen=True)
class SelectOptions:
    """Which exposures of many are combined.

    Parameters
    ----------
    kind : {"all", "wcs", "psf", "best-seeing", "seeing-quantile"}
        wcs keeps exposures that overlap the region; psf those of them with a good PSF;
        best-seeing and seeing-quantile the visits in the best seeing, so many or a part.
    exclude_detectors : sequence of int
        Detectors never to keep (kinds wcs and psf).
    psf : PsfLimits
        What a good PSF is.
    seeing : SeeingOptions
        Which visits are kept.

    Raises
    ------
    OptionError
        The kind is unknown.
    """

    kind: SelectKind = "all"
    exclude_detectors: tuple[int, ...] = ()
    psf: PsfLimits = field(default_factory=PsfLimits)
    seeing: SeeingOptions = field(default_factory=SeeingOptions)

    def __post_init__(self) -> None:
        allowed = get_args(SelectKind)
        if self.kind not in allowed:
            raise OptionError(f"kind = {self.kind!r}: expected one of {', '.join(allowed)}")
        instance("psf", self.psf, PsfLimits)
        instance("seeing", self.seeing, SeeingOptions)

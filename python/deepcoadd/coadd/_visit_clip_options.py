# SPDX-License-Identifier: BSD-3-Clause
"""Options of the artifact rejection by the coadd of the others; the only place of its defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepcoadd.coadd._option_checks import check_mean
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.errors import OptionError

__all__ = ["VISIT_CLIP_ASSEMBLE", "VisitClipOptions"]

VISIT_CLIP_ASSEMBLE = AssembleOptions(statistic="MEAN")
"""How the inputs are combined: a plain mean."""

_ABOVE_0 = ("seed", "grow", "soft", "extended", "winsor", "source", "odd", "mesh_most")
_AT_LEAST_0 = (
    "amplitude",
    "amplitude_extended",
    "seeing_tolerance",
    "spread_tolerance",
    "bright_spread",
    "rim_tolerance",
    "bright",
    "lobe",
)
_WHOLE = ("n_pass", "mesh", "cell")
_WIDEST = 100.0


@dataclass(frozen=True)
class VisitClipOptions:
    """How artifacts are found and left out by `deepcoadd.coadd.visit_clip`.

    "Noise" is that of a pixel of one visit; "significance" is a difference from the coadd of the
    others, beyond the tolerance at sources, in units of its own noise.

    Parameters
    ----------
    assemble : AssembleOptions
        How the inputs are combined; ``statistic`` must be MEAN.
    n_pass : int
        Passes over the visits, each with a template of what the one before has left; fewer where
        one changes next to nothing.
    seed : float
        Significance of a pixel that starts sharp light (a cosmic ray, a star trail).
    grow : float
        Significance of the pixels around it that join.
    soft : float
        Significance of light that is coherent over several pixels.
    amplitude : float
        Such light over the PSF is left out if it is at least this bright [noise]: leaving out one
        of N visits costs the coadd what light of 1 noise in one of them does.
    amplitude_extended : float
        The same over `extended`.
    extended : float
        Sigma [pixel] of the wider of the two Gaussians that look for such light; at most 100. That
        of the narrower is the PSF's.
    winsor : float
        A pixel counts with at most this significance there, so that a cosmic ray has no halo.
    source : float
        Significance of the smoothed coadd that makes a source.
    flux_tolerance : (float, float)
        Limits of the share of what a small change of PSF or place does to a source that is
        tolerated; within them it is measured for each visit.
    seeing_tolerance : float
        Tolerance at sources in units of the difference that the seeing of the visit makes.
    spread_tolerance : float
        Tolerance in units of the range over the visits, less the extremes, at bright sources.
    bright_spread : float
        Brightness of these [noise].
    rim_tolerance : float
        Tolerance in units of the brightness of the source, where no visit sees what lies
        around it, and where a visit lacks the middle of a very bright star.
    bright : float
        Brightness of such a star [noise].
    lobe : float
        A dark pixel beside sharp light of the same visit is left out too if its depth is less than
        this share of the peak: resampling makes such.
    odd : float
        Where mean and median of the others differ by this [noise of the mean], the median counts.
    single : bool
        Look for cosmic rays where one visit alone sees the sky, by their shape, and follow trails
        that others of its pixels show.
    mesh : int
        Side [pixel] of the squares whose medians give the sky offset of a visit.
    mesh_most : float
        By how much [noise] the offset may vary over a cell, lest a ghost be taken for sky.
    cell : int
        Side [pixel] of the parts of the sky that visits are compared in, about: the coadd is cut
        into equal ones. Statistics of a visit are those of a part, and all visits of one are in
        memory at a time: 12 bytes a pixel of each.
    margin : int
        Pixels around a part that are looked at with it.

    Raises
    ------
    OptionError
        A value is not allowed.

    Notes
    -----
    ``docs/algorithms/visit-clip.md``.
    """

    assemble: AssembleOptions = VISIT_CLIP_ASSEMBLE
    n_pass: int = 4
    seed: float = 4.2
    grow: float = 2.5
    soft: float = 4.5
    amplitude: float = 0.8
    amplitude_extended: float = 0.7
    extended: float = 4.0
    winsor: float = 2.0
    source: float = 5.0
    flux_tolerance: tuple[float, float] = (0.03, 0.6)
    seeing_tolerance: float = 1.0
    spread_tolerance: float = 0.7
    bright_spread: float = 30.0
    rim_tolerance: float = 1.0
    bright: float = 300.0
    lobe: float = 0.3
    odd: float = 4.0
    single: bool = True
    mesh: int = 64
    mesh_most: float = 0.3
    cell: int = 512
    margin: int = 32

    def __post_init__(self) -> None:
        check_mean(self.assemble)
        for name in _ABOVE_0:
            self._check(name, getattr(self, name) > 0, "a number above 0")
        for name in _AT_LEAST_0:
            self._check(name, getattr(self, name) >= 0, "a number of at least 0")
        for name in _WHOLE:
            value = getattr(self, name)
            self._check(name, value >= 1 and value == int(value), "a whole number of at least 1")
        whole = self.margin >= 0 and self.margin == int(self.margin)
        self._check("margin", whole, "a whole number of at least 0")
        self._check("extended", self.extended <= _WIDEST, f"at most {_WIDEST:g} pixels")
        low, high = self.flux_tolerance
        if not 0 <= low <= high < math.inf:
            raise OptionError(
                f"flux_tolerance = {self.flux_tolerance}: expected two numbers, 0 <= low <= high"
            )

    def _check(self, name: str, allowed: bool, expected: str) -> None:
        value = getattr(self, name)
        if not (allowed and math.isfinite(value)):
            raise OptionError(f"{name} = {value}: expected {expected}")

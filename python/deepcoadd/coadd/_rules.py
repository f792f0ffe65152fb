# SPDX-License-Identifier: BSD-3-Clause
"""What each mask plane does in a coadd, as bits of the coadd's dictionary."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deepcoadd._core import mask as _core
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.mask import DEFAULT_PLANES, MAX_PLANES, Mask, MaskPlanes
from deepcoadd.statistics import StatsOptions

__all__ = ["MaskRules", "flag_inexact_psf", "known_bits", "mask_rules"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskRules:
    """Bits that steer a stack.

    Parameters
    ----------
    planes : MaskPlanes
        Dictionary of the coadd; it holds every plane of every input.
    bad : int
        A pixel with one of these bits is left out.
    remove : int
        Bits cleared in the inputs before they are combined.
    thresholds : mapping of int to float
        Bit number -> fraction of rejected weight above which the plane is set.
    """

    planes: MaskPlanes
    bad: int
    remove: int
    thresholds: Mapping[int, float]

    @property
    def mask_map(self) -> tuple[tuple[int, int], ...]:
        """Pairs (from, to): where an input was rejected and one has `from`, `to` is set."""
        bits = self.planes.bitmask
        clipped, edge = bits("CLIPPED"), bits("EDGE")
        rejected = self.bad & ~bits("NO_DATA", "EDGE", "CLIPPED")
        return (
            (rejected, bits("REJECTED")),
            (edge, bits("SENSOR_EDGE")),
            (clipped, clipped),
        )

    def stats_options(
        self, options: AssembleOptions, thresholds: Mapping[int, float]
    ) -> StatsOptions:
        """Options of the stack kernel, with those thresholds that matter."""
        return StatsOptions(
            sigma_clip=options.sigma_clip,
            n_iter=options.n_iter,
            bad_bits=self.bad,
            no_data_bits=self.planes.bitmask("NO_DATA"),
            error_from_input_variance=options.error_from_input_variance,
            propagation_thresholds=thresholds,
        )


def mask_rules(
    dictionaries: Iterable[MaskPlanes],
    options: AssembleOptions,
    *,
    extra_planes: Iterable[str] = (),
    bad_bits: int = 0,
) -> MaskRules:
    """Rules for inputs with the given mask dictionaries.

    Parameters
    ----------
    dictionaries : iterable of MaskPlanes
        Of the inputs.
    options : AssembleOptions
        Names of planes.
    extra_planes : iterable of str
        Planes that masks given by the caller bring.
    bad_bits : int
        Further bad bits, of the default dictionary (which that of the coadd extends).

    Raises
    ------
    MaskPlaneError
        A plane of the propagation thresholds is unknown, or there are more than 32 planes.
    """
    extra = tuple(extra_planes)
    needed = (
        *options.bad_planes,
        *options.propagation_thresholds,
        *DEFAULT_PLANES.names_of(bad_bits),
        *extra,
    )
    planes = _merged([*(name for one in dictionaries for name in one), *extra], needed)
    return MaskRules(
        planes=planes,
        bad=bad_bits | known_bits(planes, options.bad_planes, "bad_planes"),
        remove=known_bits(planes, options.remove_planes, "remove_planes"),
        thresholds={planes[name]: t for name, t in options.propagation_thresholds.items()},
    )


_OWN = ("NO_DATA", "EDGE", "INTRP", "REJECTED", "CLIPPED", "SENSOR_EDGE", "INEXACT_PSF")
"""Planes that every coadd has."""


def _merged(names: Iterable[str], needed: Iterable[str]) -> MaskPlanes:
    """Dictionary of the coadd: default planes at their bits, then other names of the inputs.

    Where 32 bits are not enough, default planes that are not needed make room; from an input that
    has one, `CoaddInput` leaves it out with a warning.
    """
    names = list(dict.fromkeys(names))
    others = [name for name in names if name not in DEFAULT_PLANES]
    if len(DEFAULT_PLANES) + len(others) <= MAX_PLANES:
        return DEFAULT_PLANES.with_planes(*others)
    must = {*_OWN, *needed}
    kept = [name for name in DEFAULT_PLANES if name in must]
    spare = [name for name in DEFAULT_PLANES if name in names and name not in must]
    kept += spare[: max(0, MAX_PLANES - len(kept) - len(others))]
    return MaskPlanes({name: DEFAULT_PLANES[name] for name in kept}).with_planes(*others)


def known_bits(planes: MaskPlanes, names: Iterable[str], option: str) -> int:
    """Bits of the planes that exist; each unknown name is warned of once."""
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in planes:
            _log.warning("%s: no input has a mask plane %r; it is ignored", option, name)
    return planes.known_bitmask(names)


def flag_inexact_psf(mask: Mask) -> None:
    """Set INEXACT_PSF where SENSOR_EDGE, CLIPPED or REJECTED is set.

    Parameters
    ----------
    mask : Mask
        (ny, nx) int32, changed in place; its dictionary has the four planes.

    Raises
    ------
    MaskPlaneError
        It does not.
    """
    causes = mask.planes.bitmask("SENSOR_EDGE", "CLIPPED", "REJECTED")
    _core.set_where(mask.array, causes, mask.planes.bitmask("INEXACT_PSF"))

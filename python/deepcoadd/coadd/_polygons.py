# SPDX-License-Identifier: BSD-3-Clause
"""Valid polygons of a coadd whose inputs count where their PSF-matched versions are valid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepcoadd.coadd._grid import grid_shift
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._metadata import coadd_info
from deepcoadd.coadd._prepare import CoaddPlan
from deepcoadd.errors import OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CoaddInputs
from deepcoadd.psf import CoaddPsf
from deepcoadd.refs import WarpRef, name_of

__all__ = ["with_valid_polygons"]

_log = logging.getLogger(__name__)


def with_valid_polygons(plan: CoaddPlan, matched: Sequence[WarpRef | None]) -> CoaddPlan:
    """Plan whose PSF, tables and aperture corrections hold where the matched warps are valid.

    Near the edge of a detector, within the reach of the matching kernel, a matched warp has no
    data, and so the coadd has none from there: the PSF of that detector must not count either.

    Parameters
    ----------
    plan : CoaddPlan
        Of the warps as observed.
    matched : sequence of WarpRef or None
        PSF-matched version of each of its inputs.

    Returns
    -------
    CoaddPlan
        The valid polygon of every detector is that of the detector of the same id of the matched
        warp; a detector without one is left as it is. A warp that is no sum of detectors has the
        valid polygon of its matched version.

    Raises
    ------
    OptionError
        A matched warp has a detector that the warp does not have.
    """
    inputs = [
        one if ref is None else _trimmed(one, ref, plan)
        for one, ref in zip(plan.inputs, matched, strict=True)
    ]
    if all(new is old for new, old in zip(inputs, plan.inputs, strict=True)):
        return plan
    info = coadd_info(plan.box, plan.records, inputs, plan.options, plan.info.wcs)
    known = replace(plan.info, psf=info.psf, inputs=info.inputs, ap_corr_map=info.ap_corr_map)
    return replace(plan, info=known)


@dataclass(frozen=True)
class _Trimmed:
    """A warp of which something else is said."""

    ref: WarpRef
    told: ExposureInfo

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ref, name)

    def info(self) -> ExposureInfo:
        return self.told


def _trimmed(one: CoaddInput, ref: WarpRef, plan: CoaddPlan) -> CoaddInput:
    """An input with the polygons of its matched version; itself where that has none."""
    own, theirs = one.info(), ref.info()
    if isinstance(own.inputs, CoaddInputs):
        if not isinstance(theirs.inputs, CoaddInputs):
            return one
        told = _of_detectors(own, own.inputs, theirs.inputs, name_of(ref))
    elif isinstance(theirs.valid_polygon, Polygon):
        told = replace(own, valid_polygon=_in_frame_of(one, theirs, ref, plan))
    else:
        return one
    return replace(one, ref=_Trimmed(one.ref, told))


def _in_frame_of(one: CoaddInput, theirs: ExposureInfo, ref: WarpRef, plan: CoaddPlan) -> Polygon:
    """Polygon of a matched version in the pixels of the warp itself."""
    polygon: Polygon = theirs.valid_polygon
    shift = grid_shift(theirs.wcs, ref.box(), plan.info.wcs)
    if shift is None or shift == one.shift:
        return polygon
    dy, dx = shift.y - one.shift.y, shift.x - one.shift.x
    return polygon.transformed(lambda y, x: (y + dy, x + dx))


def _of_detectors(
    own: ExposureInfo, inputs: CoaddInputs, theirs: CoaddInputs, name: str
) -> ExposureInfo:
    """What a warp of detectors says, with the polygons of the matched version."""
    ids = [int(row["id"]) for row in inputs.ccds]
    polygons: dict[int, Polygon] = {}
    for n, row in enumerate(theirs.ccds):
        number = int(row["id"])
        if number not in ids:
            raise OptionError(
                f"matched: {name} has detector {number}, which its warp lacks; expected some of "
                f"{', '.join(map(str, ids))}"
            )
        polygon = theirs.ccd_polygons[n] if n < len(theirs.ccd_polygons) else None
        if polygon is None:
            _log.warning("%s: detector %d has no valid polygon", name, number)
        else:
            polygons[number] = polygon
    before = [*inputs.ccd_polygons, *[None] * (len(ids) - len(inputs.ccd_polygons))]
    after = tuple(polygons.get(number, old) for number, old in zip(ids, before, strict=True))
    psf = own.psf
    if isinstance(psf, CoaddPsf):
        parts = [replace(p, polygon=polygons.get(p.id, p.polygon)) for p in psf.inputs]
        psf = CoaddPsf(parts, psf.kernel, psf.average_position)
    return replace(own, psf=psf, inputs=replace(inputs, ccd_polygons=after))

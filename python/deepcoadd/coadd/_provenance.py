# SPDX-License-Identifier: BSD-3-Clause
"""PSF, aperture corrections and tables of inputs of a coadd, from what its inputs say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._result import InputRecord, inputs_table
from deepcoadd.errors import DeepcoaddError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.photocalib import ChebyshevField
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CCD_COLUMNS, VISIT_COLUMNS, CoaddInputs, record_table
from deepcoadd.psf import (
    AffineTransform,
    CoaddField,
    CoaddFieldInput,
    CoaddPsf,
    CoaddPsfInput,
    MissingPsf,
    Psf,
)

__all__ = ["ap_corr_map_of", "coadd_inputs", "coadd_psf"]

_log = logging.getLogger(__name__)

Used = Sequence[tuple[CoaddInput, ExposureInfo, InputRecord]]


def coadd_psf(used: Used, kernel: str) -> tuple[CoaddPsf | None, str]:
    """PSF of a coadd, or None and the reason.

    The PSF of an input that is itself a `CoaddPsf` (a warp of several detectors) is taken apart:
    its parts count with their weights times that of the input. Others count over the box and the
    valid polygon of the input.
    """
    inputs: list[CoaddPsfInput] = []
    without = []
    for one, info, record in used:
        if isinstance(info.psf, MissingPsf) or not isinstance(info.psf, Psf):
            without.append(one.name)
        else:
            inputs += _psf_inputs(one, info, record)
    if without:
        some = "no input has a PSF" if not inputs else f"no PSF: {', '.join(without)}"
        (_log.warning if inputs else _log.info)("the coadd has no PSF, because %s", some)
        return None, some
    inputs.sort(key=lambda item: item.id)
    try:
        return CoaddPsf.of_inputs(inputs, kernel), ""
    except DeepcoaddError as error:
        _log.warning("the coadd has no PSF: %s", error)
        return None, str(error)


def _psf_inputs(one: CoaddInput, info: ExposureInfo, record: InputRecord) -> list[CoaddPsfInput]:
    """Parts of the PSF of one input, in pixels of the coadd."""
    y, x = record.shift
    if isinstance(info.psf, CoaddPsf):
        return [
            replace(
                part,
                weight=record.weight * part.weight,
                transform=part.transform.shifted_by(y=y, x=x),
                name=part.name or one.name,
            )
            for part in info.psf.inputs
        ]
    polygon = info.valid_polygon
    return [
        CoaddPsfInput(
            info.psf,
            one.ref.box(),
            AffineTransform.shift(y=y, x=x),
            record.weight,
            record.n_good if record.n_good > 0 else None,
            polygon if isinstance(polygon, Polygon) else None,
            _visit_of(record),
            one.name,
        )
    ]


def _visit_of(record: InputRecord) -> int:
    """Visit of an input; a number below 0, of its own, for one that names none."""
    try:
        return int(record.data_id["visit"])
    except (KeyError, TypeError, ValueError):
        return -1 - record.index


def coadd_inputs(used: Used) -> CoaddInputs:
    """Tables of visits and detectors, with the weights of this coadd, sorted by id.

    An input that carries `CoaddInputs` (a warp) brings its visit and its detectors; one whose table
    of visits does not have one row is warned of and left out. Another one is a visit of its own
    whose only detector it is.
    """
    visits: list[dict[str, Any]] = []
    ccds: list[tuple[dict[str, Any], Polygon | None, Mapping[str, Any] | None]] = []
    for one, info, record in used:
        own = info.inputs
        changed = {"weight": record.weight}
        if not isinstance(own, CoaddInputs):
            row = _own_row(one, info, record)
            visits.append(row)
            ccds.append((row, _polygon_of(info), None))
            continue
        if len(own.visits) != 1:
            _log.warning(
                "%s: %d rows in its table of visits, expected 1; it is not recorded",
                one.name,
                len(own.visits),
            )
            continue
        label = (
            {}
            if info.filter is None or not info.filter.physical
            else {"filter": info.filter.physical}
        )
        visits += [{**row, **changed, **label} for row in _rows(own.visits)]
        for i, row in enumerate(_rows(own.ccds)):
            polygon = own.ccd_polygons[i] if i < len(own.ccd_polygons) else None
            maps = own.ccd_ap_corr_maps
            ccds.append(({**row, **changed, **label}, polygon, maps[i] if i < len(maps) else None))
    ccds.sort(key=lambda item: int(item[0]["id"]))
    return CoaddInputs(
        record_table(VISIT_COLUMNS, visits),
        record_table(CCD_COLUMNS, [row for row, _, _ in ccds]),
        tuple(polygon for _, polygon, _ in ccds),
        tuple(corrections for _, _, corrections in ccds),
        inputs_table([record for _, _, record in used]),
    )


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for row in table:
        yield {name: row[name] for name in table.colnames}


def _polygon_of(info: ExposureInfo) -> Polygon | None:
    return info.valid_polygon if isinstance(info.valid_polygon, Polygon) else None


def _own_row(one: CoaddInput, info: ExposureInfo, record: InputRecord) -> dict[str, Any]:
    """Row of an input that is a visit of its own, in pixels of its own."""
    box, visit = one.ref.box(), _visit_of(record)
    return {
        "id": visit,
        "visit": visit,
        "bbox_min_x": box.x.min,
        "bbox_min_y": box.y.min,
        "bbox_max_x": box.x.max,
        "bbox_max_y": box.y.max,
        "goodpix": record.n_good,
        "weight": record.weight,
        "filter": "" if info.filter is None else str(info.filter),
    }


def ap_corr_map_of(used: Used) -> dict[str, CoaddField] | None:
    """Aperture corrections of a coadd by name; None when no input has any.

    Each is the weighted mean over the inputs that have one of that name and are valid at the
    position: of a warp its detectors (placed by its PSF, which knows their WCS), else the input.
    """
    parts: dict[str, list[CoaddFieldInput]] = {}
    for one, info, record in used:
        for name, found in _corrections(one, info, record):
            parts.setdefault(name, []).extend(found)
    return {name: CoaddField(tuple(found)) for name, found in parts.items()} or None


def _corrections(
    one: CoaddInput, info: ExposureInfo, record: InputRecord
) -> Iterator[tuple[str, tuple[CoaddFieldInput, ...]]]:
    y, x = record.shift
    by_detector = list(_corrections_of_detectors(info, record))
    if by_detector:
        yield from by_detector
        return
    if not isinstance(info.ap_corr_map, Mapping):
        return
    for name, field in info.ap_corr_map.items():
        if isinstance(field, CoaddField):
            yield name, field.reweighted(record.weight, y=y, x=x)
        elif isinstance(field, ChebyshevField):
            place = AffineTransform.shift(y=y, x=x)
            yield name, (CoaddFieldInput(field, place, record.weight, _polygon_of(info)),)


def _corrections_of_detectors(
    info: ExposureInfo, record: InputRecord
) -> Iterator[tuple[str, tuple[CoaddFieldInput, ...]]]:
    """Corrections that the detectors of a warp have."""
    inputs, psf = info.inputs, info.psf
    if not isinstance(inputs, CoaddInputs) or not isinstance(psf, CoaddPsf):
        return
    y, x = record.shift
    places = {part.id: part for part in psf.inputs}
    for row, corrections in zip(inputs.ccds, inputs.ccd_ap_corr_maps, strict=False):
        part = places.get(int(row["id"]))
        if part is None or corrections is None:
            continue
        transform = part.transform.shifted_by(y=y, x=x)
        for name, field in corrections.items():
            if isinstance(field, ChebyshevField):
                yield name, (CoaddFieldInput(field, transform, record.weight, part.polygon),)

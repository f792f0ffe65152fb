# SPDX-License-Identifier: BSD-3-Clause
"""PSF and other parts of an exposure in HDUs of our own: numbers and JSON, no code, no pickle.

HDU PSF: one row of arrays, the cards PSFKIND (model) and PSFNUMS (its numbers, JSON). A model that
is made of others (PSFKIND = 'tree') has one row each, the first of which is the model itself:
KIND, NUMBERS (JSON), ARRAYS (JSON: shapes by name), VALUES (of the arrays, one after the other),
CHILDREN (rows that it is made of, counted from 0).
HDU PARTS: rows of a name and a JSON text, for what has no table of its own.
HDUs VISITS and CCDS: what a coadd was made of; valid polygons as JSON.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from deepcoadd.errors import DeepcoaddError, FileFormatError, OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._opened import Opened
from deepcoadd.io._tables import read_table
from deepcoadd.photocalib import ChebyshevField, PhotoCalib
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CCD_COLUMNS, VISIT_COLUMNS, CoaddInputs, record_table
from deepcoadd.psf import CoaddField, PsfParts, parts_of, psf_from_parts

__all__ = ["part_hdus", "read_parts", "table_hdu"]

_log = logging.getLogger(__name__)


def part_hdus(info: ExposureInfo) -> list[fits.BinTableHDU]:
    """HDUs of the PSF and of the other parts, as far as they can be written."""
    hdus = []
    psf = _psf_parts(info)
    if psf is not None:
        hdus.append(_tree_hdu(psf) if psf.children else _psf_hdu(psf))
    elif info.psf is not None:
        _log.warning("the PSF (%s) cannot be written and is left out", type(info.psf).__name__)
    parts = _json_parts(info)
    if parts:
        names = list(parts)
        table = Table({"name": names, "json": [json.dumps(parts[name]) for name in names]})
        hdus.append(table_hdu(table, "PARTS"))
    return hdus + _inputs_hdus(info.inputs)


def table_hdu(table: Table, name: str) -> fits.BinTableHDU:
    """Extension HDU of a table; letters that FITS does not know are written as escapes."""
    plain = table.copy(copy_data=False)
    for column in table.itercols():
        if column.dtype.kind == "U":
            plain[column.name] = np.char.encode(column.data, "ascii", "backslashreplace")
    return _named(fits.table_to_hdu(plain), name)


def _inputs_hdus(inputs: Any) -> list[fits.BinTableHDU]:
    """Tables of visits and detectors, without the numbers of objects that stay behind."""
    if not isinstance(inputs, CoaddInputs):
        return []
    visits = inputs.visits[[name for name in inputs.visits.colnames if name in VISIT_COLUMNS]]
    ccds = inputs.ccds[[name for name in inputs.ccds.colnames if name in CCD_COLUMNS]]
    if any(inputs.ccd_polygons):
        rings = [None if ring is None else ring.vertices for ring in inputs.ccd_polygons]
        ccds["polygon"] = [json.dumps(ring) for ring in rings]
    return [table_hdu(visits, "VISITS"), table_hdu(ccds, "CCDS")]


def _named(hdu: fits.BinTableHDU, name: str) -> fits.BinTableHDU:
    hdu.name = name
    return hdu


def _psf_hdu(parts: PsfParts) -> fits.BinTableHDU:
    columns = []
    for name, array in parts.arrays.items():
        shape = array.shape
        dims = f"({','.join(str(side) for side in reversed(shape))})"
        columns.append(
            fits.Column(name=name, format=f"{array.size}D", dim=dims, array=array[np.newaxis])
        )
    hdu = _named(fits.BinTableHDU.from_columns(columns, nrows=1), "PSF")
    hdu.header["PSFKIND"] = (parts.kind, "model")
    hdu.header["PSFNUMS"] = json.dumps(dict(parts.numbers))
    return hdu


def _psf_parts(info: ExposureInfo) -> PsfParts | None:
    """Parts of the PSF; None for one that cannot be written."""
    try:
        return None if info.psf is None else parts_of(info.psf)
    except OptionError as error:
        _log.warning("the PSF: %s", error)
        return None


def _tree_hdu(root: PsfParts) -> fits.BinTableHDU:
    """HDU of a PSF that is made of others."""
    rows, places = [root], {}
    for parts in rows:  # grows while it is walked
        places[id(parts)] = range(len(rows), len(rows) + len(parts.children))
        rows += parts.children
    shapes = [{name: array.shape for name, array in parts.arrays.items()} for parts in rows]
    values = [
        np.concatenate([np.zeros(0), *(array.ravel() for array in parts.arrays.values())])
        for parts in rows
    ]
    width = max(len(parts.kind) for parts in rows)
    kinds = np.array([parts.kind for parts in rows])
    columns = [
        fits.Column(name="KIND", format=f"{width}A", array=kinds),
        _lists("NUMBERS", "QB()", [_json_bytes(dict(parts.numbers)) for parts in rows]),
        _lists("ARRAYS", "QB()", [_json_bytes(shape) for shape in shapes]),
        _lists("VALUES", "QD()", values),
        _lists("CHILDREN", "QJ()", [np.array(places[id(p)], np.int32) for p in rows]),
    ]
    hdu = _named(fits.BinTableHDU.from_columns(columns), "PSF")
    hdu.header["PSFKIND"] = ("tree", "model made of others, one row each")
    return hdu


def _json_bytes(tree: Any) -> Any:
    return np.frombuffer(json.dumps(tree).encode("ascii"), np.uint8)


def _lists(name: str, form: str, arrays: list[Any]) -> fits.Column:
    """Column of arrays of different lengths."""
    column = np.empty(len(arrays), object)
    column[:] = arrays
    return fits.Column(name=name, format=form, array=column)


def _json_parts(info: ExposureInfo) -> dict[str, Any]:
    """Parts that go into the HDU PARTS."""
    out: dict[str, Any] = {}
    if isinstance(info.valid_polygon, Polygon):
        out["VALID_POLYGON"] = info.valid_polygon.vertices
    calib = info.photo_calib
    if calib is not None and calib.field is not None:
        field = _field_json(calib.field)
        out["PHOTO_CALIB"] = {"mean": calib.mean, "error": calib.error, "field": field}
    if isinstance(info.ap_corr_map, Mapping):
        fields = {
            name: _field_json(field)
            for name, field in info.ap_corr_map.items()
            if isinstance(field, ChebyshevField)
        }
        if fields:
            out["AP_CORR_MAP"] = fields
        means = {
            name: field.numbers()
            for name, field in info.ap_corr_map.items()
            if isinstance(field, CoaddField)
        }
        if means:
            out["COADD_AP_CORR"] = means
    return out


def _field_json(field: ChebyshevField) -> dict[str, Any]:
    box = field.box
    return {
        "box": [box.y.start, box.y.stop, box.x.start, box.x.stop],
        "coefficients": field.coefficients,
    }


def _field(tree: Mapping[str, Any]) -> ChebyshevField:
    y0, y1, x0, x1 = tree["box"]
    box = Box.from_shape((y1 - y0, x1 - x0), start=(y0, x0))
    return ChebyshevField(box, tuple(tuple(map(float, row)) for row in tree["coefficients"]))


def read_parts(opened: Opened) -> dict[str, Any]:
    """Fields of `ExposureInfo` that the HDUs PSF, PARTS and INPUTS hold.

    A part that is damaged is left out with a warning (a PSF becomes a placeholder).
    """
    tables = {hdu.name: hdu for hdu in opened.hdus if hdu.is_table}
    fields: dict[str, Any] = {}
    if "PSF" in tables:
        fields["psf"] = _read_psf(opened, tables["PSF"])
    try:
        if "PARTS" in tables:
            fields |= _read_json(_rows(opened, tables["PARTS"]))
        warps = Table(rows=_rows(opened, tables["INPUTS"])) if "INPUTS" in tables else None
        if "VISITS" in tables and "CCDS" in tables:
            visits, ccds = (_rows(opened, tables[name]) for name in ("VISITS", "CCDS"))
            fields["inputs"] = _read_inputs(visits, ccds, warps)
        elif warps is not None:
            fields["inputs"] = warps
    except (DeepcoaddError, KeyError, TypeError, ValueError) as error:
        _log.warning("%s: parts of the exposure are left out: %s", opened.path, error)
    return fields


def _read_inputs(
    visits: list[dict[str, Any]], ccds: list[dict[str, Any]], warps: Table | None
) -> CoaddInputs:
    rings = [json.loads(row.pop("polygon", "null")) for row in ccds]
    polygons = tuple(
        None if ring is None else Polygon(tuple((y, x) for y, x in ring)) for ring in rings
    )
    tables = record_table(VISIT_COLUMNS, visits), record_table(CCD_COLUMNS, ccds)
    return CoaddInputs(*tables, polygons, warps=warps)


def _rows(opened: Opened, hdu: Hdu) -> list[dict[str, Any]]:
    with opened.pool.use(opened.path) as file:
        table = read_table(file, hdu)
    return [table.row(i) for i in range(len(table))]


def _read_psf(opened: Opened, hdu: Hdu) -> Any:
    """PSF of its HDU; a placeholder when it is damaged."""
    kind = str(hdu.get("PSFKIND", ""))
    try:
        if kind == "tree":
            return psf_from_parts(_tree(_rows(opened, hdu), 0), str(opened.path))
        numbers = json.loads(str(hdu.get("PSFNUMS", "{}")))
        row = _rows(opened, hdu)[0] if hdu.get("TFIELDS") else {}
        arrays = {name: _shaped(hdu, name, values) for name, values in row.items()}
    except (DeepcoaddError, TypeError, ValueError, LookupError, RecursionError) as error:
        _log.warning("%s: the PSF cannot be read: %s", opened.path, error)
        return psf_from_parts(PsfParts(f"damaged {kind}", {}, {}), str(opened.path))
    return psf_from_parts(PsfParts(kind, numbers, arrays), str(opened.path))


def _tree(rows: list[dict[str, Any]], number: int) -> PsfParts:
    """Parts of one row and of those that it is made of, which stand after it."""
    row = rows[number]
    arrays, done = {}, 0
    for name, shape in json.loads(row["ARRAYS"]).items():
        size = math.prod(shape)
        arrays[name] = np.reshape(row["VALUES"][done : done + size], shape)
        done += size
    children = [int(child) for child in row["CHILDREN"]]
    if any(child <= number for child in children):
        raise FileFormatError(f"row {number} of the PSF is made of rows {children}")
    made_of = tuple(_tree(rows, child) for child in children)
    return PsfParts(row["KIND"], json.loads(row["NUMBERS"]), arrays, made_of)


def _shaped(hdu: Hdu, name: str, values: Any) -> Any:
    """Array of a column in the shape of its TDIM card."""
    array = np.atleast_1d(np.asarray(values, np.float64))
    for i in range(1, int(hdu.get("TFIELDS", 0)) + 1):
        if hdu.get(f"TTYPE{i}") == name:
            sides = [int(side) for side in str(hdu.get(f"TDIM{i}", "")).strip("() ").split(",")]
            return array.reshape(sides[::-1])
    return array


def _read_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    trees = {row["name"]: json.loads(row["json"]) for row in rows}
    fields: dict[str, Any] = {}
    if "VALID_POLYGON" in trees:
        fields["valid_polygon"] = Polygon(tuple((y, x) for y, x in trees["VALID_POLYGON"]))
    if "PHOTO_CALIB" in trees:
        calib = trees["PHOTO_CALIB"]
        fields["photo_calib"] = PhotoCalib(calib["mean"], calib["error"], _field(calib["field"]))
    if "AP_CORR_MAP" in trees:
        fields["ap_corr_map"] = {n: _field(tree) for n, tree in trees["AP_CORR_MAP"].items()}
    if "COADD_AP_CORR" in trees:
        means = {n: CoaddField.from_numbers(tree) for n, tree in trees["COADD_AP_CORR"].items()}
        fields["ap_corr_map"] = {**fields.get("ap_corr_map", {}), **means}
    return fields

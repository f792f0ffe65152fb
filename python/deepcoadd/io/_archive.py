# SPDX-License-Identifier: BSD-3-Clause
"""The archive of an afw file: objects in binary tables, addressed by number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import astropy.units as u
import numpy as np
from astropy.coordinates import EarthLocation
from astropy.table import Table as AstropyTable
from astropy.time import Time

from deepcoadd.errors import FileFormatError, NoDataError
from deepcoadd.exposure import FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.io._hdus import Hdu
from deepcoadd.io._pool import FilePool
from deepcoadd.io._tables import Table, read_table
from deepcoadd.photocalib import ChebyshevField, PhotoCalib
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CoaddInputs
from deepcoadd.visitinfo import VisitInfo, Weather

__all__ = ["Archive", "MissingPart", "box_of"]

_INDEX_COLUMNS = {"id", "cat_archive", "cat_persistable", "row0", "nrows", "name"}
_ROTATION_TYPES = ("UNKNOWN", "SKY", "HORIZON", "MOUNT")


@dataclass(frozen=True)
class MissingPart:
    """Stands for a part of a file that is not read here; any use of it raises NoDataError.

    Parameters
    ----------
    name : str
        What it is ("DETECTOR").
    class_name : str
        Class in the file.
    reason : str
        Why it is not read.
    """

    name: str
    class_name: str
    reason: str = "this class is not decoded"

    def __getattr__(self, name: str) -> NoReturn:
        # Dunder look-ups (copy, pickle, numpy) are questions, not uses.
        if name.startswith("__"):
            raise AttributeError(name)
        raise NoDataError(f"{self.name} is a {self.class_name}: {self.reason}")


class Archive:
    """Objects of a file by number.

    Parameters
    ----------
    path : Path
        File.
    hdus : sequence of Hdu
        Its HDUs.
    index : int
        Position of the index HDU, from 0.
    pool : FilePool
        Open files.

    Raises
    ------
    FileFormatError
        There is no index there.
    """

    def __init__(self, path: Path, hdus: Sequence[Hdu], index: int, pool: FilePool) -> None:
        self.path = path
        self._hdus = hdus
        self._first = index
        self._pool = pool
        self._tables: dict[int, Table] = {}
        if not 0 < index < len(hdus) or not hdus[index].is_table:
            raise FileFormatError(f"{path}: AR_HDU = {index + 1}, but no archive index is there")
        table = self._table(0)
        if not set(table.names) >= _INDEX_COLUMNS:
            raise FileFormatError(f"{path}: the archive index has columns {table.names}")
        self._entries: dict[int, list[dict[str, Any]]] = {}
        for i in range(len(table)):
            entry = table.row(i)
            self._entries.setdefault(entry["id"], []).append(entry)
        for entries in self._entries.values():
            entries.sort(key=lambda entry: entry["cat_persistable"])

    def class_of(self, number: int) -> str:
        """Class of an object."""
        return str(self._entry(number)[0]["name"]).strip()

    def rows(self, number: int, catalogue: int = 0) -> list[dict[str, Any]]:
        """Rows of one catalogue of an object."""
        entries = self._entry(number)
        if catalogue >= len(entries):
            raise FileFormatError(f"{self.path}: object {number} has no catalogue {catalogue}")
        entry = entries[catalogue]
        first, n = entry["row0"], entry["nrows"]
        if n == 0 or entry["cat_archive"] < 0:
            return []
        table = self._table(entry["cat_archive"])
        if first < 0 or first + n > len(table):
            raise FileFormatError(
                f"{self.path}: object {number} has rows {first}..{first + n - 1} of {len(table)}"
            )
        return [table.row(i) for i in range(first, first + n)]

    def row(self, number: int) -> dict[str, Any]:
        """The one row of an object."""
        rows = self.rows(number)
        if len(rows) != 1:
            raise FileFormatError(f"{self.path}: object {number} has {len(rows)} rows, expected 1")
        return rows[0]

    def _entry(self, number: int) -> list[dict[str, Any]]:
        if number not in self._entries:
            raise FileFormatError(f"{self.path}: the archive has no object {number}")
        return self._entries[number]

    def _table(self, catalogue: int) -> Table:
        """Table of the archive; 0 is the index."""
        if catalogue not in self._tables:
            position = self._first + catalogue
            if position >= len(self._hdus):
                raise FileFormatError(f"{self.path}: the archive has no table {catalogue}")
            with self._pool.use(self.path) as file:
                self._tables[catalogue] = read_table(file, self._hdus[position])
        return self._tables[catalogue]

    def filter_label(self, number: int) -> FilterLabel | None:
        """Filter; None when neither name exists."""
        row = self.row(number)
        band = row["band"] if row["band_exists"] else ""
        physical = row["physical"] if row["physical_exists"] else ""
        return FilterLabel(band, physical) if band or physical else None

    def photo_calib(self, number: int) -> PhotoCalib:
        """Photometric calibration.

        Raises
        ------
        FileFormatError
            It is of version 0 (in maggies), or its field is of another class than Chebyshev.
        """
        row = self.row(number)
        if row.get("version", 0) != 1:
            raise FileFormatError(f"PhotoCalib of version {row.get('version', 0)}; 1 is read")
        mean, error = row["calibrationMean"], row["calibrationErr"]
        field = None if row["isConstant"] else self.field(row["field"])
        return PhotoCalib(mean, error, field)

    def field(self, number: int) -> ChebyshevField:
        """Chebyshev polynomial over a box."""
        if self.class_of(number) != "ChebyshevBoundedField":
            raise FileFormatError(f"a field of class {self.class_of(number)} is not decoded")
        row = self.row(number)
        table = np.atleast_1d(row["coefficients"]).reshape(-1, row["order_x"] + 1)
        return ChebyshevField(box_of(row), tuple(tuple(map(float, line)) for line in table))

    def polygon(self, number: int) -> Polygon:
        """Polygon."""
        rows = self.rows(number)
        return Polygon(tuple((row["vertices_y"], row["vertices_x"]) for row in rows))

    def ap_corr_map(self, number: int) -> dict[str, ChebyshevField | MissingPart]:
        """Aperture corrections by name."""
        out: dict[str, ChebyshevField | MissingPart] = {}
        for row in self.rows(number):
            kind = self.class_of(row["field"])
            known = kind == "ChebyshevBoundedField"
            out[row["name"]] = self.field(row["field"]) if known else MissingPart(row["name"], kind)
        return out

    def coadd_inputs(self, number: int) -> CoaddInputs:
        """Inputs of a coadd."""
        visits, ccds = self.rows(number), self.rows(number, 1)
        polygons = tuple(
            self.polygon(row["validPolygon"]) if row.get("validPolygon") else None for row in ccds
        )
        corrections = tuple(
            self.ap_corr_map(row["apCorrMap"]) if row.get("apCorrMap") else None for row in ccds
        )
        return CoaddInputs(
            AstropyTable(rows=visits), AstropyTable(rows=ccds), polygons, corrections
        )

    def summary_stats(self, number: int) -> dict[str, Any]:
        """Summary statistics of an exposure: the ``name: value`` lines of its text."""
        return parse_summary(bytes(self.row(number)["bytes"]).decode("utf-8", "replace"))

    def visit_info(self, number: int) -> VisitInfo:
        """Facts of a visit; angles are radians in tables."""
        return _visit_info(self.row(number))


def box_of(row: Mapping[str, Any]) -> Box:
    """Box of a row with its inclusive corners."""
    return Box.from_corners(
        x0=row["bbox_min_x"], y0=row["bbox_min_y"], x1=row["bbox_max_x"], y1=row["bbox_max_y"]
    )


def parse_summary(text: str) -> dict[str, Any]:
    """Values of YAML text with one ``name: number`` a line, and lists of numbers under a name."""
    out: dict[str, Any] = {}
    current = ""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "-")):
            current = name.strip()
            out[current] = _scalar(value.strip()) if value.strip() else []
        elif line.strip().startswith("- ") and isinstance(out.get(current), list):
            out[current].append(_scalar(line.strip()[2:]))
    return out


def _scalar(text: str) -> Any:
    """Number or text of a YAML value."""
    special = {".nan": math.nan, ".inf": math.inf, "-.inf": -math.inf, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


_NUMBERS = {
    "exposuretime": "exposure_time",
    "darktime": "dark_time",
    "ut1": "ut1_mjd",
    "boresightairmass": "airmass",
    "focusz": "focus_z",
}
_ANGLES = {
    "era": "era",
    "boresightradec_ra": "boresight_ra",
    "boresightradec_dec": "boresight_dec",
    "boresightazalt_az": "boresight_az",
    "boresightazalt_alt": "boresight_alt",
    "boresightrotangle": "rotation_angle",
}
_TEXTS = {
    "instrumentlabel": "instrument",
    "observationType": "observation_type",
    "scienceProgram": "science_program",
    "observationReason": "observation_reason",
    "object": "target",
}


def _visit_info(row: Mapping[str, Any]) -> VisitInfo:
    """Facts of a table row of any version; what a version lacks is unknown."""
    parts: dict[str, Any] = {name: row.get(key, math.nan) for key, name in _NUMBERS.items()}
    for key, name in _ANGLES.items():
        parts[name] = (row.get(key, math.nan) * u.rad).to(u.deg)
    parts |= {name: str(row.get(key, "")) for key, name in _TEXTS.items()}
    rotation, tai = row.get("rottype", 0), row.get("tai", 0)
    return VisitInfo(
        id=row.get("idnum", 0),
        # The smallest integer stands for an unknown time.
        date=Time(tai // 10**9, tai % 10**9 * 1e-9, format="unix_tai") if tai > -(2**62) else None,
        rotation_type=_ROTATION_TYPES[rotation] if 0 <= rotation <= 3 else "UNKNOWN",
        observatory=_observatory(row),
        weather=Weather(
            row.get("airtemperature", math.nan) * u.deg_C,
            row.get("airpressure", math.nan) * u.Pa,
            row.get("humidity", math.nan),
        ),
        has_simulated_content=bool(row.get("hasSimulatedContent", False)),
        **parts,
    )


def _observatory(row: Mapping[str, Any]) -> EarthLocation | None:
    longitude, latitude = row.get("longitude", math.nan), row.get("latitude", math.nan)
    if not (math.isfinite(longitude) and abs(latitude) <= math.pi / 2):
        return None
    height = row.get("elevation", math.nan)
    return EarthLocation.from_geodetic(
        longitude * u.rad, latitude * u.rad, (height if math.isfinite(height) else 0.0) * u.m
    )

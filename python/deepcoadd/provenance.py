# SPDX-License-Identifier: BSD-3-Clause
"""What a coadd was made of: visits, and detectors of visits, with their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from deepcoadd.polygon import Polygon

__all__ = ["CCD_COLUMNS", "NO_PSF_CARD", "VISIT_COLUMNS", "CoaddInputs", "record_table"]

NO_PSF_CARD = "NOPSF"
"""Card of a coadd that says why it has no PSF."""

_BOX_COLUMNS = {f"bbox_{name}": np.int32 for name in ("min_x", "min_y", "max_x", "max_y")}
VISIT_COLUMNS: Mapping[str, Any] = {
    "id": np.int64,
    **_BOX_COLUMNS,
    "goodpix": np.int32,
    "weight": np.float64,
    "filter": str,
}
CCD_COLUMNS: Mapping[str, Any] = {
    "id": np.int64,
    **_BOX_COLUMNS,
    "ccd": np.int32,
    "visit": np.int64,
    "goodpix": np.int32,
    "weight": np.float64,
    "filter": str,
}


@dataclass(frozen=True, eq=False)
class CoaddInputs:
    """Inputs of a coadd, or of a warp, as the Rubin pipelines record them.

    Parameters
    ----------
    visits, ccds : Table
        One row an input: id, bbox_min_x ... bbox_max_y (inclusive), weight, goodpix, filter, and
        for detectors ccd and visit. From a Rubin archive also wcs, psf, photoCalib, ...: numbers of
        objects of the archive; 0 means none.
    ccd_polygons : tuple of (Polygon or None)
        Where each detector is valid, in its own pixels.
    ccd_ap_corr_maps : tuple of (mapping or None)
        Aperture corrections of each detector by name; empty when they were not kept.
    warps : Table, optional
        Account of the warps (`deepcoadd.coadd.inputs_table`).
    """

    visits: Table
    ccds: Table
    ccd_polygons: tuple[Polygon | None, ...] = ()
    ccd_ap_corr_maps: tuple[Mapping[str, Any] | None, ...] = ()
    warps: Table | None = None

    def __repr__(self) -> str:
        return f"CoaddInputs({len(self.visits)} visits, {len(self.ccds)} detectors)"


def record_table(columns: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Table of rows that may have more columns than are kept, or lack some.

    Parameters
    ----------
    columns : mapping of str to dtype
        `VISIT_COLUMNS` or `CCD_COLUMNS`.
    rows : iterable of mapping
        Missing numbers are -1, missing texts empty.

    Returns
    -------
    Table
        Sorted by id; rows of one id keep their order.
    """
    ordered = sorted(rows, key=lambda row: int(row["id"]))
    return Table(
        {
            name: np.array([row.get(name, "" if kind is str else -1) for row in ordered], kind)
            for name, kind in columns.items()
        }
    )

# SPDX-License-Identifier: BSD-3-Clause
"""Quick-look pictures and the report of a coadd; needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

try:
    import matplotlib as _matplotlib
except ImportError as error:
    raise ImportError('pictures need matplotlib: pip install "deepcoadd[plot]"') from error

from deepcoadd.plot._figures import (
    show_cells,
    show_difference,
    show_image,
    show_mask,
    show_noise,
    show_scale,
)
from deepcoadd.plot._match_report import write_match_report
from deepcoadd.plot._reduce import Preview, thumbnail
from deepcoadd.plot._report import Report, ReportInput, ReportTable, write_report
from deepcoadd.plot._sky_report import SkyPoint, SkyReport, write_sky_report

__all__ = [
    "Preview",
    "Report",
    "ReportInput",
    "ReportTable",
    "SkyPoint",
    "SkyReport",
    "show_cells",
    "show_difference",
    "show_image",
    "show_mask",
    "show_noise",
    "show_scale",
    "thumbnail",
    "write_match_report",
    "write_report",
    "write_sky_report",
]

del _matplotlib

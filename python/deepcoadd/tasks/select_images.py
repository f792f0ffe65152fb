# SPDX-License-Identifier: BSD-3-Clause
"""Choice of detectors for a patch, as tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from lsst.pex.config import Config, DictField, Field, ListField
from lsst.pipe.base import Task

from deepcoadd.coadd import PsfLimits, SelectOptions, select
from deepcoadd.interop.afw import as_box, as_wcs
from deepcoadd.wcs import corners, pixel_scale

__all__ = [
    "PsfWcsSelectImagesConfig",
    "PsfWcsSelectImagesTask",
    "WcsSelectImagesConfig",
    "WcsSelectImagesTask",
]

_LIMITS = PsfLimits()


class WcsSelectImagesConfig(Config):  # type: ignore[misc]
    """Configuration of `WcsSelectImagesTask`."""

    excludeDetectors = ListField(dtype=int, default=[], doc="Detectors never to use.")

    def to_options(self) -> SelectOptions:
        """Options of the subject package."""
        return SelectOptions("wcs", tuple(self.excludeDetectors))


class WcsSelectImagesTask(Task):  # type: ignore[misc]
    """Choose the detectors that overlap a region of the sky."""

    ConfigClass = WcsSelectImagesConfig
    _DefaultName = "selectImages"

    def run(
        self,
        wcsList: Sequence[Any],
        bboxList: Sequence[Any],
        coordList: Sequence[SkyCoord] | SkyCoord,
        dataIds: Sequence[Mapping[str, Any]] | None = None,
        visitSummary: Any = None,
    ) -> list[int]:
        """Return the indices of the detectors that are kept, in order.

        Parameters
        ----------
        wcsList, bboxList : sequence
            WCS (None where there is none) and box of each detector.
        coordList : SkyCoord or sequence of them
            Positions whose hull is to be overlapped.
        dataIds : sequence of mapping, optional
            Identification of each, with ``visit``, ``detector`` and ``band`` as far as known.
        visitSummary : Table, optional
            Statistics of the detectors, in the same order; ignored when only overlap counts.
        """
        region = coordList if isinstance(coordList, SkyCoord) else SkyCoord(list(coordList))
        summary = _summary(wcsList, bboxList, dataIds, visitSummary)
        return list(select(summary, region, self.config.to_options()).kept)


class PsfWcsSelectImagesConfig(WcsSelectImagesConfig):
    """Configuration of `PsfWcsSelectImagesTask`."""

    maxPsfFwhm = Field(
        dtype=float, default=_LIMITS.max_psf_fwhm, optional=True, doc="FWHM, arcsec."
    )
    maxEllipResidual = Field(
        dtype=float,
        default=_LIMITS.max_ellip_residual,
        optional=True,
        doc="Median residual of the ellipticity of stars.",
    )
    maxSizeScatter = Field(
        dtype=float,
        default=_LIMITS.max_size_scatter,
        optional=True,
        doc="Scatter of the residuals of sizes, pixels.",
    )
    maxScaledSizeScatter = Field(
        dtype=float,
        default=_LIMITS.max_scaled_size_scatter,
        optional=True,
        doc="Scatter of the residuals of sizes, in units of the size.",
    )
    maxPsfTraceRadiusDelta = Field(
        dtype=float,
        default=_LIMITS.max_psf_trace_radius_delta,
        optional=True,
        doc="Range of the size of the model over the detector, pixels.",
    )
    maxPsfApFluxDelta = Field(
        dtype=float,
        default=_LIMITS.max_psf_ap_flux_delta,
        optional=True,
        doc="Range of the aperture flux of the model over the detector.",
    )
    maxPsfApCorrSigmaScaledDelta = Field(
        dtype=float,
        default=_LIMITS.max_psf_ap_corr_sigma_scaled_delta,
        optional=True,
        doc="Range of the aperture correction over the detector, scaled.",
    )
    minNPsfStarPerBand = DictField(
        keytype=str,
        itemtype=int,
        default={band: int(n) for band, n in _LIMITS.min_n_psf_star.items()},
        doc='Smallest number of stars in the model by band; "fallback" is for the others.',
    )
    maxStarEPerBand = DictField(
        keytype=str,
        itemtype=float,
        default=dict(_LIMITS.max_star_e),
        doc="Median ellipticity of stars by band.",
    )
    maxStarUnNormalizedEPerBand = DictField(
        keytype=str,
        itemtype=float,
        default=dict(_LIMITS.max_star_unnormalized_e),
        doc="Median ellipticity of stars, not normalised, by band.",
    )

    def to_options(self) -> SelectOptions:
        """Options of the subject package."""
        limits = PsfLimits(
            max_psf_fwhm=self.maxPsfFwhm,
            max_ellip_residual=self.maxEllipResidual,
            max_size_scatter=self.maxSizeScatter,
            max_scaled_size_scatter=self.maxScaledSizeScatter,
            max_psf_trace_radius_delta=self.maxPsfTraceRadiusDelta,
            max_psf_ap_flux_delta=self.maxPsfApFluxDelta,
            max_psf_ap_corr_sigma_scaled_delta=self.maxPsfApCorrSigmaScaledDelta,
            min_n_psf_star=dict(self.minNPsfStarPerBand),
            max_star_e=dict(self.maxStarEPerBand),
            max_star_unnormalized_e=dict(self.maxStarUnNormalizedEPerBand),
        )
        return SelectOptions("psf", tuple(self.excludeDetectors), limits)


class PsfWcsSelectImagesTask(WcsSelectImagesTask):
    """Choose the detectors that overlap a region of the sky and have a good PSF."""

    ConfigClass = PsfWcsSelectImagesConfig


def _summary(
    wcsList: Sequence[Any],
    bboxList: Sequence[Any],
    dataIds: Sequence[Mapping[str, Any]] | None,
    visitSummary: Any,
) -> Table:
    """Summary as the subject package takes it."""
    ids = [{}] * len(wcsList) if dataIds is None else list(dataIds)
    rows = []
    for wcs, bbox, names in zip(wcsList, bboxList, ids, strict=True):
        row = {
            "visit": names.get("visit", -1),
            "detector": names.get("detector", -1),
            "band": str(names.get("band", "")),
            "raCorners": np.full(4, math.nan),
            "decCorners": np.full(4, math.nan),
            "pixelScale": math.nan,
        }
        if wcs is not None:
            sky = corners(as_wcs(wcs), as_box(bbox))
            row |= {"raCorners": sky.ra.deg, "decCorners": sky.dec.deg}
            row["pixelScale"] = pixel_scale(as_wcs(wcs))
        rows.append(row)
    table = Table(rows=rows)
    if visitSummary is not None:
        for name in Table(visitSummary).colnames:
            if name not in table.colnames:
                table[name] = Table(visitSummary)[name]
    return table

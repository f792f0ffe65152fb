# SPDX-License-Identifier: BSD-3-Clause
"""What an assembly returns: the coadd, its maps, and an account of every input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import Table

from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.errors import NoDataError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.mask import Mask

__all__ = ["CoaddResult", "InputRecord", "SkippedInput", "inputs_table"]


@dataclass(frozen=True)
class InputRecord:
    """One input that is part of a coadd.

    Parameters
    ----------
    data_id : mapping
        What identifies it.
    name : str
        Short name.
    index : int
        Its place in the list of inputs, from 0.
    weight : float
        Weight in the coadd, relative; 1 / `mean_variance` unless given by the caller.
    mean_variance : float
        Clipped mean of its variance in the unit of the coadd squared; NaN when not measured
        because the weight was given.
    n_good : int
        Finite pixels without a bad plane within the coadd; -1 when not counted.
    box : Box
        Its pixels in the frame of the coadd.
    shift : (int, int)
        Whole pixels (y, x) by which it was moved onto the grid of the coadd.
    factor : float
        What multiplied its pixels (the mean, where a calibration varies); 1 when nothing did.
    variance_estimated : bool
        Whether it came without variance, so that the scatter of its pixels took the place.
    filter : str
        Physical filter or band; may be empty.
    exposure_time, mjd : float
        Seconds, and middle of the exposure (MJD, TAI); NaN when unknown.
    """

    data_id: Mapping[str, Any]
    name: str
    index: int
    weight: float
    mean_variance: float = math.nan
    n_good: int = -1
    box: Box = field(default_factory=Box.empty)
    shift: tuple[int, int] = (0, 0)
    factor: float = 1.0
    variance_estimated: bool = False
    filter: str = ""
    exposure_time: float = math.nan
    mjd: float = math.nan


@dataclass(frozen=True)
class SkippedInput:
    """One input that could not be used.

    Parameters
    ----------
    data_id : mapping
        What identifies it.
    name : str
        Short name.
    reason : str
        Why.
    index : int
        Its place in the list of inputs, from 0.
    """

    data_id: Mapping[str, Any]
    name: str
    reason: str
    index: int = -1


def inputs_table(records: Sequence[InputRecord]) -> Table:
    """Table with one row for each input, in their order; boxes are inclusive.

    Columns: visit (-1 when there is none), name, weight, mean_variance, n_good, x0, y0, x1, y1,
    factor, variance_estimated, filter, exposure_time [s], mjd [d].
    """
    boxes = [record.box for record in records]
    columns: dict[str, Any] = {
        "visit": np.array([_visit(record) for record in records], np.int64),
        "name": np.array([record.name for record in records], str),
        "weight": np.array([record.weight for record in records], np.float64),
        "mean_variance": np.array([record.mean_variance for record in records], np.float64),
        "n_good": np.array([record.n_good for record in records], np.int64),
        "x0": np.array([box.x.min for box in boxes], np.int32),
        "y0": np.array([box.y.min for box in boxes], np.int32),
        "x1": np.array([box.x.max for box in boxes], np.int32),
        "y1": np.array([box.y.max for box in boxes], np.int32),
        "factor": np.array([record.factor for record in records], np.float64),
        "variance_estimated": np.array([r.variance_estimated for r in records], bool),
        "filter": np.array([record.filter for record in records], str),
        "exposure_time": np.array([record.exposure_time for record in records], np.float64),
        "mjd": np.array([record.mjd for record in records], np.float64),
    }
    return Table(columns, units={"exposure_time": "s", "mjd": "d"})


def _visit(record: InputRecord) -> int:
    """Visit number of an input, -1 where the identification holds no integer."""
    visit = record.data_id.get("visit", -1)
    return int(visit) if isinstance(visit, (int, np.integer)) else -1


@dataclass
class CoaddResult:
    """A coadd and how it came about.

    Parameters
    ----------
    planes : Exposure, optional
        The coadd; None when its tiles went to a callback (then `exposure` raises).
    n_image : Image, optional
        uint32: finite inputs without a bad plane, before clipping.
    n_clipped_image : Image, optional
        uint32: inputs that sigma clipping left out.
    maps : dict of str to Image
        Those of `AssembleOptions.maps`. Over the inputs counted in `n_image` (clipping apart):
        ``exposure_time`` float32, sum [s]; ``date`` float64, weighted mean [MJD, TAI]. From the
        coadd: ``weight`` float32, sum of the weights that the pixel is made of (after clipping);
        ``depth`` float32, AB magnitude of a point source of 5 sigma by the variance plane and the
        effective area of the PSF (the weighted mean over inputs; 1 pixel where none has one). NaN
        where there is no input (weight and exposure time: 0).
    box : Box
        Pixels of the coadd.
    options : AssembleOptions
        Options used.
    inputs : list of InputRecord
        Inputs used.
    skipped : list of SkippedInput
        Inputs left out, with reasons.
    clipped_fraction : float
        Samples that sigma clipping left out, of all good samples; NaN without good samples.
    noise : float
        Median sigma of the pixels with data, by the variance plane, in the unit of the coadd; of
        coadds of more than 262144 pixels only every n-th pixel both ways is looked at.
    n_fallback : int
        Pixels whose clipping would have left fewer than two samples, and stopped before.
    seconds : float
        Wall time.
    """

    planes: Exposure | None
    n_image: Image | None
    n_clipped_image: Image | None
    maps: dict[str, Image]
    box: Box
    options: AssembleOptions
    inputs: list[InputRecord]
    skipped: list[SkippedInput]
    clipped_fraction: float = math.nan
    noise: float = math.nan
    n_fallback: int = 0
    seconds: float = math.nan

    @property
    def exposure(self) -> Exposure:
        """The coadd.

        Raises
        ------
        NoDataError
            Its tiles were handed to a callback and not kept.
        """
        if self.planes is None:
            raise NoDataError("the coadd was handed out tile by tile and is not kept in memory")
        return self.planes

    @property
    def image(self) -> Image:
        """Image plane of the coadd, float32."""
        return self.exposure.image

    @property
    def mask(self) -> Mask:
        """Mask of the coadd, int32."""
        return self.exposure.mask

    @property
    def variance(self) -> Image:
        """Variance plane of the coadd, float32."""
        return self.exposure.variance

    def table(self) -> Table:
        """Table with one row for each input used; see `inputs_table`."""
        return inputs_table(self.inputs)

    def summary(self) -> dict[str, Any]:
        """Plain values for a report, a log or the metadata of a file."""
        return {
            "statistic": self.options.statistic,
            "unit": self.options.unit or "",
            "x0": self.box.x.start,
            "y0": self.box.y.start,
            "width": self.box.x.size,
            "height": self.box.y.size,
            "n_inputs": len(self.inputs),
            "n_skipped": len(self.skipped),
            "skipped": {item.name: item.reason for item in self.skipped},
            "n_variance_estimated": sum(item.variance_estimated for item in self.inputs),
            "clipped_fraction": self.clipped_fraction,
            "n_fallback": self.n_fallback,
            "noise": self.noise,
            "seconds": self.seconds,
        }

# SPDX-License-Identifier: BSD-3-Clause
"""Optional maps of a coadd: exposure time, mean date, depth."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.coadd._prepare import CoaddPlan
from deepcoadd.errors import DeepcoaddError
from deepcoadd.image import MaskedImage
from deepcoadd.photocalib import AB_ZERO_FLUX_NJY

__all__ = ["MapMaker"]

_log = logging.getLogger(__name__)


class MapMaker:
    """Makes the maps of one tile at a time.

    Parameters
    ----------
    plan : CoaddPlan
        The coadd, with the names of the maps in its options.
    """

    def __init__(self, plan: CoaddPlan) -> None:
        self._plan = plan
        self.names = [name for name in plan.options.maps if name != "weight"]
        for name, value in (("exposure_time", "exposure_time"), ("date", "mjd")):
            unknown = [r.name for r in plan.records if math.isnan(getattr(r, value))]
            if name in self.names and unknown:
                _log.warning("map %s: not known for %s, left out", name, ", ".join(unknown))
        self._area = _psf_area(plan) if "depth" in self.names else 1.0

    def tile(
        self, pixels: Sequence[MaskedImage | None], variance: npt.NDArray[np.float32]
    ) -> dict[str, npt.NDArray[Any]]:
        """Maps of a tile from the pixels that were stacked and the variance that came out."""
        makers: dict[str, Callable[[], npt.NDArray[Any]]] = {
            "exposure_time": lambda: self._exposure_time(pixels, variance.shape),
            "date": lambda: self._date(pixels, variance.shape),
            "depth": lambda: self._depth(variance),
        }
        return {name: makers[name]() for name in self.names}

    def _good(self, pixels: MaskedImage) -> npt.NDArray[np.bool_]:
        bad = (pixels.mask.array & np.int32(self._plan.rules.bad)) != 0
        return np.asarray(np.isfinite(pixels.image.array) & ~bad)

    def _exposure_time(
        self, pixels: Sequence[MaskedImage | None], shape: tuple[int, ...]
    ) -> npt.NDArray[np.float32]:
        total = np.zeros(shape, np.float64)
        for one, record in zip(pixels, self._plan.records, strict=True):
            if one is not None and not math.isnan(record.exposure_time):
                total[self._good(one)] += record.exposure_time
        return total.astype(np.float32)

    def _date(
        self, pixels: Sequence[MaskedImage | None], shape: tuple[int, ...]
    ) -> npt.NDArray[np.float64]:
        weight = np.zeros(shape, np.float64)
        total = np.zeros(shape, np.float64)
        for one, record in zip(pixels, self._plan.records, strict=True):
            if one is not None and not math.isnan(record.mjd):
                good = self._good(one)
                weight[good] += record.weight
                total[good] += record.weight * record.mjd
        date: npt.NDArray[np.float64] = np.full(shape, np.nan)
        return np.divide(total, weight, out=date, where=weight > 0)

    def _depth(self, variance: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        calib = self._plan.info.require("photo_calib").mean
        flux = 5.0 * calib * np.sqrt(variance.astype(np.float64) * self._area)
        depth = np.full(variance.shape, np.nan)
        usable = np.isfinite(flux) & (flux > 0)
        depth[usable] = -2.5 * np.log10(flux[usable] / AB_ZERO_FLUX_NJY)
        return depth.astype(np.float32)


def _psf_area(plan: CoaddPlan) -> float:
    """Weighted mean of the effective areas 1 / sum(p^2) of the input PSFs, in pixels.

    1 where no input has a PSF: the depth is then that of a source within one pixel.
    """
    areas, weights = [], []
    for one, record in zip(plan.inputs, plan.records, strict=True):
        y, x = one.ref.box().center
        try:
            kernel = one.info().require("psf").kernel_image(y=y, x=x).array
        except DeepcoaddError:
            continue
        areas.append(1.0 / float(np.sum(kernel**2)))
        weights.append(record.weight)
    if not areas:
        _log.warning("map depth: no input has a PSF, the depth is that of one pixel")
        return 1.0
    return float(np.average(areas, weights=weights))

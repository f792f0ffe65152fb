# SPDX-License-Identifier: BSD-3-Clause
"""Subtasks of the assemblers that record what a coadd is made of."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from lsst.pex.config import Config, Field
from lsst.pipe.base import Task

from deepcoadd.exposure import Exposure
from deepcoadd.provenance import CoaddInputs
from deepcoadd.refs import WarpRef

__all__ = [
    "CoaddInputRecorderConfig",
    "CoaddInputRecorderTask",
    "CoaddPsfConfig",
    "HealSparseInputMapConfig",
    "HealSparseInputMapTask",
    "pairing_key",
]


class CoaddPsfConfig(Config):  # type: ignore[misc]
    """How the PSF of a coadd is made of those of its inputs."""

    warpingKernelName = Field(
        dtype=str,
        default="lanczos3",
        doc="Interpolation kernel: lanczos2 to lanczos5, bilinear or nearest.",
    )
    cacheSize = Field(
        dtype=int, default=10000, doc="Without effect: the kernel is computed exactly."
    )


class CoaddInputRecorderConfig(Config):  # type: ignore[misc]
    """Configuration of `CoaddInputRecorderTask`."""

    saveEmptyCcds = Field(
        dtype=bool, default=False, doc="Record detectors that gave no good pixel?"
    )
    saveErrorCcds = Field(
        dtype=bool,
        default=False,
        doc="Without effect: detectors that could not be warped are not in a warp.",
    )
    saveVisitGoodPix = Field(
        dtype=bool, default=True, doc="Record the number of good pixels of visits?"
    )
    saveCcdWeights = Field(dtype=bool, default=True, doc="Record the weights of detectors?")


class CoaddInputRecorderTask(Task):  # type: ignore[misc]
    """Decide what of the inputs of a coadd is recorded."""

    ConfigClass = CoaddInputRecorderConfig
    _DefaultName = "inputRecorder"

    def run(self, inputs: Any) -> Any:
        """Return the tables of visits and detectors with what is to be recorded.

        What is not a `CoaddInputs` is handed back as it is.
        """
        if not isinstance(inputs, CoaddInputs):
            return inputs
        visits, ccds = inputs.visits.copy(), inputs.ccds.copy()
        if not self.config.saveVisitGoodPix:
            visits.remove_column("goodpix")
        kept = np.ones(len(ccds), bool)
        if not self.config.saveEmptyCcds:
            kept = np.asarray(ccds["goodpix"]) != 0
            ccds = ccds[kept]
        if not self.config.saveCcdWeights:
            ccds.remove_column("weight")
        return replace(
            inputs,
            visits=visits,
            ccds=ccds,
            ccd_polygons=_those(inputs.ccd_polygons, kept),
            ccd_ap_corr_maps=_those(inputs.ccd_ap_corr_maps, kept),
        )


def _those(items: tuple[Any, ...], kept: Any) -> tuple[Any, ...]:
    return tuple(item for item, keep in zip(items, kept, strict=False) if keep)


class HealSparseInputMapConfig(Config):  # type: ignore[misc]
    """Configuration of `HealSparseInputMapTask`."""

    nside = Field(dtype=int, default=32768, doc="Resolution of the map.")
    nside_coverage = Field(dtype=int, default=256, doc="Resolution of its coverage.")
    bad_mask_min_coverage = Field(
        dtype=float, default=0.5, doc="Part of a map pixel that bad pixels must cover to count."
    )


class HealSparseInputMapTask(Task):  # type: ignore[misc]
    """Place of a task that maps which inputs each position on the sky has.

    This release has none of its own: making it raises an error that says what to do. A task put in
    its place (``config.inputMapper.retarget(...)``) has the method `run` with these arguments.
    """

    ConfigClass = HealSparseInputMapConfig
    _DefaultName = "inputMapper"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        message = (
            "doInputMap: there is no task here that makes input maps; give one of your own by "
            "config.inputMapper.retarget(...), or set doInputMap to False"
        )
        missing = [n for n in ("healsparse", "hpgeom") if importlib.util.find_spec(n) is None]
        if missing:
            message += f". Such a task needs: pip install {' '.join(missing)}"
        raise ImportError(message)

    def run(
        self, coaddExposure: Exposure, warpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> Any:
        """Return the map of a finished coadd."""
        raise NotImplementedError


def pairing_key(ref: WarpRef) -> tuple[Any, ...]:
    """Identification by which warps of two kinds are paired."""
    return tuple(ref.data_id.get(name) for name in ("instrument", "visit", "tract", "patch"))

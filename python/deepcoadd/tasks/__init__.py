# SPDX-License-Identifier: BSD-3-Clause
"""Task and Config classes with the names that users of the Rubin pipelines know.

They need the extra ``lsst``; without it this module can be imported, and asking for a class raises
an ImportError that says what to install. Spellings in this folder are those of the documented
tasks (camelCase); everything they do stands in the subject packages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcoadd.tasks.assemble_coadd import (
        AssembleCoaddConfig,
        AssembleCoaddConnections,
        AssembleCoaddTask,
    )
    from deepcoadd.tasks.coadd_inputs import (
        CoaddInputRecorderConfig,
        CoaddInputRecorderTask,
        CoaddPsfConfig,
        HealSparseInputMapConfig,
        HealSparseInputMapTask,
    )
    from deepcoadd.tasks.compare_warp import (
        CompareWarpAssembleCoaddConfig,
        CompareWarpAssembleCoaddConnections,
        CompareWarpAssembleCoaddTask,
    )
    from deepcoadd.tasks.interp_image import InterpImageConfig, InterpImageTask
    from deepcoadd.tasks.match_backgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
    from deepcoadd.tasks.safe_clip import (
        SafeClipAssembleCoaddConfig,
        SafeClipAssembleCoaddConnections,
        SafeClipAssembleCoaddTask,
    )
    from deepcoadd.tasks.scale_variance import ScaleVarianceConfig, ScaleVarianceTask
    from deepcoadd.tasks.scale_zero_point import (
        ImageScaler,
        ScaleZeroPointConfig,
        ScaleZeroPointTask,
    )
    from deepcoadd.tasks.select_images import (
        PsfWcsSelectImagesConfig,
        PsfWcsSelectImagesTask,
        WcsSelectImagesConfig,
        WcsSelectImagesTask,
    )
    from deepcoadd.tasks.sky_info import SkyInfo
    from deepcoadd.tasks.sky_measurement import (
        BackgroundConfig,
        SkyMeasurementConfig,
        SkyMeasurementTask,
        SkyStatsConfig,
    )
    from deepcoadd.tasks.source_detection import SourceDetectionConfig, SourceDetectionTask
    from deepcoadd.tasks.subtract_background import SubtractBackgroundConfig

_HOME = {
    "AssembleCoaddConfig": "assemble_coadd",
    "AssembleCoaddConnections": "assemble_coadd",
    "AssembleCoaddTask": "assemble_coadd",
    "BackgroundConfig": "sky_measurement",
    "CoaddInputRecorderConfig": "coadd_inputs",
    "CoaddInputRecorderTask": "coadd_inputs",
    "CoaddPsfConfig": "coadd_inputs",
    "CompareWarpAssembleCoaddConfig": "compare_warp",
    "CompareWarpAssembleCoaddConnections": "compare_warp",
    "CompareWarpAssembleCoaddTask": "compare_warp",
    "HealSparseInputMapConfig": "coadd_inputs",
    "HealSparseInputMapTask": "coadd_inputs",
    "ImageScaler": "scale_zero_point",
    "InterpImageConfig": "interp_image",
    "InterpImageTask": "interp_image",
    "MatchBackgroundsConfig": "match_backgrounds",
    "MatchBackgroundsTask": "match_backgrounds",
    "PsfWcsSelectImagesConfig": "select_images",
    "PsfWcsSelectImagesTask": "select_images",
    "SafeClipAssembleCoaddConfig": "safe_clip",
    "SafeClipAssembleCoaddConnections": "safe_clip",
    "SafeClipAssembleCoaddTask": "safe_clip",
    "ScaleVarianceConfig": "scale_variance",
    "ScaleVarianceTask": "scale_variance",
    "ScaleZeroPointConfig": "scale_zero_point",
    "ScaleZeroPointTask": "scale_zero_point",
    "SkyInfo": "sky_info",
    "SkyMeasurementConfig": "sky_measurement",
    "SkyMeasurementTask": "sky_measurement",
    "SkyStatsConfig": "sky_measurement",
    "SourceDetectionConfig": "source_detection",
    "SourceDetectionTask": "source_detection",
    "SubtractBackgroundConfig": "subtract_background",
    "WcsSelectImagesConfig": "select_images",
    "WcsSelectImagesTask": "select_images",
}

__all__ = [
    "AssembleCoaddConfig",
    "AssembleCoaddConnections",
    "AssembleCoaddTask",
    "BackgroundConfig",
    "CoaddInputRecorderConfig",
    "CoaddInputRecorderTask",
    "CoaddPsfConfig",
    "CompareWarpAssembleCoaddConfig",
    "CompareWarpAssembleCoaddConnections",
    "CompareWarpAssembleCoaddTask",
    "HealSparseInputMapConfig",
    "HealSparseInputMapTask",
    "ImageScaler",
    "InterpImageConfig",
    "InterpImageTask",
    "MatchBackgroundsConfig",
    "MatchBackgroundsTask",
    "PsfWcsSelectImagesConfig",
    "PsfWcsSelectImagesTask",
    "SafeClipAssembleCoaddConfig",
    "SafeClipAssembleCoaddConnections",
    "SafeClipAssembleCoaddTask",
    "ScaleVarianceConfig",
    "ScaleVarianceTask",
    "ScaleZeroPointConfig",
    "ScaleZeroPointTask",
    "SkyInfo",
    "SkyMeasurementConfig",
    "SkyMeasurementTask",
    "SkyStatsConfig",
    "SourceDetectionConfig",
    "SourceDetectionTask",
    "SubtractBackgroundConfig",
    "WcsSelectImagesConfig",
    "WcsSelectImagesTask",
]


def __getattr__(name: str) -> Any:
    """Load a class when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'deepcoadd.tasks' has no attribute {name!r}")
    try:
        home = import_module(f"deepcoadd.tasks.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lsst":
            raise
        raise ImportError(
            f"deepcoadd.tasks.{name} needs the LSST task framework ({error}): "
            'pip install "deepcoadd[lsst]"'
        ) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)

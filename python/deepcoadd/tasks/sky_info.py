# SPDX-License-Identifier: BSD-3-Clause
"""Where on the sky map a coadd lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astropy.wcs import WCS

from deepcoadd.geometry import Box
from deepcoadd.interop.afw import as_box
from deepcoadd.refs import WarpRef

__all__ = ["SkyInfo", "sky_info_of"]


@dataclass(frozen=True)
class SkyInfo:
    """Box and WCS of one patch.

    Parameters
    ----------
    bbox : Box
        Outer box of the patch in tract pixels.
    wcs : WCS, optional
        WCS of the tract, parent positions.
    tractInfo, patchInfo, skyMap : object, optional
        The tract, the patch, the sky map they belong to.
    """

    bbox: Box
    wcs: WCS | None = None
    tractInfo: Any = None
    patchInfo: Any = None
    skyMap: Any = None


def sky_info_of(
    skyMap: Any, dataId: Mapping[str, Any], warpRefList: Sequence[WarpRef]
) -> SkyInfo | None:
    """Box and WCS of a patch from a sky map, or without one from its warps; None without both."""
    if skyMap is not None:
        tract = skyMap[dataId["tract"]]
        patch = tract[dataId["patch"]]
        return SkyInfo(as_box(patch.getOuterBBox()), tract.getWcs(), tract, patch, skyMap)
    if not warpRefList:
        return None
    box = Box.empty()
    for ref in warpRefList:
        box = box.hull(ref.box())
    return SkyInfo(box, warpRefList[0].info().wcs)

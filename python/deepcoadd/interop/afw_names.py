# SPDX-License-Identifier: BSD-3-Clause
"""The getters that users of the Rubin tasks expect, generated from one table; no logic.

Everything here is an alias: ``exposure.getPsf()`` is ``exposure.psf``. New code uses the
attributes. The mixins import nothing, so the data model can carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "GETTERS",
    "METHODS",
    "BoxNames",
    "Dimensions",
    "ExposureNames",
    "FilterNames",
    "FootprintNames",
    "FootprintSetNames",
    "ImageNames",
    "InfoNames",
    "MaskNames",
    "MaskedImageNames",
    "PeakNames",
    "PhotoCalibNames",
    "PixelPoint",
    "SpanSetNames",
    "VisitInfoNames",
]


class PixelPoint(NamedTuple):
    """A pixel position in the order of the getters: x, y."""

    x: float
    y: float

    def getX(self) -> float:
        """Return x."""
        return self.x

    def getY(self) -> float:
        """Return y."""
        return self.y


class Dimensions(NamedTuple):
    """Width and height in pixels, in the order of the getters: x, y."""

    x: int
    y: int

    def getX(self) -> int:
        """Return the width."""
        return self.x

    def getY(self) -> int:
        """Return the height."""
        return self.y


_SIZE = {
    "getBBox": "box",
    "getWidth": "box.x.size",
    "getHeight": "box.y.size",
    "getX0": "box.x.start",
    "getY0": "box.y.start",
}
_ATTACHMENTS = {
    "getWcs": "wcs",
    "getPsf": "psf",
    "getPhotoCalib": "photo_calib",
    "getVisitInfo": "visit_info",
    "getFilter": "filter",
    "getCoaddInputs": "inputs",
    "getValidPolygon": "valid_polygon",
    "getApCorrMap": "ap_corr_map",
    "getMetadata": "metadata",
}

GETTERS: Mapping[str, Mapping[str, str]] = {
    "Box": {
        "getMinX": "x.min",
        "getMinY": "y.min",
        "getMaxX": "x.max",
        "getMaxY": "y.max",
        "getBeginX": "x.start",
        "getBeginY": "y.start",
        "getEndX": "x.stop",
        "getEndY": "y.stop",
        "getWidth": "x.size",
        "getHeight": "y.size",
        "getArea": "area",
        "isEmpty": "is_empty",
    },
    "Image": {**_SIZE, "getArray": "array"},
    "Mask": {**_SIZE, "getArray": "array"},
    "MaskedImage": {**_SIZE, "getImage": "image", "getMask": "mask", "getVariance": "variance"},
    "Exposure": {
        **_SIZE,
        **_ATTACHMENTS,
        "getMaskedImage": "masked_image",
        "getImage": "image",
        "getMask": "mask",
        "getVariance": "variance",
        "getInfo": "info",
    },
    "Info": {**_ATTACHMENTS, "getId": "id"},
    "VisitInfo": {
        "getId": "id",
        "getDate": "date",
        "getExposureTime": "exposure_time",
        "getDarkTime": "dark_time",
        "getUt1": "ut1_mjd",
        "getEra": "era",
        "getBoresightRaDec": "boresight_radec",
        "getBoresightAzAlt": "boresight_azalt",
        "getBoresightAirmass": "airmass",
        "getBoresightRotAngle": "rotation_angle",
        "getRotType": "rotation_type",
        "getBoresightHourAngle": "hour_angle",
        "getBoresightParAngle": "parallactic_angle",
        "getObservatory": "observatory",
        "getWeather": "weather",
        "getInstrumentLabel": "instrument",
        "getFocusZ": "focus_z",
        "getObservationType": "observation_type",
        "getScienceProgram": "science_program",
        "getObservationReason": "observation_reason",
        "getObject": "target",
        "getHasSimulatedContent": "has_simulated_content",
    },
    "PhotoCalib": {"getCalibrationMean": "mean", "getCalibrationErr": "error"},
    "Filter": {"hasBandLabel": "has_band", "hasPhysicalLabel": "has_physical"},
    "SpanSet": {
        "getArea": "area",
        "getBBox": "box",
        "isEmpty": "is_empty",
        "isContiguous": "is_contiguous",
        "computeShape": "moments",
    },
    "Peak": {
        "getIx": "x",
        "getIy": "y",
        "getFx": "x",
        "getFy": "y",
        "getPeakValue": "value",
    },
    "Footprint": {
        "getArea": "area",
        "getBBox": "box",
        "getSpans": "spans",
        "getPeaks": "peaks",
        "getRegion": "region",
        "getShape": "spans.moments",
    },
    "FootprintSet": {"getFootprints": "footprints", "getRegion": "region"},
    "Background": {"getImageBBox": "box", "getStatsImage": "statistics"},
    "BackgroundList": {},
}

METHODS: Mapping[str, Mapping[str, str]] = {
    "SpanSet": {
        "setMask": "set_mask",
        "clearMask": "clear_mask",
        "setImage": "set_image",
        "clippedTo": "clipped_to",
        "intersectNot": "intersect_not",
        "findEdgePixels": "edge_pixels",
        "asArray": "as_array",
    },
    "Footprint": {"clipTo": "clipped_to", "dilate": "dilated", "erode": "eroded"},
    "FootprintSet": {"setMask": "set_mask"},
    "Background": {"getImage": "image", "getImageF": "image"},
    "BackgroundList": {"getImage": "image"},
}


def _getter(path: str) -> Callable[[Any], Any]:
    """Make a method that follows a dotted attribute path."""

    def get(self: Any) -> Any:
        value = self
        for name in path.split("."):
            value = getattr(value, name)
        return value

    get.__doc__ = f"Return `{path}`."
    return get


def _caller(method: str) -> Callable[..., Any]:
    """Make a method that calls another with the same arguments."""

    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        return getattr(self, method)(*args, **keywords)

    call.__doc__ = f"Call `{method}`."
    return call


def _mixin(kind: str) -> dict[str, Any]:
    """Methods of the tables of one class, ready to update its namespace."""
    getters = {name: _getter(path) for name, path in GETTERS[kind].items()}
    return {**getters, **{n: _caller(method) for n, method in METHODS.get(kind, {}).items()}}


class _Sized:
    """Getters that return a pair in x, y order."""

    __slots__ = ()

    def getXY0(self) -> PixelPoint:
        """Return the first pixel as (x0, y0)."""
        return PixelPoint(self.box.x.start, self.box.y.start)  # type: ignore[attr-defined]

    def getDimensions(self) -> Dimensions:
        """Return (width, height)."""
        return Dimensions(self.box.x.size, self.box.y.size)  # type: ignore[attr-defined]


class BoxNames:
    """Getters of `deepcoadd.geometry.Box`."""

    __slots__ = ()
    locals().update(_mixin("Box"))

    def getMin(self) -> PixelPoint:
        """Return the first pixel as (x, y)."""
        return PixelPoint(self.x.min, self.y.min)  # type: ignore[attr-defined]

    def getMax(self) -> PixelPoint:
        """Return the last pixel, inclusive, as (x, y)."""
        return PixelPoint(self.x.max, self.y.max)  # type: ignore[attr-defined]

    def getDimensions(self) -> Dimensions:
        """Return (width, height)."""
        return Dimensions(self.x.size, self.y.size)  # type: ignore[attr-defined]


class ImageNames(_Sized):
    """Getters of `deepcoadd.image.Image`."""

    __slots__ = ()
    locals().update(_mixin("Image"))


class MaskNames(_Sized):
    """Getters of `deepcoadd.mask.Mask`."""

    __slots__ = ()
    locals().update(_mixin("Mask"))

    def getPlaneBitMask(self, names: str | list[str] | tuple[str, ...]) -> int:
        """Return the bits of one plane, or of a list of planes."""
        wanted = (names,) if isinstance(names, str) else tuple(names)
        return self.planes.bitmask(*wanted)  # type: ignore[attr-defined,no-any-return]

    def getMaskPlaneDict(self) -> dict[str, int]:
        """Return the plane dictionary, name to bit number."""
        return dict(self.planes)  # type: ignore[attr-defined]


class MaskedImageNames(_Sized):
    """Getters of `deepcoadd.image.MaskedImage`."""

    __slots__ = ()
    locals().update(_mixin("MaskedImage"))


class ExposureNames(_Sized):
    """Getters of `deepcoadd.exposure.Exposure`."""

    __slots__ = ()
    locals().update(_mixin("Exposure"))


class InfoNames:
    """Getters of `deepcoadd.exposure.ExposureInfo`."""

    __slots__ = ()
    locals().update(_mixin("Info"))


class VisitInfoNames:
    """Getters of `deepcoadd.visitinfo.VisitInfo`."""

    __slots__ = ()
    locals().update(_mixin("VisitInfo"))


class PhotoCalibNames:
    """Getters of `deepcoadd.photocalib.PhotoCalib`."""

    __slots__ = ()
    locals().update(_mixin("PhotoCalib"))


class FilterNames:
    """Getters of `deepcoadd.exposure.FilterLabel`."""

    __slots__ = ()
    locals().update(_mixin("Filter"))


class SpanSetNames:
    """Getters of `deepcoadd.spans.SpanSet`."""

    __slots__ = ()
    locals().update(_mixin("SpanSet"))

    def computeCentroid(self) -> PixelPoint:
        """Return the centroid as (x, y)."""
        y, x = self.centroid  # type: ignore[attr-defined]
        return PixelPoint(x, y)

    def shiftedBy(self, x: int, y: int) -> Any:
        """Return the set moved by (x, y)."""
        return self.shifted_by(y=y, x=x)  # type: ignore[attr-defined]


class PeakNames:
    """Getters of `deepcoadd.spans.Peak`."""

    __slots__ = ()
    locals().update(_mixin("Peak"))


class FootprintNames:
    """Getters of `deepcoadd.spans.Footprint`."""

    __slots__ = ()
    locals().update(_mixin("Footprint"))

    def getCentroid(self) -> PixelPoint:
        """Return the centroid as (x, y)."""
        y, x = self.centroid  # type: ignore[attr-defined]
        return PixelPoint(x, y)


class FootprintSetNames:
    """Getters of `deepcoadd.spans.FootprintSet`."""

    __slots__ = ()
    locals().update(_mixin("FootprintSet"))


class BackgroundNames:
    """Getters of `deepcoadd.background.BackgroundModel`."""

    locals().update(_mixin("Background"))


class BackgroundListNames:
    """Getters of `deepcoadd.background.BackgroundList`."""

    locals().update(_mixin("BackgroundList"))

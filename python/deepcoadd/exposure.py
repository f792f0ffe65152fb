# SPDX-License-Identifier: BSD-3-Clause
"""An exposure: a masked image with what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from astropy.units import Unit, UnitBase
from astropy.wcs import WCS

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw_names import ExposureNames, FilterNames, InfoNames
from deepcoadd.mask import Mask, MaskPlanes
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.visitinfo import VisitInfo

__all__ = ["Exposure", "ExposureInfo", "FilterLabel"]


@dataclass(frozen=True)
class FilterLabel(FilterNames):
    """Name of a band ("r") and of the physical filter ("HSC-R2"); either may be empty."""

    band: str = ""
    physical: str = ""

    @property
    def has_band(self) -> bool:
        """Whether the band is known."""
        return bool(self.band)

    @property
    def has_physical(self) -> bool:
        """Whether the physical filter is known."""
        return bool(self.physical)

    @property
    def bandLabel(self) -> str:  # noqa: N802  (documented name)
        """Name of the band."""
        return self.band

    @property
    def physicalLabel(self) -> str:  # noqa: N802  (documented name)
        """Name of the physical filter."""
        return self.physical

    def __str__(self) -> str:
        return self.physical or self.band or "unknown"


@dataclass(frozen=True)
class ExposureInfo(InfoNames):
    """Everything about an exposure but its pixels; what is missing is None.

    Parameters
    ----------
    box : Box
        Pixels the exposure covers.
    wcs : WCS, optional
        Celestial WCS of parent pixel positions (origin 0).
    psf : object, optional
        Point-spread function (see `deepcoadd.psf`), or a placeholder that raises when used.
    photo_calib : PhotoCalib, optional
        Counts to nJy.
    visit_info : VisitInfo, optional
        Facts of the visit; None for a coadd.
    filter : FilterLabel, optional
        Band and physical filter.
    unit : UnitBase or str, optional
        Unit of the image; its square is that of the variance. A name becomes the unit.
    inputs : object, optional
        Table of the inputs of a coadd.
    valid_polygon : Polygon, optional
        Where the PSF and the pixels are valid.
    ap_corr_map : object, optional
        Aperture corrections, kept as read.
    planes : MaskPlanes, optional
        Mask dictionary.
    id : int, optional
        Identifier of the exposure.
    metadata : mapping
        Header cards that have no other place.
    components : mapping
        Further parts of the file by name (placeholders of what cannot be decoded).

    Raises
    ------
    OptionError
        `unit` is no unit.
    """

    box: Box
    wcs: WCS | None = None
    psf: Any = None
    photo_calib: PhotoCalib | None = None
    visit_info: VisitInfo | None = None
    filter: FilterLabel | None = None
    unit: UnitBase | None = None
    inputs: Any = None
    valid_polygon: Any = None
    ap_corr_map: Any = None
    planes: MaskPlanes | None = None
    id: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    components: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unit is not None and not isinstance(self.unit, UnitBase):
            try:
                object.__setattr__(self, "unit", Unit(self.unit))
            except (TypeError, ValueError) as error:
                raise OptionError(f"unit = {self.unit!r}: {error}") from None

    def require(self, name: str) -> Any:
        """Return the named part.

        Raises
        ------
        NoDataError
            The exposure does not have it.
        """
        value = getattr(self, name)
        if value is None:
            raise NoDataError(f"the exposure has no {name}")
        return value

    def hasPsf(self) -> bool:  # noqa: N802  (documented getter)
        """Whether there is a PSF."""
        return self.psf is not None

    def hasWcs(self) -> bool:  # noqa: N802  (documented getter)
        """Whether there is a WCS."""
        return self.wcs is not None


class Exposure(ExposureNames):
    """A masked image with WCS, PSF, calibration and visit information.

    Parameters
    ----------
    masked_image : MaskedImage
        Pixels; not copied.
    info : ExposureInfo, optional
        What is known; its box and mask planes are taken from the pixels.
    **parts
        Fields of `ExposureInfo` to set (``wcs=``, ``psf=``, ``visit_info=``, ...).

    Notes
    -----
    ``exposure[box]`` is a view of the pixels that shares the information.
    """

    __slots__ = ("_info", "masked_image")
    _info: ExposureInfo

    def __init__(
        self, masked_image: MaskedImage, info: ExposureInfo | None = None, **parts: Any
    ) -> None:
        base = ExposureInfo(masked_image.box) if info is None else info
        self.masked_image = masked_image
        self.info = replace(base, **parts) if parts else base

    @property
    def info(self) -> ExposureInfo:
        """What is known; its box and mask planes are those of the pixels, at any time."""
        pixels = self.masked_image
        if self._info.box != pixels.box or self._info.planes is not pixels.planes:
            self._info = replace(self._info, box=pixels.box, planes=pixels.planes)
        return self._info

    @info.setter
    def info(self, info: ExposureInfo) -> None:
        self._info = info

    @property
    def box(self) -> Box:
        """Pixels covered."""
        return self.masked_image.box

    @property
    def image(self) -> Image:
        """Image plane, float32."""
        return self.masked_image.image

    @property
    def mask(self) -> Mask:
        """Mask plane, int32."""
        return self.masked_image.mask

    @property
    def variance(self) -> Image:
        """Variance plane, float32."""
        return self.masked_image.variance

    def __getattr__(self, name: str) -> Any:
        # Parts of the info read as attributes; `info` itself is found, so this cannot recurse.
        if name in ExposureInfo.__dataclass_fields__:
            return getattr(self.info, name)
        raise AttributeError(f"Exposure has no attribute {name!r}")

    def require(self, name: str) -> Any:
        """Return the named part; see `ExposureInfo.require`."""
        return self.info.require(name)

    def with_info(self, **parts: Any) -> Exposure:
        """Exposure of the same pixels with other information."""
        return Exposure(self.masked_image, replace(self.info, **parts))

    def __getitem__(self, box: Box) -> Exposure:
        """View of the pixels of `box` (parent coordinates) with the same information."""
        return Exposure(self.masked_image[box], self.info)

    def copy(self) -> Exposure:
        """Copy of the pixels; the information, which is immutable, is shared."""
        return Exposure(self.masked_image.copy(), self.info)

    def hasPsf(self) -> bool:  # noqa: N802  (documented getter)
        """Whether there is a PSF."""
        return self.info.hasPsf()

    def hasWcs(self) -> bool:  # noqa: N802  (documented getter)
        """Whether there is a WCS."""
        return self.info.hasWcs()

    def __repr__(self) -> str:
        known = [
            name
            for name in ("wcs", "psf", "photo_calib", "visit_info", "filter", "unit")
            if getattr(self.info, name) is not None
        ]
        return f"Exposure(box={self.box}, has={known})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Exposure, (self.masked_image, self.info))

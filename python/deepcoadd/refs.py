# SPDX-License-Identifier: BSD-3-Clause
"""Input exposures that are read when asked for.

Algorithms see only the `WarpRef` protocol; where the pixels come from (memory, a FITS file, a
Butler) is decided by whoever makes the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.exposure import Exposure, ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask

__all__ = [
    "ExposureRef",
    "HandleNames",
    "HandleRef",
    "WarpRef",
    "Weighed",
    "as_ref",
    "as_refs",
    "in_memory",
    "look",
    "name_of",
    "weigh",
]


@runtime_checkable
class WarpRef(Protocol):
    """One input exposure, read when asked for."""

    @property
    def data_id(self) -> Mapping[str, Any]:
        """What identifies the exposure: at least a `visit`, if it has one."""
        ...

    def box(self) -> Box:
        """Box of the exposure; no pixels are read."""
        ...

    def info(self) -> ExposureInfo:
        """Everything but the pixels."""
        ...

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box` (absolute; all, when left out), float32/int32 of native byte order.

        The caller may change what it gets. A box that leaves the exposure raises `ShapeError`.
        """
        ...


class Weighed(NamedTuple):
    """What the weight of an exposure is made of.

    Parameters
    ----------
    mask : Mask
        Mask, int32.
    variance : Image
        Variance, float32.
    n_finite, n_good, n_known : int
        Finite pixels of the image, those of them without a bad plane, variances that are numbers.
    """

    mask: Mask
    variance: Image
    n_finite: int
    n_good: int
    n_known: int


class HandleNames:
    """Names that users of the Rubin tasks expect of a handle, for references of ours."""

    @property
    def dataId(self: WarpRef) -> Mapping[str, Any]:  # noqa: N802  (documented name)
        """What identifies the exposure."""
        return self.data_id

    def get(
        self: WarpRef,
        component: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Exposure, or a part of it.

        Parameters
        ----------
        component : str, optional
            "image", "mask", "variance", "bbox", or what an exposure knows ("wcs", "psf",
            "visitInfo", "photoCalib", "filter", "metadata", "coaddInputs").
        parameters : mapping, optional
            ``{"bbox": box}`` for some of the pixels.

        Raises
        ------
        OptionError
            There is no such component or parameter.
        """
        given = dict(parameters or {})
        box = given.pop("bbox", None)
        if given:
            raise OptionError(f"parameters = {list(given)}: only bbox is known")
        if component == "bbox":
            return self.box()
        if component in (None, "image", "mask", "variance"):
            exposure = Exposure(self.read(None if box is None else _as_box(box)), self.info())
            return exposure if component is None else getattr(exposure, component)
        if component not in _COMPONENTS:
            raise OptionError(f"component = {component!r}: expected one of {list(_COMPONENTS)}")
        return getattr(self.info(), _COMPONENTS[component])


_COMPONENTS = {
    "wcs": "wcs",
    "psf": "psf",
    "visitInfo": "visit_info",
    "photoCalib": "photo_calib",
    "filter": "filter",
    "metadata": "metadata",
    "coaddInputs": "inputs",
}


class ExposureRef(HandleNames):
    """A reference to an exposure in memory; `read` returns copies.

    Parameters
    ----------
    exposure : Exposure
        The exposure.
    data_id : mapping, optional
        Identification; by default the visit of its visit information.
    """

    in_memory = True
    thread_safe = True

    def __init__(self, exposure: Exposure, data_id: Mapping[str, Any] | None = None) -> None:
        self.exposure = exposure
        visit = exposure.info.visit_info
        default = {"visit": visit.id} if visit is not None and visit.id else {}
        self._data_id = dict(default if data_id is None else data_id)

    @property
    def data_id(self) -> Mapping[str, Any]:
        """What identifies the exposure."""
        return self._data_id

    def box(self) -> Box:
        """Box of the exposure."""
        return self.exposure.box

    def info(self) -> ExposureInfo:
        """Everything but the pixels."""
        return self.exposure.info

    def read(self, box: Box | None = None) -> MaskedImage:
        """Copy of the pixels of `box`."""
        pixels = self.exposure.masked_image
        return (pixels if box is None else pixels[box]).copy()

    def view(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box` themselves, which must not be changed."""
        pixels = self.exposure.masked_image
        return pixels if box is None else pixels[box]

    def __repr__(self) -> str:
        return f"ExposureRef({dict(self.data_id)}, box={self.box()})"


class HandleRef(HandleNames):
    """A reference over an object with `dataId` and `get` (Butler deferred handles, test handles).

    Parameters
    ----------
    handle : object
        `get()` returns an exposure (ours, or one with the documented getters). Where the storage
        class says so, ``get(component="bbox")`` returns its box and
        ``get(parameters={"bbox": box})`` a part of it, and only parts are read. Handles that can
        do neither are read once and kept.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._whole: Exposure | None = None
        self._box: Box | None = None
        self._info: ExposureInfo | None = None

    @property
    def data_id(self) -> Mapping[str, Any]:
        """What identifies the exposure."""
        data_id = self.handle.dataId
        return dict(getattr(data_id, "mapping", data_id) or {})

    @property
    def in_memory(self) -> bool:
        """Whether the whole exposure has been read and is kept."""
        return self._whole is not None

    def box(self) -> Box:
        """Box of the exposure."""
        if self._box is None:
            self._box = (
                _as_box(self.handle.get(component="bbox"))
                if self._reads_parts()
                else self._exposure().box
            )
        return self._box

    def info(self) -> ExposureInfo:
        """Everything but the pixels; of a handle that reads parts, one pixel is read for it."""
        if self._info is None:
            self._info = self._read_info()
        return self._info

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box`; a copy."""
        return self.view(self.box() if box is None else box).copy()

    def view(self, box: Box) -> MaskedImage:
        """Pixels of `box`, which must not be changed."""
        if not self._reads_parts():
            return self._exposure().masked_image[box]
        part = _as_exposure(self.handle.get(parameters={"bbox": box}))
        if part.box != box:
            raise ShapeError(f"{name_of(self)}: asked for box {box}, the handle gave {part.box}")
        return part.masked_image

    def _read_info(self) -> ExposureInfo:
        box = self.box()
        if box.is_empty or not self._reads_parts():
            return self._exposure().info
        pixel = Box.from_shape((1, 1), start=box.start)
        return replace(_as_exposure(self.handle.get(parameters={"bbox": pixel})).info, box=box)

    def _reads_parts(self) -> bool:
        """Whether the storage class of the handle knows box and parts of an exposure."""
        storage = getattr(getattr(self.handle, "ref", None), "datasetType", None)
        storage_class = getattr(storage, "storageClass", None)
        parameters = getattr(storage_class, "parameters", ())
        components = getattr(storage_class, "components", ())
        return "bbox" in parameters and "bbox" in components

    def _exposure(self) -> Exposure:
        if self._whole is None:
            self._whole = _as_exposure(self.handle.get())
        return self._whole


def _as_exposure(obj: Any) -> Exposure:
    # Imported here: conversions need the data model, of which this module is a part.
    from deepcoadd.interop.afw import as_exposure

    return as_exposure(obj)


def _as_box(obj: Any) -> Box:
    from deepcoadd.interop.afw import as_box  # as above

    return as_box(obj)


def as_ref(obj: Any) -> WarpRef:
    """Make a reference of anything that can be an input.

    Parameters
    ----------
    obj : WarpRef, Exposure, MaskedImage, or object with `getMaskedImage` or with `dataId` and `get`
        References are passed through.

    Returns
    -------
    WarpRef

    Raises
    ------
    OptionError
        `obj` is none of these.
    """
    # Whether something is a reference takes a look at each of its members, hence last.
    if isinstance(obj, Exposure):
        return ExposureRef(obj)
    if isinstance(obj, MaskedImage):
        return ExposureRef(Exposure(obj))
    if isinstance(obj, WarpRef):
        return obj
    if hasattr(obj, "get") and hasattr(obj, "dataId"):
        return HandleRef(obj)
    if hasattr(obj, "getMaskedImage"):
        return ExposureRef(_as_exposure(obj))
    raise OptionError(
        f"input of type {type(obj).__name__}: expected an exposure, a masked image, or a reference "
        "(data_id, box, info, read); open files with deepcoadd.io.open_warp"
    )


def as_refs(objects: Iterable[Any]) -> list[WarpRef]:
    """Make references of several inputs.

    Parameters
    ----------
    objects : iterable
        See `as_ref`.

    Returns
    -------
    list of WarpRef

    Raises
    ------
    OptionError
        One cannot be an input, or `objects` is a single name.
    """
    if isinstance(objects, (str, bytes)) or not isinstance(objects, Iterable):
        raise OptionError(f"inputs = {objects!r}: expected a sequence of exposures")
    return [as_ref(obj) for obj in objects]


def in_memory(ref: WarpRef) -> bool:
    """Whether `look` shows pixels that are there anyway, so that it costs no memory.

    Parameters
    ----------
    ref : WarpRef
        A reference may have an attribute of this name; without one it is not.

    Returns
    -------
    bool
    """
    return bool(getattr(ref, "in_memory", False))


def look(ref: WarpRef, box: Box) -> MaskedImage:
    """Pixels that must not be changed.

    Parameters
    ----------
    ref : WarpRef
        Its method `view`, where it has one, saves the copy that `read` makes.
    box : Box
        Which pixels; inside the box of the reference.

    Returns
    -------
    MaskedImage
    """
    view = getattr(ref, "view", None)
    pixels: MaskedImage = ref.read(box) if view is None else view(box)
    return pixels


def weigh(ref: WarpRef, box: Box, bad_planes: Sequence[str]) -> Weighed | None:
    """Mask, variance and counts of an exposure, where they can be had without its image.

    Parameters
    ----------
    ref : WarpRef
        Its method `weigh`, where it has one, is asked.
    box : Box
        Which pixels; inside the box of the reference.
    bad_planes : sequence of str
        Planes of bad pixels.

    Returns
    -------
    Weighed or None
        None when the image must be read.
    """
    method = getattr(ref, "weigh", None)
    found: Weighed | None = None if method is None else method(box, bad_planes)
    return found


def name_of(ref: WarpRef) -> str:
    """Short name of an input for messages: its file, visit or other identification.

    Parameters
    ----------
    ref : WarpRef
        The input.

    Returns
    -------
    str
    """
    data_id = dict(ref.data_id)
    if "file" in data_id:
        return str(data_id["file"])
    if data_id:
        return ", ".join(f"{key} {value}" for key, value in data_id.items())
    return "exposure without identification"

# SPDX-License-Identifier: BSD-3-Clause
"""One input as the coadd sees it: on its grid, in its unit, with its mask planes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import YX, Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask, MaskPlanes, conformed_bits
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.refs import HandleNames, WarpRef, Weighed, in_memory, look, name_of, weigh

__all__ = ["CoaddInput", "moved", "pixels_at"]

_log = logging.getLogger(__name__)

NO_SHIFT = YX(0, 0)


def moved(pixels: MaskedImage, box: Box) -> MaskedImage:
    """The same pixels, taken to lie at another box of the same shape."""
    mask = Mask(pixels.mask.array, box, pixels.planes)
    return MaskedImage(Image(pixels.image.array, box), mask, Image(pixels.variance.array, box))


@dataclass(frozen=True)
class CoaddInput(HandleNames):
    """A `WarpRef` whose pixels come out ready to be combined.

    Parameters
    ----------
    ref : WarpRef
        Where the pixels come from.
    shift : YX
        Whole pixels from the frame of `ref` to that of the coadd.
    calibration : PhotoCalib, optional
        What multiplies the pixels (in the frame of `ref`).
    scaler : object, optional
        Its ``scaleMaskedImage(masked_image)`` changes the pixels in place.
    planes : MaskPlanes, optional
        Dictionary that masks are conformed to; None leaves them.
    sigma2 : float, optional
        Variance of every finite pixel, for an input that came without.
    kept : MaskedImage, optional
        Pixels held in memory, converted as above; they may lie beyond the input.
    """

    ref: WarpRef
    shift: YX = NO_SHIFT
    calibration: PhotoCalib | None = None
    scaler: Any = None
    planes: MaskPlanes | None = None
    sigma2: float | None = None
    kept: MaskedImage | None = None
    _reported: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def data_id(self) -> Mapping[str, Any]:
        """What identifies the exposure."""
        return self.ref.data_id

    @property
    def name(self) -> str:
        """Short name for messages."""
        return name_of(self.ref)

    def box(self) -> Box:
        """Box of the input in the frame of the coadd."""
        return self.ref.box().shifted_by(y=self.shift.y, x=self.shift.x)

    def info(self) -> ExposureInfo:
        """Everything but the pixels, as the input has it."""
        return self.ref.info()

    @property
    def in_memory(self) -> bool:
        """Whether `view` shows pixels that are there anyway, so that it costs no memory."""
        if self.kept is not None:
            return True
        return in_memory(self.ref) and self.calibration is None and self.scaler is None

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may read it, and others like it, at a time."""
        # What users bring to change or to read pixels may not know of threads.
        known = self.kept is not None or bool(getattr(self.ref, "thread_safe", False))
        return known and self.scaler is None

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box`, a copy; those outside of the input are NaN, NO_DATA, variance inf."""
        return self.view(self.box() if box is None else box).copy()

    def view(self, box: Box) -> MaskedImage:
        """Pixels of `box` that must not be changed; those outside of the input have no data."""
        if self.kept is not None and self.kept.box.contains(box):
            return self._with_variance(self.kept[box])
        own = self.box() & box
        if own.is_empty:
            planes = self.info().planes if self.planes is None else self.planes
            return MaskedImage.no_data(box) if planes is None else MaskedImage.no_data(box, planes)
        inside = self._inside(own)
        return inside if own == box else _padded(inside, box)

    def weigh(self, box: Box, bad_planes: Sequence[str]) -> Weighed | None:
        """Mask, variance and counts of `box`, which the input covers; None if that needs more.

        Masks come out in the dictionary of the coadd. Scaled and calibrated inputs need their
        pixels.
        """
        if self.kept is not None or self.calibration is not None or self.scaler is not None:
            return None
        source = box.shifted_by(y=-self.shift.y, x=-self.shift.x)
        found = weigh(self.ref, source, bad_planes)
        if found is None:
            return None
        mask = Mask(found.mask.array, box, found.mask.planes)
        mask = mask if self.planes is None else self._conformed(mask)
        return found._replace(mask=mask, variance=Image(found.variance.array, box))

    def _inside(self, own: Box) -> MaskedImage:
        """Pixels of a box that the input covers."""
        if self.kept is not None and self.kept.box.contains(own):
            return self._with_variance(self.kept[own])
        return self._with_variance(self._converted(own))

    def _with_variance(self, pixels: MaskedImage) -> MaskedImage:
        """The same pixels; an input that came without variance gets its estimate."""
        if self.sigma2 is None:
            return pixels
        variance = Image(np.full(pixels.box.shape, self.sigma2, np.float32), pixels.box)
        return MaskedImage(pixels.image, pixels.mask, variance)

    def _converted(self, own: Box) -> MaskedImage:
        """Pixels as read, in the unit, frame and mask planes of the coadd."""
        source = own.shifted_by(y=-self.shift.y, x=-self.shift.x)
        pixels = look(self.ref, source)
        if self.calibration is not None:
            pixels = self.calibration.calibrate(pixels)
        if self.scaler is not None:
            pixels = pixels.copy() if self.calibration is None else pixels
            self.scaler.scaleMaskedImage(pixels)
        pixels = pixels if own == source else moved(pixels, own)
        if self.planes is None:
            return pixels
        return MaskedImage(pixels.image, self._conformed(pixels.mask), pixels.variance)

    def _conformed(self, mask: Mask) -> Mask:
        """The mask in the dictionary of the coadd.

        A reader may meet planes that the header does not tell of; they cannot be kept, because the
        dictionary of the coadd stands before any pixel is read.
        """
        target = mask.planes if self.planes is None else self.planes
        late = [name for name in mask.planes if name not in target]
        if not late:
            same = all(target[name] == bit for name, bit in mask.planes.items())
            if same and getattr(self.ref, "names_all_bits", False):
                return Mask(mask.array, mask.box, target)
            return mask.conformed_to(target)
        if not self._reported.issuperset(late):
            self._reported.update(late)
            _log.warning("%s: planes %s are left out", self.name, ", ".join(late))
        known = MaskPlanes({n: b for n, b in mask.planes.items() if n not in late})
        words = mask.array & np.int32(~mask.planes.bitmask(*late))
        return Mask(conformed_bits(words, known, target), mask.box, target)


def pixels_at(ref: WarpRef, box: Box, planes: MaskPlanes) -> MaskedImage | None:
    """Pixels of a reference that must not be changed.

    Parameters
    ----------
    ref : WarpRef
        Where they come from.
    box : Box
        Which pixels, in the frame of the coadd.
    planes : MaskPlanes
        Dictionary that the mask of a plain reference is conformed to.

    Returns
    -------
    MaskedImage or None
        float32 image and variance, int32 mask of `box`, without data (NaN, NO_DATA, inf) where
        the reference does not reach; None where it has no pixel at all.
    """
    one = ref if isinstance(ref, CoaddInput) else CoaddInput(ref, planes=planes)
    here = one.box().overlaps(box) or (one.kept is not None and one.kept.box.contains(box))
    return one.view(box) if here else None


def _padded(inside: MaskedImage, box: Box) -> MaskedImage:
    """Masked image of `box` that has no data outside of `inside`."""
    out = MaskedImage.no_data(box, inside.planes)
    here = inside.box.slices_within(box)
    out.image.array[here] = inside.image.array
    out.mask.array[here] = inside.mask.array
    out.variance.array[here] = inside.variance.array
    return out

# SPDX-License-Identifier: BSD-3-Clause
"""Masks of single inputs over the whole coadd, one input at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from deepcoadd._core.mask import count_set
from deepcoadd.coadd._grid import grid_shift
from deepcoadd.coadd._input import CoaddInput
from deepcoadd.coadd._safe_clip_options import SafeClipOptions
from deepcoadd.coadd._tiles import prefetched, strips
from deepcoadd.coadd._weighing import UNREADABLE
from deepcoadd.detection import detect
from deepcoadd.errors import DeepcoaddError, NoDataError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.refs import WarpRef, name_of

__all__ = ["DETECTED", "VisitMasks", "on_grid"]

_log = logging.getLogger(__name__)

DETECTED = ("DETECTED", "DETECTED_NEGATIVE")
"""Planes of the detections of single inputs."""

_BLOCK_BYTES = 2**28


def on_grid(ref: WarpRef, difference: Exposure) -> CoaddInput | None:
    """An input on the grid, and with the mask planes, of a difference image.

    None, with a warning, where its WCS is not that of the difference, nor a whole-pixel shift of
    it, or cannot be read.
    """
    if isinstance(ref, CoaddInput):
        return ref
    try:
        shift = grid_shift(ref.info().wcs, ref.box(), difference.info.wcs)
    except UNREADABLE as error:
        _log.warning("%s: no artifacts are looked for: %s", name_of(ref), error)
        return None
    if shift is None:
        _log.warning("%s: no artifacts are looked for: it is on another grid", name_of(ref))
        return None
    return CoaddInput(ref, shift, planes=difference.mask.planes)


class VisitMasks:
    """Reads the masks of inputs, with detections of our own where they have none.

    Parameters
    ----------
    inputs : sequence of CoaddInput or None
        On the grid and with the mask planes of the coadd; of None every pixel has NO_DATA.
    difference : Exposure
        Difference image: its box (pixels outside of an input have NO_DATA), and its PSF for
        detecting on an input that has none.
    options : SafeClipOptions
        Whether and how sources are detected.
    sigma : float, optional
        Width [pixel] of the PSF for detecting on an input that has none.
    """

    def __init__(
        self,
        inputs: Sequence[CoaddInput | None],
        difference: Exposure,
        options: SafeClipOptions,
        sigma: float | None = None,
    ) -> None:
        self._inputs = inputs
        self._box = difference.box
        self._psf = difference.info.psf
        self._planes = difference.mask.planes
        self._options = options
        self._sigma = sigma

    def __iter__(self) -> Iterator[Mask]:
        """Mask of each input over `box`, in order, not to be changed."""
        known = {k: one for k, one in enumerate(self._inputs) if one is not None}
        anew = self._detected_anew(known)
        masks = self._stored([one for k, one in known.items() if k not in anew])
        for k in range(len(self._inputs)):
            if k not in known:
                yield MaskedImage.no_data(self._box, self._planes).mask
            else:
                yield self._detect(known[k]) if k in anew else next(masks)

    def _detected_anew(self, inputs: dict[int, CoaddInput]) -> set[int]:
        """Numbers of the inputs to detect sources on."""
        everything = set(inputs)
        if self._options.detect_on_warps != "auto":
            return everything if self._options.detect_on_warps == "always" else set()
        without = {k for k, one in inputs.items() if _lacks_plane(one)}
        others = [one for k, one in inputs.items() if k not in without]
        bits = self._planes.bitmask(*DETECTED)
        if not any(count_set(mask.array, bits) for mask in self._stored(others)):
            without = everything
        if without:
            _log.warning(
                "%d of %d inputs carry no DETECTED pixels: sources are detected on them",
                len(without),
                len(everything),
            )
        return without

    def _stored(self, inputs: list[CoaddInput]) -> Iterator[Mask]:
        """Masks of some inputs as they come."""
        jobs = [(one, tile) for one in inputs for tile in self._tiles(one)]
        whole: Mask | None = None
        ahead = not all(one.in_memory for one in inputs)
        for (_, tile), mask in prefetched(jobs, self._read, ahead=ahead):
            if tile == self._box:
                yield mask
                continue
            if whole is None:
                whole = Mask.zeros(self._box, mask.planes)
            whole.array[tile.slices_within(self._box)] = mask.array
            if tile.y.stop == self._box.y.stop:
                yield whole
                whole = None

    def _tiles(self, one: CoaddInput) -> list[Box]:
        """Strips in which the mask of an input is read."""
        if one.in_memory:
            return [self._box]
        budget = min(self._options.assemble.max_memory // 4, _BLOCK_BYTES)
        return strips(self._box, 1, budget=budget, max_rows=self._box.y.size)

    def _read(self, job: tuple[CoaddInput, Box]) -> Mask:
        one, tile = job
        try:
            return one.view(tile).mask
        except Exception as error:
            raise NoDataError(f"{one.name}: reading {tile} failed: {error}") from error

    def _detect(self, one: CoaddInput) -> Mask:
        """Mask of an input with detections of our own."""
        try:
            pixels = one.read(self._box)
        except Exception as error:
            raise NoDataError(f"{one.name}: reading {self._box} failed: {error}") from error
        own = _has_psf(one)
        exposure = Exposure(pixels, one.info() if own else replace(one.info(), psf=self._psf))
        edge = pixels.mask.array & pixels.planes.bitmask("EDGE")
        try:
            detect(exposure, self._options.warp_detection, None if own else self._sigma)
        except NoDataError as error:
            raise NoDataError(f"{one.name}: detecting sources: {error}") from error
        # Where smoothing does not reach is an edge for the detection only, not for the coadd.
        exposure.mask.clear("EDGE")
        exposure.mask.array |= edge
        return exposure.mask


def _lacks_plane(one: CoaddInput) -> bool:
    """Whether the mask of an input has no plane for detections."""
    planes = one.info().planes
    return planes is not None and "DETECTED" not in planes


def _has_psf(one: CoaddInput) -> bool:
    """Whether an input has a PSF that can be evaluated."""
    y, x = one.ref.box().center
    try:
        one.info().require("psf").kernel_image(y=y, x=x)
    except DeepcoaddError:
        return False
    return True

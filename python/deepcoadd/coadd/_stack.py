# SPDX-License-Identifier: BSD-3-Clause
"""One tile of a coadd: its inputs made ready, then one call of the stack kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcoadd._core import mask as _core_mask
from deepcoadd.coadd._options import AssembleOptions
from deepcoadd.coadd._rules import MaskRules
from deepcoadd.coadd._tiles import with_whole_rows
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask
from deepcoadd.statistics import StackDiagnostics, StackPlanes, stack_planes

__all__ = ["TileWork", "rows_of", "stack_tile"]


@dataclass
class TileWork:
    """Everything that the stack of one tile needs.

    Parameters
    ----------
    box : Box
        Pixels of the tile.
    pixels : list of MaskedImage or None
        For each input the pixels of the tile, conformed to the planes of the coadd, with its
        alternate mask, and not to be changed; None for one that lies elsewhere.
    weights : list of float
        Weight of each input, > 0.
    rules : MaskRules
        Bits of the mask planes.
    options : AssembleOptions
        How to combine.
    out : StackPlanes
        Views of the output planes at the tile.
    """

    box: Box
    pixels: list[MaskedImage | None]
    weights: list[float]
    rules: MaskRules
    options: AssembleOptions
    out: StackPlanes

    @property
    def masked_image(self) -> MaskedImage:
        """Image, mask and variance of ``out``; views."""
        assert self.out.mask is not None  # allocated by the assembler, as are the others
        assert self.out.variance is not None
        mask = Mask(self.out.mask, self.box, self.rules.planes)
        return MaskedImage(
            Image(self.out.image, self.box), mask, Image(self.out.variance, self.box)
        )

    @property
    def n_image(self) -> Image:
        """Counts of good inputs of ``out``; a view."""
        assert self.out.n_point is not None  # allocated by the assembler
        return Image(self.out.n_point, self.box)


def rows_of(planes: StackPlanes, rows: slice) -> StackPlanes:
    """Views of some rows of output planes."""
    views: dict[str, Any] = {
        name: None if plane is None else plane[rows] for name, plane in vars(planes).items()
    }
    return StackPlanes(**views)


def stack_tile(work: TileWork) -> StackDiagnostics:
    """Combine the inputs of one tile; see `deepcoadd.coadd.assemble`.

    Parameters
    ----------
    work : TileWork
        Inputs and options; its ``out`` is written.

    Returns
    -------
    StackDiagnostics
        Samples that were good, and that were clipped.

    Notes
    -----
    Formulas: ``docs/algorithms/coadd.md``. INEXACT_PSF is left to `flag_inexact_psf`.
    """
    rules, out = work.rules, work.out
    assert out.mask is not None  # allocated by the assembler
    assert out.n_point is not None
    images, weights = _gathered(work)
    early = rules.remove & (rules.bad | _set_by_kernel(rules))
    if early:
        # Removal changes which pixels are good, or would take away what the kernel sets.
        out.n_point[...] = 0
        for pixels in images:
            _core_mask.count_unmasked(pixels.mask.array, pixels.image.array, rules.bad, out.n_point)
        images = [_without_planes(pixels, early) for pixels in images]
    late = rules.remove & ~early
    thresholds = {b: t for b, t in rules.thresholds.items() if not _has_bit(rules.remove, b)}
    totals = stack_planes(
        [with_whole_rows(pixels.image.array) for pixels in images],
        [with_whole_rows(pixels.mask.array) for pixels in images],
        [with_whole_rows(pixels.variance.array) for pixels in images],
        work.options.statistic,
        rules.stats_options(work.options, thresholds),
        weights,
        clipped_bits=rules.planes.bitmask("CLIPPED"),
        mask_map=[(a & ~late, b) for a, b in rules.mask_map],
        out=StackPlanes(**{**vars(out), "n_point": None}) if early else out,
    )
    if late:
        _core_mask.set_and_clear(out.mask, 0, late)
    return totals


def _has_bit(bits: int, number: int) -> bool:
    """Whether bit `number` is set in a signed 32-bit word."""
    return bool((bits >> number) & 1)


def _set_by_kernel(rules: MaskRules) -> int:
    """Bits that the stack writes whatever the inputs carry."""
    return rules.planes.bitmask("NO_DATA", "CLIPPED", "REJECTED", "SENSOR_EDGE")


def _gathered(work: TileWork) -> tuple[list[MaskedImage], list[float]]:
    """Pixels and weights to stack.

    Inputs that lie outside of the tile count together as one sample without data: it is never
    good, but like the pixels of a larger input it lets rejected planes through.
    """
    rules = work.rules
    # Where a threshold asks for the weight of NO_DATA, the order of the sum must not change.
    apart = rules.planes["NO_DATA"] in rules.thresholds
    images: list[MaskedImage] = []
    weights: list[float] = []
    outside = 0.0
    for pixels, weight in zip(work.pixels, work.weights, strict=True):
        if pixels is None and not apart:
            outside += weight
            continue
        images.append(MaskedImage.no_data(work.box, rules.planes) if pixels is None else pixels)
        weights.append(weight)
    if outside > 0:
        images.append(MaskedImage.no_data(work.box, rules.planes))
        weights.append(outside)
    return images, weights


def _without_planes(pixels: MaskedImage, bits: int) -> MaskedImage:
    """The same pixels with a copy of the mask in which `bits` are cleared."""
    mask = Mask(pixels.mask.array & np.int32(~bits), pixels.box, pixels.planes)
    return MaskedImage(pixels.image, mask, pixels.variance)

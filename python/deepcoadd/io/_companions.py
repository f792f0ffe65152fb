# SPDX-License-Identifier: BSD-3-Clause
"""Images of one file and planes of another: which HDU is meant, and what the caller asks for."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcoadd.errors import FileFormatError, OptionError
from deepcoadd.io._cards import conformed_planes, file_planes
from deepcoadd.io._generic import generic_info
from deepcoadd.io._hdus import Hdu, scan_hdus
from deepcoadd.io._layout import (
    Layout,
    NamedBits,
    PlaneVariance,
    VarianceSource,
    check_shapes,
)
from deepcoadd.io._mask_maps import MappedMask, MaskMap, mask_map_of
from deepcoadd.io._noise import EstimatedVariance, ModelVariance, inverted
from deepcoadd.io._opened import Opened
from deepcoadd.io._options import Noise
from deepcoadd.io._plane import Plane
from deepcoadd.io._target import find_hdu, parse_target
from deepcoadd.mask import DEFAULT_PLANES

__all__ = ["companion", "foreign_layout", "image_plane", "sibling", "with_companions"]

_log = logging.getLogger(__name__)


def image_plane(opened: Opened, *, one: bool = False) -> Plane:
    """Image: the HDU asked for, else the first with a 2-D image.

    Raises
    ------
    FileFormatError
        There is none.
    OptionError
        `one` is set, no HDU was asked for, and there are several images.
    """
    if opened.options.hdu is not None:
        return Plane(opened.path, find_hdu(opened.hdus, opened.options.hdu, opened.path))
    images = opened.images
    if not images:
        raise FileFormatError(f"{opened.path}: no HDU holds a 2-D image")
    if len(images) > 1:
        names = ", ".join(f"{hdu.index} {hdu.name}".strip() for hdu in images[:8])
        if one:
            raise OptionError(
                f"{opened.path}: {len(images)} images ({names}, ...); choose one with hdu="
            )
        _log.warning(
            "%s: %d images; %s is read, choose another with hdu=",
            opened.path,
            len(images),
            images[0].label,
        )
    return Plane(opened.path, images[0])


def companion(opened: Opened, image: Plane, name: str | os.PathLike[str], what: str) -> Plane:
    """Plane of a companion: a file, perhaps with ``[HDU]``; ``[HDU]`` alone is in the same file.

    Without an HDU it is the one of the image's name or number, else the first 2-D image.

    Raises
    ------
    FileFormatError
        The plane is missing or of another size than the image.
    """
    text = os.fspath(name)
    target = parse_target(f"{opened.path}{text}" if text.startswith("[") else text)
    if target.section is not None:
        raise OptionError(f"{what} = {text!r}: a section is not allowed here")
    hdus = opened.hdus
    if target.path != opened.path:
        with opened.pool.use(target.path) as file, file.raw() as raw:
            hdus = scan_hdus(raw, file.size, str(target.path))
    hdu = find_hdu(hdus, target.hdu, target.path) if target.hdu is not None else _twin(hdus, image)
    if hdu is None:
        raise FileFormatError(f"{target.path}: no HDU holds a 2-D image for the {what}")
    plane = Plane(target.path, hdu)
    check_shapes(image, plane, what)
    return plane


def _twin(hdus: Sequence[Hdu], image: Plane) -> Hdu | None:
    """HDU of a companion file that goes with an image: same name, same number, or the first."""
    images = [hdu for hdu in hdus if hdu.is_image]
    named = [hdu for hdu in images if hdu.name and hdu.name == image.hdu.name]
    numbered = [hdu for hdu in images if hdu.index == image.hdu.index]
    return next(iter((*named, *numbered, *images)), None)


def sibling(opened: Opened, name: str) -> Path | None:
    """File beside another, if it exists (under its name or a packed variant of it)."""
    base = re.sub(r"\.(fz|gz)$", "", name)
    for candidate in (name, base, f"{base}.fz", f"{base}.gz"):
        path = opened.path.with_name(candidate)
        if path.is_file():
            return path
    _log.warning("%s: no companion %s beside it", opened.path, name)
    return None


def foreign_layout(
    name: str,
    opened: Opened,
    image: Plane,
    *,
    mask: tuple[Plane, MaskMap] | None = None,
    variance: VarianceSource | None = None,
    **parts: Any,
) -> Layout:
    """Layout of an image whose headers follow no model of ours.

    Parameters
    ----------
    name : str
        Format.
    opened, image : Opened, Plane
        File, and image in it.
    mask : (Plane, MaskMap), optional
        Mask plane and the table of its values, which MP_ cards overrule.
    variance : VarianceSource, optional
        Variance.
    **parts
        Fields of `ExposureInfo` that the format knows.
    """
    source = None if mask is None else _named_or_mapped(*mask)
    planes = DEFAULT_PLANES if source is None else source.target
    info = generic_info(image, opened.primary, planes=planes, **parts)
    return Layout(name, info, image, source, variance, marks_no_data=True)


def _named_or_mapped(plane: Plane, table: MaskMap) -> NamedBits | MappedMask:
    """Mask by the MP_ cards of the plane, or by a table."""
    named = file_planes(plane.hdu.cards, plane.where)
    if named is None:
        return MappedMask(plane, table)
    return NamedBits(plane, named, conformed_planes(named))


def with_companions(opened: Opened, layout: Layout) -> Layout:
    """Layout with what the caller's options name in place of what the format found."""
    options, image = opened.options, layout.image
    mask = layout.mask
    if options.mask is not None:
        plane = companion(opened, image, options.mask, "mask")
        mask = _named_or_mapped(plane, mask_map_of("nonzero-bad-1"))
    if options.mask_map is not None:
        if mask is None:
            raise OptionError(f"mask_map = {options.mask_map!r}, but {opened.path} has no mask")
        mask = MappedMask(mask.plane, mask_map_of(options.mask_map))
    if mask is not layout.mask and mask is not None:
        info = replace(layout.info, planes=mask.target)
        layout = replace(layout, info=info, mask=mask, marks_no_data=True)
    if options.variance is not None:
        plane = companion(opened, image, options.variance, "variance")
        return replace(layout, variance=PlaneVariance(plane), marks_no_data=True)
    if options.weight is not None:
        plane = companion(opened, image, options.weight, "weight")
        return replace(layout, variance=PlaneVariance(plane, inverted), marks_no_data=True)
    if options.noise is not None:
        source = "estimated" if options.noise == "estimate" else "noise model"
        info = replace(layout.info, metadata={**layout.info.metadata, "VARSRC": source})
        variance = _noise_source(options.noise, image)
        return replace(layout, info=info, variance=variance, marks_no_data=True)
    return layout


def _noise_source(noise: Noise, image: Plane) -> VarianceSource:
    if isinstance(noise, str):
        return EstimatedVariance(image)
    if isinstance(noise, tuple):
        gain, read_noise = noise
        return ModelVariance(read_noise / gain, gain)
    return ModelVariance(float(noise))

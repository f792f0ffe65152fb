# SPDX-License-Identifier: BSD-3-Clause
"""Single planes of files: an image, a mask, the statistics of a background."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deepcoadd.errors import FileFormatError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.io._cards import conformed_planes, file_planes, offset_of
from deepcoadd.io._hdus import Hdu, scan_hdus
from deepcoadd.io._layout import Layout, NamedBits, PlaneVariance, check_shapes
from deepcoadd.io._options import PathLike
from deepcoadd.io._plane import Plane
from deepcoadd.io._pool import FilePool
from deepcoadd.io._target import HduName, Target, find_hdu, parse_target
from deepcoadd.mask import DEFAULT_PLANES, Mask

__all__ = ["BackgroundPlanes", "is_background", "read_background_planes", "read_image", "read_mask"]

_STYLE_CARDS = (
    "INTERPSTYLE",
    "UNDERSAMPLESTYLE",
    "APPROXSTYLE",
    "APPROXORDERX",
    "APPROXORDERY",
    "APPROXWEIGHTING",
    "BKGD_VARIANCE_IS_SIGMA",
)
_BOX_CARDS = ("BKGD_X0", "BKGD_Y0", "BKGD_WIDTH", "BKGD_HEIGHT")


@contextlib.contextmanager
def _opened(name: PathLike) -> Iterator[tuple[Target, tuple[Hdu, ...], FilePool]]:
    """Target, HDUs and a pool of a file that is read once."""
    target = parse_target(name)
    pool = FilePool(1)
    with pool.use(target.path) as file:
        with file.raw() as raw:
            hdus = scan_hdus(raw, file.size, str(target.path))
        yield target, hdus, pool


def _choose(target: Target, hdus: Sequence[Hdu], hdu: HduName | None) -> Plane:
    """Plane of the HDU asked for, else of the first 2-D image."""
    wanted = target.hdu if hdu is None else hdu
    if wanted is not None:
        return Plane(target.path, find_hdu(hdus, wanted, target.path))
    first = next((found for found in hdus if found.is_image), None)
    if first is None:
        raise FileFormatError(f"{target.path}: no HDU holds a 2-D image")
    return Plane(target.path, first)


def _box_of(plane: Plane, target: Target, box: Box | None) -> tuple[Box, slice, slice]:
    """Box to read and its slices in the plane."""
    whole = Box.from_shape(plane.shape, start=offset_of(plane.hdu.cards, plane.where))
    part = target.box(whole) if box is None else box
    return part, *part.slices_within(whole)


def read_image(name: PathLike, *, hdu: HduName | None = None, box: Box | None = None) -> Image:
    """One image of a file, in its own type (native byte order, unsigned as meant).

    Parameters
    ----------
    name : path-like
        File, perhaps with ``[HDU]`` and section.
    hdu : int, str or (str, int), optional
        HDU; by default the first 2-D image.
    box : Box, optional
        Part, in parent coordinates.

    Raises
    ------
    FileFormatError
        There is no such image, or the file is damaged.
    """
    with _opened(name) as (target, hdus, pool):
        plane = _choose(target, hdus, hdu)
        part, rows, columns = _box_of(plane, target, box)
        return Image(plane.native(pool, rows, columns), part)


def read_mask(name: PathLike, *, hdu: HduName | None = None, box: Box | None = None) -> Mask:
    """One mask of a file, in this package's bits; names by its MP_ cards, else the default ones.

    Parameters and errors as for `read_image`; a mask of floating-point numbers is refused.
    """
    with _opened(name) as (target, hdus, pool):
        plane = _choose(target, hdus, hdu)
        part, rows, columns = _box_of(plane, target, box)
        names = file_planes(plane.hdu.cards, plane.where) or DEFAULT_PLANES
        words, planes = NamedBits(plane, names, conformed_planes(names)).read(pool, rows, columns)
        return Mask(words, part, planes)


@dataclass(frozen=True)
class BackgroundPlanes:
    """One component of a background list, as it stands in the file.

    Parameters
    ----------
    statistics : MaskedImage
        One pixel a bin. The third plane is what the file holds there: older releases of the Rubin
        pipelines wrote standard deviations.
    box : Box
        Image that the background belongs to.
    style : dict
        Cards that say how the bins are to be interpolated.
    """

    statistics: MaskedImage
    box: Box
    style: dict[str, Any]


def is_background(hdus: Sequence[Hdu]) -> bool:
    """Whether a file is a background list."""
    return bool(hdus) and hdus[0].is_image and all(key in hdus[0].cards for key in _BOX_CARDS)


def read_background_planes(name: PathLike) -> list[BackgroundPlanes]:
    """Components of a background list: the statistics of the bins, not interpolated.

    Raises
    ------
    FileFormatError
        The file is no background list.
    """
    with _opened(name) as (target, hdus, pool):
        if not is_background(hdus) or len(hdus) % 3:
            raise FileFormatError(
                f"{target.path}: no background list (image, mask, variance with BKGD_ cards)"
            )
        return [_component(hdus[i : i + 3], target, pool) for i in range(0, len(hdus), 3)]


def _component(hdus: Sequence[Hdu], target: Target, pool: FilePool) -> BackgroundPlanes:
    """One component of its three HDUs."""
    image, mask, variance = (Plane(target.path, hdu) for hdu in hdus)
    check_shapes(image, mask, "mask")
    check_shapes(image, variance, "variance")
    names = file_planes(mask.hdu.cards, mask.where) or DEFAULT_PLANES
    bits = NamedBits(mask, names, conformed_planes(names))
    info = ExposureInfo(Box.from_shape(image.shape), planes=bits.target)
    layout = Layout("background", info, image, bits, PlaneVariance(variance))
    cards = hdus[0].cards
    x0, y0, width, height = (cards.get(key, 0) for key in _BOX_CARDS)
    if not all(isinstance(value, int) for value in (x0, y0, width, height)):
        raise FileFormatError(f"{image.where}: the cards {', '.join(_BOX_CARDS)} are no box")
    return BackgroundPlanes(
        layout.read(pool),
        Box.from_shape((height, width), start=(y0, x0)),
        {key: cards[key] for key in _STYLE_CARDS if key in cards},
    )

# SPDX-License-Identifier: BSD-3-Clause
"""Exposures in files: read at once, or as references that read a section when asked."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcoadd._buffers import taken
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.exposure import Exposure, ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.io._hdus import scan_hdus
from deepcoadd.io._layout import Layout, NamedBits
from deepcoadd.io._opened import Opened
from deepcoadd.io._options import Noise, PathLike, ReadOptions
from deepcoadd.io._pool import FilePool, shared_pool
from deepcoadd.io._registry import plan, user_format
from deepcoadd.io._target import HduName, parse_target
from deepcoadd.mask import MaskPlanes
from deepcoadd.refs import Weighed

__all__ = ["FitsRef", "open_warp", "open_warps", "read"]


class FitsRef:
    """A reference to an exposure in a file: headers are read once, pixels when asked for.

    Parameters
    ----------
    path : path-like
        File, perhaps with an HDU and a section (see `read`).
    options : ReadOptions
        How to read it.

    Attributes
    ----------
    path : Path
        File.
    format : str
        Name of its format.

    Notes
    -----
    Safe to use from several threads (`thread_safe`). All references of a process share at most 128
    open files.
    """

    thread_safe = True

    def __init__(self, path: PathLike, options: ReadOptions | None = None) -> None:
        self._name = os.fspath(path)
        self._options = ReadOptions() if options is None else options
        target = parse_target(path)
        if target.hdu is not None:
            if self._options.hdu not in (None, target.hdu):
                raise OptionError(f"input {self._name!r}: hdu = {self._options.hdu!r} given too")
            self._options = replace(self._options, hdu=target.hdu)
        self.path: Path = target.path
        self._pool: FilePool = shared_pool()
        self.format, self._plan = _open_plan(target.path, self._options, self._pool)
        self._box = target.box(self._plan.info.box)
        self._paths = (target.path, *_companions(self._plan))
        self._pool.adopt(self._paths)
        self._finalizer = weakref.finalize(self, self._pool.drop, self._paths)

    @property
    def data_id(self) -> Mapping[str, Any]:
        """The file, and the visit if the file names one."""
        visit = self._plan.info.visit_info
        known = {"visit": visit.id} if visit is not None and visit.id else {}
        return {**known, "file": self._name}

    @property
    def names_all_bits(self) -> bool:
        """Whether masks have no bit that their planes do not name."""
        return isinstance(self._plan, Layout)

    @property
    def file_planes(self) -> MaskPlanes | None:
        """Mask dictionary as it stands in the file; None when the file has no names."""
        source = self._plan.mask if isinstance(self._plan, Layout) else None
        return source.source if isinstance(source, NamedBits) else None

    def box(self) -> Box:
        """Box of the exposure (of its section, if the name has one)."""
        return self._box

    def info(self) -> ExposureInfo:
        """Everything but the pixels."""
        return replace(self._plan.info, box=self._box)

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box` (parent coordinates), new arrays of native byte order.

        Raises
        ------
        ShapeError
            A pixel of `box` lies outside the exposure.
        FileFormatError
            The file is damaged.
        """
        box = self._box if box is None else box
        if not self._box.contains(box):
            raise ShapeError(f"{self._name}: box {box} is not inside {self._box}")
        if isinstance(self._plan, Exposure):
            return self._plan.masked_image[box].copy()
        return self._plan.read(self._pool, box)

    def view(self, box: Box) -> MaskedImage:
        """Pixels of `box` that must not be changed, and that live as long as an arena is lent.

        Without one (`deepcoadd._buffers`) they are new arrays, as those of `read`.
        """
        with taken():
            return self.read(box)

    def weigh(self, box: Box, bad_planes: Sequence[str]) -> Weighed | None:
        """Mask, variance and counts of `box`, without keeping its image; arrays as of `view`.

        Returns
        -------
        Weighed or None
            None where mask or variance follow from the image: then it must be read.
        """
        if isinstance(self._plan, Exposure):
            return None
        with taken():
            return self._plan.weigh(self._pool, box, bad_planes)

    def close(self) -> None:
        """Close the file, unless another reference uses it; reading opens it again."""
        if self._finalizer.alive:
            self._finalizer()

    def __repr__(self) -> str:
        return f"FitsRef({self._name!r}, box={self._box})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (FitsRef, (self._name, self._options))


def _open_plan(path: Path, options: ReadOptions, pool: FilePool) -> tuple[str, Layout | Exposure]:
    """Format of a file, and its layout or (formats of the user) the exposure itself."""
    own = user_format(path, options.format)
    if own is not None:
        return own.name, own.read(path)
    with pool.use(path) as file:
        with file.raw() as raw:
            hdus = scan_hdus(raw, file.size, str(path))
        layout = plan(Opened(path, hdus, options, pool))
    return layout.format, layout


def _companions(found: Layout | Exposure) -> tuple[Path, ...]:
    """Other files that a layout reads from."""
    if isinstance(found, Exposure):
        return ()
    # A variance that is computed from the image has no plane of its own.
    sources = (getattr(found.mask, "plane", None), getattr(found.variance, "plane", None))
    paths = {source.path for source in sources if source is not None}
    return tuple(sorted(paths - {found.image.path}))


def open_warp(path: PathLike, **options: Any) -> FitsRef:
    """Reference to an exposure in a file; pixels are read when asked for.

    Parameters
    ----------
    path : path-like
        File; see `read` for names with an HDU or a section.
    **options
        As for `read`, without `box`.

    Returns
    -------
    FitsRef
    """
    return FitsRef(path, ReadOptions(**options))


def open_warps(paths: Iterable[PathLike], **options: Any) -> list[FitsRef]:
    """References to exposures in files, read with the same options.

    Raises
    ------
    OptionError
        `paths` is one name instead of a sequence of them.
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise OptionError(f"paths = {paths!r}: expected a sequence of names")
    return [open_warp(path, **options) for path in paths]


def read(
    path: PathLike,
    *,
    format: str = "auto",
    hdu: HduName | None = None,
    box: Box | None = None,
    mask_map: Any = None,
    mask: PathLike | None = None,
    variance: PathLike | None = None,
    weight: PathLike | None = None,
    noise: Noise | None = None,
) -> Exposure:
    """Exposure of a file.

    Parameters
    ----------
    path : path-like
        File. The name may end in an HDU and a section as cfitsio writes them:
        ``file.fits[3]``, ``file.fits[SCI,1][1:100,1:50]`` (x before y, 1-based, inclusive).
    box : Box, optional
        Part to read, in parent coordinates; by default all.
    format, hdu, mask_map, mask, variance, weight, noise
        See `ReadOptions`.

    Returns
    -------
    Exposure
        float32 image and variance, int32 mask, native byte order. Unknown variance is NaN.

    Raises
    ------
    MissingFileError
        There is no such file.
    FileFormatError
        The file is damaged or holds no exposure.
    ShapeError
        `box` or the section leaves the image.
    OptionError
        An option is not allowed.
    """
    ref = FitsRef(path, ReadOptions(format, hdu, mask_map, mask, variance, weight, noise))
    try:
        pixels = ref.read(box)
        return Exposure(pixels, ref.info())
    finally:
        ref.close()

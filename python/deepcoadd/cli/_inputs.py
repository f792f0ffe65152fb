# SPDX-License-Identifier: BSD-3-Clause
"""Inputs of a command: which exposures the files named by the user hold, and how to read them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deepcoadd.coadd import SkippedInput
from deepcoadd.errors import (
    FileFormatError,
    MaskPlaneError,
    MissingFileError,
    OptionError,
    ShapeError,
)
from deepcoadd.io import FitsRef, image_hdus, open_warp
from deepcoadd.io._target import parse_target

__all__ = ["InputOptions", "open_inputs"]

_log = logging.getLogger(__name__)

_COMPANIONS = ("mask", "variance", "weight")
_ROLES = ("image", "skip", *_COMPANIONS)
_SUFFIX = re.compile(r"\.(fits|fit|fts)(\.(gz|fz|bz2|xz))?$", re.IGNORECASE)


@dataclass(frozen=True)
class InputOptions:
    """How input files are read.

    Parameters
    ----------
    format : str
        auto, or the name of a format (see docs/files.md).
    hdu : int, str or (str, int), optional
        HDU of the image: a number from 0, a name, or name and version.
    mask, variance, weight : str, optional
        Companion of each file: a name in which {stem} stands for the name of the input without
        .fits, taken to lie beside the input; or [HDU], another HDU of the input itself. A weight
        is an inverse variance.
    mask_map : str, optional
        What the values of a foreign mask mean: the name of a table, or a file that holds one.
    noise : float, (float, float) or "estimate", optional
        Noise of images without variance: sigma of a pixel; gain and read noise; or estimate, from
        the scatter of the pixels.
    epochs : sequence of str
        Roles of the image HDUs of a file that holds several exposures one after the other, such as
        image,weight. Roles are image, mask, variance, weight, skip.
    """

    format: str = "auto"
    hdu: int | tuple[str, int] | str | None = None
    mask: str | None = None
    variance: str | None = None
    weight: str | None = None
    mask_map: str | None = None
    noise: float | tuple[float, float] | Literal["estimate"] | None = None
    epochs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in self.epochs:
            if role not in _ROLES:
                raise OptionError(f"epochs: {role!r} is not one of {', '.join(_ROLES)}")
        repeated = [r for r in _ROLES if r != "skip" and self.epochs.count(r) > 1]
        if repeated or (self.epochs and "image" not in self.epochs):
            raise OptionError(
                f"epochs = {','.join(self.epochs)}: expected image once, others at most once"
            )
        clash = [name for name in ("hdu", *_COMPANIONS) if getattr(self, name) is not None]
        if self.epochs and clash:
            raise OptionError(f"epochs cannot be combined with {', '.join(clash)}")

    def read_options(self, file: str, n_files: int) -> dict[str, Any]:
        """Keywords of `deepcoadd.io.open_warp` for one file."""
        made = {name: getattr(self, name) for name in ("format", "hdu", "mask_map", "noise")}
        for name in _COMPANIONS:
            rule = getattr(self, name)
            made[name] = None if rule is None else _companion(name, rule, file, n_files)
        return made


def _companion(name: str, rule: str, file: str, n_files: int) -> str:
    """Name of the companion of a file."""
    if rule.startswith("["):
        return rule
    path = parse_target(file).path
    if "{stem}" in rule:
        made = Path(rule.replace("{stem}", _SUFFIX.sub("", path.name)))
        return str(path.parent / made)
    if n_files > 1:
        raise OptionError(
            f"{name} = {rule!r}: one file for {n_files} inputs; {{stem}} stands for the name of "
            f"each, as in '{{stem}}.{name}.fits'"
        )
    return rule


def open_inputs(
    files: Sequence[str], options: InputOptions, *, output: Path | None = None
) -> tuple[list[FitsRef], list[SkippedInput]]:
    """References to the exposures of some files, and those that cannot be read, with reasons.

    Parameters
    ----------
    files : sequence of str
        Names as `deepcoadd.io.open_warp` takes them.
    options : InputOptions
        How to read them.
    output : Path, optional
        What will be written, which must be none of them.

    Raises
    ------
    MissingFileError
        A file does not exist.
    OptionError
        The same exposure is named twice, the output is an input, or an option is not allowed.
    """
    refs: list[FitsRef] = []
    skipped: list[SkippedInput] = []
    seen: set[tuple[Any, ...]] = set()
    for file in files:
        target = parse_target(file)
        identity = (target.path.resolve(), target.hdu, target.section)
        if identity in seen:
            raise OptionError(f"input {file!r} is named twice: its noise would count as signal")
        seen.add(identity)
        if output is not None and target.path.resolve() == output.resolve():
            raise OptionError(f"output {str(output)!r} is one of the inputs")
        try:
            for name, how in _exposures(file, options, len(files)):
                refs.append(open_warp(name, **how))
        except MissingFileError:
            raise
        except (FileFormatError, MaskPlaneError, ShapeError) as error:
            _log.warning("skipped %s: %s", file, error)
            skipped.append(SkippedInput({"file": file}, file, f"cannot be read: {error}"))
    return refs, skipped


def _exposures(
    file: str, options: InputOptions, n_files: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and options of each exposure of a file."""
    if not options.epochs:
        yield file, options.read_options(file, n_files)
        return
    images = image_hdus(parse_target(file).path)
    roles = options.epochs
    if not images or len(images) % len(roles):
        raise FileFormatError(
            f"{file}: {len(images)} image HDUs cannot be epochs of {len(roles)} each"
        )
    base = replace(options, epochs=()).read_options(file, n_files)
    for first in range(0, len(images), len(roles)):
        group = dict(zip(roles, images[first : first + len(roles)], strict=True))
        companions = {name: f"[{group[name]}]" for name in _COMPANIONS if name in group}
        yield f"{file}[{group['image']}]", {**base, **companions}

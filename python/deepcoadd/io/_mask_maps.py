# SPDX-License-Identifier: BSD-3-Clause
"""Foreign masks: bits or codes of other pipelines, turned into our planes by tables."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deepcoadd.errors import MaskPlaneError, MissingFileError, OptionError
from deepcoadd.io._layout import Words
from deepcoadd.io._plane import Plane
from deepcoadd.io._pool import FilePool
from deepcoadd.mask import DEFAULT_PLANES, MaskPlanes

__all__ = ["MappedMask", "MaskMap", "mask_map_of", "mask_maps"]

_log = logging.getLogger(__name__)

_KINDS = ("bits", "codes")
_CODES = 256  # size of the table of codes; larger values are looked up as unlisted


@dataclass(frozen=True)
class MaskMap:
    """What the values of a foreign mask mean.

    Parameters
    ----------
    kind : {"bits", "codes"}
        Whether a key is a bit number (0 to 31) or the value of a pixel (0 to 255).
    planes : mapping of int to sequence of str
        Planes of each key; an empty sequence: known, and no defect.
    name : str
        Name of the table, for messages.

    Notes
    -----
    A code that is not listed counts as BAD and a bit that is not listed becomes a plane
    UNKNOWN<n>; both are reported once a file.

    Raises
    ------
    OptionError
        The kind or a key is not allowed.
    """

    kind: str
    planes: Mapping[int, tuple[str, ...]]
    name: str = "custom"

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise OptionError(f"mask map {self.name!r}: kind = {self.kind!r}; allowed: {_KINDS}")
        last = 31 if self.kind == "bits" else _CODES - 1
        planes: dict[int, tuple[str, ...]] = {}
        for key, names in self.planes.items():
            if not 0 <= int(key) <= last:
                raise OptionError(f"mask map {self.name!r}: key {key}; allowed are 0 to {last}")
            planes[int(key)] = (names,) if isinstance(names, str) else tuple(names)
        object.__setattr__(self, "planes", MappingProxyType(planes))

    def __reduce__(self) -> tuple[Any, ...]:
        return (MaskMap, (self.kind, dict(self.planes), self.name))

    @property
    def target(self) -> MaskPlanes:
        """Default dictionary with what the table adds to it."""
        return DEFAULT_PLANES.with_planes(*(n for names in self.planes.values() for n in names))


@lru_cache(maxsize=1)
def _tables() -> dict[str, MaskMap]:
    text = resources.files("deepcoadd.io").joinpath("data/mask_maps.toml").read_text("utf-8")
    return {name: _from_table(table, name) for name, table in tomllib.loads(text).items()}


def mask_maps() -> dict[str, MaskMap]:
    """Shipped mask maps by name."""
    return dict(_tables())


def mask_map_of(wanted: Any) -> MaskMap:
    """Mask map of a table name, a map, a mapping of bit numbers to plane names, or a TOML file.

    Raises
    ------
    OptionError
        There is no table of that name, or the argument is of another type.
    """
    if isinstance(wanted, MaskMap):
        return wanted
    if isinstance(wanted, str) and wanted in _tables():
        return _tables()[wanted]
    if isinstance(wanted, Mapping):
        return MaskMap("bits", wanted)
    if isinstance(wanted, (str, os.PathLike)) and os.fspath(wanted).endswith(".toml"):
        return _from_file(Path(wanted))
    raise OptionError(
        f"mask_map = {wanted!r}; expected a MaskMap, a mapping of bit number to plane, the name of "
        f"a .toml file, or one of {', '.join(_tables())}"
    )


def _from_file(path: Path) -> MaskMap:
    """Mask map of a TOML file: `kind`, and a list of planes for each key.

    Raises
    ------
    MissingFileError
        There is no such file.
    OptionError
        It is no such table.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return _from_table(table, str(path))
    except FileNotFoundError:
        raise MissingFileError(f"mask_map = {str(path)!r}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f'mask_map = {str(path)!r}: expected kind = "bits" or "codes" and lines such as '
            f'3 = ["SAT"]: {error}'
        ) from None


def _from_table(table: Mapping[str, Any], name: str) -> MaskMap:
    planes = {int(key): tuple(names) for key, names in table.items() if key != "kind"}
    return MaskMap(table["kind"], planes, name)


@dataclass(frozen=True)
class MappedMask:
    """A foreign mask plane and the table that explains it."""

    plane: Plane
    map: MaskMap
    _reported: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def target(self) -> MaskPlanes:
        """Dictionary handed out."""
        return self.map.target

    def read(self, pool: FilePool, rows: slice, columns: slice) -> tuple[Words, MaskPlanes]:
        """Words of a section in our planes."""
        values = self.plane.words(pool, rows, columns)
        planes = self.target
        if self.map.kind == "codes":
            return self._of_codes(values, planes), planes
        return self._of_bits(values, planes)

    def _of_codes(self, values: Words, planes: MaskPlanes) -> Words:
        table = np.full(_CODES + 1, planes.bitmask("BAD"), np.int32)
        table[0] = 0
        for code, names in self.map.planes.items():
            table[code] = planes.bitmask(*names)
        inside = (values >= 0) & (values < _CODES)
        index = np.where(inside, values, _CODES)
        known = np.zeros(_CODES + 1, bool)
        known[[0, *self.map.planes]] = True
        if not known[index].all():
            strange = np.unique(values[~known[index]])[:5].tolist()
            self._report(f"codes such as {strange} are not in table {self.map.name}: BAD")
        return table[index]

    def _of_bits(self, values: Words, planes: MaskPlanes) -> tuple[Words, MaskPlanes]:
        used = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
        bits = [bit for bit in range(32) if used >> bit & 1]
        strange = [f"UNKNOWN{bit}" for bit in bits if bit not in self.map.planes]
        if strange:
            self._report(f"bits are not in table {self.map.name}: {', '.join(strange)}")
            try:
                planes = planes.with_planes(*strange)
            except MaskPlaneError as error:
                raise MaskPlaneError(f"{self.plane.where}: {error}") from None
        out = np.zeros(values.shape, np.int32)
        for bit in bits:
            names = self.map.planes.get(bit, (f"UNKNOWN{bit}",))
            if names:
                out[(values >> bit & 1) != 0] |= np.int32(planes.bitmask(*names))
        return out, planes

    def _report(self, text: str) -> None:
        if text not in self._reported:
            self._reported.add(text)
            _log.warning("%s: mask %s", self.plane.where, text)

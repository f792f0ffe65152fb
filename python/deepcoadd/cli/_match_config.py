# SPDX-License-Identifier: BSD-3-Clause
"""Settings of ``deepcoadd match-backgrounds``: the mode, its options, and how inputs are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from deepcoadd.background import (
    MATCH_MODES,
    AcceptOptions,
    ClassicMatchOptions,
    GlobalMatchOptions,
    TractMatchOptions,
)
from deepcoadd.cli._inputs import InputOptions
from deepcoadd.cli._settings import (
    as_table,
    field_docs,
    gathered,
    keys,
    updated,
)
from deepcoadd.cli._toml import to_toml
from deepcoadd.errors import OptionError

__all__ = ["MatchConfig", "MatchRunOptions", "match_config"]

_DEFAULTS = {
    "global": GlobalMatchOptions(),
    "classic": ClassicMatchOptions(),
    "tract": TractMatchOptions(),
}
_BY_FLAG = ("reference",)
"""Options that follow from --reference."""


@dataclass(frozen=True)
class MatchRunOptions:
    """What is not an option of the mode.

    Parameters
    ----------
    mode : str, optional
        global, classic or tract; by default classic where --reference is given.
    compression : str
        Of the output: none, lossless, or rice16 (quantised to 1/16 of the noise).
    max_memory : int
        Bytes for pixels in memory.
    accept : AcceptOptions, optional
        Which matches are good enough; an exposure of another one is left out. None: all.
    add_variance : bool
        Whether the variances of an exposure grow by the square of the RMS of its fit.
    input : InputOptions
        How input files are read.
    """

    mode: str | None = None
    compression: Literal["none", "lossless", "rice16"] = "none"
    max_memory: int = 2 * 2**30
    accept: AcceptOptions | None = None
    add_variance: bool = False
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in MATCH_MODES:
            raise OptionError(f"mode = {self.mode!r}: expected one of {', '.join(MATCH_MODES)}")


@dataclass(frozen=True)
class MatchConfig:
    """All settings of a run.

    Parameters
    ----------
    run : MatchRunOptions
        Input, output; its mode is known.
    options : GlobalMatchOptions, ClassicMatchOptions or TractMatchOptions
        Options of the mode.
    """

    run: MatchRunOptions
    options: GlobalMatchOptions | ClassicMatchOptions | TractMatchOptions

    @property
    def mode(self) -> str:
        """Name of the mode."""
        return str(self.run.mode)

    def to_toml(self) -> str:
        """All settings as TOML, each with a line on what it is."""
        docs = {**field_docs(type(self.options)), **field_docs(MatchRunOptions)}
        table = {**as_table(self.run), **as_table(self.options, without=_BY_FLAG)}
        return to_toml(table, comments=docs)


def match_config(
    file: Path | None = None,
    pairs: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    *,
    default: str = "global",
) -> MatchConfig:
    """Settings from a TOML file, then ``key=value`` texts, then options of the command line.

    Parameters
    ----------
    file : Path, optional
        TOML file.
    pairs : sequence of str
        Texts of -c.
    flags : mapping, optional
        Settings that have an option of their own, as nested mappings; the last word.
    default : str
        Mode where none is asked for.

    Raises
    ------
    OptionError
        A setting is unknown or has a value that is not allowed.
    """
    values = gathered(file, pairs, flags)
    names = [f.name for f in fields(MatchRunOptions)]
    run = updated(MatchRunOptions(), {k: v for k, v in values.items() if k in names})
    run = replace(run, mode=run.mode or default)
    options: Any = _DEFAULTS[str(run.mode)]
    rest = {k: v for k, v in values.items() if k not in names}
    options = updated(options, rest, without=_BY_FLAG, also=keys(MatchRunOptions))
    return MatchConfig(run, options)

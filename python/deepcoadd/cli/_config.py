# SPDX-License-Identifier: BSD-3-Clause
"""Settings of ``deepcoadd coadd``: the method, its options, and how inputs are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from deepcoadd.cli._inputs import InputOptions
from deepcoadd.cli._settings import (
    as_table,
    field_docs,
    keys,
    merged,
    overrides,
    read_toml,
    updated,
)
from deepcoadd.cli._toml import to_toml
from deepcoadd.coadd import AssembleOptions
from deepcoadd.errors import OptionError

__all__ = ["METHODS", "CoaddConfig", "Method", "coadd_config"]

_BY_METHOD = ("statistic",)
"""Options that the method fixes."""


@dataclass(frozen=True)
class Method:
    """A way to combine exposures.

    Parameters
    ----------
    options : AssembleOptions
        Its defaults.
    description : str
        One line for the help.
    """

    options: AssembleOptions
    description: str


METHODS: Mapping[str, Method] = {
    "clipped": Method(
        AssembleOptions(statistic="MEANCLIP"),
        "weighted mean after sigma clipping, pixel by pixel",
    ),
    "mean": Method(AssembleOptions(statistic="MEAN"), "weighted mean: best noise, no rejection"),
    "median": Method(AssembleOptions(statistic="MEDIAN"), "unweighted median"),
}


@dataclass(frozen=True)
class RunOptions:
    """What is not an option of the method.

    Parameters
    ----------
    method : str
        How to combine the exposures.
    compression : str
        Of the output: none, lossless, or rice16 (quantised to 1/16 of the noise).
    bright_objects : str, optional
        ds9 region file of objects to mask.
    input : InputOptions
        How input files are read.
    """

    method: str = "clipped"
    compression: Literal["none", "lossless", "rice16"] = "none"
    bright_objects: str | None = None
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OptionError(f"method = {self.method!r}: expected one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class CoaddConfig:
    """All settings of a coadd.

    Parameters
    ----------
    run : RunOptions
        Method, input, output.
    options : AssembleOptions
        Options of the method.
    """

    run: RunOptions
    options: AssembleOptions

    def table(self) -> dict[str, Any]:
        """All settings as one mapping; `coadd_config` takes it back."""
        return {**as_table(self.run), **as_table(self.options, without=_BY_METHOD)}

    def to_toml(self) -> str:
        """All settings as TOML, each with a line on what it is."""
        return to_toml(
            self.table(), comments={**field_docs(AssembleOptions), **field_docs(RunOptions)}
        )


def coadd_config(
    file: Path | None = None, pairs: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> CoaddConfig:
    """Settings from a TOML file, then ``key=value`` texts, then options of the command line.

    Parameters
    ----------
    file : Path, optional
        TOML file.
    pairs : sequence of str
        Texts of -c.
    flags : mapping, optional
        Settings that have an option of their own, as nested mappings; the last word.

    Raises
    ------
    OptionError
        A setting is unknown or has a value that is not allowed.
    """
    values = merged(read_toml(file) if file else {}, overrides(pairs))
    values = merged(values, flags or {})
    names = [f.name for f in fields(RunOptions)]
    run = updated(RunOptions(), {k: v for k, v in values.items() if k in names})
    rest = {k: v for k, v in values.items() if k not in names}
    if rest.keys() & set(_BY_METHOD):
        raise OptionError(f"{_BY_METHOD[0]} is set by the method: {', '.join(METHODS)}")
    options = updated(METHODS[run.method].options, rest, without=_BY_METHOD, also=keys(RunOptions))
    return CoaddConfig(run, options)

# SPDX-License-Identifier: BSD-3-Clause
"""Settings of ``deepcoadd coadd``: the method, its options, and how inputs are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from deepcoadd.background import AcceptOptions, GlobalMatchOptions
from deepcoadd.cli._inputs import InputOptions
from deepcoadd.cli._methods import METHODS, Method, method_for
from deepcoadd.cli._settings import (
    as_table,
    field_docs,
    gathered,
    keys,
    merged,
    updated,
)
from deepcoadd.cli._toml import to_toml
from deepcoadd.coadd import AssembleOptions, SelectOptions
from deepcoadd.errors import OptionError

__all__ = ["CoaddConfig", "RunOptions", "coadd_config"]

_BY_METHOD = ("statistic",)
"""Options that the method fixes."""

_ELSEWHERE = ("assemble",)
"""Fields of the options of artifacts that stand outside of their table."""


@dataclass(frozen=True)
class RunOptions:
    """What is not an option of the method.

    Parameters
    ----------
    method : str, optional
        How to combine the exposures; by default visitclip, or comparewarp with --matched.
    compression : str
        Of the output: none, lossless, or rice16 (quantised to 1/16 of the noise).
    bright_objects : str, optional
        ds9 region file of objects to mask.
    psf_sigma : float, optional
        Width [pixel] of the PSF that artifacts are looked for with; by default that of the inputs.
    region : sequence of float
        RA,DEC,RA,DEC,... of corners, degrees: part of the sky that selected exposures overlap.
    summary : str, optional
        Table file (FITS, ECSV, CSV) with a row for each visit, or each detector of each visit, to
        select by; by default what the headers and PSFs of the inputs tell.
    match_backgrounds : bool
        Bring the inputs to one common background first.
    match : GlobalMatchOptions
        How the backgrounds of the inputs are matched, where they are.
    accept : AcceptOptions, optional
        Which of the matches are good enough; inputs of other ones are skipped. None: all.
    select : SelectOptions
        Which of the inputs are combined.
    input : InputOptions
        How input files are read.
    """

    method: str | None = None
    compression: Literal["none", "lossless", "rice16"] = "none"
    bright_objects: str | None = None
    psf_sigma: float | None = None
    region: tuple[float, ...] = ()
    summary: str | None = None
    match_backgrounds: bool = False
    match: GlobalMatchOptions = field(default_factory=GlobalMatchOptions)
    accept: AcceptOptions | None = None
    select: SelectOptions = field(default_factory=SelectOptions)
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise OptionError(f"method = {self.method!r}: expected one of {', '.join(METHODS)}")
        if not self.match_backgrounds:
            for name, default in (("match", GlobalMatchOptions()), ("accept", None)):
                if getattr(self, name) != default:
                    raise OptionError(f"{name}: is of no use without --match-backgrounds")
        if self.psf_sigma is not None:
            if self.method is not None and METHODS[self.method].artifacts is None:
                raise OptionError(f"psf_sigma: is of no use to method {self.method}")
            if not (self.psf_sigma > 0 and math.isfinite(self.psf_sigma)):
                raise OptionError(f"psf_sigma = {self.psf_sigma}: expected pixels, above 0")


@dataclass(frozen=True)
class CoaddConfig:
    """All settings of a coadd.

    Parameters
    ----------
    run : RunOptions
        Input, output; its method is known.
    options : AssembleOptions
        Options of the method.
    artifacts : dataclass, optional
        How artifacts are found, where the method leaves them out; its ``assemble`` is `options`.
    chosen : bool
        Whether the method was asked for, by name or by settings that it alone has.
    """

    run: RunOptions
    options: AssembleOptions
    artifacts: Any = None
    chosen: bool = True

    @property
    def name(self) -> str:
        """Name of the method."""
        assert self.run.method is not None  # `coadd_config` sets it
        return self.run.method

    @property
    def method(self) -> Method:
        """The method."""
        return METHODS[self.name]

    def table(self) -> dict[str, Any]:
        """All settings as one mapping; `coadd_config` takes it back."""
        out = {**as_table(self.run), **as_table(self.options, without=_BY_METHOD)}
        how = self.method.artifacts
        if how is not None:
            out[how.section] = as_table(self.artifacts, without=_ELSEWHERE)
            for key in how.fixed:
                _taken(out[how.section], key)
        return out

    def to_toml(self) -> str:
        """All settings as TOML, each with a line on what it is."""
        docs = {**field_docs(AssembleOptions), **field_docs(RunOptions)}
        how = self.method.artifacts
        if how is not None:
            own = field_docs(type(how.options)).items()
            docs |= {f"{how.section}.{key}": text for key, text in own}
        return to_toml(self.table(), comments=docs)


def _taken(table: dict[str, Any], key: str) -> Any:
    """Value of a dotted key, taken out of a table of settings; None where there is none."""
    *path, last = key.split(".")
    inner: Any = table
    for part in path:
        inner = inner.get(part) if isinstance(inner, dict) else None
    return inner.pop(last, None) if isinstance(inner, dict) else None


def coadd_config(
    file: Path | None = None,
    pairs: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    *,
    default: str | None = None,
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
    default : str, optional
        Method where none is asked for.

    Raises
    ------
    OptionError
        A setting is unknown or has a value that is not allowed.
    """
    values = gathered(file, pairs, flags)
    names = [f.name for f in fields(RunOptions)]
    run = updated(RunOptions(), {k: v for k, v in values.items() if k in names})
    asked = [name for name, section in _sections().items() if section in values]
    chosen = run.method is not None or bool(asked) or run.psf_sigma is not None
    run = replace(run, method=run.method or next(iter(asked), None) or default or method_for(False))
    method = METHODS[str(run.method)]
    own = "" if method.artifacts is None else method.artifacts.section
    for section in _sections().values():
        if section in values and section != own:
            raise OptionError(f"{section}: method {run.method} has no such settings")
    rest = {k: v for k, v in values.items() if k not in (*names, own)}
    if rest.keys() & set(_BY_METHOD):
        raise OptionError(f"{_BY_METHOD[0]} is set by the method: {', '.join(METHODS)}")
    also = [*keys(RunOptions), *_artifact_keys(method)]
    options = updated(method.options, rest, without=_BY_METHOD, also=also)
    return CoaddConfig(run, options, _artifacts(method, options, values.get(own)), chosen)


def _sections() -> dict[str, str]:
    """Method -> table of its own settings, of those that have one."""
    return {
        name: method.artifacts.section
        for name, method in METHODS.items()
        if method.artifacts is not None
    }


def _artifact_keys(method: Method) -> list[str]:
    """Settings of a method that say how artifacts are found; tables of them by name alone."""
    how = method.artifacts
    if how is None:
        return []
    return [f"{how.section}.{key}" for key in as_table(how.options, without=_ELSEWHERE)]


def _artifacts(method: Method, options: AssembleOptions, values: Any) -> Any:
    """How a method finds artifacts, with the values given for it."""
    how = method.artifacts
    if how is None:
        return None
    if not isinstance(values, Mapping | None):
        allowed = ", ".join(_artifact_keys(method))
        raise OptionError(f"{how.section} = {str(values)!r}: expected a table with {allowed}")
    values = merged({}, values or {})
    for key in how.fixed:
        if _taken(values, key) is not None:
            raise OptionError(f"{how.section}.{key}: follows from {key.rpartition('.')[2]}")
    changed = updated(how.options, values, without=_ELSEWHERE, where=f"{how.section}.")
    return replace(changed, assemble=options)

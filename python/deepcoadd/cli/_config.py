# SPDX-License-Identifier: BSD-3-Clause
"""Settings of ``deepcoadd coadd``: the method, its options, and how inputs are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
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
from deepcoadd.coadd import SAFE_CLIP_ASSEMBLE, AssembleOptions, SafeClipOptions
from deepcoadd.errors import OptionError

__all__ = ["METHODS", "CoaddConfig", "Method", "coadd_config"]

_BY_METHOD = ("statistic",)
"""Options that the method fixes."""

_SECTION = "safe_clip"
"""Table of the settings that say how artifacts are found."""

_ELSEWHERE = ("assemble",)
"""Fields of `SafeClipOptions` that stand outside of that table."""


@dataclass(frozen=True)
class Method:
    """A way to combine exposures.

    Parameters
    ----------
    options : AssembleOptions
        Its defaults.
    description : str
        One line for the help.
    safe_clip : SafeClipOptions, optional
        How artifacts are found, where the method leaves them out.
    """

    options: AssembleOptions
    description: str
    safe_clip: SafeClipOptions | None = None


METHODS: Mapping[str, Method] = {
    "clipped": Method(
        AssembleOptions(statistic="MEANCLIP"),
        "weighted mean after sigma clipping, pixel by pixel",
    ),
    "safeclip": Method(
        SAFE_CLIP_ASSEMBLE,
        "weighted mean without the artifacts that only one or two inputs show",
        SafeClipOptions(),
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
    psf_sigma : float, optional
        Width [pixel] of the PSF that method safeclip smooths by; by default that of the inputs.
    input : InputOptions
        How input files are read.
    """

    method: str = "clipped"
    compression: Literal["none", "lossless", "rice16"] = "none"
    bright_objects: str | None = None
    psf_sigma: float | None = None
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OptionError(f"method = {self.method!r}: expected one of {', '.join(METHODS)}")
        if self.psf_sigma is not None:
            if METHODS[self.method].safe_clip is None:
                raise OptionError(f"psf_sigma: is of no use to method {self.method}")
            if not (self.psf_sigma > 0 and math.isfinite(self.psf_sigma)):
                raise OptionError(f"psf_sigma = {self.psf_sigma}: expected pixels, above 0")


@dataclass(frozen=True)
class CoaddConfig:
    """All settings of a coadd.

    Parameters
    ----------
    run : RunOptions
        Method, input, output.
    options : AssembleOptions
        Options of the method.
    safe_clip : SafeClipOptions, optional
        How artifacts are found, where the method leaves them out; ``assemble`` is `options`.
    """

    run: RunOptions
    options: AssembleOptions
    safe_clip: SafeClipOptions | None = None

    def table(self) -> dict[str, Any]:
        """All settings as one mapping; `coadd_config` takes it back."""
        out = {**as_table(self.run), **as_table(self.options, without=_BY_METHOD)}
        if self.safe_clip is not None:
            out[_SECTION] = as_table(self.safe_clip, without=_ELSEWHERE)
        return out

    def to_toml(self) -> str:
        """All settings as TOML, each with a line on what it is."""
        artifacts = {f"{_SECTION}.{key}": text for key, text in field_docs(SafeClipOptions).items()}
        docs = {**field_docs(AssembleOptions), **field_docs(RunOptions), **artifacts}
        return to_toml(self.table(), comments=docs)


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
    rest = {k: v for k, v in values.items() if k not in (*names, _SECTION)}
    if rest.keys() & set(_BY_METHOD):
        raise OptionError(f"{_BY_METHOD[0]} is set by the method: {', '.join(METHODS)}")
    method = METHODS[run.method]
    also = [*keys(RunOptions), *_artifact_keys(method)]
    options = updated(method.options, rest, without=_BY_METHOD, also=also)
    return CoaddConfig(run, options, _safe_clip(run.method, options, values.get(_SECTION)))


def _artifact_keys(method: Method) -> list[str]:
    """Settings of a method that say how artifacts are found; tables of them by name alone."""
    if method.safe_clip is None:
        return []
    return [f"{_SECTION}.{key}" for key in as_table(method.safe_clip, without=_ELSEWHERE)]


def _safe_clip(name: str, options: AssembleOptions, values: Any) -> SafeClipOptions | None:
    """How the named method finds artifacts, with the values given for it."""
    base = METHODS[name].safe_clip
    if base is None:
        if values is not None:
            raise OptionError(f"{_SECTION}: method {name} has no such settings")
        return None
    if not isinstance(values, Mapping | None):
        allowed = ", ".join(_artifact_keys(METHODS[name]))
        raise OptionError(f"{_SECTION} = {str(values)!r}: expected a table with {allowed}")
    changed = updated(base, values or {}, without=_ELSEWHERE, where=f"{_SECTION}.")
    return replace(changed, assemble=options)

# SPDX-License-Identifier: BSD-3-Clause
"""PSF-matched exposures on the command line: which of them belongs to which input."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from astropy.table import Table

from deepcoadd.cli._inputs import InputOptions, open_inputs
from deepcoadd.coadd import SkippedInput, pair_matched
from deepcoadd.errors import OptionError
from deepcoadd.io._target import parse_target
from deepcoadd.refs import WarpRef, name_of

__all__ = ["Pairs", "WithMatched", "open_matched"]

_log = logging.getLogger(__name__)

OPTION = "--matched"
NO_PARTNER = "no PSF-matched exposure belongs to it"


class WithMatched(click.Command):
    """Command whose option --matched takes all words up to the next option, as a shell's * does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its words."""
        spread: list[str] = []
        inside = False
        for n, word in enumerate(args):
            if word == "--":
                spread += args[n:]
                break
            if word == OPTION:
                inside = True
                if n + 1 == len(args) or args[n + 1].startswith("-"):
                    raise click.UsageError(f"Option '{OPTION}' needs at least one file.", ctx)
                continue
            inside = inside and not word.startswith("-")
            spread += [OPTION, word] if inside else [word]
        return super().parse_args(ctx, spread)


@dataclass(frozen=True)
class Pairs:
    """Inputs of a coadd with their PSF-matched versions.

    Parameters
    ----------
    refs : list of WarpRef
        Inputs that have one; all of them where no PSF-matched ones were given.
    matched : list of WarpRef
        That of each of them; empty where none were given.
    skipped : list of SkippedInput
        Inputs without one, and exposures that cannot be read, with reasons.
    selection : Table, optional
        Which inputs were selected, and why others were not.
    """

    refs: list[WarpRef]
    matched: list[WarpRef]
    skipped: list[SkippedInput]
    selection: Table | None = None


def open_matched(
    files: Sequence[str],
    refs: Sequence[WarpRef],
    options: InputOptions,
    *,
    output: Path,
    inputs: Sequence[str],
    all_readable: bool,
) -> Pairs:
    """Open PSF-matched exposures and pair them with the inputs.

    Parameters
    ----------
    files : sequence of str
        PSF-matched exposures, in any order.
    refs : sequence of WarpRef
        Inputs that could be opened.
    options : InputOptions
        How files are read, both kinds alike.
    output : Path
        What will be written, which must be none of them.
    inputs : sequence of str
        Names of all inputs.
    all_readable : bool
        Whether every input could be opened.

    Raises
    ------
    OptionError
        A file is input and matched exposure at once; two exposures have one identification;
        nothing identifies them, and they are not as many as the inputs, or some cannot be read.
    MissingFileError
        A file does not exist.
    """
    ours = {(parse_target(file).path.resolve(), parse_target(file).hdu) for file in inputs}
    for file in files:
        if (parse_target(file).path.resolve(), parse_target(file).hdu) in ours:
            raise OptionError(f"{OPTION}: {file} is one of the inputs, too")
    opened, unreadable = open_inputs(files, options, output=output)
    theirs: list[WarpRef] = list(opened)
    if not any("visit" in ref.data_id for ref in [*refs, *theirs]) and not (
        all_readable and not unreadable and len(refs) == len(theirs)
    ):
        raise OptionError(
            f"{OPTION}: {len(theirs)} readable exposures for {len(refs)} inputs; without a visit "
            "number in the headers they belong together by their order, one for each is needed"
        )
    found = pair_matched(refs, theirs)
    used = {id(one) for one in found if one is not None}
    for one in theirs:
        if id(one) not in used:
            _log.warning("%s: %s is not used, it belongs to no input", OPTION, name_of(one))
    pairs = Pairs([], [], list(unreadable))
    for index, (ref, partner) in enumerate(zip(refs, found, strict=True)):
        if partner is not None:
            pairs.refs.append(ref)
            pairs.matched.append(partner)
            continue
        reason = f"{NO_PARTNER} ({_identity(ref.data_id)})"
        _log.warning("skipped %s: %s", name_of(ref), reason)
        pairs.skipped.append(SkippedInput(dict(ref.data_id), name_of(ref), reason, index))
    return pairs


def _identity(data_id: Any) -> str:
    """What tells an exposure apart, without its file."""
    shown = [f"{key} {value}" for key, value in data_id.items() if key != "file"]
    return ", ".join(shown) or "it has no visit number"

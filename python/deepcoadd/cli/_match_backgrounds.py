# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd match-backgrounds``: exposures in, exposures with one background out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from deepcoadd import set_num_threads
from deepcoadd.background import MATCH_MODES
from deepcoadd.cli._match_config import MatchRunOptions, match_config
from deepcoadd.cli._match_run import MatchRun
from deepcoadd.cli._options import (
    INPUT_FLAGS,
    config_options,
    input_options,
    overwrite_option,
    resource_options,
    verbosity_options,
)
from deepcoadd.cli._settings import Text
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._terminal import Terminal

__all__ = ["command"]

_HELP = """Give exposures on one pixel grid one common background.

Levels and gradients of the sky differ from exposure to exposure; sources, galaxies and their
halos do not. The differences alone are fitted, so that no light of the sky is lost.

\b
Modes:
  global     all exposures at once, to the mean of all, as smoothly as the
             differences themselves say
  classic    one after the other to a reference, through bins of the difference
  tract      all warps of a visit at once to those of a reference visit, through
             superpixels of the tract; warps belong together by visit

Without --mode it is classic where --reference names the reference, and global otherwise. With
--mode global the reference only fixes the common background: its own is kept.

The output folder holds each exposure under its own name, with the background added, and
matches.csv, a line for each of them, in the unit of the pixels. An exposure that cannot be
matched is left out with a warning, and named at the end with the reason. Pixels where a
background is extrapolated have the mask plane UNMATCHED.

\b
Examples:
  deepcoadd match-backgrounds warp-*.fits -o matched
  deepcoadd match-backgrounds warp-*.fits -o matched --report report
  deepcoadd match-backgrounds warp-*.fits -o matched --reference warp-3.fits
  deepcoadd match-backgrounds warp-*.fits -o matched -c order=3
  deepcoadd match-backgrounds warp-*.fits -o matched --mode tract -c binning=fast
  deepcoadd match-backgrounds warp-*.fits -o matched -c accept.max_ratio=1.5
  deepcoadd match-backgrounds --dump-config > match.toml
"""


@click.command("match-backgrounds", help=_HELP)
@click.argument("files", nargs=-1, type=str, metavar="FILES...")
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Where to write."
)
@click.option("--mode", type=click.Choice(list(MATCH_MODES)), help="See above.")
@click.option(
    "--reference", metavar="FILE", help="The input whose background stays, as it is named there."
)
@click.option(
    "--report",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write a page with offsets, maps before and after, and models, too (needs matplotlib).",
)
@click.option(
    "--compression",
    type=click.Choice(["none", "lossless", "rice16"]),
    help="Of the output; rice16 rounds to 1/16 of the noise.  [default: none]",
)
@overwrite_option("files of an earlier run in the folders")
@input_options
@config_options
@resource_options(format_size(MatchRunOptions.max_memory).replace(" ", ""))
@verbosity_options
@click.pass_obj
def command(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    output: Path | None,
    reference: str | None,
    report: Path | None,
    overwrite: bool,
    **flags: Any,
) -> int:
    """Match backgrounds."""
    started = time.perf_counter()
    dump, threads = flags.pop("dump_config"), flags.pop("threads")
    file, pairs = flags.pop("config_file"), flags.pop("overrides")
    given = {
        name: Text(value) if isinstance(value, str) else value
        for name, value in flags.items()
        if value is not None
    }
    nested = {name: given.pop(name) for name in INPUT_FLAGS if name in given}
    default = "global" if reference is None else "classic"
    config = match_config(file, pairs, {**given, "input": nested}, default=default)
    if dump:
        click.echo(config.to_toml(), nl=False)
        return 0
    if not files:
        raise click.UsageError("Missing argument 'FILES...': there is nothing to match.")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if threads is not None:
        set_num_threads(threads)
    MatchRun(terminal, config, started, output, report, reference, overwrite)(files)
    return 0

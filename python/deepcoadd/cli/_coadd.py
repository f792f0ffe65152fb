# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd``: FITS files in, one coadd out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import click

from deepcoadd import set_num_threads
from deepcoadd.cli._coadd_run import PLAIN, CoaddRun
from deepcoadd.cli._config import coadd_config
from deepcoadd.cli._matched import WithMatched
from deepcoadd.cli._methods import METHODS, method_for
from deepcoadd.cli._options import (
    INPUT_FLAGS,
    config_options,
    input_options,
    overwrite_option,
    resource_options,
    verbosity_options,
    with_options,
)
from deepcoadd.cli._settings import Text
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._terminal import Terminal
from deepcoadd.coadd import MAPS, AssembleOptions, SelectKind

__all__ = ["command"]

_METHOD_LINES = "\n".join(f"  {name:<12}{method.description}" for name, method in METHODS.items())
_DEFAULTS = AssembleOptions()
_WANTED = ("output", "report", "decisions", "truth", "matched", "overwrite")

_HELP = f"""Coadd exposures that lie on one pixel grid.

FILES are FITS files: exposures of the Rubin pipelines or of this package, images with a weight or
data-quality companion, or plain images (see docs/files.md). A name may end in an HDU and a section,
as in image.fits[SCI,1][1:500,1:500]. Each input may cover any part of the coadd; one that cannot be
used is skipped with a warning, and named at the end with the reason.

\b
Methods:
{_METHOD_LINES}

Without --method it is visitclip, or comparewarp when PSF-matched versions of the exposures are
given with --matched: all words after that option, up to the next option, are such files. They
belong to the inputs by visit, whatever their order; an input without one is skipped. Where no
input has a PSF, and no method was asked for, it is clipped, with a warning; visitclip, when asked
for, then measures the widths of stars.

The output holds IMAGE, MASK, VARIANCE, NIMAGE (good inputs of each pixel), NCLIPPED (inputs that
clipping left out), the maps asked for, and a table INPUTS; with visitclip, safeclip and comparewarp
also a table ARTIFACTS of what was left out, and why. It appears complete or not at all.

\b
Examples:
  deepcoadd coadd visit-*.fits -o coadd.fits
  deepcoadd coadd visit-*.fits -o coadd.fits --decisions artifacts.csv --report report
  deepcoadd coadd visit-*.fits --matched matched-*.fits -o coadd.fits
  deepcoadd coadd visit-*.fits -o coadd.fits --match-backgrounds
  deepcoadd coadd visit-*.fits -o coadd.fits --method mean --maps depth,weight
  deepcoadd coadd visit-*.fits -o coadd.fits --select best-seeing -c select.seeing.n_visits_max=5
  deepcoadd coadd ccd*.fits -o coadd.fits --weight '{{stem}}.weight.fits' --unit adu
  deepcoadd coadd ccd*.fits -o coadd.fits --noise estimate --unit none
  deepcoadd coadd stamps.fits -o coadd.fits --epochs image,weight --unit none
  deepcoadd coadd visit-*.fits -o coadd.fits --method clipped -c sigma_clip=2.5
  deepcoadd coadd --dump-config > coadd.toml
"""


def _method_options(command: Any) -> Any:
    """Add the options that say how exposures are combined."""
    options = [
        click.option(
            "--method",
            type=click.Choice(list(METHODS)),
            help="See above.  [default: visitclip; comparewarp with --matched]",
        ),
        click.option(
            "--psf-sigma",
            metavar="PIXELS",
            help="Width of the PSF that artifacts are looked for with; safeclip and comparewarp "
            "need it when no input has a PSF.  [default: that of the inputs]",
        ),
        click.option(
            "--match-backgrounds",
            is_flag=True,
            default=None,
            help="Bring the inputs to one common background first, by their differences; see "
            "deepcoadd match-backgrounds.",
        ),
        click.option(
            "--select",
            type=click.Choice(list(get_args(SelectKind))),
            help="Combine some of the inputs only: those that overlap --region (wcs), have a good "
            "PSF (psf), or belong to the visits in the best seeing, so many (best-seeing) or a "
            "part (seeing-quantile). Limits are settings: -c select.seeing.n_visits_max=5.  "
            "[default: all]",
        ),
        click.option(
            "--region",
            metavar="RA,DEC,...",
            help="Corners of the part of the sky that selected inputs overlap, degrees.",
        ),
        click.option(
            "--summary",
            metavar="FILE",
            help="Table of visits (FITS, ECSV, CSV) to select by, with the columns of Rubin visit "
            "summaries.  [default: what the inputs tell]",
        ),
        click.option(
            "--bad-planes",
            metavar="NAMES",
            help="Mask planes whose pixels are left out, with commas between.  [default: "
            f"{','.join(_DEFAULTS.bad_planes)}]",
        ),
        click.option(
            "--unit",
            metavar="UNIT",
            help="Unit of the coadd; inputs in another one are converted or calibrated. none takes "
            f"the numbers as they are.  [default: {_DEFAULTS.unit}]",
        ),
        click.option("--maps", metavar="NAMES", help=f"Further maps to make: {', '.join(MAPS)}."),
        click.option(
            "--bright-objects", metavar="FILE.reg", help="ds9 region file of objects to mask."
        ),
        click.option(
            "--compression",
            type=click.Choice(["none", "lossless", "rice16"]),
            help="Of the output; rice16 rounds to 1/16 of the noise.  [default: none]",
        ),
        click.option(
            "--epochs",
            metavar="ROLES",
            help="A file holds several exposures; the roles of its image HDUs in turn, such as "
            "image,weight. Roles: image, mask, variance, weight, skip.",
        ),
    ]
    return with_options(command, options)


@click.command("coadd", help=_HELP, cls=WithMatched)
@click.argument("files", nargs=-1, type=str, metavar="FILES...")
@click.option(
    "--matched",
    metavar="FILES...",
    multiple=True,
    help="PSF-matched versions of the exposures, on the same grid, for comparewarp (and for the "
    "difference image of safeclip).",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The coadd to write."
)
@click.option(
    "--report",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write a quick-look page with pictures, too (needs matplotlib).",
)
@click.option(
    "--decisions",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="Write the table of artifacts as CSV, too (methods that look for artifacts).",
)
@click.option(
    "--truth",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Compare what was left out with the truth of simulated visits, as deepcoadd simulate "
    "writes it into VISITS/truth (methods that look for artifacts).",
)
@overwrite_option("the output, the table and the report")
@_method_options
@input_options
@config_options
@resource_options(format_size(_DEFAULTS.max_memory).replace(" ", ""))
@verbosity_options
@click.pass_obj
def command(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    config_file: Path | None,
    **flags: Any,
) -> int:
    """Coadd."""
    started = time.perf_counter()
    dump, threads, pairs = (flags.pop(name) for name in ("dump_config", "threads", "overrides"))
    wanted = {name: flags.pop(name) for name in _WANTED}
    settings = (config_file, pairs, _as_settings(flags))
    config = coadd_config(*settings, default=method_for(bool(wanted["matched"])))
    if dump:
        click.echo(config.to_toml(), nl=False)
        return 0
    if not files:
        words = "" if not wanted["matched"] else " (words after --matched are none of them)"
        raise click.UsageError(f"Missing argument 'FILES...': there is nothing to coadd{words}.")
    if wanted["output"] is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if threads is not None:
        set_num_threads(threads)
    plain = None if config.chosen else coadd_config(*settings, default=PLAIN)
    CoaddRun(terminal, config, plain, started, **wanted)(files)
    return 0


def _as_settings(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of those options that were given."""
    given = {
        name: Text(value) if isinstance(value, str) else value
        for name, value in flags.items()
        if value is not None
    }
    if "select" in given:
        given["select"] = {"kind": given["select"]}
    nested = {name: given.pop(name) for name in INPUT_FLAGS if name in given}
    return {**given, "input": nested}

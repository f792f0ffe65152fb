# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd info``: what a file is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import click

from deepcoadd.cli._inputs import InputOptions
from deepcoadd.cli._options import input_options, verbosity_options
from deepcoadd.cli._settings import Text, updated
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._summary import number, print_facts, print_rows
from deepcoadd.cli._terminal import Terminal
from deepcoadd.errors import DeepcoaddError
from deepcoadd.io import FileDescription, describe

__all__ = ["command"]

_HELP = """Say what FITS files are: format, box, mask planes, PSF, calibration, visit, HDUs.

A name may end in an HDU and a section, as in image.fits[SCI,1][1:500,1:500]. Pixels are read only
for --statistics.

\b
Examples:
  deepcoadd info coadd.fits
  deepcoadd info --statistics visit-*.fits
  deepcoadd info --json coadd.fits | jq .planes
"""


@click.command("info", help=_HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--statistics", is_flag=True, help="Read the pixels and measure them, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@input_options
@verbosity_options
@click.pass_obj
def command(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    statistics: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Describe files."""
    given = {name: Text(value) for name, value in flags.items() if value is not None}
    options = updated(InputOptions(), given)
    code = 0
    for file in files:
        try:
            how = options.read_options(file, len(files))
            found = describe(file, statistics=statistics, **how)
        except DeepcoaddError as error:
            if len(files) == 1:
                raise
            terminal.complain(str(error))
            code = 1
            continue
        if as_json:
            click.echo(json.dumps(_without_nan(found.to_dict()), default=str))
        else:
            _print(terminal, file, found)
    return code


def _without_nan(value: Any) -> Any:
    """The same value with null for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(terminal: Terminal, file: str, found: FileDescription) -> None:
    facts = {
        "file": f"{file} ({format_size(found.size)})",
        "format": found.format or "no exposure",
        "problem": found.problem,
        **_about_pixels(found),
        "filter": found.filter,
        "visit": ", ".join(f"{name} {_short(value)}" for name, value in found.visit.items()),
        "sky": _sky(found.sky),
        "PSF": found.psf,
        "calibration": found.calibration,
        "mask planes": ", ".join(
            f"{bit} {name}" for name, bit in sorted(found.planes.items(), key=lambda one: one[1])
        ),
        "not read": ", ".join(found.not_read),
        **_measured(found.statistics),
    }
    print_facts(terminal.stdout, {name: text for name, text in facts.items() if text})
    rows = [
        (
            str(hdu.index),
            hdu.name,
            hdu.kind,
            " x ".join(map(str, reversed(hdu.shape))),
            hdu.dtype,
            hdu.compression,
        )
        for hdu in found.hdus
    ]
    terminal.stdout.print()
    print_rows(terminal.stdout, ("HDU", "name", "kind", "size", "type", "compression"), rows)
    terminal.stdout.print()


def _about_pixels(found: FileDescription) -> dict[str, str]:
    if found.box is None:
        return {}
    height, width = found.box.shape
    return {"pixels": f"{width} x {height}, {found.box}", "unit": found.unit or "unknown"}


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _sky(sky: Mapping[str, Any]) -> str:
    if not sky:
        return ""
    return (
        f"centre {sky['center_ra']:.5f} {sky['center_dec']:+.5f} deg, "
        f"{sky['pixel_scale']:.4g} arcsec a pixel, {sky['projection']}"
    )


def _measured(statistics: Mapping[str, Any]) -> dict[str, str]:
    if not statistics:
        return {}
    masked = statistics["masked"]
    return {
        "finite pixels": f"{100 * statistics['finite']:.2f} %",
        "median, sigma": f"{number(statistics['median'])}, {number(statistics['sigma'])}",
        "median variance": number(statistics["variance"]),
        "masked pixels": ", ".join(f"{name} {count}" for name, count in masked.items()) or "none",
    }

# SPDX-License-Identifier: BSD-3-Clause
"""Options that several commands have, written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from deepcoadd.cli._sizes import parse_size
from deepcoadd.cli._terminal import Terminal

__all__ = [
    "INPUT_FLAGS",
    "config_options",
    "input_options",
    "overwrite_option",
    "resource_options",
    "verbosity_options",
    "with_options",
]

INPUT_FLAGS = ("format", "hdu", "mask", "variance", "weight", "mask_map", "noise", "epochs")
"""Names of the options that say how files are read."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _as_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    return None if value is None else parse_size(value, "--max-memory")


def _set_verbosity(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        terminal = ctx.ensure_object(Terminal)
        terminal.set_verbosity(-1 if param.name == "quiet" else int(value))


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """Add options, which the help shows in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def verbosity_options(command: Command) -> Command:
    """Add -v and -q."""
    command = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Say nothing but errors.",
    )(command)
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Say what is being done; -vv adds details, and tracebacks of errors.",
    )(command)


def config_options(command: Command) -> Command:
    """Add --config, -c and --dump-config."""
    command = click.option(
        "--dump-config",
        is_flag=True,
        help="Print all settings as TOML, as this command would use them, and do nothing else. "
        "The text can be given back with --config.",
    )(command)
    command = click.option(
        "-c",
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Change one setting; wins over --config. May be repeated. Keys of tables are dotted "
        "(TABLE.KEY=VALUE), lists have commas between, none stands for nothing; --dump-config "
        "shows all keys.",
    )(command)
    return click.option(
        "--config",
        "config_file",
        metavar="FILE.toml",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read settings from a TOML file.",
    )(command)


def resource_options(default_memory: str) -> Callable[[Command], Command]:
    """Add --threads and --max-memory."""

    def add(command: Command) -> Command:
        command = click.option(
            "--max-memory",
            metavar="SIZE",
            callback=_as_size,
            help="Budget for pixels in memory, such as 512MiB or 2GiB; the result is the same "
            f"whatever it is.  [default: {default_memory}]",
        )(command)
        return click.option(
            "--threads",
            metavar="N",
            type=click.IntRange(min=1),
            help="Threads that compute; the result is the same whatever their number.  "
            "[default: RAYON_NUM_THREADS, else all cores]",
        )(command)

    return add


def input_options(command: Command) -> Command:
    """Add the options that say how files are read."""
    companion = "{stem} stands for the input's name without .fits; [HDU] is an HDU of the input."
    options = [
        click.option("--format", help="Format of the inputs.  [default: auto]"),
        click.option(
            "--hdu", metavar="HDU", help="HDU of the image: number, NAME or NAME,VERSION."
        ),
        click.option(
            "--mask", metavar="RULE", help=f"Where the mask of each input is. {companion}"
        ),
        click.option(
            "--variance", metavar="RULE", help="Where the variance of each input is; likewise."
        ),
        click.option("--weight", metavar="RULE", help="Where the inverse variance is; likewise."),
        click.option(
            "--mask-map", metavar="NAME|FILE", help="What the values of a foreign mask mean."
        ),
        click.option(
            "--noise",
            metavar="NOISE",
            help="Noise of images without variance: estimate (from the scatter of the pixels), a "
            "sigma, or GAIN,READ_NOISE.",
        ),
    ]
    return with_options(command, options)


def overwrite_option(what: str) -> Callable[[Command], Command]:
    """Add --overwrite."""
    return click.option("--overwrite", is_flag=True, help=f"Replace {what} if there.")

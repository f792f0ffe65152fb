# SPDX-License-Identifier: BSD-3-Clause
"""The group of commands, and what becomes of errors: one clear line and an exit code."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

import click

from deepcoadd import __version__
from deepcoadd.cli._memory import keep_few_arenas
from deepcoadd.cli._terminal import Terminal
from deepcoadd.errors import (
    DeepcoaddError,
    MaskPlaneError,
    MissingFileError,
    OptionError,
    OutputExistsError,
    ShapeError,
)

__all__ = ["app", "run"]

_COMMANDS = {
    "coadd": "_coadd",
    "info": "_info",
    "match-backgrounds": "_match_backgrounds",
    "simulate": "_simulate",
    "sky-frame": "_sky_frame",
}

_WRONG_REQUEST = (MaskPlaneError, MissingFileError, OptionError, OutputExistsError, ShapeError)
"""Errors that a changed command would avoid; everything else is a failure of the run."""

_HELP = """Stack many exposures of the same sky into one deep image.

\b
Try it:
  deepcoadd simulate --preset demo -o visits
  deepcoadd info visits/visit-*.fits
  deepcoadd coadd visits/visit-*.fits -o coadd.fits --report report

Each command explains itself: deepcoadd coadd --help

Exit code: 0 done, 1 could not be done, 2 the request is wrong, 130 after Ctrl-C.
"""


class _Commands(click.Group):
    """Group whose commands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"deepcoadd.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            names = ", ".join(_COMMANDS)
            raise click.UsageError(f"no command {args[0]!r}{hint}; there are {names}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="deepcoadd")
def app() -> None:
    """All commands."""


def run(argv: Sequence[str] | None = None, *, own_process: bool = False) -> int:
    """Run a command and return its exit code; errors of the package are printed, not raised.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process.
    own_process : bool
        Whether the process is there for this run alone. Then SIGTERM unwinds the program, so that
        unfinished files are removed, and freed memory is given back to the system.
    """
    terminal = Terminal()
    if own_process:
        keep_few_arenas()
    with terminal.active(), _sigterm_unwinds(own_process):
        try:
            result = app.main(
                args=None if argv is None else list(argv),
                prog_name="deepcoadd",
                standalone_mode=False,
                obj=terminal,
            )
            return result if isinstance(result, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return error.exit_code
        except click.ClickException as error:
            terminal.complain(_usage(error))
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            terminal.complain("interrupted")
            return 130
        except BrokenPipeError:
            # Whoever read our output has enough; the interpreter must not try to flush the rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (DeepcoaddError, OSError, MemoryError) as error:
            if terminal.verbosity >= 2:
                traceback.print_exc()
            terminal.complain(_message(error))
            return 2 if isinstance(error, _WRONG_REQUEST) else 1


def _usage(error: click.ClickException) -> str:
    """One line on what is wrong with the words of a command, and where they are explained."""
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return text if context is None else f"{text}; {context.command_path} --help explains"


def _message(error: Exception) -> str:
    """One line on what went wrong."""
    if isinstance(error, MemoryError):
        return "out of memory: a smaller --max-memory needs less"
    if isinstance(error, OSError) and not isinstance(error, DeepcoaddError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    parts = [str(error), *getattr(error, "__notes__", ())]
    if isinstance(error, OutputExistsError):
        parts.append("--overwrite replaces it")
    return "; ".join(parts)


@contextmanager
def _sigterm_unwinds(wanted: bool) -> Iterator[None]:
    """Turn SIGTERM into an exception for the time of a run."""
    if not wanted:
        yield
        return

    def leave(signum: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

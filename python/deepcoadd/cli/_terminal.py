# SPDX-License-Identifier: BSD-3-Clause
"""What all commands share while they run: where messages go, how many of them, progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["ProgressCallback", "Terminal"]

ProgressCallback = Callable[[int, int, str], None]
"""Called with units done, units in all, and what is being done."""

_log = logging.getLogger("deepcoadd")

_UNFOLDED = 10_000


class Terminal:
    """Messages of one run of the command line.

    Results go to stdout; warnings, errors and progress to stderr, so that a pipe carries results
    only.
    """

    def __init__(self) -> None:
        self.verbosity = 0
        # Folding is for eyes; lines that a program reads stay whole.
        width = None if sys.stdout.isatty() else _UNFOLDED
        self.stdout = Console(highlight=False, width=width)
        self.stderr = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def quiet(self) -> bool:
        """Whether only errors are wanted."""
        return self.verbosity < 0

    def set_verbosity(self, level: int) -> None:
        """-1 errors only, 0 warnings, 1 what is being done, 2 details and tracebacks."""
        self.verbosity = level
        levels = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
        _log.setLevel(levels.get(level, logging.DEBUG))
        # Remarks of astropy on odd header cards are noise unless somebody looks for details.
        logging.getLogger("py.warnings").setLevel(logging.WARNING if level > 0 else logging.ERROR)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Send log records and warnings to stderr for the time of the block."""
        loggers = [_log, logging.getLogger("py.warnings")]
        before = [(logger.level, logger.propagate) for logger in loggers]
        handler = _Handler(self.stderr)
        self.set_verbosity(0)
        for logger in loggers:
            logger.addHandler(handler)
            logger.propagate = False
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(level)
                logger.propagate = propagate

    def complain(self, message: str) -> None:
        """Print one line on stderr, whatever the verbosity."""
        self.stderr.print(Text(f"deepcoadd: {_one_line(message)}"))

    @contextmanager
    def progress(self) -> Iterator[ProgressCallback]:
        """Yield a callback that shows a bar with the time left, or logs lines where none fits."""
        if self.quiet or not sys.stderr.isatty():
            yield _LogProgress()
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.stderr, transient=True) as bars:
            yield _BarProgress(bars)


def _one_line(text: str) -> str:
    """Text without line breaks, which messages of other packages may have."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


class _Handler(logging.Handler):
    """Print records above a running progress bar, not through it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {_one_line(text)}"
        self.console.print(Text(text))


class _BarProgress:
    """One bar for each thing that is being done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, done: int, total: int, label: str) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._tasks[label], completed=done, total=total)


class _LogProgress:
    """A log line each time a twentieth more of the work is done."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def __call__(self, done: int, total: int, label: str) -> None:
        start, last = self._seen.get(label, (time.monotonic(), -1))
        step = 20 * done // total if total else 20
        if step > last:
            _log.info("%s: %d of %d, %.1f s", label, done, total, time.monotonic() - start)
        self._seen[label] = (start, max(step, last))

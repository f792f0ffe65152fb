# SPDX-License-Identifier: BSD-3-Clause
"""What a command says at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["number", "print_facts", "print_rows"]


def number(value: float) -> str:
    """Number with four significant digits."""
    return f"{value:.4g}"


def print_facts(console: Console, facts: Mapping[str, str], title: str = "") -> None:
    """Print names and values in two columns."""
    table = Table(show_header=False, box=None, pad_edge=False, title=title or None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), Text(value))
    _show(console, table)


def print_rows(
    console: Console, head: Sequence[str], rows: Iterable[Sequence[str]], title: str = ""
) -> None:
    """Print a table with a heading; long cells are folded, never cut."""
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    _show(console, table)


def _show(console: Console, table: Table) -> None:
    """Print a table without the blanks that fill its last column."""
    with console.capture() as captured:
        console.print(table)
    text = captured.get()
    console.file.write("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    console.file.flush()

# SPDX-License-Identifier: BSD-3-Clause
"""All benches of this folder in one run with one yardstick, as a table for the docs."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
from pathlib import Path

from _yardstick import Row, yardstick

import deepcoadd

HERE = Path(__file__).resolve().parent
START = "<!-- speed table: written by `make bench` -->\n"
END = "<!-- end of speed table -->\n"
HEADLINES = ("stack MEANCLIP 3 sigma/3 passes, 30", "stack MEAN,", "stack MEDIAN", "statistics")


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(rows: list[Row]) -> str:
    """Rows as Markdown; a bar that is missed is marked."""
    lines = [
        "| operation | bar | one thread | two threads | speed-up |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        bar = "" if row.bar is None else f"{row.bar:.3g}"
        missed = " (missed)" if row.bar is not None and row.one_thread > row.bar else ""
        lines.append(
            f"| {row.operation} | {bar} | {row.one_thread:.3f}{missed} | {row.two_threads:.3f} "
            f"| {row.speed_up:.2f} |"
        )
    return "\n".join(lines) + "\n"


def conditions(y: float) -> str:
    """What was measured, on what, when."""
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"Measured {datetime.date.today():%Y-%m-%d} with deepcoadd {deepcoadd.__version__} on "
        f"{processor()} ({os.cpu_count()} cores{load}). Times are in units of "
        f"Y = {1000 * y:.0f} ms, the time of `np.median(cube, axis=0)` for a float32 cube of "
        "30 x 1024 x 1024 on one core in the same run.\n"
    )


def main() -> None:
    """Measure, print, and write the tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page of all rows")
    parser.add_argument("--readme", metavar="FILE", type=Path, help="write the headline rows into")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    given = parser.parse_args()
    repeats = 2 if given.quick else 7
    y = yardstick(repeats)
    rows: list[Row] = []
    for path in sorted(HERE.glob("bench_*.py")):
        rows += importlib.import_module(path.stem).rows(y, repeats)
    text = conditions(y)
    print(text + "\n" + table(rows))
    if given.write:
        given.write.write_text(
            "# Speed\n\n" + text + "\n`make bench` measures all this again and writes this page.\n"
            "Times on one thread are those of the processor, the others those of the wall. A bar\n"
            "is the time on one thread that the operation is meant to stay below; why some\n"
            "are missed: `docs/bars.md`.\n\n" + table(rows)
        )
    if given.readme:
        page = given.readme.read_text()
        before, _, rest = page.partition(START)
        _, _, after = rest.partition(END)
        short = [row for row in rows if row.operation.startswith(HEADLINES) and row.bar]
        block = (
            text
            + "\n"
            + table(short)
            + "\nAll rows: `docs/performance.md`; why some bars are missed: `docs/bars.md`.\n"
        )
        given.readme.write_text(before + START + block + END + after)


if __name__ == "__main__":
    main()

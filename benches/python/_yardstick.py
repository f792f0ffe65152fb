# SPDX-License-Identifier: BSD-3-Clause
"""The yardstick of all bars, and the rows of a table of ratios to it.

Y is the time of ``np.median(cube, axis=0)`` for a float32 cube of 30 x 1024 x 1024, on one core.
Times are of the processor, not of the wall, where one thread is measured, so that other work on the
machine disturbs as little as possible.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

import deepcoadd


@dataclass(frozen=True)
class Row:
    """One operation: its bar and its times in Y, with one thread and with two."""

    operation: str
    bar: float | None
    one_thread: float
    two_threads: float
    speed_up: float


def best_time(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Shortest of some times, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def cube(n: int = 30, side: int = 1024, seed: int = 0) -> np.ndarray:
    """The cube of the yardstick."""
    return np.random.default_rng(seed).normal(100, 5, (n, side, side)).astype("f4")


def yardstick(repeats: int = 3) -> float:
    """Seconds of the yardstick."""
    pixels = cube()
    return best_time(lambda: np.median(pixels, axis=0), repeats, time.process_time)


def measure(
    operation: str, bar: float | None, y: float, call: Callable[[], object], repeats: int = 5
) -> Row:
    """Time one operation on one thread and on two."""
    deepcoadd.set_num_threads(1)
    one = best_time(call, repeats, time.process_time)
    wall_one = best_time(call, repeats, time.perf_counter)
    deepcoadd.set_num_threads(2)
    wall_two = best_time(call, repeats, time.perf_counter)
    deepcoadd.set_num_threads(0)
    return Row(operation, bar, one / y, wall_two / y, wall_one / wall_two)


def report(rows: list[Row], y: float, json_file: str | None) -> None:
    """Print the table, and write it for machines."""
    print(f"Y = {1000 * y:.0f} ms on {platform.processor() or platform.machine()}")
    print("| operation | bar | one thread | two threads | speed-up |")
    print("|---|---|---|---|---|")
    for row in rows:
        bar = "" if row.bar is None else f"{row.bar:.3g}"
        print(
            f"| {row.operation} | {bar} | {row.one_thread:.3f} | {row.two_threads:.3f} "
            f"| {row.speed_up:.2f} |"
        )
    if json_file is not None:
        with open(json_file, "w", encoding="utf-8") as file:
            json.dump({"y_seconds": y, "rows": [asdict(row) for row in rows]}, file, indent=1)


def bench(rows: Callable[[float, int], list[Row]], description: str | None) -> None:
    """Command line of one bench: `rows` takes Y and the number of repeats."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="also write the rows to this file")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    given = parser.parse_args()
    repeats = 2 if given.quick else 7
    y = yardstick(repeats)
    report(rows(y, repeats), y, given.json)

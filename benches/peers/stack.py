# SPDX-License-Identifier: BSD-3-Clause
"""A clipped mean of the same 30 images by several packages, side by side.

Images only, no masks and no variances, 3 sigma and 3 rounds where a package lets them be chosen; a
package that is not installed is named and left out (``pip install ccdproc``). Times are of the
processor, on one thread, in units of Y (see benches/python/_yardstick.py), as in all tables.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from _yardstick import best_time, cube, yardstick
from run import conditions

import deepcoadd
from deepcoadd.statistics import StackPlanes, StatsOptions, stack_planes

START = "<!-- peers: written by `make bench` -->\n"
END = "<!-- end of peers -->\n"
Contest = tuple[str, str, Callable[[], object]]


def ours(pixels: np.ndarray) -> Contest:
    """The stack of this package."""
    out = StackPlanes(image=np.empty(pixels.shape[1:], np.float32))
    images = list(pixels)

    def run() -> None:
        stack_planes(images, None, None, "MEANCLIP", StatsOptions(), out=out)

    return "deepcoadd", "stack_planes MEANCLIP", run


def by_astropy(pixels: np.ndarray) -> Contest:
    """Astropy's statistics along the first axis."""
    from astropy.stats import sigma_clipped_stats

    call = "sigma_clipped_stats(axis=0)"
    return "astropy", call, lambda: sigma_clipped_stats(pixels, axis=0, sigma=3, maxiters=3)


def by_ccdproc(pixels: np.ndarray) -> Contest:
    """The combiner of ccdproc: one round of clipping, then the average."""
    import ccdproc
    from astropy.nddata import CCDData

    frames = [CCDData(image, unit="adu") for image in pixels]

    def run() -> None:
        combiner = ccdproc.Combiner(frames, dtype="f4")
        combiner.sigma_clipping(low_thresh=3, high_thresh=3, func=np.ma.median)
        combiner.average_combine()

    return "ccdproc", "Combiner.sigma_clipping + average_combine", run


def contests(pixels: np.ndarray) -> list[Contest]:
    """The packages that are installed."""
    found = []
    for contest in (ours, by_astropy, by_ccdproc):
        try:
            found.append(contest(pixels))
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)
    return found


def release(package: str) -> str:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def table(repeats: int) -> str:
    """Measure, and make the table."""
    pixels = cube()
    deepcoadd.set_num_threads(1)
    y = yardstick(repeats)
    rows = [
        (package, call, best_time(run, repeats, time.process_time) / y)
        for package, call, run in contests(pixels)
    ]
    deepcoadd.set_num_threads(0)
    first = rows[0][2]
    lines = ["| package | call | time in Y | times ours |", "|---|---|---|---|"]
    lines += [
        f"| {package} {release(package)} | `{call}` | {took:.3f} | {took / first:.1f} |"
        for package, call, took in rows
    ]
    return conditions(y) + "\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, or write it between the markers of a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="PAGE", type=Path, help="page with the two markers")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    given = parser.parse_args()
    text = table(1 if given.quick else 3)
    print(text)
    if given.write:
        page = given.write.read_text()
        before, start, rest = page.partition(START)
        _, end, after = rest.partition(END)
        if not start or not end:
            raise SystemExit(f"{given.write}: the markers {START.strip()} ... are not there")
        given.write.write_text(before + START + text + END + after)


if __name__ == "__main__":
    main()

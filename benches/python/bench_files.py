# SPDX-License-Identifier: BSD-3-Clause
"""assemble() of files that do not fit into the budget, against what it must do at least.

That is: reading the bytes of all files once, and the bare stack kernel on all pixels. Unlike in the
other benches the numbers are not in units of the yardstick but in units of these two together, by
the wall, in the same run. Files are of noise, in a folder of their own that is removed again; four
are different, the others further names of them.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from _yardstick import Row, bench, best_time

import deepcoadd
from deepcoadd import Exposure, MaskedImage, io
from deepcoadd.coadd import AssembleOptions, CoaddPlan, assemble, prepare
from deepcoadd.statistics import StackPlanes, stack_planes

N, SIDE, N_DISTINCT = 16, 2048, 4
BUDGET = 192 * 2**20
BAR = 1.5


def make_files(folder: Path, n: int, side: int) -> list[Path]:
    """Files with an image, a mask of two bad pixels in a hundred, and a variance."""
    rng = np.random.default_rng(2)
    paths = [folder / f"visit-{k:02d}.fits" for k in range(n)]
    for path in paths[:N_DISTINCT]:
        image = rng.normal(100, 5, (side, side)).astype("f4")
        mask = (rng.random(image.shape, dtype="f4") < 0.02).astype("i4")
        variance = rng.uniform(20, 30, image.shape).astype("f4")
        io.write(path, Exposure(MaskedImage.from_arrays(image, mask, variance)))
    for k, path in enumerate(paths[N_DISTINCT:]):
        os.link(paths[k % N_DISTINCT], path)
    return paths


def read_all(paths: list[Path]) -> None:
    """Read every pixel of every file, one file after the other."""
    for path in paths:
        io.read(path)


def kernel_time(plan: CoaddPlan, n_rows: int) -> float:
    """Seconds of the stack kernel on all pixels, from those of some rows held in memory."""
    box = plan.box
    rows = next(box.tiles((n_rows, box.x.size)))
    pixels = [one.read(rows) for one in plan.inputs]
    out = StackPlanes.allocate(rows.shape)

    def call() -> object:
        return stack_planes(
            [one.image.array for one in pixels],
            [one.mask.array for one in pixels],
            [one.variance.array for one in pixels],
            plan.options.statistic,
            plan.rules.stats_options(plan.options, plan.rules.thresholds),
            plan.weights,
            clipped_bits=plan.rules.planes.bitmask("CLIPPED"),
            mask_map=plan.rules.mask_map,
            out=out,
        )

    return best_time(call, 3, time.perf_counter) * box.area / rows.area


def ratio(paths: list[Path], options: AssembleOptions, repeats: int) -> float:
    """Time of a coadd of files, in units of reading them and of the kernel."""
    least = best_time(lambda: read_all(paths), repeats, time.perf_counter)
    least += kernel_time(prepare(io.open_warps(paths), options=options), 128)

    def whole() -> object:
        return assemble(io.open_warps(paths), options=options)

    return best_time(whole, repeats, time.perf_counter) / least


def rows(y: float, repeats: int) -> list[Row]:
    """Coadds of files on one thread and on two."""
    result = []
    with tempfile.TemporaryDirectory(prefix="deepcoadd-bench-") as folder:
        paths = make_files(Path(folder), N, SIDE)
        for statistic in ("MEAN", "MEANCLIP"):
            options = AssembleOptions(statistic=statistic, unit=None, max_memory=BUDGET)
            found = []
            for threads in (1, 2):
                deepcoadd.set_num_threads(threads)
                found.append(ratio(paths, options, min(repeats, 3)))
            deepcoadd.set_num_threads(0)
            name = f"coadd {statistic} of {N} files {SIDE}^2, in units of reading and kernel"
            result.append(Row(name, BAR, *found, found[0] / found[1]))
    return result


if __name__ == "__main__":
    bench(rows, __doc__)

# SPDX-License-Identifier: BSD-3-Clause
"""assemble() of 30 exposures of 1024 x 1024 in memory, against the bare kernel and Y.

Each row gives seconds and the ratio to Y, the median of a cube of the same size by numpy, measured
in this run. "planned" leaves out the weights: what is left beside the kernel is the price of the
Python layer (bars: docs/performance.md).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np

import deepcoadd
from deepcoadd import Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import AssembleOptions, CoaddPlan, assemble, prepare
from deepcoadd.statistics import StackPlanes, stack_planes

N, SIDE = 30, 1024


def best_of(n: int, call: Callable[[], Any]) -> float:
    """Shortest time of several calls, in seconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def warps() -> list[Exposure]:
    rng = np.random.default_rng(0)
    shape = (SIDE, SIDE)
    made = []
    for number in range(N):
        image = rng.normal(100, 5, shape)
        mask = np.zeros(shape, np.int32)
        mask[rng.random(shape) < 0.01] = 1
        pixels = MaskedImage.from_arrays(image, mask, rng.uniform(20, 30, shape))
        made.append(Exposure(pixels, unit=u.nJy, visit_info=VisitInfo(id=number + 1)))
    return made


def bare_kernel(plan: CoaddPlan, inputs: list[Exposure], out: StackPlanes) -> None:
    """One call of the stack kernel, as for a tile that is the whole coadd."""
    stack_planes(
        [one.image.array for one in inputs],
        [one.mask.array for one in inputs],
        [one.variance.array for one in inputs],
        plan.options.statistic,
        plan.rules.stats_options(plan.options, plan.rules.thresholds),
        plan.weights,
        clipped_bits=plan.rules.planes.bitmask("CLIPPED"),
        mask_map=plan.rules.mask_map,
        out=out,
    )


def measure(threads: int) -> dict[str, float]:
    """Seconds of each row."""
    inputs = warps()
    out = StackPlanes.allocate((SIDE, SIDE))
    deepcoadd.set_num_threads(threads)
    rows = {}
    for statistic in ("MEAN", "MEANCLIP", "MEDIAN"):
        options = AssembleOptions(statistic=statistic)
        plan = prepare(inputs, options=options)
        rows[f"{statistic} kernel"] = best_of(3, lambda p=plan: bare_kernel(p, inputs, out))
        rows[f"{statistic} planned"] = best_of(3, lambda p=plan: assemble(p))
        rows[f"{statistic} assemble"] = best_of(3, lambda o=options: assemble(inputs, options=o))
    return rows


def yardstick() -> float:
    """Y: the median of the cube by numpy, in seconds."""
    cube = np.random.default_rng(0).normal(100, 5, (N, SIDE, SIDE)).astype(np.float32)
    return best_of(3, lambda: np.median(cube, axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    y = yardstick()
    rows = [
        {"row": f"coadd {name}, {N} x {SIDE}^2", "threads": n, "seconds": s, "ratio": s / y}
        for n in arguments.threads
        for name, s in measure(n).items()
    ]
    if arguments.json:
        print(json.dumps({"yardstick": y, "rows": rows}, indent=1))
        return
    print(f"Y = {1000 * y:.0f} ms")
    for row in rows:
        print(f"{row['row']:36} {row['threads']} thread(s)  {row['ratio']:.3f} Y")


if __name__ == "__main__":
    main()

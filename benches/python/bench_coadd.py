# SPDX-License-Identifier: BSD-3-Clause
"""assemble() of exposures in memory, against the bare kernel, in units of the yardstick.

"planned" leaves out the weights (one clipped mean of the variance plane an input): what it takes
beside the kernel is the price of the Python layer.
"""

from __future__ import annotations

import astropy.units as u
import numpy as np
from _yardstick import Row, bench, cube, measure

from deepcoadd import Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import AssembleOptions, CoaddPlan, assemble, prepare
from deepcoadd.statistics import StackPlanes, stack_planes


def warps(n: int, side: int) -> list[Exposure]:
    """Exposures with a mask and a variance plane, two pixels in a hundred bad."""
    rng = np.random.default_rng(1)
    made = []
    for number, image in enumerate(cube(n, side)):
        mask = (rng.random(image.shape, dtype="f4") < 0.02).astype("i4")
        variance = rng.uniform(20, 30, image.shape)
        pixels = MaskedImage.from_arrays(image, mask, variance)
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


def rows(y: float, repeats: int) -> list[Row]:
    """Kernel alone, coadd with known weights, whole coadd."""
    n, side = 30, 1024
    inputs = warps(n, side)
    out = StackPlanes.allocate((side, side))
    result = []
    for statistic in ("MEAN", "MEANCLIP", "MEDIAN"):
        how = AssembleOptions(statistic=statistic)
        plan = prepare(inputs, options=how)
        cases = [
            ("kernel", lambda p=plan: bare_kernel(p, inputs, out)),
            ("planned", lambda p=plan: assemble(p)),
            ("assemble", lambda o=how: assemble(inputs, options=o)),
        ]
        result += [
            measure(f"coadd {statistic} {name}, {n} x {side}^2 in memory", None, y, call, repeats)
            for name, call in cases
        ]
    return result


if __name__ == "__main__":
    bench(rows, __doc__)

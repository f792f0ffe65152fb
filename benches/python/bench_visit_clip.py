# SPDX-License-Identifier: BSD-3-Clause
"""The artifact rejection by the coadd of the others, in units of the yardstick."""

from __future__ import annotations

from _yardstick import Row, bench, measure

from deepcoadd import MaskedImage
from deepcoadd.coadd import visit_clip
from deepcoadd.testing.simulate import SceneOptions, simulate_visits


def warps(n: int, side: int) -> list[MaskedImage]:
    """Visits of one scene with stars, galaxies, gaps and artifacts."""
    scene = SceneOptions(n_visits=n, shape=(side, side), seed=1)
    return [visit.warp for visit in simulate_visits(scene)]


def rows(y: float, repeats: int) -> list[Row]:
    """The whole, of warps in memory."""
    n, side = 10, 1024
    inputs = warps(n, side)
    weights = [1.0] * n

    def whole() -> object:
        return visit_clip(inputs, weights=weights, sigma=2.0)

    return [measure(f"visit_clip whole, {n} warps {side}^2 in memory", 1.5, y, whole, repeats)]


if __name__ == "__main__":
    bench(rows, __doc__)

# SPDX-License-Identifier: BSD-3-Clause
"""Background matching in units of the yardstick."""

from __future__ import annotations

import numpy as np
from _yardstick import Row, bench, measure

from deepcoadd import MaskedImage
from deepcoadd.background import ClassicMatchOptions, match_backgrounds, match_to_reference


def exposures(n: int, side: int, seed: int = 3) -> list[MaskedImage]:
    """Noise on planes of other levels, one pixel in fifty masked."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    made = []
    for _ in range(n):
        sky = rng.uniform(80, 300) + rng.uniform(-9, 9) * y + rng.uniform(-9, 9) * x
        mask = (rng.random((side, side)) < 0.02).astype(np.int32)
        made.append(MaskedImage.from_arrays(rng.normal(sky, np.sqrt(sky)), mask, sky))
    return made


def rows(y: float, repeats: int) -> list[Row]:
    """Matching of a pair and of several exposures; none has a bar."""
    pair, several = exposures(2, 2048), exposures(8, 1024)
    default, mean = ClassicMatchOptions(), ClassicMatchOptions(statistic="MEAN")
    cases = [
        ("match two backgrounds 2048^2, bins MEANCLIP", lambda: match_to_reference(*pair, default)),
        ("match two backgrounds 2048^2, bins MEAN", lambda: match_to_reference(*pair, mean)),
        ("match 8 backgrounds 1024^2 at once", lambda: match_backgrounds(several)),
    ]
    return [measure(name, None, y, call, min(repeats, 3)) for name, call in cases]


if __name__ == "__main__":
    bench(rows, __doc__)

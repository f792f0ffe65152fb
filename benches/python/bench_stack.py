# SPDX-License-Identifier: BSD-3-Clause
"""Stacks and statistics of masked images in units of the yardstick."""

from __future__ import annotations

import numpy as np
from _yardstick import Row, bench, cube, measure

from deepcoadd.statistics import StackPlanes, StatsOptions, stack_planes, statistics

BAD = 1
CLIP = StatsOptions(bad_bits=BAD, error_from_input_variance=True)


class Stack:
    """A stack of masked images, two samples in a hundred masked."""

    def __init__(self, n: int, side: int) -> None:
        rng = np.random.default_rng(1)
        pixels = cube(n, side)
        self.images = list(pixels)
        self.masks = list((rng.random(pixels.shape, dtype="f4") < 0.02).astype("i4") * BAD)
        self.variances = list(rng.uniform(20, 30, pixels.shape).astype("f4"))
        self.weights = rng.uniform(0.5, 1.5, n)
        self.out = StackPlanes.allocate((side, side))

    def run(self, statistic: str, weighted: bool) -> None:
        weights = self.weights if weighted else None
        planes = (self.images, self.masks, self.variances)
        stack_planes(*planes, statistic, CLIP, weights, out=self.out)


def rows(y: float, repeats: int) -> list[Row]:
    """The rows of the table of bars that are stacks or statistics."""
    thirty = Stack(30, 1024)
    clip = "stack MEANCLIP 3 sigma/3 passes, 30 x 1024^2 masked images, "
    cases = [
        (clip + "mask and variance, per-image weights", 0.20, "MEANCLIP", True),
        (clip + "no weights", 0.18, "MEANCLIP", False),
        ("stack MEAN, same input", 0.06, "MEAN", True),
        ("stack MEDIAN, same input", 0.15, "MEDIAN", False),
    ]
    result = [
        measure(name, bar, y, lambda s=statistic, w=weighted: thirty.run(s, w), repeats)
        for name, bar, statistic, weighted in cases
    ]
    rng = np.random.default_rng(2)
    image = rng.normal(100, 5, (4096, 4096)).astype("f4")
    mask = (rng.random(image.shape, dtype="f4") < 0.02).astype("i4") * BAD
    name = "statistics MEANCLIP of one 4096^2 masked image"
    flags = StatsOptions(bad_bits=BAD)

    def clipped_mean() -> None:
        statistics(image, mask, properties="MEANCLIP", options=flags)

    result.append(measure(name, 0.10, y, clipped_mean, repeats))
    return result + scaling(y, repeats)


def scaling(y: float, repeats: int) -> list[Row]:
    """Equal numbers of samples in more and more images."""
    result = []
    for n in (8, 30, 100, 200):
        part = Stack(n, round((2**23 / n) ** 0.5))
        per_y = y * part.out.image.size * n / (30 * 1024**2)
        for statistic in ("MEAN", "MEANCLIP"):
            name = f"stack {statistic}, {n} images, per sample"
            result.append(
                measure(name, None, per_y, lambda p=part, s=statistic: p.run(s, True), repeats)
            )
    return result


if __name__ == "__main__":
    bench(rows, __doc__)

# SPDX-License-Identifier: BSD-3-Clause
"""Smoothing of a masked image, detection and scaling of variances, in units of the yardstick.

The yardstick Y is the median along the first axis of a (30, 1024, 1024) float32 cube by numpy, best
of three, in the same run; everything runs on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import deepcoadd
from deepcoadd import MaskedImage
from deepcoadd.convolve import smooth
from deepcoadd.detection import detect
from deepcoadd.scale_variance import scale_factors

BARS = {"smooth 2048^2, 21 x 21": 0.06}


def best(work: Callable[[], Any], n: int = 3) -> float:
    """Shortest of `n` runs, in seconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def scene(side: int, seed: int = 2) -> MaskedImage:
    """Noise, one pixel in fifty masked, one source in 4000 pixels."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(side, side)).astype("f4")
    image[rng.random(image.shape) < 1 / 4000] += 200
    mask = (rng.random(image.shape) < 0.02).astype(np.int32)
    return MaskedImage.from_arrays(image, mask, np.ones((side, side), "f4"))


def main() -> None:
    deepcoadd.set_num_threads(1)
    rng = np.random.default_rng(0)
    cube = rng.normal(100, 5, (30, 1024, 1024)).astype("f4")
    yardstick = best(lambda: np.median(cube, axis=0))
    print(f"Y = {yardstick:.3f} s")
    large, small = scene(2048), scene(1024)
    rows = {
        "smooth 2048^2, 21 x 21": lambda: smooth(large, 3.0, 21),
        "detect 1024^2, sigma 2": lambda: detect(small, sigma=2.0),
        "scale factors 1024^2": lambda: scale_factors(small),
    }
    for name, work in rows.items():
        share = best(work, 5) / yardstick
        bar = f"   bar {BARS[name]}" if name in BARS else ""
        print(f"{name:28s} {share:.4f} Y{bar}")


if __name__ == "__main__":
    main()

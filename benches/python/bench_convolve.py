# SPDX-License-Identifier: BSD-3-Clause
"""Smoothing of a masked image, detection and scaling of variances, in units of the yardstick."""

from __future__ import annotations

import numpy as np
from _yardstick import Row, bench, measure

from deepcoadd import MaskedImage
from deepcoadd.convolve import smooth
from deepcoadd.detection import detect
from deepcoadd.scale_variance import scale_factors


def scene(side: int, seed: int = 2) -> MaskedImage:
    """Noise, one pixel in fifty masked, one source in 4000 pixels."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(side, side)).astype("f4")
    image[rng.random(image.shape) < 1 / 4000] += 200
    mask = (rng.random(image.shape) < 0.02).astype(np.int32)
    return MaskedImage.from_arrays(image, mask, np.ones((side, side), "f4"))


def rows(y: float, repeats: int) -> list[Row]:
    """Separable convolution, which has a bar, and what stands on it."""
    large, small = scene(2048), scene(1024)
    name = "convolve masked image 2048^2, separable 21 x 21"
    return [
        measure(name, 0.06, y, lambda: smooth(large, 3.0, 21), repeats),
        measure("detect sources 1024^2", None, y, lambda: detect(small, sigma=2.0), repeats),
        measure(
            "scale factors of variances 1024^2", None, y, lambda: scale_factors(small), repeats
        ),
    ]


if __name__ == "__main__":
    bench(rows, __doc__)

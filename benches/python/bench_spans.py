# SPDX-License-Identifier: BSD-3-Clause
"""Times of pixel sets and footprints on a 4096 x 4096 image with 5000 blobs, one thread.

Every time is a ratio to Y, the time of ``np.median(cube, axis=0)`` of a (30, 1024, 1024) float32
cube in the same run; the bars are those of the design.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import deepcoadd
from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.spans import FootprintSet, SpanSet, Threshold

SIDE, N_BLOBS = 4096, 5000


def best(work: Callable[[], object], repeats: int) -> float:
    """Shortest time in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def yardstick() -> float:
    rng = np.random.default_rng(0)
    cube = rng.normal(100, 5, (30, 1024, 1024)).astype("f4")
    return best(lambda: np.median(cube, axis=0), 3)


def scene() -> MaskedImage:
    """White noise of rms 1 with Gaussian blobs whose 5 sigma contours have about 44,000 runs."""
    rng = np.random.default_rng(1)
    image = rng.normal(0.0, 1.0, (SIDE, SIDE)).astype("f4")
    y, x = np.mgrid[-15:16, -15:16]
    for row, column in rng.integers(16, SIDE - 16, (N_BLOBS, 2)):
        sigma, peak = rng.uniform(1.5, 3.0), rng.uniform(12.0, 60.0)
        stamp = peak * np.exp(-0.5 * (x * x + y * y) / sigma**2)
        image[row - 15 : row + 16, column - 15 : column + 16] += stamp.astype("f4")
    return MaskedImage.from_arrays(image, variance=1.0)


def rows(image: MaskedImage) -> list[tuple[str, Callable[[], object], float | None]]:
    """Name, work, bar in Y."""
    limit = Threshold(5.0)
    mask = Mask.zeros(image.image.box)
    found = FootprintSet.search(image.image, limit, plane=None)
    found.set_mask(mask, "DETECTED")
    spans = SpanSet.from_mask(mask)
    other = spans.shifted_by(y=3, x=2)
    print(f"{len(spans)} spans, {len(found)} footprints")
    noise = Threshold(5.0, "pixel_stdev")
    return [
        ("read the mask once", lambda: mask.array.max(), None),
        ("SpanSet from mask", lambda: SpanSet.from_mask(mask), 0.010),
        ("dilated, circle 3", lambda: spans.dilated(3), 0.008),
        ("dilated, circle 5", lambda: spans.dilated(5), 0.012),
        ("dilated, circle 10", lambda: spans.dilated(10), 0.02),
        ("eroded, circle 1", lambda: spans.eroded(1), None),
        ("split", spans.split, 0.005),
        ("union", lambda: spans | other, 0.004),
        ("intersect", lambda: spans & other, 0.002),
        ("difference", lambda: spans - other, None),
        ("footprints, value", lambda: FootprintSet.search(image.image, limit), 0.02),
        ("footprints, pixel_stdev", lambda: FootprintSet.search(image, noise), None),
        ("grown 5", lambda: found.grown(5), 0.03),
        ("merged, both grown 1", lambda: found.merged(found, 1, 1), None),
        ("labels", found.labels, None),
        ("common areas", lambda: found.common_areas(other), None),
        ("clipped to a quarter", lambda: spans.clipped_to(Box.from_shape((2048, 2048))), None),
        ("set_image", lambda: spans.set_image(Image(image.image.array), 0.0), None),
    ]


def main() -> None:
    deepcoadd.set_num_threads(1)
    unit = yardstick()
    print(f"Y = {1e3 * unit:.0f} ms")
    for name, work, bar in rows(scene()):
        ratio = best(work, 7) / unit
        print(f"{name:26s} {ratio:8.4f} Y   bar {'-' if bar is None else bar}")


if __name__ == "__main__":
    main()

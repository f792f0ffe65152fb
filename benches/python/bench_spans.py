# SPDX-License-Identifier: BSD-3-Clause
"""Pixel sets and footprints on a 4096 x 4096 image with 5000 blobs, in units of the yardstick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _yardstick import Row, bench, measure

from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.spans import FootprintSet, SpanSet, Threshold

SIDE, N_BLOBS = 4096, 5000


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


def cases(image: MaskedImage) -> list[tuple[str, Callable[[], object], float | None]]:
    """Name, work, bar in Y."""
    limit = Threshold(5.0)
    mask = Mask.zeros(image.image.box)
    found = FootprintSet.search(image.image, limit, plane=None)
    found.set_mask(mask, "DETECTED")
    spans = SpanSet.from_mask(mask)
    other = spans.shifted_by(y=3, x=2)
    noise = Threshold(5.0, "pixel_stdev")
    return [
        ("read a 4096^2 mask once", lambda: mask.array.max(), None),
        ("SpanSet from a 4096^2 mask with 5000 blobs", lambda: SpanSet.from_mask(mask), 0.010),
        ("SpanSet dilated, circle 3", lambda: spans.dilated(3), 0.008),
        ("SpanSet dilated, circle 5", lambda: spans.dilated(5), 0.012),
        ("SpanSet dilated, circle 10", lambda: spans.dilated(10), 0.02),
        ("SpanSet eroded, circle 1", lambda: spans.eroded(1), None),
        ("SpanSet split", spans.split, 0.005),
        ("SpanSet union", lambda: spans | other, 0.004),
        ("SpanSet intersect", lambda: spans & other, 0.002),
        ("SpanSet difference", lambda: spans - other, None),
        (
            "FootprintSet threshold 4096^2, value",
            lambda: FootprintSet.search(image.image, limit),
            0.02,
        ),
        (
            "FootprintSet threshold 4096^2, pixel_stdev",
            lambda: FootprintSet.search(image, noise),
            None,
        ),
        ("FootprintSet grown by 5", lambda: found.grown(5), 0.03),
        ("FootprintSet merged, both grown by 1", lambda: found.merged(found, 1, 1), None),
        ("FootprintSet labels", found.labels, None),
        ("FootprintSet common areas", lambda: found.common_areas(other), None),
        (
            "SpanSet clipped to a quarter",
            lambda: spans.clipped_to(Box.from_shape((2048, 2048))),
            None,
        ),
        ("SpanSet set_image", lambda: spans.set_image(Image(image.image.array), 0.0), None),
    ]


def rows(y: float, repeats: int) -> list[Row]:
    """Every operation on pixel sets that has a bar, and some that have none."""
    return [measure(name, bar, y, work, repeats) for name, work, bar in cases(scene())]


if __name__ == "__main__":
    bench(rows, __doc__)

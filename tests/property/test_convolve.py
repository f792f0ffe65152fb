# SPDX-License-Identifier: BSD-3-Clause
"""Convolution of arbitrary images."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import deepcoadd
from deepcoadd.convolve import convolve_separable
from deepcoadd.image import MaskedImage
from deepcoadd.testing.strategies import masked_images

taps = st.lists(st.integers(-16, 16).map(lambda i: i / 8), min_size=1, max_size=5)


def inside(pixels: MaskedImage, taps_y: list[float], taps_x: list[float]) -> bool:
    return pixels.box.y.size >= len(taps_y) and pixels.box.x.size >= len(taps_x)


def direct(
    plane: np.ndarray[Any, Any], taps_y: list[float], taps_x: list[float], combine: Any, out: Any
) -> Any:
    """Sum (or OR) over the kernel, one shifted plane at a time."""
    ny, nx = (size - len(t) + 1 for size, t in zip(plane.shape, (taps_y, taps_x), strict=True))
    total = np.zeros((ny, nx), out)
    for j, ty in enumerate(taps_y):
        for i, tx in enumerate(taps_x):
            if ty != 0 and tx != 0:
                with np.errstate(invalid="ignore"):
                    total = combine(total, ty * tx, plane[j : j + ny, i : i + nx].astype(out))
    return total


@given(masked_images(), taps, taps)
def test_equals_the_sum_over_the_kernel(
    pixels: MaskedImage, taps_y: list[float], taps_x: list[float]
) -> None:
    if not inside(pixels, taps_y, taps_x):
        return
    result = convolve_separable(pixels, taps_y, taps_x)
    image = pixels.image.array

    def add(total: Any, tap: float, part: Any) -> Any:
        return total + tap * part

    with np.errstate(over="ignore"):
        want = direct(image, taps_y, taps_x, add, float)
        size = direct(np.abs(image), [abs(t) for t in taps_y], [abs(t) for t in taps_x], add, float)
    finite = np.isfinite(want)
    # One rounding to float32, and the float64 sum of at most 25 terms in another order.
    error = np.abs(result.image.array[finite] - want[finite])
    assert (error <= 6e-8 * np.abs(want[finite]) + 1e-14 * size[finite] + 1e-45).all()
    assert not np.isfinite(result.image.array[~finite]).any()
    words = direct(pixels.mask.array, taps_y, taps_x, lambda total, _, part: total | part, np.int32)
    np.testing.assert_array_equal(result.mask.array, words)


@given(masked_images(), taps, taps)
def test_threads_and_powers_of_two_change_no_bit(
    pixels: MaskedImage, taps_y: list[float], taps_x: list[float]
) -> None:
    """Doubling the input commutes with every rounding step."""
    if not inside(pixels, taps_y, taps_x):
        return
    one = convolve_separable(pixels, taps_y, taps_x)
    doubled = pixels.copy()
    doubled *= 2.0
    deepcoadd.set_num_threads(3)
    try:
        two = convolve_separable(doubled, taps_y, taps_x)
    finally:
        deepcoadd.set_num_threads(0)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(two.image.array, 2 * one.image.array)
        np.testing.assert_array_equal(two.variance.array, 4 * one.variance.array)

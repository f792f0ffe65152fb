# SPDX-License-Identifier: BSD-3-Clause
"""Exact properties of stacks of random masked images."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.image import MaskedImage
from deepcoadd.statistics import StackResult, StatsOptions, stack, statistics

NO_DATA = 256
OPTIONS = StatsOptions(bad_bits=1, no_data_bits=NO_DATA, error_from_input_variance=True)
PLANES = ("image", "variance", "mask", "n_point", "n_clipped", "weight_sum")


@st.composite
def cubes(draw: st.DrawFn, max_n: int = 12, max_side: int = 9) -> tuple[list[MaskedImage], Any]:
    """Masked images with NaN, infinities, outliers and masked samples, and their weights."""
    n = draw(st.integers(1, max_n))
    shape = draw(st.tuples(st.integers(0, max_side), st.integers(0, max_side)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = []
    for _ in range(n):
        image = rng.normal(10, 2, shape).astype(np.float32)
        image[rng.random(shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 1e4, 10.0])
        mask = rng.choice([0, 0, 0, 1, 2, 3, 8], shape)
        images.append(MaskedImage.from_arrays(image, mask, rng.uniform(1, 9, shape)))
    return images, rng.uniform(0.5, 2, n)


def assert_same(a: StackResult, b: StackResult) -> None:
    for plane in PLANES:
        np.testing.assert_array_equal(getattr(a, plane), getattr(b, plane), err_msg=plane)


@given(cubes(), st.sampled_from([0.25, 2.0, 8.0]), st.sampled_from(["MEAN", "MEDIAN", "MEANCLIP"]))
def test_stack_scales_exactly(cube: Any, k: float, statistic: str) -> None:
    """Powers of two commute with every rounding step, clipping included: equality is exact."""
    images, weights = cube
    scaled = []
    for m in images:
        other = m.copy()
        other.image.array[...] *= np.float32(k)
        other.variance.array[...] *= np.float32(k * k)
        scaled.append(other)
    a, b = stack(images, statistic, OPTIONS, weights), stack(scaled, statistic, OPTIONS, weights)
    np.testing.assert_array_equal(b.image, np.float32(k) * a.image)
    np.testing.assert_array_equal(b.variance, np.float32(k * k) * a.variance)
    np.testing.assert_array_equal(b.mask, a.mask)


@given(cubes())
def test_mean_and_clipped_mean_agree_where_nothing_is_clipped(cube: Any) -> None:
    images, weights = cube
    mean = stack(images, "MEAN", OPTIONS, weights)
    clipped = stack(images, "MEANCLIP", OPTIONS, weights)
    same = clipped.n_clipped == 0
    np.testing.assert_array_equal(clipped.image[same], mean.image[same])
    np.testing.assert_array_equal(clipped.variance[same], mean.variance[same])
    np.testing.assert_array_equal(clipped.mask[same], mean.mask[same])


@given(cubes(), st.sampled_from(["MEAN", "MEDIAN", "MEANCLIP", "STDEV", "SUM", "MAX"]))
def test_a_stack_is_the_statistics_of_each_pixel(cube: Any, statistic: str) -> None:
    images, weights = cube
    got = stack(images, statistic, OPTIONS, weights)
    samples = np.array([m.image.array for m in images])
    masks = np.array([m.mask.array for m in images])
    variances = np.array([m.variance.array for m in images])
    for at in list(np.ndindex(samples.shape[1:]))[:6]:
        one = statistics(
            samples[(slice(None), *at)].astype(float),
            masks[(slice(None), *at)],
            variances[(slice(None), *at)].astype(float),
            weights,
            properties=f"{statistic}|ERRORS",
            options=OPTIONS,
        )
        value, error = one.result()
        np.testing.assert_allclose(got.image[at], value, rtol=2e-7, atol=1e-7)
        np.testing.assert_allclose(got.variance[at], error**2, rtol=2e-7, atol=1e-7)
        assert got.n_point[at] == one.n_point
        assert got.n_clipped[at] == one.n_clipped
        assert got.mask[at] == (one.or_mask if one.n_point else NO_DATA)


@given(cubes())
def test_pixels_do_not_depend_on_their_neighbours(cube: Any) -> None:
    images, weights = cube
    whole = stack(images, "MEANCLIP", OPTIONS, weights)
    parts = [
        MaskedImage.from_arrays(
            m.image.array[1:, 2:], m.mask.array[1:, 2:], m.variance.array[1:, 2:]
        )
        for m in images
    ]
    part = stack(parts, "MEANCLIP", OPTIONS, weights)
    for plane in PLANES:
        np.testing.assert_array_equal(getattr(part, plane), getattr(whole, plane)[1:, 2:])


@given(cubes(), st.integers(0, 11))
def test_a_wholly_masked_image_changes_only_masks(cube: Any, place: int) -> None:
    images, weights = cube
    extra = images[0].copy()
    extra.mask.array[...] = 1
    place %= len(images) + 1
    more = stack(
        [*images[:place], extra, *images[place:]],
        "MEANCLIP",
        OPTIONS,
        [*weights[:place], 7.0, *weights[place:]],
    )
    assert_same(more, stack(images, "MEANCLIP", OPTIONS, weights))

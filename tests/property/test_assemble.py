# SPDX-License-Identifier: BSD-3-Clause
"""What must hold for the coadd of any warps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import deepcoadd
from deepcoadd import Box, MaskedImage
from deepcoadd.coadd import AssembleOptions, CoaddResult, assemble
from deepcoadd.errors import NoWorkError
from deepcoadd.testing import reference

STATISTICS = st.sampled_from(["MEAN", "MEANCLIP", "MEDIAN"])
PLANES = ("BAD", "SAT", "EDGE", "NO_DATA", "DETECTED", "CLIPPED", "SUSPECT")


@st.composite
def warps(draw: st.DrawFn, max_n: int = 7, max_side: int = 9) -> list[MaskedImage]:
    """Warps on one grid with boxes of their own, NaN and bad pixels of every sort."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, max_n))
    bad = draw(st.sampled_from([0.0, 0.05, 0.4]))
    inputs = []
    for _ in range(n):
        shape = (draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))
        start = (draw(st.integers(-4, 4)), draw(st.integers(-4, 4)))
        image = rng.normal(100, 10, shape)
        image[rng.random(shape) < bad] = np.nan
        image[rng.random(shape) < 0.1] *= 3
        variance = rng.uniform(1, 4, shape)
        variance[rng.random(shape) < bad / 4] = np.inf
        one = MaskedImage.from_arrays(image, None, variance, start=start)
        for plane in PLANES:
            one.mask.set(plane, rng.random(shape) < bad / 2)
        inputs.append(one)
    return inputs


def coadd_of(inputs: list[MaskedImage], weights: Any = None, **options: Any) -> CoaddResult | None:
    """The coadd, or None where no input can be used."""
    chosen = AssembleOptions(unit=None, **{"interpolate": None, **options})
    box = Box.empty()
    for one in inputs:
        box = box.hull(one.box)
    try:
        return assemble(inputs, box, weights=weights, options=chosen)
    except NoWorkError:
        return None


def padded(one: MaskedImage, box: Box) -> MaskedImage:
    """The same input with pixels without data around it."""
    wide = MaskedImage.no_data(box)
    for plane in ("image", "mask", "variance"):
        getattr(wide, plane).array[one.box.slices_within(box)] = getattr(one, plane).array
    return wide


def same_bits(a: CoaddResult | None, b: CoaddResult | None) -> None:
    assert (a is None) == (b is None)
    if a is None or b is None:
        return
    for name in ("image", "mask", "variance", "n_image", "n_clipped_image"):
        np.testing.assert_array_equal(getattr(a, name).array, getattr(b, name).array, err_msg=name)


@given(warps(), STATISTICS, st.integers(1, 5), st.sampled_from([1, 5000, 10**9]))
def test_tiles_budget_and_threads_never_show(
    inputs: list[MaskedImage], statistic: str, rows: int, budget: int
) -> None:
    whole = coadd_of(inputs, statistic=statistic)
    same_bits(coadd_of(inputs, statistic=statistic, subregion=(rows, 3), max_memory=budget), whole)
    before = deepcoadd.get_num_threads()
    deepcoadd.set_num_threads(1)
    try:
        same_bits(coadd_of(inputs, statistic=statistic), whole)
    finally:
        deepcoadd.set_num_threads(before)


@given(warps(), STATISTICS, st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_by_powers_of_two_is_exact(
    inputs: list[MaskedImage], statistic: str, k: float
) -> None:
    scaled = [one.copy() for one in inputs]
    for one in scaled:
        one *= k
    a, b = coadd_of(inputs, statistic=statistic), coadd_of(scaled, statistic=statistic)
    assert (a is None) == (b is None)
    if a is None or b is None:
        return
    np.testing.assert_array_equal(b.image.array, k * a.image.array)
    np.testing.assert_array_equal(b.variance.array, k * k * a.variance.array)
    np.testing.assert_array_equal(b.mask.array, a.mask.array)


@given(warps(), STATISTICS, st.sampled_from([0.5, 4.0, 2.0**-20, 2.0**30]))
def test_scaling_all_weights_changes_nothing(
    inputs: list[MaskedImage], statistic: str, k: float
) -> None:
    weights = np.arange(1.0, len(inputs) + 1)
    a = coadd_of(inputs, list(weights), statistic=statistic)
    b = coadd_of(inputs, list(k * weights), statistic=statistic)
    same_bits(a, b)


@given(warps(), st.sampled_from(["MEAN", "MEDIAN"]), st.randoms(use_true_random=False))
def test_order_of_the_inputs_does_not_matter(
    inputs: list[MaskedImage], statistic: str, random: Any
) -> None:
    # MEANCLIP is left out: a sample on the edge of its interval may fall either way.
    a = coadd_of(inputs, statistic=statistic)
    mixed = list(inputs)
    random.shuffle(mixed)
    b = coadd_of(mixed, statistic=statistic)
    assert (a is None) == (b is None)
    if a is None or b is None:
        return
    # Sums of at most 7 float64 numbers of one sign, then one rounding to float32.
    np.testing.assert_allclose(b.image.array, a.image.array, rtol=1.3e-7)
    np.testing.assert_allclose(b.variance.array, a.variance.array, rtol=1.3e-7, atol=1e-9)
    np.testing.assert_array_equal(b.mask.array, a.mask.array)
    np.testing.assert_array_equal(b.n_image.array, a.n_image.array)


@given(warps(), STATISTICS)
def test_padding_an_input_with_no_data_changes_nothing(
    inputs: list[MaskedImage], statistic: str
) -> None:
    box = Box.empty()
    for one in inputs:
        box = box.hull(one.box)
    wide = [padded(one, box) for one in inputs]
    same_bits(coadd_of(wide, statistic=statistic), coadd_of(inputs, statistic=statistic))


@given(warps(max_n=6, max_side=6), STATISTICS, st.booleans())
def test_agrees_with_the_slow_statement(
    inputs: list[MaskedImage], statistic: str, weighted: bool
) -> None:
    weights = [1.0 + 0.5 * k for k in range(len(inputs))] if weighted else None
    result = coadd_of(inputs, weights, statistic=statistic)
    if result is None:
        return
    used = [padded(inputs[record.index], result.box) for record in result.inputs]
    rules = reference.CoaddRules(statistic=statistic)
    slow = reference.coadd(used, [record.weight for record in result.inputs], rules)
    np.testing.assert_array_equal(result.n_image.array, slow.n_point)
    np.testing.assert_array_equal(result.mask.array, slow.mask.array)
    np.testing.assert_array_equal(result.n_clipped_image.array, slow.n_clipped)
    # Inputs are at most 500: float64 sums, rounded once to float32.
    np.testing.assert_allclose(result.image.array, slow.image, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(result.variance.array, slow.variance, rtol=1e-6, atol=1e-7)


@given(warps(), STATISTICS)
def test_counts_and_values_go_together(inputs: list[MaskedImage], statistic: str) -> None:
    result = coadd_of(inputs, statistic=statistic)
    if result is None:
        return
    bad = inputs[0].planes.bitmask("BAD", "SAT", "EDGE", "NO_DATA")
    used = {record.index for record in result.inputs}
    n_good = sum(
        int(np.count_nonzero(np.isfinite(one.image.array) & ((one.mask.array & bad) == 0)))
        for index, one in enumerate(inputs)
        if index in used
    )
    assert int(result.n_image.array.sum()) == n_good
    assert n_good == sum(record.n_good for record in result.inputs)
    empty = result.n_image.array == 0
    np.testing.assert_array_equal(np.isnan(result.image.array), empty)
    np.testing.assert_array_equal(result.mask.has("NO_DATA"), empty)
    inexact = result.mask.has("REJECTED", "SENSOR_EDGE", "CLIPPED")
    np.testing.assert_array_equal(result.mask.has("INEXACT_PSF"), inexact)


@given(warps(), st.integers(0, 2**32 - 1))
def test_whatever_a_bad_pixel_holds_never_shows(inputs: list[MaskedImage], seed: int) -> None:
    rng = np.random.default_rng(seed)
    bad = inputs[0].planes.bitmask("BAD", "SAT", "EDGE", "NO_DATA")
    poisoned = [one.copy() for one in inputs]
    for one in poisoned:
        where = (one.mask.array & bad) != 0
        one.image.array[where] = rng.choice([np.nan, np.inf, 1e30, 0.0], where.sum())
        one.variance.array[where] = rng.choice([np.nan, np.inf, 0.0, -1.0], where.sum())
    # Two rules look at bad pixels too: an input without a finite pixel is skipped, and one without
    # any variance gets an estimate.
    assume(all(np.isfinite(one.image.array).any() for one in (*inputs, *poisoned)))
    assume(not any(np.isnan(one.variance.array).all() for one in poisoned))
    same_bits(coadd_of(inputs), coadd_of(poisoned))


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
def test_eight_threads_at_once(statistic: str) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    rng = np.random.default_rng(2)
    inputs = [MaskedImage.from_arrays(rng.normal(10, 1, (40, 50)), None, 1.0) for _ in range(6)]
    barrier = Barrier(8)

    def run(_: int) -> CoaddResult | None:
        barrier.wait(30)
        return coadd_of(inputs, statistic=statistic)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    for result in results[1:]:
        same_bits(result, results[0])

# SPDX-License-Identifier: BSD-3-Clause
"""Levels of exposures in cells, and the pixels near some of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import deepcoadd
from deepcoadd import Box, MaskedImage
from deepcoadd.background._match_cells import (
    CellGrid,
    any_in_ranges,
    measure_levels,
    near_cells,
)
from deepcoadd.refs import as_ref


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    yield
    deepcoadd.set_num_threads(0)


def test_ranges_that_hold_a_cell() -> None:
    rng = np.random.default_rng(4)
    cells = rng.random((5, 7)) < 0.2
    y, x = (np.sort(rng.integers(0, n + 1, (2, 40)), axis=0) for n in cells.shape)
    want = [[cells[y0:y1, x0:x1].any() for x0, x1 in x.T] for y0, y1 in y.T]
    np.testing.assert_array_equal(any_in_ranges(cells, (y[0], y[1]), (x[0], x[1])), want)
    nothing = np.zeros(0, np.int64)
    assert any_in_ranges(cells, (nothing, nothing), (x[0], x[1])).shape == (0, 40)


@pytest.mark.parametrize("reach", [0.0, 3.5, 100.0])
def test_pixels_near_cells(reach: float) -> None:
    box = Box.from_shape((30, 41), start=(-3, 7))
    grid = CellGrid.of(box, 8)
    cells = np.zeros(grid.shape, bool)
    cells[1, 2] = cells[3, 4] = True
    want = np.zeros(box.shape, bool)
    for j, i in np.argwhere(cells):
        y0, y1, x0, x1 = *grid.edges_y[j : j + 2], *grid.edges_x[i : i + 2]
        for y, x in np.ndindex(box.shape):
            far = max(y0 - y, y - y1 + 1, x0 - x, x - x1 + 1)
            want[y, x] |= far <= reach
    np.testing.assert_array_equal(near_cells(grid, cells, reach, box), want)


def test_levels_do_not_depend_on_threads_or_memory() -> None:
    rng = np.random.default_rng(5)
    images = [rng.normal(10 * k, 2, (70, 400)).astype("f4") for k in range(3)]
    masks = [(rng.random((70, 400)) < 0.05).astype("i4") for _ in images]
    refs = [
        as_ref(MaskedImage.from_arrays(image, mask, 4.0))
        for image, mask in zip(images, masks, strict=True)
    ]
    grid = CellGrid.of(Box.from_shape((70, 400)), 20)
    found = []
    for threads, memory in ((1, 2**30), (3, 2**30), (3, 24 * 3 * 20 * 320)):
        deepcoadd.set_num_threads(threads)
        steps: list[int] = []
        levels = measure_levels(
            refs, grid, ("BAD",), min_fraction=0.3, max_memory=memory, on_step=steps.append
        )
        assert sum(steps) == grid.box.area
        found.append(levels)
    for other in found[1:]:
        np.testing.assert_array_equal(other.values, found[0].values)
        np.testing.assert_array_equal(other.variances, found[0].variances)
    assert np.isfinite(found[0].values).all()

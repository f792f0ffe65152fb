# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of any grid: parts, sums, ranges, scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import Box, Image
from deepcoadd.background import (
    INTERPOLATIONS,
    BackgroundModel,
    BackgroundOptions,
    SkyOptions,
    SkySamples,
    fill_cells,
    solve_sky_scale,
)


@st.composite
def models(draw: st.DrawFn) -> BackgroundModel:
    """Backgrounds of random grids, some bins empty."""
    ny, nx = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    height, width = draw(st.integers(ny, 40)), draw(st.integers(nx, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    values = rng.normal(0, 10, (ny, nx)).astype(np.float32)
    values[rng.random((ny, nx)) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = np.nan
    box = Box.from_shape((height, width), start=(draw(st.integers(-9, 9)), 3))
    options = BackgroundOptions(
        algorithm=draw(st.sampled_from(INTERPOLATIONS)),
        edge=draw(st.sampled_from(["quadratic", "linear", "constant"])),
        edge_reach=draw(st.sampled_from([0.0, 2.5, np.inf])),
    )
    return BackgroundModel(values, np.ones_like(values), box, options)


@given(model=models(), data=st.data())
def test_parts_have_the_bits_of_the_whole(model: BackgroundModel, data: st.DataObject) -> None:
    height, width = model.box.shape
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    shape = (data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    start = model.box.start
    box = Box.from_shape(shape, start=(start[0] + y, start[1] + x))
    np.testing.assert_array_equal(model.image(box).array, model.image()[box].array)


@given(model=models(), factor=st.sampled_from([-1.0, 0.3, 2.0]))
def test_sums_are_those_of_images(model: BackgroundModel, factor: float) -> None:
    image = Image(np.full(model.box.shape, np.float32(7.3)), model.box)
    model.add_to(image, factor)
    want = np.float32(7.3) + np.float32(factor) * model.image().array
    np.testing.assert_array_equal(image.array, want)


@given(model=models())
def test_a_scaled_background_is_the_scaled_image(model: BackgroundModel) -> None:
    """Powers of two commute with every rounding."""
    np.testing.assert_array_equal(model.scaled_by(4.0).image().array, 4 * model.image().array)


@given(model=models())
def test_constant_backgrounds_stay_within_their_bins(model: BackgroundModel) -> None:
    flat = replace(model, options=replace(model.options, algorithm="CONSTANT"))
    image = flat.image().array
    if np.isfinite(model.values).any():
        assert np.isin(image, model.values).all()
    else:
        assert np.isnan(image).all()


@given(model=models())
def test_filled_cells_stay_within_the_range(model: BackgroundModel) -> None:
    values = model.values.astype(float)
    filled = fill_cells(values)
    good = np.isfinite(values)
    if not good.any():
        assert np.isnan(filled).all()
        return
    np.testing.assert_array_equal(filled[good], values[good])
    assert values[good].min() <= filled.min() <= filled.max() <= values[good].max()


@given(
    seed=st.integers(0, 2**20),
    n=st.integers(4, 60),
    k=st.sampled_from([0.25, 2.0, 8.0]),
    nuisance=st.sampled_from(["none", "constant"]),
)
def test_scales_of_scaled_images_are_scaled(seed: int, n: int, k: float, nuisance: str) -> None:
    rng = np.random.default_rng(seed)
    sky, image = rng.normal(size=(2, n))
    options = replace(SkyOptions(), nuisance=nuisance, weighting=False)
    one, many = (
        solve_sky_scale([SkySamples(factor * (3 * sky + image), sky)], options)
        for factor in (1.0, k)
    )
    np.testing.assert_allclose(many.scale, k * one.scale, rtol=1e-10)
    np.testing.assert_array_equal(many.used, one.used)

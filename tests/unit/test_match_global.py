# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the backgrounds of all exposures at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deepcoadd
from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.background import (
    UNMATCHED,
    CellGrid,
    CellLevels,
    ClassicMatchOptions,
    GlobalMatchOptions,
    fit_levels,
    match_backgrounds,
    reference_costs,
)
from deepcoadd.background import _match_joint as joint
from deepcoadd.errors import (
    NoOverlapError,
    NoWorkError,
    OptionError,
    ShapeError,
    SingularError,
)
from deepcoadd.refs import ExposureRef

BOX = Box.from_shape((384, 480), start=(100, -50))
GRID = CellGrid.of(BOX, 20)
Y, X = np.mgrid[: GRID.shape[0], : GRID.shape[1]]


def plane(order: int, seed: int, n: int) -> tuple[Any, Any]:
    """Random polynomials of a total degree on the cells, and on the pixels."""
    rng = np.random.default_rng(seed)
    y, x = ((np.arange(side) + 0.5) * 2 / side - 1 for side in BOX.shape)
    pixels = np.zeros((n, *BOX.shape))
    for j in range(order + 1):
        for i in range(order + 1 - j):
            pixels += rng.normal(0, 5, (n, 1, 1)) * y[:, None] ** j * x**i
    return cell_means(pixels), pixels


def cell_means(pixels: Any) -> Any:
    sums = np.add.reduceat(pixels, GRID.edges_y[:-1], axis=-2)
    sums = np.add.reduceat(sums, GRID.edges_x[:-1], axis=-1)
    return sums / GRID.areas()


def layout(n: int) -> Any:
    """Cells of n exposures: two groups that share four columns."""
    has = np.ones((n, *GRID.shape), bool)
    has[: n // 2, :, 14:] = False
    has[n // 2 :, :, :10] = False
    return has


def levels_of(values: Any, has: Any, variance: float = 1.0) -> CellLevels:
    return CellLevels(GRID, np.where(has, values, np.nan), np.where(has, variance, np.nan))


def test_scene_and_shares_of_chi_square() -> None:
    n = 5
    truth, _ = plane(1, 3, n)
    rng = np.random.default_rng(4)
    scene = rng.normal(0, 100, GRID.shape)
    has = layout(n)
    has[:, 0, 0] = False
    noise = rng.normal(0, 1, (n, *GRID.shape))
    levels = levels_of(truth + scene + noise, has)
    fit = fit_levels(levels, GlobalMatchOptions(order=1, reference=2, gauge="reference"))
    # The scene has the background of the reference; each cell knows it to its own noise.
    left = fit.scene - scene - truth[2]
    assert np.isnan(fit.scene).tolist() == (~has.any(axis=0)).tolist()
    assert np.nanstd(left) < 1.2 * np.sqrt(np.mean(1 / has.sum(axis=0)[has.any(axis=0)]))
    for shares, shape in ((fit.chi2_of(), (n,)), (fit.chi2_of(cells=True), GRID.shape)):
        assert shares.shape == shape
        assert shares.sum() == pytest.approx(fit.chi2, rel=1e-12)
    wide = fit_levels(replace(levels, variances=4 * levels.variances), GlobalMatchOptions(order=1))
    assert wide.chi2 == pytest.approx(fit.chi2 / 4, rel=1e-6)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_polynomials_are_recovered_exactly(order: int) -> None:
    n = 6
    truth, pixels = plane(order, order, n)
    scene = np.random.default_rng(9).normal(0, 100, GRID.shape)
    fit = fit_levels(
        levels_of(truth + scene, layout(n)), GlobalMatchOptions(order=order, ridge=0.0)
    )
    assert fit.groups == [list(range(n))]
    images = np.array([fit.series.image(f).array for f in fit.factors])
    left = pixels - images
    # One function of all may be added; float32 images of some hundred counts.
    np.testing.assert_allclose(left, np.broadcast_to(left[0], left.shape), atol=2e-4)
    assert fit.chi2 < 1e-10
    assert np.nanmax(np.abs(fit.residuals)) < 1e-7


def test_chi_square_counts_the_parameters() -> None:
    n, order = 8, 3
    truth, _ = plane(order, 1, n)
    noise = np.random.default_rng(2).normal(0, 1, truth.shape)
    has = np.ones(truth.shape, bool)
    options = GlobalMatchOptions(order=order, ridge=0.0, sigma_clip=100.0)
    fit = fit_levels(levels_of(truth + noise, has), options)
    cells = GRID.shape[0] * GRID.shape[1]
    assert fit.dof == pytest.approx(n * cells - cells - (n - 1) * 10, rel=1e-9)
    # Five sigma: one false alarm in two million.
    assert fit.chi2 / fit.dof == pytest.approx(1, abs=5 * np.sqrt(2 / fit.dof))
    # The error of one background about the mean of all: by the covariance and in truth.
    phi = fit.series.cells()
    expected = np.einsum("sk,ekl,sl->es", phi, fit.covariances, phi).mean()
    wrong = (truth - (fit.factors @ phi.T).reshape(truth.shape)).reshape(n, -1)
    wrong -= wrong.mean(axis=0)
    # 70 independent numbers: their mean square scatters by 17 %.
    assert np.mean(wrong**2) == pytest.approx(expected, rel=0.7)
    # Equal weights: K (1 - 1/n) / cells for each exposure, on the mean over the cells.
    assert expected == pytest.approx(10 * (1 - 1 / n) / cells, rel=1e-6)


def test_the_order_of_the_exposures_and_the_gauge_do_not_matter() -> None:
    n = 5
    truth, _ = plane(2, 3, n)
    noise = np.random.default_rng(4).normal(0, 0.1, truth.shape)
    values, has = truth + noise, layout(n)
    options = GlobalMatchOptions(order=2)
    one = fit_levels(levels_of(values, has, 0.01), options)
    order = [3, 1, 4, 0, 2]
    other = fit_levels(levels_of(values[order], has[order], 0.01), options)
    np.testing.assert_allclose(other.factors, one.factors[order], atol=1e-8)
    for gauge in ({"gauge": "reference", "reference": 2}, {"gauge": "gradient"}):
        moved = fit_levels(levels_of(values, has, 0.01), replace(options, **gauge))
        shift = moved.factors - one.factors
        np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-9)
        np.testing.assert_allclose(moved.residuals, one.residuals, atol=1e-9)
        if "reference" in gauge:
            assert not moved.factors[2].any()
        else:
            np.testing.assert_allclose(moved.factors[:, 1:].sum(axis=0), 0, atol=1e-8)


def test_two_exposures_are_fitted_like_their_difference() -> None:
    truth, _ = plane(2, 5, 2)
    values = truth + np.random.default_rng(6).normal(0, 1, truth.shape)
    options = GlobalMatchOptions(
        order=2, ridge=0.0, sigma_clip=100.0, gauge="reference", reference=0
    )
    fit = fit_levels(levels_of(values, np.ones(values.shape, bool)), options)
    phi = fit.series.cells()
    want = np.linalg.lstsq(phi, (values[1] - values[0]).ravel(), rcond=None)[0]
    np.testing.assert_allclose(fit.factors[1], want, atol=1e-10)


def test_outlying_cells_do_not_count() -> None:
    n = 4
    truth, _ = plane(1, 7, n)
    values = truth + np.random.default_rng(8).normal(0, 0.1, truth.shape)
    values[1, 5:8, 3:12] += 40
    fit = fit_levels(
        levels_of(values, np.ones(values.shape, bool), 0.01), GlobalMatchOptions(order=1)
    )
    assert (fit.weights[1, 5:8, 3:12] == 0).all()
    assert (fit.weights > 0).mean() > 0.93
    left = truth - (fit.factors @ fit.series.cells().T).reshape(truth.shape)
    assert np.abs(left - left[0]).max() < 0.05


def test_many_unknowns_are_iterated_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 6
    truth, _ = plane(3, 1, n)
    values = truth + np.random.default_rng(2).normal(0, 0.1, truth.shape)
    for options in (GlobalMatchOptions(order=3), GlobalMatchOptions()):
        monkeypatch.setattr(joint, "_MOST_DENSE", 2500)
        dense = fit_levels(levels_of(values, layout(n), 0.01), options)
        monkeypatch.setattr(joint, "_MOST_DENSE", 0)
        iterated = fit_levels(levels_of(values, layout(n), 0.01), options)
        images = [f.factors @ f.series.cells().T for f in (dense, iterated)]
        np.testing.assert_allclose(images[1], images[0], atol=1e-4)


def test_groups_that_do_not_overlap() -> None:
    truth, _ = plane(1, 3, 5)
    has = np.zeros((5, *GRID.shape), bool)
    has[:2, :, :8] = True
    has[2:4, :, 12:] = True
    has[4, 0, 9] = True
    fit = fit_levels(levels_of(truth, has), GlobalMatchOptions(order=1, ridge=0.0))
    assert fit.groups == [[0, 1], [2, 3], [4]]
    for first, second in ((0, 1), (2, 3)):
        rest = truth - (fit.factors @ fit.series.cells().T).reshape(truth.shape)
        both = has[first]
        np.testing.assert_allclose(rest[first][both], rest[second][both], atol=1e-8)
    assert not fit.factors[4].any()


def test_what_the_overlap_cannot_determine() -> None:
    truth, _ = plane(3, 3, 2)
    has = np.zeros((2, *GRID.shape), bool)
    has[:, :, 5:7] = True
    with pytest.raises(SingularError, match="lower the order"):
        fit_levels(levels_of(truth, has), GlobalMatchOptions(order=3, ridge=0.0))
    fit = fit_levels(levels_of(truth, has), GlobalMatchOptions(order=3, ridge=1e-3))
    assert np.isfinite(fit.factors).all()
    has[:, 3:] = False
    for options in (GlobalMatchOptions(), GlobalMatchOptions(order=0)):
        assert np.isfinite(fit_levels(levels_of(truth, has), options).factors).all()
    with pytest.raises(NoOverlapError, match="no two of 2"):
        fit_levels(levels_of(truth, np.zeros_like(has)))
    with pytest.raises(OptionError, match="reference: got 2"):
        fit_levels(levels_of(truth, has), GlobalMatchOptions(gauge="reference", reference=2))


def warps(n: int = 5, seed: int = 1) -> tuple[list[MaskedImage], Any]:
    """Exposures of one sky: stars of other seeing, a galaxy, a trail in the first one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: BOX.shape[0], : BOX.shape[1]]
    _, skies = plane(3, seed, n)
    skies += rng.uniform(80, 300, (n, 1, 1))
    stars = rng.uniform(0, 1, (40, 2)) * BOX.shape, 10 ** rng.uniform(2, 4.5, 40)
    galaxy = 300 * np.exp(-np.hypot(y - 150, x - 200) / 40)
    made = []
    for k in range(n):
        width = rng.uniform(1.5, 2.5)
        image = skies[k] + galaxy
        for (a, b), flux in zip(*stars, strict=True):
            r2 = (y - a) ** 2 + (x - b) ** 2
            image = image + flux / (2 * np.pi * width**2) * np.exp(-0.5 * r2 / width**2)
        if k == 0:
            image = image + 30 * np.exp(-0.5 * ((y - 0.7 * x - 20) / 3) ** 2)
        noisy = rng.normal(image, np.sqrt(image))
        made.append(MaskedImage.from_arrays(noisy, None, image, start=BOX.start))
    return made, skies


def scatter(skies: Any, match: Any) -> float:
    """Root mean square of the matched skies about their mean."""
    matched = skies + np.array([r.model.image().array for r in match.results])
    return float(np.sqrt(np.mean((matched - matched.mean(axis=0)) ** 2)))


def test_stars_galaxies_and_trails_do_not_matter() -> None:
    inputs, skies = warps()
    before = [pixels.copy() for pixels in inputs]
    match = match_backgrounds(inputs)
    for pixels, copy in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(pixels.image.array, copy.image.array)
    # Noise of 15 a pixel; some 20 terms in 184000 pixels of each exposure: 0.16.
    assert scatter(skies, match) < 0.35
    classic = match_backgrounds(inputs, "classic", ClassicMatchOptions(bin_size=64))
    assert classic.reference is not None
    for result in match.results:
        assert result.status == "ok"
        assert 0.5 < result.ratio < 3
        assert result.model_variance is not None
        assert 0.05 < np.sqrt(result.model_variance) < 0.4
    assert match.fit is not None
    assert np.nanstd(match.fit.before) > 10 * np.nanstd(match.fit.residuals)
    done = match.matched()
    np.testing.assert_array_equal(
        done[1].read().image.array,
        inputs[1].image.array + match.results[1].model.image().array,  # type: ignore[union-attr]
    )


def test_threads_and_memory_do_not_matter() -> None:
    inputs, _ = warps(3)
    factors = []
    for threads, memory in ((1, 2**30), (2, 2**30), (2, 24 * 3 * 33 * 480 - 1)):
        deepcoadd.set_num_threads(threads)
        match = match_backgrounds(inputs, max_memory=memory)
        assert match.fit is not None
        factors.append(match.fit.levels.values)
    deepcoadd.set_num_threads(0)
    for other in factors[1:]:
        np.testing.assert_array_equal(other, factors[0])
    with pytest.raises(OptionError, match="max_memory: got 1000"):
        match_backgrounds(inputs, max_memory=1000)


def test_parts_of_the_sky_in_each_exposure() -> None:
    inputs, skies = warps(4)
    parts = [
        inputs[0],
        inputs[1][Box.from_corners(x0=-50, y0=100, x1=200, y1=483)],
        inputs[2][Box.from_corners(x0=100, y0=150, x1=429, y1=483)],
        MaskedImage.from_arrays(np.full((40, 40), 100.0), None, 1.0, start=(2000, 0)),
    ]
    match = match_backgrounds(parts)
    assert match.fit is not None
    assert match.fit.levels.grid.box == BOX
    assert [r.status for r in match.results] == ["ok", "ok", "ok", "failed"]
    assert "shares fewer than 4 cells" in match.results[3].message
    assert len(match.matched()) == 3
    assert match.fit.groups == [[0, 1, 2], [3]]
    one, two = match.results[0].model, match.results[2].model
    assert one is not None
    assert two is not None
    assert two.box == parts[2].box
    inner = parts[2].box
    cut = inner.slices_within(BOX)
    rest = skies[0][cut] + one.image(inner).array - skies[2][cut] - two.image().array
    assert np.sqrt(np.mean(rest**2)) < 0.8
    with pytest.raises(NoWorkError, match="cannot be matched"):
        match_backgrounds(parts, raise_on_error=True)


@pytest.mark.parametrize("strip", [32, 128])
def test_two_exposures_that_share_a_strip(strip: int) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:192, :480] / 300.0
    skies = [100 + 8 * x - 5 * y, 180 - 6 * x + 4 * y]
    parts = [rng.normal(sky, 8.0) for sky in skies]
    left, right = 240 - strip // 2, 240 + strip // 2
    parts[0][:, right:] = np.nan
    parts[1][:, :left] = np.nan
    inputs = [MaskedImage.from_arrays(part, None, 64.0) for part in parts]
    match = match_backgrounds(inputs)
    models = [result.model.image().array for result in match.results]  # type: ignore[union-attr]
    away = (skies[0] + models[0] - skies[1] - models[1])[:, left:right]
    # Three terms of 32 x 192 pixels of noise 11 each have errors of 0.14 to 0.5 at the edges.
    assert np.sqrt(np.mean(away**2)) < 0.8
    # Nothing runs away where only one exposure is: the levels differ by 80.
    assert max(np.abs(model).max() for model in models) < 60


def test_extrapolation_is_marked() -> None:
    inputs, _ = warps(3)
    inputs[1].image.array[:, 200:] = np.nan
    match = match_backgrounds(inputs, options=GlobalMatchOptions(order=5))
    done = match.matched()[1].read()
    marked = done.mask.array & done.planes.bitmask(UNMATCHED) != 0
    assert marked[:, 320:].all()
    assert not marked[:, :200].any()
    assert UNMATCHED not in match.matched()[0].read().planes


def test_wrong_requests() -> None:
    inputs, _ = warps(2)
    for call, error, words in (
        (lambda: match_backgrounds([]), NoWorkError, "inputs: got none"),
        (lambda: match_backgrounds(inputs, "best"), OptionError, "mode: got 'best'"),
        (lambda: match_backgrounds(inputs, reference=2), OptionError, "reference: got 2"),
        (
            lambda: match_backgrounds(inputs, options=ClassicMatchOptions()),
            OptionError,
            "options: got ClassicMatchOptions",
        ),
        (
            lambda: match_backgrounds(inputs, "classic", GlobalMatchOptions()),
            OptionError,
            "options: got GlobalMatchOptions",
        ),
        (lambda: match_backgrounds(inputs, "classic", box=BOX), OptionError, "box: got"),
        (lambda: match_backgrounds(inputs, box=Box.empty()), ShapeError, "no pixels"),
        (lambda: match_backgrounds(inputs[:1]), NoOverlapError, "no two of 1"),
        (
            lambda: match_backgrounds(inputs, options=GlobalMatchOptions(order=50, ridge=0.0)),
            OptionError,
            "order: got 50, must be 14 at most for 12 x 15 cells",
        ),
    ):
        with pytest.raises(error, match=words):
            call()


def test_images_of_nan_or_of_one_value() -> None:
    empty = MaskedImage.from_arrays(np.full(BOX.shape, np.nan), None, 1.0, start=BOX.start)
    with pytest.raises(NoOverlapError):
        match_backgrounds([empty, empty.copy()])
    flat = [
        MaskedImage.from_arrays(np.full(BOX.shape, level), None, 1.0, start=BOX.start)
        for level in (5.0, 7.0, 12.0)
    ]
    match = match_backgrounds([*flat, empty])
    assert [r.status for r in match.results] == ["ok", "ok", "ok", "failed"]
    for pixels, result in zip(flat, match.results, strict=False):
        assert result.model is not None
        np.testing.assert_allclose(pixels.image.array + result.model.image().array, 8, atol=1e-4)


def test_classic_mode() -> None:
    inputs, _ = warps(3)
    inputs[2] = inputs[2][Box.from_corners(x0=-50, y0=100, x1=200, y1=483)]
    refs = [ExposureRef(Exposure(pixels), {"visit": 10 + k}) for k, pixels in enumerate(inputs)]
    match = match_backgrounds(refs, "classic", ClassicMatchOptions(bin_size=64), reference=1)
    assert [r.status for r in match.results] == ["ok", "reference", "failed"]
    assert match.results[2].id == "visit 12"
    assert "as the reference" in match.results[2].message
    chosen = match_backgrounds(refs[:2], "classic", ClassicMatchOptions(bin_size=64))
    assert match.terms is None
    assert chosen.terms is not None
    assert chosen.reference == int(np.argmin(reference_costs(chosen.terms)))
    assert [t.n_good for t in chosen.terms] == [BOX.area, BOX.area]
    with_reference = match_backgrounds(refs[:2], reference=1)
    assert [r.status for r in with_reference.results] == ["ok", "reference"]
    assert with_reference.results[1].model is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": -1},
        {"cell_size": -1},
        {"n_rounds": 0},
        {"ridge": -1.0},
        {"min_cells": 0},
        {"min_fraction": 1.5},
        {"sigma_clip": 0.0},
        {"gauge": "mean"},
        {"gauge": "reference"},
        {"reference": 1},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="got"):
        GlobalMatchOptions(**wrong)

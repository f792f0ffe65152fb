# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of visits in one linear fit to bins."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from deepcoadd import Box, MaskedImage
from deepcoadd.background import (
    AffineTransform,
    BackgroundModel,
    BackgroundOptions,
    SkyOptions,
    VisitBackgroundOptions,
    VisitBins,
    fit_visit_background,
    measure_sky_bins,
)
from deepcoadd.errors import NoDataError, OptionError, ShapeError, SingularError

SHAPE = (160, 192)
BINS = (5, 6)
PLAIN = VisitBackgroundOptions(y_order=2, x_order=2, clip_positive=None)
STYLE = BackgroundOptions(bin_size=32)


def place(k: int) -> AffineTransform:
    """Two rows of three detectors, the second row upside down; 0.01 mm pixels."""
    row, column = divmod(k, 3)
    sign = -1.0 if row else 1.0
    return AffineTransform(((sign * 0.01, 0.0, 2.1 * column), (0.0, sign * 0.01, 3.8 * row)))


def frame(k: int) -> BackgroundModel:
    values = np.random.default_rng(100 + k).normal(0, 0.02, BINS).astype(np.float32)
    box = Box.from_shape(SHAPE, start=(7, -4))
    return BackgroundModel(values, np.zeros(BINS, np.float32), box, SkyOptions().background)


def frame_means(sky: BackgroundModel) -> NDArray[np.float64]:
    image = sky.image().array.astype(float)
    return image.reshape(5, 32, 6, 32).mean(axis=(1, 3))


def places(n: int) -> list[tuple[Any, Any]]:
    """Places of the bins of each detector, from -1 to 1 over all."""
    y, x = np.meshgrid(
        7 + 15.5 + 32 * np.arange(5.0), -4 + 15.5 + 32 * np.arange(6.0), indexing="ij"
    )
    edges_y = np.repeat([6.5, 166.5], 2)
    edges_x = np.tile([-4.5, 187.5], 2)
    ends = [place(k).to_frame(edges_y, edges_x) for k in range(n)]
    low = [min(float(e[axis].min()) for e in ends) for axis in (0, 1)]
    high = [max(float(e[axis].max()) for e in ends) for axis in (0, 1)]
    out = []
    for k in range(n):
        v, u = place(k).to_frame(y.ravel(), x.ravel())
        scaled = [2 * (p - a) / (b - a) - 1 for p, a, b in zip((v, u), low, high, strict=True)]
        out.append((scaled[0].reshape(BINS), scaled[1].reshape(BINS)))
    return out


def visit(
    n: int = 6, scale: float = 0.0, noise: float = 0.0, pistons: Any = None, seed: int = 0
) -> dict[int, VisitBins]:
    """Bins of n detectors under a parabola, levels, and their sky frames."""
    rng = np.random.default_rng(seed)
    made = {}
    for k, (y, x) in enumerate(places(n)):
        truth = 200 + 12 * x - 7 * y + 5 * x * y + 3 * (2 * y**2 - 1)
        truth = truth + (0 if pistons is None else pistons[k]) + scale * frame_means(frame(k))
        variances = rng.uniform(0.5, 2, BINS) * max(noise, 1e-3) ** 2
        values = truth + rng.normal(0, 1, BINS) * (np.sqrt(variances) if noise else 0.0)
        model = BackgroundModel(
            values.astype(np.float32), variances.astype(np.float32), frame(k).box, STYLE
        )
        made[k] = VisitBins(model, place(k), frame(k), "ITL" if k % 2 else "E2V")
    return made


def test_polynomials_and_scale_are_recovered() -> None:
    detectors = visit(scale=150.0)
    fit = fit_visit_background(detectors, PLAIN)
    # Bins of 200 are rounded to 1.5e-5; the sky frames have 180 bins of 0.02.
    assert fit.scale == pytest.approx(150.0, abs=4 * 1e-5 / (0.02 * math.sqrt(180)))
    assert fit.terms == ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0))
    np.testing.assert_allclose(fit.factors[:-1], [200, 12, -7, 0, 5, 3], atol=1e-4)
    assert fit.levels == dict.fromkeys(range(6), fit.factors[0])
    for k, one in detectors.items():
        np.testing.assert_allclose(fit.residuals[k], 0, atol=1e-4)
        np.testing.assert_allclose(fit.backgrounds[k].values, one.background.values, rtol=1e-6)
    assert (fit.n_used, fit.n_clipped, fit.dof) == (180, 0, 173)


@pytest.mark.parametrize("weighting", [True, False])
def test_the_fit_is_that_of_all_bins_at_once(weighting: bool) -> None:
    detectors = visit(scale=80.0, noise=0.5, pistons=[1, 2, 3, 1, 2, 3])
    detectors[2].background.values[1, 1] = np.nan
    detectors[3].background.variances[0, 2] = 0.0
    how = VisitBackgroundOptions(
        y_order=1, x_order=3, terms="tensor", levels="kinds", clip_positive=None,
        weighting=weighting,
    )  # fmt: skip
    fit = fit_visit_background(detectors, how)
    rows, data, roots = [], [], []
    for k, (y, x) in enumerate(places(6)):
        in_y, in_x = chebyshev.chebvander(y.ravel(), 1), chebyshev.chebvander(x.ravel(), 3)
        kinds = np.tile([k % 2 == 0, k % 2 == 1], (30, 1)).astype(float)
        products = [in_y[:, j] * in_x[:, i] for j, i in fit.terms]
        rows.append(np.column_stack([kinds, *products, frame_means(frame(k)).ravel()]))
        model = detectors[k].background
        data.append(model.values.ravel().astype(float))
        with np.errstate(divide="ignore"):
            weight = 1 / model.variances.ravel().astype(float) if weighting else np.ones(30)
        roots.append(np.sqrt(weight))
    design, values, root = np.concatenate(rows), np.concatenate(data), np.concatenate(roots)
    good = np.isfinite(values) & np.isfinite(root)
    assert good.sum() == fit.n_used == (178 if weighting else 179)
    a, b = design[good] * root[good, None], values[good] * root[good]
    want = np.linalg.lstsq(a, b, rcond=None)[0]
    np.testing.assert_allclose(fit.factors, want, rtol=1e-7, atol=1e-7)
    covariance = np.linalg.inv(a.T @ a)
    chi2 = float(np.sum((b - a @ want) ** 2))
    assert fit.chi2 == pytest.approx(chi2, rel=1e-8)
    if not weighting:
        covariance *= chi2 / fit.dof
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-5, atol=1e-12)
    assert fit.scale_error == pytest.approx(math.sqrt(covariance[-1, -1]), rel=1e-6)
    model = design[30:60] @ want
    np.testing.assert_allclose(fit.backgrounds[1].values.ravel(), model, rtol=1e-6)
    errors = np.einsum("kp,pq,kq->k", design[30:60], covariance, design[30:60])
    np.testing.assert_allclose(fit.backgrounds[1].variances.ravel(), errors, rtol=1e-4)
    assert np.isnan(fit.residuals[2][1, 1])
    assert len(fit.terms) == 7


def test_errors_are_those_of_the_scatter() -> None:
    fits = [fit_visit_background(visit(scale=80.0, noise=0.5, seed=s), PLAIN) for s in range(60)]
    scales = np.array([fit.scale for fit in fits])
    predicted = fits[0].scale_error
    # The scatter of 60 is known to 1 / sqrt(120), the mean to 1 / sqrt(60): 4 of these.
    assert abs(scales.mean() - 80) < 4 * predicted / math.sqrt(60)
    assert abs(scales.std() / predicted - 1) < 4 / math.sqrt(120)
    chi2 = np.mean([fit.chi2 for fit in fits])
    assert abs(chi2 / fits[0].dof - 1) < 4 * math.sqrt(2 / (60 * fits[0].dof))


def test_levels_of_detectors_are_told_apart() -> None:
    pistons = [0.0, 3.0, -2.0, 1.0, 0.5, -1.0]
    detectors = visit(pistons=pistons)
    each = fit_visit_background(detectors, replace(PLAIN, levels="detectors"))
    np.testing.assert_allclose(
        [each.levels[k] - each.levels[0] for k in range(6)], pistons, atol=1e-4
    )
    common = fit_visit_background(detectors, PLAIN)
    assert common.chi2 > 100 * (each.chi2 + 1)
    assert len(each.factors) == len(common.factors) + 5
    kinds = fit_visit_background(detectors, replace(PLAIN, levels="kinds"))
    assert len(set(kinds.levels.values())) == 2


def test_bright_bins_do_not_count() -> None:
    detectors = visit(scale=80.0, noise=0.5)
    rng = np.random.default_rng(3)
    for one in detectors.values():
        bright = rng.uniform(size=BINS) < 0.15
        one.background.values[bright] += rng.uniform(60, 4000, int(bright.sum()))
    clean = fit_visit_background(visit(scale=80.0, noise=0.5), PLAIN)
    clipped = fit_visit_background(detectors, replace(PLAIN, clip_positive=20.0))
    assert abs(clipped.scale - 80) < 4 * clipped.scale_error < 10
    assert 0.08 * 180 < clipped.n_clipped < 0.25 * 180
    assert clipped.n_used + clipped.n_clipped == clean.n_used
    assert abs(fit_visit_background(detectors, PLAIN).scale - 80) > 100
    for one in detectors.values():
        one.background.values[0, 0] = -900
    low = replace(PLAIN, clip_positive=20.0, clip_negative=20.0)
    assert abs(fit_visit_background(detectors, low).scale - 80) < 10


def test_without_sky_frames() -> None:
    detectors = {k: replace(one, sky=None) for k, one in visit().items()}
    fit = fit_visit_background(detectors, PLAIN)
    assert fit.scale == 0
    assert math.isnan(fit.scale_error)
    assert len(fit.factors) == 6
    other = fit_visit_background(visit(), replace(PLAIN, fit_sky_frame=False))
    np.testing.assert_array_equal(other.factors, fit.factors)
    detectors[0] = visit()[0]
    assert len(fit_visit_background(detectors, PLAIN).factors) == 7


def test_the_background_is_subtracted_from_pixels() -> None:
    sky = frame(0)
    image = 300 + 90 * sky.image().array
    pixels = MaskedImage.from_arrays(image, None, 4.0, box=sky.box)
    bins = replace(measure_sky_bins(pixels), variances=np.ones(BINS, np.float32))
    one = {"a": VisitBins(bins, place(0), sky)}
    fit = fit_visit_background(one, VisitBackgroundOptions(y_order=0, x_order=0))
    # Bins are clipped means, those of the frame plain ones.
    assert fit.scale == pytest.approx(90, rel=0.02)
    fit.backgrounds["a"].subtract_from(pixels.image)
    assert np.abs(pixels.image.array).max() < 0.3 * np.abs(image - 300).max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"terms": "some"},
        {"levels": "none"},
        {"x_order": -1},
        {"n_iter": -1},
        {"clip_positive": 0.0},
        {"clip_negative": math.nan},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        VisitBackgroundOptions(**wrong)


def test_wrong_requests() -> None:
    with pytest.raises(NoDataError, match="no detectors"):
        fit_visit_background({})
    detectors = visit(1)
    with pytest.raises(SingularError, match=r"30 bins determine \d+ of \d+ terms"):
        fit_visit_background(detectors, replace(PLAIN, x_order=7, y_order=7))
    moved = replace(detectors[0].sky, box=Box.from_shape(SHAPE))  # type: ignore[type-var]
    with pytest.raises(ShapeError, match="sky frame of detector 0: covers"):
        fit_visit_background({0: replace(detectors[0], sky=moved)}, PLAIN)
    detectors[0].background.variances[:] = 0
    with pytest.raises(NoDataError, match="no bin of any detector"):
        fit_visit_background(detectors, PLAIN)
    detectors = visit(2)
    flat = {
        k: replace(one, sky=replace(frame(k), values=np.ones(BINS, np.float32)))
        for k, one in detectors.items()
    }
    with pytest.raises(SingularError, match="fit fewer levels or no sky frame"):
        fit_visit_background(flat, PLAIN)

# SPDX-License-Identifier: BSD-3-Clause
"""Levels of exposures in cells: as good as plain means without sources, untouched by seeing."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepcoadd import MaskedImage
from deepcoadd.background import CellGrid, match_backgrounds, measure_levels
from deepcoadd.refs import as_refs

SIDE = 32


def levels(images: Any) -> Any:
    """(n, ny, nx): levels less their mean over the exposures."""
    inputs = [MaskedImage.from_arrays(image.astype(np.float32), None, 1.0) for image in images]
    grid = CellGrid.of(inputs[0].box, SIDE)
    found = measure_levels(as_refs(inputs), grid, (), min_fraction=0.1, max_memory=2**30)
    return about_mean(found.values)


def about_mean(values: Any) -> Any:
    return values - np.mean(values, axis=0)


def test_noise_of_levels_is_hardly_above_that_of_means() -> None:
    images = np.random.default_rng(5).normal(0, 10, (6, 10 * SIDE, 16 * SIDE))
    means = about_mean(images.reshape(6, 10, SIDE, 16, SIDE).mean(axis=(2, 4)))
    # Both see the same noise; pixels that marks and clipping take away leave 1.04, 3 sigma 1.2.
    assert 1.0 < levels(images).var() / means.var() < 1.1


def test_wings_of_bright_stars_do_not_follow_the_seeing() -> None:
    spacing, side = 96, 480
    rng = np.random.default_rng(1)
    y, x = np.indices((side, side)) % spacing - 0.5 * spacing
    squares = y**2 + x**2
    images = rng.normal(0, 10, (4, side, side))
    for k, image in enumerate(images):
        width = (2.0 + 0.8 * k) ** 2
        image += 3e5 * 2 / (np.pi * width) * (1 + squares / width) ** -3
    found = levels(images)
    known = np.isfinite(found).all(axis=0)
    assert known.mean() > 0.8
    # Noise: 0.02. Without marks on the wings the first and the last are 0.4 and 0.6 away.
    assert np.abs(found[:, known].mean(axis=1)).max() < 0.15


def test_slopes_in_cells_of_which_a_part_is_masked() -> None:
    side, n = 10 * SIDE, 4
    rng = np.random.default_rng(3)
    y, x = np.indices((side, side)) / side
    skies = 200 + rng.normal(0, 60, (n, 1, 1)) * y + rng.normal(0, 60, (n, 1, 1)) * x
    inputs = []
    for sky in skies:
        image = rng.normal(sky, 5.0)
        for top, left in rng.integers(0, side, (60, 2)):
            image[top : top + 20, left : left + 20] = np.nan
        inputs.append(MaskedImage.from_arrays(image.astype(np.float32), None, 1.0))
    match = match_backgrounds(inputs)
    assert match.fit is not None
    # 0.08, and chi square 1.3; levels that are held to be those of the middles give 0.25 and 8.
    noise = about_mean(skies + [result.model.image().array for result in match.results]).std()
    assert noise < 0.12
    spread = np.nanmedian(match.fit.residuals**2 / match.fit.levels.variances) / 0.455
    assert spread < 2

# SPDX-License-Identifier: BSD-3-Clause
"""Sums of backgrounds, in memory and in files; curves, cells and blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import Box, Image, Mask, MaskedImage
from deepcoadd.background import (
    BackgroundItem,
    BackgroundList,
    BackgroundModel,
    BackgroundOptions,
    bin_image,
    fill_cells,
    interpolate_nodes,
    smooth_cells,
)
from deepcoadd.errors import (
    FileFormatError,
    NoDataError,
    OptionError,
    OutputExistsError,
    ShapeError,
)
from deepcoadd.io import read_background_list, write_background_list

BOX = Box.from_shape((60, 80), start=(-30, 40))
OPTIONS = (
    BackgroundOptions(algorithm="NATURAL_SPLINE", undersample_style="THROW_EXCEPTION"),
    BackgroundOptions(use_approx=True, approx_order=2, approx_order_y=1, weighting=True),
    BackgroundOptions(algorithm="LINEAR"),
)


def models() -> list[BackgroundModel]:
    rng = np.random.default_rng(6)
    out = []
    for options in OPTIONS:
        values = rng.normal(5, 2, (6, 7)).astype(np.float32)
        variances = rng.uniform(0.1, 2, (6, 7)).astype(np.float32)
        mask = Mask(rng.integers(0, 4, (6, 7), dtype=np.int32))
        out.append(BackgroundModel(values, variances, BOX, options, mask))
    return out


def test_the_image_is_the_sum():
    parts = models()
    whole = BackgroundList(*parts)
    want = np.zeros(BOX.shape, np.float32)
    for part in parts:
        want += part.image().array
    np.testing.assert_array_equal(whole.image().array, want)
    image = Image(np.zeros(BOX.shape, np.float32), BOX)
    whole.add_to(image)
    np.testing.assert_array_equal(image.array, want)
    whole.subtract_from(image)
    np.testing.assert_allclose(image.array, 0, atol=5e-6)
    assert whole.getImage(Box.from_shape((3, 3), start=(-20, 50))).array.shape == (3, 3)


def test_items_are_tuples_of_seven():
    part = models()[1]
    items = BackgroundList(part)
    background, interp, undersample, approx, order_x, order_y, weighting = items[0]
    assert background is part
    assert (interp, undersample, approx) == ("AKIMA_SPLINE", "REDUCE_INTERP_ORDER", "CHEBYSHEV")
    assert (order_x, order_y, weighting) == (2, 1, True)
    items.append((part, "CONSTANT", "REDUCE_INTERP_ORDER", "UNKNOWN", 0, 0, False))
    assert not items[1].model.options.use_approx
    copy = items.clone()
    copy.append(part)
    assert (len(items), len(copy), len(copy[1:])) == (2, 3, 2)
    assert items[0].background.getStatsImage().image.array.shape == (6, 7)
    np.testing.assert_array_equal(items[0].background.getStatsImage().mask.array, part.mask.array)
    for wrong in (3, (part,), ("x",) * 7):
        with pytest.raises(OptionError, match="item: got"):
            items.append(wrong)
    with pytest.raises(OptionError, match="approx_style: got 'SPLINE'"):
        BackgroundItem(part, interp, undersample, "SPLINE", 0, 0, True).model  # noqa: B018


def test_lists_without_an_image():
    with pytest.raises(NoDataError, match="empty"):
        BackgroundList().image()
    first, second, _ = models()
    other = replace(second, box=BOX.shifted_by(x=1))
    with pytest.raises(ShapeError, match="item 1 covers"):
        BackgroundList(first, other).image()


def test_files_hold_the_same(tmp_path: Path):
    path = tmp_path / "list.fits"
    whole = BackgroundList(*models())
    write_background_list(path, whole)
    back = read_background_list(path)
    assert [item[1:] for item in back] == [item[1:] for item in whole]
    for ours, theirs in zip(whole, back, strict=True):
        for plane in ("values", "variances"):
            np.testing.assert_array_equal(
                getattr(ours.background, plane), getattr(theirs.background, plane)
            )
        np.testing.assert_array_equal(ours.background.mask.array, theirs.background.mask.array)
        assert theirs.background.box == BOX
    np.testing.assert_array_equal(back.image().array, whole.image().array)
    with pytest.raises(OutputExistsError):
        write_background_list(path, whole)
    with pytest.raises(NoDataError, match="empty"):
        write_background_list(tmp_path / "none.fits", BackgroundList())
    assert not (tmp_path / "none.fits").exists()


def test_cards_that_are_absent_or_wrong(tmp_path: Path):
    path = tmp_path / "list.fits"
    write_background_list(path, BackgroundList(models()[0]))
    with fits.open(path) as hdus:
        for hdu in hdus:
            for key in ("BKGD_VARIANCE_IS_SIGMA", "APPROXSTYLE", "APPROXWEIGHTING"):
                del hdu.header[key]
        hdus.writeto(tmp_path / "old.fits")
        hdus[0].header["HIERARCH INTERPSTYLE"] = 4
        hdus.writeto(tmp_path / "periodic.fits")
        del hdus[0].header["INTERPSTYLE"]
        hdus.writeto(tmp_path / "none.fits")
    old = read_background_list(tmp_path / "old.fits")
    assert old[0].approx_style == "UNKNOWN"
    # Without the card the plane holds standard deviations.
    np.testing.assert_array_equal(old[0].background.variances, models()[0].variances ** 2)
    with pytest.raises(FileFormatError, match="INTERPSTYLE is 4"):
        read_background_list(tmp_path / "periodic.fits")
    with pytest.raises(FileFormatError, match="INTERPSTYLE is missing"):
        read_background_list(tmp_path / "none.fits")


def test_nodes_cells_and_blocks_refuse_nonsense():
    with pytest.raises(OptionError, match="rising"):
        interpolate_nodes([1.0, 1.0], [0.0, 1.0], [0.5], "LINEAR")
    with pytest.raises(OptionError, match="style: got MODE"):
        fill_cells(np.ones((2, 2)), style="MODE")
    with pytest.raises(ShapeError, match="bad: got"):
        fill_cells(np.ones((2, 2)), np.zeros((3, 2), bool))
    with pytest.raises(OptionError, match="sigma: got 0"):
        smooth_cells(np.ones((2, 2)), np.zeros((2, 2), bool), 0)
    with pytest.raises(OptionError, match="block: got"):
        bin_image(MaskedImage.from_arrays(np.ones((4, 4)), None, 1.0), (0, 2))


def test_blocks_without_the_pixels_of_a_plane():
    pixels = MaskedImage.from_arrays(np.arange(16.0).reshape(4, 4), None, 2.0, start=(1, 2))
    pixels.mask.set("SAT", (slice(0, 1), slice(0, 2)))
    pixels.image.array[3, 3] = np.nan
    binned = bin_image(pixels, (2, 2), ignore=["SAT", "ABSENT"])
    np.testing.assert_allclose(binned.image.array, [[4.5, 4.5], [10.5, 35 / 3]])
    np.testing.assert_allclose(binned.variance.array, [[1.0, 0.5], [0.5, 2 / 3]])
    assert not binned.mask.array.any()
    assert np.isnan(bin_image(pixels, (2, 2)).image.array[1, 1])


def test_smoothing_leaves_a_constant():
    values = np.full((9, 12), 7.0)
    values[2, 3] = np.nan
    bad = np.zeros((9, 12), bool)
    bad[5, 5:] = True
    np.testing.assert_allclose(smooth_cells(values, bad, 1.5), 7.0, rtol=1e-14)

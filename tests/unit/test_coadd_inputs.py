# SPDX-License-Identifier: BSD-3-Clause
"""Which inputs a coadd uses, with which weight, and why others are skipped."""

from __future__ import annotations

import math
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS

from deepcoadd import Box, Exposure, MaskedImage, PhotoCalib, VisitInfo
from deepcoadd.coadd import AssembleOptions, assemble, prepare
from deepcoadd.errors import FileFormatError, NoWorkError, OptionError, ShapeError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.photocalib import ChebyshevField
from deepcoadd.wcs import shifted

PLAIN = AssembleOptions(unit=None, interpolate=None)


def warp(
    value: float = 1.0,
    variance: Any = 1.0,
    *,
    visit: int = 1,
    shape: tuple[int, int] = (6, 5),
    start: tuple[int, int] = (0, 0),
    **parts: Any,
) -> Exposure:
    pixels = MaskedImage.from_arrays(np.full(shape, value), None, variance, start=start)
    return Exposure(pixels, visit_info=VisitInfo(id=visit), **parts)


def tan_wcs(**cards: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [cards.get("x", 10.0), cards.get("y", 20.0)]
    scale = cards.get("scale", 0.2) / 3600
    wcs.wcs.cdelt = [-scale, scale]
    wcs.wcs.set()
    return wcs


class FileRef:
    """A reference that is not in memory, and may fail."""

    def __init__(self, exposure: Exposure, **failing: Exception) -> None:
        self.exposure = exposure
        self.failing = failing
        self.reads: list[Box] = []
        self.data_id = {"visit": exposure.info.visit_info.id, "file": "some.fits"}

    def box(self) -> Box:
        return self.exposure.box

    def info(self) -> ExposureInfo:
        if "info" in self.failing:
            raise self.failing["info"]
        return self.exposure.info

    def read(self, box: Box | None = None) -> MaskedImage:
        if "read" in self.failing:
            raise self.failing["read"]
        box = self.exposure.box if box is None else box
        self.reads.append(box)
        return self.exposure.masked_image[box].copy()


def reasons(plan: Any) -> dict[int, str]:
    return {item.index: item.reason for item in plan.skipped}


def test_constant_planes_are_combined_with_inverse_variances() -> None:
    values, variances = np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.5, 4.0])
    inputs = [warp(x, v, visit=i) for i, (x, v) in enumerate(zip(values, variances, strict=True))]
    result = assemble(inputs, options=PLAIN)
    weights = 1 / variances
    np.testing.assert_allclose([r.weight for r in result.inputs], weights, rtol=1e-6)
    expected = (values * weights).sum() / weights.sum()
    np.testing.assert_allclose(result.image.array, expected, rtol=1e-6)
    np.testing.assert_allclose(result.variance.array, 1 / weights.sum(), rtol=1e-6)
    assert result.noise == pytest.approx(math.sqrt(1 / weights.sum()), rel=1e-6)


def test_weight_is_the_clipped_mean_of_the_variance_of_good_pixels() -> None:
    variance = np.full((10, 10), 2.0)
    variance += np.linspace(-0.1, 0.1, 100).reshape(10, 10)
    variance[0, 0] = 1e6  # clipped
    variance[1, :] = np.inf  # no data
    variance[2, :] = 77.0  # bad
    exposure = warp(1.0, variance, shape=(10, 10))
    exposure.mask.set("BAD", (slice(2, 3), slice(None)))
    (record,) = prepare([exposure], options=PLAIN).records
    used = variance[[0, *range(3, 10)]].ravel()[1:]
    assert record.mean_variance == pytest.approx(used.mean(), rel=1e-6)
    assert record.weight == 1 / record.mean_variance
    assert record.n_good == 90


def test_weight_counts_only_pixels_of_the_coadd() -> None:
    variance = np.ones((4, 4))
    variance[:, 2:] = 3.0
    box = Box.from_shape((4, 2), start=(0, 2))
    (record,) = prepare([warp(1.0, variance, shape=(4, 4))], box, options=PLAIN).records
    assert record.weight == pytest.approx(1 / 3)
    assert record.box == box


def test_no_input_is_an_error() -> None:
    with pytest.raises(NoWorkError, match="empty"):
        assemble([])


def test_every_reason_to_skip_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    inputs = [
        warp(visit=1),
        warp(np.nan, visit=2),
        warp(variance=0.0, visit=3),
        warp(variance=np.inf, visit=4),
        warp(start=(100, 100), visit=5),
        FileRef(warp(visit=6), read=FileFormatError("truncated")),
        FileRef(warp(visit=7), info=OSError("gone")),
        warp(visit=8, shape=(0, 0)),
    ]
    inputs[3].mask.set("BAD", (slice(0, 1), slice(None)))
    result = assemble(inputs, warp().box, options=PLAIN)
    assert [r.data_id["visit"] for r in result.inputs] == [1]
    found = {item.data_id["visit"]: item.reason for item in result.skipped}
    assert found == {
        2: "no pixel is finite",
        3: "its mean variance is 0",
        4: "no pixel without a bad plane has a finite variance",
        5: "its box [y=100..105, x=100..104] does not overlap that of the coadd",
        6: "cannot be read: truncated",
        7: "cannot be read: gone",
        8: "it has no pixels",
    }
    assert [item.index for item in result.skipped] == list(range(1, 8))
    for item in result.skipped:
        assert f"skipped {item.name}: {item.reason}" in caplog.text


def test_nothing_left_is_an_error_with_all_reasons() -> None:
    with pytest.raises(NoWorkError, match=r"visit 1: no pixel is finite; visit 2: its mean var"):
        assemble([warp(np.nan, visit=1), warp(variance=0.0, visit=2)], options=PLAIN)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weight_that_is_no_weight(weight: float) -> None:
    with pytest.raises(OptionError, match=r"weights\[1\]"):
        assemble([warp(), warp()], weights=[1.0, weight], options=PLAIN)


def test_weight_zero_skips_the_input() -> None:
    result = assemble([warp(1.0), warp(5.0)], weights=[2.0, 0.0], options=PLAIN)
    assert reasons(result) == {1: "its weight is 0"}
    np.testing.assert_array_equal(result.image.array, 1.0)


@pytest.mark.parametrize("name", ["weights", "scalers", "alternate_masks"])
def test_lists_of_another_length(name: str) -> None:
    with pytest.raises(ShapeError, match=f"{name}: 1 for 2 inputs"):
        assemble([warp(), warp()], options=PLAIN, **{name: [None]})


def test_alternate_mask_of_another_shape() -> None:
    masks = [{"CLIPPED": np.zeros((2, 2), bool)}]
    with pytest.raises(ShapeError, match="CLIPPED"):
        assemble([warp()], options=PLAIN, alternate_masks=masks)


def test_empty_box_is_an_error() -> None:
    with pytest.raises(OptionError, match="box is empty"):
        assemble([warp()], Box.empty(), options=PLAIN)


def test_inputs_that_lie_worlds_apart_need_a_box() -> None:
    inputs = [warp(), warp(start=(10**6, 10**6), visit=2)]
    with pytest.raises(OptionError, match="far apart"):
        assemble(inputs, options=PLAIN)
    result = assemble(inputs, inputs[1].box, options=PLAIN)
    assert reasons(result).keys() == {0}
    near = assemble([warp(), warp(start=(100, 100), visit=2)], options=PLAIN)
    assert near.box.shape == (106, 105)


@pytest.mark.parametrize("start", [(2**30, 0), (0, -(2**40))])
def test_pixels_beyond_the_reach_of_tables_are_refused(start: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="pixels must lie between -1073741824 and 1073741824"):
        assemble([warp(start=start)], options=PLAIN)


def test_input_that_cannot_be_an_input() -> None:
    with pytest.raises(OptionError, match="expected an exposure"):
        assemble([3], options=PLAIN)


# --- variance that is not there ---------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, [1.0, 1.0]])
@pytest.mark.parametrize("from_file", [False, True])
def test_missing_variance_is_estimated_and_flagged(
    weights: list[float] | None, from_file: bool
) -> None:
    rng = np.random.default_rng(3)
    noisy = warp(shape=(200, 200), visit=1, variance=np.nan)
    noisy.image.array[...] = rng.normal(50, 3, (200, 200))
    noisy.image.array[:5] += 1e4  # stars: the estimate is robust
    known = warp(50.0, 9.0, shape=(200, 200), visit=2)
    inputs = [FileRef(noisy) if from_file else noisy, known]
    result = assemble(inputs, weights=weights, options=PLAIN)
    assert [r.variance_estimated for r in result.inputs] == [True, False]
    # 40000 pixels, 2.5 % of them stars: IQR of 3 sigma within 3 % (noise) + 4 % (stars).
    assert result.inputs[0].mean_variance == pytest.approx(9.0, rel=0.14)
    assert result.summary()["n_variance_estimated"] == 1
    expected = 1 / sum(r.weight for r in result.inputs)
    if weights is None:
        np.testing.assert_allclose(result.variance.array, expected, rtol=0.1)
    assert np.isfinite(result.variance.array).all()


def test_constant_input_without_variance_has_no_weight() -> None:
    with pytest.raises(NoWorkError, match="its mean variance is 0"):
        assemble([warp(variance=np.nan)], options=PLAIN)


# --- units ------------------------------------------------------------------------------------


def test_inputs_are_calibrated_to_nanojansky() -> None:
    inputs = [
        warp(2.0, 1.0, unit=u.nJy),
        warp(1.0, 0.25, unit=u.adu, photo_calib=PhotoCalib(2.0)),
        warp(1.0, 0.25, photo_calib=PhotoCalib(2.0)),
        warp(2e-3, 1e-6, unit=u.uJy),
    ]
    result = assemble(inputs, options=AssembleOptions())
    np.testing.assert_allclose([r.weight for r in result.inputs], 1.0, rtol=1e-6)
    np.testing.assert_allclose([r.factor for r in result.inputs], [1, 2, 2, 1000])
    np.testing.assert_allclose(result.image.array, 2.0, rtol=1e-6)
    np.testing.assert_allclose(result.variance.array, 0.25, rtol=1e-6)
    assert result.exposure.info.unit == u.nJy
    assert result.exposure.info.photo_calib == PhotoCalib(1.0)
    assert inputs[1].image.array[0, 0] == 1.0  # the input is not touched


def test_varying_calibration_is_evaluated_in_the_frame_of_the_input() -> None:
    wcs = tan_wcs()
    field = ChebyshevField(Box.from_shape((6, 5)), ((1.0, 0.5), (0.25, 0.0)))
    calib = PhotoCalib(1.0, field=field)
    moved = warp(unit=u.adu, photo_calib=calib, wcs=shifted(wcs, y=-7, x=3), visit=2)
    still = warp(shape=(20, 20), start=(-5, -5), unit=u.nJy, wcs=wcs)
    result = assemble([still, moved], still.box, weights=[1.0, 1.0])
    assert result.inputs[1].shift == (7, -3)
    expected = 0.5 * (1.0 + field.image(moved.box).array)
    here = Box.from_shape((6, 5), start=(7, -3))
    np.testing.assert_allclose(result.image[here].array, expected, rtol=1e-6)


@pytest.mark.parametrize("unit", [None, u.adu])
def test_input_without_unit_and_calibration_is_refused(unit: u.Unit | None) -> None:
    with pytest.raises(OptionError, match=r"visit 1: .*no photometric calibration.*unit none"):
        assemble([warp(unit=unit)])


def test_numbers_as_they_are() -> None:
    result = assemble([warp(2.0, unit=u.adu), warp(4.0)], options=PLAIN)
    np.testing.assert_array_equal(result.image.array, 3.0)
    assert result.exposure.info.unit == u.adu
    assert result.exposure.info.photo_calib is None


def test_numbers_as_they_are_must_be_of_one_unit() -> None:
    with pytest.raises(OptionError, match="different units: visit 1 in adu, visit 2 in nJy"):
        assemble([warp(unit=u.adu), warp(unit=u.nJy, visit=2)], options=PLAIN)


def test_shared_calibration_of_counts_is_kept() -> None:
    calib = PhotoCalib(2.0)
    inputs = [warp(unit=u.adu, photo_calib=calib), warp(photo_calib=calib)]
    result = assemble(inputs, options=AssembleOptions(unit="adu"))
    assert result.exposure.info.unit == u.adu
    assert result.exposure.info.photo_calib == calib
    other = [*inputs, warp(unit=u.adu, photo_calib=PhotoCalib(3.0))]
    result = assemble(other, options=AssembleOptions(unit="adu"))
    assert result.exposure.info.photo_calib is None


def test_unit_of_another_kind_is_refused() -> None:
    with pytest.raises(OptionError, match="unit adu"):
        assemble([warp(unit=u.adu)], options=AssembleOptions(unit="electron"))


def test_scalers_change_their_input_only() -> None:
    class Doubling:
        def scaleMaskedImage(self, masked_image: MaskedImage) -> None:  # noqa: N802
            masked_image *= 2.0

    inputs = [warp(1.0, 1.0), warp(2.0, 4.0)]
    result = assemble(inputs, options=PLAIN, scalers=[Doubling(), None])
    np.testing.assert_allclose([r.weight for r in result.inputs], 0.25)
    np.testing.assert_allclose(result.image.array, 2.0)
    assert inputs[0].image.array[0, 0] == 1.0


# --- grid -------------------------------------------------------------------------------------


def test_input_on_another_grid_is_skipped() -> None:
    inputs = [
        warp(wcs=tan_wcs(), visit=1),
        warp(wcs=tan_wcs(scale=0.21), visit=2, shape=(600, 500)),
        warp(wcs=tan_wcs(x=10.5), visit=3),
    ]
    result = assemble(inputs, options=PLAIN)
    assert {i.data_id["visit"] for i in result.skipped} == {2, 3}
    assert all("grid" in i.reason for i in result.skipped)
    assert result.box == inputs[0].box


def test_input_a_whole_number_of_pixels_away_is_moved() -> None:
    rng = np.random.default_rng(5)
    sky = rng.normal(size=(30, 30)).astype(np.float32)
    first = warp(shape=(20, 20), wcs=tan_wcs())
    first.image.array[...] = sky[:20, :20]
    second = warp(shape=(20, 20), wcs=shifted(tan_wcs(), y=-10, x=-7), visit=2)
    second.image.array[...] = sky[10:, 7:27]
    result = assemble([first, second], options=PLAIN)
    assert result.box == Box.from_shape((30, 27))
    assert [r.shift for r in result.inputs] == [(0, 0), (10, 7)]
    covered = result.n_image.array > 0
    np.testing.assert_allclose(result.image.array[covered], sky[:, :27][covered], rtol=1e-6)
    np.testing.assert_array_equal(result.n_image.array.max(), 2)


def test_wcs_of_the_coadd_can_be_given() -> None:
    grid = tan_wcs()
    inputs = [warp(visit=1, wcs=tan_wcs(scale=0.5), shape=(600, 600)), warp(visit=2, wcs=grid)]
    result = assemble(inputs, options=PLAIN, wcs=grid)
    assert [r.data_id["visit"] for r in result.inputs] == [2]
    assert result.exposure.info.wcs is grid


# --- files ------------------------------------------------------------------------------------


def test_small_inputs_are_read_once_and_large_ones_twice() -> None:
    refs = [FileRef(warp(float(i), visit=i)) for i in (1, 2)]
    assemble(refs, options=PLAIN)
    assert [len(ref.reads) for ref in refs] == [1, 1]
    refs = [FileRef(warp(float(i), visit=i, shape=(64, 64))) for i in (1, 2)]
    tight = AssembleOptions(unit=None, interpolate=None, max_memory=2 * 12 * 64 * 64)
    result = assemble(refs, options=tight)
    # A quarter of the budget, at least, is for tiles: 24 kB hold three of two inputs of 5 rows.
    assert [len(ref.reads) for ref in refs] == [1 + 13, 1 + 13]
    np.testing.assert_array_equal(result.image.array, 1.5)


def test_weights_that_are_given_save_the_first_reading() -> None:
    refs = [FileRef(warp(float(i), visit=i, shape=(512, 8))) for i in (1, 2)]
    tight = AssembleOptions(unit=None, interpolate=None, max_memory=100_000)
    result = assemble(refs, weights=[1.0, 3.0], options=tight)
    assert refs[0].reads[0].y.size == 64  # a look at the middle rows
    assert sum(box.area for box in refs[0].reads) == (64 + 512) * 8
    assert math.isnan(result.inputs[0].mean_variance)
    np.testing.assert_array_equal(result.image.array, 1.75)


def test_input_with_given_weight_and_an_empty_middle_is_looked_at_as_a_whole() -> None:
    gap = warp(shape=(200, 3))
    gap.image.array[50:150] = np.nan
    full = warp(np.nan, shape=(200, 3), visit=2)
    result = assemble([gap, full], weights=[1.0, 1.0], options=PLAIN)
    assert reasons(result) == {1: "no pixel is finite"}
    assert len(result.inputs) == 1


def test_table_of_the_inputs() -> None:
    inputs = [
        warp(variance=2.0, visit=11, start=(3, -4)),
        warp(np.nan, visit=12),
        warp(visit=13),
    ]
    table = assemble(inputs, options=PLAIN).table()
    assert list(table["visit"]) == [11, 13]
    np.testing.assert_allclose(table["weight"], [0.5, 1.0])
    assert [tuple(table[0][k] for k in ("x0", "y0", "x1", "y1"))] == [(-4, 3, 0, 8)]
    assert table["exposure_time"].unit == u.s


def test_data_id_without_a_visit_number() -> None:
    result = assemble([MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0)], options=PLAIN)
    assert result.table()["visit"][0] == -1


def test_small_inputs_with_given_weights_are_kept_and_not_measured() -> None:
    refs = [FileRef(warp(float(i), visit=i)) for i in (1, 2)]
    result = assemble(refs, weights=[1.0, 3.0], options=PLAIN)
    assert [len(ref.reads) for ref in refs] == [2, 2]  # a look at the middle, then everything
    assert math.isnan(result.inputs[0].mean_variance)
    np.testing.assert_array_equal(result.image.array, 1.75)

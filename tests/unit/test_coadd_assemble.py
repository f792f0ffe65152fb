# SPDX-License-Identifier: BSD-3-Clause
"""The base assembler as a whole: results, tiles, callbacks, interpolation, failures."""

from __future__ import annotations

import math
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time

from deepcoadd import Box, Exposure, FilterLabel, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    MAPS,
    TASK_ASSEMBLE,
    AssembleOptions,
    CoaddTile,
    TileWork,
    assemble,
    prepare,
    stack_tile,
)
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.image import Image
from deepcoadd.interpolate import InterpolateOptions
from deepcoadd.photocalib import AB_ZERO_FLUX_NJY
from deepcoadd.testing.simulate import simulate_warps

PLAIN = AssembleOptions(unit=None, interpolate=None)


def scene(n: int = 5, shape: tuple[int, int] = (30, 20), seed: int = 1) -> list[MaskedImage]:
    """Noisy images with bad pixels of every sort."""
    rng = np.random.default_rng(seed)
    inputs = []
    for _ in range(n):
        image = rng.normal(10, 2, shape)
        image[rng.random(shape) < 0.02] = np.nan
        image[rng.random(shape) < 0.02] += 100
        one = MaskedImage.from_arrays(image, None, rng.uniform(3, 5, shape), start=(-7, 4))
        for plane in ("BAD", "SAT", "EDGE", "NO_DATA", "DETECTED", "NOT_DEBLENDED"):
            one.mask.set(plane, rng.random(shape) < 0.03)
        inputs.append(one)
    return inputs


def same_bits(a: Any, b: Any) -> None:
    for name in ("image", "mask", "variance", "n_image", "n_clipped_image"):
        np.testing.assert_array_equal(getattr(a, name).array, getattr(b, name).array, err_msg=name)
    for name, image in a.maps.items():
        np.testing.assert_array_equal(image.array, b.maps[name].array, err_msg=name)
    assert (a.noise, a.clipped_fraction) == (b.noise, b.clipped_fraction)


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
def test_agrees_with_numpy(statistic: str) -> None:
    inputs = scene()
    box = inputs[0].box
    result = assemble(
        inputs, options=AssembleOptions(unit=None, interpolate=None, statistic=statistic)
    )
    bad = inputs[0].planes.bitmask("BAD", "SAT", "EDGE", "NO_DATA")
    x = np.array([m.image.array for m in inputs], float)
    good = np.isfinite(x) & np.array([(m.mask.array & bad) == 0 for m in inputs])
    np.testing.assert_array_equal(result.n_image.array, good.sum(axis=0))
    assert int(result.n_image.array.sum()) == good.sum()
    w = np.array([r.weight for r in result.inputs])[:, None, None] * good
    clean = (result.n_clipped_image.array == 0) & good.any(axis=0)
    assert clean.mean() > 0.5
    if statistic == "MEDIAN":
        expected = np.nanmedian(np.where(good, x, np.nan)[:, clean], axis=0)
    else:
        expected = (w * np.where(good, x, 0)).sum(axis=0)[clean] / w.sum(axis=0)[clean]
        v = np.array([m.variance.array for m in inputs], float)
        variance = (w**2 * v).sum(axis=0)[clean] / w.sum(axis=0)[clean] ** 2
        np.testing.assert_allclose(result.variance.array[clean], variance, rtol=1e-6)
    np.testing.assert_allclose(result.image.array[clean], expected, rtol=1e-6)
    assert result.box == box
    assert result.clipped_fraction == result.n_clipped_image.array.sum() / good.sum()
    assert (result.clipped_fraction > 0) == (statistic == "MEANCLIP")


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
def test_order_of_the_inputs_does_not_matter(statistic: str) -> None:
    inputs = scene(9, (40, 50))
    options = AssembleOptions(unit=None, interpolate=None, statistic=statistic)
    a, b = assemble(inputs, options=options), assemble(inputs[::-1], options=options)
    np.testing.assert_allclose(b.image.array, a.image.array, rtol=1e-6)
    np.testing.assert_allclose(b.variance.array, a.variance.array, rtol=1e-6)
    np.testing.assert_array_equal(b.mask.array, a.mask.array)
    np.testing.assert_array_equal(b.n_clipped_image.array, a.n_clipped_image.array)


def test_noise_is_the_median_sigma_of_pixels_with_data() -> None:
    inputs = [MaskedImage.from_arrays(np.ones((4, 4)), None, 2.0) for _ in range(2)]
    for one in inputs:
        one.image.array[0] = np.nan
    result = assemble(inputs, options=AssembleOptions(unit=None))
    assert result.noise == pytest.approx(1.0)
    assert np.isinf(result.variance.array[0]).all()  # interpolated over, after the fact


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_noise_of_a_large_coadd_is_sampled(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr("deepcoadd.coadd._assemble._NOISE_PIXELS", 40)
    inputs = scene(3, (50, 31))
    options = AssembleOptions(unit=None, interpolate=None, subregion=(rows, 1))
    result = assemble(inputs, options=options)
    sample = result.variance.array[::7, ::7]  # 7 is the root of 1550 / 40, rounded up
    expected = math.sqrt(np.median(sample[np.isfinite(sample)]))
    assert result.noise == pytest.approx(expected, rel=1e-7)


def test_one_pixel() -> None:
    result = assemble([MaskedImage.from_arrays([[3.0]], None, 4.0)], options=PLAIN)
    assert result.image.array.item() == 3.0
    assert result.variance.array.item() == 4.0


def test_all_masked_gives_no_data() -> None:
    one = MaskedImage.from_arrays(np.ones((3, 3)), None, 1.0)
    one.mask.set("BAD", (slice(None), slice(None)))
    result = assemble([one], weights=[1.0], options=PLAIN)
    assert np.isnan(result.image.array).all()
    assert np.isnan(result.variance.array).all()
    assert result.mask.has("NO_DATA").all()
    assert math.isnan(result.noise)
    assert math.isnan(result.clipped_fraction)


def test_box_larger_than_the_inputs() -> None:
    inputs = scene(3)
    box = inputs[0].box.dilated_by(2)
    result = assemble(inputs, box, options=PLAIN)
    inner = assemble(inputs, options=PLAIN)
    np.testing.assert_array_equal(result.image[inner.box].array, inner.image.array)
    assert result.mask.has("NO_DATA")[:2].all()
    assert not result.n_image.array[:, :2].any()


def test_box_smaller_than_the_inputs() -> None:
    inputs = scene(3)
    box = inputs[0].box.dilated_by(-4)
    cut = assemble([m[box] for m in inputs], options=PLAIN)
    same_bits(assemble(inputs, box, options=PLAIN), cut)


def test_inputs_are_not_changed_and_need_not_be_contiguous() -> None:
    inputs = scene(3)
    before = [pickle.dumps(m) for m in inputs]
    expected = assemble(inputs, options=PLAIN)
    assert [pickle.dumps(m) for m in inputs] == before
    turned = [
        MaskedImage.from_arrays(
            np.asfortranarray(m.image.array),
            np.asfortranarray(m.mask.array),
            np.asfortranarray(m.variance.array),
            box=m.box,
        )
        for m in inputs
    ]
    same_bits(assemble(turned, options=PLAIN), expected)


def test_read_only_arrays_are_read() -> None:
    inputs = scene(2)
    for one in inputs:
        for plane in (one.image, one.mask, one.variance):
            plane.array.flags.writeable = False
    same_bits(assemble(inputs, options=PLAIN), assemble(scene(2), options=PLAIN))


def test_interpolation_fills_pixels_without_data() -> None:
    inputs = [MaskedImage.from_arrays(np.full((4, 20), 5.0), None, 1.0) for _ in range(2)]
    for one in inputs:
        one.image.array[:, 8:10] = np.nan
        one.image.array[2, :] = np.nan
    filled = assemble(inputs, options=AssembleOptions(unit=None))
    np.testing.assert_allclose(filled.image.array, 5.0, rtol=1e-6)
    assert filled.mask.has("INTRP")[:, 8:10].all()
    assert filled.mask.has("NO_DATA")[:, 8:10].all()
    assert np.isinf(filled.variance.array[2]).all()
    left = assemble(inputs, options=PLAIN)
    assert np.isnan(left.image.array[:, 8:10]).all()
    assert not left.mask.has("INTRP").any()


def test_long_run_at_the_edge_is_filled_with_the_median() -> None:
    rng = np.random.default_rng(6)
    one = MaskedImage.from_arrays(rng.normal(100, 1, (3, 40)), None, 1.0)
    one.image.array[1, :20] = np.nan
    result = assemble([one], options=AssembleOptions(unit=None))
    row = result.image.array[1]
    fallback = np.float32(np.nanmedian(one.image.array))
    np.testing.assert_array_equal(row[:14], fallback)
    assert not (row[14:20] == fallback).all()
    assert result.mask.has("INTRP")[1, :20].all()
    assert np.isinf(result.variance.array[1, :20]).all()


def test_interpolation_options_are_used() -> None:
    one = MaskedImage.from_arrays(np.full((2, 3), 5.0), None, 1.0)
    one.image.array[1] = np.nan
    how = InterpolateOptions(fallback_value_type="USER", fallback_user_value=7.0)
    result = assemble([one], options=AssembleOptions(unit=None, interpolate=how))
    np.testing.assert_array_equal(result.image.array[1], 7.0)


# --- tiles, memory, callbacks -----------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "MEDIAN"])
@pytest.mark.parametrize(
    "how",
    [
        {"subregion": (1, 1)},
        {"subregion": (7, 3)},
        {"max_memory": 1},
        {"max_memory": 40_000},
    ],
)
def test_tiles_never_show(statistic: str, how: dict[str, Any]) -> None:
    inputs = scene()
    options = {"unit": None, "statistic": statistic, "maps": ("weight",)}
    whole = assemble(inputs, options=AssembleOptions(**options))
    same_bits(assemble(inputs, options=AssembleOptions(**options, **how)), whole)


def collected(n_rows: int, **options: Any) -> tuple[list[CoaddTile], Any]:
    tiles: list[CoaddTile] = []
    chosen = AssembleOptions(unit=None, subregion=(n_rows, 9), **options)
    result = assemble(scene(), options=chosen, on_tile=tiles.append)
    return tiles, result


def test_tiles_can_be_handed_out() -> None:
    options = {"interpolate": None, "maps": ("weight",), "statistic": "MEANCLIP"}
    tiles, result = collected(4, **options)
    whole = assemble(scene(), options=AssembleOptions(unit=None, **options))
    assert [tile.box.y.size for tile in tiles] == [4] * 7 + [2]
    for name in ("image", "mask", "variance"):
        parts = [getattr(tile.masked_image, name).array for tile in tiles]
        np.testing.assert_array_equal(np.vstack(parts), getattr(whole, name).array)
    counts = np.vstack([tile.n_image.array for tile in tiles])
    np.testing.assert_array_equal(counts, whole.n_image.array)
    weights = np.vstack([tile.maps["weight"].array for tile in tiles])
    np.testing.assert_array_equal(weights, whole.maps["weight"].array)
    assert result.n_image is None
    assert result.maps == {}
    assert result.clipped_fraction == whole.clipped_fraction
    assert result.noise == whole.noise
    with pytest.raises(NoDataError, match="tile by tile"):
        result.exposure  # noqa: B018


def test_tiles_handed_out_can_be_interpolated_with_a_known_fallback() -> None:
    how = InterpolateOptions(fallback_value_type="USER", fallback_user_value=1.0)
    tiles, _ = collected(4, interpolate=how)
    whole = assemble(scene(), options=AssembleOptions(unit=None, interpolate=how))
    parts = [tile.masked_image.image.array for tile in tiles]
    np.testing.assert_array_equal(np.vstack(parts), whole.image.array)


@pytest.mark.parametrize(
    "how",
    [
        InterpolateOptions(),
        InterpolateOptions(fallback_value_type="USER", direction="column"),
        InterpolateOptions(fallback_value_type="USER", transpose=True),
    ],
)
def test_tiles_handed_out_cannot_be_interpolated_across(how: InterpolateOptions) -> None:
    with pytest.raises(OptionError, match="handed out by tiles"):
        collected(4, interpolate=how)


def test_progress_is_told() -> None:
    calls: list[tuple[int, int, str]] = []
    options = AssembleOptions(unit=None, interpolate=None, subregion=(10, 10))
    assemble(scene(), options=options, progress=lambda *call: calls.append(call))
    weighing = [call for call in calls if call[2] == "weighing"]
    assert weighing == [(i, 5, "weighing") for i in range(1, 6)]
    stacking = [call for call in calls if call[2] == "stacking"]
    assert stacking == [(i, 3, "stacking") for i in range(4)]


def test_plan_takes_the_place_of_the_inputs() -> None:
    inputs = scene()
    plan = prepare(inputs, options=PLAIN)
    assert plan.output_bytes == 20 * plan.box.area
    same_bits(assemble(plan), assemble(inputs, options=PLAIN))
    with pytest.raises(OptionError, match="CoaddPlan"):
        assemble(plan, options=PLAIN)


def test_step_of_the_caller_is_used_and_starts_from_no_data() -> None:
    def top_only(work: TileWork) -> Any:
        if work.box.y.start == -7:
            return stack_tile(work)
        return stack_tile(replace(work, pixels=[None] * 5))

    options = AssembleOptions(unit=None, interpolate=None, subregion=(10, 10))
    result = assemble(scene(), options=options, tile_step=top_only)
    assert result.n_image.array[:10].any()
    assert np.isnan(result.image.array[10:]).all()
    assert result.mask.has("NO_DATA")[10:].all()


def test_pixels_that_a_step_leaves_out_have_no_data() -> None:
    def nothing(work: TileWork) -> Any:
        return stack_tile(replace(work, out=type(work.out).allocate(work.box.shape)))

    result = assemble(scene(), options=PLAIN, tile_step=nothing)
    assert np.isnan(result.image.array).all()
    assert np.isnan(result.variance.array).all()
    assert result.mask.has("NO_DATA").all()
    assert not result.n_image.array.any()


# --- failures ---------------------------------------------------------------------------------


class Failing:
    """A reference that can be weighed and fails when the coadd comes to a row."""

    def __init__(self, masked_image: MaskedImage, row: int, error: BaseException) -> None:
        self.exposure = Exposure(masked_image)
        self.row = row
        self.error = error
        self.data_id = {"visit": 77}

    def box(self) -> Box:
        return self.exposure.box

    def info(self) -> ExposureInfo:
        return self.exposure.info

    def read(self, box: Box | None = None) -> MaskedImage:
        box = self.exposure.box if box is None else box
        if box.y.start >= self.row:
            raise self.error
        return self.exposure.masked_image[box].copy()


def run_failing(error: BaseException) -> None:
    inputs = scene(2)
    refs = [inputs[0], Failing(inputs[1], 3, error)]
    assemble(
        refs,
        weights=[1.0, 1.0],
        options=AssembleOptions(unit=None, subregion=(5, 5), max_memory=1),
    )


def test_input_that_becomes_unreadable_is_named() -> None:
    with pytest.raises(NoDataError, match=r"visit 77: reading \[y=3\.\.3.*: torn") as caught:
        run_failing(OSError("torn"))
    assert isinstance(caught.value.__cause__, OSError)


def test_interrupt_while_reading_comes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_failing(KeyboardInterrupt())


def test_interrupt_between_tiles_does_not_wait_for_the_reader() -> None:
    release = threading.Event()
    inputs = scene(2)

    class Slow(Failing):
        def read(self, box: Box | None = None) -> MaskedImage:
            if box is not None and box.y.start >= self.row:
                release.wait(50)
            return super().read(box)

    slow = Slow(inputs[1], 100, OSError())
    slow.row = 5

    def interrupt(done: int, total: int, label: str) -> None:
        if label == "stacking":
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            assemble(
                [inputs[0], slow],
                weights=[1.0, 1.0],
                options=AssembleOptions(unit=None, subregion=(1, 1), max_memory=1),
                progress=interrupt,
            )
        readers = [t for t in threading.enumerate() if t.name == "deepcoadd-read"]
        assert all(t.daemon for t in readers)
    finally:
        release.set()


def test_error_of_a_step_says_where() -> None:
    def broken(work: TileWork) -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        assemble(scene(), options=PLAIN, tile_step=broken)
    assert caught.value.__notes__ == ["while combining 5 inputs at [y=-7..22, x=4..23]"]


# --- what the result says ---------------------------------------------------------------------


def test_header_of_the_coadd() -> None:
    warps, _ = simulate_warps(n=3, shape=(64, 64), seed=4)
    named = [
        w.with_info(filter=FilterLabel(band="r", physical=f"r{i}")) for i, w in enumerate(warps)
    ]
    result = assemble(named)
    info = result.exposure.info
    assert info.filter == FilterLabel(band="r")
    assert info.unit == u.nJy
    assert info.photo_calib.mean == 1.0
    assert info.visit_info is None
    assert list(info.inputs.visits["filter"]) == ["r0", "r1", "r2"]
    assert info.planes == result.mask.planes
    assert result.table().colnames == info.inputs.warps.colnames


def test_summary_is_plain() -> None:
    summary = assemble(scene(), options=AssembleOptions(unit=None)).summary()
    assert summary["n_inputs"] == 5
    assert (summary["width"], summary["height"]) == (20, 30)
    assert summary["statistic"] == "MEAN"
    assert summary["seconds"] > 0
    for value in summary.values():
        assert isinstance(value, (str, int, float, dict))


def test_simulated_sky_is_recovered() -> None:
    warps, truth = simulate_warps(n=10, shape=(256, 256), seed=1, satellite_in=3)
    coadd = assemble(warps, warps[0].box, options=AssembleOptions(statistic="MEANCLIP"))
    good = ~coadd.mask.has("NO_DATA", "CLIPPED")
    pull = (coadd.image.array - truth)[good] / np.sqrt(coadd.variance.array[good])
    # 3 / sqrt(2 n) of scatter, and 3 % for N = 10 from what clipping takes without saying so.
    assert abs(pull.std() - 1) < 0.05


@pytest.mark.parametrize(
    ("statistic", "n", "spread"),
    [
        ("MEAN", 5, 1.0),
        ("MEANCLIP", 4, 1.043),
        ("MEANCLIP", 5, 1.034),
        ("MEANCLIP", 6, 1.033),
        ("MEANCLIP", 10, 1.037),
        ("MEANCLIP", 20, 1.031),
    ],
)
def test_pull_of_the_coadd(statistic: str, n: int, spread: float) -> None:
    rng = np.random.default_rng(n)
    shape = (512, 256)
    inputs = [MaskedImage.from_arrays(rng.normal(7, 1, shape), None, 1.0) for _ in range(n)]
    options = AssembleOptions(unit=None, interpolate=None, statistic=statistic)
    result = assemble(inputs, options=options)
    pull = (result.image.array.astype(float) - 7) / np.sqrt(result.variance.array)
    # 3 sigma of the spread of 131072 numbers (false alarm 0.3 %), and what the measured numbers
    # of clipping are good for.
    tolerance = 3 / math.sqrt(2 * pull.size) + (0.003 if statistic == "MEANCLIP" else 0.0)
    assert abs(math.sqrt(np.mean(pull**2)) - spread) < tolerance


def mapped(**visit: Any) -> Callable[[float, int], Exposure]:
    def make(variance: float, number: int) -> Exposure:
        pixels = MaskedImage.from_arrays(np.full((3, 4), 1.0), None, variance)
        info = VisitInfo(id=number, **{key: value[number] for key, value in visit.items()})
        return Exposure(pixels, visit_info=info, unit=u.nJy)

    return make


def test_maps() -> None:
    dates = [Time(60000.0 + d, format="mjd", scale="tai") for d in (0.0, 1.0, 5.0)]
    make = mapped(exposure_time=[30.0, 15.0, 60.0], date=dates)
    inputs = [make(v, i) for i, v in enumerate((1.0, 0.5, 1.0))]
    inputs[1].mask.set("BAD", (slice(0, 1), slice(None)))
    inputs[2].image.array[:, 0] = np.nan
    for one in inputs:
        one.mask.set("NO_DATA", (slice(2, 3), slice(3, 4)))
    result = assemble(inputs, options=AssembleOptions(maps=MAPS, interpolate=None))
    maps = {name: image.array for name, image in result.maps.items()}
    assert tuple(maps) == MAPS
    np.testing.assert_allclose(maps["weight"][:, 0], [1, 3, 3])
    np.testing.assert_allclose(maps["exposure_time"][:, 1], [90, 105, 105])
    np.testing.assert_allclose(maps["exposure_time"][2], [45, 105, 105, 0])
    assert maps["date"].dtype == np.float64
    np.testing.assert_allclose(maps["date"][0, 1], 60002.5, rtol=1e-12)
    np.testing.assert_allclose(maps["date"][1, 1], 60000 + (2 * 1 + 5) / 4, rtol=1e-12)
    assert np.isnan(maps["date"][2, 3])
    sigma = np.sqrt(0.25)
    expected = -2.5 * np.log10(5 * sigma / AB_ZERO_FLUX_NJY)
    assert maps["depth"][1, 1] == pytest.approx(expected, rel=1e-6)
    assert np.isnan(maps["depth"][2, 3])


def test_depth_uses_the_psf_area(caplog: pytest.LogCaptureFixture) -> None:
    class FlatPsf:
        def kernel_image(self, *, y: float, x: float) -> Image:
            return Image(np.full((4, 4), 1 / 16))

    make = mapped(exposure_time=[1.0, 1.0])
    with_psf = make(1.0, 0).with_info(psf=FlatPsf())
    options = AssembleOptions(maps=("depth",))
    depth = assemble([with_psf, make(1.0, 1)], options=options).maps["depth"].array[0, 0]
    bare = assemble([make(1.0, 0), make(1.0, 1)], options=options).maps["depth"].array[0, 0]
    assert bare - depth == pytest.approx(2.5 * math.log10(4.0), rel=1e-5)
    assert "no input has a PSF" in caplog.text


def test_map_of_what_is_not_known_leaves_it_out(caplog: pytest.LogCaptureFixture) -> None:
    make = mapped(exposure_time=[30.0, math.nan])
    options = AssembleOptions(maps=("exposure_time", "date"))
    result = assemble([make(1.0, 0), make(1.0, 1)], options=options)
    np.testing.assert_array_equal(result.maps["exposure_time"].array, 30.0)
    assert np.isnan(result.maps["date"].array).all()
    assert "map exposure_time: not known for visit 1" in caplog.text


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "MODE"}, "MODE"),
        ({"statistic": "ERRORS"}, "ERRORS"),
        ({"statistic": "MEAN|MEDIAN"}, "one value"),
        ({"statistic": "MAX"}, "interpolate"),
        ({"sigma_clip": 0.0}, "sigma_clip"),
        ({"sigma_clip": math.nan}, "sigma_clip"),
        ({"n_iter": 0}, "n_iter"),
        ({"max_memory": 0}, "max_memory"),
        ({"subregion": (0, 5)}, "subregion"),
        ({"subregion": (5,)}, "subregion"),
        ({"bad_planes": "SAT"}, "bad_planes"),
        ({"remove_planes": [3]}, "remove_planes"),
        ({"propagation_thresholds": {"SAT": math.nan}}, "SAT"),
        ({"propagation_thresholds": {"SAT": 2}}, "SAT"),
        ({"maps": ("colour",)}, "colour"),
        ({"maps": ("depth",), "unit": "adu"}, "depth"),
        ({"maps": ("depth",), "unit": None}, "depth"),
        ({"unit": "furlong-ish"}, "furlong-ish"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AssembleOptions(**options)


def test_any_statistic_works_without_interpolation() -> None:
    inputs = [MaskedImage.from_arrays(np.full((2, 2), v), None, 1.0) for v in (1.0, 2.0, 9.0)]
    for name, expected in (("MAX", 9), ("MIN", 1), ("NPOINT", 3), ("IQRANGE", 4), ("SUM", 12)):
        options = AssembleOptions(unit=None, interpolate=None, statistic=name)
        np.testing.assert_allclose(assemble(inputs, options=options).image.array, expected)


def test_options_are_values() -> None:
    options = AssembleOptions(bad_planes=["SAT"], propagation_thresholds={"SAT": 0.5})
    assert options.bad_planes == ("SAT",)
    assert pickle.loads(pickle.dumps(options)) == options
    assert AssembleOptions() == AssembleOptions()
    assert TASK_ASSEMBLE.statistic == "MEANCLIP"

# SPDX-License-Identifier: BSD-3-Clause
"""Parts of the assembler: strips and reading ahead, quality in blocks, grids, bright objects."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

from deepcoadd import Box, Mask, MaskedImage, MaskPlanes
from deepcoadd.coadd import (
    AssembleOptions,
    BrightObject,
    assemble,
    flag_inexact_psf,
    mask_bright_objects,
    read_bright_objects,
)
from deepcoadd.coadd import _quality as quality
from deepcoadd.coadd._grid import grid_shift
from deepcoadd.coadd._tiles import prefetched, strips
from deepcoadd.errors import FileFormatError, MaskPlaneError, NoDataError, OptionError
from deepcoadd.statistics import StatsOptions
from deepcoadd.wcs import pixel_to_sky, shifted

# --- strips and reading ahead -----------------------------------------------------------------


def test_strips_fit_three_times_into_the_budget() -> None:
    box = Box.from_shape((100, 10), start=(-5, 3))
    tiles = strips(box, 4, budget=3 * 4 * 10 * 12 * 7, max_rows=1000)
    assert [tile.y.size for tile in tiles] == [7] * 14 + [2]
    assert all(tile.x == box.x for tile in tiles)
    assert tiles[0].y.start == -5
    assert tiles[-1].y.stop == 95


@pytest.mark.parametrize(("budget", "max_rows", "rows"), [(1, 50, 1), (10**9, 50, 50), (0, 9, 1)])
def test_strips_have_a_row_at_least_and_no_more_than_asked(
    budget: int, max_rows: int, rows: int
) -> None:
    box = Box.from_shape((100, 10))
    assert strips(box, 4, budget=budget, max_rows=max_rows)[0].y.size == rows
    assert strips(box, 0, budget=budget, max_rows=max_rows)[0].y.size == rows


def test_reading_is_one_ahead_and_in_order() -> None:
    started: list[int] = []

    def read(job: int) -> int:
        started.append(job)
        return job * job

    seen = []
    for job, value in prefetched(range(5), read):
        deadline = time.monotonic() + 20
        while len(started) < min(job + 2, 5) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert started == list(range(min(job + 2, 5)))
        seen.append((job, value))
    assert seen == [(i, i * i) for i in range(5)]


def test_no_more_than_two_readings_are_alive() -> None:
    class Reading:
        alive = 0
        most = 0

        def __init__(self) -> None:
            Reading.alive += 1
            Reading.most = max(Reading.most, Reading.alive)

        def __del__(self) -> None:
            Reading.alive -= 1

    def read(job: int) -> Reading:
        return Reading()

    for job, reading in prefetched(range(6), read):
        assert isinstance(reading, Reading)
        del job, reading
    # The caller may hold one, one is being read; the third is the one just handed over.
    assert Reading.most <= 2


def test_error_comes_when_its_job_is_due() -> None:
    def read(job: int) -> int:
        if job == 2:
            raise OSError("torn")
        return job

    readings = prefetched(range(5), read)
    assert [next(readings), next(readings)] == [(0, 0), (1, 1)]
    with pytest.raises(OSError, match="torn"):
        next(readings)


@pytest.mark.parametrize("ahead", [True, False])
def test_nothing_to_read(ahead: bool) -> None:
    assert list(prefetched([], lambda job: job, ahead=ahead)) == []


def test_reading_in_the_same_thread() -> None:
    readings = prefetched(range(3), lambda job: threading.current_thread().name, ahead=False)
    assert list(readings) == [(job, threading.current_thread().name) for job in range(3)]


def test_stopping_early_leaves_nothing_waiting() -> None:
    release = threading.Event()

    def read(job: int) -> int:
        if job:
            release.wait(50)
        return job

    start = time.monotonic()
    for _ in prefetched(range(3), read):
        break
    assert time.monotonic() - start < 20
    release.set()


# --- quality of large planes ------------------------------------------------------------------


def plane(seed: int, shape: tuple[int, int], **how: Any) -> MaskedImage:
    rng = np.random.default_rng(seed)
    variance = rng.gamma(9.0, 1.0, shape) - how.get("offset", 0.0)
    variance[rng.random(shape) < 0.05] *= 40
    variance[rng.random(shape) < 0.05] = np.nan
    variance[rng.random(shape) < 0.02] = np.inf
    image = rng.normal(0, 2, shape)
    image[rng.random(shape) < 0.1] = np.nan
    one = MaskedImage.from_arrays(image, None, variance)
    one.mask.set("BAD", rng.random(shape) < 0.1)
    return one


@pytest.mark.parametrize("sigma_clip", [1.5, 3.0])
@pytest.mark.parametrize("n_iter", [1, 2, 4])
@pytest.mark.parametrize("offset", [0.0, 9.0])
def test_blocks_and_whole_give_the_same_quality(
    monkeypatch: pytest.MonkeyPatch, sigma_clip: float, n_iter: int, offset: float
) -> None:
    one = plane(7, (130, 61), offset=offset)  # with an offset there are negative numbers
    options = StatsOptions(sigma_clip=sigma_clip, n_iter=n_iter, bad_bits=one.planes.bitmask("BAD"))
    whole = quality.measure(one, options)
    monkeypatch.setattr(quality, "_BLOCK", 500)
    blocks = quality.measure_in_blocks(lambda box: one[box], one.box, options)
    assert (blocks.n_finite, blocks.n_good) == (whole.n_finite, whole.n_good)
    # Both sum in float64: they differ by the order of the sums.
    assert blocks.mean_variance == pytest.approx(whole.mean_variance, rel=1e-12)
    assert not blocks.estimated


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_values_in_blocks(n: int) -> None:
    one = MaskedImage.from_arrays(np.ones((1, n)), None, np.arange(1.0, n + 1)[None])
    options = StatsOptions()
    whole = quality.measure(one, options)
    blocks = quality.measure_in_blocks(lambda box: one[box], one.box, options)
    assert blocks.mean_variance == pytest.approx(whole.mean_variance, rel=1e-14)


def test_clipping_that_would_leave_one_value_stops_in_blocks_too() -> None:
    one = MaskedImage.from_arrays(np.ones((1, 2)), None, np.array([[5.0, 7.0]]))
    options = StatsOptions(sigma_clip=1.3)
    assert quality.measure(one, options).mean_variance == 6.0
    blocks = quality.measure_in_blocks(lambda box: one[box], one.box, options)
    assert blocks.mean_variance == 6.0


def test_missing_variance_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    one = plane(8, (90, 50))
    one.variance.array[...] = np.nan
    options = StatsOptions(bad_bits=one.planes.bitmask("BAD"))
    monkeypatch.setattr(quality, "_BLOCK", 500)
    blocks = quality.measure_in_blocks(lambda box: one[box], one.box, options)
    whole = quality.measure(one, options)
    assert blocks == whole
    assert blocks.estimated


def test_nothing_good_in_blocks() -> None:
    one = plane(8, (9, 5))
    one.mask.set("BAD", (slice(None), slice(None)))
    options = StatsOptions(bad_bits=one.planes.bitmask("BAD"))
    blocks = quality.measure_in_blocks(lambda box: one[box], one.box, options)
    assert np.isnan(blocks.mean_variance)
    assert blocks.n_good == 0


@pytest.mark.parametrize("max_memory", [1, 2**31])
def test_large_planes_are_weighed_in_blocks_whatever_the_budget(
    monkeypatch: pytest.MonkeyPatch, max_memory: int
) -> None:
    one = plane(9, (40, 30))
    monkeypatch.setattr("deepcoadd.coadd._weighing.WHOLE", 100)
    called = []
    in_blocks = quality.measure_in_blocks

    def spy(*args: Any) -> Any:
        called.append(1)
        return in_blocks(*args)

    monkeypatch.setattr("deepcoadd.coadd._weighing.measure_in_blocks", spy)
    options = AssembleOptions(unit=None, interpolate=None, max_memory=max_memory)
    result = assemble([one, one], options=options)
    assert len(called) == 2
    expected = in_blocks(
        lambda box: one[box],
        one.box,
        StatsOptions(n_iter=2, bad_bits=one.planes.bitmask("BAD", "SAT", "EDGE", "NO_DATA")),
    )
    assert result.inputs[0].weight == 1 / expected.mean_variance


@pytest.mark.parametrize("shape", [(1, 1), (3, 70_000), (300, 500)])
def test_inexact_psf(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    mask = Mask.zeros(Box.from_shape(shape))
    for plane in ("SENSOR_EDGE", "CLIPPED", "REJECTED", "DETECTED", "BAD"):
        mask.set(plane, rng.random(shape) < 0.1)
    before = mask.array.copy()
    flag_inexact_psf(mask)
    expected = mask.has("SENSOR_EDGE", "CLIPPED", "REJECTED")
    np.testing.assert_array_equal(mask.has("INEXACT_PSF"), expected)
    mask.clear("INEXACT_PSF")
    np.testing.assert_array_equal(mask.array, before)


# --- grids ------------------------------------------------------------------------------------


def tan_wcs(scale: float = 0.2, x: float = 50.0, y: float = 60.0, rotation: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, -30.0]
    wcs.wcs.crpix = [x, y]
    c, s = np.cos(rotation), np.sin(rotation)
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    wcs.wcs.set()
    return wcs


BOX = Box.from_shape((100, 120), start=(5, -9))


@pytest.mark.parametrize(
    ("wcs", "shift"),
    [
        (None, (0, 0)),
        (tan_wcs(), (0, 0)),
        (tan_wcs(x=50.005), (0, 0)),
        (tan_wcs(x=53.0, y=-40.0), (100, -3)),
        (tan_wcs(x=53.004, y=-40.0), (100, -3)),
        (tan_wcs(x=50.4), None),
        (tan_wcs(scale=0.201), None),
        (tan_wcs(rotation=0.01), None),
    ],
)
def test_grid_shift(wcs: WCS | None, shift: tuple[int, int] | None) -> None:
    assert grid_shift(wcs, BOX, tan_wcs()) == shift


def test_without_a_grid_every_input_is_on_it() -> None:
    assert grid_shift(tan_wcs(), BOX, None) == (0, 0)


def test_other_side_of_the_sky_is_not_on_the_grid() -> None:
    far = tan_wcs()
    far.wcs.crval = [190.0, 30.0]
    far.wcs.set()
    assert grid_shift(far, BOX, tan_wcs()) is None


# --- bright objects ---------------------------------------------------------------------------


REGIONS = """# Region file format: DS9
# BRIGHT: stars
global color=green
wcs; fk5
circle(10.0, -30.0, 0.001) # ID: 7, mag: 8.5
box(10.001d, -30.001d, 0.0004d, 0.0002d, 0) # ID: 8, mag: 9

polygon(10.0, -30.0, 10.1, -30.1) # ID: 9
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "bright.reg"
    path.write_text(text)
    return path


def test_region_file(tmp_path: Path) -> None:
    circle, box, other = read_bright_objects(write(tmp_path, REGIONS))
    assert circle == BrightObject("circle", 10.0, -30.0, radius=0.001, id="7", mag=8.5)
    assert box == BrightObject("box", 10.001, -30.001, width=4e-4, height=2e-4, id="8", mag=9.0)
    assert (other.kind, other.id) == ("polygon", "9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("circle(1, 2, 3)\n", "line 1: no line 'wcs; fk5'"),
        ("wcs; fk5\ncircle(1, 2)\n", "line 2: .*circle with 2 numbers"),
        ("wcs; fk5\ncircle(1, 2, x)\n", "line 2"),
        ("wcs; fk5\ncircle 1 2 3\n", "expected circle"),
        ("wcs; fk5\ncircle(1, 2, -3)\n", "radius = -3"),
        ("wcs; fk5\nbox(1, 2, 3, 4, 5)\n", "upright"),
        ("wcs; fk5\nbox(1, 2, 3, nan)\n", "height = nan"),
        ("wcs; fk5\npoint(1)\n", "position"),
    ],
)
def test_region_file_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_bright_objects(write(tmp_path, text))


def test_masks_of_bright_objects(caplog: pytest.LogCaptureFixture) -> None:
    wcs = tan_wcs()
    mask = Mask.zeros(BOX)
    sky = pixel_to_sky(wcs, y=50.3, x=20.4)
    corner = pixel_to_sky(wcs, y=5.0, x=-9.0)
    arcsec = 1 / 3600
    objects = [
        BrightObject("circle", sky.ra.deg, sky.dec.deg, radius=1.05 * arcsec),
        BrightObject("box", corner.ra.deg, corner.dec.deg, width=2.1 * arcsec, height=arcsec),
        BrightObject("circle", 190.0, 30.0, radius=1.0),
        BrightObject("ring", 10.0, -30.0, id="A3"),
    ]
    with caplog.at_level(logging.WARNING):
        mask_bright_objects(mask, objects, wcs, BOX)
    set_ = mask.has("BRIGHT_OBJECT")
    ny, nx = np.indices(BOX.shape)
    ny, nx = ny + 5, nx - 9
    disc = (ny - 50) ** 2 + (nx - 20) ** 2 <= 5**2  # int(1.05 / 0.2) = 5 pixels
    # Half a width of 5.25 and half a height of 2.5 pixels, cut off towards zero at -9 and 5.
    upright = (nx >= -14) & (nx <= -3) & (ny >= 2) & (ny <= 7)
    np.testing.assert_array_equal(set_, disc | upright)
    assert "A3" in caplog.text
    assert "ring" in caplog.text


def test_pixel_scale_is_that_of_the_middle() -> None:
    # 20000 pixels from the reference point, 1.1 degrees, a tangential pixel is 2.8e-4 smaller on
    # the sky than at the reference point: a circle of 19999 pixels there is one of 20000 here.
    wcs = tan_wcs()
    far = Box.from_shape((101, 101), start=(0, 20_000))
    center = pixel_to_sky(wcs, y=50.0, x=20_050.0)
    radius = 19_999.0 * 0.2 / 3600
    mask = Mask.zeros(Box.from_shape((1, 41_000), start=(50, 0)))
    one = BrightObject("circle", center.ra.deg, center.dec.deg, radius=radius)
    mask_bright_objects(mask, [one], wcs, far)
    left = int(np.argmax(mask.has("BRIGHT_OBJECT")[0]))
    assert 20_050 - left > 20_000


def test_coadd_with_bright_objects(tmp_path: Path) -> None:
    wcs = tan_wcs()
    one = MaskedImage.from_arrays(np.ones(BOX.shape), None, 1.0, box=BOX)
    path = write(tmp_path, "wcs; fk5\ncircle(10.0, -30.0, 0.00052)\n")
    options = AssembleOptions(unit=None, bright_object_plane="STAR")
    result = assemble([one], options=options, wcs=wcs, bright_objects=path)
    assert np.count_nonzero(result.mask.has("STAR")) == 253  # a disc of radius 9
    parts: list[Mask] = []
    strips_ = AssembleOptions(
        unit=None, interpolate=None, bright_object_plane="STAR", subregion=(7, 7)
    )
    assemble(
        [one],
        options=strips_,
        wcs=wcs,
        bright_objects=read_bright_objects(path),
        on_tile=lambda tile: parts.append(tile.masked_image.mask),
    )
    np.testing.assert_array_equal(
        np.vstack([part.has("STAR") for part in parts]), result.mask.has("STAR")
    )


def test_bright_objects_need_a_wcs() -> None:
    one = MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0)
    with pytest.raises(NoDataError, match="wcs"):
        assemble([one], options=AssembleOptions(unit=None), bright_objects=[])


def test_bright_objects_need_room_for_their_plane() -> None:
    many = MaskPlanes([*(f"P{i}" for i in range(22)), "BAD", "SAT", "NO_DATA"])
    one = MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0, planes=many)
    options = AssembleOptions(unit=None, bright_object_plane="STAR")
    assert len(assemble([one], options=options, wcs=tan_wcs()).mask.planes) == 31
    fuller = MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0, planes=many.with_planes("P22"))
    steps = []
    with pytest.raises(MaskPlaneError, match="33 mask planes"):
        assemble(
            [fuller],
            options=options,
            wcs=tan_wcs(),
            bright_objects=[],
            progress=lambda done, total, label: steps.append(label),
        )
    assert "stacking" not in steps


def test_bright_object_out_of_range() -> None:
    with pytest.raises(OptionError, match="width"):
        BrightObject("box", 1.0, 2.0, width=0.0, height=1.0)


def test_shifted_grid_agrees_with_its_shift() -> None:
    assert grid_shift(shifted(tan_wcs(), y=3, x=-2), BOX, tan_wcs()) == (-3, 2)

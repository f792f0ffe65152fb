# SPDX-License-Identifier: BSD-3-Clause
"""Memory of strips is used again, and only by who asked for it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from deepcoadd import Exposure, MaskedImage, io
from deepcoadd._buffers import Arena, empty, lent, on_large_pages, taken
from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.refs import look


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_arrays_follow_one_another_until_there_is_no_room() -> None:
    arena = Arena(1000)
    first, second = arena.empty((5, 7), np.float32), arena.empty((3, 3), np.int32)
    assert address(first) % 64 == address(second) % 64 == 0
    assert address(second) - address(first) == 192
    assert not np.shares_memory(first, second)
    large = arena.empty((50, 50), np.float64)
    assert not np.shares_memory(large, arena.empty((1, 1), np.uint8))
    assert large.flags.owndata
    arena.clear()
    assert address(arena.empty((2, 2), np.float32)) == address(first)
    assert Arena(0).empty((0, 4), np.float32).shape == (0, 4)


def test_an_arena_is_of_one_thread_and_must_be_asked_for() -> None:
    arena = Arena(10_000)
    seen: list[bool] = []

    def other() -> None:
        with taken():
            seen.append(empty((2, 2), np.float32).flags.owndata)

    with lent(arena):
        assert empty((2, 2), np.float32).flags.owndata
        with taken():
            assert not empty((2, 2), np.float32).flags.owndata
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            with lent(None):
                assert empty((2, 2), np.float32).flags.owndata
        assert empty((2, 2), np.float32).flags.owndata
    assert seen == [True]


def test_large_arrays_begin_at_a_large_page() -> None:
    for shape in [(1024, 1024), (700, 1501), (2**20,)]:
        array = on_large_pages(shape, np.float32)
        assert (array.shape, array.dtype) == (shape, np.float32)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert address(array) % 2**21 == 0
    small = on_large_pages((3, 0), np.int32)
    assert small.shape == (3, 0)
    assert small.base is None


def scene(folder: Path, n: int) -> list[Path]:
    rng = np.random.default_rng(8)
    paths = [folder / f"{k}.fits" for k in range(n)]
    for path in paths:
        image = rng.normal(0, 2, (61, 40)).astype("f4")
        pixels = MaskedImage.from_arrays(image, variance=rng.uniform(3, 5, image.shape))
        pixels.mask.array[rng.random(image.shape) < 0.1] = pixels.planes.bitmask("BAD")
        io.write(path, Exposure(pixels))
    return paths


def test_files_hand_out_lent_memory_to_lookers_only(tmp_path: Path) -> None:
    ref = io.open_warp(scene(tmp_path, 1)[0])
    arena = Arena(1 << 20)
    with lent(arena):
        seen, own = look(ref, ref.box()), ref.read()
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(seen, name).array, getattr(own, name).array)
        assert not getattr(seen, name).array.flags.owndata
        assert getattr(own, name).array.flags.owndata


def test_a_coadd_of_many_strips_is_that_of_one(tmp_path: Path) -> None:
    """Budgets from one row a strip to all at once; files and pixels in memory."""
    paths = scene(tmp_path, 5)
    options = [
        AssembleOptions(statistic="MEANCLIP", unit=None, interpolate=None, max_memory=budget)
        for budget in (1, 40_000, 90_000, 2**30)
    ]
    made = [assemble(io.open_warps(paths), options=option) for option in options]
    made.append(assemble([io.read(path) for path in paths], options=options[0]))
    for result in made[1:]:
        for name in ("image", "mask", "variance", "n_image"):
            ours, first = getattr(result, name).array, getattr(made[0], name).array
            np.testing.assert_array_equal(ours, first)

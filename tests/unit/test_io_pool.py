# SPDX-License-Identifier: BSD-3-Clause
"""Open files: never more than allowed, shared by threads, not shared with child processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from deepcoadd import io
from deepcoadd.errors import FileFormatError
from deepcoadd.exposure import Exposure
from deepcoadd.image import MaskedImage
from deepcoadd.io._pool import MAX_OPEN_FILES, FilePool, shared_pool


def make_files(folder: Path, n: int) -> list[Path]:
    paths = []
    for i in range(n):
        pixels = MaskedImage.from_arrays(np.full((4, 5), i, np.float32), variance=1.0)
        paths.append(folder / f"{i}.fits")
        io.write(paths[-1], Exposure(pixels))
    return paths


def test_least_recently_used_file_is_closed_first(tmp_path: Path) -> None:
    paths = [path.resolve() for path in make_files(tmp_path, 3)]
    pool = FilePool(2)
    pool.adopt(tuple(paths))
    opened = []
    for path in (paths[0], paths[1], paths[0], paths[2]):
        with pool.use(path) as file:
            opened.append(file)
    assert pool.n_open == 2
    with pytest.raises(ValueError, match="closed"):
        opened[1].read_into(0, memoryview(bytearray(1)))
    with pool.use(paths[0]) as file:
        assert file is opened[0]
    pool.drop(tuple(paths))
    assert pool.n_open == 0


def test_file_in_use_is_not_closed(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 3)
    pool = FilePool(1)
    pool.adopt(tuple(paths))
    with pool.use(paths[0]) as first, pool.use(paths[1]), pool.use(paths[2]):
        buffer = bytearray(6)
        first.read_into(0, memoryview(buffer))
        assert bytes(buffer) == b"SIMPLE"
    pool.drop(tuple(paths))


def test_file_nobody_owns_is_closed_after_use(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    pool = FilePool()
    with pool.use(path):
        assert pool.n_open == 1
    assert pool.n_open == 0


def test_many_inputs_share_the_limit(tmp_path: Path) -> None:
    before = shared_pool().n_open
    refs = io.open_warps(make_files(tmp_path, MAX_OPEN_FILES + 40))
    for _ in range(2):
        for i, ref in enumerate(refs):
            assert (ref.read().image.array == i).all()
            assert shared_pool().n_open <= MAX_OPEN_FILES
    del refs, ref
    gc.collect()
    assert shared_pool().n_open <= before


def test_reading_once_leaves_nothing_open(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    before = shared_pool().n_open
    io.read(path)
    io.describe(path, statistics=True)
    assert shared_pool().n_open == before


def test_failure_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"no fits")
    before = shared_pool().n_open
    with pytest.raises(FileFormatError):
        io.open_warp(path)
    assert shared_pool().n_open == before


def test_two_references_to_one_file(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    first, second = io.open_warp(path), io.open_warp(path)
    first.read()
    first.close()
    first.close()
    np.testing.assert_array_equal(second.read().image.array, 0.0)


def _read_in_child(ref: io.FitsRef, result: multiprocessing.SimpleQueue[bool]) -> None:
    tiles = list(ref.box().tiles((1, 5)))
    result.put(all((ref.read(tile).image.array == 0).all() for tile in tiles * 50))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_process_opens_its_own_files(tmp_path: Path) -> None:
    """File positions are shared across a fork: both processes reading one handle would clash."""
    (path,) = make_files(tmp_path, 1)
    ref = io.open_warp(path)
    ref.read()
    context = multiprocessing.get_context("fork")
    result = context.SimpleQueue()
    child = context.Process(target=_read_in_child, args=(ref, result))
    child.start()
    tiles = list(ref.box().tiles((1, 5)))
    ours = all((ref.read(tile).image.array == 0).all() for tile in tiles * 50)
    theirs = result.get()
    child.join()
    assert ours
    assert theirs


def test_limit_holds_with_threads(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 12)
    pool = FilePool(4)
    pool.adopt(tuple(paths))
    failures: list[str] = []

    def work() -> None:
        for path in paths * 5:
            with pool.use(path) as file:
                buffer = bytearray(6)
                file.read_into(0, memoryview(buffer))
                if bytes(buffer) != b"SIMPLE":
                    failures.append(str(path))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with pool.use(paths[0]):
        pass
    assert pool.n_open <= 4
    pool.drop(tuple(paths))

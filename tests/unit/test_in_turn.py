# SPDX-License-Identifier: BSD-3-Clause
"""Several inputs at a time: the order of the results, errors, and how many are in work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.unit.test_compare_warp import visits, with_squares

import deepcoadd
from deepcoadd import Exposure, MaskedImage, io
from deepcoadd._threads import in_turn, n_workers
from deepcoadd.coadd import (
    TEMPLATE_ASSEMBLE,
    ArtifactOptions,
    AssembleOptions,
    assemble,
    build_template,
    find_artifacts,
    prepare,
)


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    yield
    deepcoadd.set_num_threads(0)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    def work(k: int) -> int:
        time.sleep(0.002 * (5 - k % 5))
        return k * k

    assert list(in_turn(range(12), work, workers)) == [k * k for k in range(12)]
    assert list(in_turn([], work, workers)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_is_raised_when_its_job_comes_up(workers: int) -> None:
    def work(k: int) -> int:
        if k == 4:
            raise ValueError("four")
        return k

    before = set(threading.enumerate())
    seen: list[int] = []
    with pytest.raises(ValueError, match="four"):
        seen.extend(in_turn(range(9), work, workers))
    assert seen == [0, 1, 2, 3]
    assert set(threading.enumerate()) <= before


def test_few_jobs_are_taken_ahead() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for k in range(20):
            taken.append(k)
            yield k

    results = in_turn(jobs(), lambda k: k, 2)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]


def test_nothing_waits_for_work_that_hangs_when_the_caller_stops() -> None:
    release = threading.Event()

    def work(k: int) -> int:
        if k:
            release.wait(50)
        return k

    before = set(threading.enumerate())
    results = in_turn(range(3), work, 2)
    assert next(results) == 0
    started = time.perf_counter()
    results.close()  # type: ignore[attr-defined]
    assert time.perf_counter() - started < 10
    left = set(threading.enumerate()) - before
    assert left
    assert all(t.daemon for t in left)
    release.set()
    for thread in left:
        thread.join(10)


def test_workers_follow_the_threads() -> None:
    for threads, n_jobs, due in ((1, 10, 1), (3, 10, 3), (3, 2, 2), (64, 100, 4), (2, 0, 1)):
        deepcoadd.set_num_threads(threads)
        assert n_workers(n_jobs) == due


def outcome(inputs: list[Any], threads: int) -> Any:
    deepcoadd.set_num_threads(threads)
    plan = prepare(visits(7), options=replace(TEMPLATE_ASSEMBLE, unit=None))
    template = build_template(plan)
    return find_artifacts(template, inputs, options=ArtifactOptions(scale_variance=None))


def test_artifacts_do_not_depend_on_the_threads() -> None:
    inputs: list[Any] = [*with_squares(7, 2)[:6], None]
    one, three = (outcome(inputs, threads) for threads in (1, 3))
    assert [len(mask["CLIPPED"]) for mask in one.masks][:2] == [1, 1]
    assert one.masks == three.masks
    assert_array_equal(one.n_image.array, three.n_image.array)
    assert_array_equal(one.epoch_count.array, three.epoch_count.array)
    assert np.max(one.epoch_count.array) == 2
    assert [d.rule for d in one.decisions] == [d.rule for d in three.decisions]


# --- files, weighed and read several at a time ------------------------------------------------


def files(folder: Path, n: int) -> list[Path]:
    """Files of noise; the third has no finite pixel, the fifth no variance, the last one is cut."""
    rng = np.random.default_rng(4)
    paths = [folder / f"{k}.fits" for k in range(n)]
    for k, path in enumerate(paths):
        image = rng.normal(10, 2, (83, 64)).astype("f4")
        variance = None if k == 4 else rng.uniform(3, 5, image.shape)
        pixels = MaskedImage.from_arrays(image * (np.nan if k == 2 else 1), variance=variance)
        pixels.mask.array[rng.random(image.shape) < 0.1] = pixels.planes.bitmask("BAD")
        io.write(path, Exposure(pixels))
    return paths


@pytest.mark.parametrize("budget", [1, 150_000, 2**30])
@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP"])
def test_coadds_of_files_do_not_depend_on_the_threads(
    tmp_path: Path, budget: int, statistic: str
) -> None:
    paths = files(tmp_path, 7)
    options = AssembleOptions(statistic=statistic, unit=None, max_memory=budget)
    made = []
    for threads in (1, 3):
        deepcoadd.set_num_threads(threads)
        refs = io.open_warps(paths)
        made.append(assemble(refs, weights=[None, 2.0, *[None] * 5], options=options))  # type: ignore[list-item]
    one, three = made
    assert [item.index for item in one.skipped] == [2]
    assert one.skipped == three.skipped
    assert [r.variance_estimated for r in one.inputs] == [k == 3 for k in range(6)]
    assert one.inputs == three.inputs
    for name in ("image", "mask", "variance", "n_image"):
        assert_array_equal(getattr(one, name).array, getattr(three, name).array)


def test_a_file_that_cannot_be_weighed_is_skipped_by_any_thread(tmp_path: Path) -> None:
    paths = files(tmp_path, 6)
    refs = io.open_warps(paths)
    paths[1].write_bytes(paths[1].read_bytes()[:20_000])
    deepcoadd.set_num_threads(3)
    result = assemble(refs, options=AssembleOptions(unit=None, max_memory=150_000))
    assert [item.index for item in result.skipped] == [1, 2]
    assert "the file ends at byte" in result.skipped[0].reason


class Single:
    """Scaler that two threads must not use at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def scaleMaskedImage(self, masked_image: MaskedImage) -> None:  # noqa: N802
        assert self.lock.acquire(blocking=False)
        time.sleep(0.002)
        masked_image *= 2.0
        self.lock.release()


def test_what_users_bring_is_used_by_one_thread_at_a_time() -> None:
    deepcoadd.set_num_threads(3)
    inputs = visits(6)
    scaled = assemble(
        inputs, scalers=[Single()] * 6, options=AssembleOptions(unit=None), weights=[1.0] * 6
    )
    plain = assemble(inputs, options=AssembleOptions(unit=None), weights=[1.0] * 6)
    assert_array_equal(scaled.image.array, 2 * plain.image.array)


def test_kernels_of_threads_that_fill_the_machine_use_one_each() -> None:
    def seen(_: int) -> int:
        return deepcoadd.get_num_threads()

    deepcoadd.set_num_threads(2)
    assert list(in_turn(range(4), seen, 2)) == [1] * 4
    deepcoadd.set_num_threads(8)
    assert list(in_turn(range(4), seen, 4)) == [8] * 4
    assert seen(0) == 8

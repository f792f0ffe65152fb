# SPDX-License-Identifier: BSD-3-Clause
"""Several inputs at a time: the order of the results, errors, and how many are in work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.unit.test_compare_warp import visits, with_squares

import deepcoadd
from deepcoadd.coadd import (
    TEMPLATE_ASSEMBLE,
    ArtifactOptions,
    build_template,
    find_artifacts,
    prepare,
)
from deepcoadd.coadd._threads import in_turn, n_workers


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

    seen: list[int] = []
    with pytest.raises(ValueError, match="four"):
        seen.extend(in_turn(range(9), work, workers))
    assert seen == [0, 1, 2, 3]
    assert not [t for t in threading.enumerate() if t.name.startswith("deepcoadd_")]


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

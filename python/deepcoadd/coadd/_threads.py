# SPDX-License-Identifier: BSD-3-Clause
"""Work on several inputs at a time, for steps that use one thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from deepcoadd import _core

__all__ = ["in_turn", "n_workers"]

MOST = 4
"""Inputs worked on at a time: each of them has planes of its own in memory."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def n_workers(n_jobs: int) -> int:
    """Number of inputs to work on at a time: that of the threads, within bounds."""
    return max(1, min(_core.get_num_threads(), MOST, n_jobs))


def in_turn(jobs: Iterable[Job], work: Callable[[Job], Result], workers: int) -> Iterator[Result]:
    """Results of `work` for each job, in the order of the jobs.

    The jobs are taken in the caller's thread, a few ahead of the results; with one worker, one
    after the other, and the work is done there, too. An exception is raised when its job comes up.

    Parameters
    ----------
    jobs : iterable
        What to work on.
    work : callable
        Must not depend on the order.
    workers : int
        From `n_workers`.
    """
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="deepcoadd") as pool:
        waiting: deque[Future[Result]] = deque()
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

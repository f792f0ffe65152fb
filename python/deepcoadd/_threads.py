# SPDX-License-Identifier: BSD-3-Clause
"""Work on several inputs at a time, for steps that use one thread each."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
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
    The threads never keep the process alive, and nothing waits for them when the caller is
    interrupted or stops early.

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
    # Kernels of threads that fill the machine would only wait for each other in a pool.
    alone = workers >= _core.get_num_threads()
    to_do: queue.SimpleQueue[tuple[Future[Result], Job] | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def serve() -> None:
        _core.set_alone(alone)
        while (item := to_do.get()) is not None and not stopped.is_set():
            future, job = item
            try:
                future.set_result(work(job))
            except BaseException as error:  # handed to the caller's thread, which raises it
                future.set_exception(error)

    threads = [
        threading.Thread(target=serve, name=f"deepcoadd_{k}", daemon=True) for k in range(workers)
    ]
    for thread in threads:
        thread.start()
    waits = True
    try:
        waiting: deque[Future[Result]] = deque()
        for job in jobs:
            waiting.append(Future())
            to_do.put((waiting[-1], job))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except (KeyboardInterrupt, GeneratorExit):
        waits = False
        raise
    finally:
        stopped.set()
        for _ in threads:
            to_do.put(None)
        for thread in threads if waits else ():
            thread.join()

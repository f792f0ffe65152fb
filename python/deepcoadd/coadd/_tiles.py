# SPDX-License-Identifier: BSD-3-Clause
"""Work by strips of whole rows, the next one being read while one is computed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from deepcoadd.geometry import Box

__all__ = ["BYTES_PER_SAMPLE", "prefetched", "strips", "with_whole_rows"]

BYTES_PER_SAMPLE = 12
"""Bytes of one pixel of one masked image: image, mask and variance."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def with_whole_rows(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself when its columns are contiguous, as the kernels need them; else a copy."""
    if array.shape[1] <= 1 or array.strides[1] == array.itemsize:
        return array
    return np.ascontiguousarray(array)


def strips(box: Box, n_inputs: int, *, budget: int, max_rows: int) -> list[Box]:
    """Strips of whole rows, three of which fit into a budget of memory.

    Two are in use at a time; freed pixels that the allocator has not given back make up the third.

    Parameters
    ----------
    box : Box
        What the strips cover, from its first row on.
    n_inputs : int
        Number of inputs of which a strip must hold pixels.
    budget : int
        Bytes; at least one row is taken whatever the budget.
    max_rows : int
        Most rows of a strip.
    """
    per_row = 3 * max(n_inputs, 1) * box.x.size * BYTES_PER_SAMPLE
    rows = max(1, min(max_rows, budget // per_row))
    return list(box.tiles((rows, box.x.size)))


class _Reading(Generic[Job, Result]):
    """One job in a thread of its own; the thread never keeps the process alive."""

    def __init__(self, read: Callable[[Job], Result], job: Job) -> None:
        self.job = job
        self._read = read
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="deepcoadd-read", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._read(self.job)
        except BaseException as error:  # handed to the caller's thread, which raises it
            self._error = error

    def result(self) -> Result:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


def prefetched(
    jobs: Iterable[Job], read: Callable[[Job], Result], *, ahead: bool = True
) -> Iterator[tuple[Job, Result]]:
    """Read each job in order, one ahead of the caller, in a daemon thread.

    An exception of `read` is raised when its job comes up. When the caller stops early (an error,
    Ctrl-C), the one reading under way is left to itself and nothing waits for it. Without `ahead`
    each job is read when it comes up, in the caller's thread.
    """
    if not ahead:
        for job in jobs:
            yield job, read(job)
        return
    following: _Reading[Job, Result] | None = None
    for job in jobs:
        if following is None:
            following = _Reading(read, job)
            continue
        done, result = following.job, following.result()
        following = _Reading(read, job)
        yield done, result
        del result  # else three readings would be alive at once
    if following is not None:
        yield following.job, following.result()

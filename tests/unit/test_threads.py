# SPDX-License-Identifier: BSD-3-Clause
"""Kernels in many threads, in forked children, and on lower instruction sets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import deepcoadd
from deepcoadd.statistics import StatsOptions, stack

DIGEST = """
import hashlib
import numpy as np
from deepcoadd.statistics import StatsOptions, stack, statistics
rng = np.random.default_rng(5)
cube = rng.normal(10, 3, (31, 37, 301)).astype(np.float32)
cube[rng.random(cube.shape) < 0.05] = np.nan
cube[rng.random(cube.shape) < 0.05] += 500
digest = hashlib.sha256()
for statistic in ("MEAN", "MEDIAN", "MEANCLIP"):
    result = stack(list(cube), statistic, StatsOptions(), rng.random(31) + 0.5)
    digest.update(result.image.tobytes() + result.n_clipped.tobytes() + result.variance.tobytes())
got = statistics(cube, properties="MEAN|MEDIAN|IQRANGE|MEANCLIP|STDEVCLIP|SUM|ERRORS")
for name in ("MEAN", "MEDIAN", "IQRANGE", "MEANCLIP", "STDEVCLIP", "SUM"):
    digest.update(np.array(got.result(name)).tobytes())
print(digest.hexdigest())
"""


@pytest.fixture
def default_threads() -> Iterator[None]:
    yield
    deepcoadd.set_num_threads(0)


def cube() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return list(rng.normal(100, 5, (12, 64, 200)).astype(np.float32))


def digest(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return done.stdout.strip()


def test_same_bits_at_any_level_and_thread_count() -> None:
    want = digest(DEEPCOADD_SIMD="v4", RAYON_NUM_THREADS="1")
    assert len(want) == 64
    assert digest(DEEPCOADD_SIMD="v3", RAYON_NUM_THREADS="3") == want
    assert digest(DEEPCOADD_SIMD="v2", RAYON_NUM_THREADS="2") == want


@pytest.mark.usefixtures("default_threads")
def test_number_of_threads_is_settable() -> None:
    want = stack(cube()).image
    for n in (1, 2, 5):
        deepcoadd.set_num_threads(n)
        assert deepcoadd.get_num_threads() == n
        np.testing.assert_array_equal(stack(cube()).image, want)
    deepcoadd.set_num_threads(0)
    assert deepcoadd.get_num_threads() >= 1


def test_environment_sets_the_default() -> None:
    code = "import deepcoadd; print(deepcoadd.get_num_threads())"
    for text, want in (("3", "3"), ("1", "1")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "RAYON_NUM_THREADS": text},
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        assert done.stdout.strip() == want


def test_calls_from_eight_python_threads_agree() -> None:
    images, want = cube(), stack(cube(), "MEANCLIP", StatsOptions(sigma_clip=2.0)).image
    barrier = threading.Barrier(8)
    results: list[np.ndarray] = []

    def work() -> None:
        barrier.wait()
        results.append(stack(images, "MEANCLIP", StatsOptions(sigma_clip=2.0)).image)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == 8
    for result in results:
        np.testing.assert_array_equal(result, want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes() -> None:
    """The parent's thread pool has no threads in the child; a job given to it would hang."""
    code = """
import os, sys
import numpy as np
import deepcoadd
from deepcoadd.statistics import stack
deepcoadd.set_num_threads(2)
images = [np.full((64, 200), k, np.float32) for k in range(5)]
want = stack(images).image
child = os.fork()
if child == 0:
    same = np.array_equal(stack(images).image, want)
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert done.returncode == 0

# SPDX-License-Identifier: BSD-3-Clause
"""Memory of the process: how much it took, and how much of what is free it gives back."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

__all__ = ["keep_few_arenas", "peak_memory"]

_M_ARENA_MAX = -8  # number of the setting in <malloc.h> of the GNU C library


def keep_few_arenas() -> None:
    """Let all threads share two heaps, where the C library is the GNU one.

    By default each new thread may get a heap of its own, which keeps what is freed in it. Tiles are
    read by one short-lived thread after the other: with 40 inputs of 4096 x 4096 pixels the heaps
    kept 0.8 GiB beyond a budget of 1 GiB, and nothing beyond it with two of them.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def peak_memory() -> int | None:
    """Largest resident memory of the process so far, bytes; None where it cannot be known."""
    # What getrusage says of a process counts the memory of the one that started it, too.
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

# SPDX-License-Identifier: BSD-3-Clause
"""Random streams: one for each kind of thing in each visit, all from one seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from deepcoadd.testing.simulate._options import Range

__all__ = ["Stream", "between", "generator", "log_between"]


class Stream(IntEnum):
    """What draws random numbers. The values are part of what a seed means: never change one."""

    CATALOGUE = 0
    SEEING = 1
    SKY_LEVEL = 2
    NOISE = 3
    BACKGROUND = 4
    POINTING = 5
    DETECTOR_DEFECTS = 6
    COSMIC_RAYS = 7
    SATELLITES = 8
    GHOSTS = 9
    ASTEROIDS = 10
    SLOW_MOVERS = 11
    OBSERVATION = 12


def generator(seed: int, stream: Stream, visit: int = 0) -> np.random.Generator:
    """Random generator of one stream in one visit, independent of all others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), visit)))


def between(rng: np.random.Generator, pair: Range) -> float:
    """A number drawn evenly from a range."""
    return float(rng.uniform(*pair))


def log_between(rng: np.random.Generator, pair: Range) -> float:
    """A number > 0 drawn from a range, evenly in its logarithm."""
    return float(np.exp(rng.uniform(*np.log(pair))))

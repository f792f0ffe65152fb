# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core.spans import SpanSet

__all__ = ["LOBE", "SHARP", "SINGLE", "SMOOTH", "Cell", "Options", "components_by_rule"]

LOBE: int
SHARP: int
SINGLE: int
SMOOTH: int

@final
class Options:
    def __new__(
        cls,
        *,
        seed: float,
        grow: float,
        soft: float,
        amplitude: float,
        amplitude_extended: float,
        extended: float,
        winsor: float,
        source: float,
        flux_tolerance: tuple[float, float],
        seeing_tolerance: float,
        spread_tolerance: float,
        bright_spread: float,
        rim_tolerance: float,
        bright: float,
        lobe: float,
        odd: float,
        mesh: int,
        mesh_most: float,
    ) -> Options: ...

@final
class Cell:
    def __new__(cls, shape: tuple[int, int], ends: Sequence[bool], options: Options) -> Cell: ...
    def __len__(self) -> int: ...
    def add(
        self,
        planes: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]],
        *,
        bad_bits: int,
        sigma: float,
    ) -> bool: ...
    def run_pass(self) -> int: ...
    def find_single(self) -> None: ...
    def flagged(
        self,
        visit: int,
        rules: int,
        *,
        window: tuple[tuple[int, int], tuple[int, int]],
        start: tuple[int, int],
    ) -> SpanSet: ...

def components_by_rule(sets: Sequence[SpanSet]) -> list[tuple[SpanSet, int, float]]: ...

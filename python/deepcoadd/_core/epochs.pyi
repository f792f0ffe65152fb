# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core.spans import FootprintSet, SpanSet

__all__ = [
    "add_one",
    "are_held",
    "count_up_to",
    "find_candidates",
    "subtract_template",
    "sums",
]

_Plane: TypeAlias = NDArray[np.float32]
_Counts: TypeAlias = NDArray[np.uint32]

def subtract_template(
    epoch: tuple[_Plane, _Plane, NDArray[np.int32]],
    template: tuple[_Plane, _Plane],
    out: tuple[_Plane, _Plane, _Counts],
    *,
    factor: float,
    bad_bits: int,
) -> int: ...
def find_candidates(
    epoch: tuple[_Plane, _Plane, NDArray[np.int32]],
    template: tuple[_Plane, _Plane],
    n_image: _Counts,
    start: tuple[int, int],
    *,
    factor: float,
    bad_bits: int,
    thresholds: Sequence[tuple[float, str, bool, float]],
    min_pixels: int,
) -> tuple[list[FootprintSet], SpanSet, int]: ...
def add_one(set: SpanSet, counts: _Counts, start: tuple[int, int]) -> None: ...
def sums(
    sets: Sequence[SpanSet], image: _Counts, start: tuple[int, int]
) -> list[tuple[int, int]]: ...
def count_up_to(
    sets: Sequence[SpanSet], image: _Counts, start: tuple[int, int], limits: Sequence[int]
) -> list[int]: ...
def are_held(sets: Sequence[SpanSet], holders: Sequence[SpanSet]) -> list[bool]: ...

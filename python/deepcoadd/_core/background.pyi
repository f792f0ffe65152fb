# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

from deepcoadd._core.stats import Options

__all__ = ["bin_statistics", "edges", "render"]

def edges(length: int, n: int) -> list[int]: ...
def bin_statistics(
    image: NDArray[np.float32],
    mask: NDArray[np.int32],
    variance: NDArray[np.float32],
    *,
    bins: tuple[int, int],
    property: int,
    options: Options,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
def render(
    grid: NDArray[np.float32],
    centres_y: list[float],
    centres_x: list[float],
    *,
    style: str,
    reduce: bool,
    first: tuple[float, float],
    out: NDArray[np.float32],
) -> None: ...

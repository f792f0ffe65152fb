# SPDX-License-Identifier: BSD-3-Clause
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core.stats import Options

__all__ = [
    "bin_image",
    "bin_statistics",
    "cell_statistics",
    "chebyshev",
    "edges",
    "fill",
    "flag_outliers",
    "interpolate",
    "render",
]

class _Curves(Protocol):
    @property
    def style(self) -> str: ...
    @property
    def reduce(self) -> bool: ...
    @property
    def edge(self) -> str: ...
    @property
    def edge_reach(self) -> float: ...
    @property
    def centres_y(self) -> list[float]: ...
    @property
    def centres_x(self) -> list[float]: ...

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
    curves: _Curves,
    *,
    first: tuple[float, float],
    factor: float | None,
    out: NDArray[np.float32],
) -> None: ...
def chebyshev(
    factors: NDArray[np.float64],
    *,
    lengths: tuple[int, int],
    first: tuple[float, float],
    factor: float | None,
    out: NDArray[np.float32],
) -> None: ...
def interpolate(
    x: list[float],
    y: list[float],
    at: list[float],
    *,
    style: str,
    edge: str,
    edge_reach: float,
) -> NDArray[np.float64]: ...
def fill(
    values: NDArray[np.float64], bad: NDArray[np.bool_], *, style: str | None
) -> NDArray[np.float64]: ...
def bin_image(
    image: NDArray[np.float32],
    mask: NDArray[np.int32],
    variance: NDArray[np.float32],
    *,
    block: tuple[int, int],
    ignore: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]: ...
def cell_statistics(
    image: NDArray[np.float32],
    mask: NDArray[np.int32],
    cells: list[list[int]],
    *,
    property: int,
    options: Options,
    grid: NDArray[np.float32] | None = None,
    curves: _Curves | None = None,
    same_pixels: bool = True,
) -> NDArray[np.float64]: ...
def flag_outliers(
    images: list[NDArray[np.float32]],
    masks: list[NDArray[np.int32]],
    *,
    columns: list[int],
    half_width: int,
    threshold: float,
    grow: int,
    most: float,
    bit: int,
) -> list[NDArray[np.int32]]: ...

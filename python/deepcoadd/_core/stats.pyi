# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Options", "stack", "statistics"]

class _Planes(Protocol):
    @property
    def image(self) -> NDArray[Any]: ...
    @property
    def mask(self) -> NDArray[np.int32] | None: ...
    @property
    def variance(self) -> NDArray[Any] | None: ...
    @property
    def n_point(self) -> NDArray[np.uint32] | None: ...
    @property
    def n_clipped(self) -> NDArray[np.uint32] | None: ...
    @property
    def weight_sum(self) -> NDArray[Any] | None: ...

@final
class Options:
    def __new__(
        cls,
        *,
        sigma_clip: float,
        n_iter: int,
        bad_bits: int,
        no_data_bits: int,
        nan_safe: bool,
        error_mode: str,
        thresholds: Sequence[tuple[int, float]],
        truncation_correction: bool,
        mask_from_kept: bool,
    ) -> Options: ...

def stack(
    images: Sequence[NDArray[Any]],
    masks: Sequence[NDArray[np.int32]] | None,
    variances: Sequence[NDArray[Any]] | None,
    weights: Sequence[float] | None,
    *,
    inverse_variance: bool,
    statistic: int,
    options: Options,
    clipped_bits: int,
    mask_map: Sequence[tuple[int, int]],
    out: _Planes,
    double: bool,
) -> tuple[int, int, int]: ...
def statistics(
    values: NDArray[Any],
    mask: NDArray[np.int32] | None,
    variance: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    *,
    inverse_variance: bool,
    properties: int,
    options: Options,
    double: bool,
) -> tuple[list[tuple[float, float]], int]: ...

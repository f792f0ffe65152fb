# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = ["kernel_size", "resample_affine"]

def kernel_size(kernel: str) -> tuple[int, int]: ...
def resample_affine(
    source: NDArray[np.float64],
    inverse: tuple[float, float, float, float, float, float],
    kernel: str,
    pad: int,
    out: NDArray[np.float64],
) -> None: ...

# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_taps", "separable"]

_Planes = tuple[NDArray[np.float32], NDArray[np.int32] | None, NDArray[np.float32] | None]

def gaussian_taps(sigma: float, width: int) -> list[float]: ...
def separable(
    planes: _Planes, taps_y: list[float], taps_x: list[float], *, out: _Planes
) -> None: ...

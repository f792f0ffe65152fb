# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = ["interpolate_lines"]

def interpolate_lines(
    image: NDArray[np.float32],
    mask: NDArray[np.int32],
    variance: NDArray[np.float32] | None,
    *,
    bad_bits: int,
    interpolated_bits: int,
    fallback: float,
    use_fallback_at_edge: bool,
    direction: str,
    variance_like_image: bool,
) -> int: ...

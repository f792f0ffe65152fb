# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = ["count_set", "count_unmasked", "set_and_clear", "set_where"]

def count_set(mask: NDArray[np.int32], bits: int) -> int: ...
def count_unmasked(
    mask: NDArray[np.int32],
    image: NDArray[np.float32] | None,
    bad_bits: int,
    count: NDArray[np.uint32],
) -> None: ...
def set_and_clear(mask: NDArray[np.int32], set_bits: int, clear_bits: int) -> None: ...
def set_where(mask: NDArray[np.int32], any_bits: int, set_bits: int) -> None: ...

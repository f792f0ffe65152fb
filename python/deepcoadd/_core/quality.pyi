# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

__all__ = ["count", "swap_words"]

def count(
    image_bits: NDArray[np.uint32],
    swapped: bool,
    mask: NDArray[np.int32],
    variance: NDArray[np.float32],
    bad_bits: int,
) -> tuple[int, int, int]: ...
def swap_words(words: NDArray[np.int32]) -> int: ...

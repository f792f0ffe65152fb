# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
from numpy.typing import NDArray

from deepcoadd._core.stats import Options

__all__ = ["count", "measure", "swap_words"]

def count(
    image_bits: NDArray[np.uint32],
    swapped: bool,
    mask: NDArray[np.int32],
    variance: NDArray[np.float32],
    bad_bits: int,
) -> tuple[int, int, int]: ...
def measure(
    image_bits: NDArray[np.uint32],
    mask: NDArray[np.int32],
    variance: NDArray[np.float32],
    options: Options,
) -> tuple[tuple[int, int, int], float]: ...
def swap_words(words: NDArray[np.int32]) -> int: ...

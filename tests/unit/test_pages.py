# SPDX-License-Identifier: BSD-3-Clause
"""Arrays on large pages are arrays like others."""

from __future__ import annotations

import numpy as np
import pytest

from deepcoadd._pages import empty_on_pages


@pytest.mark.parametrize("shape", [(0, 5), (3, 4), (1025, 1031)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_arrays_of_any_size(shape: tuple[int, int], dtype: type) -> None:
    array = empty_on_pages(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[:] = 3
    assert (array == 3).all()


def test_large_ones_begin_a_page() -> None:
    assert empty_on_pages((1025, 1031), np.float32).ctypes.data % 2**21 == 0

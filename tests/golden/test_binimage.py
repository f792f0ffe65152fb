# SPDX-License-Identifier: BSD-3-Clause
"""Means of blocks against the cases of the reference (topic ``binimage``).

Image and mask are equal; the variance is divided by the square of the number of pixels in one step
or in two, one rounding of float32 apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepcoadd import MaskedImage
from deepcoadd.background import bin_image


def test_blocks_agree_with_the_reference(golden: Any) -> None:
    n = 0
    for name, params, arrays in golden("binimage"):
        planes = [arrays[f"in_{plane}"] for plane in ("image", "mask", "variance")]
        pixels = MaskedImage.from_arrays(*planes, start=(-3, 8))
        binned = bin_image(pixels, (params["binY"], params["binX"]))
        np.testing.assert_array_equal(binned.image.array, arrays["out_image"], err_msg=name)
        np.testing.assert_array_equal(binned.mask.array, arrays["out_mask"], err_msg=name)
        np.testing.assert_allclose(
            binned.variance.array, arrays["out_variance"], rtol=1.2e-7, err_msg=name
        )
        assert binned.box.start == (-3, 8)
        n += 1
    assert n > 0

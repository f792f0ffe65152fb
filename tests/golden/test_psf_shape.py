# SPDX-License-Identifier: BSD-3-Clause
"""Shapes of kernel images against the cases of the reference (topic ``psf``).

Adaptive moments agree to 3e-7 of the largest: the reference keeps weights as float32 and stops at
changes of 1e-4, after which both are as near to the fixed point as the next iteration would move
them. Analytic models are left out by rule: ours are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, Image
from deepcoadd.psf import adaptive_shape


def test_moments_agree_with_the_reference(golden: Any) -> None:
    compared = shapes = 0
    for name, params, arrays in golden("psf"):
        if "out_shape" not in arrays:
            continue
        if "sigma" in params:
            assert np.allclose(arrays["out_shape"], [params["sigma"] ** 2] * 2 + [0.0], rtol=1e-12)
            continue
        shapes += 1
        kernel = arrays["out_kernel"]
        x0, y0 = params["kernel_xy0"]
        shape = adaptive_shape(Image(kernel, Box.from_shape(kernel.shape, start=(y0, x0))))
        xx, yy, xy = arrays["out_shape"]
        ours = np.array([shape.xx, shape.yy, shape.xy])
        np.testing.assert_allclose(ours, [xx, yy, xy], atol=3e-7 * max(xx, yy), err_msg=name)
        compared += 1
    if not shapes:
        pytest.skip("no case with a kernel image")
    assert compared == shapes

# SPDX-License-Identifier: BSD-3-Clause
"""Filling and smoothing of grids against the cases of the reference (topic ``skyutil``).

The cases do not say the width of the Gaussian, which is 1.5 cells. Tolerance: rounding of float64
at the largest value. Left out by rule: CONSTANT, which the reference shifts by half a node (B-3),
and ``robustmean``, a function that nothing uses (it takes the largest value for the upper
quartile).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepcoadd.background import fill_cells, smooth_cells

STYLES = ("LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE")


def test_grids_agree_with_the_reference(golden: Any) -> None:
    compared = left_out = outputs = 0
    for name, params, arrays in golden("skyutil"):
        values, bad = arrays["in_array"], arrays["in_bad"]
        ours = {f"out_interp_{style}": fill_cells(values, bad, style) for style in STYLES}
        ours["out_smooth"] = smooth_cells(values, bad, params.get("sigma", 1.5))
        for key in (k for k in arrays if k.startswith("out_")):
            outputs += 1
            if key == "out_interp_CONSTANT" or key.startswith("out_robustmean"):
                left_out += 1
                continue
            atol = 1e-14 * np.nanmax(np.abs(arrays[key]))
            np.testing.assert_allclose(
                ours[key], arrays[key], rtol=0, atol=atol, err_msg=f"{name} {key}"
            )
            compared += 1
    print(f"{compared} of {outputs} arrays compared, {left_out} left out by rule")
    assert compared == outputs - left_out > 0

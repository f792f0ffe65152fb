# SPDX-License-Identifier: BSD-3-Clause
"""Curves through nodes against the cases of the reference (topic ``interpolate``).

Tolerance: rounding of the terms of a cubic, at the largest value that the curve takes. Left out by
rule: periodic curves (not offered: B-4), and of CONSTANT those abscissae where the reference
returns the mean of two nodes (B-3): beyond the middle of the first two nodes and not beyond half an
interval after the last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd.background import INTERPOLATIONS, interpolate_nodes
from deepcoadd.errors import ShapeError


def test_curves_agree_with_the_reference(golden: Any) -> None:
    compared = outputs = 0
    for name, params, arrays in golden("interpolate"):
        x, y, at = arrays["in_x"], arrays["in_y"], arrays["in_at"]
        for style in INTERPOLATIONS:
            if style in params.get("errors", {}):
                with pytest.raises(ShapeError, match="at least"):
                    interpolate_nodes(x, y, at, style)
                continue
            want = arrays[f"out_{style}"]
            outputs += 1
            good = np.ones(at.shape, bool)
            if style == "CONSTANT" and len(x) > 1:
                good = (at < 0.5 * (x[0] + x[1])) | (at >= 1.5 * x[-1] - 0.5 * x[-2])
            ours = interpolate_nodes(x, y, at, style)
            atol = 1e-13 * np.nanmax(np.abs(want))
            np.testing.assert_allclose(
                ours[good], want[good], rtol=0, atol=atol, err_msg=f"{name} {style}"
            )
            compared += bool(good.any())
    print(f"{compared} of {outputs} arrays compared")
    assert compared == outputs > 0

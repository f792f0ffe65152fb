# SPDX-License-Identifier: BSD-3-Clause
"""PSFs seen through a map of pixels against the reference implementation.

Nothing is left out. Tolerances: `psf_cases.tolerance_of`.
"""

from __future__ import annotations

from typing import Any

import pytest

from deepcoadd.errors import NoDataError
from deepcoadd.psf import AffineTransform, PixelTransform, SkyTransform, WarpedPsf

from .psf_cases import compare_at, psf_of, tolerance_of, wcs_of


def transform_of(params: dict[str, Any]) -> PixelTransform:
    if params["kind"] == "affine":
        (a, b, c), (d, e, f) = params["matrix"]
        return AffineTransform((a, b, c, d, e, f))
    return SkyTransform.between(wcs_of(params["src_header"]), wcs_of(params["dest_header"]))


def test_warped_psfs(golden: Any) -> None:
    compared = expected = 0
    for file, params, arrays in golden("warpedpsf"):
        source = psf_of(params["psf"], arrays, "in_psf")
        psf = WarpedPsf(source, transform_of(params["transform"]), params["kernel"])
        x, y = params["averagePosition"]
        assert psf.average_position == pytest.approx((y, x), rel=0, abs=1e-7), file
        atol = tolerance_of(params["cache"], distorted="SIP" in str(params["transform"]))
        expected += sum(name.startswith("out_") for name in arrays)
        for i, (x, y) in enumerate(arrays["in_pos"]):
            if str(i) in params["errors"]:
                with pytest.raises(NoDataError):
                    psf.kernel_image(y=y, x=x)
                continue
            compared += compare_at(psf, i, arrays, atol, file)
    assert compared >= 0.9 * expected > 0

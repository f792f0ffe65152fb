# SPDX-License-Identifier: BSD-3-Clause
"""PSFs of coadds against the reference implementation.

Nothing is left out. Tolerances: `psf_cases.tolerance_of`; average positions 1e-7 pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

from deepcoadd.errors import NoDataError
from deepcoadd.polygon import Polygon
from deepcoadd.psf import AffineTransform, CoaddPsf, CoaddPsfInput, GaussianPsf, SkyTransform

from .psf_cases import Arrays, box_of, compare_at, psf_of, tolerance_of, wcs_of


def input_of(params: dict[str, Any], wcs: WCS, arrays: Arrays, number: int) -> CoaddPsfInput:
    polygon = params["polygon"]
    return CoaddPsfInput(
        psf_of(params["psf"], arrays, f"in_psf{number}"),
        box_of(np.array(params["bbox"])),
        SkyTransform.between(wcs_of(params["header"]), wcs),
        params["weight"],
        params["goodpix"],
        None if polygon is None else Polygon(tuple((y, x) for x, y in polygon)),
        params["id"],
    )


def test_coadd_psfs(golden: Any) -> None:
    compared = expected = 0
    for file, params, arrays in golden("coaddpsf"):
        if "inputs" not in params:
            continue
        wcs = wcs_of(params["coadd_header"])
        inputs = [input_of(one, wcs, arrays, n) for n, one in enumerate(params["inputs"])]
        psf = CoaddPsf(inputs, params["kernel"])
        x, y = arrays["out_averageposition"]
        assert psf.average_position == pytest.approx((y, x), rel=0, abs=1e-7), file
        compared += 1
        distorted = any("SIP" in one["header"] for one in params["inputs"])
        atol = tolerance_of(params["cache"], distorted=distorted)
        expected += sum(name.startswith("out_") for name in arrays)
        for i, (x, y) in enumerate(arrays["in_pos"]):
            ids = [one.id for one in psf.inputs_at(y=y, x=x)]
            assert ids == params["containing"][str(i)], f"{file} {i}"
            if str(i) in params["errors"]:
                with pytest.raises(NoDataError, match="no input of the coadd covers"):
                    psf.kernel_image(y=y, x=x)
                continue
            compared += compare_at(psf, i, arrays, atol, file)
    assert compared >= 0.9 * expected > 0


def test_no_average_position() -> None:
    """What the case `errors` lists: no input, or (0, 0) outside of the only one."""
    with pytest.raises(NoDataError, match="average position"):
        CoaddPsf([])
    box = box_of(np.array([100, 100, 50, 50]))
    shift = AffineTransform.shift(y=0, x=0)
    with pytest.raises(NoDataError, match="average position"):
        CoaddPsf([CoaddPsfInput(GaussianPsf((11, 11), 2.0), box, shift)])

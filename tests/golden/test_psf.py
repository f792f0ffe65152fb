# SPDX-License-Identifier: BSD-3-Clause
"""PSF images and spatial functions against the reference implementation.

Compared: kernel images and images at a position (topic `psf`), polynomial and Chebyshev terms and
Gaussian kernels (topic `kernel`). Left out by rule, as no function of this package gives them:
shapes, aperture fluxes and local kernels (`out_shape`, `out_apflux`), double-Gaussian and separable
kernels (`out_dgauss_*`, `out_sep_*`; the PSF models have a double Gaussian of their own).

Tolerances: the reference's own arithmetic is float64; 1e-14 of the peak for sums of a few hundred
exponentials, 5e-15 more for the ten taps of the shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd.errors import OptionError
from deepcoadd.psf import (
    Chebyshev2,
    FixedKernel,
    GaussianKernel,
    GaussianPsf,
    KernelPsf,
    Polynomial2,
)

NOT_GIVEN = ("out_shape", "out_apflux", "out_dgauss", "out_sep", "out_none", "in_")


def test_psf(golden: Any) -> None:
    compared = expected = 0
    for file, params, arrays in golden("psf"):
        if "error" in params:
            with pytest.raises(OptionError, match="odd"):
                GaussianPsf((params["width"], params["width"]), params["sigma"])
            continue
        if "in_kernel" in arrays:
            psf: GaussianPsf | KernelPsf = KernelPsf(FixedKernel(arrays["in_kernel"]))
        else:
            psf = GaussianPsf((params["width"], params["width"]), params["sigma"])
        x, y = params["position"]
        images = {"out_kernel": psf.kernel_image(y=y, x=x), "out_image": psf.image(y=y, x=x)}
        for name, image in images.items():
            truth = arrays[name]
            np.testing.assert_allclose(
                image.array, truth, rtol=0, atol=2e-14 * truth.max(), err_msg=f"{file} {name}"
            )
            x0, y0 = params[f"{name[4:]}_xy0"]
            assert image.box.start == (y0, x0)
            compared += 1
        if "out_avgpos" in arrays:
            assert psf.average_position == tuple(arrays["out_avgpos"][::-1])
            compared += 1
        expected += sum(not name.startswith(NOT_GIVEN) for name in arrays)
    assert compared >= 0.9 * expected > 0


def test_spatial_functions_and_kernels(golden: Any) -> None:
    compared = expected = 0
    for _, params, arrays in golden("kernel"):
        if "order" in params:
            compared += check_terms(params, arrays)
        else:
            compared += check_gaussian(params, arrays)
        expected += sum(not name.startswith(NOT_GIVEN) for name in arrays)
    assert compared >= 0.9 * expected > 0


def check_terms(params: dict[str, Any], arrays: dict[str, np.ndarray]) -> int:
    n = len(arrays["out_poly_terms"])
    x0, y0, x1, y1 = params["chebbox"]
    for i in range(n):
        unit = tuple(float(i == j) for j in range(n))
        functions = {
            "out_poly_terms": Polynomial2(unit),
            "out_cheb_terms": Chebyshev2(unit, (x0, x1), (y0, y1)),
        }
        for name, function in functions.items():
            ours = [
                function.at(y=y, x=x) for x, y in zip(arrays["in_x"], arrays["in_y"], strict=True)
            ]
            np.testing.assert_allclose(ours, arrays[name][i], rtol=1e-13, atol=1e-13)
    return 2


def check_gaussian(params: dict[str, Any], arrays: dict[str, np.ndarray]) -> int:
    shape = params["height"], params["width"]
    kernel = GaussianKernel(shape, params["sigmaX"], params["sigmaY"], params["angle"])
    image = kernel.image_at(y=0.0, x=0.0)
    peak = image.max()
    np.testing.assert_allclose(image, arrays["out_gauss_norm0"], rtol=0, atol=1e-14 * peak)
    np.testing.assert_allclose(image.sum(), arrays["out_gauss_sum0"], rtol=1e-13)
    psf = KernelPsf(kernel).kernel_image().array
    np.testing.assert_allclose(psf, arrays["out_gauss_norm1"], rtol=0, atol=1e-14 * psf.max())
    assert psf.sum() == pytest.approx(float(arrays["out_gauss_sum1"]), rel=1e-13)
    assert kernel.center == tuple(arrays["out_ctr"][::-1])
    return 5

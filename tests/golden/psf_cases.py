# SPDX-License-Identifier: BSD-3-Clause
"""PSFs, WCS and comparisons that the topics `warpedpsf` and `coaddpsf` share."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from deepcoadd.geometry import Box
from deepcoadd.psf import (
    DoubleGaussianPsf,
    FixedKernel,
    GaussianPsf,
    KernelPsf,
    LinearCombinationKernel,
    Polynomial2,
    Psf,
    psf_shape,
)

Arrays = dict[str, np.ndarray]


def wcs_of(header: str) -> WCS:
    """WCS of cards separated by newlines."""
    wcs = WCS(fits.Header.fromstring(header, sep="\n"), fix=False)
    wcs.wcs.set()
    return wcs


def psf_of(description: dict[str, Any], arrays: Arrays, prefix: str) -> Psf:
    """Source PSF of a case."""
    kind = description["type"]
    if kind in ("GaussianPsf", "SingleGaussianPsf"):
        shape = description["height"], description["width"]
        return GaussianPsf(shape, description["sigma"])
    if kind == "DoubleGaussianPsf":
        shape = description["height"], description["width"]
        return DoubleGaussianPsf(
            shape, description["sigma1"], description["sigma2"], description["b"]
        )
    x, y = description["averagePosition"]
    if f"{prefix}_kernel" in arrays:
        return KernelPsf(centered(arrays[f"{prefix}_kernel"]), (y, x))
    basis = tuple(centered(image) for image in arrays[f"{prefix}_basis"])
    weights = tuple(Polynomial2(tuple(row)) for row in arrays[f"{prefix}_spatial"])
    return KernelPsf(LinearCombinationKernel(basis, weights), (y, x))


def centered(image: np.ndarray) -> FixedKernel:
    ny, nx = image.shape
    return FixedKernel(image, (ny // 2, nx // 2))


def tolerance_of(cache: int, *, distorted: bool = False) -> float:
    """Of images, in units of the peak: the reference rounds fractions of a pixel to `cache` steps.

    Without that table 1e-8: 600 taps of rounding 1e-16 each, and slopes of a WCS to 1e-10. Slopes
    of a distorted WCS are numerical there: 1e-9 over 25 pixels of a PSF of slope 0.4 a pixel.
    """
    exact = 5e-8 if distorted else 1e-8
    return {0: exact, 10_000: 1e-4, 1000: 1e-3}.get(cache, 1.0 / max(cache, 1))


def box_of(numbers: np.ndarray) -> Box:
    x0, y0, width, height = (int(number) for number in numbers)
    return Box.from_shape((height, width), start=(y0, x0))


def compare_at(psf: Psf, i: int, arrays: Arrays, atol: float, where: str) -> int:
    """Compare all arrays of one position; returns their number."""
    x, y = arrays["in_pos"][i]
    images = {"kernel": psf.kernel_image(y=y, x=x), "image": psf.image(y=y, x=x)}
    n = 0
    for name, image in images.items():
        truth = arrays.get(f"out_{name}_{i}")
        if truth is None:
            continue
        assert image.box == box_of(arrays[f"out_{name}_bbox_{i}"]), f"{where} {name} {i}"
        np.testing.assert_allclose(
            image.array, truth, rtol=0, atol=atol * truth.max(), err_msg=f"{where} {name} {i}"
        )
        n += 2
    if f"out_computebbox_{i}" in arrays:
        assert psf.size_at(y=y, x=x) == box_of(arrays[f"out_computebbox_{i}"]).shape
        n += 1
    truth = arrays.get(f"out_shape_{i}")
    if truth is not None:
        shape = psf_shape(psf, y=y, x=x)
        # Iterated to 1e-5 there; beyond that shapes follow the pixels, times some pixels squared.
        tolerance = max(1e-6, 20 * atol) * max(truth[:2])
        np.testing.assert_allclose(
            (shape.xx, shape.yy, shape.xy), truth, rtol=0, atol=tolerance, err_msg=f"{where} {i}"
        )
        n += 1
    return n

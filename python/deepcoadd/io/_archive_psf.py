# SPDX-License-Identifier: BSD-3-Clause
"""PSFs and kernels of an afw archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepcoadd.errors import FileFormatError
from deepcoadd.io._archive import Archive, box_of
from deepcoadd.psf import (
    Chebyshev2,
    CoaddPsf,
    CoaddPsfInput,
    DoubleGaussianPsf,
    FixedKernel,
    GaussianKernel,
    GaussianPsf,
    Kernel,
    KernelPsf,
    LinearCombinationKernel,
    MissingPsf,
    Polynomial2,
    Psf,
    SkyTransform,
    SpatialFunction,
    StarlinkSky,
    StarlinkTransform,
    WarpedPsf,
)

__all__ = ["psf_of", "sky_of"]

_REASONS = {
    "PiffPsf": "it is kept as a Python pickle, which is never loaded",
}


def psf_of(archive: Archive, number: int) -> Psf:
    """PSF of an archive; a placeholder for classes that are not decoded.

    Raises
    ------
    FileFormatError
        The tables are damaged.
    """
    kind = archive.class_of(number)
    if kind in ("GaussianPsf", "SingleGaussianPsf"):
        row = archive.row(number)
        shape, sigma = _shape(row), row["sigma"]
        if all(side % 2 for side in shape):
            return GaussianPsf(shape, sigma)
        return KernelPsf(GaussianKernel(shape, sigma, sigma))
    if kind == "DoubleGaussianPsf":
        row = archive.row(number)
        return DoubleGaussianPsf(_shape(row), row["sigma1"], row["sigma2"], row["b"])
    if kind in ("KernelPsf", "PcaPsf"):
        row = archive.row(number)
        average = row["averagePosition_y"], row["averagePosition_x"]
        kernel = _kernel(archive, row["kernel"])
        if kernel is not None:
            return KernelPsf(kernel, average)
        kind = f"{kind} of a {archive.class_of(row['kernel'])}"
    if kind == "WarpedPsf":
        return _warped(archive, archive.row(number))
    if kind == "CoaddPsf":
        return _coadd(archive, number)
    return MissingPsf(kind, _REASONS.get(kind, "this class is not decoded"), str(archive.path))


def _part(archive: Archive, number: int, kind: str) -> Psf:
    """PSF that another is made of; itself or, when it is not decoded, FileFormatError."""
    psf = psf_of(archive, number)
    if isinstance(psf, MissingPsf):
        raise FileFormatError(f"a {kind} of a {psf.class_name}: {psf.reason}")
    return psf


def _warped(archive: Archive, row: Mapping[str, Any]) -> Psf:
    """PSF under a map, with exact taps whatever the size of the cache."""
    text = bytes(archive.row(row["transformIndex"])["bytes"]).decode("ascii", "replace")
    control = archive.row(row["controlIndex"])
    number = control["warpingKernelIndex"]
    name = archive.class_of(number).removesuffix("WarpingKernel").lower()
    if name == "lanczos":
        name += str(archive.row(number)["order"])
    return WarpedPsf(_part(archive, row["psfIndex"], "WarpedPsf"), StarlinkTransform(text), name)


def sky_of(archive: Archive, number: int) -> StarlinkSky:
    """Sky positions of an archive.

    Raises
    ------
    FileFormatError
        They are not decoded.
    """
    return StarlinkSky(bytes(archive.row(number)["wcs"]).decode("ascii", "replace"))


def _coadd(archive: Archive, number: int) -> Psf:
    """PSF of a coadd: one row of its own, then one an input."""
    head = archive.row(number)
    skies: dict[int, StarlinkSky] = {}

    def sky(wcs: int) -> StarlinkSky:
        if wcs not in skies:
            skies[wcs] = sky_of(archive, wcs)
        return skies[wcs]

    inputs = [
        CoaddPsfInput(
            _part(archive, row["psf"], "CoaddPsf"),
            box_of(row),
            SkyTransform(sky(row["wcs"]), sky(head["coaddwcs"])),
            row["weight"],
            row.get("goodpix"),
            archive.polygon(row["validPolygon"]) if row["validPolygon"] else None,
            row["id"],
        )
        for row in archive.rows(number, 1)
    ]
    average = head["avgpos_y"], head["avgpos_x"]
    return CoaddPsf(inputs, str(head["warpingkernelname"]).strip(), average)


def _shape(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["dimensions_y"], row["dimensions_x"]


def _center(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["center_y"], row["center_x"]


def _kernel(archive: Archive, number: int) -> Kernel | None:
    """Kernel of an archive; None for a class that is not decoded."""
    kind = archive.class_of(number)
    if kind == "FixedKernel":
        row = archive.row(number)
        return FixedKernel(np.reshape(row["image"], _shape(row)), _center(row))
    if kind == "AnalyticKernel":
        return _analytic(archive, archive.row(number))
    if kind == "LinearCombinationKernel":
        return _combination(archive, archive.row(number))
    return None


def _analytic(archive: Archive, row: Mapping[str, Any]) -> Kernel | None:
    """Gaussian kernel; None when its function is another one or depends on position."""
    function = row["kernelfunction"]
    if archive.class_of(function)[:-1] != "GaussianFunction2" or "spatialfunctions" in row:
        return None
    values = archive.row(function)
    return GaussianKernel(_shape(row), values["sigma1"], values["sigma2"], values["angle"])


def _combination(archive: Archive, row: Mapping[str, Any]) -> Kernel | None:
    """Linear combination; None when a component or a function is of a class not decoded."""
    parts = [_kernel(archive, int(number)) for number in np.atleast_1d(row["components"])]
    weights: list[float | SpatialFunction | None]
    if "spatialfunctions" in row:
        weights = [_function(archive, int(n)) for n in np.atleast_1d(row["spatialfunctions"])]
    else:
        weights = [float(value) for value in np.atleast_1d(row["amplitudes"])]
    components = tuple(part for part in parts if part is not None)
    known = tuple(weight for weight in weights if weight is not None)
    if len(components) != len(parts) or len(known) != len(weights):
        return None
    return LinearCombinationKernel(components, known)


def _function(archive: Archive, number: int) -> SpatialFunction | None:
    """Function of position; None for a class that is not decoded."""
    kind = archive.class_of(number)[:-1]  # the last letter is the type of number
    row = archive.row(number)
    values = tuple(float(value) for value in np.atleast_1d(row.get("coefficients", ())))
    if kind == "PolynomialFunction2":
        return Polynomial2(values)
    if kind == "Chebyshev1Function2":
        limits = (row["min_x"], row["max_x"]), (row["min_y"], row["max_y"])
        return Chebyshev2(values, *limits)
    return None

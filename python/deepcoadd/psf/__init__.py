# SPDX-License-Identifier: BSD-3-Clause
"""Point-spread functions: models, kernels, and placeholders of what cannot be read."""

from deepcoadd.psf._base import ModelPsf, Psf, PsfParts
from deepcoadd.psf._coadd import CoaddPsf, CoaddPsfInput
from deepcoadd.psf._coadd_field import CoaddField, CoaddFieldInput
from deepcoadd.psf._functions import Chebyshev2, Polynomial2, SpatialFunction
from deepcoadd.psf._kernels import (
    FixedKernel,
    GaussianKernel,
    Kernel,
    LinearCombinationKernel,
)
from deepcoadd.psf._models import DoubleGaussianPsf, GaussianPsf, KernelPsf, MissingPsf
from deepcoadd.psf._parts import parts_of, psf_from_parts, register_kind
from deepcoadd.psf._shape import PsfShape, adaptive_shape, determinant_radius, psf_shape
from deepcoadd.psf._starlink import StarlinkSky, StarlinkTransform
from deepcoadd.psf._transforms import (
    AffineTransform,
    PixelTransform,
    SkyMap,
    SkyTransform,
    WcsSky,
)
from deepcoadd.psf._warped import WarpedPsf

__all__ = [
    "AffineTransform",
    "Chebyshev2",
    "CoaddField",
    "CoaddFieldInput",
    "CoaddPsf",
    "CoaddPsfInput",
    "DoubleGaussianPsf",
    "FixedKernel",
    "GaussianKernel",
    "GaussianPsf",
    "Kernel",
    "KernelPsf",
    "LinearCombinationKernel",
    "MissingPsf",
    "ModelPsf",
    "PixelTransform",
    "Polynomial2",
    "Psf",
    "PsfParts",
    "PsfShape",
    "SkyMap",
    "SkyTransform",
    "SpatialFunction",
    "StarlinkSky",
    "StarlinkTransform",
    "WarpedPsf",
    "WcsSky",
    "adaptive_shape",
    "determinant_radius",
    "parts_of",
    "psf_from_parts",
    "psf_shape",
    "register_kind",
]

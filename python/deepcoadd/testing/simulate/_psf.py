# SPDX-License-Identifier: BSD-3-Clause
"""The PSF of a visit: as it is drawn, and as the model that goes with the image."""

from __future__ import annotations

import math

from deepcoadd.psf import DoubleGaussianPsf, FixedKernel, GaussianPsf, KernelPsf, Psf
from deepcoadd.testing.simulate._options import SceneOptions
from deepcoadd.testing.simulate._profiles import Profile

__all__ = ["psf_model", "psf_profile"]

_REACH = 5.0


def psf_profile(options: SceneOptions, sigma: float) -> Profile:
    """Profile in which the stars of a visit are drawn; `sigma` is that of its core."""
    if options.psf.kind == "moffat":
        return Profile.moffat(sigma, options.psf.beta)
    if options.psf.kind == "double_gaussian":
        return Profile.double_gaussian(sigma)
    return Profile.gaussian(sigma)


def psf_model(profile: Profile, middle: tuple[float, float]) -> Psf:
    """Model of a profile, on a stamp of 5 sigma of its widest part to each side.

    Parameters
    ----------
    profile : Profile
        One Gaussian, or two, or more: then the model is an image.
    middle : (float, float)
        Position (y, x) that stands for the whole image.
    """
    sigmas = [sigma for _, sigma in profile.parts]
    radius = math.ceil(_REACH * max(sigmas))
    shape = (2 * radius + 1, 2 * radius + 1)
    if len(sigmas) == 1:
        return GaussianPsf(shape, sigmas[0])
    if len(sigmas) == 2:
        (core, _), (wing, _) = profile.parts
        peak = (wing / sigmas[1] ** 2) / (core / sigmas[0] ** 2)
        return DoubleGaussianPsf(shape, sigmas[0], sigmas[1], peak)
    return KernelPsf(FixedKernel(profile.image(radius)), middle)

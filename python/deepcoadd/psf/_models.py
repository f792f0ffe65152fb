# SPDX-License-Identifier: BSD-3-Clause
"""PSF models: Gaussians, kernels, and the placeholder of a model that was not read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.image import Image
from deepcoadd.psf._base import Floats, ModelPsf, PsfParts
from deepcoadd.psf._kernels import Kernel, normalized

__all__ = ["DoubleGaussianPsf", "GaussianPsf", "KernelPsf", "MissingPsf"]


def _check_sigma(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise OptionError(f"{name} = {value}: expected a number of pixels above 0")


def _radius_squared(shape: tuple[int, int]) -> Floats:
    """Square of the distance of each pixel from the middle one."""
    ny, nx = shape
    y = np.arange(ny) - (ny - 1) // 2
    x = np.arange(nx) - (nx - 1) // 2
    return np.asarray(np.add.outer(y * y, x * x), np.float64)


@dataclass(frozen=True)
class GaussianPsf(ModelPsf):
    """A circular Gaussian, the same everywhere, normalised to sum 1 on its stamp.

    Parameters
    ----------
    shape : (int, int)
        (ny, nx) of the stamp, both odd.
    sigma : float
        Standard deviation, pixels.

    Raises
    ------
    OptionError
        A side is even or below 1, or sigma is not above 0.
    """

    shape: tuple[int, int]
    sigma: float

    def __post_init__(self) -> None:
        if any(side < 1 or side % 2 == 0 for side in self.shape):
            raise OptionError(f"shape = {self.shape}: expected two odd numbers")
        _check_sigma("sigma", self.sigma)

    def _kernel_array(self, y: float, x: float) -> Floats:
        return normalized(np.exp(_radius_squared(self.shape) / (-2.0 * self.sigma**2)))

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the stamp."""
        return self.shape

    def to_parts(self) -> PsfParts:
        """Numbers to write."""
        return PsfParts("gaussian", {"shape": list(self.shape), "sigma": self.sigma}, {})

    @classmethod
    def from_parts(cls, parts: PsfParts) -> GaussianPsf:
        """Model of written numbers."""
        ny, nx = parts.numbers["shape"]
        return cls((ny, nx), parts.numbers["sigma"])


@dataclass(frozen=True)
class DoubleGaussianPsf(ModelPsf):
    """The sum of two circular Gaussians of one centre, normalised to sum 1 on its stamp.

    Parameters
    ----------
    shape : (int, int)
        (ny, nx) of the stamp, at least 1.
    sigma1, sigma2 : float
        Standard deviations, pixels.
    amplitude : float
        Peak of the second in units of that of the first.

    Raises
    ------
    OptionError
        A side is below 1, or a sigma is not above 0, or the amplitude is not finite.
    """

    shape: tuple[int, int]
    sigma1: float
    sigma2: float
    amplitude: float

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise OptionError(f"shape = {self.shape}: both sides must be at least 1")
        _check_sigma("sigma1", self.sigma1)
        _check_sigma("sigma2", self.sigma2)
        if not math.isfinite(self.amplitude):
            raise OptionError(f"amplitude = {self.amplitude}: expected a finite number")

    def _kernel_array(self, y: float, x: float) -> Floats:
        r2 = _radius_squared(self.shape)
        core = np.exp(r2 / (-2.0 * self.sigma1**2))
        return normalized(core + self.amplitude * np.exp(r2 / (-2.0 * self.sigma2**2)))

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the stamp."""
        return self.shape

    def to_parts(self) -> PsfParts:
        """Numbers to write."""
        names = ("sigma1", "sigma2", "amplitude")
        numbers = {"shape": list(self.shape), **{name: getattr(self, name) for name in names}}
        return PsfParts("double_gaussian", numbers, {})

    @classmethod
    def from_parts(cls, parts: PsfParts) -> DoubleGaussianPsf:
        """Model of written numbers."""
        ny, nx = parts.numbers["shape"]
        sigmas = parts.numbers["sigma1"], parts.numbers["sigma2"]
        return cls((ny, nx), *sigmas, parts.numbers["amplitude"])


@dataclass(frozen=True)
class KernelPsf(ModelPsf):
    """A kernel image, normalised to sum 1; it may vary with position.

    Parameters
    ----------
    kernel : Kernel
        `FixedKernel`, `GaussianKernel` or `LinearCombinationKernel`.
    average : (float, float)
        Position (y, x) that stands for the whole image.
    """

    kernel: Kernel
    average: tuple[float, float] = (0.0, 0.0)

    @property
    def average_position(self) -> tuple[float, float]:
        """Position (y, x) that stands for the whole image."""
        return self.average

    def _kernel_array(self, y: float, x: float) -> Floats:
        return normalized(self.kernel.image_at(y=y, x=x))

    def _center(self, shape: tuple[int, int]) -> tuple[int, int]:
        return self.kernel.center

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the kernel."""
        return self.kernel.shape


@dataclass(frozen=True)
class MissingPsf:
    """Stands for a PSF that a file names but that is not read here; it raises when used.

    Parameters
    ----------
    class_name : str
        Class in the file.
    reason : str
        Why it is not read.
    """

    class_name: str
    reason: str = "this class is not decoded"
    source: str = field(default="", compare=False)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        where = f" of {self.source}" if self.source else ""
        raise NoDataError(f"the PSF{where} is a {self.class_name}: {self.reason}")

    def kernel_image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """Raise NoDataError."""
        self._refuse()

    def image(self, *, y: float | None = None, x: float | None = None) -> Image:
        """Raise NoDataError."""
        self._refuse()

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Raise NoDataError."""
        self._refuse()

    @property
    def average_position(self) -> tuple[float, float]:
        """Raise NoDataError."""
        self._refuse()

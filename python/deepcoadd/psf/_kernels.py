# SPDX-License-Identifier: BSD-3-Clause
"""Kernels: images of fixed size that may depend on position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError, ShapeError, SingularError
from deepcoadd.psf._functions import SpatialFunction

__all__ = ["FixedKernel", "GaussianKernel", "Kernel", "LinearCombinationKernel", "normalized"]

Floats = npt.NDArray[np.float64]


class Kernel(Protocol):
    """An image of fixed size that may depend on position."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ...

    @property
    def center(self) -> tuple[int, int]:
        """Index (y, x) of the middle pixel."""
        ...

    @property
    def is_fixed(self) -> bool:
        """Whether the image is the same everywhere."""
        ...

    def image_at(self, *, y: float, x: float) -> Floats:
        """(ny, nx) float64 image at a position, not normalised."""
        ...


def normalized(image: Floats) -> Floats:
    """Image divided by its sum.

    Raises
    ------
    SingularError
        The sum is 0 or not finite.
    """
    total = float(image.sum())
    if total == 0 or not math.isfinite(total):
        raise SingularError(f"a kernel image with sum {total} cannot be normalised")
    return image / total


@dataclass(frozen=True, eq=False)
class FixedKernel:
    """One image.

    Parameters
    ----------
    image : (ny, nx) float64 array
        Finite.
    center : (int, int), optional
        Index (y, x) of the middle pixel; by default ``((ny - 1) // 2, (nx - 1) // 2)``.

    Raises
    ------
    ShapeError
        The image is not 2-D, or has no pixel.
    OptionError
        A pixel is not finite.
    """

    image: Floats
    center: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        image = np.array(self.image, np.float64)
        if image.ndim != 2 or image.size == 0:
            raise ShapeError(f"kernel image: expected a 2-D array with pixels, got {image.shape}")
        if not np.isfinite(image).all():
            raise OptionError("kernel image: a pixel is not finite")
        image.flags.writeable = False
        object.__setattr__(self, "image", image)
        if self.center == (-1, -1):
            ny, nx = image.shape
            object.__setattr__(self, "center", ((ny - 1) // 2, (nx - 1) // 2))

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ny, nx = self.image.shape
        return ny, nx

    @property
    def is_fixed(self) -> bool:
        """True."""
        return True

    def image_at(self, *, y: float, x: float) -> Floats:
        """The image."""
        return self.image


@dataclass(frozen=True)
class GaussianKernel:
    """An elliptical Gaussian of unit integral, sampled at pixel centres.

    Parameters
    ----------
    shape : (int, int)
        (ny, nx), both at least 1.
    sigma1, sigma2 : float
        Standard deviations along the axes of the ellipse, pixels, > 0.
    angle : float
        Angle from the x axis to the first axis, radians.
    """

    shape: tuple[int, int]
    sigma1: float
    sigma2: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise OptionError(f"shape = {self.shape}: both sides must be at least 1")
        for name in ("sigma1", "sigma2"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise OptionError(f"{name} = {value}: expected a number of pixels above 0")

    @property
    def center(self) -> tuple[int, int]:
        """Index (y, x) of the middle pixel."""
        return (self.shape[0] - 1) // 2, (self.shape[1] - 1) // 2

    @property
    def is_fixed(self) -> bool:
        """True."""
        return True

    def image_at(self, *, y: float, x: float) -> Floats:
        """Values at the pixel centres."""
        v, u = np.indices(self.shape, np.float64)
        v -= self.center[0]
        u -= self.center[1]
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        along = (u * cosine + v * sine) / self.sigma1
        across = (v * cosine - u * sine) / self.sigma2
        peak = 1.0 / (2.0 * math.pi * self.sigma1 * self.sigma2)
        return np.asarray(peak * np.exp(-0.5 * (along * along + across * across)))


@dataclass(frozen=True)
class LinearCombinationKernel:
    """Sum of fixed kernels, each times a number or a function of position.

    Parameters
    ----------
    components : tuple of Kernel
        Fixed, of one shape and centre.
    weights : tuple of float or SpatialFunction
        One each.

    Raises
    ------
    ShapeError
        Shapes, centres or lengths differ, or there is no component.
    OptionError
        A component is not fixed.
    """

    components: tuple[Kernel, ...]
    weights: tuple[float | SpatialFunction, ...]

    def __post_init__(self) -> None:
        if not self.components or len(self.components) != len(self.weights):
            raise ShapeError(f"{len(self.components)} components, {len(self.weights)} weights")
        first = self.components[0]
        for part in self.components:
            if part.shape != first.shape or part.center != first.center:
                raise ShapeError(f"components of shape {first.shape} and {part.shape}")
            if not part.is_fixed:
                raise OptionError("a component depends on position; expected fixed kernels")

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.components[0].shape

    @property
    def center(self) -> tuple[int, int]:
        """Index (y, x) of the middle pixel."""
        return self.components[0].center

    @property
    def is_fixed(self) -> bool:
        """Whether all weights are numbers."""
        return all(isinstance(weight, (int, float)) for weight in self.weights)

    def image_at(self, *, y: float, x: float) -> Floats:
        """Weighted sum of the components."""
        out = np.zeros(self.shape)
        for part, weight in zip(self.components, self.weights, strict=True):
            value = weight if isinstance(weight, (int, float)) else weight.at(y=y, x=x)
            out += value * part.image_at(y=y, x=x)
        return out

# SPDX-License-Identifier: BSD-3-Clause
"""PSF of a coadd: the weighted mean of the PSFs of its inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deepcoadd._core import warp as _core
from deepcoadd.errors import InvalidPsfError, NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.polygon import Polygon
from deepcoadd.psf._base import Floats, ModelPsf, Psf
from deepcoadd.psf._transforms import PixelTransform, linearized
from deepcoadd.psf._warped import warped_array, warped_shape

__all__ = ["CoaddPsf", "CoaddPsfInput"]


@dataclass(frozen=True, eq=False)
class CoaddPsfInput:
    """One image that light of a coadd comes from: a detector of a visit, or a whole warp.

    Parameters
    ----------
    psf : Psf
        Of the input, in its own pixels.
    box : Box
        Pixels of the input.
    transform : PixelTransform
        From the pixels of the input to those of the coadd.
    weight : float
        Relative; finite and > 0.
    good_pixels : int, optional
        Good pixels that the input gave; the average position is weighted by them too.
    polygon : Polygon, optional
        Where the input is valid, in its own pixels.
    id : int
        Identification.
    name : str
        Name for messages.

    Raises
    ------
    OptionError
        The weight is not a finite number above 0.
    """

    psf: Psf
    box: Box
    transform: PixelTransform
    weight: float = 1.0
    good_pixels: int | None = None
    polygon: Polygon | None = None
    id: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        if not (self.weight > 0 and math.isfinite(self.weight)):
            raise OptionError(f"weight = {self.weight}: expected a finite number above 0")

    def covers(self, *, y: float, x: float) -> bool:
        """Whether the input has pixels at a position of the coadd."""
        source_y, source_x = (float(value) for value in self.transform.inverse(y, x))
        if not (math.isfinite(source_y) and math.isfinite(source_x)):
            return False
        if not self.box.contains_point(y=source_y, x=source_x):
            return False
        return self.polygon is None or bool(self.polygon.contains(y=source_y, x=source_x))


class CoaddPsf(ModelPsf):
    """PSF of a coadd: at each position the weighted mean of the inputs that cover it.

    Masks, clipping and rejection do not count: pixels where they changed the inputs have the plane
    INEXACT_PSF.

    Parameters
    ----------
    inputs : sequence of CoaddPsfInput
        What the coadd was made of.
    kernel : str
        Interpolation kernel of the warps: lanczos2 to lanczos5, bilinear or nearest.
    average : (float, float), optional
        Position (y, x) that stands for the whole coadd. By default the mean of the average
        positions of the inputs, weighted by weight and good pixels; while no input covers it, the
        lightest input is left out.

    Raises
    ------
    NoDataError
        There is no input, or no average position that an input covers.
    OptionError
        The kernel is unknown.

    Notes
    -----
    ``docs/algorithms/psf.md``.
    """

    def __init__(
        self,
        inputs: Iterable[CoaddPsfInput],
        kernel: str = "lanczos3",
        average: tuple[float, float] | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.kernel = kernel
        _core.kernel_size(kernel)
        if average is None:
            places = [one.transform.forward(*one.psf.average_position) for one in self.inputs]
            average = _mean_position(self.inputs, places)
        self._average = average

    @classmethod
    def of_inputs(cls, inputs: Iterable[CoaddPsfInput], kernel: str = "lanczos3") -> CoaddPsf:
        """PSF of inputs whose models may know no position of their own.

        Where the average positions of the models lie in no input (a Gaussian stands at (0, 0)),
        the middles of the boxes of the inputs take their place.

        Raises
        ------
        NoDataError
            There is no input, or not even the middles of the boxes lie in one.
        """
        parts = tuple(inputs)
        try:
            return cls(parts, kernel)
        except NoDataError:
            middles = [one.transform.forward(*one.box.center) for one in parts]
            return cls(parts, kernel, _mean_position(parts, middles))

    @property
    def average_position(self) -> tuple[float, float]:
        """Position (y, x) that stands for the whole coadd."""
        return self._average

    def inputs_at(self, *, y: float, x: float) -> list[CoaddPsfInput]:
        """Inputs that cover a position, in their order."""
        return [one for one in self.inputs if one.covers(y=y, x=x)]

    def shifted_by(self, *, y: float, x: float) -> CoaddPsf:
        """The same PSF of a coadd whose pixel positions are larger by (y, x)."""
        if y == 0 and x == 0:
            return self
        inputs = [replace(one, transform=one.transform.shifted_by(y=y, x=x)) for one in self.inputs]
        row, column = self._average
        return CoaddPsf(inputs, self.kernel, (row + y, column + x))

    def _covering(self, y: float, x: float) -> list[CoaddPsfInput]:
        inputs = self.inputs_at(y=y, x=x)
        if not inputs:
            raise InvalidPsfError(
                f"no input of the coadd covers y = {y}, x = {x}: it has no PSF there"
            )
        return inputs

    def _kernel_array(self, y: float, x: float) -> Floats:
        inputs = self._covering(y, x)
        parts = [
            warped_array(one.psf, linearized(one.transform, y, x), y, x, self.kernel)
            for one in inputs
        ]
        out = np.zeros(_union([part.shape for part in parts]))
        for one, part in zip(inputs, parts, strict=True):
            rows, columns = (
                slice((whole - own) // 2, (whole + own) // 2)
                for whole, own in zip(out.shape, part.shape, strict=True)
            )
            out[rows, columns] += one.weight * part
        return np.asarray(out / math.fsum(one.weight for one in inputs))

    def size_at(self, *, y: float | None = None, x: float | None = None) -> tuple[int, int]:
        """Shape (ny, nx) of the kernel image: that of the largest input each way."""
        row, column = self.position(y, x)
        return _union(
            [
                warped_shape(one.psf, linearized(one.transform, row, column), row, column)
                for one in self._covering(row, column)
            ]
        )

    def __repr__(self) -> str:
        return f"CoaddPsf({len(self.inputs)} inputs, average={self._average})"


def _union(shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Smallest shape that holds images of odd sides with one centre."""
    return max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)


def _mean_position(
    inputs: Sequence[CoaddPsfInput], places: Sequence[tuple[Any, Any]]
) -> tuple[float, float]:
    """Weighted mean of a place of each input, such that an input covers it."""
    weights = [one.weight * (1 if one.good_pixels is None else one.good_pixels) for one in inputs]
    order = sorted(range(len(inputs)), key=lambda i: weights[i])
    for n_dropped in range(len(inputs)):
        # Sums in the order of the inputs, so that the result does not depend on ties.
        left = sorted(order[n_dropped:])
        total = math.fsum(weights[i] for i in left)
        if not total > 0:
            break
        y, x = (
            math.fsum(weights[i] * float(places[i][axis]) for i in left) / total for axis in (0, 1)
        )
        if any(inputs[i].covers(y=y, x=x) for i in left):
            return y, x
    raise NoDataError(
        f"the average position of {len(inputs)} inputs lies in none of them: a coadd PSF needs one"
    )

# SPDX-License-Identifier: BSD-3-Clause
"""PSF models from their written parts, by the name of the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deepcoadd.errors import DeepcoaddError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.polygon import Polygon
from deepcoadd.psf._base import Psf, PsfParts
from deepcoadd.psf._coadd import CoaddPsf, CoaddPsfInput
from deepcoadd.psf._functions import Chebyshev2, Polynomial2, SpatialFunction
from deepcoadd.psf._kernels import (
    FixedKernel,
    GaussianKernel,
    Kernel,
    LinearCombinationKernel,
)
from deepcoadd.psf._models import DoubleGaussianPsf, GaussianPsf, KernelPsf, MissingPsf
from deepcoadd.psf._transforms import (
    PixelTransform,
    SkyMap,
    SkyTransform,
    sky_map_from,
    transform_from,
)
from deepcoadd.psf._warped import WarpedPsf

__all__ = ["parts_of", "psf_from_parts", "register_kind"]


def parts_of(psf: Any) -> PsfParts | None:
    """Parts of a PSF to write; None for one that cannot be written (placeholders, others').

    Raises
    ------
    OptionError
        A part of it cannot be written: a function of position, the distortion tables of a WCS.
    """
    for kind, taken_apart in _TAKEN_APART.items():
        if isinstance(psf, kind):
            return taken_apart(psf)
    to_parts = getattr(psf, "to_parts", None)
    return None if to_parts is None else to_parts()


def psf_from_parts(parts: PsfParts, source: str = "") -> Psf:
    """PSF of written parts; a placeholder when the model is unknown or the numbers are damaged."""
    maker = _KINDS.get(parts.kind)
    if maker is None:
        return MissingPsf(parts.kind, "no model of that name is known", source)
    try:
        return maker(parts)
    except (DeepcoaddError, KeyError, TypeError, ValueError) as error:
        return MissingPsf(parts.kind, f"its numbers are damaged: {error}", source)


def register_kind(kind: str, maker: Callable[[PsfParts], Psf]) -> None:
    """Tell how a model is made of its parts; the model has a method `to_parts`.

    Raises
    ------
    OptionError
        The name is taken by another model.
    """
    if _KINDS.get(kind, maker) is not maker:
        raise OptionError(f"PSF kind {kind!r} is taken")
    _KINDS[kind] = maker


def _kernel_parts(psf: KernelPsf) -> PsfParts | None:
    kernel = psf.kernel
    numbers: dict[str, Any] = {"average": list(psf.average)}
    if isinstance(kernel, GaussianKernel):
        names = ("shape", "sigma1", "sigma2", "angle")
        numbers |= {name: getattr(kernel, name) for name in names}
        return PsfParts("gaussian_kernel", {**numbers, "shape": list(kernel.shape)}, {})
    if isinstance(kernel, FixedKernel):
        kernel = LinearCombinationKernel((kernel,), (1.0,))
    if not isinstance(kernel, LinearCombinationKernel):
        return None
    images = [part.image_at(y=0.0, x=0.0) for part in kernel.components]
    numbers["center"] = list(kernel.center)
    numbers["weights"] = [_weight_parts(weight) for weight in kernel.weights]
    return PsfParts("kernel", numbers, {"components": np.stack(images)})


def _weight_parts(weight: float | SpatialFunction) -> dict[str, Any] | float:
    if isinstance(weight, (int, float)):
        return float(weight)
    if isinstance(weight, Polynomial2):
        return {"polynomial": list(weight.coefficients)}
    if isinstance(weight, Chebyshev2):
        return {
            "chebyshev": list(weight.coefficients),
            "x_range": list(weight.x_range),
            "y_range": list(weight.y_range),
        }
    raise OptionError(f"spatial function of type {type(weight).__name__} cannot be written")


def _warped_parts(psf: WarpedPsf) -> PsfParts | None:
    child = parts_of(psf.psf)
    numbers = {"kernel": psf.kernel, "transform": psf.transform.numbers()}
    return None if child is None else PsfParts("warped", numbers, {}, (child,))


def _coadd_parts(psf: CoaddPsf) -> PsfParts | None:
    children = []
    for one in psf.inputs:
        child = parts_of(one.psf)
        if child is None:
            return None
        box, polygon = one.box, one.polygon
        numbers = {
            "transform": one.transform.numbers(),
            "box": [box.y.start, box.y.stop, box.x.start, box.x.stop],
            "polygon": None if polygon is None else polygon.vertices,
            **{name: getattr(one, name) for name in _INPUT_NUMBERS},
        }
        children.append(PsfParts("input", numbers, {}, (child,)))
    numbers = {"kernel": psf.kernel, "average": list(psf.average_position)}
    return PsfParts("coadd", numbers, {}, tuple(children))


_INPUT_NUMBERS = ("weight", "good_pixels", "id", "name")


def _made(parts: PsfParts) -> Psf:
    """PSF that another is made of.

    Raises
    ------
    OptionError
        It cannot be made.
    """
    psf = psf_from_parts(parts)
    if isinstance(psf, MissingPsf):
        raise OptionError(f"its {parts.kind}: {psf.reason}")
    return psf


def _warped(parts: PsfParts) -> Psf:
    (child,) = parts.children
    transform = transform_from(parts.numbers["transform"])
    return WarpedPsf(_made(child), transform, parts.numbers["kernel"])


def _shared(numbers: Mapping[str, Any], skies: dict[str, SkyMap]) -> PixelTransform:
    """Transform of one input; all inputs of a coadd share the sky map that they go to."""
    if "sky" not in numbers:
        return transform_from(numbers)
    ends = numbers["sky"]
    text = json.dumps(ends["destination"])
    if text not in skies:
        skies[text] = sky_map_from(ends["destination"])
    return SkyTransform(sky_map_from(ends["source"]), skies[text])


def _coadd(parts: PsfParts) -> Psf:
    inputs = []
    skies: dict[str, SkyMap] = {}
    for one in parts.children:
        (child,) = one.children
        y0, y1, x0, x1 = one.numbers["box"]
        polygon = one.numbers["polygon"]
        inputs.append(
            CoaddPsfInput(
                _made(child),
                Box.from_shape((y1 - y0, x1 - x0), start=(y0, x0)),
                _shared(one.numbers["transform"], skies),
                polygon=None if polygon is None else Polygon(tuple(map(_pair, polygon))),
                **{name: one.numbers[name] for name in _INPUT_NUMBERS},
            )
        )
    return CoaddPsf(inputs, parts.numbers["kernel"], _pair(parts.numbers["average"]))


def _gaussian_kernel(parts: PsfParts) -> Psf:
    numbers = parts.numbers
    ny, nx = numbers["shape"]
    kernel = GaussianKernel((ny, nx), numbers["sigma1"], numbers["sigma2"], numbers["angle"])
    return KernelPsf(kernel, _pair(numbers["average"]))


def _kernel(parts: PsfParts) -> Psf:
    numbers = parts.numbers
    cy, cx = numbers["center"]
    components = tuple(FixedKernel(image, (cy, cx)) for image in parts.arrays["components"])
    weights = tuple(_weight(weight) for weight in numbers["weights"])
    kernel: Kernel = LinearCombinationKernel(components, weights)
    if weights == (1.0,):
        kernel = components[0]
    return KernelPsf(kernel, _pair(numbers["average"]))


def _weight(weight: Mapping[str, Any] | float) -> float | SpatialFunction:
    if isinstance(weight, (int, float)):
        return float(weight)
    if "polynomial" in weight:
        return Polynomial2(tuple(weight["polynomial"]))
    return Chebyshev2(
        tuple(weight["chebyshev"]), _pair(weight["x_range"]), _pair(weight["y_range"])
    )


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


_KINDS: dict[str, Callable[[PsfParts], Psf]] = {
    "gaussian": GaussianPsf.from_parts,
    "double_gaussian": DoubleGaussianPsf.from_parts,
    "gaussian_kernel": _gaussian_kernel,
    "kernel": _kernel,
    "warped": _warped,
    "coadd": _coadd,
}
_TAKEN_APART: dict[type, Callable[[Any], PsfParts | None]] = {
    KernelPsf: _kernel_parts,
    WarpedPsf: _warped_parts,
    CoaddPsf: _coadd_parts,
}

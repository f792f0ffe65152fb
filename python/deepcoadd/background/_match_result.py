# SPDX-License-Identifier: BSD-3-Clause
"""What background matching returns, and exposures with the models applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepcoadd.errors import NoDataError
from deepcoadd.exposure import ExposureInfo
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import MAX_PLANES, Mask, MaskPlanes
from deepcoadd.refs import HandleNames, WarpRef, look

__all__ = ["UNMATCHED", "MatchModel", "MatchResult", "MatchedRef", "apply_match"]

UNMATCHED = "UNMATCHED"
"""Mask plane of pixels farther than one bin from every bin that the model was fitted to."""


class MatchModel(Protocol):
    """A background that is added to an exposure."""

    @property
    def box(self) -> Box:
        """Pixels where the model is known."""
        ...

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the model, by default of its whole box."""
        ...

    @property
    def extrapolates(self) -> bool:
        """Whether the model has pixels that are not valid."""
        ...

    def validity(self, box: Box | None = None) -> NDArray[np.bool_]:
        """Pixels not farther than one bin from a bin that the model was fitted to."""
        ...


@dataclass(frozen=True)
class MatchResult:
    """Match of one exposure.

    Attributes
    ----------
    id : str
        Name of the exposure.
    status : {"reference", "ok", "failed"}
        The reference has no model; nor has an exposure that could not be matched.
    model : MatchModel or None
        What is to be added to the exposure.
    fit_rms : float or None
        Root mean square of the bins about the model.
    matched_mse : float or None
        Mean square of the good pixels of the matched difference (classic), of the residuals of the
        cells (global).
    diff_variance : float or None
        Clipped mean variance of the good pixels of the difference (classic); mean variance of the
        cells (global).
    model_variance : float or None
        Mean variance of the model over its bins.
    message : str
        Why it failed, or what was done otherwise than asked for.
    """

    id: str
    status: str
    model: MatchModel | None = None
    fit_rms: float | None = None
    matched_mse: float | None = None
    diff_variance: float | None = None
    model_variance: float | None = None
    message: str = ""

    @property
    def ratio(self) -> float:
        """`matched_mse` over `diff_variance`: about 1 for a good match; NaN without a model."""
        if not self.diff_variance or self.matched_mse is None:
            return float("nan")
        return self.matched_mse / self.diff_variance


def apply_match(pixels: MaskedImage, result: MatchResult) -> MaskedImage:
    """Masked image with the model added.

    Parameters
    ----------
    pixels : MaskedImage
        Any part of the exposure of the result; not changed.
    result : MatchResult
        A reference comes back as a copy.

    Returns
    -------
    MaskedImage
        Image plus model in float32; the same variance. Where the model is extrapolated the mask
        plane UNMATCHED is set, which the mask gets if that happens anywhere.

    Raises
    ------
    NoDataError
        The exposure could not be matched.
    ShapeError
        The pixels reach outside the box of the model.
    """
    if result.status == "failed":
        raise NoDataError(f"{result.id}: {result.message or 'could not be matched'}")
    out = pixels.copy()
    if result.model is None:
        return out
    out.image.array += result.model.image(out.box).array
    planes = _planes_after(out.planes, result.model)
    if UNMATCHED not in planes:
        return out
    words = out.mask.array
    words[~result.model.validity(out.box)] |= np.int32(planes.bitmask(UNMATCHED))
    return MaskedImage(out.image, Mask(words, out.box, planes), out.variance)


def _planes_after(planes: MaskPlanes, model: MatchModel | None) -> MaskPlanes:
    """Mask planes of a matched image; a mask that is full stays without UNMATCHED."""
    free = min(set(range(MAX_PLANES)) - set(planes.values()), default=None)
    if model is None or not model.extrapolates or UNMATCHED in planes or free is None:
        return planes
    descriptions = {name: planes.description(name) for name in planes}
    descriptions[UNMATCHED] = "background matched by extrapolation"
    return MaskPlanes({**planes, UNMATCHED: free}, descriptions)


class MatchedRef(HandleNames):
    """A reference to an exposure whose model is added when it is read.

    Parameters
    ----------
    ref : WarpRef
        The exposure.
    result : MatchResult
        Its match; one with a model, or that of the reference.

    Raises
    ------
    NoDataError
        The exposure could not be matched.
    """

    def __init__(self, ref: WarpRef, result: MatchResult) -> None:
        if result.status == "failed":
            raise NoDataError(f"{result.id}: {result.message or 'could not be matched'}")
        self.ref = ref
        self.result = result

    @property
    def data_id(self) -> Mapping[str, Any]:
        """What identifies the exposure."""
        return self.ref.data_id

    def box(self) -> Box:
        """Box of the exposure."""
        return self.ref.box()

    def info(self) -> ExposureInfo:
        """Everything but the pixels."""
        info = self.ref.info()
        if info.planes is None:
            return info
        return replace(info, planes=_planes_after(info.planes, self.result.model))

    def read(self, box: Box | None = None) -> MaskedImage:
        """Pixels of `box` with the model added."""
        return apply_match(look(self.ref, self.box() if box is None else box), self.result)

    def __repr__(self) -> str:
        return f"MatchedRef({self.ref!r})"

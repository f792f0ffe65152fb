# SPDX-License-Identifier: BSD-3-Clause
"""What background matching returns, and exposures with the models applied."""

from __future__ import annotations

import math
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
        cells (global), of what smoothing leaves of the superpixels (tract).
    diff_variance : float or None
        Clipped mean variance of the good pixels of the difference (classic); mean variance of the
        cells (global) or of the differences of superpixels (tract).
    model_variance : float or None
        Mean variance of the model over its bins.
    message : str
        Why it failed, or what was done otherwise than asked for.
    bin_variance : float or None
        Variance of a bin of the difference by that of its pixels (classic), of a cell (global) or
        superpixel (tract) by the scatter of its pixels.
    noise : float
        Median over the exposures of mean square over variance, not below 1 (global): resampled
        pixels are correlated, and medians of few exposures are noisy. 1 in the other modes.
    used : float
        Share of the cells that agree with the fit (global); 1 in the other modes.
    """

    id: str
    status: str
    model: MatchModel | None = None
    fit_rms: float | None = None
    matched_mse: float | None = None
    diff_variance: float | None = None
    model_variance: float | None = None
    message: str = ""
    bin_variance: float | None = None
    noise: float = 1.0
    used: float = 1.0

    @property
    def relative_rms(self) -> float:
        """`fit_rms` in units of the error of a bin; NaN without either."""
        if not self.bin_variance or self.fit_rms is None:
            return float("nan")
        return self.fit_rms / math.sqrt(self.bin_variance * self.noise)

    @property
    def added_variance(self) -> float:
        """What the match adds to the variance of an exposure: ``fit_rms**2``, 0 without one."""
        return 0.0 if self.fit_rms is None or math.isnan(self.fit_rms) else self.fit_rms**2

    @property
    def ratio(self) -> float:
        """`matched_mse` over `diff_variance`: about 1 for a good match; NaN without a model."""
        if not self.diff_variance or self.matched_mse is None:
            return float("nan")
        return self.matched_mse / self.diff_variance


def apply_match(
    pixels: MaskedImage, result: MatchResult, *, add_variance: bool = False
) -> MaskedImage:
    """Masked image with the model added.

    Parameters
    ----------
    pixels : MaskedImage
        Any part of the exposure of the result; not changed.
    result : MatchResult
        A reference comes back as a copy.
    add_variance : bool
        Add the square of `fit_rms` to the variances, as pipelines with one reference did; a coadd
        then weights the exposure by ``1 / (1 / weight + fit_rms**2)`` of itself.

    Returns
    -------
    MaskedImage
        Image plus model in float32; the same variance, unless it is asked for. Where the model is
        extrapolated the mask plane UNMATCHED is set, which the mask gets if that happens anywhere.

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
    if add_variance:
        out.variance.array += np.float32(result.added_variance)
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
    add_variance : bool
        See `apply_match`.

    Raises
    ------
    NoDataError
        The exposure could not be matched.
    """

    def __init__(self, ref: WarpRef, result: MatchResult, *, add_variance: bool = False) -> None:
        if result.status == "failed":
            raise NoDataError(f"{result.id}: {result.message or 'could not be matched'}")
        self.ref = ref
        self.result = result
        self.add_variance = add_variance

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
        pixels = look(self.ref, self.box() if box is None else box)
        return apply_match(pixels, self.result, add_variance=self.add_variance)

    def __repr__(self) -> str:
        return f"MatchedRef({self.ref!r})"

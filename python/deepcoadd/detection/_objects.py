# SPDX-License-Identifier: BSD-3-Clause
"""Masks of all objects of an exposure, faint wings included, for measurements of the sky."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from deepcoadd.background import BackgroundOptions, fit_background
from deepcoadd.detection._detect import detect
from deepcoadd.detection._options import DetectionOptions
from deepcoadd.errors import OptionError
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask

__all__ = ["SKY_OBJECTS", "ObjectMaskOptions", "mask_objects"]


@dataclass(frozen=True)
class ObjectMaskOptions:
    """How objects are masked.

    Attributes
    ----------
    n_iter : int
        Rounds of background and detection.
    sigma : float
        Standard deviation of the Gaussian that the image is smoothed with [pixels]: wider than the
        PSF on purpose, to find faint wings.
    threshold : float
        Detection threshold [standard deviations of the smoothed pixels].
    n_grow : float
        Growth of the footprints [sigma of the Gaussian].
    background : BackgroundOptions
        Background taken out before the detection.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    n_iter: int = 3
    sigma: float = 5.0
    threshold: float = 2.5
    n_grow: float = 1.0
    background: BackgroundOptions = field(default_factory=lambda: BackgroundOptions(bin_size=1024))

    def __post_init__(self) -> None:
        if self.n_iter < 1:
            raise OptionError(f"n_iter: got {self.n_iter}, must be 1 or more")
        for name in ("sigma", "threshold"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(f"{name}: got {getattr(self, name)}, must be finite and above 0")


_DEFAULTS = ObjectMaskOptions()

SKY_OBJECTS = ObjectMaskOptions(n_iter=2, threshold=5.0, n_grow=2.0)
"""Masks in images whose sky has been taken out: few peaks of noise are taken for objects, of which
there are more where the sky is brighter; what stays of faint objects is everywhere alike."""


def mask_objects(pixels: MaskedImage, options: ObjectMaskOptions = _DEFAULTS) -> MaskedImage:
    """Copy of an image in whose mask all objects are DETECTED.

    Parameters
    ----------
    pixels : MaskedImage
        float32; left as it is. The mask needs the planes DETECTED, DETECTED_NEGATIVE and EDGE.
    options : ObjectMaskOptions
        Rounds, smoothing, threshold, background.

    Returns
    -------
    MaskedImage
        Image and variance as given; what was DETECTED before is found anew. Objects are found up to
        the edges, about which the image is mirrored.

    Raises
    ------
    TooManyMaskedPixelsError
        No pixel is good.
    MaskPlaneError
        The mask lacks a plane.
    """
    out = pixels.copy()
    out.mask.clear("DETECTED", "DETECTED_NEGATIVE")
    found = DetectionOptions(
        threshold_value=options.threshold,
        threshold_type="pixel_stdev",
        threshold_polarity="positive",
        n_sigma_to_grow=options.n_grow,
    )
    # Half of the kernel, which would leave a rim of the image unsearched.
    rim = math.ceil(0.5 * found.n_sigma_for_kernel * options.sigma) + 1
    for _ in range(options.n_iter):
        background = fit_background(out, options.background)
        flat = MaskedImage(Image(out.image.array.copy(), out.box), out.mask, out.variance)
        background.subtract_from(flat.image)
        wide = _mirrored(flat, rim)
        detect(wide, found, options.sigma)
        out.mask.clear("DETECTED")
        out.mask.set("DETECTED", wide.mask[out.box].has("DETECTED"))
    return out


def _mirrored(pixels: MaskedImage, rim: int) -> MaskedImage:
    """The image with a rim about it in which it is mirrored."""
    planes = [
        np.pad(plane.array, rim, mode="symmetric")
        for plane in (pixels.image, pixels.mask, pixels.variance)
    ]
    box = pixels.box.dilated_by(rim)
    return MaskedImage(
        Image(planes[0], box), Mask(planes[1], box, pixels.planes), Image(planes[2], box)
    )

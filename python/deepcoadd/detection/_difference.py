# SPDX-License-Identifier: BSD-3-Clause
"""Detection in the difference of two images that nobody keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepcoadd._core import epochs as _core
from deepcoadd.detection._detect import (
    fits_backgrounds,
    grown,
    radius_to_grow,
    sigma_of,
    wanted,
)
from deepcoadd.detection._options import DetectionOptions
from deepcoadd.image import Image, MaskedImage
from deepcoadd.psf import Psf
from deepcoadd.spans import FootprintSet, SpanSet, Threshold

__all__ = ["DifferenceDetections", "detect_difference", "needs_difference"]


@dataclass(frozen=True)
class DifferenceDetections:
    """What `detect_difference` found.

    Attributes
    ----------
    positive, negative : FootprintSet or None
        Grown footprints, without peaks; None for a polarity that was not asked for.
    missing : SpanSet
        Pixels at which the difference is NaN.
    any_mask : int
        OR of the mask words of the image.
    """

    positive: FootprintSet | None
    negative: FootprintSet | None
    missing: SpanSet
    any_mask: int


def needs_difference(options: DetectionOptions) -> bool:
    """Whether a detection without smoothing looks at more than single pixels of the difference."""
    by_pixel = options.threshold_type == "pixel_stdev" and not options.exclude_planes
    return not by_pixel or fits_backgrounds(options)


def detect_difference(
    pixels: MaskedImage,
    template: MaskedImage,
    n_image: Image,
    options: DetectionOptions,
    sigma: float | None = None,
    *,
    psf: Psf | None = None,
    factor: float = 1.0,
    bad_bits: int = 0,
) -> DifferenceDetections:
    """Footprints in an image less a template, without smoothing; no plane is kept or changed.

    They are those of `detect` with ``do_smooth=False`` in the difference, whose variance is the
    sum of both.

    Parameters
    ----------
    pixels, template : MaskedImage
        float32, of one box; NaN counts as no data. The mask of `template` plays no part.
    n_image : Image
        uint32; goes up by 1 where the difference is finite and `pixels` has no bad bit.
    options : DetectionOptions
        Threshold and growth; `needs_difference` must be False for them.
    sigma : float, optional
        Of the PSF [pixels]; by default from `psf`.
    psf : Psf, optional
        PSF of the difference.
    factor : float
        On the variances of `pixels`.
    bad_bits : int
        Bits of the mask of `pixels`.

    Raises
    ------
    PsfGenerationError
        Footprints grow, and sigma is neither given nor to be had from the PSF.
    ShapeError
        The boxes differ in shape.
    OptionError
        A number is not allowed.
    """
    radius = radius_to_grow(sigma_of(psf, options, sigma, do_smooth=False), options)
    signs = wanted(options)
    thresholds = [
        Threshold(options.threshold_value, "pixel_stdev", one, options.include_threshold_multiplier)
        for one in signs
    ]
    found, missing, any_mask = _core.find_candidates(
        (pixels.image.array, pixels.variance.array, pixels.mask.array),
        (template.image.array, template.variance.array),
        n_image.array,
        pixels.box.start,
        factor=factor,
        bad_bits=int(np.int32(bad_bits)),
        thresholds=[one._parts() for one in thresholds],
        min_pixels=options.min_pixels,
    )
    sets = {one: FootprintSet._wrap(core) for one, core in zip(signs, found, strict=True)}
    if not options.return_original_footprints:
        sets = {one: grown(footprints, radius, options) for one, footprints in sets.items()}
    positive, negative = sets.get("positive"), sets.get("negative")
    return DifferenceDetections(positive, negative, SpanSet._wrap(missing), any_mask)

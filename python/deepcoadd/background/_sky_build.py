# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames made of many visits of a mosaic of detectors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._sky_frame import FRAME_ERRORS, average_sky_bins
from deepcoadd.background._sky_means import means_over_bins, through_means
from deepcoadd.background._sky_options import SkyOptions
from deepcoadd.background._sky_scale import SkySamples
from deepcoadd.background._sky_visit import (
    LargeScales,
    VisitSky,
    fit_visit,
    joined_samples,
    mask_visit_objects,
    measure_visit_sky,
)
from deepcoadd.background._superpixels import AffineTransform, FrameTransform, SuperpixelOptions
from deepcoadd.errors import NoDataError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.wcs import pixel_to_sky

__all__ = ["SkyFrameBuilder", "frame_of_wcs"]

_WEIGHTINGS = ("none", "level", "square", "variance")
_DEFAULTS = SkyOptions()

_ROUNDS = 3
"""Rounds of large-scale skies beside frames, and frames beside large-scale skies."""


@dataclass(frozen=True)
class _Visit:
    """Samples of a visit."""

    level: float
    large: LargeScales
    samples: dict[Hashable, SkySamples]
    models: dict[Hashable, BackgroundModel]


@dataclass
class SkyFrameBuilder:
    """Collects visits and averages them to a sky frame of every detector.

    Attributes
    ----------
    superpixels : SuperpixelOptions
        Grid of the large-scale sky that is taken out.
    options : SkyOptions
        Bins of the sky frames.
    weighting : {"variance", "level", "square", "none"}
        Weight of a visit: one over the squared error of each of its bins, its sky level (noise of
        the sky), its square (noise of the readout), or 1.
    errors : {"scatter", "jackknife"}
        Errors of the frames; see `average_sky_bins`.
    first : mapping of name to BackgroundModel, optional
        Frames of an earlier builder of the same visits. With them objects can be found where the
        frames have been taken out, and bins with masks stand for whole bins.
    levels : list of float
        Levels of the visits added.
    """

    superpixels: SuperpixelOptions
    options: SkyOptions = _DEFAULTS
    weighting: str = "variance"
    errors: str = "scatter"
    first: Mapping[Any, BackgroundModel] | None = None
    levels: list[float] = field(default_factory=list)
    _visits: list[_Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.weighting not in _WEIGHTINGS:
            raise OptionError(
                f"weighting: got {self.weighting!r}, must be one of {', '.join(_WEIGHTINGS)}"
            )
        if self.errors not in FRAME_ERRORS:
            raise OptionError(
                f"errors: got {self.errors!r}, must be one of {', '.join(FRAME_ERRORS)}"
            )

    def add_visit(
        self,
        detectors: Mapping[Any, tuple[MaskedImage, FrameTransform]],
        find: Callable[[MaskedImage], MaskedImage] | None = None,
    ) -> VisitSky:
        """Add the bins of a visit.

        Parameters
        ----------
        detectors : mapping of name to (MaskedImage, FrameTransform)
            Images, left as they are, and where they are.
        find : callable, optional
            Finds objects in what is left of an image without its sky; see `mask_visit_objects`.

        Returns
        -------
        VisitSky
            What was found.

        Raises
        ------
        NoDataError
            No superpixel is good, or the level of the sky is not above 0. The builder is then as
            it was.
        """
        sky = measure_visit_sky(detectors, self.superpixels, self.options, self.first)
        if find is not None:
            detectors = mask_visit_objects(detectors, sky, find, self.first)
            sky = measure_visit_sky(detectors, self.superpixels, self.options, self.first)
        if not sky.level > 0:
            raise NoDataError(f"sky level: got {sky.level:g}, must be above 0 to divide by")
        background = self.options.background
        models = {}
        for name, (pixels, _) in detectors.items():
            bins = background.bins(pixels.box.shape)
            zeros = np.zeros(bins, np.float32)
            models[name] = BackgroundModel(zeros, zeros, pixels.box, background)
        places = {name: (pixels.box, place) for name, (pixels, place) in detectors.items()}
        large = LargeScales(
            places, {name: model.values.shape for name, model in models.items()}, self.superpixels
        )
        samples = {name: self._whole(name, one) for name, one in sky.samples.items()}
        self._visits.append(_Visit(sky.level, large, samples, models))
        self.levels.append(sky.level)
        return sky

    def _whole(self, name: Hashable, one: SkySamples) -> SkySamples:
        """Samples whose frame is what the good pixels have more of it than the whole bin."""
        if self.first is None:
            return one
        return replace(one, sky=one.sky - means_over_bins(self.first[name]).ravel())

    def frames(self) -> dict[Hashable, BackgroundModel]:
        """Sky frame of every detector, by its name; see `average_sky_bins`.

        The means of its curve over the bins are those of the visits.

        Raises
        ------
        NoDataError
            No visit was added, or a detector has no good bin in any.
        ShapeError
            Visits of a detector differ in box.
        """
        if not self._visits:
            raise NoDataError("sky frames: no visit was added")
        means: dict[Hashable, BackgroundModel] = {}
        for _ in range(_ROUNDS):
            bins: dict[Hashable, list[tuple[float, BackgroundModel]]] = {}
            for visit in self._visits:
                for name, model in self._normalised(visit, means).items():
                    bins.setdefault(name, []).append((visit.level, model))
            means = {name: self._average(name, pairs) for name, pairs in bins.items()}
        self._take_out_large_scales(means)
        return {name: through_means(model) for name, model in means.items()}

    def _normalised(
        self, visit: _Visit, means: Mapping[Hashable, BackgroundModel]
    ) -> dict[Hashable, BackgroundModel]:
        """Bins of a visit without its large-scale sky, in shares of its level."""
        image, weights, more, _ = joined_samples(visit.samples.values())
        image = image - visit.level * more
        sky = None
        if means:
            _check_boxes(visit, means)
            sky = np.concatenate([means[name].values.ravel() for name in visit.samples])
        fit = fit_visit(visit.large, image, weights, sky, np.zeros(len(image)), self.options)
        left = (image - visit.large.at_bins(fit.nodes)) / visit.level
        with np.errstate(divide="ignore"):
            squares = np.where(weights > 0, 1.0 / weights, np.nan) / visit.level**2
        left = np.where(weights > 0, left, np.nan)
        out, start = {}, 0
        for name, model in visit.models.items():
            shape = model.values.shape
            part = slice(start, start + shape[0] * shape[1])
            start = part.stop
            values, variances = (
                plane[part].reshape(shape).astype(np.float32) for plane in (left, squares)
            )
            out[name] = replace(model, values=values, variances=variances)
        return out

    def _take_out_large_scales(self, means: dict[Hashable, BackgroundModel]) -> None:
        """Leave nothing in the frames that the grid of a visit could be.

        Visits say nothing of it; it would come from the samples that were rejected.
        """
        visit = max(self._visits, key=lambda one: len(one.models))
        values = np.concatenate([means[name].values.ravel() for name in visit.models])
        nodes = visit.large.fit(values[:, None].astype(np.float64), np.ones(len(values)))
        left, start = values - visit.large.at_bins(nodes[:, 0]), 0
        for name in visit.models:
            model = means[name]
            part = left[start : start + model.values.size]
            start += model.values.size
            means[name] = replace(model, values=part.reshape(model.values.shape).astype(np.float32))

    def _average(
        self, name: Hashable, pairs: list[tuple[float, BackgroundModel]]
    ) -> BackgroundModel:
        levels = np.array([level for level, _ in pairs])
        power = {"level": 1, "square": 2}.get(self.weighting, 0)
        by_bin = self.weighting == "variance"
        try:
            return average_sky_bins(
                [model for _, model in pairs],
                None if by_bin else (levels / levels.max()) ** power,
                inverse_variance=by_bin,
                errors=self.errors,
            )
        except (NoDataError, ValueError) as error:
            error.add_note(f"detector {name}")
            raise


def _check_boxes(visit: _Visit, means: Mapping[Hashable, BackgroundModel]) -> None:
    for name, model in visit.models.items():
        if model.box != means[name].box:
            raise ShapeError(f"detector {name}: got {model.box}, must be {means[name].box}")


def frame_of_wcs(box: Box, wcs: Any, origin: SkyCoord | None = None) -> AffineTransform:
    """Transform from the pixels of a detector to arcsec in a tangent plane.

    Parameters
    ----------
    box : Box
        Pixels of the detector.
    wcs : WCS
        Celestial WCS of its pixels.
    origin : SkyCoord, optional
        Where the plane touches the sky; by default the middle of the detector.

    Returns
    -------
    AffineTransform
        Least-squares fit to the four corners; places are (y, x) = (north, east).
    """
    if origin is None:
        middle = box.center
        origin = pixel_to_sky(wcs, y=middle[0], x=middle[1])
    y = np.array([box.y.min, box.y.min, box.y.max, box.y.max], float)
    x = np.array([box.x.min, box.x.max, box.x.min, box.x.max], float)
    east, north = origin.spherical_offsets_to(pixel_to_sky(wcs, y=y, x=x))
    design = np.stack([x, y, np.ones(4)], axis=1)
    rows: list[NDArray[np.float64]] = [
        np.linalg.lstsq(design, places.arcsec, rcond=None)[0] for places in (east, north)
    ]
    (a, b, c), (d, e, f) = (map(float, row) for row in rows)
    return AffineTransform(((a, b, c), (d, e, f)))

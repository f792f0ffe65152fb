# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames of detectors, as a task: measured, averaged, scaled, subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from lsst.pex.config import ChoiceField, Config, ConfigField, Field, ListField, RangeField
from lsst.pipe.base import Task

from deepcoadd.background import (
    TASK_SKY,
    BackgroundItem,
    BackgroundList,
    BackgroundModel,
    SkyOptions,
    SkySamples,
    average_sky_bins,
    background_to_exposure,
    exposure_to_background,
    measure_sky_bins,
    sample_sky,
    solve_sky_scale,
    subtract_sky_frame,
    through_means,
)
from deepcoadd.errors import ShapeError
from deepcoadd.exposure import Exposure
from deepcoadd.image import MaskedImage
from deepcoadd.interop.afw import as_box, as_exposure

__all__ = [
    "BackgroundConfig",
    "SkyMeasurementConfig",
    "SkyMeasurementTask",
    "SkyStatsConfig",
]

_STATISTICS = {
    "MEANCLIP": "clipped mean",
    "MEAN": "mean of all good pixels",
    "MEDIAN": "median",
}


class BackgroundConfig(Config):  # type: ignore[misc]
    """Bins of a sky frame."""

    statistic = ChoiceField(
        dtype=str,
        default=TASK_SKY.background.statistic,
        allowed=_STATISTICS,
        doc="What a bin is worth.",
    )
    xBinSize = RangeField(
        dtype=int, default=TASK_SKY.background.bin_size, min=1, doc="Side of a bin along x, pixels."
    )
    yBinSize = RangeField(
        dtype=int, default=TASK_SKY.background.bin_size, min=1, doc="Side of a bin along y, pixels."
    )
    algorithm = ChoiceField(
        dtype=str,
        default=TASK_SKY.background.algorithm,
        optional=False,
        allowed={
            "CONSTANT": "nearest bin",
            "LINEAR": "straight lines",
            "NATURAL_SPLINE": "natural cubic spline",
            "AKIMA_SPLINE": "Akima spline, which overshoots less",
        },
        doc="Curve through the bins.",
    )
    mask = ListField(
        dtype=str,
        default=list(TASK_SKY.background.ignored_planes),
        doc="Planes of pixels that do not count.",
    )


class SkyStatsConfig(Config):  # type: ignore[misc]
    """Samples that the scale is fitted to."""

    statistic = ChoiceField(
        dtype=str, default=TASK_SKY.statistic, allowed=_STATISTICS, doc="What a sample is worth."
    )
    clip = RangeField(
        dtype=float,
        default=TASK_SKY.sigma_clip,
        min=0.0,
        inclusiveMin=False,
        doc="Clipping threshold, standard deviations.",
    )
    nIter = RangeField(dtype=int, default=TASK_SKY.n_iter, min=1, doc="Clipping passes.")
    mask = ListField(
        dtype=str,
        default=list(TASK_SKY.ignored_planes),
        doc="Planes of pixels that do not count.",
    )


class SkyMeasurementConfig(Config):  # type: ignore[misc]
    """Configuration of `SkyMeasurementTask`."""

    skyIter = RangeField(
        dtype=int, default=TASK_SKY.max_rounds, min=0, doc="Rounds of rejection of samples."
    )
    skyRej = RangeField(
        dtype=float,
        default=TASK_SKY.reject,
        min=0.0,
        inclusiveMin=False,
        doc="Threshold of rejection, standard deviations.",
    )
    background = ConfigField(dtype=BackgroundConfig, doc="Bins of a sky frame.")
    xNumSamples = RangeField(
        dtype=int, default=TASK_SKY.x_samples, min=1, doc="Samples of a detector along x."
    )
    yNumSamples = RangeField(
        dtype=int, default=TASK_SKY.y_samples, min=1, doc="Samples of a detector along y."
    )
    stats = ConfigField(dtype=SkyStatsConfig, doc="Samples that the scale is fitted to.")
    samples = ChoiceField(
        dtype=str,
        default=TASK_SKY.samples,
        optional=False,
        allowed={"cells": "xNumSamples x yNumSamples cells", "bins": "the bins of the sky frame"},
        doc="What the scale is fitted to.",
    )
    samePixels = Field(
        dtype=bool,
        default=TASK_SKY.same_pixels,
        doc="Average the sky frame over the pixels that make up the sample of the image?",
    )
    weighting = Field(
        dtype=bool,
        default=TASK_SKY.weighting,
        doc="Weight the samples of measureScale by one over their squared errors?",
    )
    nuisance = ChoiceField(
        dtype=str,
        default=TASK_SKY.nuisance,
        optional=False,
        allowed={
            "none": "nothing",
            "constant": "a constant for each detector",
            "plane": "a plane for each detector; needs the samples of measureScale",
        },
        doc="What is fitted together with the scale.",
    )
    correctNoise = Field(
        dtype=bool,
        default=TASK_SKY.correct_noise,
        doc="Take the noise of the sky frame, which makes scales too small, out of its squares?",
    )
    keepMeans = Field(
        dtype=bool,
        default=False,
        doc="Make sky frames whose curve has the averaged means over the bins, instead of passing "
        "through them, which makes it too flat?",
    )

    def setBest(self) -> None:
        """Choose the most accurate settings instead of the documented ones."""
        best = SkyOptions()
        self.samples, self.samePixels = best.samples, best.same_pixels
        self.weighting, self.nuisance = best.weighting, best.nuisance
        self.correctNoise = best.correct_noise
        self.keepMeans = True

    def to_options(self) -> SkyOptions:
        """Options of the subject package."""
        background = replace(
            TASK_SKY.background,
            statistic=self.background.statistic,
            bin_size_x=self.background.xBinSize,
            bin_size_y=self.background.yBinSize,
            algorithm=self.background.algorithm,
            ignored_planes=tuple(self.background.mask),
        )
        return replace(
            TASK_SKY,
            background=background,
            x_samples=self.xNumSamples,
            y_samples=self.yNumSamples,
            statistic=self.stats.statistic,
            sigma_clip=self.stats.clip,
            n_iter=self.stats.nIter,
            ignored_planes=tuple(self.stats.mask),
            max_rounds=self.skyIter,
            reject=self.skyRej,
            samples=self.samples,
            same_pixels=self.samePixels,
            weighting=self.weighting,
            nuisance=self.nuisance,
            correct_noise=self.correctNoise,
        )


class SampleList(list[float]):
    """Samples as a list, which knows all that was measured with them.

    Attributes
    ----------
    measured : SkySamples
        With errors and places.
    """

    def __init__(self, values: Sequence[float], measured: SkySamples) -> None:
        super().__init__(values)
        self.measured = measured


class SkyMeasurementTask(Task):  # type: ignore[misc]
    """Measure sky frames, average them, and find and subtract their share of an exposure.

    The defaults are those of the documented method; ``config.setBest()`` chooses better ones.
    """

    ConfigClass = SkyMeasurementConfig
    _DefaultName = "skyMeasurement"

    @staticmethod
    def exposureToBackground(bgExp: Any) -> BackgroundList:
        """Background list of the sky frame that an exposure holds.

        Parameters
        ----------
        bgExp : exposure
            One pixel a bin; metadata BOX.MINX, BOX.MINY, BOX.MAXX, BOX.MAXY and ALGORITHM.

        Raises
        ------
        FileFormatError
            A key is missing or has a value without meaning.
        """
        return BackgroundList(exposure_to_background(as_exposure(bgExp)))

    def backgroundToExposure(self, statsImage: MaskedImage, bbox: Any) -> Exposure:
        """Exposure that holds a sky frame, as `exposureToBackground` reads it."""
        pixels = as_exposure(statsImage).masked_image
        return background_to_exposure(pixels, as_box(bbox), self.config.background.algorithm)

    def measureBackground(self, image: Any) -> BackgroundList:
        """Background list of one: bins of an exposure.

        Parameters
        ----------
        image : exposure or masked image
            A large-scale background has been taken from it. Bins without good pixels are NaN.

        Raises
        ------
        MaskPlaneError
            The mask does not have a plane of ``background.mask``.
        """
        pixels = as_exposure(image).masked_image
        return BackgroundList(measure_sky_bins(pixels, self.config.to_options()))

    def averageBackgrounds(self, bgList: Sequence[BackgroundList]) -> Exposure:
        """Sky frame: clipped means of the bins of many exposures of one detector.

        Parameters
        ----------
        bgList : sequence of background lists
            One background in each, all of one box; they are left as they are.

        Raises
        ------
        ShapeError
            A list does not hold one background, or one differs from the first.
        NoDataError
            There is none, or no bin is good.
        """
        for k, backgrounds in enumerate(bgList):
            if len(backgrounds) != 1:
                raise ShapeError(
                    f"bgList: list {k} holds {len(backgrounds)} backgrounds, must hold one"
                )
        sky = average_sky_bins([backgrounds[0].model for backgrounds in bgList])
        if self.config.keepMeans:
            sky = through_means(sky)
        self.log.info("sky frame of %d exposures", len(bgList))
        return self.backgroundToExposure(sky.statistics, sky.box)

    def measureScale(
        self, image: Any, skyBackground: BackgroundList
    ) -> tuple[list[float], list[float]]:
        """Samples of an exposure and of a sky frame, for `solveScales`.

        Parameters
        ----------
        image : exposure or masked image
            Of the box of the sky frame.
        skyBackground : background list
            Sky frame.

        Returns
        -------
        imageSamples, skySamples : list of float
            The first column of cells upwards, then the next (of bins: row by row); NaN without good
            pixels. The first list knows the errors and places of the samples.
        """
        pixels = as_exposure(image).masked_image
        samples = sample_sky(pixels, skyBackground[0].model, self.config.to_options())
        return SampleList(samples.image.tolist(), samples), samples.sky.tolist()

    def solveScales(self, scales: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
        """Scale that fits the samples of all detectors.

        Parameters
        ----------
        scales : sequence of (imageSamples, skySamples)
            From `measureScale`, one for each detector; with ``weighting`` or planes not changed
            since.

        Raises
        ------
        NoSamplesError
            No sample is usable (a ValueError).
        ShapeError
            A pair is of unequal lengths.
        OptionError
            Samples are to be weighted that are not those of `measureScale`.
        """
        samples = [_samples(*pair) for pair in scales]
        found = solve_sky_scale(samples, self.config.to_options())
        self.log.info("sky scale %g from %d of %d samples", found, found.n_used, found.n_samples)
        return found.scale

    def subtractSkyFrame(
        self,
        image: Any,
        skyBackground: BackgroundList,
        scale: float,
        bgList: BackgroundList | None = None,
    ) -> None:
        """Subtract a multiple of a sky frame.

        Parameters
        ----------
        image : exposure or masked image
            Changed.
        skyBackground : background list
            Sky frame of the same box.
        scale : float
            What to multiply it by.
        bgList : background list, optional
            What was subtracted is appended to it.
        """
        pixels = as_exposure(image).masked_image
        item = skyBackground[0]
        subtract_sky_frame(pixels, item.model, scale)
        if bgList is not None:
            scaled: BackgroundModel = item.background.scaled_by(scale)
            bgList.append(BackgroundItem(scaled, *item[1:]))


def _samples(image: Sequence[float], sky: Sequence[float]) -> SkySamples:
    values = SkySamples(np.asarray(image, np.float64), np.asarray(sky, np.float64))
    if not isinstance(image, SampleList) or len(image) != len(image.measured.image):
        return values
    return replace(image.measured, image=values.image, sky=values.sky)

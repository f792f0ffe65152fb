# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames of detectors, as a task: measured, averaged, scaled, subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from lsst.pex.config import ChoiceField, Config, ConfigField, ListField, RangeField
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
        )


class SkyMeasurementTask(Task):  # type: ignore[misc]
    """Measure sky frames, average them, and find and subtract their share of an exposure.

    The defaults are those of the documented method; `deepcoadd.background` has a better one.
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
            The first column of cells upwards, then the next; NaN without good pixels.
        """
        pixels = as_exposure(image).masked_image
        samples = sample_sky(pixels, skyBackground[0].model, self.config.to_options())
        return samples.image.tolist(), samples.sky.tolist()

    def solveScales(self, scales: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
        """Scale that fits the samples of all detectors.

        Parameters
        ----------
        scales : sequence of (imageSamples, skySamples)
            From `measureScale`, one for each detector.

        Raises
        ------
        NoSamplesError
            No sample is usable (a ValueError).
        ShapeError
            A pair is of unequal lengths.
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
    return SkySamples(np.asarray(image, np.float64), np.asarray(sky, np.float64))

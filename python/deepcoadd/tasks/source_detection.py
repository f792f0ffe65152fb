# SPDX-License-Identifier: BSD-3-Clause
"""Detection of sources, as a task."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import ChoiceField, Config, ConfigField, Field, ListField, RangeField
from lsst.pipe.base import Struct, Task

from deepcoadd.detection import TASK_DETECTION, DetectionOptions, detect
from deepcoadd.interop.afw import as_exposure
from deepcoadd.tasks.subtract_background import SubtractBackgroundConfig

__all__ = ["SourceDetectionConfig", "SourceDetectionTask"]


class SourceDetectionConfig(Config):  # type: ignore[misc]
    """Configuration of `SourceDetectionTask`."""

    minPixels = RangeField(
        dtype=int,
        default=TASK_DETECTION.min_pixels,
        min=0,
        doc="Smallest area of a footprint before growth, pixels.",
    )
    isotropicGrow = Field(
        dtype=bool, default=TASK_DETECTION.isotropic_grow, doc="Grow by a disc, not a diamond?"
    )
    combinedGrow = Field(
        dtype=bool,
        default=TASK_DETECTION.combined_grow,
        doc="Do footprints that touch when grown become one?",
    )
    nSigmaToGrow = RangeField(
        dtype=float,
        default=TASK_DETECTION.n_sigma_to_grow,
        min=0.0,
        doc="Radius of growth in sigma of the PSF; 0: none.",
    )
    returnOriginalFootprints = Field(
        dtype=bool,
        default=TASK_DETECTION.return_original_footprints,
        doc="Return the footprints before growth? The mask shows the grown ones.",
    )
    thresholdValue = RangeField(
        dtype=float, default=TASK_DETECTION.threshold_value, min=0.0, doc="Threshold."
    )
    includeThresholdMultiplier = RangeField(
        dtype=float,
        default=TASK_DETECTION.include_threshold_multiplier,
        min=0.0,
        doc="A pixel of the footprint must reach the threshold times this.",
    )
    thresholdType = ChoiceField(
        dtype=str,
        default=TASK_DETECTION.threshold_type,
        allowed={
            "variance": "clipped standard deviations of the whole image",
            "stdev": "clipped standard deviations of the image without statsMask",
            "value": "the unit of the image",
            "pixel_stdev": "standard deviations of the pixel, from its variance",
        },
        doc="Unit of the threshold.",
    )
    thresholdPolarity = ChoiceField(
        dtype=str,
        default=TASK_DETECTION.threshold_polarity,
        allowed={
            "positive": "bright sources",
            "negative": "dark ones",
            "both": "both",
        },
        doc="What to look for.",
    )
    adjustBackground = Field(
        dtype=float,
        default=TASK_DETECTION.adjust_background,
        doc="Added to the re-estimated background before it is subtracted.",
    )
    reEstimateBackground = Field(
        dtype=bool,
        default=TASK_DETECTION.re_estimate_background,
        doc="Subtract a new background from the image afterwards? Changes no footprint.",
    )
    background = ConfigField(dtype=SubtractBackgroundConfig, doc="The re-estimated background.")
    tempLocalBackground = ConfigField(
        dtype=SubtractBackgroundConfig, doc="Background for finding peaks again."
    )
    doTempLocalBackground = Field(
        dtype=bool,
        default=TASK_DETECTION.do_temp_local_background,
        doc="Find peaks again less a local background? Changes no footprint.",
    )
    tempWideBackground = ConfigField(
        dtype=SubtractBackgroundConfig, doc="Wide background subtracted for the detection."
    )
    doTempWideBackground = Field(
        dtype=bool,
        default=TASK_DETECTION.do_temp_wide_background,
        doc="Subtract a wide background for the detection?",
    )
    nPeaksMaxSimple = RangeField(
        dtype=int,
        default=TASK_DETECTION.n_peaks_max_simple,
        min=0,
        doc="Footprints with so many peaks at most keep them.",
    )
    nSigmaForKernel = RangeField(
        dtype=float,
        default=TASK_DETECTION.n_sigma_for_kernel,
        min=0.0,
        doc="Width of the smoothing kernel in sigma.",
    )
    statsMask = ListField(
        dtype=str,
        default=list(TASK_DETECTION.stats_planes),
        doc="Planes of pixels that do not count in the scatter of the image.",
    )
    excludeMaskPlanes = ListField(
        dtype=str,
        default=list(TASK_DETECTION.exclude_planes),
        doc="Planes of smoothed pixels that count as 0.",
    )

    def setDefaults(self) -> None:
        """Bins of the three backgrounds."""
        super().setDefaults()
        self.background.set_from(TASK_DETECTION.background)
        self.tempLocalBackground.set_from(TASK_DETECTION.temp_local_background)
        self.tempWideBackground.set_from(TASK_DETECTION.temp_wide_background)

    def to_options(self) -> DetectionOptions:
        """Options of the subject package."""
        return DetectionOptions(
            min_pixels=self.minPixels,
            isotropic_grow=self.isotropicGrow,
            combined_grow=self.combinedGrow,
            n_sigma_to_grow=self.nSigmaToGrow,
            return_original_footprints=self.returnOriginalFootprints,
            threshold_value=self.thresholdValue,
            include_threshold_multiplier=self.includeThresholdMultiplier,
            threshold_type=self.thresholdType,
            threshold_polarity=self.thresholdPolarity,
            adjust_background=self.adjustBackground,
            re_estimate_background=self.reEstimateBackground,
            do_temp_local_background=self.doTempLocalBackground,
            do_temp_wide_background=self.doTempWideBackground,
            n_peaks_max_simple=self.nPeaksMaxSimple,
            n_sigma_for_kernel=self.nSigmaForKernel,
            stats_planes=tuple(self.statsMask),
            exclude_planes=tuple(self.excludeMaskPlanes),
            background=self.background.to_options(),
            temp_local_background=self.tempLocalBackground.to_options(),
            temp_wide_background=self.tempWideBackground.to_options(),
        )


class SourceDetectionTask(Task):  # type: ignore[misc]
    """Find the footprints of sources, and flag their pixels."""

    ConfigClass = SourceDetectionConfig
    _DefaultName = "sourceDetection"

    def detectFootprints(
        self,
        exposure: Any,
        doSmooth: bool = True,
        sigma: float | None = None,
        clearMask: bool = True,
        factor: float = 1.0,
        factorNeg: float | None = None,
    ) -> Struct:
        """Detect; see `deepcoadd.detection.detect`.

        Parameters
        ----------
        exposure : Exposure
            Background subtracted; its mask is changed in place.
        doSmooth : bool
            Smooth by a Gaussian as wide as the PSF before.
        sigma : float, optional
            Of the PSF, pixels; by default from the PSF of the exposure.
        clearMask : bool
            Clear DETECTED and DETECTED_NEGATIVE first.
        factor, factorNeg : float
            Factors on the threshold; that of negative sources is `factor` by default.

        Returns
        -------
        Struct
            ``positive``, ``negative`` (`FootprintSet`, or None for a polarity not asked for),
            ``numPos``, ``numNeg``, ``numPosPeaks``, ``numNegPeaks``, ``factor``, ``factorNeg``
            and ``background``, a list of the models subtracted.
        """
        result = detect(
            as_exposure(exposure),
            self.config.to_options(),
            sigma,
            do_smooth=doSmooth,
            clear_mask=clearMask,
            factor=factor,
            factor_negative=factorNeg,
        )
        self.metadata["sigma"] = 0.0 if result.sigma is None else result.sigma
        self.metadata["doSmooth"] = doSmooth
        self.metadata["smoothingKernelWidth"] = result.kernel_width
        self.metadata["nGrow"] = result.n_grow
        self.log.info(
            "detected %d positive and %d negative footprints", result.n_positive, result.n_negative
        )
        return Struct(
            positive=result.positive,
            negative=result.negative,
            factor=result.factor,
            factorNeg=result.factor_negative,
            numPos=result.n_positive,
            numNeg=result.n_negative,
            numPosPeaks=result.n_positive_peaks,
            numNegPeaks=result.n_negative_peaks,
            background=list(result.background),
        )

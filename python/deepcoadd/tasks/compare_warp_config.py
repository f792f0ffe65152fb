# SPDX-License-Identifier: BSD-3-Clause
"""Configuration and connections of the artifact rejection by PSF-matched warps."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import (
    ConfigurableField,
    Field,
    FieldValidationError,
    ListField,
    RangeField,
)
from lsst.pipe.base.connectionTypes import Input, Output

from deepcoadd.coadd import (
    ARTIFACT_DETECTION,
    COMPARE_WARP_ASSEMBLE,
    TEMPLATE_ASSEMBLE,
    TEMPLATE_DETECTION,
    ArtifactOptions,
    CompareWarpOptions,
)
from deepcoadd.errors import OptionError
from deepcoadd.tasks.assemble_coadd import AssembleCoaddTask
from deepcoadd.tasks.assemble_coadd_config import (
    EXPOSURE,
    PATCH,
    TEMPLATES,
    AssembleCoaddConfig,
    AssembleCoaddConnections,
)
from deepcoadd.tasks.scale_variance import ScaleVarianceTask
from deepcoadd.tasks.source_detection import SourceDetectionTask

__all__ = ["CompareWarpAssembleCoaddConfig", "CompareWarpAssembleCoaddConnections"]


MASK = "DeepcoaddMask"


class CompareWarpAssembleCoaddConnections(  # type: ignore[call-arg]
    AssembleCoaddConnections,
    dimensions=PATCH,
    defaultTemplates=TEMPLATES,
):
    """Datasets of the base assembler, and the PSF-matched warps."""

    psfMatchedWarps = Input(
        doc="PSF-matched warps of the patch, in nJy.",
        name="{inputCoaddName}Coadd_psfMatchedWarp",
        storageClass=EXPOSURE,
        dimensions=("tract", "patch", "skymap", "visit", "instrument"),
        deferLoad=True,
        multiple=True,
    )
    templateCoadd = Output(
        doc="Clipped mean of the PSF-matched warps, with assembleStaticSkyModel.doWrite.",
        name="{outputCoaddName}CoaddPsfMatched",
        storageClass=EXPOSURE,
        dimensions=PATCH,
    )

    artifactMasks = Output(
        doc="What was left out of each visit, and why, as a mask; with doWriteArtifactMasks.",
        name="{outputCoaddName}Coadd_artifactMask",
        storageClass=MASK,
        dimensions=("tract", "patch", "skymap", "visit", "instrument"),
        multiple=True,
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if not config.doWriteArtifactMasks:
            del self.artifactMasks
        if not config.assembleStaticSkyModel.doWrite:
            del self.templateCoadd


def _fraction(name: str, doc: str) -> Any:
    """Field of a number between 0 and 1."""
    return RangeField(
        dtype=float,
        default=getattr(ArtifactOptions, name),
        min=0.0,
        max=1.0,
        inclusiveMax=True,
        doc=doc,
    )


class CompareWarpAssembleCoaddConfig(  # type: ignore[call-arg]
    AssembleCoaddConfig,
    pipelineConnections=CompareWarpAssembleCoaddConnections,
):
    """Configuration of `CompareWarpAssembleCoaddTask`."""

    assembleStaticSkyModel = ConfigurableField(
        target=AssembleCoaddTask, doc="Makes the template of the PSF-matched warps."
    )
    detect = ConfigurableField(
        target=SourceDetectionTask, doc="Detects candidates in the difference images."
    )
    detectTemplate = ConfigurableField(
        target=SourceDetectionTask, doc="Detects the sources of the template."
    )
    detectTemplateIterMultiplier = Field(
        dtype=float, default=1.25, doc="Without effect: the detection of sources cannot fail."
    )
    maxDetectTemplateIter = Field(
        dtype=int, default=10, doc="Without effect: the detection of sources cannot fail."
    )
    doScaleWarpVariance = Field(
        dtype=bool, default=True, doc="Scale the variances of warps to the scatter of pixels?"
    )
    scaleWarpVariance = ConfigurableField(target=ScaleVarianceTask, doc="Scales them.")
    maxNumEpochs = RangeField(
        dtype=int,
        default=ArtifactOptions.max_num_epochs,
        min=0,
        doc="An artifact is seen in so many epochs at most, plus maxFractionEpochsHigh of them,",
    )
    maxFractionEpochsLow = _fraction(
        "max_fraction_epochs_low", "and in this fraction of the epochs at most."
    )
    maxFractionEpochsHigh = _fraction("max_fraction_epochs_high", "See maxNumEpochs.")
    minEpochsLow = RangeField(
        dtype=int,
        default=ArtifactOptions.min_epochs_low,
        min=0,
        doc="Lower bound of the number of epochs that may show an artifact.",
    )
    leaveOneOut = Field(
        dtype=bool,
        default=CompareWarpOptions.leave_one_out,
        doc="Compare each warp with a template of the others? For few warps: the time grows as the "
        "square of their number.",
    )
    spatialThreshold = _fraction(
        "spatial_threshold", "Fraction of the pixels of an artifact that must be seen so rarely."
    )
    doPreserveContainedBySource = Field(
        dtype=bool,
        default=ArtifactOptions.preserve_contained_by_source,
        doc="Keep what lies wholly in one source of the template?",
    )
    doPrefilterArtifacts = Field(
        dtype=bool,
        default=ArtifactOptions.prefilter,
        doc="Drop candidates with next to no good pixel before epochs are counted?",
    )
    prefilterArtifactsMaskPlanes = ListField(
        dtype=str,
        default=list(ArtifactOptions.prefilter_planes),
        doc="Planes of pixels that are not good; unknown ones are not looked for.",
    )
    prefilterArtifactsRatio = _fraction(
        "prefilter_ratio", "Fraction of good pixels that a candidate must exceed."
    )
    doFilterMorphological = Field(
        dtype=bool, default=False, doc="Ask the streak finder in the attribute maskStreaks?"
    )
    streakMaskName = Field(dtype=str, default="STREAK", doc="Plane of streaks, for that finder.")
    growStreakFp = RangeField(
        dtype=float, default=5.0, min=0.0, doc="Growth of streaks in sigma, for that finder."
    )

    def setDefaults(self) -> None:
        """Set the defaults in which this task differs from those it is built on."""
        super().setDefaults()
        _set_assembly(self, COMPARE_WARP_ASSEMBLE)
        static = self.assembleStaticSkyModel
        _set_assembly(static, TEMPLATE_ASSEMBLE)
        static.warpType = "psfMatched"
        static.doWrite = False
        for config, options in (
            (self.detect, ARTIFACT_DETECTION),
            (self.detectTemplate, TEMPLATE_DETECTION),
        ):
            config.minPixels = options.min_pixels
            config.nSigmaToGrow = options.n_sigma_to_grow
            config.thresholdValue = options.threshold_value
            config.thresholdPolarity = options.threshold_polarity

        self.detectTemplate.background.useApprox = False
        self.detect.reEstimateBackground = ARTIFACT_DETECTION.re_estimate_background
        self.detect.doTempLocalBackground = ARTIFACT_DETECTION.do_temp_local_background

    def validate(self) -> None:
        """Check the fields, alone and together."""
        super().validate()
        static = self.assembleStaticSkyModel.value
        if static.doNImage:
            self._refuse("assembleStaticSkyModel", "doNImage must be False: nobody would see it")
        if static.doWrite and static.warpType == self.warpType:
            self._refuse(
                "assembleStaticSkyModel", "doWrite needs a warpType other than that of the coadd"
            )
        try:
            self.to_artifact_options()
        except OptionError as error:
            raise FieldValidationError(self._fields["maxNumEpochs"], self, str(error)) from error

    def _findsArtifacts(self) -> bool:
        return True

    def to_artifact_options(self) -> ArtifactOptions:
        """Options of the subject package."""
        return ArtifactOptions(
            detection=self.detect.value.to_options(),
            template_detection=self.detectTemplate.value.to_options(),
            max_num_epochs=self.maxNumEpochs,
            max_fraction_epochs_low=self.maxFractionEpochsLow,
            max_fraction_epochs_high=self.maxFractionEpochsHigh,
            min_epochs_low=self.minEpochsLow,
            spatial_threshold=self.spatialThreshold,
            preserve_contained_by_source=self.doPreserveContainedBySource,
            prefilter=self.doPrefilterArtifacts,
            prefilter_planes=tuple(self.prefilterArtifactsMaskPlanes),
            prefilter_ratio=self.prefilterArtifactsRatio,
            bad_planes=tuple(self.badMaskPlanes),
            scale_variance=(
                self.scaleWarpVariance.value.to_options() if self.doScaleWarpVariance else None
            ),
        )


def _set_assembly(config: Any, options: Any) -> None:
    """Defaults of an assembler's configuration from options."""
    config.statistic = options.statistic
    config.sigmaClip = options.sigma_clip
    config.clipIter = options.n_iter
    config.badMaskPlanes = list(options.bad_planes)
    config.removeMaskPlanes = list(options.remove_planes)

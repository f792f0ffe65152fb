# SPDX-License-Identifier: BSD-3-Clause
"""Configuration and connections of the base assembler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lsst.pex.config import (
    ChoiceField,
    ConfigField,
    ConfigurableField,
    DictField,
    Field,
    FieldValidationError,
    ListField,
    RangeField,
)
from lsst.pipe.base import PipelineTaskConfig, PipelineTaskConnections
from lsst.pipe.base.connectionTypes import Input, Output, PrerequisiteInput

from deepcoadd.coadd import TASK_ASSEMBLE, AssembleOptions
from deepcoadd.errors import OptionError
from deepcoadd.mask import DEFAULT_PLANES
from deepcoadd.tasks.coadd_inputs import (
    CoaddInputRecorderTask,
    CoaddPsfConfig,
    HealSparseInputMapTask,
)
from deepcoadd.tasks.interp_image import InterpImageTask
from deepcoadd.tasks.scale_zero_point import ScaleZeroPointTask
from deepcoadd.tasks.select_images import PsfWcsSelectImagesTask

__all__ = ["AssembleCoaddConfig", "AssembleCoaddConnections", "beyond_default"]

EXPOSURE = "DeepcoaddExposure"
IMAGE = "DeepcoaddImage"
PATCH = ("tract", "patch", "band", "skymap")
TEMPLATES = {
    "inputCoaddName": "deep",
    "outputCoaddName": "deep",
    "warpType": "direct",
    "warpTypeSuffix": "",
}


class AssembleCoaddConnections(  # type: ignore[call-arg]
    PipelineTaskConnections,  # type: ignore[misc]
    dimensions=PATCH,
    defaultTemplates=TEMPLATES,
):
    """Datasets that the base assembler reads and writes."""

    inputWarps = Input(
        doc="Warps of one patch, in nJy.",
        name="{inputCoaddName}Coadd_{warpType}Warp",
        storageClass=EXPOSURE,
        dimensions=("tract", "patch", "skymap", "visit", "instrument"),
        deferLoad=True,
        multiple=True,
    )
    skyMap = Input(
        doc="Sky map; without it the coadd covers the hull of the warps.",
        name="skyMap",
        storageClass="SkyMap",
        dimensions=("skymap",),
        minimum=0,
    )
    selectedVisits = Input(
        doc="Visits to use, with doSelectVisits.",
        name="{outputCoaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=PATCH,
    )
    brightObjectMask = PrerequisiteInput(
        doc="Bright objects to mask, with doMaskBrightObjects.",
        name="brightObjectMask",
        storageClass="ObjectMaskCatalog",
        dimensions=PATCH,
        minimum=0,
    )
    coaddExposure = Output(
        doc="The coadd.",
        name="{outputCoaddName}Coadd{warpTypeSuffix}",
        storageClass=EXPOSURE,
        dimensions=PATCH,
    )
    nImage = Output(
        doc="Number of good inputs at each pixel.",
        name="{outputCoaddName}Coadd_nImage",
        storageClass=IMAGE,
        dimensions=PATCH,
    )
    inputMap = Output(
        doc="Which inputs each position on the sky has, with doInputMap.",
        name="{outputCoaddName}Coadd_inputMap",
        storageClass="HealSparseMap",
        dimensions=PATCH,
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if not config.doSelectVisits:
            del self.selectedVisits
        if not config.doMaskBrightObjects:
            del self.brightObjectMask
        if not config.doNImage:
            del self.nImage
        if not config.doInputMap:
            del self.inputMap


class AssembleCoaddConfig(  # type: ignore[call-arg]
    PipelineTaskConfig,  # type: ignore[misc]
    pipelineConnections=AssembleCoaddConnections,
):
    """Configuration of `AssembleCoaddTask`."""

    coaddName = Field(dtype=str, default="deep", doc="Name of the coadd in dataset names.")
    warpType = ChoiceField(
        dtype=str,
        default="direct",
        allowed={"direct": "as observed", "psfMatched": "matched to a model PSF"},
        doc="Kind of the warps.",
    )
    badMaskPlanes = ListField(
        dtype=str,
        default=list(TASK_ASSEMBLE.bad_planes),
        doc="A pixel with one of these planes is left out.",
    )
    removeMaskPlanes = ListField(
        dtype=str,
        default=list(TASK_ASSEMBLE.remove_planes),
        doc="Planes cleared in the warps before they are combined.",
    )
    subregionSize = ListField(
        dtype=int,
        length=2,
        default=[TASK_ASSEMBLE.subregion[1], TASK_ASSEMBLE.subregion[0]],
        doc="Most columns and rows worked on at a time; it changes no bit of the coadd.",
    )
    statistic = Field(
        dtype=str, default=TASK_ASSEMBLE.statistic, doc="What a pixel of the coadd is."
    )
    sigmaClip = Field(
        dtype=float, default=TASK_ASSEMBLE.sigma_clip, doc="Clip threshold, in sigma."
    )
    clipIter = RangeField(dtype=int, default=TASK_ASSEMBLE.n_iter, min=1, doc="Clip passes.")
    calcErrorFromInputVariance = Field(
        dtype=bool,
        default=TASK_ASSEMBLE.error_from_input_variance,
        doc="Variance of the coadd from the variance planes (else from the scatter)?",
    )
    doOnlineForMean = Field(
        dtype=bool, default=False, doc="Without effect: MEAN always needs little memory."
    )
    doScaleZeroPoint = Field(
        dtype=bool, default=False, doc="Scale warps in counts to one zero point?"
    )
    scaleZeroPoint = ConfigurableField(target=ScaleZeroPointTask, doc="Finds the scale.")
    doInterp = Field(dtype=bool, default=True, doc="Interpolate over pixels without data?")
    interpImage = ConfigurableField(target=InterpImageTask, doc="Interpolates.")
    doWrite = Field(dtype=bool, default=True, doc="Write the results?")
    doNImage = Field(dtype=bool, default=False, doc="Make the number of good inputs?")
    doInputMap = Field(
        dtype=bool, default=False, doc="Make a map of the inputs? Needs an inputMapper of yours."
    )
    inputMapper = ConfigurableField(target=HealSparseInputMapTask, doc="Maps the inputs.")
    inputRecorder = ConfigurableField(
        target=CoaddInputRecorderTask, doc="Decides what of the inputs is recorded."
    )
    coaddPsf = ConfigField(dtype=CoaddPsfConfig, doc="How the PSF of the coadd is made.")
    select = ConfigurableField(
        target=PsfWcsSelectImagesTask, doc="Chooses detectors; not used while assembling."
    )
    maskPropagationThresholds = DictField(
        keytype=str,
        itemtype=float,
        default=dict(TASK_ASSEMBLE.propagation_thresholds),
        doc="A plane of rejected pixels is set where more than this fraction of weight has it.",
    )
    doMaskBrightObjects = Field(dtype=bool, default=False, doc="Mask bright objects?")
    brightObjectMaskName = Field(
        dtype=str, default=TASK_ASSEMBLE.bright_object_plane, doc="Plane of bright objects."
    )
    doAttachTransmissionCurve = Field(
        dtype=bool, default=False, doc="Not available: must be False."
    )
    doSelectVisits = Field(dtype=bool, default=False, doc="Use selected visits only?")
    hasFakes = Field(dtype=bool, default=False, doc="Do the warps hold simulated sources?")
    doWriteArtifactMasks = Field(
        dtype=bool, default=False, doc="Write the masks of artifacts (a task that finds them)?"
    )
    maxMemory = RangeField(
        dtype=int, default=TASK_ASSEMBLE.max_memory, min=1, doc="Budget for pixels, in bytes."
    )

    def setDefaults(self) -> None:
        """Set what differs from the defaults of the parts."""
        super().setDefaults()
        self.coaddPsf.cacheSize = 0

    def validate(self) -> None:
        """Check the fields, alone and together."""
        super().validate()
        if self.doAttachTransmissionCurve:
            self._refuse("doAttachTransmissionCurve", "is not available")
        if self.doWriteArtifactMasks and not self._findsArtifacts():
            self._refuse("doWriteArtifactMasks", "needs a task that finds artifacts")
        try:
            self.to_options()
        except OptionError as error:
            self._refuse("statistic", str(error))

    def _refuse(self, name: str, reason: str) -> None:
        raise FieldValidationError(self._fields[name], self, reason)

    def _findsArtifacts(self) -> bool:
        """Whether the task of this configuration makes artifact masks; subclasses say so."""
        return False

    def to_options(self) -> AssembleOptions:
        """Options of the subject package."""
        return AssembleOptions(
            statistic=self.statistic,
            sigma_clip=self.sigmaClip,
            n_iter=self.clipIter,
            bad_planes=tuple(self.badMaskPlanes),
            remove_planes=tuple(self.removeMaskPlanes),
            propagation_thresholds=dict(self.maskPropagationThresholds),
            error_from_input_variance=self.calcErrorFromInputVariance,
            interpolate=self.interpImage.value.to_options() if self.doInterp else None,
            unit=None if self.doScaleZeroPoint else TASK_ASSEMBLE.unit,
            bright_object_plane=self.brightObjectMaskName,
            psf_kernel=self.coaddPsf.warpingKernelName,
            max_memory=self.maxMemory,
            subregion=(self.subregionSize[1], self.subregionSize[0]),
        )


def beyond_default(names: Iterable[str]) -> tuple[str, ...]:
    """Names of planes that the default dictionary does not have."""
    return tuple(name for name in names if name not in DEFAULT_PLANES)

# SPDX-License-Identifier: BSD-3-Clause
"""A coadd without the artifacts of single warps, as a pipeline task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lsst.pex.config import (
    ChoiceField,
    ConfigurableField,
    Field,
    FieldValidationError,
    RangeField,
)
from lsst.pipe.base import NoWorkFound, Struct
from lsst.pipe.base.connectionTypes import Input

from deepcoadd.coadd import (
    SAFE_CLIP_ASSEMBLE,
    SAFE_CLIP_DETECTION,
    SafeClipOptions,
    build_difference_image,
    decision_table,
    decisions_about_big,
    detect_clip,
    detect_clip_big,
    difference_of_matched,
    input_labels,
    merged_signs,
    pair_matched,
    plan_of_matched,
)
from deepcoadd.errors import DeepcoaddError, NoDataError, NoWorkError, OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.refs import WarpRef, as_refs
from deepcoadd.spans import Footprint, FootprintSet
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

__all__ = [
    "SafeClipAssembleCoaddConfig",
    "SafeClipAssembleCoaddConnections",
    "SafeClipAssembleCoaddTask",
]


class SafeClipAssembleCoaddConnections(  # type: ignore[call-arg]
    AssembleCoaddConnections,
    dimensions=PATCH,
    defaultTemplates=TEMPLATES,
):
    """Datasets of the base assembler, and the PSF-matched warps where they are asked for."""

    psfMatchedWarps = Input(
        doc="PSF-matched warps of the patch, in nJy; with differenceWarpType psfMatched.",
        name="{inputCoaddName}Coadd_psfMatchedWarp",
        storageClass=EXPOSURE,
        dimensions=("tract", "patch", "skymap", "visit", "instrument"),
        deferLoad=True,
        multiple=True,
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if config.differenceWarpType == "direct":
            del self.psfMatchedWarps


def _fraction(name: str, doc: str) -> Any:
    """Field of a limit on overlaps."""
    return RangeField(
        dtype=float,
        default=getattr(SafeClipOptions, name),
        min=0.0,
        max=1.0,
        inclusiveMax=True,
        doc=doc,
    )


class SafeClipAssembleCoaddConfig(  # type: ignore[call-arg]
    AssembleCoaddConfig,
    pipelineConnections=SafeClipAssembleCoaddConnections,
):
    """Configuration of `SafeClipAssembleCoaddTask`."""

    clipDetection = ConfigurableField(
        target=SourceDetectionTask, doc="Detects footprints in the difference image."
    )
    minClipFootOverlap = _fraction(
        "min_clip_foot_overlap",
        "Several visits overlap a footprint: clipped in the only one above this.",
    )
    minClipFootOverlapSingle = _fraction(
        "min_clip_foot_overlap_single",
        "One visit overlaps a footprint: clipped above this.",
    )
    minClipFootOverlapDouble = _fraction(
        "min_clip_foot_overlap_double",
        "More than three visits overlap a footprint: clipped in the only two above this,",
    )
    maxClipFootOverlapDouble = _fraction(
        "max_clip_foot_overlap_double",
        "if no other is above this.",
    )
    minBigOverlap = RangeField(
        dtype=int,
        default=SafeClipOptions.min_big_overlap,
        min=0,
        doc="A detection of one visit with more clipped pixels than this is clipped whole.",
    )
    doDetectOnWarps = ChoiceField(
        dtype=str,
        default=SafeClipOptions.detect_on_warps,
        allowed={
            "auto": "where the masks of the warps carry no detections",
            "never": "take the masks as they are",
            "always": "on every warp",
        },
        doc="Detect sources on the warps?",
    )
    warpDetection = ConfigurableField(
        target=SourceDetectionTask,
        doc="How sources are detected on the warps; its options are used, not its methods.",
    )
    differenceWarpType = ChoiceField(
        dtype=str,
        default="direct",
        allowed={
            "direct": "of the warps themselves",
            "psfMatched": "of their PSF-matched versions, which run gets as psfMatchedWarpRefList: "
            "stars in changing seeing do not hide what lies beside them",
        },
        doc="Of what the difference of plain and clipped mean is made.",
    )
    doScaleVariance = Field(
        dtype=bool,
        default=SafeClipOptions.scale_variance is not None,
        doc="Scale the variances of the difference to the scatter of its pixels?",
    )
    scaleVariance = ConfigurableField(target=ScaleVarianceTask, doc="Scales them.")

    def setDefaults(self) -> None:
        """Set the defaults in which this task differs from those it is built on."""
        super().setDefaults()
        self.statistic = SAFE_CLIP_ASSEMBLE.statistic
        self.sigmaClip = SAFE_CLIP_ASSEMBLE.sigma_clip
        self.clipIter = SAFE_CLIP_ASSEMBLE.n_iter
        self.clipDetection.minPixels = SAFE_CLIP_DETECTION.min_pixels
        self.clipDetection.nSigmaToGrow = SAFE_CLIP_DETECTION.n_sigma_to_grow
        self.clipDetection.thresholdValue = SAFE_CLIP_DETECTION.threshold_value
        self.clipDetection.thresholdPolarity = SAFE_CLIP_DETECTION.threshold_polarity
        self.clipDetection.reEstimateBackground = SAFE_CLIP_DETECTION.re_estimate_background
        self.clipDetection.doTempLocalBackground = SAFE_CLIP_DETECTION.do_temp_local_background

    def validate(self) -> None:
        """Check the fields, alone and together."""
        super().validate()
        try:
            self.to_safe_clip_options()
        except OptionError as error:
            raise FieldValidationError(self._fields["statistic"], self, str(error)) from error

    def to_safe_clip_options(self) -> SafeClipOptions:
        """Options of the subject package."""
        return SafeClipOptions(
            assemble=self.to_options(),
            min_clip_foot_overlap=self.minClipFootOverlap,
            min_clip_foot_overlap_single=self.minClipFootOverlapSingle,
            min_clip_foot_overlap_double=self.minClipFootOverlapDouble,
            max_clip_foot_overlap_double=self.maxClipFootOverlapDouble,
            min_big_overlap=self.minBigOverlap,
            detect_on_warps=self.doDetectOnWarps,
            warp_detection=self.warpDetection.value.to_options(),
            scale_variance=(
                self.scaleVariance.value.to_options() if self.doScaleVariance else None
            ),
        )


class SafeClipAssembleCoaddTask(AssembleCoaddTask):
    """Mean of the warps of one patch without the artifacts that one or two of them show.

    Notes
    -----
    `run` calls `buildDifferenceImage`, `detectClip`, `detectClipBig`, then the `run` of
    `AssembleCoaddTask` with what they found. A subclass may override any of them.
    """

    ConfigClass = SafeClipAssembleCoaddConfig
    _DefaultName = "safeClipAssembleCoadd"
    _keepsConfiguredPlanes = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("clipDetection")
        if self.config.doScaleVariance:
            self.makeSubtask("scaleVariance")
        self._partners: dict[int, WarpRef | None] = {}

    def makeSupplementaryData(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> Struct:
        """Return ``psfMatchedWarpRefList``, the PSF-matched warps of a quantum, if asked for."""
        if self.config.differenceWarpType == "direct":
            return Struct()
        return Struct(psfMatchedWarpRefList=butlerQC.get(inputRefs).get("psfMatchedWarps") or [])

    def _runArguments(self, prepared: Struct, supplementary: Struct) -> dict[str, Any]:
        return {**super()._runArguments(prepared, supplementary), **supplementary.getDict()}

    def run(  # type: ignore[override]
        self,
        skyInfo: Any,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[Any],
        weightList: Sequence[float],
        *args: Any,
        **kwargs: Any,
    ) -> Struct:
        """Assemble a coadd of warps without their artifacts.

        Parameters
        ----------
        skyInfo : SkyInfo
            Anything with `bbox` and `wcs`.
        tempExpRefList : sequence of WarpRef, Exposure or handle
            Warps; see `AssembleCoaddTask.run`.
        imageScalerList : sequence
            For each warp None or an object with ``scaleMaskedImage``.
        weightList : sequence of float
            Weight of each warp.
        *args, **kwargs
            Ignored, but for ``psfMatchedWarpRefList`` with differenceWarpType psfMatched: the
            PSF-matched warps in any order, told apart by their identifications.

        Returns
        -------
        Struct
            Members of `AssembleCoaddTask.run`; ``altMaskList``: ``{"CLIPPED": [SpanSet, ...]}``
            for each warp given; ``clipMask``: Mask with CLIPPED wherever a warp was left out;
            ``decisions``: table of `deepcoadd.coadd.decision_table`.

        Raises
        ------
        NoWorkFound
            There is no warp, or none can be used.
        RuntimeError
            With differenceWarpType psfMatched: there are no PSF-matched warps.
        """
        refs = as_refs(tempExpRefList)
        if self.config.differenceWarpType == "psfMatched":
            matched = pair_matched(refs, kwargs.get("psfMatchedWarpRefList") or [])
            self._partners = {id(ref): one for ref, one in zip(refs, matched, strict=True)}
        exp = self.buildDifferenceImage(skyInfo, refs, imageScalerList, weightList)
        self._scaleVariance(exp)
        result = self.detectClip(exp, refs)
        planes = exp.mask.planes
        nBefore = [len(one["CLIPPED"]) for one in result.clipSpans]
        self.detectClipBig(
            result.clipSpans,
            result.clipFootprints,
            result.clipIndices,
            result.detectionFootprints,
            planes.bitmask("CLIPPED"),
            planes.bitmask("DETECTED", "DETECTED_NEGATIVE"),
            exp.box,
        )
        decisions = list(getattr(result, "decisions", []))
        decisions += decisions_about_big(result.clipSpans, nBefore)
        coadd = super().run(
            skyInfo,
            refs,
            imageScalerList,
            weightList,
            altMaskList=result.clipSpans,
            mask=self.getBadPixelMask() | DEFAULT_PLANES.bitmask("CLIPPED"),
        )
        coadd.altMaskList = result.clipSpans
        coadd.clipMask = _clip_mask(result.clipSpans, coadd.coaddExposure.box)
        coadd.decisions = decision_table(decisions, input_labels(refs), exp.info.wcs)
        self.metadata["n_artifacts"] = sum(bool(decision.clipped) for decision in decisions)
        return coadd

    def _scaleVariance(self, exp: Exposure) -> None:
        """Scale the variances of a difference, in place, if asked for and possible."""
        if not self.config.doScaleVariance:
            return
        try:
            self.scaleVariance.run(exp.masked_image)
        except DeepcoaddError as error:
            self.log.warning("variances of the difference are left as they are: %s", error)

    def buildDifferenceImage(
        self,
        skyInfo: Any,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[Any],
        weightList: Sequence[float],
    ) -> Exposure:
        """Make the difference of the plain and the sigma-clipped mean of the warps.

        Returns
        -------
        Exposure
            Difference image (exactly 0 where nothing is clipped), sum of the variances, OR of the
            masks; with the PSF of the mean. With differenceWarpType psfMatched that of the
            PSF-matched warps that `run` was given.
        """
        lists = (tempExpRefList, imageScalerList, weightList, None)
        try:
            plan = self._plan(skyInfo, lists, self.prepareStats(), None)
        except NoWorkError as error:
            raise NoWorkFound(str(error)) from error
        if self.config.differenceWarpType == "direct":
            return build_difference_image(plan).exposure
        partners = [self._partners.get(id(one.ref)) for one in plan.inputs]
        try:
            still = plan_of_matched(plan, partners, plan.options, None)
        except NoWorkError as error:
            raise NoDataError(f"psfMatchedWarpRefList: {error}") from None
        return difference_of_matched(plan, still).exposure

    def detectClip(self, exp: Exposure, tempExpRefList: Sequence[Any]) -> Struct:
        """Find the footprints of a difference image that one or two warps are to blame for.

        Parameters
        ----------
        exp : Exposure
            Difference image; its DETECTED planes are set.
        tempExpRefList : sequence of WarpRef, Exposure or handle
            Warps; their masks are used as they come.

        Returns
        -------
        Struct
            ``clipFootprints`` (list of Footprint), ``clipIndices`` (for each an array of numbers
            of warps), ``clipSpans`` (for each warp ``{"CLIPPED": [SpanSet, ...]}``),
            ``detectionFootprints`` (for each warp a FootprintSet of its own detections),
            ``decisions`` (list of `deepcoadd.coadd.Decision`).
        """
        detected = self.clipDetection.detectFootprints(exp, doSmooth=True, clearMask=True)
        found = detect_clip(
            exp,
            as_refs(tempExpRefList),
            options=self.config.to_safe_clip_options(),
            footprints=merged_signs(detected.positive, detected.negative),
        )
        return Struct(
            clipFootprints=found.clip_footprints,
            clipIndices=[np.array(numbers) for numbers in found.clip_indices],
            clipSpans=found.clip_spans,
            detectionFootprints=found.detection_footprints,
            decisions=found.decisions,
        )

    def detectClipBig(
        self,
        clipList: Sequence[dict[str, Any]],
        clipFootprints: Sequence[Footprint],
        clipIndices: Sequence[Any],
        detectionFootprints: Sequence[FootprintSet],
        maskClipValue: int,
        maskDetValue: int,
        coaddBBox: Box,
    ) -> list[Footprint]:
        """Find whole detections of single warps that are clipped in large part.

        Parameters
        ----------
        clipList : sequence of dict
            ``clipSpans`` of `detectClip`; appended to in place.
        clipFootprints, clipIndices, detectionFootprints
            As from `detectClip`.
        maskClipValue, maskDetValue : int
            Bits of CLIPPED and of the DETECTED planes; not needed here.
        coaddBBox : Box
            Box of the coadd; not needed here.

        Returns
        -------
        list of Footprint
            The detections clipped whole.
        """
        return detect_clip_big(
            clipList,
            clipFootprints,
            clipIndices,
            detectionFootprints,
            min_overlap=self.config.minBigOverlap,
        )


def _clip_mask(clipSpans: Sequence[dict[str, Any]], box: Box) -> Mask:
    """Mask, of the default planes, of what was left out of any warp."""
    mask = Mask.zeros(box)
    for one in clipSpans:
        for spans in one["CLIPPED"]:
            spans.clipped_to(box).set_mask(mask, "CLIPPED")
    return mask

# SPDX-License-Identifier: BSD-3-Clause
"""A coadd without what few PSF-matched warps show, as a pipeline task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lsst.pipe.base import NoWorkFound, Struct

from deepcoadd.coadd import (
    ArtifactSteps,
    CoaddPlan,
    StreakFinder,
    decision_table,
    filter_artifacts,
    find_artifacts,
    flag_matched_edges,
    input_labels,
    merged_signs,
    pair_matched,
    prefilter_artifacts,
    widest_psf,
    with_valid_polygons,
)
from deepcoadd.detection import detect
from deepcoadd.errors import NoDataError, TooManyMaskedPixelsError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw import as_exposure
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.refs import WarpRef, as_refs
from deepcoadd.spans import FootprintSet, SpanSet
from deepcoadd.tasks.assemble_coadd import AssembleCoaddTask
from deepcoadd.tasks.compare_warp_config import (
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddConnections,
)

__all__ = [
    "CompareWarpAssembleCoaddConfig",
    "CompareWarpAssembleCoaddConnections",
    "CompareWarpAssembleCoaddTask",
]


_IDLE = ("detectTemplateIterMultiplier", "maxDetectTemplateIter")
"""Fields that are kept for the sake of configurations that set them."""


class CompareWarpAssembleCoaddTask(AssembleCoaddTask):
    """Mean of the warps of one patch without the artifacts that their PSF-matched versions show.

    Notes
    -----
    `run` calls `findArtifacts` (which calls `prefilterArtifacts` for each epoch, then
    `filterArtifacts`), the `run` of `AssembleCoaddTask` with what was found, and
    `applyAltEdgeMask`. `runQuantum` calls `makeSupplementaryData` before, which makes the
    template. A subclass may override any of them.
    """

    ConfigClass = CompareWarpAssembleCoaddConfig
    _DefaultName = "compareWarpAssembleCoadd"
    _keepsConfiguredPlanes = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("assembleStaticSkyModel")
        self.makeSubtask("detect")
        if self.config.doPreserveContainedBySource:
            self.makeSubtask("detectTemplate")
        if self.config.doScaleWarpVariance:
            self.makeSubtask("scaleWarpVariance")
        idle = [name for name in _IDLE if _is_changed(self.config, name)]
        if idle:
            self.log.warning(
                "%s: without effect, the detection of sources cannot fail", ", ".join(idle)
            )
        self.maskStreaks: StreakFinder | None = None
        self._partners: dict[int, WarpRef | None] = {}
        self._maskIds: list[Any] | None = None
        self._templateWithout: Callable[[WarpRef | None], Exposure] | None = None

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        """Read the inputs of one quantum, assemble, write.

        With doWriteArtifactMasks every visit of the quantum gets a mask, in the order that the
        outputs have.
        """
        wanted = getattr(outputRefs, "artifactMasks", None)
        self._maskIds = None if wanted is None else [dict(ref.dataId.mapping) for ref in wanted]
        try:
            super().runQuantum(butlerQC, inputRefs, outputRefs)
        finally:
            self._maskIds = None

    def makeSupplementaryData(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> Struct:
        """Make the template from the PSF-matched warps of a quantum.

        Returns
        -------
        Struct
            See `makeSupplementaryDataFrom`.
        """
        inputs = butlerQC.get(inputRefs)
        dataId = butlerQC.quantum.dataId
        skyInfo = self.makeSkyInfo(inputs.get("skyMap"), dataId, as_refs(inputs["inputWarps"]))
        return self.makeSupplementaryDataFrom(skyInfo, inputs.get("psfMatchedWarps") or [])

    def makeSupplementaryDataFrom(
        self, skyInfo: Any, psfMatchedWarpRefList: Sequence[Any]
    ) -> Struct:
        """Make the template from PSF-matched warps.

        Parameters
        ----------
        skyInfo : SkyInfo
            Anything with `bbox` and `wcs`.
        psfMatchedWarpRefList : sequence of WarpRef, Exposure or handle
            PSF-matched warps.

        Returns
        -------
        Struct
            ``templateCoadd`` (interpolated, with the PSF of the warps), and ``warpRefList``,
            ``imageScalerList``, ``weightList`` of the PSF-matched warps that it is made of.

        Raises
        ------
        RuntimeError
            No PSF-matched warp can be used.
        """
        static = self.assembleStaticSkyModel
        static.maxMemory = min(static.maxMemory, self.maxMemory)
        try:
            prepared = static.prepareInputs(psfMatchedWarpRefList, skyInfo.bbox)
            made = static.run(
                skyInfo, prepared.warpRefList, prepared.imageScalerList, prepared.weightList
            )
        except NoWorkFound as error:
            raise NoDataError(
                f"no template can be made of the PSF-matched warps: {error}"
            ) from None
        template = made.coaddExposure
        static.processResults(template)
        if template.info.psf is None:
            template.info = replace(
                template.info, psf=widest_psf(ref.info() for ref in prepared.warpRefList)
            )
        return Struct(
            templateCoadd=template,
            warpRefList=prepared.warpRefList,
            imageScalerList=prepared.imageScalerList,
            weightList=prepared.weightList,
        )

    def run(  # type: ignore[override]
        self,
        skyInfo: Any,
        warpRefList: Sequence[Any],
        imageScalerList: Sequence[Any],
        weightList: Sequence[float],
        supplementaryData: Struct | None = None,
        **kwargs: Any,
    ) -> Struct:
        """Assemble a coadd of warps without their artifacts.

        Parameters
        ----------
        skyInfo : SkyInfo
            Anything with `bbox` and `wcs`.
        warpRefList : sequence of WarpRef, Exposure or handle
            Warps as observed; see `AssembleCoaddTask.run`.
        imageScalerList : sequence
            For each warp None or an object with ``scaleMaskedImage``.
        weightList : sequence of float
            Weight of each warp.
        supplementaryData : Struct
            ``templateCoadd``, and ``warpRefList`` and ``imageScalerList`` of the PSF-matched
            warps, in any order; see `makeSupplementaryDataFrom`.
        **kwargs
            Ignored.

        Returns
        -------
        Struct
            Members of `AssembleCoaddTask.run`; ``altMaskList``: for each warp given ``{"CLIPPED":
            [SpanSet, ...], "NO_DATA": [...], "EDGE": [...]}``; ``decisions``: table of
            `deepcoadd.coadd.decision_table`; ``templateCoadd``; with doWriteArtifactMasks
            ``artifactMasks``: for each warp a Mask with CLIPPED, NO_DATA and EDGE.

        Raises
        ------
        NoWorkFound
            There is no warp, or none can be used.
        RuntimeError
            There is no template.
        """
        template = getattr(supplementaryData, "templateCoadd", None)
        if supplementaryData is None or template is None:
            raise NoDataError(
                "supplementaryData: there is no template; makeSupplementaryDataFrom makes one of "
                "PSF-matched warps"
            )
        if self.config.doFilterMorphological and self.maskStreaks is None:
            self.log.warning("doFilterMorphological: no streaks are found, maskStreaks is None")
        refs = as_refs(warpRefList)
        matched, scalers = _reordered(refs, supplementaryData)
        self._decisions: list[Any] = []
        self._partners = {id(ref): one for ref, one in zip(refs, matched, strict=True)}
        if self.config.leaveOneOut:
            self._templateWithout = self._withoutEach(skyInfo, supplementaryData)
        try:
            altMaskList = self.findArtifacts(template, matched, scalers)
        finally:
            self._templateWithout = None
        result = super().run(
            skyInfo,
            refs,
            imageScalerList,
            weightList,
            psfMatchedWarpRefList=matched,
            altMaskList=altMaskList,
            mask=self.getBadPixelMask() | DEFAULT_PLANES.bitmask("CLIPPED"),
        )
        used = {id(ref) for ref in result.warpRefList}
        each = zip(altMaskList, refs, strict=True)
        self.applyAltEdgeMask(result.coaddExposure.mask, [m for m, ref in each if id(ref) in used])
        result.altMaskList = altMaskList
        result.templateCoadd = template
        wcs = result.coaddExposure.info.wcs
        result.decisions = decision_table(self._decisions, input_labels(refs), wcs)
        self.metadata["n_artifacts"] = sum(bool(one.clipped) for one in self._decisions)
        if self.config.doWriteArtifactMasks:
            result.artifactMasks = self._artifactMasks(refs, altMaskList, result.coaddExposure.box)
        return result

    def _withoutEach(
        self, skyInfo: Any, supplementary: Struct
    ) -> Callable[[WarpRef | None], Exposure]:
        """Makes the template of all PSF-matched warps but one."""
        static = self.assembleStaticSkyModel
        made = supplementary
        if not hasattr(made, "weightList"):
            made = static.prepareInputs(
                [r for r in made.warpRefList if r is not None], skyInfo.bbox
            )
        lists = (made.warpRefList, made.imageScalerList, made.weightList)
        rows = [row for row in zip(*lists, strict=True) if row[0] is not None]

        def without(left: WarpRef | None) -> Exposure:
            rest = [row for row in rows if not _is_same(row[0], left)]
            if not rest:  # on its own it is its template, and shows nothing
                return as_exposure(supplementary.templateCoadd)
            template: Exposure = static.run(
                skyInfo, *(list(column) for column in zip(*rest, strict=True))
            ).coaddExposure
            static.processResults(template)
            return template

        return without

    def _plan(self, *args: Any) -> CoaddPlan:
        """Plan whose PSF and tables hold where the PSF-matched warps are valid."""
        plan = super()._plan(*args)
        return with_valid_polygons(plan, [self._partners.get(id(one.ref)) for one in plan.inputs])

    def _artifactMasks(
        self, refs: Sequence[WarpRef], altMaskList: Sequence[dict[str, Any]], box: Box
    ) -> list[Mask]:
        """Mask of each warp; in a quantum of each visit that has an output, in that order."""
        if self._maskIds is None:
            return [_as_mask(found, box) for found in altMaskList]
        keys = ("instrument", "visit")
        known = {
            tuple(ref.data_id.get(key) for key in keys): found
            for ref, found in zip(refs, altMaskList, strict=True)
        }
        ids = [tuple(one.get(key) for key in keys) for one in self._maskIds]
        nothing = {"NO_DATA": [SpanSet.from_box(box)]}
        return [_as_mask(known.get(one, nothing), box) for one in ids]

    def findArtifacts(
        self, templateCoadd: Any, warpRefList: Sequence[Any], imageScalerList: Sequence[Any]
    ) -> list[dict[str, list[SpanSet]]]:
        """Find artifacts in the differences of PSF-matched warps and their template.

        Parameters
        ----------
        templateCoadd : Exposure
            Not changed.
        warpRefList : sequence of WarpRef, Exposure, handle or None
            PSF-matched warps in the order of the warps of the coadd; None: missing.
        imageScalerList : sequence
            For each None or an object with ``scaleMaskedImage``.

        Returns
        -------
        list of dict
            For each warp ``{"CLIPPED": [...], "NO_DATA": [...], "EDGE": [...]}``: a SpanSet for
            each artifact, one for all pixels without data, one for all with EDGE.
        """
        given = [None if ref is None else as_refs([ref])[0] for ref in warpRefList]
        config, without = self.config, self._templateWithout
        found = find_artifacts(
            as_exposure(templateCoadd),
            given,
            scalers=imageScalerList,
            options=config.to_artifact_options(),
            streaks=self.maskStreaks if config.doFilterMorphological else None,
            template_without=None if without is None else lambda k: without(given[k]),
            steps=ArtifactSteps(
                scale=self._scaled if config.doScaleWarpVariance else None,
                detect_template=self._detectTemplate,
                detect=self._detect,
                prefilter=self.prefilterArtifacts if config.doPrefilterArtifacts else None,
                filter=self.filterArtifacts,
            ),
        )
        self._decisions = found.decisions
        return found.masks

    def _scaled(self, pixels: MaskedImage) -> float:
        """Factor on the variances, through the sub-task."""
        return float(self.scaleWarpVariance.run(pixels.copy()))

    def _detect(self, exposure: Exposure) -> FootprintSet:
        """Candidates of both signs, through the sub-task."""
        found = self.detect.detectFootprints(exposure, doSmooth=False, clearMask=True)
        return merged_signs(found.positive, found.negative)

    def _detectTemplate(self, exposure: Exposure) -> FootprintSet:
        """Positive sources, through the sub-task."""
        try:
            found = self.detectTemplate.detectFootprints(exposure)
        except TooManyMaskedPixelsError:
            # Only the new background can fail, and it changes no footprint.
            options = self.config.detectTemplate.value.to_options()
            options = replace(options, re_estimate_background=False)
            found = detect(exposure, replace(options, do_temp_local_background=False))
        return merged_signs(found.positive, None)

    def prefilterArtifacts(self, spanSetList: Sequence[SpanSet], exp: Exposure) -> list[SpanSet]:
        """Drop candidates with next to no good pixel.

        Parameters
        ----------
        spanSetList : sequence of SpanSet
            Candidates of one epoch.
        exp : Exposure
            Its difference from the template.
        """
        return prefilter_artifacts(spanSetList, exp.mask, self.config.to_artifact_options())

    def filterArtifacts(
        self,
        spanSetList: Sequence[SpanSet],
        epochCountImage: Image,
        nImage: Image,
        footprintsToExclude: FootprintSet | None = None,
    ) -> list[SpanSet]:
        """Choose the candidates of one epoch that are artifacts.

        Parameters
        ----------
        spanSetList : sequence of SpanSet
            Candidates.
        epochCountImage, nImage : Image
            uint32: epochs that show something at a pixel, and epochs that are good there.
        footprintsToExclude : FootprintSet, optional
            A candidate wholly in one of these is none.
        """
        return filter_artifacts(
            spanSetList,
            epochCountImage,
            nImage,
            footprintsToExclude,
            self.config.to_artifact_options(),
        )

    def applyAltEdgeMask(self, mask: Mask, altMaskList: Sequence[dict[str, Any]]) -> None:
        """Set SENSOR_EDGE and INEXACT_PSF, in place, where a PSF-matched warp has EDGE."""
        flag_matched_edges(mask, [spans for one in altMaskList for spans in one.get("EDGE", [])])


def _is_changed(config: Any, name: str) -> bool:
    """Whether a field has another value than its default."""
    return bool(getattr(config, name) != getattr(type(config), name).default)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two references, or exposures, are of one warp."""
    if getattr(one, "exposure", one) is getattr(other, "exposure", other):
        return True
    ids = [dict(getattr(ref, "data_id", None) or {}) for ref in (one, other)]
    return bool(ids[0]) and ids[0] == ids[1]


def _as_mask(found: dict[str, Any], box: Box) -> Mask:
    """Mask of a warp, of the default planes, with what was found set."""
    mask = Mask.zeros(box)
    for plane, sets in found.items():
        for spans in sets:
            spans.clipped_to(box).set_mask(mask, plane)
    return mask


def _reordered(
    refs: Sequence[WarpRef], supplementary: Struct
) -> tuple[list[WarpRef | None], list[Any]]:
    """PSF-matched warps, and their scalers, in the order of the warps."""
    theirs = [None if ref is None else as_refs([ref])[0] for ref in supplementary.warpRefList]
    given = getattr(supplementary, "imageScalerList", None) or [None] * len(theirs)
    scalers = {id(ref): scaler for ref, scaler in zip(theirs, given, strict=True)}
    ordered = pair_matched(refs, theirs)
    return ordered, [scalers[id(ref)] if ref is not None else None for ref in ordered]

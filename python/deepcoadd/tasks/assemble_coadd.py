# SPDX-License-Identifier: BSD-3-Clause
"""The base assembler as a pipeline task."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lsst.pipe.base import NoWorkFound, PipelineTask, Struct

import deepcoadd
from deepcoadd.coadd import (
    BrightObject,
    CoaddPlan,
    MaskRules,
    TileWork,
    assemble,
    flag_inexact_psf,
    mask_bright_objects,
    pixels_at,
    prepare,
    read_bright_objects,
    stack_tile,
    widest_psf,
    with_alternate,
)
from deepcoadd.errors import DeepcoaddError, NoWorkError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw import as_box, as_wcs
from deepcoadd.mask import DEFAULT_PLANES, Mask
from deepcoadd.refs import WarpRef, as_refs
from deepcoadd.statistics import Property, StackDiagnostics, StackPlanes, StatsOptions
from deepcoadd.tasks.assemble_coadd_config import (
    AssembleCoaddConfig,
    AssembleCoaddConnections,
    beyond_default,
)
from deepcoadd.tasks.coadd_inputs import pairing_key
from deepcoadd.tasks.scale_zero_point import RefusingScaler
from deepcoadd.tasks.sky_info import SkyInfo, sky_info_of

__all__ = ["AssembleCoaddConfig", "AssembleCoaddConnections", "AssembleCoaddTask"]


class AssembleCoaddTask(PipelineTask):  # type: ignore[misc]
    """Combine the warps of one patch into a coadd.

    Notes
    -----
    `run` calls `prepareStats` (which calls `getBadPixelMask`), `assembleSubregion` for each strip,
    `setInexactPsf` and `assembleMetadata`; `runQuantum` calls `filterWarps`, `prepareInputs`,
    `makeSupplementaryData`, `run` and `processResults`. A subclass may override any of them.
    """

    ConfigClass = AssembleCoaddConfig
    _DefaultName = "assembleCoadd"
    # Whether the configured bad planes stay bad when `run` is given a mask: a task that adds
    # CLIPPED to them can name in the mask only those that the default dictionary knows.
    _keepsConfiguredPlanes = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maxMemory: int = self.config.maxMemory
        if self.config.doInterp:
            self.makeSubtask("interpImage")
        if self.config.doScaleZeroPoint:
            self.makeSubtask("scaleZeroPoint")
        self.makeSubtask("inputRecorder")
        if self.config.doInputMap:
            self.makeSubtask("inputMapper")

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        """Read the inputs of one quantum, assemble, write.

        Threads and memory are those that the execution grants (`butlerQC.resources`).
        """
        resources = butlerQC.resources
        deepcoadd.set_num_threads(resources.num_cores)
        if resources.max_mem is not None:
            # The other half is for the interpreter, the libraries and the tables.
            granted = int(resources.max_mem.to_value("byte")) // 2
            self.maxMemory = min(self.config.maxMemory, granted)
        inputs = butlerQC.get(inputRefs)
        dataId = butlerQC.quantum.dataId
        refs = as_refs(inputs["inputWarps"])
        if self.config.doSelectVisits:
            refs = self.filterWarps(refs, inputs["selectedVisits"])
        skyInfo = self.makeSkyInfo(inputs.get("skyMap"), dataId, refs)
        prepared = self.prepareInputs(refs, skyInfo.bbox)
        supplementary = self.makeSupplementaryData(butlerQC, inputRefs, outputRefs)
        result = self.run(skyInfo, **self._runArguments(prepared, supplementary))
        self.processResults(result.coaddExposure, inputs.get("brightObjectMask"), dataId)
        if self.config.doWrite:
            butlerQC.put(result, outputRefs)

    def _runArguments(self, prepared: Struct, supplementary: Struct) -> dict[str, Any]:
        """Arguments by the names that the class's own `run` has."""
        names = inspect.signature(self.run).parameters
        warps = "tempExpRefList" if "tempExpRefList" in names else "warpRefList"
        arguments = {
            warps: prepared.warpRefList,
            "imageScalerList": prepared.imageScalerList,
            "weightList": prepared.weightList,
        }
        if "supplementaryData" in names:
            arguments["supplementaryData"] = supplementary
        return arguments

    def makeSkyInfo(self, skyMap: Any, dataId: Any, warpRefList: Sequence[WarpRef]) -> SkyInfo:
        """Return box and WCS of the patch.

        From the sky map, where there is one; else the hull of the warps and the WCS of the first.

        Raises
        ------
        NoWorkFound
            There is neither a sky map nor a warp.
        """
        info = sky_info_of(skyMap, dataId, warpRefList)
        if info is None:
            raise NoWorkFound("no warps, and no sky map that tells the box of the patch")
        return info

    def filterWarps(self, inputs: Iterable[Any], goodVisits: Mapping[Any, Any]) -> list[WarpRef]:
        """Return the warps of selected visits, in the order of the selection.

        Parameters
        ----------
        inputs : iterable of WarpRef
            Warps, each with a `visit` in its identification.
        goodVisits : mapping
            Its keys are visit numbers, or pairs (instrument, visit).
        """
        found: dict[Any, list[WarpRef]] = {}
        for ref in as_refs(inputs):
            visit, instrument = ref.data_id.get("visit"), ref.data_id.get("instrument")
            found.setdefault(visit, []).append(ref)
            found.setdefault((instrument, visit), []).append(ref)
        return [ref for key in goodVisits for ref in found.get(key, [])]

    def makeSupplementaryData(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> Struct:
        """Return further data that the `run` of a subclass needs; nothing here."""
        return Struct()

    def getBadPixelMask(self) -> int:
        """Return the bits, in the default dictionary, of those bad planes that it knows."""
        return DEFAULT_PLANES.known_bitmask(self.config.badMaskPlanes)

    def prepareInputs(
        self,
        refList: Sequence[Any],
        coadd_bbox: Any = None,
        psfMatchedWarpRefList: Sequence[Any] | None = None,
    ) -> Struct:
        """Choose the warps that can be used and weigh them.

        Parameters
        ----------
        refList : sequence of WarpRef, Exposure or handle
            Warps.
        coadd_bbox : Box, optional
            Pixels of the coadd; only they are looked at.
        psfMatchedWarpRefList : sequence, optional
            PSF-matched warps, to be paired with the others by their identification.

        Returns
        -------
        Struct
            ``warpRefList``, ``weightList``, ``imageScalerList``, ``psfMatchedWarpRefList`` (None
            where a warp has no partner): lists of one length. ``skippedInputs``: list of
            `SkippedInput`.

        Raises
        ------
        NoWorkFound
            No warp can be used.
        """
        refs = as_refs(refList)
        scalers = [self._scaler(ref) for ref in refs]
        options = replace(
            self.config.to_options(),
            bad_planes=beyond_default(self.config.badMaskPlanes),
            propagation_thresholds={},
            max_memory=self.maxMemory,
        )
        try:
            plan = prepare(
                refs,
                None if coadd_bbox is None else as_box(coadd_bbox),
                options=options,
                scalers=scalers,
                bad_bits=self.getBadPixelMask(),
            )
        except NoWorkError as error:
            raise NoWorkFound(str(error)) from error
        partners = {pairing_key(ref): ref for ref in as_refs(psfMatchedWarpRefList or [])}
        used = [refs[record.index] for record in plan.records]
        return Struct(
            warpRefList=used,
            weightList=plan.weights,
            imageScalerList=[scalers[record.index] for record in plan.records],
            psfMatchedWarpRefList=[partners.get(pairing_key(ref)) for ref in used],
            skippedInputs=list(plan.skipped),
        )

    def _scaler(self, ref: WarpRef) -> Any:
        """Scaler to the zero point, or None where warps are in nJy."""
        if not self.config.doScaleZeroPoint:
            return None
        try:
            return self.scaleZeroPoint.computeImageScaler(ref.info())
        except (DeepcoaddError, OSError) as error:
            return RefusingScaler(f"no zero point: {error}")

    def prepareStats(self, mask: int | None = None) -> Struct:
        """Return how pixels are combined: ``ctrl`` (StatsOptions) and ``flags`` (Property).

        Parameters
        ----------
        mask : int, optional
            Bad bits of the default dictionary, in place of `getBadPixelMask`.
        """
        thresholds = self.config.maskPropagationThresholds.items()
        ctrl = StatsOptions(
            sigma_clip=self.config.sigmaClip,
            n_iter=self.config.clipIter,
            bad_bits=self.getBadPixelMask() if mask is None else mask,
            no_data_bits=DEFAULT_PLANES.bitmask("NO_DATA"),
            error_from_input_variance=self.config.calcErrorFromInputVariance,
            propagation_thresholds={
                DEFAULT_PLANES[plane]: t for plane, t in thresholds if plane in DEFAULT_PLANES
            },
        )
        return Struct(ctrl=ctrl, flags=Property.parse(self.config.statistic))

    def run(
        self,
        skyInfo: Any,
        warpRefList: Sequence[Any],
        imageScalerList: Sequence[Any],
        weightList: Sequence[float],
        psfMatchedWarpRefList: Sequence[Any] | None = None,
        altMaskList: Sequence[Any] | None = None,
        mask: int | None = None,
    ) -> Struct:
        """Assemble a coadd of warps.

        Parameters
        ----------
        skyInfo : SkyInfo
            Anything with `bbox` and `wcs`.
        warpRefList : sequence of WarpRef, Exposure or handle
            Warps in nJy, or with a calibration to it (with doScaleZeroPoint: in counts).
        imageScalerList : sequence
            For each warp None or an object with ``scaleMaskedImage``.
        weightList : sequence of float
            Weight of each warp.
        psfMatchedWarpRefList : sequence, optional
            For `assembleMetadata` of subclasses.
        altMaskList : sequence of mapping, optional
            For each warp None or a mapping of plane name to where it is set.
        mask : int, optional
            Bad bits of the default dictionary, in place of `getBadPixelMask`.

        Returns
        -------
        Struct
            ``coaddExposure`` (not interpolated: see `processResults`), ``nImage`` (None without
            doNImage), ``inputMap`` (None without doInputMap), and the lists ``warpRefList``,
            ``imageScalerList``, ``weightList``, ``altMaskList`` of the warps used,
            ``skippedInputs``.

        Raises
        ------
        NoWorkFound
            There is no warp, or none can be used.
        ValueError
            The lists differ in length; a warp has neither nJy nor a calibration; a weight is
            negative or not finite.
        """
        stats = self.prepareStats(mask)
        try:
            lists = (warpRefList, imageScalerList, weightList, altMaskList)
            plan = self._plan(skyInfo, lists, stats, mask)
        except NoWorkError as error:
            raise NoWorkFound(str(error)) from error
        result = assemble(
            plan,
            tile_step=lambda work: self._subregion(plan, stats, work),
            mask_step=self.setInexactPsf,
        )
        coaddExposure = result.exposure
        refs = [one.ref for one in plan.inputs]
        self.assembleMetadata(coaddExposure, refs, plan.weights, psfMatchedWarpRefList)
        for name, value in result.summary().items():
            if isinstance(value, (int, float, str)):
                self.metadata[name] = value
        mapped = self.inputMapper.run if self.config.doInputMap else lambda *_: None
        return Struct(
            coaddExposure=coaddExposure,
            nImage=result.n_image if self.config.doNImage else None,
            inputMap=mapped(coaddExposure, refs, plan.weights),
            warpRefList=refs,
            imageScalerList=[one.scaler for one in plan.inputs],
            weightList=plan.weights,
            altMaskList=list(plan.alternate_masks),
            skippedInputs=result.skipped,
        )

    def _plan(
        self, skyInfo: Any, lists: tuple[Any, Any, Any, Any], stats: Struct, mask: int | None
    ) -> CoaddPlan:
        """Plan of the coadd by the numbers of `prepareStats`."""
        warps, scalers, weights, alternates = lists
        named = dict(self.config.maskPropagationThresholds)
        options = replace(
            self.config.to_options(),
            interpolate=None,
            statistic=stats.flags.name,
            sigma_clip=stats.ctrl.sigma_clip,
            n_iter=stats.ctrl.n_iter,
            error_from_input_variance=stats.ctrl.error_from_input_variance,
            bad_planes=() if mask is not None else beyond_default(self.config.badMaskPlanes),
            propagation_thresholds={p: named[p] for p in beyond_default(named)},
            max_memory=self.maxMemory,
        )
        plan = prepare(
            warps,
            as_box(skyInfo.bbox),
            weights=weights,
            options=options,
            scalers=scalers,
            alternate_masks=alternates,
            wcs=as_wcs(skyInfo.wcs),
            bad_bits=stats.ctrl.bad_bits,
        )
        thresholds = {**stats.ctrl.propagation_thresholds, **plan.rules.thresholds}
        info = plan.info
        if self.config.doScaleZeroPoint:
            info = replace(info, photo_calib=self.scaleZeroPoint.getPhotoCalib())
        bad = plan.rules.bad
        if self._keepsConfiguredPlanes:
            bad |= plan.rules.planes.known_bitmask(self.config.badMaskPlanes)
        return replace(plan, rules=replace(plan.rules, bad=bad, thresholds=thresholds), info=info)

    def _subregion(self, plan: CoaddPlan, stats: Struct, work: TileWork) -> StackDiagnostics:
        """One strip, through the overridable step."""
        # The pixels of this strip have been read ahead; what is asked for outside of it is read.
        each = zip(plan.inputs, work.pixels, strict=True)
        refs = [one if pixels is None else replace(one, kept=pixels) for one, pixels in each]
        ctrl = replace(
            stats.ctrl, bad_bits=plan.rules.bad, propagation_thresholds=plan.rules.thresholds
        )
        none = [None] * len(refs)
        done = self.assembleSubregion(
            Exposure(work.masked_image, plan.info),
            work.box,
            refs,
            none,
            plan.weights,
            none,
            stats.flags,
            ctrl,
            nImage=work.n_image,
        )
        return StackDiagnostics(0, 0, 0) if done is None else done

    def assembleSubregion(
        self,
        coaddExposure: Exposure,
        bbox: Box,
        warpRefList: Sequence[WarpRef],
        imageScalerList: Sequence[Any],
        weightList: Sequence[float],
        altMaskList: Sequence[Any],
        statsFlags: Property,
        statsCtrl: StatsOptions,
        nImage: Image | None = None,
    ) -> StackDiagnostics | None:
        """Combine the pixels of one strip of the coadd, in place.

        Parameters
        ----------
        coaddExposure : Exposure
            Holds `bbox`; image, mask and variance are written.
        bbox : Box
            Pixels to combine.
        warpRefList : sequence of WarpRef
            Warps; from `run` they come scaled, with their alternate masks set and with the mask
            planes of the coadd.
        imageScalerList, altMaskList : sequence
            For each warp what is still to be applied, or None (arrays of masks cover the box of
            `coaddExposure`).
        weightList : sequence of float
            Weight of each warp.
        statsFlags, statsCtrl : Property, StatsOptions
            How to combine; bits are those of the coadd's mask.
        nImage : Image, optional
            uint32 counts of good inputs, written.
        """
        target = coaddExposure[bbox]
        pixels = [
            self._pixels(ref, bbox, scaler, alternate, coaddExposure)
            for ref, scaler, alternate in zip(
                warpRefList, imageScalerList, altMaskList, strict=True
            )
        ]
        planes = target.mask.planes
        counts = None if nImage is None else nImage[bbox].array
        out = StackPlanes.allocate(bbox.shape, n_clipped=False)
        out.image, out.mask = target.image.array, target.mask.array
        out.variance = target.variance.array
        out.n_point = out.n_point if counts is None else counts
        rules = MaskRules(
            planes,
            statsCtrl.bad_bits,
            planes.known_bitmask(self.config.removeMaskPlanes),
            statsCtrl.propagation_thresholds,
        )
        options = replace(
            self.config.to_options(),
            interpolate=None,
            statistic=statsFlags.name,
            sigma_clip=statsCtrl.sigma_clip,
            n_iter=statsCtrl.n_iter,
            error_from_input_variance=statsCtrl.error_from_input_variance,
        )
        return stack_tile(TileWork(bbox, pixels, list(weightList), rules, options, out))

    def _pixels(
        self, ref: WarpRef, bbox: Box, scaler: Any, alternate: Any, coaddExposure: Exposure
    ) -> MaskedImage | None:
        """Pixels of one warp, None where it lies elsewhere."""
        pixels = pixels_at(ref, bbox, coaddExposure.mask.planes)
        if pixels is None:
            return None
        if scaler is not None:
            pixels = pixels.copy()
            scaler.scaleMaskedImage(pixels)
        return with_alternate(pixels, alternate, coaddExposure.box) if alternate else pixels

    def setInexactPsf(self, mask: Mask) -> None:
        """Set INEXACT_PSF, in place, where an input was rejected, clipped, or at its edge."""
        flag_inexact_psf(mask)

    def assembleMetadata(
        self,
        coaddExposure: Exposure,
        warpRefList: Sequence[WarpRef],
        weightList: Sequence[float],
        psfMatchedWarpRefList: Sequence[Any] | None = None,
    ) -> None:
        """Complete what is known about the coadd, in place.

        Most stands in ``coaddExposure.info`` already; a coadd of PSF-matched warps gets their model
        PSF, and ``inputRecorder`` decides what of the inputs is recorded.
        """
        if self.config.warpType == "psfMatched":
            psf = widest_psf(ref.info() for ref in warpRefList)
            coaddExposure.info = replace(coaddExposure.info, psf=psf)
        recorded = self.inputRecorder.run(coaddExposure.info.inputs)
        coaddExposure.info = replace(coaddExposure.info, inputs=recorded)

    def processResults(
        self, coaddExposure: Exposure, brightObjectMasks: Any = None, dataId: Any = None
    ) -> None:
        """Interpolate over missing pixels and mask bright objects, in place."""
        if self.config.doInterp:
            self.interpImage.run(coaddExposure, planeName="NO_DATA")
        if self.config.doMaskBrightObjects:
            self.setBrightObjectMasks(coaddExposure, brightObjectMasks, dataId)

    def setBrightObjectMasks(
        self, exposure: Exposure, brightObjectMasks: Any, dataId: Any = None
    ) -> None:
        """Set the plane brightObjectMaskName around bright objects, in place.

        Parameters
        ----------
        exposure : Exposure
            With a WCS.
        brightObjectMasks : path or iterable of BrightObject
            Region file, or its content; None is warned of and nothing is done.
        dataId : mapping, optional
            For the message.
        """
        if brightObjectMasks is None:
            self.log.warning("no bright-object masks for %s", dataId)
            return
        objects: Iterable[BrightObject] = brightObjectMasks
        if isinstance(brightObjectMasks, str) or hasattr(brightObjectMasks, "read_text"):
            objects = read_bright_objects(brightObjectMasks)
        plane = self.config.brightObjectMaskName
        mask = exposure.mask
        exposure.masked_image.mask = Mask(mask.array, mask.box, mask.planes.with_planes(plane))
        mask_bright_objects(exposure.mask, objects, exposure.require("wcs"), exposure.box, plane)

# SPDX-License-Identifier: BSD-3-Clause
"""Subtasks of the assembler: what of the inputs is recorded, how the PSF is made, input maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from deepcoadd.geometry import Box
from deepcoadd.provenance import CCD_COLUMNS, NO_PSF_CARD, VISIT_COLUMNS, CoaddInputs, record_table
from deepcoadd.psf import CoaddPsf, GaussianPsf
from deepcoadd.wcs import corners

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from lsst.pex.config import Config
from lsst.pipe.base import Task
from tests.task_scene import WARP_WCS, run_of, task_of, warps

from deepcoadd.tasks import (
    AssembleCoaddConfig,
    CoaddInputRecorderTask,
    CoaddPsfConfig,
    PsfWcsSelectImagesTask,
    WcsSelectImagesTask,
)

pytestmark = pytest.mark.lsst


def with_psf(n: int) -> list[Any]:
    return [one.with_info(psf=GaussianPsf((9, 9), 1.5)) for one in warps(n)]


def test_defaults() -> None:
    config = AssembleCoaddConfig()
    assert config.coaddPsf.warpingKernelName == "lanczos3"
    assert config.coaddPsf.cacheSize == 0
    assert CoaddPsfConfig().cacheSize == 10000
    recorder = config.inputRecorder.value
    assert (recorder.saveEmptyCcds, recorder.saveErrorCcds) == (False, False)
    assert (recorder.saveVisitGoodPix, recorder.saveCcdWeights) == (True, True)
    assert config.select.value.maxPsfFwhm == 1.8
    assert config.inputMapper.value.nside == 32768


def test_the_coadd_has_a_psf_by_the_kernel_asked_for() -> None:
    config = AssembleCoaddConfig()
    config.coaddPsf.warpingKernelName = "lanczos5"
    result = run_of(type(task_of())(config=config), with_psf(2))
    psf = result.coaddExposure.getPsf()
    assert isinstance(psf, CoaddPsf)
    assert psf.kernel == "lanczos5"
    bare = run_of(task_of(), warps(2)).coaddExposure
    assert bare.getPsf() is None
    assert bare.getMetadata()[NO_PSF_CARD] == "no input has a PSF"


def test_inputs_of_the_coadd_are_recorded() -> None:
    inputs = run_of(task_of(), with_psf(3), weightList=[1.0, 2.0, 3.0]).coaddExposure
    recorded = inputs.getInfo().getCoaddInputs()
    assert list(recorded.visits["id"]) == [100, 101, 102]
    assert list(recorded.visits["weight"]) == [1.0, 2.0, 3.0]
    assert list(recorded.ccds["weight"]) == [1.0, 2.0, 3.0]


def test_recorder() -> None:
    rows = [{"id": 5, "goodpix": 0, "weight": 2.0}, {"id": 6, "goodpix": 9, "weight": 2.0}]
    inputs = CoaddInputs(
        record_table(VISIT_COLUMNS, rows), record_table(CCD_COLUMNS, rows), ("a", "b"), ({}, None)
    )
    kept = CoaddInputRecorderTask().run(inputs)
    assert list(kept.ccds["id"]) == [6]
    assert (kept.ccd_polygons, kept.ccd_ap_corr_maps) == (("b",), (None,))
    assert "goodpix" in kept.visits.colnames
    config = CoaddInputRecorderTask.ConfigClass()
    config.saveEmptyCcds = True
    config.saveVisitGoodPix = config.saveCcdWeights = False
    all_of_them = CoaddInputRecorderTask(config=config).run(inputs)
    assert list(all_of_them.ccds["id"]) == [5, 6]
    assert "goodpix" not in all_of_them.visits.colnames
    assert "weight" not in all_of_them.ccds.colnames
    assert len(inputs.ccds) == 2
    assert CoaddInputRecorderTask().run("another table") == "another table"


class Mapper(Task):  # type: ignore[misc]
    ConfigClass = Config
    _DefaultName = "mapper"

    def run(self, coadd: Any, refs: Any, weights: Any) -> Any:
        return coadd.getBBox(), len(refs), list(weights)


def test_input_map_needs_a_task_of_yours() -> None:
    with pytest.raises(ImportError, match=r"inputMapper\.retarget.*pip install healsparse"):
        task_of(doInputMap=True)
    config = AssembleCoaddConfig()
    config.doInputMap = True
    config.inputMapper.retarget(Mapper)
    result = run_of(type(task_of())(config=config), warps(2), weightList=[1.0, 4.0])
    assert result.inputMap == (result.coaddExposure.box, 2, [1.0, 4.0])
    assert run_of(task_of(), warps(2)).inputMap is None


def test_pixels_of_variance_0_keep_their_value() -> None:
    """NO_DATA is set where no input is good and nowhere else."""
    inputs = warps(2)
    for one in inputs:
        one.mask.array[2, 3] = 0
        one.variance.array[2, 3] = 0.0
    coadd = run_of(task_of(statistic="MEAN"), inputs).coaddExposure
    assert coadd.variance.array[2, 3] == 0
    np.testing.assert_array_equal(coadd.mask.has("NO_DATA"), np.isnan(coadd.image.array))


def test_detectors_are_chosen_by_overlap_and_psf() -> None:
    boxes = [Box.from_shape((50, 50), start=(0, x)) for x in (0, 400, 20, 30)]
    region = corners(WARP_WCS, Box.from_shape((60, 80)))
    ids = [{"visit": 1, "detector": n, "band": "r"} for n in range(4)]
    wcs = [WARP_WCS, WARP_WCS, WARP_WCS, None]
    assert WcsSelectImagesTask().run(wcs, boxes, region, ids) == [0, 2]
    coords = [SkyCoord(one.ra, one.dec) for one in region]
    config = WcsSelectImagesTask.ConfigClass()
    config.excludeDetectors = [0]
    assert WcsSelectImagesTask(config=config).run(wcs, boxes, coords, ids) == [2]
    scale = 2.3548 * 0.2
    summary = Table({"psfSigma": [1.0 / scale, 1.0 / scale, 9.0 / scale, 1.0 / scale]})
    assert PsfWcsSelectImagesTask().run(wcs, boxes, region, ids, summary) == [0]

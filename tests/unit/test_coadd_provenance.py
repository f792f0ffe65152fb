# SPDX-License-Identifier: BSD-3-Clause
"""What a coadd says of its inputs: tables, PSF, aperture corrections; in memory and in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from deepcoadd import Exposure, MaskedImage, VisitInfo, io
from deepcoadd.coadd import AssembleOptions, assemble, prepare
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.exposure import FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.photocalib import ChebyshevField
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CCD_COLUMNS, VISIT_COLUMNS, CoaddInputs, record_table
from deepcoadd.psf import (
    AffineTransform,
    CoaddField,
    CoaddPsf,
    CoaddPsfInput,
    FixedKernel,
    GaussianPsf,
    KernelPsf,
    MissingPsf,
)
from deepcoadd.testing import simulate_scene
from deepcoadd.testing.simulate import PsfOptions, SceneOptions

OPTIONS = AssembleOptions(unit=None, interpolate=None)


def flat(variance: float, start: tuple[int, int] = (0, 0), **parts: Any) -> Exposure:
    box = Box.from_shape((40, 50), start=start)
    pixels = MaskedImage.from_arrays(
        np.zeros(box.shape, "f4"), variance=np.full(box.shape, variance, "f4"), start=start
    )
    return Exposure(pixels, **parts)


def detectors(visit: int, sigmas: tuple[float, ...], **parts: Any) -> Exposure:
    """Warp of some detectors, side by side in columns, each with a PSF of its own."""
    width = 50 // len(sigmas)
    rows, psfs = [], []
    for number, sigma in enumerate(sigmas):
        box = Box.from_shape((40, width), start=(0, number * width))
        rows.append(
            {
                "id": 10 * visit + number,
                "visit": visit,
                "ccd": number,
                "bbox_min_x": box.x.min,
                "bbox_min_y": box.y.min,
                "bbox_max_x": box.x.max,
                "bbox_max_y": box.y.max,
                "goodpix": box.area,
                "weight": 1.0,
                "filter": "old",
            }
        )
        psf = KernelPsf(FixedKernel(GaussianPsf((21, 21), sigma).kernel_image().array), box.center)
        shift = AffineTransform.shift(y=0, x=0)
        psfs.append(CoaddPsfInput(psf, box, shift, id=10 * visit + number, good_pixels=box.area))
    visits = [{**rows[0], "id": visit}]
    inputs = CoaddInputs(
        record_table(VISIT_COLUMNS, visits),
        record_table(CCD_COLUMNS, rows),
        (None,) * len(rows),
        tuple({"flux": ChebyshevField(psf.box, ((float(visit),),))} for psf in psfs),
    )
    return flat(
        4.0,
        inputs=inputs,
        psf=CoaddPsf(psfs),
        visit_info=VisitInfo(id=visit),
        filter=FilterLabel("r", "r_new"),
        **parts,
    )


def test_psf_of_a_simulated_coadd_is_the_weighted_mean() -> None:
    scene = simulate_scene(
        SceneOptions(n_visits=4, shape=(60, 70), start=(500, 300), seed=3, psf=PsfOptions())
    )
    result = assemble(scene.warps)
    psf = result.exposure.psf
    assert isinstance(psf, CoaddPsf)
    images = [one.psf.kernel_image().array for one in scene.warps]
    ny, nx = np.max([image.shape for image in images], axis=0)
    expected = np.zeros((ny, nx))
    weights = [record.weight for record in result.inputs]
    for image, weight in zip(images, weights, strict=True):
        y, x = (ny - image.shape[0]) // 2, (nx - image.shape[1]) // 2
        expected[y : y + image.shape[0], x : x + image.shape[1]] += weight * image
    expected /= sum(weights)
    y, x = result.box.center
    np.testing.assert_allclose(psf.kernel_image(y=y, x=x).array, expected, rtol=0, atol=1e-15)
    # Gaussians stand at (0, 0), which is in no input: the middle of the boxes takes its place.
    assert psf.average_position == pytest.approx(result.box.center)
    with pytest.raises(NoDataError, match="no input of the coadd covers"):
        psf.kernel_image(y=0.0, x=0.0)


def test_inputs_that_were_moved_bring_their_psf_along() -> None:
    psf = KernelPsf(FixedKernel(GaussianPsf((9, 9), 1.5).kernel_image().array), (20.0, 25.0))
    plan = prepare([flat(1.0, psf=psf), flat(1.0, psf=psf, start=(10, 0))], options=OPTIONS)
    assert plan.info.psf.average_position == (20.0, 25.0)
    assert len(plan.info.psf.inputs_at(y=5.0, x=5.0)) == 1
    assert len(plan.info.psf.inputs_at(y=20.0, x=5.0)) == 2


def test_without_a_psf_the_coadd_says_why(tmp_path: Path, caplog: Any) -> None:
    bare = assemble([flat(1.0), flat(1.0)], options=OPTIONS).exposure
    assert bare.psf is None
    assert bare.info.metadata["NOPSF"] == "no input has a PSF"
    psf = GaussianPsf((9, 9), 1.5)
    some = [flat(1.0, psf=psf), flat(1.0, psf=MissingPsf("PiffPsf"), visit_info=VisitInfo(id=77))]
    half = assemble(some, options=OPTIONS).exposure
    assert half.psf is None
    assert "visit 77" in half.info.metadata["NOPSF"]
    assert "visit 77" in caplog.text
    io.write(tmp_path / "half.fits", half)
    assert io.describe(tmp_path / "half.fits").psf == "none: no PSF: visit 77"


def test_tables_of_visits_and_detectors() -> None:
    warps = [detectors(7, (1.5, 2.0)), detectors(3, (1.8,)), flat(8.0)]
    result = assemble(warps, options=OPTIONS)
    inputs = result.exposure.inputs
    assert isinstance(inputs, CoaddInputs)
    assert inputs.visits.colnames == list(VISIT_COLUMNS)
    assert inputs.ccds.colnames == list(CCD_COLUMNS)
    assert list(inputs.visits["id"]) == [-3, 3, 7]
    assert list(inputs.ccds["id"]) == [-3, 30, 70, 71]
    assert list(inputs.ccds["visit"]) == [-3, 3, 7, 7]
    assert list(inputs.ccds["ccd"]) == [-1, 0, 0, 1]
    np.testing.assert_allclose(inputs.ccds["weight"], [1 / 8, 1 / 4, 1 / 4, 1 / 4])
    assert list(inputs.visits["filter"]) == ["", "r_new", "r_new"]
    assert list(inputs.visits["goodpix"]) == [2000, 2000, 1000]
    assert list(inputs.visits["bbox_max_x"]) == [49, 49, 24]
    assert result.exposure.filter == FilterLabel("r")
    assert inputs.warps.colnames == result.table().colnames


def test_warps_of_no_or_several_visits_are_not_recorded(caplog: Any) -> None:
    odd = detectors(5, (1.5,))
    twice = replace(odd.inputs, visits=record_table(VISIT_COLUMNS, [{"id": 5}, {"id": 6}]))
    none = replace(odd.inputs, visits=record_table(VISIT_COLUMNS, []))
    warps = [detectors(3, (1.8,)), odd.with_info(inputs=twice), odd.with_info(inputs=none)]
    inputs = assemble(warps, options=OPTIONS).exposure.inputs
    assert list(inputs.visits["id"]) == [3]
    assert list(inputs.ccds["id"]) == [30]
    assert "2 rows in its table of visits" in caplog.text
    assert "0 rows in its table of visits" in caplog.text


def test_psf_and_corrections_of_detectors() -> None:
    """Left half: sigma 1.5 and 1.8; right half 2.0 and 1.8; two equal weights."""
    result = assemble([detectors(7, (1.5, 2.0)), detectors(3, (1.8,))], options=OPTIONS)
    psf = result.exposure.psf
    assert [one.id for one in psf.inputs] == [30, 70, 71]

    def stamp(sigma: float) -> Any:
        return GaussianPsf((21, 21), sigma).kernel_image().array

    for x, sigma in ((10.0, 1.5), (40.0, 2.0)):
        image = psf.kernel_image(y=20.0, x=x).array
        np.testing.assert_allclose(image, 0.5 * (stamp(sigma) + stamp(1.8)), atol=1e-15)
    corrections = result.exposure.ap_corr_map
    value = corrections["flux"].evaluate(y=[20.0, 20.0], x=[10.0, 40.0])
    np.testing.assert_allclose(value, 5.0)
    with pytest.raises(NoDataError, match="no input of the coadd is valid"):
        corrections["flux"].evaluate(y=20.0, x=[10.0, 60.0])


def test_corrections_of_plain_inputs_follow_weight_and_polygon() -> None:
    box = Box.from_shape((40, 50))
    fence = Polygon(((-1.0, -1.0), (-1.0, 20.0), (50.0, 20.0), (50.0, -1.0)))
    warps = [
        flat(1.0, ap_corr_map={"a": ChebyshevField(box, ((2.0,),))}, valid_polygon=fence),
        flat(0.5, ap_corr_map={"a": ChebyshevField(box, ((5.0,),)), "b": "not decoded"}),
    ]
    corrections = assemble(warps, options=OPTIONS).exposure.ap_corr_map
    assert list(corrections) == ["a"]
    assert corrections["a"].evaluate(y=3.0, x=[10.0, 30.0]) == pytest.approx([4.0, 5.0])


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    fence = Polygon(((-1.0, -1.0), (-1.0, 20.0), (50.0, 20.0)))
    first = detectors(7, (1.5, 2.0))
    fenced = first.with_info(inputs=replace(first.inputs, ccd_polygons=(fence, None)))
    made = assemble([fenced, detectors(3, (1.8,))], options=OPTIONS)
    io.write(tmp_path / "a.fits", made.exposure)
    back, now = io.read(tmp_path / "a.fits"), made.exposure
    for name in ("visits", "ccds"):
        ours, theirs = getattr(back.inputs, name), getattr(now.inputs, name)
        assert ours.colnames == theirs.colnames
        for column in ours.colnames:
            np.testing.assert_array_equal(ours[column], theirs[column])
    assert back.inputs.ccd_polygons == (None, fence, None)
    assert isinstance(back.inputs.warps, Table)
    assert back.psf.average_position == now.psf.average_position
    for x in (10.0, 40.0):
        ours, theirs = (one.psf.kernel_image(y=20.0, x=x).array for one in (back, now))
        np.testing.assert_array_equal(ours, theirs)
    assert isinstance(back.ap_corr_map["flux"], CoaddField)
    assert back.ap_corr_map["flux"].evaluate(y=20.0, x=40.0) == 5.0
    assert io.describe(tmp_path / "a.fits").psf == "CoaddPsf of 3 inputs, 21 x 21 pixels"
    # A coadd may be an input of another one: its parts count with its weight.
    again = assemble([back, flat(2.0, psf=GaussianPsf((21, 21), 1.8))], options=OPTIONS)
    assert len(again.exposure.psf.inputs) == 4
    assert again.exposure.ap_corr_map["flux"].evaluate(y=20.0, x=40.0) == 5.0


def test_kernel_of_the_psf_is_an_option() -> None:
    with pytest.raises(OptionError, match="lanczos7"):
        AssembleOptions(psf_kernel="lanczos7")
    options = replace(OPTIONS, psf_kernel="bilinear")
    psf = assemble([flat(1.0, psf=GaussianPsf((9, 9), 1.5))], options=options).exposure.psf
    assert psf.kernel == "bilinear"

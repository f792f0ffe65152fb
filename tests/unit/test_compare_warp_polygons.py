# SPDX-License-Identifier: BSD-3-Clause
"""A coadd says that its inputs count where their PSF-matched versions are valid."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    COMPARE_WARP_ASSEMBLE,
    CompareWarpOptions,
    compare_warp,
    prepare,
    with_valid_polygons,
)
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.polygon import Polygon
from deepcoadd.provenance import CCD_COLUMNS, VISIT_COLUMNS, CoaddInputs, record_table
from deepcoadd.psf import (
    AffineTransform,
    CoaddPsf,
    CoaddPsfInput,
    FixedKernel,
    GaussianPsf,
    KernelPsf,
)
from deepcoadd.refs import as_refs

SHAPE = (40, 60)
PLAIN = replace(COMPARE_WARP_ASSEMBLE, unit=None, interpolate=None)
OPTIONS = CompareWarpOptions(assemble=PLAIN)
REACH = 5
"""How far from the edge of a detector a matched warp has no data."""


def boxes() -> list[Box]:
    """Two detectors side by side, without a gap."""
    return [Box.from_shape((40, 30), start=(0, x)) for x in (0, 30)]


def warp(visit: int, sigma: float, *, reach: int | None, n: int = 2) -> Exposure:
    """Warp of some detectors; with valid polygons `reach` pixels inside of them."""
    rng = np.random.default_rng(visit)
    pixels = MaskedImage.from_arrays(rng.normal(0, 1, SHAPE), None, 1.0)
    rows, parts, polygons = [], [], []
    for number, box in enumerate(boxes()[:n]):
        edges = {"bbox_min_x": box.x.min, "bbox_min_y": box.y.min}
        edges |= {"bbox_max_x": box.x.max, "bbox_max_y": box.y.max}
        rows.append({"id": 10 * visit + number, "visit": visit, "ccd": number, **edges})
        stamp = GaussianPsf((21, 21), sigma + 0.5 * number).kernel_image().array
        parts.append(
            CoaddPsfInput(
                KernelPsf(FixedKernel(stamp), box.center),
                box,
                AffineTransform.shift(y=0, x=0),
                id=10 * visit + number,
            )
        )
        polygon = None if reach is None else Polygon.from_box(box.dilated_by(-reach))
        polygons.append(polygon)
    inputs = CoaddInputs(
        record_table(VISIT_COLUMNS, [{**rows[0], "id": visit}]),
        record_table(CCD_COLUMNS, rows),
        tuple(polygons),
    )
    return Exposure(pixels, psf=CoaddPsf(parts), visit_info=VisitInfo(id=visit), inputs=inputs)


def pairs(n: int = 3) -> tuple[list[Exposure], list[Exposure]]:
    direct = [warp(visit, 1.5, reach=None) for visit in range(1, n + 1)]
    return direct, [warp(visit, 3.0, reach=REACH) for visit in range(1, n + 1)]


def plan_of(direct: Any, matched: Any) -> Any:
    return with_valid_polygons(prepare(direct, options=PLAIN), as_refs(matched))


def sigma_at(psf: Any, y: float, x: float) -> float:
    image = psf.kernel_image(y=y, x=x)
    grid = np.arange(image.array.shape[1]) + image.box.x.start
    return float(np.sqrt((image.array * grid**2).sum() / image.array.sum()))


def test_psf_and_table_hold_within_the_polygons() -> None:
    direct, matched = pairs()
    result = compare_warp(direct, matched, weights=[1.0] * 3, options=OPTIONS, sigma=3.0)
    info = result.exposure.info
    due = [Polygon.from_box(box.dilated_by(-REACH)) for box in boxes()] * 3
    assert [p.vertices for p in info.inputs.ccd_polygons] == [p.vertices for p in due]
    # The models are those of the warps as observed: 1.5 pixels on the one, 2.0 on the other.
    assert_allclose(sigma_at(info.psf, 20, 15), 1.5, rtol=0.01)
    assert_allclose(sigma_at(info.psf, 20, 45), 2.0, rtol=0.01)
    plain = prepare(direct, options=PLAIN).info
    assert plain.psf.inputs_at(y=20, x=32)
    for x in (2.0, 27.0, 32.0, 57.0):
        with pytest.raises(NoDataError, match="no input of the coadd covers"):
            info.psf.kernel_image(y=20, x=x)
    for ours, theirs in zip(plain.inputs.ccds, info.inputs.ccds, strict=True):
        assert ours["id"] == theirs["id"]


def test_a_visit_without_matched_version_keeps_its_polygons() -> None:
    direct, matched = pairs()
    info = compare_warp(
        direct, [matched[0], None, matched[2]], weights=[1.0] * 3, options=OPTIONS, sigma=3.0
    ).exposure.info
    assert [p is None for p in info.inputs.ccd_polygons] == [False, False, True, True, False, False]
    assert [one.id for one in info.psf.inputs_at(y=20, x=32)] == [21]


def test_detectors_that_do_not_agree(caplog: pytest.LogCaptureFixture) -> None:
    direct, matched = pairs()
    fewer = [warp(1, 3.0, reach=REACH, n=1), *matched[1:]]
    info = plan_of(direct, fewer).info
    assert [p is None for p in info.inputs.ccd_polygons] == [
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    lacking = [warp(1, 1.5, reach=None, n=1), *direct[1:]]
    with pytest.raises(ValueError, match="detector 11, which its warp lacks") as caught:
        plan_of(lacking, matched)
    assert isinstance(caught.value, OptionError)
    bare = [warp(1, 3.0, reach=None), *matched[1:]]
    with caplog.at_level(logging.WARNING, "deepcoadd"):
        info = plan_of(direct, bare).info
    assert "detector 10 has no valid polygon" in caplog.text
    assert [p is None for p in info.inputs.ccd_polygons[:2]] == [True, True]


def test_warps_that_are_no_sum_of_detectors() -> None:
    rng = np.random.default_rng(1)
    inner = Polygon.from_box(Box.from_shape(SHAPE).dilated_by(-REACH))
    stamp = GaussianPsf((15, 15), 1.5).kernel_image().array
    direct, matched = [], []
    for visit in range(3):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, SHAPE), None, 1.0)
        psf = KernelPsf(FixedKernel(stamp), (20.0, 30.0))
        direct.append(Exposure(pixels, psf=psf, visit_info=VisitInfo(id=5 + visit)))
        matched.append(
            Exposure(pixels, psf=psf, visit_info=VisitInfo(id=5 + visit), valid_polygon=inner)
        )
    info = plan_of(direct, matched).info
    assert len(info.psf.inputs_at(y=20, x=30)) == 3
    assert info.psf.inputs_at(y=2, x=30) == []
    assert all(p.vertices == inner.vertices for p in info.inputs.ccd_polygons)


def test_nothing_changes_without_polygons() -> None:
    direct, _ = pairs()
    plan = prepare(direct, options=PLAIN)
    bare = [Exposure(one.masked_image, visit_info=one.info.visit_info) for one in direct]
    assert with_valid_polygons(plan, as_refs(bare)) is plan
    assert with_valid_polygons(plan, [None] * 3) is plan

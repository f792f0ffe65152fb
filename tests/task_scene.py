# SPDX-License-Identifier: BSD-3-Clause
"""Warps, sky and calls shared by the tests of the assembler tasks."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS

from deepcoadd import Exposure, MaskedImage, VisitInfo

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")


from deepcoadd.tasks import (
    AssembleCoaddTask,
    SkyInfo,
)


def tan_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, -30.0]
    wcs.wcs.crpix = [5.0, 5.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    wcs.wcs.set()
    return wcs


WARP_WCS = tan_wcs()


def warps(n: int = 6, shape: tuple[int, int] = (20, 16), **parts: Any) -> list[Exposure]:
    rng = np.random.default_rng(11)
    made = []
    for number in range(n):
        image = rng.normal(10, 2, shape)
        image[rng.random(shape) < 0.05] += 100
        one = MaskedImage.from_arrays(image, None, rng.uniform(3, 5, shape), start=(-2, 3))
        for plane in ("BAD", "SAT", "EDGE", "DETECTED", "NOT_DEBLENDED"):
            one.mask.set(plane, rng.random(shape) < 0.04)
        visit = VisitInfo(id=100 + number)
        made.append(Exposure(one, visit_info=visit, **{"unit": u.nJy, "wcs": WARP_WCS, **parts}))
    return made


def sky_of(inputs: list[Exposure]) -> SkyInfo:
    return SkyInfo(inputs[0].box, WARP_WCS)


def task_of(task_class: type = AssembleCoaddTask, **config: Any) -> Any:
    chosen = task_class.ConfigClass()
    for name, value in config.items():
        setattr(chosen, name, value)
    return task_class(config=chosen)


def run_of(task: Any, inputs: list[Exposure], **how: Any) -> Any:
    n = len(inputs)
    weights = how.pop("weightList", [1.0] * n)
    return task.run(sky_of(inputs), inputs, [None] * n, weights, **how)

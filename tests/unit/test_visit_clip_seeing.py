# SPDX-License-Identifier: BSD-3-Clause
"""Widths of PSFs that are measured on stars."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import VISIT_CLIP_ASSEMBLE, VisitClipOptions, prepare, visit_clip
from deepcoadd.coadd._visit_clip_seeing import measured_sigmas
from deepcoadd.errors import NoDataError
from deepcoadd.psf import GaussianPsf
from deepcoadd.refs import ExposureRef

SHAPE = (160, 170)
SEEING = (1.5, 1.9, 2.3, 2.7)
PLAIN = replace(VISIT_CLIP_ASSEMBLE, unit=None, interpolate=None)
STARS = [(y, x) for y in (25, 65, 100, 135) for x in (25, 60, 95, 140)]


def visits(
    seeing: Sequence[float] = SEEING, *, stars: bool = True, galaxies: bool = False
) -> list[Exposure]:
    """Stars of one flux, every second one 5 pixels wide if there are galaxies; unit noise."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made = []
    for number, sigma in enumerate(seeing):
        pixels = rng.normal(0, 1, SHAPE)
        for k, (y0, x0) in enumerate(STARS if stars else []):
            width = 5.0 if galaxies and k % 2 else 0.0
            square = sigma**2 + width**2
            flux = 2e4 if width else 5e3
            light = np.exp(-0.5 * ((y - y0 - 0.3) ** 2 + (x - x0 + 0.2) ** 2) / square)
            pixels += flux / (2 * math.pi * square) * light
        image = MaskedImage.from_arrays(pixels.astype(np.float32), None, 1.0)
        made.append(Exposure(image, visit_info=VisitInfo(id=100 + number)))
    return made


def measured(made: Sequence[Exposure | ExposureRef]) -> list[float]:
    plan = prepare(made, weights=[1.0] * len(made), options=PLAIN)
    # Halves: the second part is looked at where the first has too few stars.
    parts = [Box.from_shape((90, 170)), Box.from_shape((90, 170), start=(70, 0))]
    return measured_sigmas(plan.inputs, plan.rules.bad, parts)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("galaxies", [False, True])
def test_each_seeing_is_measured(n: int, galaxies: bool) -> None:
    """Eight stars of a signal to noise above 100 each: 1 % is expected; neighbours add some."""
    found = measured(visits(SEEING[:n], galaxies=galaxies))
    np.testing.assert_allclose(found, SEEING[:n], rtol=0.04)


def test_cosmic_rays_and_light_of_one_visit_are_no_stars() -> None:
    made = visits()
    rng = np.random.default_rng(6)
    for visit in made:
        hits = rng.integers(0, SHAPE, (60, 2))
        visit.image.array[tuple(hits.T)] += 300.0
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for y0 in range(20, 140, 30):
        blob = 200 * np.exp(-0.5 * ((y - y0) ** 2 + (x - 118) ** 2) / 9.0)
        made[1].image.array[...] += blob.astype(np.float32)
    np.testing.assert_allclose(measured(made), SEEING, rtol=0.06)


def test_without_stars_or_good_pixels_nothing_is_known() -> None:
    assert all(math.isnan(one) for one in measured(visits(stars=False)))
    made = visits()
    made[3].mask.set("SAT", np.ones(SHAPE, bool))
    made[0].variance.array[:80] = 0.0
    found = measured(made)
    np.testing.assert_allclose(found[:3], SEEING[:3], rtol=0.04)
    assert math.isnan(found[3])


def test_scale_and_sky_level_do_not_matter() -> None:
    made = visits()
    for visit in made:
        visit.image.array[...] = visit.image.array * np.float32(1e-3) + np.float32(2.0)
        visit.variance.array[...] = 1e-6
    np.testing.assert_allclose(measured(made), SEEING, rtol=0.04)


def test_inputs_without_a_psf_are_clipped_as_with_it(caplog: pytest.LogCaptureFixture) -> None:
    made = visits()
    for k, visit in enumerate(made):
        visit.image.array[30 + 20 * k, 40] += 80.0
    known = [
        Exposure(visit.masked_image, replace(visit.info, psf=GaussianPsf((25, 25), sigma)))
        for visit, sigma in zip(made, SEEING, strict=True)
    ]
    options = VisitClipOptions(assemble=PLAIN)
    want = visit_clip(known, weights=[1.0] * 4, options=options)
    with caplog.at_level(logging.WARNING):
        got = visit_clip(made, weights=[1.0] * 4, options=options)
    assert "was measured on stars: " in caplog.text
    assert "100 (1.5" in caplog.text
    each = zip(want.artifact_masks, got.artifact_masks, strict=True)
    for k, (one, other) in enumerate(each):
        flags = [mask["CLIPPED"].as_array(made[0].box) for mask in (one, other)]
        assert flags[1][30 + 20 * k, 40]
        assert np.count_nonzero(flags[0] != flags[1]) <= 5


def test_what_cannot_be_read() -> None:
    class Gone(ExposureRef):
        n_reads = 0

        def read(self, box: Box | None = None) -> MaskedImage:
            self.n_reads += 1
            if self.n_reads > 1:
                raise OSError("disk is gone")
            return super().read(box)

        view = read

    with pytest.raises(NoDataError, match=r"visit 103: reading .* failed: disk is gone"):
        measured([*visits()[:3], Gone(visits()[3])])

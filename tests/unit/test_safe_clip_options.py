# SPDX-License-Identifier: BSD-3-Clause
"""What the search by visit footprints offers beside its defaults."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.coadd import (
    COMPARE_WARP_ASSEMBLE,
    TEMPLATE_ASSEMBLE,
    ArtifactCoadd,
    AssembleOptions,
    CompareWarpOptions,
    SafeClipOptions,
    assemble,
    build_difference_image,
    compare_warp,
    prepare,
    safe_clip,
)
from deepcoadd.errors import NoWorkError, OptionError, ShapeError
from deepcoadd.psf import GaussianPsf
from deepcoadd.scale_variance import ScaleVarianceOptions
from deepcoadd.spans import SpanSet

PLAIN = AssembleOptions(statistic="MEAN", sigma_clip=1.5, n_iter=3, unit=None, interpolate=None)
OPTIONS = SafeClipOptions(assemble=PLAIN, detect_on_warps="never")
SHAPE = (100, 110)
CENTER = (50.3, 52.7)
SPOT = Box.from_shape((9, 9), start=(46, 64))


def star(flux: float, sigma: float) -> np.ndarray:
    y = np.arange(SHAPE[0])[:, None] - CENTER[0]
    x = np.arange(SHAPE[1])[None, :] - CENTER[1]
    return flux * np.exp(-(x * x + y * y) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def visits(n: int, flux: float = 3e6) -> tuple[list[Exposure], list[Exposure]]:
    """A bright star in changing seeing, and the same in the worst; a spot beside it in visit 1."""
    rng = np.random.default_rng(3)
    made: tuple[list[Exposure], list[Exposure]] = ([], [])
    for k, own in enumerate(np.linspace(1.6, 2.6, n)):
        noise = rng.normal(0, 1, SHAPE)
        for exposures, sigma in zip(made, (float(own), 2.6), strict=True):
            light = star(flux, sigma)
            pixels = MaskedImage.from_arrays(noise + light, None, 1.0 + light)
            pixels.mask.set("DETECTED", star(flux, 2.6) > 1e-4)
            exposures.append(
                Exposure(pixels, psf=GaussianPsf((31, 31), sigma), visit_info=VisitInfo(id=7 + k))
            )
            if k == 1:
                pixels.image[SPOT].array[...] += 60.0
                pixels.mask[SPOT.dilated_by(9)].set("DETECTED", (slice(None), slice(None)))
    return made


def run(inputs: Any, matched: Any = None, options: SafeClipOptions = OPTIONS) -> ArtifactCoadd:
    return safe_clip(inputs, matched=matched, weights=[1.0] * len(inputs), options=options)


def clipped(result: ArtifactCoadd) -> list[SpanSet]:
    return [mask["CLIPPED"] for mask in result.artifact_masks]


def test_beside_a_star_in_changing_seeing_only_matched_versions_tell() -> None:
    direct, matched = visits(6)
    spot = SpanSet.from_box(SPOT)
    assert not any(spans.overlaps(spot) for spans in clipped(run(direct)))
    result = run(direct, matched[::-1])
    assert [spot <= spans for spans in clipped(result)] == [k == 1 for k in range(6)]
    # The coadd is one of the warps as observed.
    due = assemble(
        direct,
        weights=[1.0] * 6,
        options=replace(PLAIN, bad_planes=(*PLAIN.bad_planes, "CLIPPED")),
        alternate_masks=result.artifact_masks,
    )
    assert_array_equal(result.image.array, due.image.array)
    assert_array_equal(result.variance.array, due.variance.array)
    assert_array_equal(result.mask.array, due.mask.array)


def test_the_difference_is_that_of_the_matched_versions() -> None:
    direct, matched = visits(5)
    result = run(direct, matched)
    assert result.difference is not None
    due = build_difference_image(prepare(matched, options=PLAIN)).exposure
    assert_array_equal(result.difference.image.array, due.image.array)
    assert_array_equal(result.difference.variance.array, due.variance.array)


def test_an_input_without_a_partner_is_searched_like_the_others() -> None:
    direct, matched = visits(6)
    result = run(direct, [None, *matched[1:]])
    assert len(result.inputs) == 6
    assert SpanSet.from_box(SPOT) <= clipped(result)[1]
    with pytest.raises(NoWorkError, match="none of them belongs to any of the 6 inputs"):
        run(direct, [None] * 6)
    with pytest.raises(OptionError, match="two warps are"):
        run(direct, [matched[0]] * 6)


def test_pairs_without_visits_must_be_as_many() -> None:
    direct, matched = (
        [Exposure(one.masked_image, psf=one.info.psf) for one in some] for some in visits(4)
    )
    with pytest.raises(ShapeError, match="3 for 4 inputs"):
        run(direct, matched[:3])


def test_masks_that_bring_clipped_along_are_kept_out_with_matched_versions_too() -> None:
    direct, matched = visits(5)
    where = Box.from_shape((3, 4), start=(5, 80))
    direct[2].mask[where].set("CLIPPED", (slice(None), slice(None)))
    result = run(direct, matched)
    assert result.n_image is not None
    assert (result.n_image[where].array == 4).all()


def scatter_factor(difference: Exposure) -> float:
    """Square of 0.74 inter-quartile ranges of a difference in its own errors."""
    ratio = difference.image.array / np.sqrt(difference.variance.array)
    low, high = np.percentile(ratio[np.isfinite(ratio)], [25, 75])
    return float((0.74 * (high - low)) ** 2)


def test_variances_of_the_difference_can_be_scaled_to_its_scatter() -> None:
    rng = np.random.default_rng(5)
    psf = GaussianPsf((21, 21), 1.5)
    inputs = [
        Exposure(MaskedImage.from_arrays(rng.normal(0, 1, SHAPE), None, 1.0), psf=psf)
        for _ in range(10)
    ]
    plain = run(inputs).difference
    scaled = run(inputs, options=replace(OPTIONS, scale_variance=ScaleVarianceOptions())).difference
    assert plain is not None
    assert scaled is not None
    assert_array_equal(scaled.image.array, plain.image.array)
    factor = scaled.variance.array / plain.variance.array
    # One factor for all pixels; the scatter of 10 values is 1.007 / sqrt(10), its variance plane
    # says 1.54 / sqrt(10), and a background of bins of 32 pixels takes next to nothing away.
    assert np.ptp(factor) < 1e-6
    assert_allclose(np.median(factor), scatter_factor(plain), rtol=0.03)
    assert 0.3 < np.median(factor) < 0.55


def test_scaled_variances_find_fainter_regions() -> None:
    rng = np.random.default_rng(6)
    psf = GaussianPsf((21, 21), 1.5)
    inputs = [
        Exposure(MaskedImage.from_arrays(rng.normal(0, 1, SHAPE), None, 1.0), psf=psf)
        for _ in range(10)
    ]
    patch = Box.from_shape((24, 24), start=(30, 40))
    inputs[4].image[patch].array[...] += np.float32(1.6)
    area = {}
    for name, how in (("as they are", None), ("scaled", ScaleVarianceOptions())):
        result = run(inputs, options=replace(OPTIONS, scale_variance=how))
        assert result.difference is not None
        found = result.difference.mask.has("DETECTED") | result.difference.mask.has(
            "DETECTED_NEGATIVE"
        )
        area[name] = found[patch.slices_within(result.box)].mean()
    assert area["scaled"] > area["as they are"] + 0.2


def test_variances_that_cannot_be_scaled_are_left(caplog: pytest.LogCaptureFixture) -> None:
    inputs, _ = visits(5)
    for one in inputs:
        one.mask.set("DETECTED", (slice(None), slice(None)))
    with caplog.at_level(logging.WARNING, "deepcoadd"):
        result = run(inputs, options=replace(OPTIONS, scale_variance=ScaleVarianceOptions()))
    assert "variances of the difference are left as they are" in caplog.text
    same = run(inputs)
    assert_array_equal(result.image.array, same.image.array)


def test_both_searches_agree_on_a_square_in_one_of_five() -> None:
    """The same visit, the square covered by both; the areas differ."""
    rng = np.random.default_rng(3)
    psf = GaussianPsf((25, 25), 2.0)
    square = Box.from_shape((30, 30), start=(35, 40))
    inputs = []
    for k in range(5):
        pixels = MaskedImage.from_arrays(rng.normal(0, 1, SHAPE), None, 1.0)
        inputs.append(Exposure(pixels, psf=psf, visit_info=VisitInfo(id=1 + k)))
    inputs[2].image[square].array[...] += np.float32(20)
    inputs[2].mask[square.dilated_by(6)].set("DETECTED", (slice(None), slice(None)))
    both = (
        run(inputs),
        compare_warp(
            inputs,
            inputs,
            weights=[1.0] * 5,
            options=CompareWarpOptions(
                assemble=replace(COMPARE_WARP_ASSEMBLE, unit=None, interpolate=None),
                template=TEMPLATE_ASSEMBLE,
            ),
        ),
    )
    for result in both:
        assert [bool(spans) for spans in clipped(result)] == [k == 2 for k in range(5)]
        assert SpanSet.from_box(square) <= clipped(result)[2]
    # The square grown by a pixel without its corners there; here the growth of the smoothed one.
    assert clipped(both[1])[2].area == 32 * 32 - 4
    assert clipped(both[0])[2].area > 1500
    inner = square.slices_within(both[0].box)
    assert_array_equal(both[0].image.array[inner], both[1].image.array[inner])

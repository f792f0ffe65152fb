# SPDX-License-Identifier: BSD-3-Clause
"""What must hold whatever the inputs and the artifacts in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.coadd import ArtifactCoadd, AssembleOptions, SafeClipOptions, assemble, safe_clip
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet

PLANES = ("BAD", "SAT", "EDGE", "NO_DATA", "DETECTED", "CLIPPED", "SUSPECT", "NOT_DEBLENDED")
PLAIN = AssembleOptions(sigma_clip=1.5, n_iter=3, unit=None, interpolate=None)
BOX = Box.from_shape((48, 60), start=(-20, -31))
SIGMA = 1.2


@st.composite
def stacks(draw: st.DrawFn, n_min: int = 1) -> list[MaskedImage]:
    """Inputs with boxes of their own, artifacts, detections, NaN and bad pixels of every sort."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bad = draw(st.sampled_from([0.0, 0.01, 0.2]))
    inputs = []
    for _ in range(draw(st.integers(n_min, 6))):
        start = (draw(st.integers(-24, -16)), draw(st.integers(-35, -27)))
        shape = (draw(st.integers(30, 55)), draw(st.integers(40, 65)))
        # Multiples of 1/64 and 1/1024, whose sums are exact in any order.
        image = np.round(rng.normal(0, 1, shape) * 1024) / 1024
        variance = np.round(rng.uniform(0.5, 2, shape) * 64) / 64
        pixels = MaskedImage.from_arrays(image, None, variance, start=start)
        for _ in range(draw(st.integers(0, 2))):
            corner = (draw(st.integers(-20, 10)), draw(st.integers(-31, 10)))
            where = Box.from_shape((draw(st.integers(1, 20)), 14), start=corner) & pixels.box
            pixels.image[where].array[...] += draw(st.sampled_from([-40.0, 5.0, 100.0]))
            around = where.dilated_by(draw(st.integers(0, 8))) & pixels.box
            pixels.mask[around].set("DETECTED", (slice(None), slice(None)))
        pixels.image.array[rng.random(shape) < bad] = np.nan
        pixels.variance.array[rng.random(shape) < bad / 4] = np.inf
        pixels.variance.array[rng.random(shape) < bad / 4] = 0.0
        for plane in PLANES:
            pixels.mask.set(plane, rng.random(shape) < bad / 2)
        inputs.append(pixels)
    return inputs


def safe(inputs: list[Any], options: AssembleOptions = PLAIN, **more: Any) -> ArtifactCoadd:
    chosen = SafeClipOptions(assemble=options, detect_on_warps="never", min_big_overlap=30)
    weights = more.pop("weights", [1.0 + k for k in range(len(inputs))])
    return safe_clip(inputs, BOX, weights=weights, options=chosen, sigma=SIGMA, **more)


def same_bits(a: Any, b: Any) -> None:
    for name in ("image", "mask", "variance", "n_image"):
        np.testing.assert_array_equal(getattr(a, name).array, getattr(b, name).array, err_msg=name)


@given(stacks())
def test_making_parts_again_is_making_all_again(inputs: list[MaskedImage]) -> None:
    with patch.multiple("deepcoadd.coadd._recompute", _ROWS=3, _COLUMNS=5):  # most blocks stay
        result = safe(inputs)
    final = replace(PLAIN, bad_planes=(*PLAIN.bad_planes, "CLIPPED"))
    weights = [1.0 + k for k in range(len(inputs))]
    full = assemble(
        inputs, BOX, weights=weights, options=final, alternate_masks=result.artifact_masks
    )
    same_bits(result, full)


@given(stacks(), st.integers(1, 50), st.sampled_from([1, 40_000, 10**9]))
def test_tiles_and_budget_never_show(inputs: list[MaskedImage], rows: int, budget: int) -> None:
    first = safe(inputs)
    again = safe(inputs, replace(PLAIN, subregion=(rows, 3), max_memory=budget))
    same_bits(first, again)
    assert first.artifact_masks == again.artifact_masks


@given(stacks(n_min=3), st.randoms(use_true_random=False))
def test_the_order_of_inputs_does_not_matter(inputs: list[MaskedImage], random: Any) -> None:
    order = list(range(len(inputs)))
    random.shuffle(order)
    weights = [1.0] * len(inputs)
    first = safe(inputs, weights=weights)
    again = safe([inputs[k] for k in order], weights=weights)
    assert [first.artifact_masks[k] for k in order] == again.artifact_masks
    same_bits(first, again)


@given(stacks(), st.sampled_from([0.25, 4.0]))
def test_powers_of_two_commute_with_everything(inputs: list[MaskedImage], factor: float) -> None:
    scaled = []
    for pixels in inputs:
        other = pixels.copy()
        other.image.array[...] *= np.float32(factor)
        other.variance.array[...] *= np.float32(factor**2)
        scaled.append(other)
    first, again = safe(inputs), safe(scaled)
    assert first.artifact_masks == again.artifact_masks
    np.testing.assert_array_equal(factor * first.image.array, again.image.array)
    np.testing.assert_array_equal(first.mask.array, again.mask.array)


@given(stacks())
def test_every_pixel_left_out_has_a_reason(inputs: list[MaskedImage]) -> None:
    refs = [ExposureRef(Exposure(one), {"visit": 10 + k}) for k, one in enumerate(inputs)]
    result = safe(refs)
    rows = result.decisions
    for k, mask in enumerate(result.artifact_masks):
        spans = mask["CLIPPED"]
        blamed = [row for row in rows if str(10 + k) in row["clipped"].split(";")]
        boxes = [
            Box.from_corners(x0=row["x0"], y0=row["y0"], x1=row["x1"], y1=row["y1"])
            for row in blamed
        ]
        assert spans.area <= sum(row["area"] for row in blamed)
        hull = SpanSet()
        for box in boxes:
            hull |= SpanSet.from_box(box)
        assert spans <= hull
        assert bool(spans) == bool(blamed)
        assert BOX.contains(spans.box)
    assert len(inputs) >= 3 or not len(rows)


def test_exposures_and_masked_images_are_the_same_inputs() -> None:
    rng = np.random.default_rng(0)
    inputs = [MaskedImage.from_arrays(rng.normal(0, 1, BOX.shape), None, 1.0, box=BOX)] * 3
    same_bits(safe(inputs), safe([Exposure(one) for one in inputs]))

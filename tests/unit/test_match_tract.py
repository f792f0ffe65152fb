# SPDX-License-Identifier: BSD-3-Clause
"""Matching of visits over the patches of a tract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.background import CellGrid, TractMatchOptions, match_backgrounds
from deepcoadd.background._match_medians import measure_medians
from deepcoadd.errors import NoOverlapError, OptionError
from deepcoadd.refs import ExposureRef
from deepcoadd.statistics import statistics

TRACT = Box.from_shape((300, 620), start=(40, 10))
PATCHES = [
    Box.from_corners(x0=10, y0=40, x1=329, y1=339),
    Box.from_corners(x0=300, y0=40, x1=629, y1=339),
]
OPTIONS = TractMatchOptions(cell_size=32)
NOISE = 3.0


def skies(n: int) -> Any:
    """Planes over the tract."""
    y, x = np.mgrid[: TRACT.shape[0], : TRACT.shape[1]] / 300.0
    rng = np.random.default_rng(1)
    return np.array(
        [rng.uniform(80, 200) + rng.uniform(-9, 9) * y + rng.uniform(-9, 9) * x for _ in range(n)]
    )


def warps(n: int, covered: dict[int, list[int]] | None = None) -> list[ExposureRef]:
    """Warps of n visits in two patches that overlap by 30 columns."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: TRACT.shape[0], : TRACT.shape[1]]
    galaxy = 200 * np.exp(-np.hypot(y - 150, x - 320) / 40)
    refs = []
    for visit, sky in enumerate(skies(n)):
        pixels = rng.normal(sky + galaxy, NOISE)
        for patch in (covered or {}).get(visit, [0, 1]):
            box = PATCHES[patch]
            part = pixels[box.slices_within(TRACT)]
            image = MaskedImage.from_arrays(part.copy(), None, NOISE**2, box=box)
            refs.append(ExposureRef(Exposure(image), {"visit": visit, "patch": patch}))
    return refs


def rest_of(refs: list[ExposureRef], match: Any, reference: int) -> list[Any]:
    """Matched sky less that of the reference, of each warp."""
    planes = skies(1 + max(ref.data_id["visit"] for ref in refs))
    out = []
    for ref, result in zip(refs, match.results, strict=True):
        cut = ref.box().slices_within(TRACT)
        added = 0.0 if result.model is None else result.model.image().array
        out.append(planes[ref.data_id["visit"]][cut] + added - planes[reference][cut])
    return out


def test_visits_match_over_all_patches() -> None:
    refs = warps(3)
    before = [ref.exposure.image.array.copy() for ref in refs]
    match = match_backgrounds(refs, "tract", OPTIONS, reference=2)
    assert [r.status for r in match.results] == ["ok", "ok", "reference", "reference", "ok", "ok"]
    for ref, image in zip(refs, before, strict=True):
        np.testing.assert_array_equal(ref.exposure.image.array, image)
    for rest in rest_of(refs, match, 1):
        # A superpixel knows its difference to 3 sqrt(2) / 32; curves at the corners twice that.
        assert np.sqrt(np.mean(rest**2)) < 0.25
    # Both warps of a visit have the same background where they overlap.
    both = PATCHES[0] & PATCHES[1]
    one, two = (match.results[k].model for k in (0, 1))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.image(both).array, two.image(both).array)
    assert not one.extrapolates


def test_coverage_decides_on_the_reference_and_gaps_are_bounded() -> None:
    refs = warps(3, {0: [0], 2: [1]})
    match = match_backgrounds(refs, "tract", OPTIONS)
    assert [r.status for r in match.results] == ["ok", "reference", "reference", "ok"]
    assert match.reference == 1
    for rest in rest_of(refs, match, 1):
        assert np.sqrt(np.mean(rest**2)) < 0.25
    # Where a visit has no pixels its background stays within what was measured.
    model = match.results[0].model
    assert model is not None
    grid = model.background.values  # type: ignore[attr-defined]
    measured = model.measured  # type: ignore[attr-defined]
    assert not measured.all()
    assert grid[~measured].max() <= grid[measured].max()
    assert grid[~measured].min() >= grid[measured].min()


def test_a_visit_that_shares_nothing_fails_alone() -> None:
    refs = warps(3, {0: [0], 1: [0]})
    refs = [ref for ref in refs if (ref.data_id["visit"], ref.data_id["patch"]) != (2, 0)]
    far = refs[2].exposure
    moved = MaskedImage.from_arrays(far.image.array, None, 9.0, start=(40, 1000))
    refs[2] = ExposureRef(Exposure(moved), {"visit": 2})
    match = match_backgrounds(refs, "tract", OPTIONS)
    assert [r.status for r in match.results].count("failed") == 1
    assert match.results[2].status == "failed"
    assert "shares no superpixel" in match.results[2].message
    assert len(match.matched()) == 2
    with pytest.raises(OptionError, match="overlaps no other visit"):
        match_backgrounds(refs, "tract", OPTIONS, reference=2)
    with pytest.raises(NoOverlapError, match="no two of 1 visits"):
        match_backgrounds(refs[:1], "tract", OPTIONS)


def test_smoothing_and_curves() -> None:
    refs = warps(2)
    rough = match_backgrounds(refs, "tract", OPTIONS, reference=0)
    smooth = match_backgrounds(
        refs,
        "tract",
        TractMatchOptions(cell_size=32, smooth=1.5, interp_style="LINEAR"),
        reference=0,
    )
    inner = np.s_[100:200, 100:200]
    errors = [float(np.std(rest_of(refs, match, 0)[2][inner])) for match in (rough, smooth)]
    assert errors[1] < errors[0]


FAST = replace(OPTIONS, binning="fast")


def test_one_warp_at_a_time_is_as_good_where_all_mask_alike() -> None:
    refs = warps(3)
    exact = match_backgrounds(refs, "tract", OPTIONS, reference=2)
    fast = match_backgrounds(refs, "tract", FAST, reference=2)
    assert [r.status for r in fast.results] == [r.status for r in exact.results]
    for rest in rest_of(refs, fast, 1):
        # Medians know a superpixel 1.25 times worse than means.
        assert np.sqrt(np.mean(rest**2)) < 0.32
    for k in (0, 5):
        ours, theirs = fast.results[k], exact.results[k]
        assert ours.fit_rms == theirs.fit_rms == 0
        assert ours.model is not None
        # Where the galaxy is flat; its slope widens the scatter elsewhere.
        least = ours.model.background.variances.min()  # type: ignore[attr-defined]
        assert least == pytest.approx(2 * 9 / 32**2 * np.pi / 2, rel=0.2)
        assert theirs.model is not None
        np.testing.assert_array_equal(ours.model.validity(), theirs.model.validity())


def test_levels_of_one_warp_are_clipped_medians() -> None:
    (ref,) = [one for one in warps(1) if one.data_id["patch"] == 1]
    rng = np.random.default_rng(8)
    image, mask = ref.exposure.image.array, ref.exposure.mask.array
    image[rng.uniform(size=image.shape) < 0.02] = 1e4
    mask[5:9, 40:50] = ref.exposure.mask.planes.bitmask("SAT")
    image[100:110] = np.nan
    grid = CellGrid.of(ref.box(), 32)
    twin = ExposureRef(ref.exposure, {"visit": 1})
    found = measure_medians([ref, twin], grid, ("SAT",), min_fraction=0.1, max_memory=2**30)
    one = measure_medians([ref, twin], grid, ("SAT",), min_fraction=0.1, max_memory=240_000)
    np.testing.assert_array_equal(found.values, one.values)
    ys, xs = grid.edges_y, grid.edges_x
    for j, i in ((0, 1), (3, 2), (4, 5)):
        cut = np.s_[ys[j] : ys[j + 1], xs[i] : xs[i + 1]]
        good = image[cut][(mask[cut] == 0) & np.isfinite(image[cut])].astype(float)
        clipped = statistics(good, properties="MEANCLIP|VARIANCECLIP")
        far = np.abs(good - clipped.value("MEANCLIP")) > 3 * np.sqrt(clipped.value("VARIANCECLIP"))
        assert 0 < far.sum() < 0.1 * far.size
        kept = good[~far]
        assert found.values[0, j, i] == pytest.approx(np.median(kept), rel=1e-7)
        want = np.pi / 2 * np.var(kept, ddof=1) / kept.size
        assert found.variances[0, j, i] == pytest.approx(want, rel=1e-5)
    alone = measure_medians([ref], grid, ("SAT",), min_fraction=0.1, max_memory=2**30)
    assert np.isnan(alone.values).all()


def test_light_that_only_one_visit_masks_pulls_single_warps() -> None:
    """What "exact" is for: a halo of which one visit masks the bright part."""
    refs = warps(2)
    y, x = np.mgrid[: TRACT.shape[0], : TRACT.shape[1]]
    halo = 60 * np.exp(-np.hypot(y - 150, x - 150) / 30).astype(np.float32)
    for ref in refs:
        pixels = ref.exposure.masked_image
        part = halo[ref.box().slices_within(TRACT)]
        pixels.image.array[:] += part
        if ref.data_id["visit"] == 1:
            pixels.mask.array[part > 10] |= pixels.planes.bitmask("BAD")
    worst = {}
    for options in (OPTIONS, FAST):
        rest = rest_of(refs, match_backgrounds(refs, "tract", options, reference=0), 0)
        worst[options.binning] = max(float(np.abs(r).max()) for r in rest[2:])
    assert worst["exact"] < 1.5
    assert worst["fast"] > 2 * worst["exact"]


def test_pixels_whose_squares_pass_float32() -> None:
    """The variance of the model is infinite there; its levels are right."""
    factor = np.float32(1e25)
    inputs = warps(2)
    for ref in inputs:
        image = ref.exposure.masked_image
        image.image.array *= factor
        image.variance.array[:] = 1.0
    found = match_backgrounds(inputs, mode="tract", options=OPTIONS)
    plain = match_backgrounds(warps(2), mode="tract", options=OPTIONS)
    for large, small in zip(found.results, plain.results, strict=True):
        if large.model is not None and small.model is not None:
            want = small.model.image(PATCHES[0]).array
            np.testing.assert_allclose(
                large.model.image(PATCHES[0]).array / factor, want, rtol=1e-4
            )


def test_variances_are_inflated() -> None:
    refs = warps(2)
    wide = replace(OPTIONS, variance_inflation=2.5)
    ours, plain = (match_backgrounds(refs, "tract", o, reference=0) for o in (wide, OPTIONS))
    for one, other in zip(ours.results[2:], plain.results[2:], strict=True):
        assert one.model is not None
        assert other.model is not None
        np.testing.assert_array_equal(one.model.image().array, other.model.image().array)
        assert one.model_variance == pytest.approx(2.5 * other.model_variance, rel=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrong",
    [
        {"binning": "slow"},
        {"variance_inflation": 0.0},
        {"cell_size": 1},
        {"interp_style": "NONE"},
        {"smooth": -1.0},
        {"weight_chi2": 2.0},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TractMatchOptions(**wrong)

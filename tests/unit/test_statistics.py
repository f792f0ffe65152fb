# SPDX-License-Identifier: BSD-3-Clause
"""Edge cases of the statistics; the numbers are worked out in docs/algorithms/statistics.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.image import Image, MaskedImage
from deepcoadd.statistics import (
    Property,
    StackPlanes,
    StatsOptions,
    stack,
    stack_planes,
    statistics,
)

NAN = math.nan
OUTLIERS = [10, 10.1, 9.9, 10.05, 9.95, 10.2, 30, -20]

# samples, options, NPOINT, MEAN, VARIANCE, MEANCLIP, error of MEANCLIP, NCLIPPED
EDGE_CASES: list[tuple[list[float], dict[str, Any], int, float, float, float, float, int]] = [
    ([NAN, NAN], {}, 0, NAN, NAN, NAN, NAN, 0),
    ([5], {}, 1, 5, NAN, 5, NAN, 0),
    ([5, 7], {}, 2, 6, 2, 6, 1, 0),
    ([1, 2, 2, 3, 8], {}, 5, 3.2, 7.7, 2.0, 0.408248290463863, 1),
    ([*range(1, 10), 100], {}, 10, 14.5, 909.166666666667, 5.0, 0.912870929175277, 1),
    ([0] * 9 + [1], {}, 10, 0.1, 0.1, 0, 0, 1),
    (OUTLIERS, {}, 8, 8.775, 184.008571428571, 10.0333333333333, 0.0440958551844098, 2),
    (
        OUTLIERS,
        {"sigma_clip": 1.5, "n_iter": 2},
        8,
        8.775,
        184.008571428571,
        10.0,
        0.0353553390593274,
        3,
    ),
    ([1, 2, 3, NAN, 4, math.inf, 5], {}, 5, 3, 2.5, 3, 0.707106781186548, 0),
]


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["single", "stack"])
def test_edge_cases(case: Any, dtype: Any, way: str) -> None:
    samples, options, n_point, mean, variance, meanclip, error, n_clipped = case
    options = StatsOptions(**options)
    rel = 1e-6 if dtype == np.float32 else 1e-12
    if way == "single":
        got = statistics(
            np.array(samples, dtype), properties="MEAN|VARIANCE|MEANCLIP|ERRORS", options=options
        )
        assert got.n_point == n_point
        assert got.n_clipped == n_clipped
        assert got.n_masked == len(samples) - n_point
        assert got.value("MEAN") == pytest.approx(mean, rel=rel, nan_ok=True)
        assert got.value("VARIANCE") == pytest.approx(variance, rel=rel, nan_ok=True)
        assert got.result("MEANCLIP")[0] == pytest.approx(meanclip, rel=rel, nan_ok=True)
        assert got.error("MEANCLIP") == pytest.approx(error, rel=5 * rel, nan_ok=True)
        return
    images = [np.array([[x]], dtype) for x in samples]
    clip = stack(images, "MEANCLIP", options)
    assert clip.image.dtype == dtype
    assert clip.image[0, 0] == pytest.approx(meanclip, rel=rel, nan_ok=True)
    assert math.sqrt(clip.variance[0, 0]) == pytest.approx(error, rel=5 * rel, nan_ok=True)
    assert clip.n_clipped[0, 0] == n_clipped
    assert clip.n_point[0, 0] == n_point
    assert stack(images, "MEAN", options).image[0, 0] == pytest.approx(mean, rel=rel, nan_ok=True)
    plane = stack(images, "VARIANCE", options).image[0, 0]
    assert plane == pytest.approx(variance, rel=rel, nan_ok=True)


@pytest.mark.parametrize(("mosaic", "error"), [(False, 0.5945466864586962), (True, 1.78364005938)])
def test_weights_and_input_variances(mosaic: bool, error: float) -> None:
    k = np.arange(1.0, 11.0)
    options = StatsOptions(error_from_input_variance=not mosaic, error_mosaic_mode=mosaic)
    got = statistics(
        [*range(1, 10), 100],
        variance=k,
        weights=1 / k,
        properties="MEANCLIP|ERRORS",
        options=options,
    )
    assert got.value() == pytest.approx(3.1813718614111, rel=1e-12)
    assert got.error() == pytest.approx(error, rel=1e-11)
    assert got.n_clipped == 1


def test_one_sample_with_input_variance_has_an_error() -> None:
    options = StatsOptions(error_from_input_variance=True)
    got = statistics([5.0], variance=[4.0], properties="MEANCLIP|MEAN|ERRORS", options=options)
    assert got.result("MEANCLIP") == (5.0, 2.0)
    assert got.result("MEAN") == (5.0, 2.0)


@pytest.mark.parametrize("prop", ["MEAN", "MEDIAN", "MEANCLIP", "VARIANCE", "MIN", "IQRANGE"])
@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_not_nan_safe_poisons(prop: str, bad: float) -> None:
    options = StatsOptions(nan_safe=False)
    assert math.isnan(statistics([1.0, bad, 3.0], properties=prop, options=options).value())
    images = [np.full((1, 20), x, np.float32) for x in (1.0, bad, 3.0)]
    assert np.isnan(stack(images, prop, options).image).all()


def test_exact_medians_and_ramps() -> None:
    assert statistics([1, 2, 3, 2], properties="MEDIAN").value() == 2
    assert statistics(range(10), properties="MEDIAN").value() == 4.5
    assert statistics(range(11), properties="MEDIAN").value() == 5
    ramp = np.tile(10 + np.arange(101, dtype=np.float32), (64, 1))
    got = statistics(ramp, properties="MEAN|MEDIAN|MEANCLIP|IQRANGE|MIN|MAX|SUM")
    assert [got.value(p) for p in ("MEAN", "MEDIAN", "MEANCLIP", "IQRANGE")] == [60, 60, 60, 50]
    assert [got.value(p) for p in ("MIN", "MAX", "SUM")] == [10, 110, 60 * ramp.size]


def test_inverse_variance_weights() -> None:
    image = np.ones((10, 10), np.float32)
    variance = np.full((10, 10), 0.1, np.float32)
    options = StatsOptions(weighted=True)
    got = statistics(image, variance=variance, properties="SUM", options=options)
    assert got.value() == pytest.approx(1000, abs=1e-4)
    values = np.array([1, 2, 2, 3, 8], np.float32)
    images = [MaskedImage.from_arrays(np.full((2, 3), x), None, np.full((2, 3), x)) for x in values]
    result = stack(images, "MEAN", options)
    np.testing.assert_allclose(result.image, 5 / np.sum(1 / values.astype(float)), rtol=1e-7)
    result = stack(images, "MEAN", StatsOptions(weighted=True, error_from_input_variance=True))
    np.testing.assert_allclose(result.variance, 1 / np.sum(1 / values.astype(float)), rtol=1e-7)


def test_bad_variances_are_bad_pixels_with_inverse_variance_weights() -> None:
    values, variance = [1.0, 2.0, 3.0, 50.0], [1.0, 1.0, 1.0, 0.0]
    options = StatsOptions(weighted=True)
    for bad in (0.0, -1.0, NAN, math.inf):
        variance[3] = bad
        got = statistics(values, variance=variance, properties="MEDIAN|MEAN", options=options)
        assert (got.value("MEDIAN"), got.value("MEAN"), got.n_masked) == (2.0, 2.0, 1)


def test_errors_of_the_mean_of_a_constant() -> None:
    image = np.ones(100)
    kwargs: dict[str, Any] = {
        "variance": np.full(100, 10.0),
        "weights": np.full(100, 0.1),
        "properties": "MEAN|ERRORS",
    }
    independent = StatsOptions(error_from_input_variance=True)
    mosaic = StatsOptions(error_mosaic_mode=True)
    assert statistics(image, options=independent, **kwargs).error() ** 2 == pytest.approx(0.1)
    assert statistics(image, options=mosaic, **kwargs).error() ** 2 == pytest.approx(10)
    scatter = statistics(image, options=StatsOptions(), **kwargs)
    assert scatter.error() == 0.0  # clamped, never NaN


@pytest.mark.parametrize(
    ("weight", "rejected", "is_set"), [(1, True, False), (2, True, True), (1, False, True)]
)
def test_mask_propagation(weight: float, rejected: bool, is_set: bool) -> None:
    bit = 3
    values = [1.0, 1.0, 1.0, 1.0, 12.0]
    mask = [0, 0, 0, 0, 1 << bit]
    weights = [1.0, 1.0, 1.0, 1.0, weight]
    options = StatsOptions(
        bad_bits=(1 << bit) if rejected else 0, propagation_thresholds={bit: 0.3}
    )
    got = statistics(values, mask=mask, weights=weights, options=options)
    assert bool(got.or_mask >> bit & 1) is is_set
    images = [
        MaskedImage.from_arrays(np.full((1, 40), x), np.full((1, 40), m), np.ones((1, 40)))
        for x, m in zip(values, mask, strict=True)
    ]
    result = stack(images, "MEAN", options, weights)
    assert np.all((result.mask >> bit & 1).astype(bool) == is_set)


def test_or_mask() -> None:
    assert statistics([1.0, 2.0], mask=[4, 3]).or_mask == 7
    assert statistics([1.0, 2.0], mask=[4, 3], options=StatsOptions(bad_bits=1)).or_mask == 4
    top = StatsOptions(bad_bits=1 << 31)
    assert statistics([1.0, 2.0], mask=np.array([1 << 31, 3], np.uint32), options=top).or_mask == 3


def test_mask_from_kept_leaves_out_clipped_samples() -> None:
    values = [1.0, 2.0, 2.0, 3.0, 8.0]
    mask = [1, 1, 1, 1, 2]
    kept = StatsOptions(mask_from_kept=True, propagation_thresholds={1: 0.15})
    assert statistics(values, mask, properties="MEANCLIP").or_mask == 3
    assert statistics(values, mask, properties="MEANCLIP", options=kept).or_mask == 3
    higher = StatsOptions(mask_from_kept=True, propagation_thresholds={1: 0.25})
    assert statistics(values, mask, properties="MEANCLIP", options=higher).or_mask == 1


def test_a_pass_that_keeps_too_few_falls_back() -> None:
    got = statistics([5.0, 7.0], properties="MEANCLIP", options=StatsOptions(sigma_clip=1.3))
    assert (got.value(), got.n_clipped) == (6.0, 0)
    images = [np.full((1, 50), x, np.float32) for x in (5.0, 7.0)]
    result = stack(images, "MEANCLIP", StatsOptions(sigma_clip=1.3))
    assert result.n_fallback == 50
    assert np.all(result.image == 6.0)
    assert np.all(result.n_clipped == 0)


def test_truncation_correction_undoes_the_loss_of_variance() -> None:
    samples = np.random.default_rng(4).normal(0, 1, 200_000)
    plain = statistics(samples, properties="VARIANCECLIP").value()
    options = StatsOptions(truncation_correction=True)
    corrected = statistics(samples, properties="VARIANCECLIP", options=options).value()
    tolerance = 4 * math.sqrt(2 / samples.size)  # four sigma of a variance: 6e-5 false alarms
    assert plain == pytest.approx(0.9699711, rel=tolerance)
    assert corrected == pytest.approx(1.0, rel=tolerance)
    assert corrected / plain == pytest.approx(1 / 0.9699711, rel=1e-6)


def test_stack_masks() -> None:
    values = np.array([1, 2, 2, 3, 8], np.float32)
    mask = np.array([0, 0, 4, 0, 0], np.int32)
    images = [
        MaskedImage.from_arrays(np.full((1, 3), x), np.full((1, 3), m), np.ones((1, 3)))
        for x, m in zip(values, mask, strict=True)
    ]
    images[0].image.array[0, 0] = NAN
    for image in images:
        image.image.array[0, 2] = NAN
    options = StatsOptions(no_data_bits=256)
    result = stack(images, "MEAN", options, clipped_bits=16, mask_map=[(4, 32)])
    assert result.mask.tolist() == [[4 | 32, 4, 256 | 32]]
    clipped = stack(images, "MEANCLIP", options, clipped_bits=16, mask_map=[(4, 32)])
    assert clipped.mask[0, 1] == 4 | 16
    excused = stack(
        images, "MEAN", StatsOptions(bad_bits=4 | 1, no_data_bits=256), clipped_bits=16, excuse=1
    )
    assert excused.mask.tolist() == [[16, 16, 256 | 16]]
    assert np.isnan(result.image[0, 2])
    assert np.isnan(result.variance[0, 2])
    assert result.n_point.tolist() == [[4, 5, 0]]
    assert result.weight_sum.tolist() == [[4, 5, 0]]


def test_images_of_weight_zero_are_absent() -> None:
    values = [np.full((2, 40), x, np.float32) for x in (1.0, 2.0, 90.0)]
    with_zero = stack(values, "MEDIAN", StatsOptions(), [1.0, 1.0, 0.0])
    without = stack(values[:2], "MEDIAN", StatsOptions(), [1.0, 1.0])
    np.testing.assert_array_equal(with_zero.image, without.image)
    np.testing.assert_array_equal(with_zero.n_point, without.n_point)
    assert np.isnan(stack(values, "MEAN", StatsOptions(), [0.0] * 3).image).all()


def test_getters() -> None:
    got = statistics([1.0, 2.0, 3.0], properties="MEAN|STDEV")
    assert got.value(Property.MEAN) == 2.0
    assert math.isnan(got.error("MEAN"))  # ERRORS was not asked for
    with pytest.raises(OptionError, match="one member"):
        got.value()
    with pytest.raises(OptionError, match="MEDIAN"):
        got.value("MEDIAN")
    with pytest.raises(OptionError):
        statistics([1.0], properties="ERRORS").value()
    assert statistics([1.0, 5.0], properties="MEAN|ERRORS").value() == 3.0
    assert statistics([1.0], mask=[5], properties="ORMASK").value() == 5.0
    with pytest.raises(OptionError, match="MEDAIN"):
        Property.parse("MEDAIN")
    with pytest.raises(OptionError):
        Property.parse(1 << 20)
    assert Property.parse(" mean | ERRORS") == Property.MEAN | Property.ERRORS


@pytest.mark.parametrize(
    "bad",
    [
        {"sigma_clip": 0.0},
        {"sigma_clip": NAN},
        {"sigma_clip": math.inf},
        {"n_iter": 0},
        {"n_iter": 2.5},
        {"error_from_input_variance": True, "error_mosaic_mode": True},
        {"bad_bits": 1 << 32},
        {"propagation_thresholds": {32: 0.1}},
        {"propagation_thresholds": {1: NAN}},
        {"weighted": 2},
    ],
)
def test_bad_options_are_named(bad: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(bad))):
        StatsOptions(**bad)


@pytest.mark.parametrize(
    ("error", "name", "kwargs"),
    [
        (ShapeError, "values", {"values": []}),
        (ShapeError, "mask", {"values": [1.0, 2.0], "mask": [1]}),
        (ShapeError, "variance", {"values": [1.0, 2.0], "variance": [1.0]}),
        (ShapeError, "weights", {"values": [1.0, 2.0], "weights": [1.0]}),
        (OptionError, "weights", {"values": [1.0, 2.0], "weights": [1.0, -1.0]}),
        (OptionError, "weights", {"values": [1.0, 2.0], "weights": [1.0, NAN]}),
        (OptionError, "weighted", {"values": [1.0], "options": StatsOptions(weighted=True)}),
        (
            OptionError,
            "weights",
            {"values": [1.0], "weights": [1.0], "options": StatsOptions(weighted=False)},
        ),
        (
            OptionError,
            "variance",
            {"values": [1.0], "options": StatsOptions(error_mosaic_mode=True)},
        ),
        (OptionError, "values", {"values": [1j]}),
        (OptionError, "mask", {"values": [1.0], "mask": [0.5]}),
        (OptionError, "MODE", {"values": [1.0], "properties": "MODE"}),
    ],
)
def test_bad_statistics_are_named(error: Any, name: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(error, match=name):
        statistics(**kwargs)


def test_bad_stacks_are_named() -> None:
    a, b = np.ones((2, 3), np.float32), np.ones((3, 2), np.float32)
    masked = MaskedImage.from_arrays(a)
    with pytest.raises(ShapeError, match="images"):
        stack([])
    with pytest.raises(ShapeError, match="images"):
        stack([a, b])
    with pytest.raises(OptionError, match="images"):
        stack([a, masked])
    with pytest.raises(ShapeError, match="weights"):
        stack([a, a], weights=[1.0])
    with pytest.raises(OptionError, match="weights"):
        stack([a, a], weights=[1.0, NAN])
    with pytest.raises(OptionError, match="weights"):
        stack([a, a], "MEAN", StatsOptions(weighted=False), [1.0, 1.0])
    with pytest.raises(OptionError, match="weighted"):
        stack([a, a], "MEAN", StatsOptions(weighted=True))
    with pytest.raises(OptionError, match="statistic"):
        stack([a, a], "MEAN|MEDIAN")
    with pytest.raises(OptionError, match="excuse"):
        stack([masked], mask_map=[(1, 2)], excuse=0)
    with pytest.raises(ShapeError, match="dimensions"):
        stack([np.ones((2, 2, 2))])


def test_planes_are_checked() -> None:
    image = np.ones((4, 6), np.float32)
    options = StatsOptions()
    with pytest.raises(OptionError, match="images"):
        stack_planes(
            [image.astype(float)],  # type: ignore[list-item]
            None,
            None,
            "MEAN",
            options,
            out=StackPlanes.allocate((4, 6)),
        )
    with pytest.raises(ShapeError, match=r"out\.image"):
        stack_planes([image], None, None, "MEAN", options, out=StackPlanes.allocate((4, 5)))
    with pytest.raises(ShapeError, match="contiguous"):
        stack_planes([image[:, ::2]], None, None, "MEAN", options, out=StackPlanes.allocate((4, 3)))
    with pytest.raises(OptionError, match=r"out\.image"):
        stack_planes([image], None, None, "MEAN", options, out=StackPlanes(image))


def test_planes_are_written_in_place_from_strided_rows() -> None:
    rng = np.random.default_rng(1)
    cube = rng.normal(10, 1, (5, 12, 40)).astype(np.float32)
    target = np.full((12, 60), -1, np.float32)
    out = StackPlanes(target[::2, 10:35])
    done = stack_planes([im[::2, 3:28] for im in cube], None, None, "MEAN", StatsOptions(), out=out)
    assert done.n_samples_total == 5 * 6 * 25
    np.testing.assert_allclose(target[::2, 10:35], cube[:, ::2, 3:28].mean(axis=0), rtol=1e-6)
    assert np.all(target[1::2] == -1)
    assert np.all(target[:, :10] == -1)
    assert np.all(target[:, 35:] == -1)


def test_other_inputs() -> None:
    masked = MaskedImage.from_arrays(
        np.array([[1.0, 2.0, 60.0]]), np.array([[0, 0, 1]]), np.ones((1, 3))
    )
    assert statistics(masked, options=StatsOptions(bad_bits=1)).value() == 1.5
    assert statistics(Image(np.ones((2, 2)))).value() == 1.0
    assert statistics(np.arange(6, dtype=np.uint16).reshape(2, 3)[:, ::2]).value() == 2.5
    assert statistics(np.array([1, 2, 3], ">f4")).value() == 2.0
    cube = np.arange(24.0).reshape(2, 3, 4)
    assert statistics(cube).value() == cube.mean()


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (7, 0)])
def test_empty_stacks(shape: tuple[int, int]) -> None:
    assert stack([np.zeros(shape, np.float32)] * 3).image.shape == shape


def test_vectors_keep_their_dtype_and_length() -> None:
    vectors = [np.arange(5.0), np.arange(5.0) + 2]
    result = stack(vectors, "MEAN")
    assert result.image.dtype == np.float64
    assert result.image.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ShapeError, match="images"):
        stack([np.arange(5.0), np.arange(4.0)])

# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import logging

import numpy as np
import pytest

from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.image import MaskedImage
from deepcoadd.interpolate import InterpolateOptions, interpolate_missing, interpolate_rows
from deepcoadd.mask import MaskPlanes


def masked_image(holes: list[tuple[int, int]], shape: tuple[int, int] = (6, 20)) -> MaskedImage:
    y, x = np.indices(shape)
    image = (10 + x + 2 * y).astype(np.float32)
    result = MaskedImage.from_arrays(image, None, np.full(shape, 4.0, np.float32))
    for at in holes:
        result.image.array[at] = np.nan
        result.variance.array[at] = np.nan
        result.mask.array[at] = result.mask.planes.bitmask("NO_DATA")
    return result


def test_single_hole_gets_the_kriging_weights() -> None:
    m = masked_image([(2, 7)])
    row = m.image.array[2].astype(float)
    expected = -0.2737 * (row[5] + row[9]) + 0.7737 * (row[6] + row[8])
    result = interpolate_missing(m)
    assert result.n_pixels == 1
    assert m.image.array[2, 7] == pytest.approx(expected, abs=1e-3 * 0.5 * abs(expected))
    assert m.image.array[2, 7] == pytest.approx(10 + 7 + 4, abs=1e-5)  # symmetric: exact on a ramp
    assert m.variance.array[2, 7] == pytest.approx(4.0, rel=1e-6)
    flags = m.mask.planes.bitmask("NO_DATA", "INTRP")
    assert m.mask.array[2, 7] == flags
    assert np.count_nonzero(m.mask.array) == 1


def test_edge_and_whole_rows_get_the_fallback() -> None:
    m = masked_image([(1, x) for x in range(9)] + [(3, x) for x in range(20)])
    result = interpolate_missing(m)
    finite = masked_image([(1, x) for x in range(9)] + [(3, x) for x in range(20)]).image.array
    assert result.fallback == np.median(finite[np.isfinite(finite)])
    assert np.all(m.image.array[3] == np.float32(result.fallback))
    assert np.all(m.image.array[1, :3] == np.float32(result.fallback))
    assert np.all(np.isfinite(m.image.array))
    assert np.all(np.isinf(m.variance.array[1, :9]))
    assert np.all(np.isinf(m.variance.array[3]))


def test_columns_are_rows_of_the_transposed_image() -> None:
    holes = [(2, 7), (3, 7), (0, 3), (5, 11)]
    by_column = masked_image(holes)
    interpolate_missing(by_column, InterpolateOptions(transpose=True))
    turned = masked_image(holes)
    image = np.ascontiguousarray(turned.image.array.T)
    mask = np.ascontiguousarray(turned.mask.array.T)
    bits = turned.mask.planes.bitmask("NO_DATA")
    interpolate_rows(image, mask, None, bits, fallback=0.0)
    np.testing.assert_array_equal(image.T, by_column.image.array)


def test_shortest_prefers_data_on_both_sides() -> None:
    m = masked_image([(3, x) for x in range(12)])  # rows are one-sided, columns are holes of one
    interpolate_missing(m, InterpolateOptions(direction="shortest"))
    y, x = np.indices(m.image.array.shape)
    np.testing.assert_allclose(m.image.array, 10 + x + 2 * y, rtol=1e-6)


def test_nothing_bad_changes_nothing() -> None:
    m = masked_image([])
    before = m.copy()
    assert interpolate_missing(m).n_pixels == 0
    np.testing.assert_array_equal(m.image.array, before.image.array)
    np.testing.assert_array_equal(m.mask.array, before.mask.array)


def test_not_positive_variance_becomes_infinite() -> None:
    m = masked_image([])
    m.variance.array[0, :3] = [0.0, -1.0, np.nan]
    interpolate_missing(m)
    assert np.all(np.isinf(m.variance.array[0, :3]))
    assert np.all(m.variance.array[0, 3:] == 4.0)


def test_nan_neighbour_falls_back_to_the_mean_of_the_sides() -> None:
    image = np.array([[1.0, np.nan, 3.0, 9.0, 5.0, 7.0]], np.float32)
    mask = np.array([[0, 0, 0, 1, 0, 0]], np.int32)
    interpolate_rows(image, mask, None, 1)
    assert image[0, 3] == 4.0


def test_negative_fallback_is_refused_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    image = np.full((3, 4), -5.0, np.float32)
    with caplog.at_level(logging.INFO):
        assert InterpolateOptions().fallback_value(image) == 0.0
    assert "MEDIAN" in caplog.text
    assert InterpolateOptions(negative_fallback_allowed=True).fallback_value(image) == -5.0
    assert InterpolateOptions(use_fallback_value_at_edge=False).fallback_value(image) == 0.0
    assert np.isnan(InterpolateOptions().fallback_value(np.full((2, 2), np.nan, np.float32)))


@pytest.mark.parametrize(
    "bad",
    [
        {"fallback_value_type": "MODE"},
        {"direction": "up"},
        {"fallback_user_value": float("nan")},
        {"fallback_value_type": "USER", "fallback_user_value": -1.0},
    ],
)
def test_bad_options_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=list(bad)[-1]):
        InterpolateOptions(**bad)  # type: ignore[arg-type]


def test_bad_requests_are_named() -> None:
    m = masked_image([(1, 1)])
    with pytest.raises(MaskPlaneError, match="NOSUCH"):
        interpolate_missing(m, plane="NOSUCH")
    image, mask = m.image.array, m.mask.array
    with pytest.raises(OptionError, match="mask"):
        interpolate_rows(image, None, None, 1)
    with pytest.raises(OptionError, match="mask"):
        interpolate_rows(m, mask, None, 1)
    with pytest.raises(ShapeError, match="mask"):
        interpolate_rows(image, mask[:2], None, 1)
    with pytest.raises(OptionError, match="image"):
        interpolate_rows(image.astype(float), mask, None, 1)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="direction"):
        interpolate_rows(image, mask, None, 1, direction="up")  # type: ignore[arg-type]


def test_intrp_is_made_where_the_mask_lacks_it() -> None:
    m = masked_image([(2, 7)])
    m.mask.planes = MaskPlanes(["NO_DATA"])
    m.mask.array[2, 7] = 1
    interpolate_missing(m)
    assert m.mask.array[2, 7] == m.mask.planes.bitmask("NO_DATA", "INTRP")


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_empty_images(shape: tuple[int, int]) -> None:
    assert interpolate_missing(masked_image([], shape)).n_pixels == 0

# SPDX-License-Identifier: BSD-3-Clause
"""Photometric calibration: units, position, images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.photocalib import AB_ZERO_FLUX_NJY, ChebyshevField, PhotoCalib

FIELD = ChebyshevField(Box.from_shape((10, 20), start=(100, -5)), ((2.0, 0.1), (0.3, 0.0)))


def test_zero_flux() -> None:
    assert pytest.approx(3.63078054770101e12, rel=1e-13) == AB_ZERO_FLUX_NJY


def test_zero_points() -> None:
    assert PhotoCalib.from_zero_point(31.4).mean == pytest.approx(1.0, rel=2e-5)
    assert PhotoCalib.from_zero_point(27.0).mean == pytest.approx(57.5440, rel=1e-6)
    assert PhotoCalib.from_fluxmag0(AB_ZERO_FLUX_NJY).mean == 1.0
    calib = PhotoCalib.from_fluxmag0(1e12, 1e10)
    assert calib.error / calib.mean == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_no_calibration(value: float) -> None:
    assert PhotoCalib.from_fluxmag0(value) is None
    with pytest.raises(OptionError, match="mean"):
        PhotoCalib(value)


def test_field_at_known_positions() -> None:
    """The outer edges of the box are -1 and 1, its middle is 0."""
    y0, y1, x0, x1 = 99.5, 109.5, -5.5, 14.5
    assert FIELD.evaluate(y=104.5, x=4.5) == pytest.approx(2.0)
    assert FIELD.evaluate(y=y1, x=x1) == pytest.approx(2.0 + 0.1 + 0.3)
    assert FIELD.evaluate(y=y0, x=x1) == pytest.approx(2.0 + 0.1 - 0.3)
    assert FIELD.evaluate(y=104.5, x=x0) == pytest.approx(2.0 - 0.1)


def test_field_image_equals_evaluation() -> None:
    box = Box.from_shape((4, 6), start=(98, 0))
    y, x = np.meshgrid(np.arange(98, 102), np.arange(6), indexing="ij")
    np.testing.assert_allclose(FIELD.image(box).array, FIELD.evaluate(y=y, x=x), rtol=1e-14)
    with pytest.raises(ShapeError, match="empty"):
        ChebyshevField(Box.empty(), ((1.0,),)).evaluate(y=0.0, x=0.0)


def test_calibrate() -> None:
    box = Box.from_shape((4, 6), start=(100, 0))
    pixels = MaskedImage.from_arrays(np.full((4, 6), 10.0), variance=4.0, box=box)
    constant = PhotoCalib(2.5).calibrate(pixels)
    assert (constant.image.array == 25.0).all()
    assert (constant.variance.array == 25.0).all()
    varying = PhotoCalib(2.0, field=FIELD)
    found = varying.calibrate(pixels)
    factor = FIELD.image(box).array
    np.testing.assert_allclose(found.image.array, 10 * factor, rtol=1e-6)
    np.testing.assert_allclose(found.variance.array, 4 * factor**2, rtol=1e-6)
    assert (pixels.image.array == 10.0).all()
    assert not varying.is_constant
    assert varying.at(y=102.0, x=3.0) == pytest.approx(factor[2, 3])
    assert PhotoCalib(2.5).at(y=0.0, x=0.0) == 2.5
    same = PhotoCalib().calibrate(pixels)
    assert same.image.array is not pixels.image.array

# SPDX-License-Identifier: BSD-3-Clause
"""Exposures to and from CCDData."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import (
    CCDData,
    InverseVariance,
    StdDevUncertainty,
    UnknownUncertainty,
    VarianceUncertainty,
)
from astropy.wcs import WCS

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.interop.nddata import from_ccddata, to_ccddata
from deepcoadd.wcs import pixel_to_sky

SHAPE = (6, 8)
RNG = np.random.default_rng(1)
VARIANCE = RNG.uniform(1, 2, SHAPE)


def tan() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix, wcs.wcs.cdelt = [3.0, 4.0], [-1e-4, 1e-4]
    wcs.wcs.crval = [50.0, 20.0]
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize(
    "uncertainty",
    [
        StdDevUncertainty(np.sqrt(VARIANCE)),
        VarianceUncertainty(VARIANCE),
        InverseVariance(1 / VARIANCE),
    ],
)
def test_from_ccddata(uncertainty: Any) -> None:
    data = RNG.normal(size=SHAPE).astype(np.float32)
    mask = data > 1
    ccd = CCDData(data, uncertainty=uncertainty, mask=mask, unit="adu", wcs=tan(), meta={"A": 1})
    exposure = from_ccddata(ccd, start=(100, -50))
    assert exposure.box == Box.from_shape(SHAPE, start=(100, -50))
    np.testing.assert_array_equal(exposure.image.array, data)
    np.testing.assert_allclose(exposure.variance.array, VARIANCE, rtol=1e-6)
    np.testing.assert_array_equal(exposure.mask.has("BAD"), mask)
    assert exposure.unit == u.adu
    assert exposure.info.metadata == {"A": 1}
    ours = pixel_to_sky(exposure.wcs, y=102.0, x=-47.0)
    assert ours.separation(pixel_to_sky(tan(), y=2.0, x=3.0)).arcsec < 1e-9


def test_from_bare_ccddata() -> None:
    exposure = from_ccddata(CCDData(np.ones(SHAPE), unit=""))
    assert np.isnan(exposure.variance.array).all()
    assert not exposure.mask.array.any()
    assert (exposure.wcs, exposure.unit) == (None, None)


def test_there_and_back() -> None:
    box = Box.from_shape(SHAPE, start=(7, 9))
    pixels = MaskedImage.from_arrays(RNG.normal(size=SHAPE), variance=VARIANCE, box=box)
    pixels.mask.set("CR", pixels.image.array > 0.5)
    pixels.mask.set("DETECTED", pixels.image.array < 0)
    exposure = Exposure(pixels, wcs=tan(), unit=u.nJy)
    ccd = to_ccddata(exposure)
    np.testing.assert_array_equal(ccd.mask, pixels.mask.has("CR"))
    np.testing.assert_array_equal(ccd.flags, pixels.mask.array)
    assert ccd.unit == u.nJy
    back = from_ccddata(ccd, start=box.start)
    np.testing.assert_array_equal(back.image.array, pixels.image.array)
    np.testing.assert_array_equal(back.variance.array, pixels.variance.array)
    before, after = (pixel_to_sky(w, y=8.0, x=9.0) for w in (exposure.wcs, back.wcs))
    assert before.separation(after).arcsec < 1e-9
    ccd.data[:] = 0
    assert pixels.image.array.any()


def test_what_cannot_be_converted() -> None:
    with pytest.raises(OptionError, match="CCDData"):
        from_ccddata(np.ones(SHAPE))
    ccd = CCDData(np.ones(SHAPE), unit="adu", uncertainty=UnknownUncertainty(VARIANCE))
    with pytest.raises(OptionError, match="UnknownUncertainty"):
        from_ccddata(ccd)

# SPDX-License-Identifier: BSD-3-Clause
"""Exposures and what is known about them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest

from deepcoadd import (
    Box,
    Exposure,
    ExposureInfo,
    FilterLabel,
    Mask,
    MaskedImage,
    MaskPlanes,
    VisitInfo,
)
from deepcoadd.errors import NoDataError, OptionError, ShapeError


def pixels() -> MaskedImage:
    return MaskedImage.from_arrays(np.arange(6.0).reshape(2, 3), None, 1.0, start=(5, 7))


def test_parts_and_pixels() -> None:
    one = Exposure(pixels(), filter=FilterLabel("r"), unit=u.nJy)
    assert one.box == one.info.box == Box.from_shape((2, 3), start=(5, 7))
    assert one.filter == one.info.filter == FilterLabel("r")
    assert one.unit == u.nJy
    assert one.planes == one.mask.planes
    assert one.image.array is one.masked_image.image.array
    assert one.variance.array[0, 0] == 1.0
    assert one.require("unit") == u.nJy


@pytest.mark.parametrize("name", ["psf", "wcs", "visit_info", "photo_calib"])
def test_what_is_missing_is_none_or_named(name: str) -> None:
    one = Exposure(pixels())
    assert getattr(one, name) is None
    with pytest.raises(NoDataError, match=f"no {name}"):
        one.require(name)


def test_units_may_be_given_by_name() -> None:
    assert Exposure(pixels(), unit="nJy").info.unit == u.nJy
    for wrong in ("photons per hour", []):
        with pytest.raises(OptionError, match=r"^unit = ") as caught:
            Exposure(pixels(), unit=wrong)
        assert "\n" not in str(caught.value)


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="colour"):
        Exposure(pixels()).colour  # noqa: B018


def test_box_and_planes_come_from_the_pixels() -> None:
    stale = ExposureInfo(Box.from_shape((9, 9)), planes=MaskPlanes(["A"]), id=3)
    one = Exposure(pixels(), stale)
    assert one.info.box == pixels().box
    assert one.info.planes == pixels().planes
    assert one.id == 3
    assert stale.box.shape == (9, 9)


def test_part_is_a_view_with_the_same_information() -> None:
    one = Exposure(pixels(), id=4)
    box = Box.from_shape((1, 2), start=(6, 8))
    part = one[box]
    part.image.array[...] = -1
    assert one.image.array[1, 2] == -1
    assert part.info.box == box
    assert part.id == 4
    with pytest.raises(ShapeError):
        one[Box.from_shape((1, 1))]


def test_planes_follow_the_pixels() -> None:
    one = Exposure(pixels(), id=4)
    mask = one.mask
    one.masked_image.mask = Mask(mask.array, mask.box, mask.planes.with_planes("GHOST"))
    assert "GHOST" in one.info.planes
    assert "GHOST" in one.planes
    assert one.id == 4
    one.info = replace(one.info, id=5)
    assert one.id == 5


def test_copy_is_independent() -> None:
    one = Exposure(pixels())
    copy = one.copy()
    copy.image.array[...] = -1
    copy.mask.array[...] = 5
    assert one.image.array.min() == 0
    assert not one.mask.array.any()


def test_with_info_keeps_the_pixels() -> None:
    one = Exposure(pixels(), id=4)
    other = one.with_info(filter=FilterLabel("g"))
    assert other.masked_image is one.masked_image
    assert other.id == 4
    assert one.filter is None


def test_pickle_and_repr() -> None:
    one = Exposure(pixels(), visit_info=VisitInfo(id=8), unit=u.adu, id=1)
    back = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(back.image.array, one.image.array)
    assert back.visit_info.id == 8
    assert back.info.unit == u.adu
    assert repr(back) == repr(one)
    assert "visit_info" in repr(one)
    assert "psf" not in repr(one)


def test_documented_getters() -> None:
    one = Exposure(pixels(), visit_info=VisitInfo(id=8), filter=FilterLabel("r", "HSC-R2"))
    assert one.getMaskedImage() is one.masked_image
    assert one.getBBox() == one.box
    assert one.getVisitInfo().getId() == 8
    assert one.getInfo().getVisitInfo() is one.getVisitInfo()
    assert tuple(one.getXY0()) == (7, 5)
    assert tuple(one.getDimensions()) == (3, 2)
    assert not one.hasPsf()
    assert not one.hasWcs()
    assert one.getPsf() is None
    assert one.getMask().getPlaneBitMask(["BAD", "SAT"]) == 3


@pytest.mark.parametrize(
    ("label", "text", "band", "physical"),
    [
        (FilterLabel("r", "HSC-R2"), "HSC-R2", True, True),
        (FilterLabel("r"), "r", True, False),
        (FilterLabel(physical="HSC-R2"), "HSC-R2", False, True),
        (FilterLabel(), "unknown", False, False),
    ],
)
def test_filter_label(label: FilterLabel, text: str, band: bool, physical: bool) -> None:
    assert str(label) == text
    assert label.hasBandLabel() is band
    assert label.hasPhysicalLabel() is physical
    assert (label.bandLabel, label.physicalLabel) == (label.band, label.physical)

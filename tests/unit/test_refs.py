# SPDX-License-Identifier: BSD-3-Clause
"""References to input exposures: in memory, over handles, of anything that can be one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, Exposure, MaskedImage, VisitInfo
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.refs import (
    ExposureRef,
    HandleRef,
    WarpRef,
    as_ref,
    as_refs,
    in_memory,
    look,
    name_of,
)


def exposure(visit: int = 7) -> Exposure:
    pixels = MaskedImage.from_arrays(np.arange(12.0).reshape(3, 4), None, 2.0, start=(10, 20))
    return Exposure(pixels, visit_info=VisitInfo(id=visit))


class Handle:
    """A handle that hands out the whole exposure."""

    def __init__(self, one: Any) -> None:
        self.dataId: Any = {"visit": 7, "band": "r"}
        self.exposure = one
        self.asked: list[Any] = []

    def get(self, component: str | None = None, parameters: Any = None) -> Any:
        self.asked.append(component or (parameters and parameters["bbox"]) or "whole")
        if component == "bbox":
            return self.exposure.box
        return self.exposure[parameters["bbox"]] if parameters else self.exposure


class PartHandle(Handle):
    """A handle whose storage class knows boxes and parts."""

    ref = SimpleNamespace(
        datasetType=SimpleNamespace(
            storageClass=SimpleNamespace(parameters={"bbox"}, components={"bbox": None})
        )
    )


def test_exposure_ref_hands_out_copies_and_views() -> None:
    one = exposure()
    ref = as_ref(one)
    assert isinstance(ref, ExposureRef)
    assert isinstance(ref, WarpRef)
    assert ref.data_id == {"visit": 7}
    assert ref.box() == one.box
    assert ref.info() is one.info
    box = Box.from_shape((2, 2), start=(11, 21))
    part = ref.read(box)
    part.image.array[...] = -1
    assert one.image.array.min() == 0
    assert np.shares_memory(look(ref, box).image.array, one.image.array)
    assert ref.read().box == one.box
    assert in_memory(ref)
    assert "visit" in repr(ref)


def test_exposure_ref_with_an_identification_of_its_own() -> None:
    assert ExposureRef(exposure(), {"file": "a.fits"}).data_id == {"file": "a.fits"}
    assert ExposureRef(exposure(0)).data_id == {}


def test_reading_outside_is_an_error() -> None:
    with pytest.raises(ShapeError, match="not inside"):
        as_ref(exposure()).read(Box.from_shape((2, 2)))


def test_handle_that_gives_everything_is_read_once() -> None:
    handle = Handle(exposure())
    ref = as_ref(handle)
    assert isinstance(ref, HandleRef)
    assert not in_memory(ref)
    assert ref.data_id == {"visit": 7, "band": "r"}
    assert ref.box() == handle.exposure.box
    box = Box.from_shape((1, 2), start=(10, 21))
    part = ref.read(box)
    np.testing.assert_array_equal(part.image.array, [[1, 2]])
    part.image.array[...] = 0
    assert handle.exposure.image.array[0, 1] == 1
    assert ref.info().visit_info.id == 7
    assert handle.asked == ["whole"]
    assert in_memory(ref)


def test_handle_that_reads_parts_is_never_read_whole() -> None:
    handle = PartHandle(exposure())
    ref = as_ref(handle)
    assert ref.box() == handle.exposure.box
    assert ref.info().box == handle.exposure.box
    assert ref.info().visit_info.id == 7
    box = Box.from_shape((1, 2), start=(10, 21))
    np.testing.assert_array_equal(look(ref, box).image.array, [[1, 2]])
    pixel = Box.from_shape((1, 1), start=(10, 20))
    assert handle.asked == ["bbox", pixel, box]
    assert not in_memory(ref)
    assert ref.read().box == handle.exposure.box


def test_handle_that_gives_another_part_is_an_error() -> None:
    class Wrong(PartHandle):
        def get(self, component: str | None = None, parameters: Any = None) -> Any:
            return self.exposure.box if component else self.exposure

    with pytest.raises(ShapeError, match="asked for box"):
        as_ref(Wrong(exposure())).read(Box.from_shape((1, 1), start=(10, 20)))


def test_data_coordinate_is_a_plain_mapping() -> None:
    handle = Handle(exposure())
    handle.dataId = SimpleNamespace(mapping={"visit": 3})
    assert as_ref(handle).data_id == {"visit": 3}


def test_anything_with_pixels_can_be_a_reference() -> None:
    one = exposure()
    ref = as_ref(one)
    assert as_ref(ref) is ref
    assert as_ref(one.masked_image).box() == one.box
    foreign = SimpleNamespace(
        getMaskedImage=lambda: one.masked_image,
        getBBox=lambda: one.box,
    )
    assert as_ref(foreign).box() == one.box
    assert [r.box() for r in as_refs([one, one])] == [one.box, one.box]


def test_references_answer_like_handles() -> None:
    one = exposure()
    ref = as_ref(one)
    box = Box.from_shape((2, 2), start=(11, 21))
    assert ref.dataId == {"visit": 7}
    assert ref.get("bbox") == one.box
    assert ref.get("visitInfo").getId() == 7
    assert ref.get("psf") is None
    part = ref.get(parameters={"bbox": box})
    assert part.getBBox() == box
    assert part.getVisitInfo().getId() == 7
    np.testing.assert_array_equal(part.image.array, one.image[box].array)
    part.image.array[...] = -1
    assert one.image.array.min() == 0
    np.testing.assert_array_equal(ref.get("variance", {"bbox": box}).array, 2.0)
    assert ref.get().box == one.box
    assert as_ref(ref) is ref


@pytest.mark.parametrize(
    ("component", "parameters"), [("colour", None), (None, {"binSize": 2}), ("image", {"x": 1})]
)
def test_what_a_handle_does_not_have(component: str | None, parameters: Any) -> None:
    with pytest.raises(OptionError, match=r"expected one of|only bbox"):
        as_ref(exposure()).get(component, parameters)


@pytest.mark.parametrize("bad", [3, None, np.ones((2, 2))])
def test_what_cannot_be_a_reference(bad: Any) -> None:
    with pytest.raises(OptionError, match="expected an exposure"):
        as_ref(bad)


def test_a_name_is_not_a_list_of_inputs() -> None:
    with pytest.raises(OptionError, match="sequence"):
        as_refs("visit.fits")


@pytest.mark.parametrize(
    ("data_id", "name"),
    [
        ({"visit": 3}, "visit 3"),
        ({"visit": 3, "band": "r"}, "visit 3, band r"),
        ({"visit": 3, "file": "a.fits"}, "a.fits"),
        ({}, "exposure without identification"),
    ],
)
def test_names(data_id: dict[str, Any], name: str) -> None:
    assert name_of(ExposureRef(exposure(), data_id)) == name

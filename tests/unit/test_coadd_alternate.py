# SPDX-License-Identifier: BSD-3-Clause
"""Masks given beside the inputs, as arrays and as sets of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from deepcoadd import Box, Mask, MaskedImage
from deepcoadd.coadd import AssembleOptions, assemble, with_alternate
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.spans import SpanSet

PLAIN = AssembleOptions(unit=None, interpolate=None)
BOX = Box.from_shape((30, 40), start=(-5, 7))
FOOT = Box.from_shape((10, 10), start=(0, 10))


def test_sets_of_pixels_are_alternate_masks() -> None:
    rng = np.random.default_rng(1)
    inputs = [
        MaskedImage.from_arrays(rng.normal(0, 1, BOX.shape), None, 1.0, box=BOX) for _ in range(3)
    ]
    parts = [SpanSet.from_shape(4, y=5, x=12), SpanSet.from_shape(9, y=20, x=44)]
    flags = (parts[0] | parts[1]).as_array(BOX)
    options = replace(PLAIN, bad_planes=(*PLAIN.bad_planes, "GHOST"))
    results = [
        assemble(inputs, weights=[1, 1, 1], options=options, alternate_masks=[None, given, {}])
        for given in (
            {"GHOST": flags},
            {"GHOST": parts},
            {"GHOST": tuple(parts)},
            {"GHOST": parts[0] | parts[1]},
            {"GHOST": Mask(flags.astype(np.int32), BOX)},
        )
    ]
    assert results[0].n_image.array.min() == 2
    for other in results[1:]:
        assert_array_equal(other.image.array, results[0].image.array)
        assert_array_equal(other.mask.array, results[0].mask.array)
    empty = assemble(
        inputs, weights=[1, 1, 1], options=options, alternate_masks=[{"GHOST": []}, None, None]
    )
    assert empty.n_image.array.min() == 3


def test_alternate_no_data_forgets_why_a_pixel_was_bad() -> None:
    inputs = [MaskedImage.from_arrays(np.ones(BOX.shape), None, 1.0, box=BOX) for _ in range(3)]
    inputs[1].mask.array[...] = inputs[1].planes.bitmask("BAD", "DETECTED")
    gone = SpanSet.from_box(FOOT)
    given = [None, {"NO_DATA": gone, "CLIPPED": SpanSet()}, None]
    for where in (gone, gone.as_array(BOX)):
        given[1]["NO_DATA"] = where  # type: ignore[index]
        result = assemble(inputs, weights=[1, 1, 1], options=PLAIN, alternate_masks=given)
        inside = gone.as_array(BOX)
        assert_array_equal(result.mask.has("REJECTED"), ~inside)
        assert np.all(result.n_image.array == 2)
    tolerant = replace(PLAIN, bad_planes=("BAD",))
    result = assemble(inputs, weights=[1, 1, 1], options=tolerant, alternate_masks=given)
    assert result.mask.has("REJECTED").all()
    kept = with_alternate(inputs[0], {"BAD": SpanSet.from_shape(2, y=500, x=0)}, BOX)
    assert kept is inputs[0]


def test_alternate_masks_of_other_kinds_are_refused() -> None:
    inputs = [MaskedImage.from_arrays(np.ones(BOX.shape), None, 1.0, box=BOX)]
    for bad in (np.zeros((3, 3), bool), "CLIPPED", [SpanSet(), 3]):
        with pytest.raises((ShapeError, OptionError), match="BAD"):
            assemble(inputs, weights=[1], options=PLAIN, alternate_masks=[{"BAD": bad}])

# SPDX-License-Identifier: BSD-3-Clause
"""Re-mapping of mask words between dictionaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.mask import MAX_PLANES, Mask, MaskPlanes
from deepcoadd.testing import assert_masks_equal
from deepcoadd.testing.reference import conformed
from deepcoadd.testing.strategies import mask_planes, masks


@st.composite
def mask_and_wider_planes(draw: st.DrawFn) -> tuple[Mask, MaskPlanes]:
    """A mask, and a dictionary that has its planes and others at any bits."""
    mask = draw(masks(mask_planes(max_planes=20)))
    others = draw(mask_planes(max_planes=MAX_PLANES - 20))
    names = list(dict.fromkeys([*others, *mask.planes]))
    bits = draw(st.permutations(range(MAX_PLANES)))
    return mask, MaskPlanes(dict(zip(names, bits, strict=False)))


@given(mask_and_wider_planes())
def test_conforming_keeps_every_plane_by_name(case: tuple[Mask, MaskPlanes]) -> None:
    mask, planes = case
    out = mask.conformed_to(planes)
    assert out.planes == planes
    assert_masks_equal(out, mask)
    np.testing.assert_array_equal(out.array, conformed(mask, planes))


@given(mask_and_wider_planes())
def test_there_and_back_gives_the_same_words(case: tuple[Mask, MaskPlanes]) -> None:
    mask, planes = case
    # The way back is possible where the narrow dictionary knows all planes.
    narrow = MaskPlanes({name: planes[name] for name in mask.planes})
    back = mask.conformed_to(narrow).conformed_to(mask.planes)
    np.testing.assert_array_equal(back.array, mask.array)


@given(mask_planes(max_planes=16), mask_planes(max_planes=16))
def test_merged_dictionary_holds_both(a: MaskPlanes, b: MaskPlanes) -> None:
    both = a.merged_with(b)
    assert set(both) == set(a) | set(b)
    assert {name: both[name] for name in a} == dict(a)
    assert sorted(set(both.values())) == sorted(both.values())


@given(mask_planes(), st.integers(-(2**31), 2**31 - 1))
def test_names_of_and_bitmask_are_inverse(planes: MaskPlanes, word: int) -> None:
    names = planes.names_of(word)
    assert planes.bitmask(*names) == np.int32(word) & np.int32(planes.bitmask(*planes))

# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis strategies for boxes, mask dictionaries and masked images.

This module needs the package `hypothesis` (extra ``test``). Pixels come from a seeded generator, so
that large images cost one number to draw; the seed, the shape and what is wrong with the pixels are
what hypothesis shrinks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from deepcoadd.geometry import Box, Interval
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import DEFAULT_PLANES, MAX_PLANES, Mask, MaskPlanes

__all__ = ["boxes", "intervals", "mask_planes", "masked_cubes", "masked_images", "masks"]

_FRACTIONS = st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0])
_BITS = ("BAD", "SAT", "EDGE", "DETECTED", "SUSPECT", "NO_DATA", "CLIPPED")


def intervals(limit: int = 40) -> st.SearchStrategy[Interval]:
    """Intervals, empty ones too, with ends within `limit` of 0."""
    ends = st.integers(-limit, limit)
    return st.builds(Interval, ends, ends)


def boxes(limit: int = 40, *, min_side: int = 0, max_side: int = 40) -> st.SearchStrategy[Box]:
    """Boxes of sides from `min_side` to `max_side`, first pixel within `limit` of (0, 0)."""
    side, first = st.integers(min_side, max_side), st.integers(-limit, limit)
    return st.builds(
        lambda shape, start: Box.from_shape(shape, start=start),
        st.tuples(side, side),
        st.tuples(first, first),
    )


@st.composite
def mask_planes(draw: st.DrawFn, max_planes: int = MAX_PLANES) -> MaskPlanes:
    """Mask dictionaries: any names at any bits."""
    names = draw(
        st.lists(
            st.one_of(st.sampled_from(list(DEFAULT_PLANES)), st.text("ABCXYZ_", min_size=1)),
            unique=True,
            max_size=max_planes,
        )
    )
    bits = draw(st.permutations(range(MAX_PLANES)))
    return MaskPlanes(dict(zip(names, bits, strict=False)))


@st.composite
def masks(
    draw: st.DrawFn, planes: st.SearchStrategy[MaskPlanes] | None = None, max_side: int = 9
) -> Mask:
    """Masks in which only bits with a name are set."""
    dictionary = draw(mask_planes() if planes is None else planes)
    box = draw(boxes(max_side=max_side))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    out = Mask.zeros(box, dictionary)
    for name in dictionary:
        out.set(name, rng.random(box.shape) < 0.3)
    return out


def _pixels(
    draw: st.DrawFn, shape: tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Gaussian or tied pixels with some that are NaN or infinite."""
    image = rng.normal(draw(st.sampled_from([0.0, 300.0])), 10.0, shape)
    if draw(st.booleans()):
        image = np.round(image / 10.0) * 10.0
    image[rng.random(shape) < draw(_FRACTIONS)] = np.nan
    image[rng.random(shape) < draw(st.sampled_from([0.0, 0.05]))] = np.inf
    return image.astype(np.float32)


def _strided(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy of an image whose rows are not contiguous: a view into a wider one."""
    wide = np.zeros((array.shape[0], array.shape[1] + 3), array.dtype)
    view = wide[:, 1 : 1 + array.shape[1]]
    view[...] = array
    return view


@st.composite
def masked_images(
    draw: st.DrawFn,
    *,
    box: Box | None = None,
    max_side: int = 9,
    bad_variance: bool = True,
) -> MaskedImage:
    """Masked images with NaN, infinities, ties, masked pixels, strided rows, any origin.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    box : Box, optional
        The box; by default any, down to none or one pixel.
    max_side : int
        Longest side.
    bad_variance : bool
        Whether some variances may be 0, negative, NaN or infinite.
    """
    box = draw(boxes(max_side=max_side)) if box is None else box
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    image = _pixels(draw, box.shape, rng)
    variance = rng.uniform(0.5, 2.0, box.shape).astype(np.float32)
    if bad_variance:
        broken = rng.random(box.shape) < draw(st.sampled_from([0.0, 0.1]))
        values = np.array([0.0, -1.0, np.nan, np.inf], np.float32)
        variance[broken] = rng.choice(values, np.count_nonzero(broken))
    mask = Mask.zeros(box)
    fraction = draw(_FRACTIONS)
    for name in _BITS:
        mask.set(name, rng.random(box.shape) < fraction / len(_BITS))
    if fraction == 1.0:
        mask.set("BAD", np.ones(box.shape, bool))
    if draw(st.booleans()):
        image, variance = _strided(image), _strided(variance)
        mask = Mask(_strided(mask.array), box)
    return MaskedImage(Image(image, box), mask, Image(variance, box))


@st.composite
def masked_cubes(
    draw: st.DrawFn,
    *,
    max_n: int = 12,
    max_side: int = 9,
    min_side: int = 1,
    bad_variance: bool = True,
) -> tuple[list[MaskedImage], npt.NDArray[np.float64]]:
    """Stacks of masked images of one box, with a weight > 0 each.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_n : int
        Most images; there is at least one.
    max_side, min_side : int
        Longest and shortest side.
    bad_variance : bool
        As for `masked_images`.
    """
    box = draw(boxes(min_side=min_side, max_side=max_side))
    n = draw(st.integers(1, max_n))
    images = [draw(masked_images(box=box, bad_variance=bad_variance)) for _ in range(n)]
    weights = draw(st.lists(st.sampled_from([1.0, 0.5, 0.3, 2.0, 1e-6]), min_size=n, max_size=n))
    return images, np.array(weights)

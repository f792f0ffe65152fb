# SPDX-License-Identifier: BSD-3-Clause
"""Inputs are weighed without keeping their image; the numbers are those of the whole pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcoadd import Exposure, MaskedImage, io
from deepcoadd._core import quality
from deepcoadd.coadd import AssembleOptions, assemble, prepare
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.mask import DEFAULT_PLANES, MaskPlanes
from deepcoadd.statistics import StatsOptions

LARGE = AssembleOptions(unit=None, interpolate=None)


def exposure(seed: int, planes: MaskPlanes = DEFAULT_PLANES, *, holes: bool = True) -> Exposure:
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 2, (37, 53)).astype("f4")
    pixels = MaskedImage.from_arrays(image, variance=rng.uniform(3, 5, image.shape), start=(7, -4))
    mask = type(pixels.mask)(pixels.mask.array, pixels.box, planes)
    pixels = MaskedImage(pixels.image, mask, pixels.variance)
    if holes:
        pixels.image.array[3:6, 10:20] = np.nan
        pixels.image.array[8, 8] = np.inf
        pixels.variance.array[20, :5] = np.nan
        mask.array[rng.random(image.shape) < 0.1] |= planes.bitmask("BAD")
        mask.array[rng.random(image.shape) < 0.1] |= planes.bitmask("DETECTED")
    return Exposure(pixels)


def same_weights(paths: list[Path], **more: Any) -> None:
    """Weights of inputs in memory, and of two or more files that are weighed before they are read.

    The budget holds one of them, not two.
    """
    refs = [io.open_warp(path, **more) for path in paths]
    kept = prepare([ref.read() for ref in refs], options=LARGE).records
    options = AssembleOptions(unit=None, interpolate=None, max_memory=60_000)
    weighed = prepare(refs, options=options).records
    for a, b in zip(kept, weighed, strict=True):
        assert (a.weight, a.n_good, a.mean_variance) == (b.weight, b.n_good, b.mean_variance)


@pytest.mark.parametrize("compression", ["none", "lossless"])
def test_weights_do_not_depend_on_the_budget(compression: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.fits" for n in range(3)]
    for n, path in enumerate(paths):
        io.write(path, exposure(n), compression=compression)
    same_weights(paths)


def test_planes_are_those_of_the_file(tmp_path: Path) -> None:
    """BAD at another bit in each file, and a plane that the others lack."""
    for n, bits in enumerate(({"BAD": 9, "DETECTED": 3}, {"DETECTED": 0, "BAD": 1, "HOT": 2})):
        io.write(tmp_path / f"{n}.fits", exposure(n, MaskPlanes(bits)))
    same_weights([tmp_path / "0.fits", tmp_path / "1.fits"])


def test_counts_of_a_file(tmp_path: Path) -> None:
    made = exposure(1)
    io.write(tmp_path / "a.fits", made)
    box = Box.from_shape((20, 31), start=(9, 2))
    found = io.open_warp(tmp_path / "a.fits").weigh(box, ["BAD", "UNHEARD_OF"])
    assert found is not None
    part = made.masked_image[box]
    np.testing.assert_array_equal(found.mask.array, part.mask.array)
    np.testing.assert_array_equal(found.variance.array, part.variance.array)
    finite = np.isfinite(part.image.array)
    counts = finite.sum(), (finite & ~part.mask.has("BAD")).sum()
    assert (found.n_finite, found.n_good) == counts
    assert found.n_known == (~np.isnan(part.variance.array)).sum()


def test_formats_that_need_the_image_are_read_whole(tmp_path: Path) -> None:
    made = exposure(2, holes=False)
    io.write(tmp_path / "a.fits", made, compression="rice16")
    assert io.open_warp(tmp_path / "a.fits").weigh(made.box, ["BAD"]) is None
    io.write(tmp_path / "b.fits", Exposure(made.masked_image))
    bare = io.open_warp(tmp_path / "b.fits", format="bare", noise=2.0)
    assert bare.weigh(bare.box(), ["BAD"]) is None


def test_an_input_without_a_finite_pixel_is_skipped(tmp_path: Path) -> None:
    empty = exposure(3)
    empty.image.array[...] = np.nan
    io.write(tmp_path / "a.fits", empty)
    io.write(tmp_path / "b.fits", exposure(4))
    refs = io.open_warps([tmp_path / "a.fits", tmp_path / "b.fits"])
    options = AssembleOptions(unit=None, interpolate=None, max_memory=60_000)
    assert [item.reason for item in assemble(refs, options=options).skipped] == [
        "no pixel is finite"
    ]


def test_an_input_without_variance_is_read_for_its_scatter(tmp_path: Path) -> None:
    unknown = exposure(5)
    unknown.variance.array[...] = np.nan
    io.write(tmp_path / "a.fits", unknown)
    io.write(tmp_path / "b.fits", exposure(6))
    same_weights([tmp_path / "a.fits", tmp_path / "b.fits"])


def test_the_kernel_names_what_does_not_fit() -> None:
    bits, mask = np.zeros((3, 4), "u4"), np.zeros((3, 4), "i4")
    variance = np.zeros((3, 4), "f4")
    assert quality.count(bits, False, mask, variance, 1) == (12, 12, 12)
    with pytest.raises(ShapeError, match="variance"):
        quality.count(bits, False, mask, variance[1:], 1)
    with pytest.raises(OptionError, match="image_bits"):
        quality.count(bits.astype("i8"), False, mask, variance, 1)
    options = StatsOptions(bad_bits=1).core_options()
    assert quality.measure(bits, mask, variance + 3, options) == ((12, 12, 12), 3.0)
    with pytest.raises(ShapeError, match="variance"):
        quality.measure(bits, mask, variance[1:], options)
    with pytest.raises(ShapeError):
        quality.measure(bits[:0], mask[:0], variance[:0], options)
    words = np.array([[1, 2], [4, 0]], "i4").byteswap()
    assert quality.swap_words(words) == 7
    assert words.tolist() == [[1, 2], [4, 0]]


def test_pixels_of_scattered_columns_are_counted() -> None:
    whole = exposure(6)
    pixels = whole.masked_image
    planes = (pixels.image.array[:, ::2], pixels.mask.array[:, ::2], pixels.variance.array[:, ::2])
    box = Box.from_shape(planes[0].shape)
    mask = type(pixels.mask)(planes[1], box, pixels.planes)
    thin = Exposure(MaskedImage(Image(planes[0], box), mask, Image(planes[2], box)))
    copied = [prepare([one], options=LARGE).records[0] for one in (thin, thin.copy())]
    assert copied[0].n_good == copied[1].n_good
    assert copied[0].weight == copied[1].weight

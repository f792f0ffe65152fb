# SPDX-License-Identifier: BSD-3-Clause
"""Any exposure survives a file, and any section of it is the section of the whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepcoadd import io
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def exposures(draw: st.DrawFn) -> Exposure:
    shape = draw(SHAPES)
    start = draw(st.tuples(st.integers(-(2**30), 2**30), st.integers(-(2**30), 2**30)))
    return Exposure(
        MaskedImage.from_arrays(
            draw(arrays(np.float32, shape, elements=FLOATS)),
            draw(arrays(np.int32, shape, elements=st.integers(0, 2**19 - 1))),
            draw(arrays(np.float32, shape, elements=FLOATS)),
            start=start,
        )
    )


def same(a: MaskedImage, b: MaskedImage) -> None:
    assert a.box == b.box
    for name in ("image", "variance"):
        ours, theirs = getattr(a, name).array, getattr(b, name).array
        nan = np.isnan(ours)
        np.testing.assert_array_equal(np.isnan(theirs), nan)
        # Bit for bit: the sign of a zero counts.
        np.testing.assert_array_equal(
            np.where(nan, 0, ours.view(np.int32)), np.where(nan, 0, theirs.view(np.int32))
        )
    np.testing.assert_array_equal(a.mask.array, b.mask.array)


@given(exposure=exposures(), compression=st.sampled_from(["none", "lossless"]), data=st.data())
def test_exposures_survive_files(exposure: Exposure, compression: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        io.write(path, exposure, compression=compression)
        ref = io.open_warp(path)
        same(exposure.masked_image, ref.read())
        (y0, x0), (ny, nx) = exposure.box.start, exposure.box.shape
        y = sorted(data.draw(st.tuples(st.integers(0, ny), st.integers(0, ny))))
        x = sorted(data.draw(st.tuples(st.integers(0, nx), st.integers(0, nx))))
        box = Box.from_shape((y[1] - y[0], x[1] - x[0]), start=(y0 + y[0], x0 + x[0]))
        same(exposure.masked_image[box], ref.read(box))
        ref.close()

# SPDX-License-Identifier: BSD-3-Clause
"""Files with damaged bytes: read, or refused with an error of ours; nothing else ever happens."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import io
from deepcoadd.errors import DeepcoaddError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.photocalib import ChebyshevField, PhotoCalib
from deepcoadd.polygon import Polygon
from deepcoadd.psf import FixedKernel, KernelPsf, LinearCombinationKernel, Polynomial2

VALUES = ["1E400", "-1", "9" * 20, "NaN", "'x'", "0", "T", "1", "2", "3", "16", "-64", "1.5", ""]


@functools.cache
def good_file(compression: str) -> bytes:
    """Bytes of a file with every part that we write."""
    rng = np.random.default_rng(0)
    box = Box.from_shape((20, 30), start=(3, 4))
    kernels = tuple(FixedKernel(rng.uniform(size=(5, 5))) for _ in range(2))
    weights = (1.0, Polynomial2((0.1, 1e-3, 1e-3)))
    exposure = Exposure(
        MaskedImage.from_arrays(rng.normal(size=box.shape), variance=1.0, box=box),
        psf=KernelPsf(LinearCombinationKernel(kernels, weights)),
        valid_polygon=Polygon.from_box(box),
        photo_calib=PhotoCalib(2.0, 0.1, ChebyshevField(box, ((2.0, 0.1),))),
        inputs=Table({"visit": [1, 2], "file": ["a", "bb"]}),
    )
    with tempfile.TemporaryDirectory() as folder:
        io.write(Path(folder) / "a.fits", exposure, compression=compression)
        return (Path(folder) / "a.fits").read_bytes()


DAMAGE = st.one_of(
    st.tuples(st.just("byte"), st.integers(0, 10**6), st.integers(0, 255)),
    st.tuples(st.just("value"), st.integers(0, 10**4), st.sampled_from(VALUES)),
    st.tuples(st.just("cut"), st.integers(0, 10**6), st.just(0)),
    st.tuples(st.just("noise"), st.integers(0, 10**6), st.integers(1, 5000)),
)


def damaged(data: bytes, how: list[tuple[str, int, int | str]]) -> bytes:
    out = bytearray(data)
    for kind, where, what in how:
        at = where % max(1, len(out))
        if kind == "byte":
            out[at : at + 1] = bytes([int(what)])
        elif kind == "value":
            start = where * 80 % max(1, len(out) - 80)
            out[start + 10 : start + 30] = str(what).rjust(20).encode()
        elif kind == "cut":
            del out[at:]
        else:
            out[at : at + int(what)] = np.random.default_rng(where).bytes(int(what))
    return bytes(out)


@pytest.mark.filterwarnings("ignore")  # astropy speaks about headers it repairs
@given(
    compression=st.sampled_from(["none", "lossless", "rice16"]),
    how=st.lists(DAMAGE, min_size=1, max_size=4),
)
def test_damage_is_read_or_refused(compression: str, how: list[tuple[str, int, int | str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        path.write_bytes(damaged(good_file(compression), how))
        try:
            exposure = io.read(path)
            assert exposure.image.array.shape == exposure.box.shape
            io.describe(path, statistics=True)
            if exposure.psf is not None:
                exposure.psf.kernel_image()
        except DeepcoaddError as error:
            message = str(error)
        else:
            message = "read"
    assert message

# SPDX-License-Identifier: BSD-3-Clause
"""Files with damaged bytes: read, or refused with an error of ours; nothing else ever happens."""

from __future__ import annotations

import functools
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import io
from deepcoadd.cli._memory import peak_memory
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


# --- headers that lie -------------------------------------------------------------------------

STRUCTURE = """
BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 PCOUNT GCOUNT THEAP TFIELDS TFORM1 TFORM2 TFORM3 TTYPE1 TTYPE2
TDIM1 TSCAL1 TZERO1 TNULL1 ZTILE1 ZTILE2 ZCMPTYPE ZBITPIX ZNAXIS ZNAXIS1 ZNAXIS2 ZVAL1 ZNAME1
ZQUANTIZ ZDITHER0 ZBLANK ZSCALE ZZERO BZERO BSCALE BLANK CRPIX1 CRVAL1 CD1_1 CTYPE1 CTYPE2
CRVAL1A CRPIX1A LTV1 AR_HDU EXTNAME EXTTYPE PSF_ID WCS_ID EXPINFO_V DCOADDV MP_BAD BUNIT
DATE-AVG EXPTIME SIMPLE XTENSION A_ORDER A_2_0 LONPOLE RADESYS INHERIT END
"""
LIES = """
-1 0 1 2 3 16 64 -64 1000000000 2147483647 -2147483648 9999999999999999999 1E300 1E400 NaN T ''
'x' '\x01\x1b[31m' 'GZIP_2' 'HCOMPRESS_1' 'RICE_ONE' 'PLIO_1' '1QB(99999999999)' '1PE(0)'
'999999999999D' '0D' 'RA---TPV' 'DEC--TAN-SIP' 'erg/(s' '9999-99-99T99:99:99'
"""
SECONDS = 2.0
"""Of processor time that a file of some kilobytes may take at most, whatever its header says."""


def lied(data: bytes, chance: random.Random) -> bytes:
    """A file with one to three changed cards, or (one in six) numbers of its data."""
    out = bytearray(data)
    cards = [at for at in range(0, len(data), 80) if data[at + 8 : at + 10] == b"= "]
    for _ in range(chance.choice((1, 1, 2, 3))):
        if chance.random() < 1 / 6:
            at, number = chance.randrange(len(out) - 4), chance.choice((-1, 0, 3, 2**31 - 1, 10**9))
            out[at : at + 4] = number.to_bytes(4, "big", signed=True)
            continue
        key, at = chance.choice(STRUCTURE.split()), chance.choice(cards)
        same = [place for place in cards if data[place : place + 8].split() == [key.encode()]]
        at = chance.choice(same) if same else at
        card = f"{key:8}= {chance.choice(LIES.split()):>20}"
        out[at : at + 80] = card.ljust(80).encode()[:80]
    return bytes(out)


def read_or_refused(path: Path) -> str:
    """Outcome of everything that reads a file."""
    try:
        io.describe(path, statistics=True)
        exposure, ref = io.read(path), io.open_warp(path)
        ref.weigh(ref.box(), ["BAD"])
        if exposure.psf is not None:
            exposure.psf.kernel_image()
    except DeepcoaddError as error:
        return str(error)
    return "read"


def check_lies(files: list[bytes], seed: int, n: int, folder: Path) -> None:
    """Change files at random; each is read, or refused with a message that can be shown."""
    chance, outcomes = random.Random(seed), []
    before = peak_memory() or 0
    for k in range(n):
        data = lied(files[k % len(files)], chance)
        (folder / "a.fits").write_bytes(data)
        started = time.process_time()
        message = read_or_refused(folder / "a.fits")
        assert time.process_time() - started < SECONDS, data[:2880]
        assert all(c.isprintable() or c == "\n" for c in message), repr(message)
        outcomes.append(message == "read")
    assert (peak_memory() or 0) - before < 2**28
    assert 0 < sum(outcomes) < n


@pytest.mark.filterwarnings("ignore")  # astropy speaks about headers it repairs
@pytest.mark.parametrize("compression", ["none", "lossless", "rice16"])
def test_headers_that_lie_are_read_or_refused(compression: str, tmp_path: Path) -> None:
    check_lies([good_file(compression)], 5, 25, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_archives_that_lie_are_read_or_refused(golden_path: Path, tmp_path: Path) -> None:
    paths = sorted(golden_path.glob("afwfiles_*.fits"))
    if not paths:
        pytest.skip("no afw files among the golden cases")
    files = [path.read_bytes() for path in paths]
    check_lies([data for data in files if len(data) < 10**6], 6, 40, tmp_path)

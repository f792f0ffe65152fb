# SPDX-License-Identifier: BSD-3-Clause
"""Files that are damaged, hostile, or not what was asked for: one clear error, never a crash."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import io
from deepcoadd.errors import (
    FileFormatError,
    MaskPlaneError,
    MissingFileError,
    NoDataError,
    OptionError,
)
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage

BOX = Box.from_shape((60, 70), start=(2, 3))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A good file to spoil."""
    rng = np.random.default_rng(4)
    pixels = MaskedImage.from_arrays(rng.normal(size=BOX.shape), box=BOX, variance=1.0)
    path = tmp_path / "good.fits"
    io.write(path, Exposure(pixels))
    return path


def card(key: str, value: str) -> bytes:
    return f"{key:8}= {value:>20}".ljust(80).encode()


def replace_card(path: Path, hdu: int, key: str, value: str) -> None:
    """Replace a card, or put it in place of LTV1, in the raw bytes of a header."""
    with fits.open(path) as hdus:
        start = hdus[hdu].fileinfo()["hdrLoc"]
    data = bytearray(path.read_bytes())
    for name in (key, "LTV1"):
        at = data.find(f"{name:8}=".encode(), start)
        if at >= 0:
            break
    data[at : at + 80] = card(key, value)
    path.write_bytes(data)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no\.fits"):
        io.read(tmp_path / "no.fits")
    with pytest.raises(FileNotFoundError):
        io.read(tmp_path / "no.fits")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="folder"):
        io.read(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.touch()
    with pytest.raises(FileFormatError, match="empty"):
        io.read(path)


@pytest.mark.parametrize("content", [b"hello", b"\0" * 9000, b"SIMPLE  = " + b"x" * 9000])
def test_not_a_fits_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.fits"):
        io.read(path)


def test_header_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(card("SIMPLE", "T") + b" " * (2880 * 5000))
    with pytest.raises(FileFormatError, match="END"):
        io.read(path)


def test_header_whose_end_is_lost_does_not_swallow_the_next(good: Path) -> None:
    content = good.read_bytes()
    end = content.index(b"END" + b" " * 77, 2880)
    good.write_bytes(content[:end] + b" " * 80 + content[end + 80 :])
    with pytest.raises(FileFormatError, match="begins no header card"):
        io.read(good)


def test_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    cube = fits.ImageHDU(np.zeros((3, 4, 5), np.float32))
    line = fits.ImageHDU(np.zeros(5, np.float32))
    fits.HDUList([fits.PrimaryHDU(), table, cube, line]).writeto(path)
    with pytest.raises(FileFormatError, match="2-D image"):
        io.read(path)
    for hdu in (0, 1, 2, 3):
        with pytest.raises(FileFormatError, match=f"HDU {hdu}"):
            io.read(path, hdu=hdu)
    for hdu in (4, "SCI", ("SCI", 2), -1):
        with pytest.raises(FileFormatError, match="no HDU"):
            io.read(path, hdu=hdu)


def test_another_image_than_that_of_the_format_is_not_read(good: Path) -> None:
    whole = io.read(good).image.array
    for same in ("IMAGE", 1):
        np.testing.assert_array_equal(io.read(good, hdu=same).image.array, whole)
    for other in ("VARIANCE", f"{good}[3]"):
        name, hdu = (good, other) if other == "VARIANCE" else (other, None)
        with pytest.raises(OptionError, match=r"its image is HDU 1 IMAGE; format bare takes any"):
            io.read(name, hdu=hdu)
    with pytest.raises(FileFormatError, match="no HDU 9"):
        io.read(f"{good}[9]")
    variance = io.read(good, hdu="VARIANCE", format="bare", noise=1.0)
    np.testing.assert_array_equal(variance.image.array, io.read(good).variance.array)


@pytest.mark.parametrize("share", [0.95, 0.7, 0.2, 0.05])
def test_truncated_file(good: Path, share: float) -> None:
    data = good.read_bytes()
    good.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileFormatError, match=r"truncated|good\.fits"):
        io.read(good)


def test_file_that_shrinks_after_it_was_opened(good: Path) -> None:
    ref = io.open_warp(good)
    with open(good, "r+b") as file:
        file.truncate(good.stat().st_size // 2)
    with pytest.raises(FileFormatError, match="ends at byte"):
        ref.read()


@pytest.mark.parametrize("share", [0.95, 0.5])
def test_truncated_compressed_file(tmp_path: Path, good: Path, share: float) -> None:
    path = tmp_path / "c.fits"
    io.write(path, io.read(good), compression="lossless")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileFormatError, match="truncated"):
        io.read(path)


def test_damaged_tiles(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "c.fits"
    io.write(path, io.read(good), compression="lossless")
    with fits.open(path, disable_image_compression=True) as hdus:
        info = hdus[1].fileinfo()
    data = bytearray(path.read_bytes())
    first = info["datLoc"] + 40
    data[first : first + 2000] = os.urandom(2000)
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="IMAGE"):
        io.read(path)


def test_truncated_gzip_stream(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "a.fits"
    data = gzip.compress(good.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match="unpacked"):
        io.read(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("NAXIS1", "1000000000000", "truncated"),
        ("NAXIS1", "-5", "not all >= 0"),
        ("NAXIS1", "7.5", "whole number"),
        ("NAXIS", "-1", "allowed are"),
        ("NAXIS", "5000", "allowed are"),
        ("BITPIX", "7", "BITPIX"),
        ("BITPIX", "'text'", "BITPIX"),
        ("PCOUNT", "-3", "negative"),
        ("GCOUNT", "999999999999", "truncated"),
        ("BSCALE", "NaN", "BSCALE"),
        ("BSCALE", "0.0", "BSCALE"),
        ("BZERO", "'many'", "BZERO"),
        ("CRVAL1A", "1E300", "CRVAL1A"),
        ("CRVAL1A", "3000000000.0", "CRVAL1A"),
        ("CRVAL1A", "NaN", "CRVAL1A"),
        ("LTV1", "'left'", "LTV1"),
    ],
)
def test_hostile_cards(good: Path, key: str, value: str, message: str) -> None:
    replace_card(good, 1, key, value)
    with pytest.raises(FileFormatError, match=message):
        io.read(good)


def test_hostile_compressed_sizes(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "c.fits"
    io.write(path, io.read(good), compression="lossless")
    for key, value in (("ZNAXIS1", "1000000000"), ("ZTILE1", "0"), ("ZBITPIX", "3")):
        spoilt = tmp_path / f"{key}.fits"
        spoilt.write_bytes(path.read_bytes())
        replace_card(spoilt, 1, key, value)
        with pytest.raises(FileFormatError, match=r"tiles|ZTILE1|ZBITPIX"):
            io.read(spoilt)


@pytest.mark.parametrize("plane", [2, 3])
def test_sizes_that_disagree(good: Path, plane: int) -> None:
    with fits.open(good) as hdus:
        hdus[plane].data = hdus[plane].data[:-1]
        hdus.writeto(good, overwrite=True)
    with pytest.raises(FileFormatError, match=r"shape \(59, 70\)"):
        io.read(good)


def test_mask_of_floats(good: Path) -> None:
    with fits.open(good) as hdus:
        hdus[2].data = hdus[2].data.astype(np.float32)
        hdus.writeto(good, overwrite=True)
    with pytest.raises(FileFormatError, match="float32"):
        io.read(good)


def test_mask_of_more_than_32_bits(good: Path) -> None:
    with fits.open(good) as hdus:
        hdus[2].data = hdus[2].data.astype(np.int64)
        hdus[2].data[3, 3] = 2**40
        hdus.writeto(good, overwrite=True)
    with pytest.raises(FileFormatError, match="32 bits"):
        io.read(good)


def test_two_names_for_one_bit(good: Path) -> None:
    with fits.open(good, mode="update") as hdus:
        hdus[2].header["MP_OTHER"] = hdus[2].header["MP_SAT"]
    with pytest.raises(MaskPlaneError, match=r"good\.fits.*share bit 1"):
        io.read(good)


def test_thirty_three_planes(good: Path) -> None:
    with fits.open(good, mode="update") as hdus:
        for bit in range(19, 33):
            hdus[2].header[f"MP_P{bit}"] = bit
    with pytest.raises(MaskPlaneError, match=r"good\.fits.*33 mask planes"):
        io.read(good)


@pytest.mark.parametrize("value", ["32", "-1", "1.5", "T"])
def test_bit_that_is_none(good: Path, value: str) -> None:
    replace_card(good, 2, "MP_SAT", value)
    with pytest.raises(MaskPlaneError, match=r"good\.fits.*SAT"):
        io.read(good)


def test_option_values(good: Path) -> None:
    with pytest.raises(OptionError, match=r"format = 'tiff'; allowed are auto"):
        io.read(good, format="tiff")
    for noise in (-1.0, 0.0, float("nan"), "guess", (0.0, 1.0), (1.0, -1.0), (1.0, 2.0, 3.0), "x"):
        with pytest.raises(OptionError, match="noise"):
            io.read(good, noise=noise)
    with pytest.raises(OptionError, match="one source of variance"):
        io.read(good, noise=1.0, weight="w.fits")
    with pytest.raises(OptionError, match="mask_map"):
        io.read(good, mask_map="no-such-table")


class Bomb:
    """An object whose unpickling would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def archive_table(columns: list[fits.Column], number: int, name: str) -> fits.BinTableHDU:
    hdu = fits.BinTableHDU.from_columns(columns)
    kind = "ARCHIVE_INDEX" if number == 0 else "ARCHIVE_DATA"
    hdu.header.update({"EXTTYPE": kind, "AR_CATN": number, "AR_NAME": name})
    return hdu


def with_archive(path: Path, name: str, columns: list[fits.Column], **index: int) -> None:
    """Add an archive of one object, a PSF, to an exposure."""
    entry = {"id": 1, "cat.archive": 1, "cat.persistable": 0, "row0": 0, "nrows": 1} | index
    numbers = [fits.Column(key, "J", array=[value]) for key, value in entry.items()]
    texts = [fits.Column("name", "64A", array=[name]), fits.Column("module", "64A", array=["m"])]
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update({"AR_HDU": len(hdus) + 1, "PSF_ID": 1})
        del hdus[0].header["DCOADDV"]
        hdus.append(archive_table(numbers + texts, 0, "index"))
        hdus.append(archive_table(columns, 1, name))


def test_pickled_psf_is_named_and_never_loaded(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = np.frombuffer(pickle.dumps(Bomb()), np.uint8)
    with_archive(good, "PiffPsf", [fits.Column("bytes", "QB()", array=[payload])])
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("unpickled"))
    exposure = io.read(good)
    assert exposure.psf.class_name == "PiffPsf"
    with pytest.raises(NoDataError, match=r"PiffPsf.*pickle"):
        exposure.psf.kernel_image()
    assert "PiffPsf" in io.describe(good).psf


GAUSSIAN = [
    fits.Column("dimensions_x", "J", array=[5]),
    fits.Column("dimensions_y", "J", array=[7]),
    fits.Column("sigma", "D", array=[1.5]),
]


def test_archive_that_is_good(good: Path) -> None:
    with_archive(good, "GaussianPsf", GAUSSIAN)
    assert io.read(good).psf.size_at() == (7, 5)


@pytest.mark.parametrize(
    ("name", "columns", "index"),
    [
        ("GaussianPsf", GAUSSIAN, {"nrows": 5}),
        ("GaussianPsf", GAUSSIAN, {"nrows": 0}),
        ("GaussianPsf", GAUSSIAN, {"row0": -1}),
        ("GaussianPsf", GAUSSIAN, {"cat.archive": 99}),
        ("GaussianPsf", GAUSSIAN, {"id": 7}),
        ("GaussianPsf", GAUSSIAN[:2], {}),
        ("GaussianPsf", [*GAUSSIAN[:2], fits.Column("sigma", "D", array=[-1.0])], {}),
        ("KernelPsf", GAUSSIAN, {}),
    ],
)
def test_damaged_archive_costs_the_part_not_the_pixels(
    good: Path, name: str, columns: list[fits.Column], index: dict[str, int]
) -> None:
    expected = io.read(good).image.array
    with_archive(good, name, columns, **index)
    exposure = io.read(good)
    np.testing.assert_array_equal(exposure.image.array, expected)
    with pytest.raises(NoDataError, match="PSF"):
        exposure.psf.kernel_image()


def test_archive_that_is_not_there(good: Path) -> None:
    with fits.open(good, mode="update") as hdus:
        del hdus[0].header["DCOADDV"]
        hdus[0].header.update({"AR_HDU": 5, "PSF_ID": 1})
    assert io.read(good).psf is None


def test_visit_cards_that_make_no_sense(good: Path) -> None:
    with fits.open(good, mode="update") as hdus:
        hdus[0].header.update(
            {
                "EXPTIME": "long",
                "DATE-AVG": "yesterday",
                "TIMESYS": "TAI",
                "ROTTYPE": "WHIRL",
                "OBS-LONG": 10.0,
                "OBS-LAT": 123.0,
                "IDNUM": 5,
            }
        )
    visit = io.read(good).visit_info
    assert np.isnan(visit.exposure_time)
    assert (visit.id, visit.date, visit.rotation_type, visit.observatory) == (
        5,
        None,
        "UNKNOWN",
        None,
    )


def test_describe_names_the_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    about = io.describe(path)
    assert about.format == ""
    assert "2-D image" in about.problem
    assert [hdu.kind for hdu in about.hdus] == ["header", "table"]
    assert io.image_hdus(path) == []
    with pytest.raises(MissingFileError):
        io.describe(tmp_path / "no.fits")

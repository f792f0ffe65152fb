# SPDX-License-Identifier: BSD-3-Clause
"""Files that we write: what is read back, and that a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS

from deepcoadd import io
from deepcoadd.errors import OptionError, OutputError, OutputExistsError, ShapeError
from deepcoadd.exposure import Exposure, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import MaskPlanes
from deepcoadd.photocalib import PhotoCalib
from deepcoadd.visitinfo import VisitInfo
from deepcoadd.wcs import pixel_to_sky

BOX = Box.from_shape((150, 170), start=(-40, 1200))
PLANES = MaskPlanes({"SAT": 1, "BAD": 0, "CR": 3, "NO_DATA": 8, "A_LONG_PLANE_NAME": 30})


def tan_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [242.64957161514388, 13.560561288652513]
    wcs.wcs.crpix = [1250.5, 20.25]
    wcs.wcs.cd = [[-5.3e-5, 1.5e-5], [1.5e-5, 5.4e-5]]
    wcs.wcs.set()
    return wcs


def make_exposure(box: Box = BOX, seed: int = 0) -> Exposure:
    rng = np.random.default_rng(seed)
    words = rng.choice(np.array([0, 1, 2, 8, 256, 1 << 30], np.int32), size=box.shape)
    pixels = MaskedImage.from_arrays(
        rng.normal(100.0, 5.0, box.shape).astype(np.float32),
        words,
        rng.uniform(20.0, 30.0, box.shape).astype(np.float32),
        box=box,
        planes=PLANES,
    )
    pixels.image.array[3, 4] = np.nan
    pixels.image.array[5, 6] = 0.0
    pixels.variance.array[3, 4] = np.inf
    pixels.mask.array[3, 4] = PLANES.bitmask("NO_DATA")
    return Exposure(
        pixels,
        wcs=tan_wcs(),
        unit=u.nJy,
        id=987654321,
        filter=FilterLabel("r", "HSC-R2"),
        photo_calib=PhotoCalib(2.5, 0.1),
        visit_info=VisitInfo(
            id=1234,
            exposure_time=30.0,
            date=Time("2024-03-05T04:05:06.123456789", scale="tai"),
            boresight_ra=12.5 * u.deg,
        ),
        metadata={"STRKEY": "it's", "A LONG KEYWORD": 3.5, "FLAG": True},
    )


def same_by_name(a: MaskedImage, b: MaskedImage) -> bool:
    names = [name for name in a.planes if name in b.planes]
    return set(a.planes) <= set(b.planes) and all(
        np.array_equal(a.mask.has(name), b.mask.has(name)) for name in names
    )


@pytest.mark.parametrize("compression", ["none", "lossless"])
def test_exposure_survives_writing(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.fits"
    exposure = make_exposure()
    io.write(path, exposure, compression=compression, provenance={"options": {"n": [1, 2]}})
    back = io.read(path)
    assert back.box == BOX
    np.testing.assert_array_equal(back.image.array, exposure.image.array)
    np.testing.assert_array_equal(back.variance.array, exposure.variance.array)
    assert same_by_name(exposure.masked_image, back.masked_image)
    assert back.image.array.dtype == np.float32
    assert back.image.array.dtype.isnative
    assert back.unit == u.nJy
    assert back.id == 987654321
    assert back.filter == exposure.filter
    assert back.photo_calib.mean == pytest.approx(2.5, rel=1e-15)
    assert back.photo_calib.error == pytest.approx(0.1, rel=1e-15)
    assert back.visit_info.id == 1234
    assert abs((back.visit_info.date - exposure.visit_info.date).to_value(u.ns)) < 1
    assert back.visit_info.boresight_ra == 12.5 * u.deg
    assert {"STRKEY": "it's", "A LONG KEYWORD": 3.5, "FLAG": True}.items() <= (
        back.info.metadata.items()
    )
    y, x = [-40.0, 0.0, 109.0], [1200.0, 1369.0, 1300.5]
    before, after = (pixel_to_sky(w, y=y, x=x) for w in (exposure.wcs, back.wcs))
    assert before.separation(after).arcsec.max() < 1e-8
    assert fits.getheader(path)["HIERARCH DEEPCOADD OPTIONS N"] == "[1, 2]"


def test_rice16_keeps_special_pixels_and_a_sixteenth_of_the_noise(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    exposure = make_exposure()
    io.write(path, exposure, compression="rice16")
    back = io.read(path)
    assert np.isnan(back.image.array[3, 4])
    assert back.image.array[5, 6] == 0.0
    assert back.variance.array[3, 4] == np.inf
    assert same_by_name(exposure.masked_image, back.masked_image)
    # A step of sigma/16: at most half of it off; the estimate of sigma is good to 20 %.
    assert np.nanmax(np.abs(back.image.array - exposure.image.array)) < 1.2 * 5.0 / 16 / 2


@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 140), slice(10, 11)])
def test_rice16_of_no_data_regions(tmp_path: Path, rows: slice) -> None:
    """Infinities beside data must not cost the data of their tile."""
    exposure = make_exposure()
    pixels = exposure.masked_image
    pixels.image.array[rows] = np.nan
    pixels.variance.array[rows] = np.inf
    pixels.mask.array[rows] = PLANES.bitmask("NO_DATA")
    pixels.image.array[145, :3] = [np.inf, -np.inf, 7.0]
    pixels.variance.array[146, :2] = [np.inf, np.nan]
    io.write(tmp_path / "a.fits", exposure, compression="rice16")
    back = io.read(tmp_path / "a.fits")
    good = np.isfinite(pixels.variance.array)
    assert np.abs(back.variance.array[good] - pixels.variance.array[good]).max() < 0.2
    assert np.isposinf(back.variance.array[rows]).all()
    assert np.isnan(back.image.array[145, :2]).all()
    assert back.image.array[145, 2] == pytest.approx(7.0, abs=0.2)
    assert np.isnan(back.variance.array[146, 1])
    finite = np.isfinite(pixels.image.array)
    np.testing.assert_array_equal(np.isfinite(back.image.array), finite)


@pytest.mark.parametrize("compression", ["none", "lossless", "rice16"])
def test_same_exposure_gives_the_same_bytes(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any time: gzip streams carry the time of their making."""
    files = []
    for i, now in enumerate((1e9, 1.5e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        files.append(tmp_path / f"{i}.fits")
        io.write(files[-1], make_exposure(), compression=compression)
    assert files[0].read_bytes() == files[1].read_bytes()
    np.testing.assert_array_equal(io.read(files[0]).mask.array, io.read(files[1]).mask.array)


def test_cards_follow_what_the_rubin_pipelines_read(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    io.write(path, make_exposure())
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE"]
        assert hdus[0].header["NAXIS"] == 0
        assert not {"AR_HDU", "EXPINFO_V"} & set(hdus[0].header)
        image, mask = hdus[1].header, hdus[2].header
        assert (image["CRPIX1A"], image["CRPIX2A"]) == (1.0, 1.0)
        assert (image["CRVAL1A"], image["CRVAL2A"]) == (1200.0, -40.0)
        assert (image["LTV1"], image["LTV2"]) == (-1200.0, 40.0)
        assert image["CRPIX1"] == 1250.5 - 1200
        assert image["INHERIT"] is True
        assert image["EXTTYPE"] == "IMAGE"
        assert {key: mask[key] for key in mask if key.startswith("MP_")} == {
            f"MP_{name}": bit for name, bit in PLANES.items()
        }
        assert hdus[2].data.dtype == np.dtype(">i4")
        assert (image["BUNIT"], hdus[3].header["BUNIT"]) == ("nJy", "nJy**2")
        assert hdus[0].header["TIMESYS"] == "TAI"
        assert hdus[0].header["FLUXMAG0"] == pytest.approx(3.6307805477010e12 / 2.5, rel=1e-13)
        hdus.verify("exception")


def test_tables_and_further_images(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    counts = Image(np.arange(BOX.area, dtype=np.uint32).reshape(BOX.shape), BOX)
    table = Table({"visit": [1, 2], "weight": [0.5, 1.5], "file": ["a", "bb"]})
    io.write(path, make_exposure(), inputs_table=table, extra_images={"nimage": counts})
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus["NIMAGE"].data, counts.array)
        assert list(hdus["INPUTS"].data["file"]) == ["a", "bb"]
    with pytest.raises(OptionError, match="MASK"):
        io.write(tmp_path / "b.fits", make_exposure(), extra_images={"mask": counts})
    with pytest.raises(ShapeError, match="NIMAGE"):
        io.write(
            tmp_path / "b.fits",
            make_exposure(),
            extra_images={"nimage": counts[Box.from_shape((5, 5), start=BOX.start)]},
        )
    assert os.listdir(tmp_path) == ["a.fits"]


@pytest.mark.parametrize("compression", ["none", "lossless"])
def test_further_tables(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.fits"
    table = Table({"rule": ["one", "big"], "where": ["\u00fc.fits", "b"], "x": [1.5, np.nan]})
    how: dict[str, Any] = {"compression": compression, "extra_tables": {"artifacts": table}}
    io.write(path, make_exposure(), inputs_table=table, **how)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        for name in ("INPUTS", "ARTIFACTS"):
            assert list(hdus[name].data["where"]) == ["\\xfc.fits", "b"]
            np.testing.assert_array_equal(hdus[name].data["x"], [1.5, np.nan])
    assert table["where"][0] == "\u00fc.fits"
    with pytest.raises(OptionError, match="'INPUTS': the name is taken"):
        io.write(tmp_path / "b.fits", make_exposure(), extra_tables={"inputs": table})
    assert os.listdir(tmp_path) == ["a.fits"]


@pytest.mark.parametrize("compression", ["none", "rice16"])
def test_tiles_give_the_same_file_as_one_write(tmp_path: Path, compression: str) -> None:
    exposure = make_exposure()
    whole, tiled = tmp_path / "whole.fits", tmp_path / "tiled.fits"
    table = Table({"visit": [7]})
    io.write(whole, exposure, compression=compression, inputs_table=table)
    with io.writer(tiled, exposure.info, compression=compression) as out:
        for box in reversed(list(BOX.tiles((64, 100)))):
            out.write_tile(box, exposure.masked_image[box])
        out.inputs_table = table
    assert tiled.read_bytes() == whole.read_bytes()


def write_tiles(path: Path, exposure: Exposure, tiles: list[MaskedImage]) -> None:
    with io.writer(path, exposure.info) as out:
        for tile in tiles:
            out.write_tile(tile.box, tile)


def test_missing_and_repeated_tiles_are_refused(tmp_path: Path) -> None:
    exposure = make_exposure()
    path = tmp_path / "a.fits"
    tiles = [exposure.masked_image[box] for box in BOX.tiles((75, 170))]
    with pytest.raises(ShapeError, match="open"):
        write_tiles(path, exposure, tiles[:1])
    with pytest.raises(ShapeError, match="overlap"):
        write_tiles(path, exposure, [*tiles, tiles[0]])
    with pytest.raises(ShapeError, match="not inside"):
        write_tiles(path, exposure, [MaskedImage.no_data(BOX.shifted_by(y=-1), PLANES)])
    assert os.listdir(tmp_path) == []


def test_exposure_without_pixels(tmp_path: Path) -> None:
    empty = Exposure(MaskedImage.from_arrays(np.zeros((0, 0))))
    with pytest.raises(ShapeError, match="without pixels"):
        io.write(tmp_path / "a.fits", empty)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("compression", ["none", "lossless", "rice16"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (129, 5)])
def test_odd_shapes_and_values(tmp_path: Path, shape: tuple[int, int], compression: str) -> None:
    """Sizes beside those of the tiles, and tiles of one value, which have no noise to measure."""
    infinities = () if compression == "rice16" else (np.inf, -np.inf)
    for i, value in enumerate((np.nan, 0.0, 3.25, *infinities)):
        pixels = MaskedImage.from_arrays(np.full(shape, value, np.float32), variance=1.0)
        path = tmp_path / f"{i}.fits"
        io.write(path, Exposure(pixels), compression=compression)
        np.testing.assert_array_equal(io.read(path).image.array, pixels.image.array)


def test_output_exists(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"a\.fits"):
        io.write(path, make_exposure())
    assert path.read_text() == "mine"
    io.write(path, make_exposure(), overwrite=True)
    assert io.read(path).box == BOX


def test_output_is_a_folder_or_has_none(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is a folder"):
        io.write(tmp_path, make_exposure(), overwrite=True)
    with pytest.raises(OptionError, match="missing"):
        io.write(tmp_path / "no" / "a.fits", make_exposure())
    with pytest.raises(OptionError, match="compression"):
        io.write(tmp_path / "a.fits", make_exposure(), compression="zip")
    assert os.listdir(tmp_path) == []


class FullDisk:
    """Stands in for `open`: written files lie on a disk that becomes full after so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.file: Any = None

    def __call__(self, path: Path, mode: str) -> FullDisk:
        self.file = open(path, mode)  # noqa: SIM115  (closed by __exit__)
        return self

    def write(self, data: bytes) -> None:
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


@pytest.mark.parametrize("room", [100, 5000, 150_000])
def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    path = tmp_path / "a.fits"
    path.write_text("old")
    monkeypatch.setattr("deepcoadd.io._write.open", FullDisk(room), raising=False)
    with pytest.raises(OutputError, match="No space left"):
        io.write(path, make_exposure(), overwrite=True)
    assert os.listdir(tmp_path) == ["a.fits"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_interrupted_writing_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with io.writer(tmp_path / "a.fits", make_exposure().info, compression="rice16"):
            raise error

    with pytest.raises(error):
        run()
    assert os.listdir(tmp_path) == []


def test_atomic_path_serves_any_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    with io.atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("x")
        assert not path.exists()
    assert path.read_text() == "x"
    with pytest.raises(OutputExistsError), io.atomic_path(path) as temporary:
        pytest.fail("the block must not run")


def test_output_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"

    def both_write() -> None:
        with io.atomic_path(path) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(OutputExistsError):
        both_write()
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["note.txt"]


def test_wcs_that_cards_cannot_hold(tmp_path: Path) -> None:
    exposure = make_exposure().with_info(wcs=WCS(naxis=3))
    with pytest.raises(OptionError, match="celestial"):
        io.write(tmp_path / "a.fits", exposure)
    assert os.listdir(tmp_path) == []


def test_metadata_that_cards_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    cards = {"NANKEY": np.nan, "NONE": None, "UMLAUT": "K\u00f6ln\nline", "NPINT": np.int64(4)}
    io.write(path, make_exposure().with_info(metadata=cards))
    back = io.read(path).info.metadata
    assert back["UMLAUT"] == "K?ln line"
    assert back["NPINT"] == 4
    assert not {"NANKEY", "NONE"} & set(back)

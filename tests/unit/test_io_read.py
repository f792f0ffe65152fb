# SPDX-License-Identifier: BSD-3-Clause
"""Reading exposures: which HDU is which, boxes, bits, types, calibration, sections."""

from __future__ import annotations

import bz2
import gzip
import logging
import pickle
import threading
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS, Sip

from deepcoadd import io
from deepcoadd.errors import OptionError, ShapeError
from deepcoadd.exposure import Exposure, FilterLabel
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.mask import DEFAULT_PLANES
from deepcoadd.refs import WarpRef, as_ref
from deepcoadd.wcs import pixel_to_sky

SHAPE = (23, 31)
RNG = np.random.default_rng(3)
IMAGE = RNG.normal(100, 5, SHAPE).astype(np.float32)
VARIANCE = RNG.uniform(20, 30, SHAPE).astype(np.float32)
WORDS = RNG.integers(0, 8, SHAPE).astype(np.int32)
PLANES = {"SAT": 0, "CROSSTALK": 1, "MY_PLANE": 2}


def linear(x0: float, y0: float) -> dict[str, Any]:
    return {"CRPIX1A": 1.0, "CRPIX2A": 1.0, "CRVAL1A": x0, "CRVAL2A": y0}


def hdu_list(
    *,
    image: np.ndarray = IMAGE,
    mask: np.ndarray | None = WORDS,
    variance: np.ndarray | None = VARIANCE,
    primary: dict[str, Any] | None = None,
    cards: dict[str, Any] | None = None,
    planes: dict[str, int] = PLANES,
    exttype: bool = True,
) -> fits.HDUList:
    """Exposure in the layout of the Rubin pipelines."""
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update(primary or {})
    for name, array in (("IMAGE", image), ("MASK", mask), ("VARIANCE", variance)):
        if array is None:
            continue
        hdu = fits.ImageHDU(array)
        if exttype:
            hdu.header["EXTTYPE"] = name
        hdu.header["INHERIT"] = True
        if name == "IMAGE":
            hdu.header.update(cards or {})
        if name == "MASK":
            hdu.header.update({f"HIERARCH MP_{key}": bit for key, bit in planes.items()})
        hdus.append(hdu)
    return fits.HDUList(hdus)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """`write(hdus)` makes a file of HDUs and returns its path."""

    def make(hdus: fits.HDUList, name: str = "a.fits") -> Path:
        hdus.writeto(tmp_path / name, overwrite=True)
        return tmp_path / name

    return make


def check_pixels(exposure: Exposure) -> None:
    np.testing.assert_array_equal(exposure.image.array, IMAGE)
    np.testing.assert_array_equal(exposure.variance.array, VARIANCE)
    for name, bit in PLANES.items():
        np.testing.assert_array_equal(exposure.mask.has(name), (WORDS >> bit & 1) == 1)
    for plane in (exposure.image, exposure.mask, exposure.variance):
        assert plane.array.dtype.isnative


def test_planes_by_exttype(write: Any) -> None:
    hdus = hdu_list()
    shuffled = fits.HDUList([hdus[0], hdus[3], hdus[1], hdus[2]])
    check_pixels(io.read(write(shuffled)))


def test_planes_by_extname(write: Any) -> None:
    hdus = hdu_list(exttype=False)
    for hdu, name in zip(hdus[1:], ("IMAGE", "MASK", "VARIANCE"), strict=True):
        hdu.name = name
    check_pixels(io.read(write(fits.HDUList([hdus[0], hdus[2], hdus[3], hdus[1]]))))


def test_planes_by_order(write: Any) -> None:
    check_pixels(io.read(write(hdu_list(exttype=False))))


def test_image_in_the_primary_hdu(write: Any) -> None:
    hdus = hdu_list(exttype=False)
    hdus[2].name, hdus[3].name = "MASK", "VARIANCE"
    old = fits.HDUList([fits.PrimaryHDU(IMAGE), hdus[2], hdus[3]])
    check_pixels(io.read(write(old)))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8"])
def test_mask_types(write: Any, dtype: str) -> None:
    check_pixels(io.read(write(hdu_list(mask=WORDS.astype(dtype)))))


def test_highest_bit_of_an_unsigned_mask(write: Any) -> None:
    words = np.where(WORDS & 1, np.uint32(1 << 31), np.uint32(0))
    mask = io.read(write(hdu_list(mask=words, planes={"TOP": 31}))).mask
    np.testing.assert_array_equal(mask.has("TOP"), (WORDS & 1) == 1)


def test_bits_without_a_name_are_kept(write: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ref = io.open_warp(write(hdu_list(planes={"SAT": 0, "CROSSTALK": 1})))
        first, again = ref.read().mask, ref.read().mask
    np.testing.assert_array_equal(first.has("UNKNOWN2"), (WORDS >> 2 & 1) == 1)
    np.testing.assert_array_equal(first.has("CROSSTALK"), (WORDS >> 1 & 1) == 1)
    assert first.planes == again.planes
    assert caplog.text.count("UNKNOWN2") == 1


def test_known_planes_get_the_bits_of_this_package(write: Any) -> None:
    planes = io.read(write(hdu_list())).mask.planes
    assert planes["SAT"] == DEFAULT_PLANES["SAT"]
    assert planes["CROSSTALK"] == DEFAULT_PLANES["CROSSTALK"]
    assert planes["MY_PLANE"] == len(DEFAULT_PLANES)


def test_thirty_two_planes_fit(write: Any) -> None:
    names = {f"P{bit}": bit for bit in range(31)} | {"SAT": 31}
    words = np.full(SHAPE, -(2**31) | 1, np.int32)
    mask = io.read(write(hdu_list(mask=words, planes=names))).mask
    assert mask.has("SAT").all()
    assert mask.has("P0").all()
    assert not mask.has("P1").any()
    assert len(mask.planes) == 32


def test_mask_without_names_has_the_default_ones(write: Any) -> None:
    mask = io.read(write(hdu_list(planes={}))).mask
    np.testing.assert_array_equal(mask.has("INTRP"), (WORDS >> 2 & 1) == 1)


@pytest.mark.parametrize("dtype", ["f8", "i4", "i2", "u2", "u1"])
def test_image_types_become_float32(write: Any, dtype: str) -> None:
    values = IMAGE.astype(dtype)
    image = io.read(write(hdu_list(image=values))).image.array
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, values.astype(np.float32))


def test_scaled_and_blank_integers(write: Any, tmp_path: Path) -> None:
    hdu = fits.ImageHDU(np.arange(12, dtype=np.int16).reshape(3, 4))
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, 3
    path = tmp_path / "a.fits"
    # Written as they stand: the cards are the code of the pixels.
    raw = fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(np.arange(12, dtype=np.int16).reshape(3, 4))]
    )
    raw.writeto(path)
    text = path.read_bytes()
    card = b"".join(
        f"{key:8}= {value:>20}".ljust(80).encode()
        for key, value in (("BSCALE", "0.5"), ("BZERO", "10.0"), ("BLANK", "3"))
    )
    end = text.index(b"END" + b" " * 77, 2880)
    path.write_bytes(text[:end] + card + text[end : end + 80] + text[end + 320 :])
    image = io.read(path, noise=1.0).image.array
    expected = np.arange(12).reshape(3, 4) * 0.5 + 10
    expected[0, 3] = np.nan
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("cards", "start"),
    [
        ({}, (0, 0)),
        (linear(40.0, -7.0), (-7, 40)),
        (linear(40.4, -7.4), (-7, 40)),
        ({"LTV1": -12.0, "LTV2": 3.0}, (-3, 12)),
        ({"LTV1": -12.0, "LTV2": 3.0, "LTM1_1": 0.5}, (0, 0)),
        ({**linear(40, -7), "CRPIX1A": 2.0}, (0, 0)),
        ({**linear(40, -7), "LTV1": -1.0, "LTV2": -1.0}, (-7, 40)),
    ],
)
def test_box(write: Any, cards: dict[str, Any], start: tuple[int, int]) -> None:
    exposure = io.read(write(hdu_list(cards=cards)))
    assert exposure.box == Box.from_shape(SHAPE, start=start)


def test_offsets_that_differ_are_reported(write: Any, caplog: pytest.LogCaptureFixture) -> None:
    hdus = hdu_list(cards={**linear(40, -7), "LTV1": -1.0, "LTV2": -1.0})
    hdus[2].header.update(linear(9, 9))
    with caplog.at_level(logging.WARNING):
        exposure = io.read(write(hdus))
    assert "LTV" in caplog.text
    assert "HDU 2: its first pixel is at (9, 9)" in caplog.text
    assert exposure.mask.box == exposure.image.box == Box.from_shape(SHAPE, start=(-7, 40))


def sip_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.wcs.crval, wcs.wcs.crpix = [30.0, -12.0], [15.0, 11.0]
    wcs.wcs.cd = [[5e-5, 1e-6], [-1e-6, 5e-5]]
    a, b = np.zeros((3, 3)), np.zeros((3, 3))
    a[2, 0], b[0, 2], b[1, 1] = 1e-5, -2e-5, 3e-6
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def test_sky_moves_with_the_box(write: Any) -> None:
    """Reference pixels of the projection and of the distortion are those of the array in a file."""
    wcs = sip_wcs()
    header = wcs.to_header(relax=True)
    exposure = io.read(write(hdu_list(cards={**header, **linear(400, -70)})))
    expected = pixel_to_sky(wcs, y=[5.0, 20.0], x=[7.0, 0.5])
    found = pixel_to_sky(exposure.wcs, y=[-65.0, -50.0], x=[407.0, 400.5])
    assert expected.separation(found).arcsec.max() < 1e-6


def test_sky_with_distortion_is_written(tmp_path: Path) -> None:
    box = Box.from_shape(SHAPE, start=(-70, 400))
    pixels = MaskedImage.from_arrays(IMAGE, WORDS, VARIANCE, box=box)
    wcs = io_shifted(sip_wcs())
    io.write(tmp_path / "a.fits", Exposure(pixels, wcs=wcs))
    back = io.read(tmp_path / "a.fits").wcs
    y, x = [-70.0, -50.0, -60.0], [400.0, 430.0, 410.0]
    difference = pixel_to_sky(wcs, y=y, x=x).separation(pixel_to_sky(back, y=y, x=x))
    assert difference.arcsec.max() < 1e-8


def io_shifted(wcs: WCS) -> WCS:
    from deepcoadd.wcs import shifted

    return shifted(wcs, y=-70, x=400)


def test_damaged_sky_is_left_out(write: Any, caplog: pytest.LogCaptureFixture) -> None:
    cards = {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--TAN"}
    with caplog.at_level(logging.WARNING):
        assert io.read(write(hdu_list(cards=cards))).wcs is None
    assert "sky coordinates" in caplog.text


@pytest.mark.parametrize(
    ("cards", "label"),
    [
        ({"FILTER": "r"}, FilterLabel("r", "")),
        ({"FILTER": "HSC-R2"}, FilterLabel("", "HSC-R2")),
        ({"FILTER": "i2"}, FilterLabel("i", "HSC-I2")),
        ({"FILTER": "_unknown_"}, None),
        ({"FILTER": "r", "HIERARCH EXPINFO_V": 1}, FilterLabel("r", "")),
        ({"FILTER": "r", "HIERARCH EXPINFO_V": 2}, None),
    ],
)
def test_filter_cards(write: Any, cards: dict[str, Any], label: FilterLabel | None) -> None:
    assert io.read(write(hdu_list(primary=cards))).info.filter == label


def test_calibration_cards(write: Any) -> None:
    calib = io.read(
        write(hdu_list(primary={"FLUXMAG0": 1e12, "HIERARCH FLUXMAG0ERR": 1e10}))
    ).photo_calib
    assert calib.mean == pytest.approx(3.6307805477010e12 / 1e12, rel=1e-13)
    assert calib.error == pytest.approx(3.6307805477010e12 * 1e10 / 1e24, rel=1e-13)
    for cards in (
        {"FLUXMAG0": 0.0},
        {"FLUXMAG0": 1e-300},
        {"FLUXMAG0": "x"},
        {},
        {"FLUXMAG0": 1e12, "HIERARCH EXPINFO_V": 1},
    ):
        assert io.read(write(hdu_list(primary=cards))).photo_calib is None


def test_cards_of_the_primary_count_only_when_inherited(write: Any) -> None:
    hdus = hdu_list(primary={"EXPTIME": 30.0, "FILTER": "r", "EXPID": 7, "MYCARD": 1})
    assert io.read(write(hdus)).info.metadata == {"MYCARD": 1}
    assert io.read(write(hdus)).info.id == 7
    del hdus[1].header["INHERIT"]
    hdus[1].header["OTHER"] = 2
    info = io.read(write(hdus)).info
    assert (info.visit_info, info.filter, info.id) == (None, None, None)
    assert info.metadata == {"OTHER": 2}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("nJy", u.nJy),
        ("adu", u.adu),
        ("electrons", u.electron),
        ("counts", u.count),
        ("DN", u.adu),
        ("nanomaggy", u.nmgy),
        ("", None),
    ],
)
def test_units(write: Any, text: str, unit: u.UnitBase | None) -> None:
    assert io.read(write(hdu_list(cards={"BUNIT": text}))).unit == unit


def test_unknown_unit_keeps_its_name(write: Any, tmp_path: Path) -> None:
    exposure = io.read(write(hdu_list(cards={"BUNIT": "furlongs"})))
    assert str(exposure.unit) == "furlongs"
    io.write(tmp_path / "b.fits", exposure)
    header = fits.getheader(tmp_path / "b.fits", 3)
    assert header["BUNIT"] == "furlongs**2"
    assert str(io.read(tmp_path / "b.fits").unit) == "furlongs"


def test_missing_planes(write: Any) -> None:
    exposure = io.read(write(hdu_list(mask=None, variance=None)))
    assert not exposure.mask.array.any()
    assert np.isnan(exposure.variance.array).all()


@pytest.mark.parametrize(("opener", "name"), [(gzip.open, "a.fits"), (bz2.open, "a.fits.bz2")])
def test_packed_files_are_known_by_content(write: Any, opener: Any, name: str) -> None:
    plain = write(hdu_list(), "plain.fits")
    packed = plain.with_name(name)
    with opener(packed, "wb") as out:
        out.write(plain.read_bytes())
    check_pixels(io.read(packed))
    ref = io.open_warp(packed)
    part = Box.from_shape((2, 3), start=(20, 28))
    np.testing.assert_array_equal(ref.read(part).image.array, IMAGE[20:22, 28:31])


def test_sections_in_names(write: Any) -> None:
    path = write(hdu_list(cards=linear(40, -7)))
    exposure = io.read(f"{path}[3:10,5:20]")
    assert exposure.box == Box.from_shape((16, 8), start=(-7 + 4, 40 + 2))
    np.testing.assert_array_equal(exposure.image.array, IMAGE[4:20, 2:10])
    np.testing.assert_array_equal(io.read(f"{path}[1][*,5:5]").image.array, IMAGE[4:5])
    ref = io.open_warp(f"{path}[3:10,5:20]")
    assert ref.read().box == ref.box() == ref.info().box == exposure.box
    with pytest.raises(ShapeError, match="not inside"):
        ref.read(Box.from_shape(SHAPE, start=(-7, 40)))
    with pytest.raises(ShapeError, match="leaves the image"):
        io.read(f"{path}[1:32,1:1]")


@pytest.mark.parametrize("text", ["[0:3,1:2]", "[5:3,1:2]", "[1:2:2,1:2]", "[a b]", "[1:2,1:2][3]"])
def test_names_that_make_no_sense(write: Any, text: str) -> None:
    path = write(hdu_list())
    with pytest.raises(OptionError, match="input"):
        io.read(f"{path}{text}")


def test_file_whose_name_ends_in_brackets(write: Any) -> None:
    check_pixels(io.read(write(hdu_list(), "odd[1].fits[2]")))


def test_box_argument(write: Any) -> None:
    path = write(hdu_list(cards=linear(40, -7)))
    box = Box.from_shape((3, 4), start=(-5, 41))
    assert io.read(path, box=box).box == box
    with pytest.raises(ShapeError, match="not inside"):
        io.read(path, box=box.shifted_by(x=100))
    assert io.read(path, box=Box.empty()).image.array.size == 0


def test_reference(write: Any) -> None:
    path = write(hdu_list(primary={"IDNUM": 42, "EXPTIME": 3.0}))
    ref = io.open_warp(path)
    assert isinstance(ref, WarpRef)
    assert as_ref(ref) is ref
    assert ref.data_id == {"visit": 42, "file": str(path)}
    assert ref.info().visit_info.exposure_time == 3.0
    first, second = ref.read(), ref.read()
    first.image.array[:] = 0
    np.testing.assert_array_equal(second.image.array, IMAGE)
    copy = pickle.loads(pickle.dumps(ref))
    np.testing.assert_array_equal(copy.read().image.array, IMAGE)
    ref.close()
    np.testing.assert_array_equal(ref.read().image.array, IMAGE)
    with pytest.raises(OptionError, match="sequence"):
        io.open_warps(path)
    with pytest.raises(OptionError, match="too"):
        io.read(f"{path}[1]", hdu=2)


@pytest.mark.parametrize("compression", ["none", "rice16"])
def test_many_threads_read_the_same(tmp_path: Path, compression: str) -> None:
    box = Box.from_shape((300, 200), start=(5, 6))
    rng = np.random.default_rng(8)
    pixels = MaskedImage.from_arrays(rng.normal(size=box.shape), box=box, variance=1.0)
    io.write(tmp_path / "a.fits", Exposure(pixels), compression=compression)
    ref = io.open_warp(tmp_path / "a.fits")
    whole = ref.read()
    tiles = list(box.tiles((37, 90)))
    failures: list[str] = []
    barrier = threading.Barrier(8)

    def work(first: int) -> None:
        barrier.wait()
        for tile in tiles[first:] + tiles[:first]:
            part = ref.read(tile)
            if not np.array_equal(part.image.array, whole[tile].image.array):
                failures.append(str(tile))

    threads = [threading.Thread(target=work, args=(3 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("cards", "tai"),
    [
        (
            {"DATE-AVG": "2013-11-02T06:01:31.788500000", "TIMESYS": "TAI"},
            "2013-11-02T06:01:31.7885",
        ),
        # Old files: UTC, which was 35 s behind TAI then.
        ({"TIME-MID": "2014-11-24T10:25:03.180490240Z"}, "2014-11-24T10:25:38.18049024"),
        ({"DATE-AVG": "2014-11-24T10:25:03", "TIMESYS": "UTC"}, "2014-11-24T10:25:38"),
        ({"DATE-AVG": "2013-11-02T06:01:31.7885"}, None),
        ({"TIME-MID": "1969-12-31T23:59:51.999918240Z", "EXPTIME": 0.0}, None),
    ],
)
def test_dates(write: Any, cards: dict[str, Any], tai: str | None) -> None:
    visit = io.read(write(hdu_list(primary={"IDNUM": 4, **cards}))).visit_info
    if tai is None:
        assert visit.date is None
    else:
        assert abs((visit.date - Time(tai, scale="tai")).to_value("ns")) < 1


def test_visit_of_two_constant_cards_is_none(write: Any) -> None:
    """Files of the Rubin pipelines carry these two even when nothing is known."""
    cards = {"ROTTYPE": "UNKNOWN", "HIERARCH HAS-SIMULATED-CONTENT": False}
    assert io.read(write(hdu_list(primary=cards))).visit_info is None
    cards["HIERARCH HAS-SIMULATED-CONTENT"] = True
    assert io.read(write(hdu_list(primary=cards))).visit_info.has_simulated_content

# SPDX-License-Identifier: BSD-3-Clause
"""Images of other pipelines, companions, mask tables, noise models, formats of the user."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

from deepcoadd import io
from deepcoadd.errors import FileFormatError, MissingFileError, OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.io import _registry

SHAPE = (20, 30)
RNG = np.random.default_rng(6)
IMAGE = RNG.normal(100, 5, SHAPE).astype(np.float32)
WEIGHT = RNG.uniform(0.5, 1.5, SHAPE).astype(np.float32)
WEIGHT[2, 3] = 0.0
WEIGHT[4, 5] = -1.0
WEIGHT[6, 7] = np.nan
CODES = np.zeros(SHAPE, np.int32)
CODES[0, :9] = np.arange(9)


def image_file(path: Path, array: np.ndarray, name: str = "", **cards: Any) -> Path:
    """File with an empty primary HDU and one image."""
    primary = fits.PrimaryHDU()
    primary.header.update(cards)
    fits.HDUList([primary, fits.ImageHDU(array, name=name or None)]).writeto(path)
    return path


def check_weights(pixels: MaskedImage) -> None:
    """Variance is 1 / weight; a weight that is not above 0 makes a pixel without data."""
    good = WEIGHT > 0
    np.testing.assert_allclose(pixels.variance.array[good], 1 / WEIGHT[good], rtol=1e-6)
    assert np.isinf(pixels.variance.array[~good]).all()
    assert np.isnan(pixels.image.array[~good]).all()
    np.testing.assert_array_equal(pixels.image.array[good], IMAGE[good])
    assert pixels.mask.has("NO_DATA")[~good].all()


def community_pipeline(folder: Path, version: str, quality: np.ndarray = CODES) -> Path:
    path = folder / "c4d_170316_062107_ooi_z_ls9.fits"
    cards = {"PLVER": version, "EXPNUM": 77, "EXPTIME": 100.0, "MJD-OBS": 57828.25}
    more = {"FILTER": "z DECam SDSS c0004 9260.0 1520.0", "MAGZERO": 29.9, "AIRMASS": 1.8}
    image_file(path, IMAGE, "N2", **cards, **more)
    image_file(folder / path.name.replace("_ooi_", "_oow_"), WEIGHT, "N2")
    image_file(folder / path.name.replace("_ooi_", "_ood_"), quality, "N2", PLVER=version)
    return path


def test_community_pipeline_codes(tmp_path: Path) -> None:
    exposure = io.read(community_pipeline(tmp_path, "V4.8.2a"))
    check_weights(exposure.masked_image)
    names = ["", "BAD", "NO_DATA", "SAT", "SAT", "CR", "SUSPECT", "SUSPECT", "STREAK"]
    for x, name in enumerate(names):
        word = int(exposure.mask.array[0, x])
        assert exposure.mask.planes.names_of(word) == ((name,) if name else ())
    info = exposure.info
    assert (info.filter.band, info.filter.physical) == ("z", "z DECam SDSS c0004 9260.0 1520.0")
    assert (info.visit_info.id, info.visit_info.airmass) == (77, 1.8)
    middle = info.visit_info.date.utc.mjd
    assert middle == pytest.approx(57828.25 + 50 / 86400, abs=1e-9)
    assert info.photo_calib.mean == pytest.approx(3.6307805477e12 * 10 ** (-0.4 * 29.9), rel=1e-9)


def test_community_pipeline_bits_of_old_versions(tmp_path: Path) -> None:
    bits = np.zeros(SHAPE, np.int32)
    bits[0, :4] = [1 | 2, 16, 64, 128]
    mask = io.read(community_pipeline(tmp_path, "V3.3.0", bits)).mask
    words = [mask.planes.names_of(int(mask.array[0, x])) for x in range(4)]
    assert words == [("BAD", "SAT"), ("CR",), ("SAT",), ("SUSPECT",)]


def test_community_pipeline_of_unknown_version(tmp_path: Path) -> None:
    path = community_pipeline(tmp_path, "unknown")
    with pytest.raises(FileFormatError, match="PLVER"):
        io.read(path)
    assert io.read(path, mask_map="decam-cp-codes-1").mask.has("CR")[0, 5]


@pytest.mark.parametrize("zero", [1e9, -1e9, 2000.0])
def test_zero_point_that_is_none(tmp_path: Path, zero: float) -> None:
    path = community_pipeline(tmp_path, "V4.8.2")
    fits.setval(path, "MAGZERO", value=zero)
    assert io.read(path).photo_calib is None


def test_several_detectors_must_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "c4d_1_ooi_z.fits"
    for kind, array in (("ooi", IMAGE), ("oow", WEIGHT), ("ood", CODES)):
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(array + 1, name="N1")]
        hdus[0].header["PLVER"] = "V4.1"
        hdus.append(fits.ImageHDU(array, name="N2"))
        fits.HDUList(hdus).writeto(tmp_path / f"c4d_1_{kind}_z.fits")
    with pytest.raises(OptionError, match="hdu="):
        io.read(path)
    check_weights(io.read(f"{path}[N2]").masked_image)


def test_missing_companion_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = community_pipeline(tmp_path, "V4.8")
    path.with_name(path.name.replace("_ooi_", "_oow_")).unlink()
    with caplog.at_level(logging.WARNING):
        exposure = io.read(path)
    assert "_oow_" in caplog.text
    assert np.isnan(exposure.variance.array).all()
    assert np.isfinite(exposure.image.array).all()


def test_code_that_is_not_listed_is_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    codes = CODES.copy()
    codes[1, :3] = [9, -4, 100_000]
    with caplog.at_level(logging.WARNING):
        mask = io.read(community_pipeline(tmp_path, "V4.8.2", codes)).mask
    assert mask.has("BAD")[1, :3].all()
    assert "not in table decam-cp-codes-1" in caplog.text


def test_legacy_survey(tmp_path: Path) -> None:
    stem = tmp_path / "legacysurvey-1867p255"
    image_file(Path(f"{stem}-image-r.fits"), IMAGE)
    image_file(Path(f"{stem}-invvar-r.fits"), WEIGHT)
    bits = np.zeros(SHAPE, np.int16)
    bits[0, :4] = [8, 4, 64, 2]
    image_file(Path(f"{stem}-maskbits.fits"), bits)
    exposure = io.read(f"{stem}-image-r.fits")
    check_weights(exposure.masked_image)
    assert exposure.mask.has("SAT")[0, :4].tolist() == [True, False, False, False]
    assert exposure.mask.has("BAD")[0, :4].tolist() == [False, False, True, False]
    assert exposure.mask.has("BRIGHT_OBJECT")[0, 3]
    assert exposure.photo_calib.mean == pytest.approx(3630.78, rel=1e-5)
    with pytest.raises(OptionError, match="legacysurvey"):
        io.read(f"{stem}-maskbits.fits", format="legacysurvey")


def test_swarp_pair(tmp_path: Path) -> None:
    path = image_file(tmp_path / "x.fits", IMAGE)
    image_file(tmp_path / "x.weight.fits", WEIGHT)
    ref = io.open_warp(path)
    assert ref.format == "swarp"
    check_weights(ref.read())


def test_ztf_pair(tmp_path: Path) -> None:
    path = image_file(tmp_path / "ztf_1_sciimg.fits", IMAGE, MAGZP=26.0)
    bits = np.zeros(SHAPE, np.int16)
    bits[0, :4] = [1, 2, 256, 2048]
    image_file(tmp_path / "ztf_1_mskimg.fits", bits)
    exposure = io.read(path, noise=(6.0, 10.0))
    assert exposure.mask.has("STREAK")[0, 0]
    assert exposure.mask.has("SAT")[0, 2]
    assert not exposure.mask.array[0, [1, 3]].any()


@pytest.mark.parametrize(
    ("kind", "convert"),
    [
        (StdDevUncertainty, np.sqrt),
        (VarianceUncertainty, np.asarray),
        (InverseVariance, np.reciprocal),
    ],
)
def test_ccd_data(tmp_path: Path, kind: Any, convert: Any) -> None:
    variance = RNG.uniform(1, 2, SHAPE)
    mask = RNG.uniform(size=SHAPE) < 0.1
    ccd = CCDData(IMAGE, unit="adu", mask=mask, uncertainty=kind(convert(variance)))
    ccd.write(tmp_path / "ccd.fits")
    ref = io.open_warp(tmp_path / "ccd.fits")
    assert ref.format == "ccddata"
    pixels = ref.read()
    np.testing.assert_array_equal(pixels.image.array, IMAGE)
    np.testing.assert_allclose(pixels.variance.array, variance, rtol=1e-6)
    np.testing.assert_array_equal(pixels.mask.has("BAD"), mask)
    assert ref.info().unit == u.adu


def test_lsst_images(tmp_path: Path) -> None:
    words = RNG.integers(0, 4, SHAPE).astype(np.int32)
    primary = fits.PrimaryHDU()
    primary.header["DATAMODL"] = "https://example.invalid/masked_image-1.0.0"
    hdus = fits.HDUList([primary])
    for name, array in (("IMAGE", IMAGE), ("MASK", words), ("VARIANCE", 1 / (1 + WEIGHT**2))):
        hdu = fits.CompImageHDU(
            array.astype(words.dtype if name == "MASK" else np.float32),
            name=name,
            compression_type="GZIP_2",
            quantize_level=0.0,
        )
        hdu.header.update({"CRPIX1A": 1.0, "CRPIX2A": 1.0, "CRVAL1A": 7.0, "CRVAL2A": -3.0})
        hdus.append(hdu)
    hdus["IMAGE"].header["BUNIT"] = "nJy"
    hdus["MASK"].header.update({"MSKN0000": "EDGE", "MSKM0000": 1, "MSKD0000": "text"})
    hdus["MASK"].header.update({"MSKN0001": "OTHER", "MSKM0001": 2})
    hdus.writeto(tmp_path / "a.fits")
    exposure = io.read(tmp_path / "a.fits")
    assert io.describe(tmp_path / "a.fits").format == "lsst-images"
    assert exposure.box == Box.from_shape(SHAPE, start=(-3, 7))
    np.testing.assert_array_equal(exposure.image.array, IMAGE)
    np.testing.assert_array_equal(exposure.mask.has("EDGE"), (words & 1) == 1)
    np.testing.assert_array_equal(exposure.mask.has("OTHER"), (words & 2) == 2)
    assert exposure.unit == u.nJy


def test_epochs_of_one_file(tmp_path: Path) -> None:
    """HDU 2k is an image, HDU 2k + 1 its inverse variance."""
    path = tmp_path / "stamps.fits"
    hdus = [fits.PrimaryHDU(IMAGE + 1), fits.ImageHDU(WEIGHT * 2)]
    fits.HDUList([*hdus, fits.ImageHDU(IMAGE), fits.ImageHDU(WEIGHT)]).writeto(path)
    check_weights(io.read(f"{path}[2]", weight="[3]").masked_image)
    check_weights(io.read(path, hdu=2, weight=f"{path}[3]").masked_image)
    section = io.read(f"{path}[2][1:10,1:5]", weight="[3]")
    assert section.box == Box.from_shape((5, 10))
    with pytest.raises(OptionError, match="section"):
        io.read(f"{path}[2]", weight="[3][1:10,1:5]")


def test_named_companions(tmp_path: Path) -> None:
    path = image_file(tmp_path / "image.fits", IMAGE)
    mask = image_file(tmp_path / "mask.fits", (CODES > 0).astype(np.uint8))
    variance = image_file(tmp_path / "variance.fits", WEIGHT)
    pixels = io.read(path, mask=mask, variance=variance).masked_image
    np.testing.assert_array_equal(pixels.mask.has("BAD"), CODES > 0)
    good = WEIGHT > 0
    np.testing.assert_array_equal(pixels.variance.array[good], WEIGHT[good])
    assert np.isinf(pixels.variance.array[~good]).all()
    small = image_file(tmp_path / "small.fits", WEIGHT[:-1])
    with pytest.raises(FileFormatError, match="shape"):
        io.read(path, weight=small)
    with pytest.raises(MissingFileError, match=r"none\.fits"):
        io.read(path, weight=tmp_path / "none.fits")
    with pytest.raises(OptionError, match="no mask"):
        io.read(path, mask_map="ztf-bits-1")


def test_companions_replace_planes_of_an_exposure(tmp_path: Path) -> None:
    exposure = Exposure(MaskedImage.from_arrays(IMAGE, variance=1.0))
    io.write(tmp_path / "a.fits", exposure)
    weights = image_file(tmp_path / "w.fits", WEIGHT)
    check_weights(io.read(tmp_path / "a.fits", weight=weights).masked_image)
    assert (io.read(tmp_path / "a.fits", noise=3.0).variance.array == 9.0).all()


def test_custom_mask_map(tmp_path: Path) -> None:
    path = image_file(tmp_path / "image.fits", IMAGE)
    mask = image_file(tmp_path / "mask.fits", CODES)
    by_bits = io.read(path, mask=mask, mask_map={0: "CR", 1: ("SAT", "MINE"), 2: ()}).mask
    assert by_bits.has("CR")[0, [1, 3, 5, 7]].all()
    assert by_bits.has("MINE")[0, [2, 3, 6, 7]].all()
    assert by_bits.array[0, 4] == 0
    assert by_bits.has("UNKNOWN3")[0, 8]
    table = tmp_path / "map.toml"
    table.write_text('kind = "codes"\n1 = ["CR"]\n2 = []\n')
    by_codes = io.read(path, mask=mask, mask_map=str(table)).mask
    assert by_codes.has("CR")[0].sum() == 1
    assert by_codes.has("BAD")[0].sum() == 6
    table.write_text('kind = "colours"\n')
    with pytest.raises(OptionError, match="kind"):
        io.read(path, mask=mask, mask_map=str(table))
    with pytest.raises(MissingFileError, match=r"none\.toml"):
        io.read(path, mask=mask, mask_map=str(tmp_path / "none.toml"))
    for wrong in ({32: "CR"}, {-1: "CR"}):
        with pytest.raises(OptionError, match="key"):
            io.MaskMap("bits", wrong)


def test_shipped_tables_are_readable() -> None:
    assert set(io.mask_maps()) >= {"decam-cp-codes-1", "decam-cp-bits-1", "ztf-bits-1"}
    for name, table in io.mask_maps().items():
        assert table.name == name
        assert table.target


def test_noise_models(tmp_path: Path) -> None:
    image = IMAGE.copy()
    image[0, 0], image[0, 1] = np.nan, -50.0
    path = image_file(tmp_path / "image.fits", image)
    flat = io.read(path, noise=2.5)
    assert flat.variance.array[1, 1] == 6.25
    assert np.isinf(flat.variance.array[0, 0])
    assert flat.mask.has("NO_DATA")[0, 0]
    assert flat.info.metadata["VARSRC"] == "noise model"
    model = io.read(path, noise=(4.0, 8.0)).variance.array
    np.testing.assert_allclose(model[5:], image[5:] / 4.0 + 4.0, rtol=1e-6)
    assert model[0, 1] == 4.0


def test_unknown_noise_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = image_file(tmp_path / "image.fits", IMAGE)
    with caplog.at_level(logging.WARNING):
        exposure = io.read(path)
    assert "no variance" in caplog.text
    assert np.isnan(exposure.variance.array).all()
    assert np.isfinite(exposure.image.array).all()


def test_estimated_noise(tmp_path: Path) -> None:
    """Blocks of 256 pixels, counted from the first pixel of the file.

    The relative error of a robust sigma of n pixels is 1.17 / sqrt(2 n) * 1.36: for the smallest
    block (256 x 44 pixels) 1.1 %, so that 6 % in sigma, 12 % in variance, is beyond 5 sigma.
    """
    rng = np.random.default_rng(12)
    sigma = np.where(np.arange(300) < 256, 2.0, 5.0)
    image = rng.normal(50.0, sigma, (300, 300)).astype(np.float32)
    image[10:20, 10:20] = 1e5
    image[30] = np.nan
    path = image_file(tmp_path / "image.fits", image)
    exposure = io.read(path, noise="estimate")
    variance = exposure.variance.array
    assert variance[0, 0] == pytest.approx(4.0, rel=0.12)
    assert variance[0, 299] == pytest.approx(25.0, rel=0.12)
    assert len(np.unique(variance[np.isfinite(variance)])) == 4
    assert exposure.info.metadata["VARSRC"] == "estimated"
    part = Box.from_shape((20, 50), start=(250, 240))
    section = io.open_warp(path, noise="estimate").read(part)
    np.testing.assert_array_equal(section.variance.array, exposure.variance[part].array)


def test_estimate_without_pixels_is_unknown(tmp_path: Path) -> None:
    path = image_file(tmp_path / "image.fits", np.full(SHAPE, 7.0, np.float32))
    pixels = io.read(path, noise="estimate").masked_image
    assert pixels.mask.has("NO_DATA").all()
    assert math.isinf(pixels.variance.array[0, 0])


def test_several_images_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "two.fits"
    fits.HDUList([fits.PrimaryHDU(IMAGE), fits.ImageHDU(IMAGE + 1)]).writeto(path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(io.read(path, noise=1.0).image.array, IMAGE)
    assert "2 images" in caplog.text
    assert io.image_hdus(path) == [0, 1]


def test_single_planes_are_not_taken_for_exposures(tmp_path: Path) -> None:
    mask = fits.PrimaryHDU(CODES)
    mask.header["MP_SAT"] = 1
    mask.writeto(tmp_path / "mask.fits")
    with pytest.raises(FileFormatError, match="read_mask"):
        io.read(tmp_path / "mask.fits")
    assert io.read_mask(tmp_path / "mask.fits").has("SAT")[0, 2]
    with pytest.raises(FileFormatError, match="no background"):
        io.read_background_planes(tmp_path / "mask.fits")


def test_read_image_keeps_the_type(tmp_path: Path) -> None:
    counts = np.array([[0, 2**32 - 1]], np.uint32)
    path = image_file(tmp_path / "n.fits", counts, "COUNTS")
    image = io.read_image(f"{path}[COUNTS][2:2,1:1]")
    assert image.array.dtype == np.uint32
    assert image.array.dtype.isnative
    assert image.array.tolist() == [[2**32 - 1]]
    assert io.read_image(path, hdu=1, box=Box.from_shape((1, 1))).array.tolist() == [[0]]


@pytest.fixture
def own_format() -> Iterator[None]:
    def read(path: Path) -> Exposure:
        values = np.loadtxt(path, dtype=np.float32, ndmin=2)
        return Exposure(MaskedImage.from_arrays(values, variance=1.0, start=(5, 5)))

    io.register_format("text", lambda path: path.suffix == ".txt", read)
    yield
    _registry._USER.clear()


@pytest.mark.usefixtures("own_format")
def test_formats_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1 2 3\n4 5 6\n")
    assert "text" in io.format_names()
    ref = io.open_warp(path)
    assert ref.format == "text"
    assert ref.box() == Box.from_shape((2, 3), start=(5, 5))
    part = Box.from_shape((1, 2), start=(6, 6))
    assert ref.read(part).image.array.tolist() == [[5.0, 6.0]]
    ref.read().image.array[:] = 0
    assert ref.read(part).image.array.tolist() == [[5.0, 6.0]]
    other = tmp_path / "a.dat"
    other.write_text("7\n")
    assert io.read(other, format="text").image.array.tolist() == [[7.0]]
    for name in ("afw", "auto", ""):
        with pytest.raises(OptionError, match="taken"):
            io.register_format(name, lambda _: True, io.read)

# SPDX-License-Identifier: BSD-3-Clause
"""Real files of many pipelines: each is read, or said not to be an image."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import io
from deepcoadd.errors import FileFormatError, NoDataError
from deepcoadd.geometry import Box
from deepcoadd.io._archive import Archive
from deepcoadd.io._hdus import scan_hdus
from deepcoadd.io._pool import FilePool
from deepcoadd.wcs import pixel_scale

SUFFIXES = (".fits", ".fits.gz", ".fits.fz", ".fit.gz", ".fits.bz2")


def files_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES))
    if not found:
        pytest.skip(f"no files in {folder.name}")
    return found


def has_image(path: Path) -> bool:
    """Whether astropy finds a 2-D image (and no background list) in a file."""
    with fits.open(path) as hdus:
        images = [hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2]
        return bool(images) and "BKGD_WIDTH" not in images[0].header


@pytest.mark.parametrize("name", ["lsst_format", "lsst_visit_summary", "psf_match_simulated"])
def test_every_file_is_read_or_named(real_data: Path, name: str) -> None:
    n_images = 0
    for path in files_in(real_data / name):
        if not has_image(path):
            with pytest.raises(FileFormatError, match=path.name):
                io.open_warp(path)
            assert io.describe(path).problem
            continue
        exposure = io.read(path)
        assert np.isfinite(exposure.image.array).all()
        assert np.isfinite(exposure.variance.array).all()
        n_images += 1
    assert name == "lsst_visit_summary" or n_images >= 2


def test_pixels_equal_those_of_astropy(real_data: Path) -> None:
    n = 0
    for path in files_in(real_data / "lsst_format"):
        if not has_image(path) or "calexp-849375" in path.name:
            continue
        exposure = io.read(path)
        with fits.open(path) as hdus:
            images = [hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2]
            for plane, hdu in zip(("image", "mask", "variance"), images, strict=True):
                array = getattr(exposure, plane).array
                if plane != "mask":
                    np.testing.assert_array_equal(array, hdu.data)
                    continue
                bits = {k[3:]: v for k, v in hdu.header.items() if k.startswith("MP_")}
                for name, bit in bits.items():
                    np.testing.assert_array_equal(
                        exposure.mask.has(name), (hdu.data.astype(np.int64) >> bit & 1) == 1
                    )
        n += 1
    assert n >= 8


def test_hsc_calexp_with_all_components(real_data: Path) -> None:
    path = real_data / "lsst_format" / "hsc_calexp_all_components.fits"
    exposure = io.read(path)
    info = exposure.info
    assert exposure.psf.kernel_image().array.sum() == pytest.approx(1.0)
    assert len(info.ap_corr_map) == 46
    assert info.photo_calib.mean == pytest.approx(1.99409, rel=1e-5)
    assert info.visit_info.boresight_alt.to_value("deg") == pytest.approx(65.01202705)
    assert info.visit_info.rotation_type == "SKY"
    assert len(info.valid_polygon.vertices) >= 3
    assert info.metadata["ZD-STR"] == 24.98771903
    assert not [key for key in info.metadata if "ARCHIVE" in key or key.endswith("_ID")]
    assert {"DETECTOR", "TRANSMISSION_CURVE"} <= set(info.components)
    with pytest.raises(NoDataError, match="DETECTOR is a Detector"):
        info.components["DETECTOR"].getName()
    assert exposure.mask.counts()["BAD"] == 576


def test_same_exposure_in_four_versions(real_data: Path) -> None:
    folder = real_data / "lsst_format" / "afw"
    names = ("noversion", "version-0", "version-1", "version-2")
    exposures = [io.read(folder / f"exposure-{name}.fits") for name in names]
    for exposure in exposures:
        np.testing.assert_array_equal(
            exposure.image.array, np.arange(100, dtype=np.float32).reshape(10, 10)
        )
        assert (exposure.variance.array == 1).all()
        assert exposure.id == 12345
        assert exposure.visit_info.mjd == exposures[0].visit_info.mjd
    labels = [str(exposure.info.filter) for exposure in exposures]
    assert labels[:3] == ["ha"] * 3
    assert all(exposure.photo_calib is not None for exposure in exposures)


def test_hsc_in_the_old_layout(real_data: Path) -> None:
    exposure = io.read(real_data / "lsst_format" / "hsc_m31_ticket1738.fits")
    assert exposure.box == Box.from_shape((301, 301), start=(460, 720))
    assert pixel_scale(exposure.wcs) == pytest.approx(0.168, rel=0.02)
    counts = exposure.mask.counts()
    assert min(counts[name] for name in ("SAT", "INTRP", "CR", "SUSPECT")) > 0
    y, x = exposure.box.center
    psf = exposure.psf.image(y=y, x=x)
    row, column = np.unravel_index(np.argmax(psf.array), psf.array.shape)
    assert abs(row + psf.box.y.start - y) <= 1
    assert abs(column + psf.box.x.start - x) <= 1
    assert exposure.info.photo_calib.mean == pytest.approx(0.578, rel=1e-3)


def test_compressed_calexp_by_sections(real_data: Path) -> None:
    ref = io.open_warp(real_data / "lsst_format" / "cfht_jointcal" / "calexp-849375-12.fits.fz")
    assert ref.box() == Box.from_shape((4612, 2048))
    info = ref.info()
    assert info.visit_info.id == 849375
    assert info.photo_calib is not None
    assert info.psf.class_name == "PsfexPsf"
    part = ref.read(Box.from_shape((100, 90), start=(4500, 1900)))
    assert not part.image.array.any()


def test_pickled_psf_is_refused(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("unpickled"))
    exposure = io.read(real_data / "lsst_format" / "piffpsf_exposure.fits")
    with pytest.raises(NoDataError, match=r"PiffPsf.*pickle"):
        exposure.psf.kernel_image(y=10.0, x=10.0)


def test_coadd_inputs_of_an_old_coadd(real_data: Path) -> None:
    path = real_data / "lsst_format" / "testCoaddInputs_coadd_with_version_1_data.fits"
    inputs = io.read(path).info.inputs
    assert len(inputs.visits) == len(inputs.ccds) == 3
    assert np.allclose(inputs.ccds["weight"], 1 / 3)
    assert all(polygon.area == 100 for polygon in inputs.ccd_polygons)


def test_background_list(real_data: Path) -> None:
    path = real_data / "lsst_format" / "cfht_jointcal" / "bkgd-849375-12.fits"
    parts = io.read_background_planes(path)
    assert len(parts) == 4
    assert all(part.box == Box.from_shape((4612, 2048)) for part in parts)
    assert all(part.statistics.box.shape == (37, 17) for part in parts)
    level = parts[0].statistics.image.array
    assert 1200 < level.min() < level.max() < 1300


def test_visit_info_tables_of_all_versions(real_data: Path) -> None:
    pool = FilePool()
    paths = sorted((real_data / "lsst_format" / "afw").glob("visitInfo-*.fits"))
    assert len(paths) >= 2
    for path in paths:
        with pool.use(path) as file, file.raw() as raw:
            hdus = scan_hdus(raw, file.size, path.name)
        visit = Archive(path, hdus, 1, pool).visit_info(1)
        assert visit.exposure_time == 10.01
        assert visit.boresight_alt.to_value("rad") == pytest.approx(0.5811946409141117)
        assert visit.date.unix_tai == pytest.approx(2137026240.0)
        assert visit.rotation_type == "SKY"
        if path.stem not in ("visitInfo-noversion", "visitInfo-version-1", "visitInfo-version-2"):
            assert visit.id == 987654


def test_decam_exposures(real_data: Path) -> None:
    paths = sorted((real_data / "decam_grz_field1867p255" / "images").glob("*_ooi_*.fits"))
    assert len(paths) == 9
    for path in paths:
        ref = io.open_warp(path)
        assert ref.format == "decam"
        pixels = ref.read()
        good = ~pixels.mask.has("NO_DATA")
        assert good.mean() > 0.95
        assert (pixels.variance.array[good] > 0).all()
        assert np.isfinite(pixels.image.array[good]).all()
        assert 0.25 < pixel_scale(ref.info().wcs) < 0.28
        info = ref.info()
        assert info.filter.band in "grz"
        assert info.visit_info.id > 0
        # Sky photons and read noise: the weights tell the scatter of an empty image to 20 %.
        spread = np.diff(np.percentile(pixels.image.array[good], [25, 75]))[0] / 1.349
        assert np.sqrt(np.median(pixels.variance.array[good])) == pytest.approx(spread, rel=0.2)


def test_stamps_of_many_epochs(real_data: Path) -> None:
    path = real_data / "sdss_s82_stamps_17_epochs" / "stamp-r-5.0073-0.0739.fits"
    refs = [io.open_warp(f"{path}[{2 * k}]", weight=f"[{2 * k + 1}]") for k in range(17)]
    assert len({ref.box() for ref in refs}) == 1
    covered = []
    for ref in refs:
        pixels = ref.read()
        empty = pixels.mask.has("NO_DATA")
        assert np.isnan(pixels.image.array[empty]).all()
        covered.append(1 - empty.mean())
        scaled = pixels.image.array[~empty] / np.sqrt(pixels.variance.array[~empty])
        assert 0.6 < np.diff(np.percentile(scaled, [25, 75]))[0] / 1.349 < 1.6
    assert all(share > 0.99 for share in covered[:14])
    assert all(0.1 < share < 0.7 for share in covered[14:])


def test_bare_images_with_estimated_noise(real_data: Path) -> None:
    path = real_data / "decam_i_stack" / "DEC-OBS18a.mini.fits"
    exposure = io.read(path, noise="estimate")
    assert np.sqrt(np.median(exposure.variance.array)) == pytest.approx(52.5, rel=0.15)
    packed = sorted((real_data / "hatp32_drift_stack").glob("*.fits.gz"))[0]
    raw = io.read(packed, noise=(1.0, 5.0))
    assert raw.box.shape == (500, 650)
    assert 300 < np.median(raw.image.array) < 420

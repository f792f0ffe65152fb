# SPDX-License-Identifier: BSD-3-Clause
"""FITS files of the reference implementation: pixels and components against its own reading.

What no rule leaves out is compared; the rules:

- R1 a PSF of class PsfexPsf or PiffPsf is a placeholder that raises (not decoded);
- R3 the rendered image of a background list: rendering is not part of reading.

Tolerances: pixels exact (as float32, which all planes are converted to); sky 1e-6 arcsec (cards of
15 digits, where the truth comes from the archive: 4e-9 arcsec for CRVAL, and CD times a thousand
pixels likewise; distortion terms are the rest); PSF 1e-12 of the peak, warped ones as in
`psf_cases.tolerance_of` (the size of the cache stands in the file);
calibrations and corrections 1e-12 relative (sums of at most 16 terms).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time

from deepcoadd import io
from deepcoadd.background import BackgroundList
from deepcoadd.errors import NoDataError
from deepcoadd.exposure import Exposure
from deepcoadd.geometry import Box
from deepcoadd.mask import DEFAULT_PLANES
from deepcoadd.visitinfo import VisitInfo
from deepcoadd.wcs import pixel_to_sky

from .psf_cases import tolerance_of

NOT_DECODED = ("PsfexPsf", "PiffPsf")  # R1
WARPED = ("WarpedPsf", "CoaddPsf")
REFERENCE_PLANES = {name: bit for name, bit in DEFAULT_PLANES.items() if bit <= 8}
Arrays = dict[str, np.ndarray]


def box_of(numbers: list[int]) -> Box:
    x0, y0, width, height = numbers
    return Box.from_shape((height, width), start=(y0, x0))


def same_planes(mask: Any, words: np.ndarray, planes: dict[str, int]) -> bool:
    return all(
        np.array_equal(mask.has(name), (words >> bit & 1) == 1) for name, bit in planes.items()
    )


def rule(name: str, params: dict[str, Any]) -> str:
    """Rule that leaves out an array; empty when it is to be compared."""
    if name.startswith("in_"):
        return "input"
    if name.startswith("out_psf") and params["psf"]["type"] in NOT_DECODED:
        return "R1"
    if name == "out_image" and "items" in params:
        return "R3"
    return ""


def psf_tolerance(params: dict[str, Any]) -> float:
    """Of PSF images, in units of the peak."""
    if params["psf"]["type"] not in WARPED:
        return 1e-12
    sizes = [0]
    with fits.open(params["path"]) as hdus:
        for hdu in hdus[4:]:
            for column in ("cachesize", "cacheSize"):
                if column in hdu.columns.names:
                    sizes += [int(size) for size in hdu.data[column]]
    # Texts of the archive do not say simply whether a WCS is distorted.
    return tolerance_of(max(sizes), distorted=True)


def compare(name: str, truth: np.ndarray, exposure: Exposure, arrays: Arrays, params: Any) -> None:
    """Compare one array of a case."""
    points = arrays.get("in_pixels", np.empty((0, 2)))
    if name in ("out_image", "out_variance"):
        plane = exposure.image if name == "out_image" else exposure.variance
        np.testing.assert_array_equal(plane.array, truth.astype(np.float32))
    elif name == "out_mask":
        assert same_planes(exposure.mask, truth, params["maskPlanes"])
    elif name == "out_radec_deg":
        if exposure.wcs is None:
            # No card can hold it: text of the archive, whose numbers have all their digits.
            found = exposure.info.components["SKYWCS"].to_sky(points[:, 1], points[:, 0])
            sky, tolerance = SkyCoord(*found, unit="deg"), 1e-8
        else:
            sky, tolerance = pixel_to_sky(exposure.wcs, y=points[:, 1], x=points[:, 0]), 1e-6
        assert sky.separation(SkyCoord(*truth.T, unit="deg")).arcsec.max() < tolerance
    elif name.startswith("out_psf_"):
        x, y = arrays["in_psf_positions"][int(name.rsplit("_", 1)[1])]
        image = exposure.psf.kernel_image(y=y, x=x)
        if name.startswith("out_psf_bbox"):
            assert image.box == box_of(truth.tolist())
        else:
            atol = psf_tolerance(params)
            np.testing.assert_allclose(image.array, truth, rtol=0, atol=atol * truth.max())
    elif name == "out_photocalib_at":
        ours = [exposure.photo_calib.at(y=y, x=x) for x, y in points[: truth.size]]
        np.testing.assert_allclose(ours, truth, rtol=1e-12)
    elif name == "out_polygon":
        ring = np.array(exposure.valid_polygon.vertices)[:, ::-1]
        np.testing.assert_array_equal([*ring, ring[0]], truth)
    else:
        pytest.fail(f"nobody compares {name}")


def read_exposure(path: Path, arrays: Arrays) -> Exposure | None:
    """Exposure of a file; None for a single plane or a background list."""
    return io.read(path) if {"out_image", "out_mask", "out_variance"} <= arrays.keys() else None


def test_arrays(golden: Any, golden_path: Path) -> None:
    """Pixels, sky, PSF, calibration, polygon of every exposure and masked image."""
    compared, left_out, n_open = Counter[str](), Counter[str](), 0
    for file, params, arrays in golden("afwfiles"):
        exposure = read_exposure(golden_path / params["fits"], arrays) if "fits" in params else None
        if exposure is None:
            continue
        assert exposure.box == box_of(params["bbox"]), file
        for name, truth in arrays.items():
            why = rule(name, params)
            if why:
                left_out[why] += 1
                continue
            n_open += 1
            compare(name, truth, exposure, arrays, {**params, "path": golden_path / params["fits"]})
            compared[name] += 1
    del left_out["input"]
    print(f"compared {compared.total()} arrays, left out {dict(left_out)}")
    assert compared.total() >= 0.9 * n_open
    assert compared["out_image"] == compared["out_mask"] == compared["out_variance"] > 0


def test_single_planes(golden: Any, golden_path: Path) -> None:
    """Images in their own type, and masks, written alone."""
    n = 0
    for file, params, arrays in golden("afwfiles"):
        if "fits" not in params or "out_variance" in arrays or "items" in params:
            continue
        path = golden_path / params["fits"]
        if "out_image" in arrays:
            image = io.read_image(path)
            np.testing.assert_array_equal(image.array, arrays["out_image"], err_msg=file)
            assert image.array.dtype == arrays["out_image"].dtype
            assert image.array.dtype.isnative
            assert image.box == box_of(params["bbox"])
            np.testing.assert_array_equal(
                io.read(path, noise=1.0).image.array, arrays["out_image"].astype(np.float32)
            )
        else:
            mask = io.read_mask(path)
            assert mask.box == box_of(params["bbox"])
            assert same_planes(mask, arrays["out_mask"], params["maskPlanes"])
        n += 1
    if not n:
        pytest.skip("no case of this kind")


def test_background_lists(golden: Any, golden_path: Path) -> None:
    """Statistics planes and style cards of background lists."""
    styles = {
        "interpStyle": (
            "INTERPSTYLE",
            ["CONSTANT", "LINEAR", "NATURAL_SPLINE", "", "", "AKIMA_SPLINE"],
        ),
        "undersampleStyle": (
            "UNDERSAMPLESTYLE",
            ["THROW_EXCEPTION", "REDUCE_INTERP_ORDER", "INCREASE_NXNYSAMPLE"],
        ),
        "approxStyle": ("APPROXSTYLE", ["CHEBYSHEV", "UNKNOWN"]),
    }
    n = 0
    for file, params, arrays in golden("afwfiles"):
        if "items" not in params:
            continue
        path = golden_path / params.get("fits", file.replace(".npz", ".fits"))
        parts = io.read_background_planes(path)
        assert len(parts) == len(params["items"])
        for i, (part, item) in enumerate(zip(parts, params["items"], strict=True)):
            pixels = part.statistics
            np.testing.assert_array_equal(pixels.image.array, arrays[f"out_stats_image_{i}"])
            np.testing.assert_array_equal(pixels.variance.array, arrays[f"out_stats_variance_{i}"])
            assert same_planes(pixels.mask, arrays[f"out_stats_mask_{i}"], REFERENCE_PLANES)
            assert part.box == box_of(item["imageBBox"])
            for key, (card, names) in styles.items():
                assert names[part.style[card]] == item[key]
            assert part.style["APPROXORDERX"] == item["approxOrderX"]
            assert part.style["APPROXORDERY"] == item["approxOrderY"]
            assert part.style["APPROXWEIGHTING"] == item["approxWeighting"]
            n += 1
        check_sum(path, arrays["out_image"])
    if not n:
        pytest.skip("no case of this kind")


def check_sum(path: Path, truth: np.ndarray) -> None:
    """Image of a list: one rounding of float32 for each background.

    The reference weights polynomials by 1 / sigma (B-1), so it is given these as variances.
    """
    whole = io.read_background_list(path)
    models = [item.model for item in whole]
    models = [replace(model, variances=np.sqrt(model.variances)) for model in models]
    ours = BackgroundList(*models).image().array
    atol = 1.2e-7 * (1 + len(whole)) * np.nanmax(np.abs(truth))
    np.testing.assert_allclose(ours, truth, rtol=0, atol=atol)
    for item in whole:
        if item.approx_style == "UNKNOWN":
            assert item.background.options.algorithm == item.interp_style


def test_components(golden: Any, golden_path: Path) -> None:
    """Filter, visit, id, metadata, aperture corrections, inputs, summary."""
    seen = Counter[str]()
    for _, params, arrays in golden("afwfiles"):
        exposure = read_exposure(golden_path / params["fits"], arrays) if "fits" in params else None
        if exposure is None or "psf" not in params:
            continue
        info = exposure.info
        check_filter(exposure, params["filter"])
        check_visit(info.visit_info, params["visitInfo"])
        assert info.id == params["id"]
        check_calibration(exposure, params["photoCalib"])
        for name in ("metadata", "apCorrMap", "coaddInputs", "summaryStats"):
            if params.get(name):
                seen[name] += 1
                CHECKS[name](exposure, params[name], arrays)
        seen["polygon"] += info.valid_polygon is not None
        assert (info.valid_polygon is not None) == params["hasPolygon"]
        assert (info.psf is None) == (params["psf"] is None)
        seen["exposures"] += 1
    assert seen["exposures"] > 0
    print(f"compared {dict(seen)}")


def check_filter(exposure: Exposure, truth: dict[str, Any] | None) -> None:
    label = exposure.info.filter
    if truth is None:
        assert label is None
    else:
        assert (label.band, label.physical) == (truth["band"] or "", truth["physical"] or "")


def check_calibration(exposure: Exposure, truth: dict[str, Any] | None) -> None:
    calib = exposure.photo_calib
    assert (calib is None) == (truth is None)
    if truth is not None:
        assert (calib.mean, calib.error) == (truth["calibrationMean"], truth["calibrationErr"])


VISIT_NUMBERS = {
    "exposureTime": lambda v: v.exposure_time,
    "darkTime": lambda v: v.dark_time,
    "ut1_mjd": lambda v: v.ut1_mjd,
    "era_deg": lambda v: v.era.to_value("deg"),
    "boresight_ra_deg": lambda v: v.boresight_ra.to_value("deg"),
    "boresight_dec_deg": lambda v: v.boresight_dec.to_value("deg"),
    "boresight_az_deg": lambda v: v.boresight_az.to_value("deg"),
    "boresight_alt_deg": lambda v: v.boresight_alt.to_value("deg"),
    "airmass": lambda v: v.airmass,
    "rotAngle_deg": lambda v: v.rotation_angle.to_value("deg"),
    "focusZ": lambda v: v.focus_z,
}
VISIT_TEXTS = {
    "rotType": "rotation_type",
    "instrumentLabel": "instrument",
    "id": "id",
    "observationType": "observation_type",
    "scienceProgram": "science_program",
    "observationReason": "observation_reason",
    "object": "target",
    "hasSimulatedContent": "has_simulated_content",
}


def same_number(ours: float, truth: float | None, rel: float = 1e-12) -> bool:
    return math.isnan(ours) if truth is None else ours == pytest.approx(truth, rel=rel, abs=1e-9)


def check_visit(visit: VisitInfo | None, truth: dict[str, Any]) -> None:
    if visit is None:
        assert truth["exposureTime"] is None
        assert truth["id"] == 0
        assert truth["date_tai_iso"] is None
        return
    for key, get in VISIT_NUMBERS.items():
        assert same_number(get(visit), truth[key]), key
    for key, name in VISIT_TEXTS.items():
        assert getattr(visit, name) == truth[key], key
    weather = visit.weather
    assert same_number(weather.getAirTemperature(), truth["weather"]["temperature_C"])
    assert same_number(weather.getAirPressure(), truth["weather"]["pressure_Pa"])
    assert same_number(weather.getHumidity(), truth["weather"]["humidity_percent"])
    if truth["date_tai_iso"] is None:
        assert visit.date is None
    else:
        # astropy reads nine digits of a second.
        difference = visit.date - Time(truth["date_tai_iso"], scale="tai")
        assert abs(difference.to_value("ns")) < 1
    place = truth["observatory"]
    if place["longitude_deg"] is None:
        assert visit.observatory is None
        return
    assert visit.observatory.lon.deg == pytest.approx(place["longitude_deg"], abs=1e-9)
    assert visit.observatory.lat.deg == pytest.approx(place["latitude_deg"], abs=1e-9)
    assert visit.observatory.height.to_value("m") == pytest.approx(place["elevation_m"], abs=1e-5)
    if truth["hourAngle_deg"] is not None:
        # Ours is wrapped to -180..180, the reference's is not.
        turns = (visit.hour_angle.to_value("deg") - truth["hourAngle_deg"]) / 360.0
        assert turns == pytest.approx(round(turns), abs=1e-9)
        ours = visit.parallactic_angle.to_value("deg")
        assert (ours - truth["parallacticAngle_deg"] + 180) % 360 == pytest.approx(180, abs=1e-6)


def check_metadata(exposure: Exposure, truth: dict[str, Any], _: Arrays) -> None:
    cards = dict(exposure.info.metadata)
    if exposure.unit is not None:
        cards["BUNIT"] = str(exposure.unit)
    assert truth.items() <= cards.items()


def check_corrections(exposure: Exposure, truth: dict[str, Any], arrays: Arrays) -> None:
    assert exposure.ap_corr_map.keys() == truth.keys()
    for name, values in truth.items():
        field = exposure.ap_corr_map[name]
        ours = [float(field.evaluate(y=y, x=x)) for x, y in arrays["in_pixels"][: len(values)]]
        np.testing.assert_allclose(ours, values, rtol=1e-12)


def check_inputs(exposure: Exposure, truth: dict[str, Any], _: Arrays) -> None:
    inputs = exposure.info.inputs
    for table, rows in ((inputs.visits, truth["visits"]), (inputs.ccds, truth["ccds"])):
        assert len(table) == len(rows)
        for row, want in zip(table, rows, strict=True):
            for key in ("id", "ccd", "visit", "goodpix", "weight", "filter"):
                if key in want:
                    assert row[key] == want[key]
            corners = [int(row[f"bbox_{name}"]) for name in ("min_x", "min_y", "max_x", "max_y")]
            x0, y0, width, height = want["bbox"]
            assert corners == [x0, y0, x0 + width - 1, y0 + height - 1]
            assert bool(row["psf"]) == want["hasPsf"]
            assert bool(row["wcs"]) == want["hasWcs"]
    for polygon, want in zip(inputs.ccd_polygons, truth["ccds"], strict=True):
        ring = want["polygon"]
        assert (polygon is None) == (ring is None)
        if polygon is not None:
            assert [list(point[::-1]) for point in polygon.vertices] == ring[:-1]


def check_summary(exposure: Exposure, truth: dict[str, Any], _: Arrays) -> None:
    ours = exposure.info.components["SUMMARY_STATS"]
    assert {key: ours[key] for key in truth} == truth


CHECKS = {
    "metadata": check_metadata,
    "apCorrMap": check_corrections,
    "coaddInputs": check_inputs,
    "summaryStats": check_summary,
}


def test_placeholders_raise(golden: Any, golden_path: Path) -> None:
    """R1: a PSF that is not decoded names its class when used."""
    n = 0
    for _, params, _arrays in golden("afwfiles"):
        if (params.get("psf") or {}).get("type") in NOT_DECODED:
            psf = io.read(golden_path / params["fits"]).psf
            with pytest.raises(NoDataError, match=params["psf"]["type"]):
                psf.kernel_image()
            n += 1
    if not n:
        pytest.skip("no case with such a PSF")


def test_sections(golden: Any, golden_path: Path) -> None:
    """Any part of a file has the pixels that it has in the whole, compressed or not."""
    rng = np.random.default_rng(5)
    n = 0
    for file, params, arrays in golden("afwfiles"):
        exposure = read_exposure(golden_path / params["fits"], arrays) if "fits" in params else None
        if exposure is None:
            continue
        ref = io.open_warp(golden_path / params["fits"])
        for _ in range(3):
            (y0, x0), (ny, nx) = exposure.box.start, exposure.box.shape
            y, x = sorted(rng.integers(0, ny + 1, 2)), sorted(rng.integers(0, nx + 1, 2))
            box = Box.from_shape((y[1] - y[0], x[1] - x[0]), start=(y0 + y[0], x0 + x[0]))
            part, whole = ref.read(box), exposure.masked_image[box]
            for name in ("image", "mask", "variance"):
                np.testing.assert_array_equal(
                    getattr(part, name).array, getattr(whole, name).array, err_msg=file
                )
            n += 1
        ref.close()
    assert n > 0


def test_files_written_again_hold_the_same(golden: Any, golden_path: Path, tmp_path: Path) -> None:
    """What is read from a file of the reference survives our own file."""
    n = 0
    for _, params, arrays in golden("afwfiles"):
        exposure = read_exposure(golden_path / params["fits"], arrays) if "fits" in params else None
        if exposure is None:
            continue
        io.write(tmp_path / "a.fits", exposure, overwrite=True)
        back = io.read(tmp_path / "a.fits")
        np.testing.assert_array_equal(back.image.array, exposure.image.array)
        np.testing.assert_array_equal(back.mask.array, exposure.mask.array)
        for name in ("valid_polygon", "ap_corr_map", "filter", "id"):
            assert getattr(back.info, name) == getattr(exposure.info, name)
        if exposure.psf is not None and params["psf"]["type"] not in NOT_DECODED:
            for x, y in arrays["in_psf_positions"]:
                np.testing.assert_array_equal(
                    back.psf.kernel_image(y=y, x=x).array,
                    exposure.psf.kernel_image(y=y, x=x).array,
                )
        if exposure.photo_calib is not None:
            for x, y in arrays["in_pixels"][:4]:
                assert back.photo_calib.at(y=y, x=x) == pytest.approx(
                    exposure.photo_calib.at(y=y, x=x), rel=1e-15
                )
        n += 1
    assert n > 0

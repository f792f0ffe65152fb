# SPDX-License-Identifier: BSD-3-Clause
"""Exposures are chosen by overlap, by the quality of the PSF, by seeing, each with its reason."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from deepcoadd import Exposure, MaskedImage
from deepcoadd.coadd import (
    PsfLimits,
    SeeingOptions,
    Selection,
    SelectOptions,
    select,
    summarize,
)
from deepcoadd.errors import NoWorkError, OptionError
from deepcoadd.testing import simulate_warps
from deepcoadd.wcs import corners

FWHM = math.sqrt(8 * math.log(2))
SCALE = 0.2
REGION = SkyCoord([9.95, 10.05, 10.05, 9.95] * u.deg, [-0.05, -0.05, 0.05, 0.05] * u.deg)


def summary(n: int, **columns: Any) -> Table:
    """Detectors of 0.2 x 0.2 degrees on the region, one a visit, all of them good."""
    table = Table({"visit": np.arange(100, 100 + n), "detector": np.arange(n)})
    table["band"] = ["r"] * n
    table["raCorners"] = np.array([[9.9, 10.1, 10.1, 9.9]] * n)
    table["decCorners"] = np.array([[-0.1, -0.1, 0.1, 0.1]] * n)
    table["pixelScale"] = SCALE
    table["psfSigma"] = 1.0 / FWHM / SCALE
    table["mjd"] = 60000.0 + np.arange(n)
    for name in ("psfStarDeltaE1Median", "psfStarDeltaE2Median", "psfStarDeltaSizeScatter"):
        table[name] = 0.001
    for name in ("psfStarScaledDeltaSizeScatter", "psfTraceRadiusDelta", "psfApFluxDelta"):
        table[name] = 0.001
    table["psfApCorrSigmaScaledDelta"] = 0.001
    table["nPsfStar"] = 50
    table["starEMedian"] = 0.01
    table["starUnNormalizedEMedian"] = 0.01
    for name, values in columns.items():
        table[name] = values
    return table


def of_seeing(fwhm: Any, **more: Any) -> Table:
    """Visits of given full widths, arcsec."""
    sigma = np.asarray(fwhm, np.float64) / FWHM / SCALE
    return summary(len(sigma), psfSigma=sigma, **more)


def by(kind: Any, table: Any, region: SkyCoord | None = REGION, **more: Any) -> Selection:
    return select(table, region, SelectOptions(kind=kind, **more))


def kept_visits(table: Table, found: Selection) -> list[int]:
    return table["visit"][list(found.kept)].tolist()


def test_all_are_kept_without_a_kind() -> None:
    table = of_seeing([9.0, math.nan, 0.5])
    found = select(table)
    assert found.kept == (0, 1, 2)
    assert found.reasons == ("", "", "")
    assert_allclose(found.fwhm, [9.0, math.nan, 0.5])


def test_by_overlap() -> None:
    table = summary(6)
    table["raCorners"][1] += 0.2  # touches 10.1, the region ends at 10.05
    table["raCorners"][2] += 0.15  # shares the edge at 10.05
    table["decCorners"][3] = math.nan
    table["raCorners"][4] = 10.0  # all on one line
    found = by("wcs", table, exclude_detectors=(5,))
    assert found.kept == (0, 2)
    assert found.reasons[1] == "does not overlap the region"
    assert found.reasons[3] == "no WCS"
    assert "span no polygon: the positions lie on one line" in found.reasons[4]
    assert found.reasons[5] == "detector 5 is excluded"
    with pytest.raises(OptionError, match="region: kind wcs needs one"):
        by("wcs", table, None)
    with pytest.raises(OptionError, match="region: fewer than three"):
        by("wcs", table, REGION[:2])


def test_overlap_across_the_meridian_and_at_the_pole() -> None:
    table = summary(3)
    table["raCorners"][0] = [359.9, 0.1, 0.1, 359.9]
    table["raCorners"][1] = [0, 90, 180, 270]
    table["decCorners"][1] = [89.8] * 4
    region = SkyCoord([0.05, 0.2, 0.2, 0.05] * u.deg, [-0.05, -0.05, 0.05, 0.05] * u.deg)
    assert by("wcs", table, region).kept == (0,)
    pole = SkyCoord([10, 130, 250] * u.deg, [89.9] * 3 * u.deg)
    assert by("wcs", table, pole).kept == (1,)
    # The corners of a region may come in any order: their hull counts.
    assert by("wcs", summary(3), REGION[[0, 2, 1, 3]]).kept == (0, 1, 2)


LIMITS = [
    ("max_psf_fwhm", "psfSigma", 1.79 / FWHM / SCALE, 1.81 / FWHM / SCALE),
    ("max_ellip_residual", "psfStarDeltaE1Median", -0.0069, -0.0071),
    ("max_scaled_size_scatter", "psfStarScaledDeltaSizeScatter", 0.019, 0.0191),
    ("max_psf_trace_radius_delta", "psfTraceRadiusDelta", 0.7, 0.71),
    ("max_psf_ap_flux_delta", "psfApFluxDelta", 0.24, 0.25),
    ("max_psf_ap_corr_sigma_scaled_delta", "psfApCorrSigmaScaledDelta", 0.22, 0.23),
    ("max_star_e", "starEMedian", 0.4, 0.41),
    ("max_star_unnormalized_e", "starUnNormalizedEMedian", 2.8, 2.81),
]


@pytest.mark.parametrize(("option", "column", "good", "bad"), LIMITS)
def test_limits_of_the_psf(option: str, column: str, good: float, bad: float) -> None:
    table = summary(4)
    table[column][:3] = [good, bad, math.nan]
    found = by("psf", table)
    assert found.kept == (0, 3)
    assert all(found.reasons[1:3])
    limits = {} if option.startswith("max_star") else None
    assert by("psf", table, psf=PsfLimits(**{option: limits})).kept == (0, 1, 2, 3)
    del table[column]
    if column != "psfSigma":
        assert by("psf", table).kept == (0, 1, 2, 3)


def test_few_stars_are_refused_by_band_and_unknown_numbers_are_not() -> None:
    table = summary(5, nPsfStar=[6.0, 5.0, math.nan, 7.0, 5.0])
    table["band"] = ["r", "r", "r", "u", "u"]
    assert by("psf", table).kept == (0, 2, 3)
    of_u = PsfLimits(min_n_psf_star={"u": 5, "fallback": 7})
    assert by("psf", table, psf=of_u).kept == (2, 3, 4)
    assert by("psf", table, psf=PsfLimits(min_n_psf_star={"g": 99})).kept == (0, 1, 2, 3, 4)


def test_scatter_of_sizes_is_asked_for_when_a_limit_is_given() -> None:
    table = summary(2, psfStarDeltaSizeScatter=[0.5, 0.1])
    assert by("psf", table).kept == (0, 1)
    assert by("psf", table, psf=PsfLimits(max_size_scatter=0.2)).kept == (1,)


def test_the_first_reason_is_told() -> None:
    table = of_seeing([2.0, 2.0, 1.0])
    table["starEMedian"][:] = 0.9
    table["decCorners"][1] += 5
    reasons = by("psf", table).reasons
    assert reasons[0] == "FWHM [arcsec] 2, limit 1.8"
    assert reasons[1] == "does not overlap the region"
    assert reasons[2] == "ellipticity of stars 0.9, limit 0.4"


def test_best_seeing_in_its_order() -> None:
    table = of_seeing([1.2, 0.7, 1.6, 0.7, math.nan, 0.9])
    found = by("best-seeing", table, seeing=SeeingOptions(n_visits_max=3))
    assert kept_visits(table, found) == [101, 103, 105]  # equal seeing: by number
    assert found.reasons[0] == "rank 4 of 4 by seeing, kept 1 to 3"
    assert found.reasons[2] == "FWHM 1.600 arcsec, limits 0 to 1.5"
    assert found.reasons[4] == "no detector has a WCS and a PSF"
    all_good = by("best-seeing", table, seeing=SeeingOptions(n_visits_max=-1))
    assert kept_visits(table, all_good) == [101, 103, 105, 100]
    assert len(by("best-seeing", of_seeing(np.linspace(0.5, 1.5, 20))).kept) == 12


def test_seeing_of_a_visit_is_that_of_its_detectors() -> None:
    fwhm = [0.8, 1.2, math.nan, 0.9, 0.9, 2.5]
    table = of_seeing(fwhm)
    table["visit"] = [1, 1, 1, 2, 2, 2]
    table["decCorners"][5] = math.nan  # without a WCS it does not count
    found = by("best-seeing", table)
    assert kept_visits(table, found) == [2, 2, 2, 1, 1, 1]
    assert_allclose(found.fwhm, [1.0] * 3 + [0.9] * 3)
    table = of_seeing([0.8, 0.8, 1.3, 0.9, 0.9, 0.9])
    table["visit"] = [1, 1, 1, 2, 2, 2]
    quantile = SeeingOptions(q_max=0.5, n_visits_min=1)
    # The mean of visit 1 is 0.97, the median 0.8.
    assert kept_visits(table, by("best-seeing", table))[0] == 2
    assert kept_visits(table, by("seeing-quantile", table, seeing=quantile)) == [1, 1, 1]


@pytest.mark.parametrize(
    ("n", "q_min", "q_max", "n_min", "first", "last"),
    [
        (30, 0.0, 0.33, 6, 0, 10),
        (12, 0.0, 0.33, 6, 0, 6),
        (4, 0.0, 0.33, 6, 0, 4),
        (20, 0.25, 0.75, 6, 5, 15),
        (8, 0.9, 1.0, 6, 2, 8),
        (10, 0.5, 0.5, 0, 5, 5),
        (10, 0.25, 0.25, 0, 2, 2),
    ],
)
def test_quantiles_of_seeing(
    n: int, q_min: float, q_max: float, n_min: int, first: int, last: int
) -> None:
    fwhm = np.linspace(0.5, 3.0, n)[::-1]
    how = SeeingOptions(q_min=q_min, q_max=q_max, n_visits_min=n_min)
    found = by("seeing-quantile", of_seeing(fwhm), seeing=how)
    assert list(found.kept) == list(range(n))[::-1][first:last]


def test_times_minima_and_overlap_of_visits() -> None:
    table = of_seeing([1.0] * 5, effTimeScale=[0.1, 0.5, 0.9, math.nan, 0.9])
    table["mjd"][4] = math.nan
    times = SeeingOptions(min_mjd=60001.0, max_mjd=60002.0)
    assert by("best-seeing", table, seeing=times).kept == (1, 2)
    minima = SeeingOptions(column_minima={"effTimeScale": 0.5})
    found = by("best-seeing", table, seeing=minima)
    assert found.kept == (1, 2, 4)
    assert found.reasons[0] == "effTimeScale 0.1, at least 0.5"
    table["raCorners"][1] += 3.0
    assert by("best-seeing", table).kept == (0, 2, 3, 4)
    assert by("best-seeing", table, seeing=SeeingOptions(confirm_overlap=False)).kept[1] == 1
    assert by("best-seeing", table, None).kept == (0, 1, 2, 3, 4)
    with pytest.raises(OptionError, match="there is no column nonsense"):
        by("best-seeing", table, seeing=SeeingOptions(column_minima={"nonsense": 1.0}))


def test_no_visit_left() -> None:
    table = of_seeing([3.0, math.nan])
    with pytest.raises(NoWorkError, match=r"visit 100: FWHM 3.000 .* visit 101: no detector"):
        by("best-seeing", table)


def test_summaries_without_a_row() -> None:
    assert select(summary(2)[:0]).kept == ()
    assert by("wcs", summary(2)[:0]).kept == ()
    with pytest.raises(NoWorkError, match="the summary is empty"):
        by("best-seeing", of_seeing([1.0])[:0])


def test_wrong_types_are_named() -> None:
    wrong: Any = "2"
    for match, call in {
        "summary: got NoneType": lambda: select(None),  # type: ignore[arg-type]
        "region: got str": lambda: select(summary(1), wrong),
        "options: got PsfLimits": lambda: select(summary(1), None, PsfLimits()),  # type: ignore[arg-type]
        "seeing: got str": lambda: SelectOptions(seeing=wrong),
        "max_psf_fwhm: got '2'": lambda: PsfLimits(max_psf_fwhm=wrong),
        "max_star_e = 6: expected a number for each band": lambda: PsfLimits(max_star_e=6),  # type: ignore[arg-type]
        "n_visits_max: got '2'": lambda: SeeingOptions(n_visits_max=wrong),
        "n_visits_max = 1.5: expected a whole": lambda: SeeingOptions(n_visits_max=1.5),  # type: ignore[arg-type]
        "q_min: got '2'": lambda: SeeingOptions(q_min=wrong),
    }.items():
        with pytest.raises(OptionError, match=match):
            call()


def test_visits_of_two_instruments_with_one_number_are_two() -> None:
    table = of_seeing([0.8, 1.2])
    table["visit"] = 7
    assert len(by("best-seeing", table, seeing=SeeingOptions(n_visits_max=1)).kept) == 2
    table["instrument"] = ["A", "B"]
    assert by("best-seeing", table, seeing=SeeingOptions(n_visits_max=1)).kept == (0,)


def test_size_of_pixels_from_the_corners() -> None:
    table = summary(2)
    del table["pixelScale"]
    table["bbox_min_x"], table["bbox_min_y"] = 10, 0
    table["bbox_max_x"], table["bbox_max_y"] = 3609, 3599
    table["raCorners"][1] -= 9.95  # across RA 0
    table["raCorners"][1] %= 360
    assert_allclose(by("psf", table, None).fwhm, 1.0, rtol=1e-5)


def test_table_of_a_selection() -> None:
    table = of_seeing([1.2, 0.7, 1.6])
    rows = by("best-seeing", table).table(["a", "b", "c"])
    assert rows.colnames == ["name", "fwhm", "kept", "rank", "reason"]
    assert_array_equal(rows["kept"], [True, True, False])
    assert_array_equal(rows["rank"], [2, 1, 0])
    assert rows["reason"][2].startswith("FWHM 1.600")
    assert str(rows["fwhm"].unit) == "arcsec"


def test_summary_of_exposures() -> None:
    warps, _ = simulate_warps(n=2, shape=(40, 50), psf_sigma=2.5)
    bare = Exposure(MaskedImage.from_arrays(np.zeros((8, 8), np.float32), None, 1.0))
    table = summarize([*warps, bare])
    scale = 0.2
    assert_allclose(table["psfSigma"], [2.5, 2.5, math.nan], rtol=1e-3)
    assert_allclose(table["pixelScale"], [scale, scale, math.nan], rtol=1e-4)
    assert table["visit"][0] == warps[0].info.visit_info.id
    assert table["visit"][2] < 0
    sky = corners(warps[0].info.wcs, warps[0].box)
    assert_allclose(table["raCorners"][0], sky.ra.deg)
    found = select(table, sky, SelectOptions(kind="best-seeing"))
    assert found.kept == (0, 1)
    assert_allclose(found.fwhm[:2], 2.5 * scale * FWHM, rtol=1e-3)
    assert found.reasons[2] == "no detector has a WCS and a PSF"


@pytest.mark.parametrize(
    "change",
    [
        {"min_psf_fwhm": 2.0},
        {"max_psf_fwhm": math.nan},
        {"min_mjd": 2.0, "max_mjd": 1.0},
        {"n_visits_max": 0},
        {"n_visits_max": -2},
        {"n_visits_min": -1},
        {"q_min": 0.5},
        {"q_max": 1.5},
    ],
)
def test_values_that_are_not_allowed(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(change))):
        replace(SeeingOptions(), **change)


def test_kinds_and_limits_that_are_not_allowed() -> None:
    with pytest.raises(OptionError, match="kind = 'worst': expected one of all, wcs, psf"):
        SelectOptions(kind="worst")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="max_star_e"):
        PsfLimits(max_star_e={"r": math.nan})
    with pytest.raises(OptionError, match="there is no column visit"):
        select(Table({"x": [1]}))


def test_columns_may_be_a_mapping_and_masked() -> None:
    table = of_seeing([0.8, 0.9])
    columns = {name: np.asarray(table[name]) for name in table.colnames}
    assert by("best-seeing", columns).kept == (0, 1)
    masked = Table(table, masked=True)
    masked["psfSigma"].mask[0] = True
    assert by("best-seeing", masked).kept == (1,)

# SPDX-License-Identifier: BSD-3-Clause
"""PSFs of warps and coadds: exact truths, files, errors."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip

from deepcoadd import Exposure, MaskedImage, io
from deepcoadd.errors import FileFormatError, InvalidPsfError, NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.polygon import Polygon
from deepcoadd.psf import (
    AffineTransform,
    CoaddPsf,
    CoaddPsfInput,
    FixedKernel,
    GaussianPsf,
    KernelPsf,
    MissingPsf,
    SkyTransform,
    StarlinkSky,
    StarlinkTransform,
    WarpedPsf,
    WcsSky,
    parts_of,
    psf_from_parts,
    psf_shape,
)

NARROW, WIDE = GaussianPsf((21, 21), 1.6), GaussianPsf((31, 25), 2.4)
HERE = AffineTransform.shift(y=0, x=0)


def tan_wcs(*, angle: float = 0.0, scale: float = 0.2, crpix: float = 50.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [crpix, crpix]
    c, s = math.cos(angle) * scale / 3600, math.sin(angle) * scale / 3600
    wcs.wcs.cd = [[-c, s], [s, c]]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def whole(psf: Any, box: Box, **parts: Any) -> CoaddPsfInput:
    return CoaddPsfInput(psf, box, parts.pop("transform", HERE), **parts)


def test_rotating_a_round_psf_changes_its_stamp_only() -> None:
    angle = 0.4
    c, s = math.cos(angle), math.sin(angle)
    psf = WarpedPsf(WIDE, AffineTransform((c, -s, 3.0, s, c, 7.0)))
    image = psf.kernel_image(y=40.3, x=-12.8)
    assert image.array.sum() == pytest.approx(1.0, abs=1e-14)
    assert image.box.start == tuple(-(n // 2) for n in image.array.shape)
    assert psf.size_at(y=40.3, x=-12.8) == image.array.shape
    # Lanczos 3 keeps the width of such a star to some parts in a thousand.
    shape = psf_shape(psf, y=40.3, x=-12.8)
    assert shape.xx == pytest.approx(2.4**2, rel=5e-3)
    assert shape.yy == pytest.approx(2.4**2, rel=5e-3)
    assert psf.average_position == (7.0, 3.0)


def test_magnified_psf_is_as_many_times_wider() -> None:
    psf = WarpedPsf(NARROW, AffineTransform((2.0, 0.0, 0.0, 0.0, 1.5, 0.0)), "lanczos5")
    shape = psf_shape(psf, y=0.0, x=0.0)
    assert shape.xx == pytest.approx(4 * 1.6**2, rel=5e-3)
    assert shape.yy == pytest.approx(2.25 * 1.6**2, rel=5e-3)
    assert psf.size_at(y=0.0, x=0.0) == (31, 43)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (AffineTransform((250.0, 0.0, 0.0, 0.0, 1.0, 0.0)), "magnifies"),
        (SkyTransform.between(tan_wcs(), tan_wcs(crpix=1e9)), "no source position|magnifies|left"),
    ],
)
def test_maps_that_cannot_be_used(transform: Any, message: str) -> None:
    with pytest.raises(NoDataError, match=message):
        WarpedPsf(NARROW, transform).kernel_image(y=1e9, x=-1e12)


def test_transforms_say_what_they_need() -> None:
    with pytest.raises(OptionError, match="no inverse"):
        AffineTransform((1.0, 2.0, 0.0, 2.0, 4.0, 0.0))
    with pytest.raises(OptionError, match="six finite"):
        AffineTransform((1.0, 0.0, math.nan, 0.0, 1.0, 0.0))
    with pytest.raises(NoDataError, match="not two of the sky"):
        WcsSky(WCS(naxis=2))
    with pytest.raises(OptionError, match="lanczos9"):
        WarpedPsf(NARROW, HERE, "lanczos9")
    with pytest.raises(OptionError, match="lanczos9"):
        CoaddPsf([], "lanczos9", (0.0, 0.0))
    with pytest.raises(OptionError, match="weight = 0"):
        whole(NARROW, Box.from_shape((5, 5)), weight=0.0)


def test_sky_in_another_frame() -> None:
    """FK5 of 2000 and ICRS differ by some milliarcseconds: both ways through the same sky."""
    other = tan_wcs(angle=0.3)
    other.wcs.radesys = "FK5"
    other.wcs.equinox = 2000.0
    other.wcs.set()
    transform = SkyTransform.between(other, tan_wcs())
    y, x = transform.forward([10.0, 20.0], [30.0, 5.0])
    back_y, back_x = transform.inverse(y, x)
    np.testing.assert_allclose((back_y, back_x), ([10.0, 20.0], [30.0, 5.0]), atol=1e-7)
    same_y, _ = SkyTransform.between(tan_wcs(angle=0.3), tan_wcs()).forward(10.0, 30.0)
    assert 1e-6 < abs(float(same_y) - y[0]) < 0.5


def test_weighted_mean_of_the_psfs() -> None:
    box = Box.from_shape((50, 60))
    psf = CoaddPsf([whole(NARROW, box, weight=3.0), whole(WIDE, box, weight=1.0)])
    image = psf.kernel_image(y=20.4, x=31.2)
    expected = 0.25 * WIDE.kernel_image().array
    expected[5:-5, 2:-2] += 0.75 * NARROW.kernel_image().array
    np.testing.assert_allclose(image.array, expected, rtol=0, atol=1e-16)
    assert psf.size_at(y=20.4, x=31.2) == (31, 25)


def test_only_inputs_that_cover_a_position_count() -> None:
    left = whole(NARROW, Box.from_shape((50, 30)), id=1)
    fence = Polygon(((-0.5, 24.5), (-0.5, 70.0), (49.5, 70.0), (49.5, 24.5)))
    right = whole(WIDE, Box.from_shape((50, 60)), polygon=fence, id=2)
    psf = CoaddPsf([left, right])
    for x, ids in ((-0.5, [1]), (24.5, [1]), (27.0, [1, 2]), (29.5, [2]), (59.4, [2]), (59.5, [])):
        assert [one.id for one in psf.inputs_at(y=10.0, x=x)] == ids, x
    alone = psf.kernel_image(y=10.0, x=3.0).array
    np.testing.assert_allclose(alone, NARROW.kernel_image().array, rtol=0, atol=1e-16)
    with pytest.raises(InvalidPsfError, match="no input of the coadd covers"):
        psf.kernel_image(y=10.0, x=60.0)


@pytest.mark.parametrize(
    ("weights", "expected"), [((1.0, 1.0), (500.0, 800.0)), ((1.0, 2.0), (500.0, 600.0))]
)
def test_average_position_of_inputs_with_a_gap(
    weights: tuple[float, float], expected: tuple[float, float]
) -> None:
    """Inputs around x = 200 and 800; between 401 and 599 there is nothing."""
    inputs = [
        whole(
            KernelPsf(FixedKernel(np.ones((3, 3))), (500.0, x)),
            Box.from_shape((1000, 401), start=(0, int(x) - 200)),
            weight=weight,
        )
        for x, weight in zip((200.0, 800.0), weights, strict=True)
    ]
    assert CoaddPsf(inputs).average_position == pytest.approx(expected)


def models() -> dict[str, Any]:
    box = Box.from_shape((60, 50), start=(-3, -4))
    varying = SkyTransform.between(tan_wcs(angle=0.2), tan_wcs(scale=0.3))
    fence = Polygon(((-5.0, -5.0), (-5.0, 50.0), (56.0, 50.0)))
    coadd = CoaddPsf(
        [
            whole(NARROW, box, weight=2.0, id=7, name="a", good_pixels=5),
            whole(WarpedPsf(WIDE, HERE), box, transform=varying, polygon=fence, good_pixels=90),
        ],
        "lanczos4",
    )
    nested = CoaddPsf([whole(coadd, box, id=9)], average=(20.0, 20.0))
    return {"warped": WarpedPsf(WIDE, varying), "coadd": coadd, "nested": nested}


@pytest.mark.parametrize("name", models())
def test_files_hold_psfs_that_are_made_of_others(name: str, tmp_path: Path) -> None:
    psf = models()[name]
    exposure = Exposure(MaskedImage.from_arrays(np.zeros((4, 5), "f4")), psf=psf)
    io.write(tmp_path / "a.fits", exposure)
    back = io.read(tmp_path / "a.fits").psf
    for again in (back, copy.deepcopy(psf)):
        assert type(again) is type(psf)
        # Positions on the sky are rounded to 1e-13 degrees: 2e-9 of these pixels.
        assert again.average_position == pytest.approx(psf.average_position, abs=1e-8)
        for y, x in ((20.0, 20.0), (1.3, 20.6)):
            ours, theirs = again.kernel_image(y=y, x=x), psf.kernel_image(y=y, x=x)
            np.testing.assert_allclose(ours.array, theirs.array, rtol=0, atol=1e-10)
            assert ours.box == theirs.box


def test_a_damaged_tree_costs_the_psf_only(tmp_path: Path, caplog: Any) -> None:
    exposure = Exposure(MaskedImage.from_arrays(np.zeros((4, 5), "f4")), psf=models()["nested"])
    io.write(tmp_path / "a.fits", exposure)
    empty = np.frombuffer(b"{}", np.uint8)
    values = {"NUMBERS": empty, "ARRAYS": empty, "CHILDREN": np.zeros(1, np.int32)}
    columns = [fits.Column(name="KIND", format="5A", array=np.array(["coadd"]))]
    for name, one in values.items():
        column = np.empty(1, object)
        column[0] = one
        letter = "J" if name == "CHILDREN" else "B"
        columns.append(fits.Column(name=name, format=f"Q{letter}()", array=column))
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus["PSF"] = fits.BinTableHDU.from_columns(columns, name="PSF")
        hdus["PSF"].header["PSFKIND"] = "tree"  # a model made of itself
        hdus.writeto(tmp_path / "b.fits")
    psf = io.read(tmp_path / "b.fits").psf
    assert isinstance(psf, MissingPsf)
    assert "is made of rows" in caplog.text


def test_a_psf_made_of_a_placeholder_is_one() -> None:
    parts = parts_of(models()["nested"])
    assert parts is not None
    (one,) = parts.children
    lost = type(parts)("moffat", {}, {})
    damaged = type(parts)(
        parts.kind, parts.numbers, {}, (type(one)(one.kind, one.numbers, {}, (lost,)),)
    )
    psf = psf_from_parts(damaged)
    assert isinstance(psf, MissingPsf)
    assert "moffat" in psf.reason
    coadd = CoaddPsf([whole(lambda: None, Box.from_shape((3, 3)))], average=(0.0, 0.0))
    assert parts_of(coadd) is None


def test_psf_over_a_wcs_that_cards_cannot_hold(tmp_path: Path, caplog: Any) -> None:
    sip = tan_wcs()
    sip.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    sip.sip = Sip(np.zeros((3, 3)), np.zeros((3, 3)), None, None, [1.0, 2.0])
    psf = WarpedPsf(NARROW, SkyTransform.between(sip, tan_wcs()))
    io.write(
        tmp_path / "a.fits", Exposure(MaskedImage.from_arrays(np.zeros((4, 5), "f4")), psf=psf)
    )
    assert "SIP refers to" in caplog.text
    assert io.read(tmp_path / "a.fits").psf is None


SHIFT = """1 TransformPoint2ToPoint2 Begin CmpMap
    Nin = 2
 IsA Mapping
    InvB = 1
    MapA =
       Begin ShiftMap
          Nin = 2
       IsA Mapping
          Sft1 = 10
          Sft2 = -4
       End ShiftMap
    MapB =
       Begin PolyMap
          Nin = 2
       IsA Mapping
          NCF1 = 2
          NCF2 = 1
          CF1 = 2
          CF2 = 0.001
          CF3 = 3
          PF1 = 1
          PF3 = 2
          PF6 = 1
       End PolyMap
 End CmpMap
"""


def test_polynomial_that_is_inverted_by_iteration() -> None:
    """x' = the root of 2 t + 0.001 t^2 = x + 10, y' = (y - 4) / 3."""
    transform = StarlinkTransform(SHIFT)
    y, x = transform.forward([1.0, 7.0], [30.0, -5.0])
    roots = [(-2 + math.sqrt(4 + 0.004 * (v + 10))) / 0.002 for v in (30.0, -5.0)]
    np.testing.assert_allclose(x, roots, atol=1e-9)
    np.testing.assert_allclose(y, [-1.0, 1.0], atol=1e-9)
    back = transform.inverse(y, x)
    np.testing.assert_allclose(back, ([1.0, 7.0], [30.0, -5.0]), atol=1e-9)
    moved = transform.shifted_by(y=2.0, x=-1.0).forward(1.0, 30.0)
    np.testing.assert_allclose(moved, (1.0, roots[0] - 1.0), atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without Begin"),
        (SHIFT[:200], "too early"),
        (SHIFT.replace("ShiftMap", "PcdMap"), "PcdMap is not decoded"),
    ],
)
def test_texts_that_are_not_decoded(text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        StarlinkTransform(text)


def test_sky_by_text_needs_a_frame_set() -> None:
    with pytest.raises(FileFormatError, match="expected a FrameSet"):
        StarlinkSky(SHIFT)
    with pytest.raises(FileFormatError, match="not tied"):
        StarlinkSky("Begin FrameSet\nNframe = 2\nCurrnt = 2\nEnd FrameSet\n")


def test_a_psf_without_an_image_at_its_average_position_is_described(tmp_path: Path) -> None:
    box = Box.from_shape((9, 9))
    psf = CoaddPsf([whole(NARROW, box)], average=(100.0, 100.0))
    exposure = Exposure(MaskedImage.from_arrays(np.zeros((4, 5), "f4")), psf=psf)
    io.write(tmp_path / "a.fits", exposure)
    text = io.describe(tmp_path / "a.fits").psf
    assert text.startswith("CoaddPsf of 1 inputs (no image at its average position")


def test_getters_of_the_rubin_names_take_x_before_y() -> None:
    box = Box.from_shape((50, 60))
    psf = CoaddPsf([whole(KernelPsf(FixedKernel(np.ones((3, 5))), (20.0, 30.0)), box)])
    assert psf.getAveragePosition() == (30.0, 20.0)
    place = psf.getAveragePosition()
    for position in (place, (30.0, 20.0), None):
        image = psf.computeKernelImage(position)
        np.testing.assert_array_equal(image.array, psf.kernel_image(y=20.0, x=30.0).array)
        assert psf.computeBBox(position) == image.box
        assert psf.computeImage(position).box == image.box.shifted_by(y=20, x=30)
    shape = NARROW.computeShape()
    assert (shape.getIxx(), shape.getIyy(), shape.getIxy()) == (1.6**2, 1.6**2, 0.0)
    assert shape.getDeterminantRadius() == pytest.approx(1.6)
    with pytest.raises(NoDataError, match=r"covers y = 0\.0, x = 99\.0"):
        psf.computeShape((99.0, 0.0))

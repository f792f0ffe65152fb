# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and reports, opened and looked at."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from deepcoadd import Box, Exposure, Image, MaskedImage
from deepcoadd.errors import OptionError, OutputExistsError
from deepcoadd.io._folder import atomic_folder
from deepcoadd.noise import sample_noise
from deepcoadd.refs import ExposureRef

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from deepcoadd.plot import (
    Report,
    ReportInput,
    block_mean,
    show_difference,
    show_mask,
    thumbnail,
    write_report,
)
from deepcoadd.plot._reduce import block_any, block_factor


def coadd(shape: tuple[int, int] = (90, 120)) -> Exposure:
    rng = np.random.default_rng(1)
    image = MaskedImage.from_arrays(rng.normal(10, 2, shape), variance=4.0, start=(100, 200))
    image.image.array[40:44, 50:54] += 1000.0
    image.mask.set("CLIPPED", (slice(10, 30), slice(10, 30)))
    image.mask.set("NO_DATA", (slice(0, 5), slice(None)))
    image.image.array[:5] = np.nan
    return Exposure(image)


def report(**parts: object) -> Report:
    exposure = coadd()
    values = {
        "title": "Coadd of <2> inputs",
        "coadd": exposure,
        "noise": sample_noise(exposure.masked_image),
        "n_image": Image.full(exposure.box, 2, np.uint32),
        "plain_mean": Image(exposure.image.array + np.float32(1), exposure.box),
        "inputs": [
            ReportInput("visit <1> & co", {"weight": "0.25"}, exposure.image.array),
            ReportInput("visit-2.fits", {"noise": "2.0"}),
        ],
        "skipped": [("visit-3.fits", "all pixels are NaN")],
        "summary": {"inputs used": "2"},
        "settings": "sigma_clip = 3.0\n",
        "versions": {"deepcoadd": "1.2.3"},
        **parts,
    }
    return Report(**values)


def test_report_names_everything_and_its_pictures_are_not_blank(tmp_path: Path) -> None:
    page = write_report(tmp_path / "a" / "report", report())
    text = page.read_text()
    for expected in (
        "Coadd of &lt;2&gt; inputs",
        "visit &lt;1&gt; &amp; co",
        "visit-2.fits",
        "visit-3.fits",
        "all pixels are NaN",
        "sigma_clip = 3.0",
        "1.2.3",
    ):
        assert expected in text
    files = set(re.findall(r'<img src="([^"]+)"', text))
    assert files == {p.name for p in page.parent.glob("*.png")}
    assert files >= {"coadd.png", "mask.png", "n-image.png", "difference.png", "noise.png"}
    for file in files:
        pixels = imread(page.parent / file)
        assert pixels[..., :3].std() > 0.01, file
    assert "http" not in text


def test_report_goes_only_where_it_may(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    (folder / "input-009.png").write_text("of an earlier report")
    with pytest.raises(OutputExistsError, match="not empty"):
        write_report(folder, report())
    write_report(folder, report(), overwrite=True)
    assert (folder / "mine.txt").exists()
    assert not (folder / "input-009.png").exists()
    assert (folder / "index.html").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report"]


def test_a_failing_report_leaves_nothing(tmp_path: Path) -> None:
    broken = report(n_image="not an image")
    with pytest.raises(AttributeError):
        write_report(tmp_path / "report", broken)
    assert list(tmp_path.iterdir()) == []


def test_report_without_any_good_pixel(tmp_path: Path) -> None:
    empty = Exposure(MaskedImage.no_data(Box.from_shape((30, 30))))
    made = Report("empty", empty, sample_noise(empty.masked_image), inputs=[])
    assert "Inputs skipped: none" in write_report(tmp_path / "report", made).read_text()


def test_folder_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OptionError, match="not a folder"), atomic_folder(tmp_path / "file"):
        pass
    with (
        pytest.raises(OptionError, match="not a folder"),
        atomic_folder(tmp_path / "file" / "inside"),
    ):
        pass


def test_interrupted_folder_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with atomic_folder(tmp_path / "out") as work:
            (work / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_block_mean_counts_finite_pixels_only() -> None:
    array = np.arange(12.0).reshape(3, 4)
    array[0, 0] = np.nan
    array[2, :] = np.inf
    small = block_mean(array, 2)
    assert small.shape == (2, 2)
    assert small[0, 0] == pytest.approx((1 + 4 + 5) / 3)
    assert small[0, 1] == pytest.approx((2 + 3 + 6 + 7) / 4)
    assert np.isnan(small[1]).all()


def test_blocks_cover_every_pixel() -> None:
    mask = np.zeros((7, 10), bool)
    mask[6, 9] = True
    assert np.argwhere(block_any(mask, 4)).tolist() == [[1, 2]]
    assert block_mean(mask, 4).shape == block_any(mask, 4).shape == (2, 3)
    assert block_factor((1200, 1201), 1200) == 2
    with pytest.raises(OptionError, match="max_side"):
        block_factor((3, 3), 0)


def test_thumbnail_is_the_same_whatever_is_read_at_a_time() -> None:
    exposure = coadd()
    box = exposure.box.dilated_by(10)
    whole = thumbnail(ExposureRef(exposure), box, max_side=40)
    strips = thumbnail(ExposureRef(exposure), box, max_side=40, strip_pixels=1)
    np.testing.assert_array_equal(whole, strips)
    assert max(whole.shape) <= 40
    assert np.isnan(whole[0]).all()
    assert np.nanmax(whole) > 100


def axes() -> Axes:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def test_mask_picture_colours_and_names_the_planes() -> None:
    exposure = coadd()
    ax = axes()
    assert show_mask(ax, exposure.image, exposure.mask) is ax
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [name.split()[0] for name in legend] == ["CLIPPED", "NO_DATA"]
    shown = ax.images[0]
    assert list(shown.get_extent()) == [199.5, 319.5, 99.5, 189.5]
    red, green, blue = np.asarray(shown.get_array())[20, 20]
    assert red > green
    assert red > blue


def test_difference_saturates_at_the_limit_even_if_that_is_unknown() -> None:
    ax = axes()
    show_difference(ax, Image.full(Box.from_shape((4, 4)), 3.0), limit=float("nan"))
    assert ax.images[0].get_clim() == (-1.0, 1.0)

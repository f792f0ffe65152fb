# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and reports, opened and looked at."""

from __future__ import annotations

import re
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd import Box, Exposure, Image, MaskedImage
from deepcoadd.errors import OptionError, OutputExistsError, ShapeError
from deepcoadd.io._folder import atomic_folder
from deepcoadd.noise import sample_noise
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from deepcoadd.background import (
    ClassicMatchOptions,
    GlobalMatchOptions,
    TractMatchOptions,
    match_backgrounds,
)
from deepcoadd.plot import (
    Preview,
    Report,
    ReportInput,
    ReportTable,
    SkyPoint,
    SkyReport,
    show_cells,
    show_difference,
    show_mask,
    thumbnail,
    write_match_report,
    write_report,
    write_sky_report,
)


def coadd(shape: tuple[int, int] = (90, 120)) -> MaskedImage:
    rng = np.random.default_rng(1)
    image = MaskedImage.from_arrays(rng.normal(10, 2, shape), variance=4.0, start=(100, 200))
    image.image.array[40:44, 50:54] += 1000.0
    image.mask.set("CLIPPED", (slice(10, 30), slice(10, 30)))
    image.mask.set("NO_DATA", (slice(0, 5), slice(None)))
    image.image.array[:5] = np.nan
    return image


def report(**parts: object) -> Report:
    image = coadd()
    values = {
        "title": "Coadd of <2> inputs",
        "coadd": Preview.of(image),
        "noise": sample_noise(image),
        "unit": "nJy",
        "n_image": Preview.of(Image.full(image.box, 2, np.uint32)),
        "plain_mean": Preview.of(Image(image.image.array + np.float32(1), image.box)),
        "maps": {"depth": Preview.of(image.variance)},
        "inputs": [
            ReportInput("visit <1> & co", {"weight": "0.25"}, Preview.of(image.image)),
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
    assert files >= {
        "map-depth.png",
        "input-001.png",
        "coadd.png",
        "mask.png",
        "n-image.png",
        "difference.png",
        "noise.png",
    }
    for file in files:
        pixels = imread(page.parent / file)
        assert pixels[..., :3].std() > 0.01, file
    assert "http" not in text


def test_report_shows_what_was_removed_and_further_tables(tmp_path: Path) -> None:
    small = Preview.of(coadd().image)
    removed = small.with_spans(
        "CLIPPED", SpanSet.from_box(Box.from_shape((9, 8), start=(120, 230)))
    )
    inputs = [ReportInput("visit-<1>", {}, small, removed), ReportInput("visit-2", {}, small)]
    tables = [
        ReportTable(
            "What <was> found", ("rule", "area"), [("one", "72")], "All & more.", "a%20b.csv"
        ),
        ReportTable("Plain", ("x",), [("1",)]),
    ]
    page = write_report(tmp_path / "report", report(inputs=inputs, tables=tables))
    text = page.read_text()
    for expected in (
        "Left out of the inputs as artifacts",
        "visit-&lt;1&gt;: 72 pixels",
        "What &lt;was&gt; found",
        '<p>All &amp; more. <a href="a%20b.csv">a b.csv</a></p>',
        "<td>one</td><td>72</td>",
    ):
        assert expected in text
    assert {p.name for p in page.parent.glob("removed-*.png")} == {"removed-001.png"}
    drawn = imread(page.parent / "removed-001.png")[..., :3]
    # Rows 100 to 189 of the parent frame are drawn upwards.
    coloured = (drawn.max(axis=2) != drawn.min(axis=2))[::-1]
    assert coloured[20:29, 30:38].all()
    assert coloured.sum() == 72
    write_report(page.parent, report(), overwrite=True)
    assert list(page.parent.glob("removed-*.png")) == []
    assert "Left out of the inputs" not in page.read_text()


def test_planes_from_spans_replace_those_of_the_same_name() -> None:
    before = Preview.of(coadd(), max_side=60)
    spans = SpanSet.from_box(Box.from_shape((3, 1), start=(101, 200)))
    after = before.with_spans("CLIPPED", spans | SpanSet.from_box(Box.from_shape((2, 2))))
    assert before.counts["CLIPPED"] == 400
    assert after.counts["CLIPPED"] == 3
    assert np.argwhere(after.planes["CLIPPED"]).tolist() == [[0, 0], [1, 0]]
    assert after.counts["NO_DATA"] == before.counts["NO_DATA"]
    assert before.with_spans("CLIPPED", SpanSet()).planes.keys() == {"NO_DATA"}


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
    empty = MaskedImage.no_data(Box.from_shape((30, 30)))
    made = Report("empty", Preview.of(empty), sample_noise(empty))
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
        with atomic_folder(tmp_path / "a" / "b" / "out") as work:
            (work / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert list(tmp_path.iterdir()) == []


def small(array: np.ndarray, max_side: int) -> np.ndarray:
    return Preview.of(Image(array), max_side=max_side).array


def test_preview_counts_finite_pixels_only() -> None:
    array = np.arange(12.0).reshape(3, 4)
    array[0, 0] = np.nan
    array[2, :] = np.inf
    made = small(array, 2)
    assert made.shape == (2, 2)
    assert made[0, 0] == pytest.approx((1 + 4 + 5) / 3)
    assert made[0, 1] == pytest.approx((2 + 3 + 6 + 7) / 4)
    assert np.isnan(made[1]).all()


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    tile=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    max_side=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_preview_does_not_depend_on_the_tiles(
    shape: tuple[int, int], tile: tuple[int, int], max_side: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = MaskedImage.from_arrays(
        rng.integers(0, 9, shape), rng.integers(0, 4, shape), start=(7, -3)
    )
    whole = Preview.of(image, max_side=max_side)
    assert max(whole.shape) <= max_side
    parts = Preview(image.box, max_side=max_side)
    for box in image.box.tiles(tile):
        parts.add(image.image[box])
        parts.add_mask(image.mask[box])
    np.testing.assert_array_equal(parts.array, whole.array)
    assert parts.counts == whole.counts
    for name, plane in whole.planes.items():
        np.testing.assert_array_equal(parts.planes[name], plane)
    f = whole.factor
    for iy, ix in np.ndindex(whole.shape):
        block = (slice(iy * f, (iy + 1) * f), slice(ix * f, (ix + 1) * f))
        assert whole.array[iy, ix] == np.float32(image.image.array[block].mean(dtype=np.float64))
        if "BAD" in whole.planes:
            assert whole.planes["BAD"][iy, ix] == image.mask.has("BAD")[block].any()


def test_preview_of_a_difference() -> None:
    a, b = np.full((9, 9), 5.0), np.full((9, 9), 3.0)
    b[:3] = np.nan
    made = Preview.of(Image(a), max_side=3).minus(Preview.of(Image(b), max_side=3))
    assert np.isnan(made.array[0]).all()
    assert (made.array[1:] == 2.0).all()
    with pytest.raises(ShapeError, match="preview of"):
        made.minus(Preview(Box.from_shape((8, 9))))


def test_preview_refuses_what_cannot_be() -> None:
    with pytest.raises(OptionError, match="max_side"):
        Preview(Box.from_shape((3, 3)), max_side=0)
    with pytest.raises(ShapeError, match="not inside"):
        Preview(Box.from_shape((3, 3))).add(Image(np.zeros((4, 3))))


def test_thumbnail_reads_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcoadd.plot._reduce.STRIP_PIXELS", 1000)
    image = coadd()
    read: list[Box] = []

    class Counting(ExposureRef):
        def read(self, box: Box | None = None) -> MaskedImage:
            read.append(box)
            return super().read(box)

    made = thumbnail(Counting(Exposure(image)), max_side=40)
    assert len(read) == 12
    np.testing.assert_array_equal(made.array, Preview.of(image.image, max_side=40).array)


def axes() -> Axes:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def test_mask_picture_colours_and_names_the_planes() -> None:
    ax = axes()
    assert show_mask(ax, coadd()) is ax
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


def test_cells_without_a_value_are_grey_and_ticks_are_pixels() -> None:
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    values = np.array([[1.0, -2.0], [np.nan, 0.0]])
    box = Box.from_shape((40, 60), start=(10, 20))
    assert show_cells(ax, values, box, title="cells", label="nJy") is ax
    (shown,) = ax.images
    assert shown.get_extent() == [19.5, 79.5, 9.5, 49.5]
    low, high = shown.get_clim()
    assert -low == high == pytest.approx(2.0, rel=0.05)
    colors = shown.to_rgba(shown.get_array())
    np.testing.assert_allclose(colors[1, 0, :3], 0x99 / 0xFF)
    assert colors[0, 0, 0] > colors[0, 0, 2]
    assert colors[0, 1, 2] > colors[0, 1, 0]
    assert [axis.get_ylabel() for axis in figure.axes] == ["y [pixels]", "nJy"]
    bare = figure.add_subplot()
    show_cells(bare, np.full((3, 3), np.nan))
    assert bare.images[0].get_clim() == (-1.0, 1.0)
    assert list(bare.get_xticks()) == []


def labels(figure: Figure) -> set[str]:
    """All texts of a picture."""
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Texts of each picture that is written."""
    found: list[set[str]] = []

    def noted(figure: Figure, path: Path, **how: object) -> None:
        figure.draw_without_rendering()
        found.append(labels(figure))
        path.touch()

    monkeypatch.setattr(Figure, "savefig", noted)
    return found


def test_pictures_of_a_coadd_say_what_they_are(tmp_path: Path, drawn: list[set[str]]) -> None:
    write_report(tmp_path / "r", report())
    assert len(drawn) == 6
    for words in drawn[:5]:
        assert any("Coadd of <2> inputs" in word for word in words)
    for words in [*drawn[:4], drawn[5]]:
        assert {"x [pixels]", "y [pixels]"} <= words
    assert "nJy" in drawn[0]
    assert any(word.startswith("CLIPPED") for word in drawn[1])
    assert "depth [AB magnitudes at 5 sigma]" in drawn[5]


@pytest.mark.parametrize(
    ("mode", "options", "n_panels"),
    [
        ("global", GlobalMatchOptions(order=1), 3),
        ("classic", ClassicMatchOptions(bin_size=30), 2),
        ("classic", ClassicMatchOptions(bin_size=30, use_polynomial=True, order=1), 3),
        ("tract", TractMatchOptions(cell_size=30), 2),
    ],
)
def test_pictures_of_matches_have_names_and_units(
    mode: str, options: object, n_panels: int, tmp_path: Path, drawn: list[set[str]]
) -> None:
    rng = np.random.default_rng(2)
    inputs = []
    for visit in range(3):
        pixels = MaskedImage.from_arrays(rng.normal(9 * visit, 2, (120, 150)), variance=4.0)
        one = Exposure(pixels, unit=u.adu)
        inputs.append(ExposureRef(one, {"visit": 70 + visit}))
    match = match_backgrounds(inputs, mode, options)  # type: ignore[arg-type]
    write_match_report(tmp_path / "r", match, {"mode": mode}, (("input",), []), "")
    assert len(drawn) == (3 if mode == "global" else 2)
    for words in drawn:
        assert "adu" in words
        assert "background added" in words
        assert any("visit 7" in word for word in words)
        assert len([word for word in words if "rms" in word]) == n_panels - 1


def test_pictures_of_sky_frames_have_units_and_visits(
    tmp_path: Path, drawn: list[set[str]]
) -> None:
    rng = np.random.default_rng(3)
    frames = {name: rng.normal(0, 0.01, (4, 5)).astype(np.float32) for name in ("7", "11")}
    frames["7"][0, 0] = np.nan
    errors = {name: np.full((4, 5), 1e-3, np.float32) for name in frames}
    points = [SkyPoint("visit A", 300.0, 301.0, 2.0, frames, frames), SkyPoint("B", 200.0)]
    page = SkyReport("Sky frames", frames, points, settings="a = 1", errors=errors, unit="electron")
    path = write_sky_report(tmp_path / "r", page)
    assert "level [electron]" in path.read_text()
    first, scales, visit = drawn
    assert {"detector 7", "detector 11", "share of the sky level", "error"} <= first
    assert "sky level [electron]" in scales
    assert "visit A" in scales
    assert {"before", "after", "electron"} <= visit
    assert any("visit visit A" in word for word in visit)

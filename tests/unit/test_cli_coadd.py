# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd`` from settings to files, in this process."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd import Exposure, MaskedImage, get_num_threads, set_num_threads
from deepcoadd.cli._app import run
from deepcoadd.cli._config import coadd_config
from deepcoadd.cli._methods import METHODS
from deepcoadd.cli._settings import Text
from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.errors import OptionError
from deepcoadd.io import read, write
from deepcoadd.testing import simulate_warps
from deepcoadd.wcs import box_center


@pytest.fixture(scope="module")
def warps() -> list[Exposure]:
    made, _ = simulate_warps(n=5, shape=(60, 70), seed=2, satellite_in=3)
    return list(made)


@pytest.fixture
def files(warps: list[Exposure], tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"visit-{k}.fits" for k in range(len(warps))]
    for path, warp in zip(paths, warps, strict=True):
        write(path, warp)
    return [str(path) for path in paths]


def same(a: MaskedImage, b: MaskedImage) -> None:
    np.testing.assert_array_equal(a.image.array, b.image.array)
    np.testing.assert_array_equal(a.variance.array, b.variance.array)
    np.testing.assert_array_equal(a.mask.conformed_to(b.planes).array, b.mask.array)


@pytest.mark.parametrize(
    ("arguments", "statistic"),
    [
        (["--method", "clipped"], "MEANCLIP"),
        (["--method", "mean"], "MEAN"),
        (["-c", "method=median"], "MEDIAN"),
    ],
)
def test_the_file_holds_what_assemble_makes(
    files: list[str],
    warps: list[Exposure],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    statistic: str,
) -> None:
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *files, "-o", str(out), *arguments, "--maps", "exposure_time,weight"]) == 0
    options = AssembleOptions(statistic=statistic, maps=("exposure_time", "weight"))
    expected = assemble(warps, options=options)
    made = read(out)
    same(made.masked_image, expected.exposure.masked_image)
    assert made.box == expected.box
    psf, truth = made.psf.kernel_image(), expected.exposure.psf.kernel_image()
    np.testing.assert_array_equal(psf.array, truth.array)
    np.testing.assert_array_equal(made.inputs.ccds["weight"], expected.table()["weight"])
    with fits.open(out) as hdus:
        assert [h.name for h in hdus[1:]] == [
            "IMAGE", "MASK", "VARIANCE", "NIMAGE", "NCLIPPED", "EXPOSURE_TIME", "WEIGHT",
            "PSF", "VISITS", "CCDS", "INPUTS",
        ]  # fmt: skip
        np.testing.assert_array_equal(hdus["NIMAGE"].data, expected.n_image.array)
        np.testing.assert_array_equal(hdus["WEIGHT"].data, expected.maps["weight"].array)
        table = Table(hdus["INPUTS"].data)
        assert hdus[0].header["DEEPCOADD OPTIONS METHOD"] in METHODS
        assert hdus[0].header["DEEPCOADD OPTIONS INTERPOLATE DIRECTION"] == "row"
    assert list(table["name"]) == files
    np.testing.assert_array_equal(table["weight"], expected.table()["weight"])
    shown = capsys.readouterr()
    assert re.search(r"inputs used +5", shown.out)
    for fact in ("noise measured", "noise expected", "peak memory", "seconds"):
        assert fact in shown.out
    assert shown.err == ""


def test_every_source_of_settings_has_its_rank(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        'method = "median"\nsigma_clip = 4.0\nn_iter = 7\n[input]\nnoise = 5\n[interpolate]\n'
        'direction = "column"\n'
    )
    made = coadd_config(
        file,
        ["sigma_clip=5", "method=clipped", "interpolate.transpose=yes", "input.hdu=SCI,2"],
        {"method": Text("mean"), "input": {"format": Text("bare")}},
    )
    assert made.run.method == "mean"
    assert made.options.statistic == "MEAN"
    assert (made.options.sigma_clip, made.options.n_iter) == (5.0, 7)
    assert made.options.interpolate is not None
    assert (made.options.interpolate.direction, made.options.interpolate.transpose) == (
        "column",
        True,
    )
    assert made.run.input.noise == 5.0
    assert made.run.input.hdu == ("SCI", 2)
    assert made.run.input.format == "bare"


@pytest.mark.parametrize("method", METHODS)
def test_dumped_settings_read_back_identically(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--method", method, "--noise", "4.1,52", "--epochs", "image,weight"]
    arguments += ["--max-memory", "512MiB", "--maps", "date", "-c", "interpolate=none"]
    arguments += ["-c", "propagation_thresholds.CR=0.5", "--unit", "uJy"]
    assert run(["coadd", "--dump-config", *arguments]) == 0
    first = capsys.readouterr().out
    file = tmp_path / "a.toml"
    file.write_text(first)
    assert run(["coadd", "--dump-config", "--config", str(file)]) == 0
    assert capsys.readouterr().out == first
    made = coadd_config(file)
    assert made.options.max_memory == 2**29
    assert made.options.interpolate is None
    assert made.options.propagation_thresholds == {"SAT": 0.1, "CR": 0.5}
    assert made.run.input.noise == (4.1, 52.0)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("sigma_clop=3", ["did you mean 'sigma_clip'", "bad_planes", "input.,", "--dump-config"]),
        ("input.hdo=3", ["unknown setting 'input.hdo'", "input.hdu"]),
        ("interpolate.direktion=row", ["did you mean 'interpolate.direction'"]),
        (
            "statistic=MEAN",
            ["set by the method", "visitclip, safeclip, comparewarp, clipped, mean, median"],
        ),
        (
            "method=best",
            ["method = 'best'", "visitclip, safeclip, comparewarp, clipped, mean, median"],
        ),
        ("compression=zip", ["compression = 'zip'", "none, lossless, rice16"]),
        ("sigma_clip=-3", ["sigma_clip = -3.0"]),
        ("input.epochs=picture", ["'picture' is not one of image"]),
        ("input.epochs=weight", ["expected image once"]),
        ("input.epochs=image,mask,mask", ["others at most once"]),
    ],
)
def test_wrong_settings_are_2_and_say_what_is_allowed(
    pair: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["coadd", "a.fits", "-o", "b.fits", "-c", pair]) == 2
    err = capsys.readouterr().err
    for part in expected:
        assert part in err


def test_epochs_exclude_other_ways_to_name_hdus() -> None:
    with pytest.raises(OptionError, match="epochs cannot be combined with hdu, weight"):
        coadd_config(pairs=["input.epochs=image,weight", "input.hdu=1", "input.weight=[2]"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "FILES"),
        (["{0}"], "--output"),
        (["{0}", "-o", "{dir}/no/coadd.fits"], "folder"),
        (["{0}", "-o", "{dir}"], "is a folder"),
        (["{0}", "-o", "{0}"], "exists"),
        (["{0}", "-o", "{0}", "--overwrite"], "is one of the inputs"),
        (["{0}", "{0}", "-o", "{dir}/coadd.fits"], "named twice"),
        (["{dir}/none.fits", "-o", "{dir}/coadd.fits"], "none.fits"),
        (["{0}", "-o", "{dir}/coadd.fits", "--threads", "0"], "--threads"),
        (["{0}", "-o", "{dir}/coadd.fits", "--max-memory", "lots"], "512MiB"),
        (["{0}", "-o", "{dir}/coadd.fits", "--method", "best"], "clipped"),
        (["{0}", "-o", "{dir}/coadd.fits", "--config", "{dir}/no.toml"], "no.toml"),
        (["{0}", "{1}", "-o", "{dir}/coadd.fits", "--weight", "w.fits"], "{stem}"),
        (["{0}", "-o", "{dir}/coadd.fits", "--report", "{dir}"], "not empty"),
        (["{0}", "-o", "{dir}/coadd.fits", "--format", "nonsense"], "nonsense"),
    ],
)
def test_wrong_requests_are_2_and_write_nothing(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    before = sorted(tmp_path.iterdir())
    names = {"{0}": files[0], "{1}": files[1], "{dir}": str(tmp_path)}
    filled = []
    for argument in arguments:
        for name, value in names.items():
            argument = argument.replace(name, value)
        filled.append(argument)
    assert run(["coadd", *filled]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_overwrite(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    out.write_bytes(b"old")
    assert run(["coadd", *files, "-o", str(out)]) == 2
    assert out.read_bytes() == b"old"
    assert run(["coadd", *files, "-o", str(out), "--overwrite", "-q"]) == 0
    assert read(out).box.shape == (60, 70)


def test_bad_inputs_are_skipped_and_named(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[1]).write_bytes(Path(files[1]).read_bytes()[:20000])
    empty = read(files[2])
    empty.image.array[:] = np.nan
    write(files[2], empty, overwrite=True)
    Path(files[4]).write_bytes(b"this is no FITS file")
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *files, "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert re.search(r"inputs used +2", shown.out)
    assert re.search(r"inputs skipped +3", shown.out)
    for k in (1, 2, 4):
        assert files[k] in shown.err
        assert files[k] in shown.out
    with fits.open(out) as hdus:
        assert list(hdus["INPUTS"].data["name"]) == [files[0], files[3]]


def test_nothing_to_coadd_is_1_and_writes_nothing(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in files[:2]:
        Path(file).write_bytes(Path(file).read_bytes()[:20000])
    before = sorted(tmp_path.iterdir())
    assert run(["coadd", *files[:2], "-o", str(tmp_path / "coadd.fits"), "-q"]) == 1
    err = capsys.readouterr().err
    assert all(file in err for file in files[:2])
    dead = read(files[2])
    dead.variance.array[:] = np.inf
    write(files[2], dead, overwrite=True)
    assert run(["coadd", files[2], "-o", str(tmp_path / "coadd.fits"), "-q"]) == 1
    assert files[2] in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_coadd_above_the_budget_is_written_by_tiles_with_the_same_bits(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "coadd",
        *files,
        *("--method", "clipped", "-c", "interpolate=none"),
        *("--maps", "exposure_time,date,depth,weight"),
    ]
    small, large = tmp_path / "small.fits", tmp_path / "large.fits"
    assert run([*common, "-o", str(large)]) == 0
    assert run([*common, "-o", str(small), "--max-memory", "100kB", "-v"]) == 0
    assert "by tiles" in capsys.readouterr().err
    same(read(small).masked_image, read(large).masked_image)
    with fits.open(small) as a, fits.open(large) as b:
        assert [h.name for h in a] == [h.name for h in b]
        for name in ("NIMAGE", "NCLIPPED", "EXPOSURE_TIME", "DATE", "DEPTH", "WEIGHT"):
            assert a[name].data.dtype == b[name].data.dtype
            np.testing.assert_array_equal(a[name].data, b[name].data)
        np.testing.assert_array_equal(a["INPUTS"].data, b["INPUTS"].data)


def test_what_cannot_be_done_by_tiles_says_what_helps(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coadd.fits"
    arguments = ["--max-memory", "50kB", "--method", "clipped"]
    assert run(["coadd", *files, "-o", str(out), *arguments]) == 2
    err = capsys.readouterr().err
    assert "interpolate" in err
    assert "--max-memory" in err
    assert not out.exists()


def test_threads(files: list[str], tmp_path: Path) -> None:
    before = get_num_threads()
    try:
        out = tmp_path / "coadd.fits"
        assert run(["coadd", *files, "-o", str(out), "--threads", "3", "-q"]) == 0
        assert get_num_threads() == 3
    finally:
        set_num_threads(before)


def test_quiet_says_nothing(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["coadd", *files, "-o", str(tmp_path / "coadd.fits"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_planes_and_unit_reach_the_method(files: list[str], tmp_path: Path) -> None:
    first = read(files[0])
    first.mask.set("CR", (slice(5, 9), slice(5, 9)))
    write(files[0], first, overwrite=True)
    out = tmp_path / "coadd.fits"
    arguments = ["--bad-planes", "CR,NO_DATA", "--unit", "uJy", "--method", "mean"]
    assert run(["coadd", *files, "-o", str(out), *arguments, "-q"]) == 0
    with fits.open(out) as hdus:
        assert set(hdus["NIMAGE"].data[5:9, 5:9].flat) == {4}
        assert hdus["IMAGE"].header["BUNIT"] == "uJy"


def test_bright_objects(
    files: list[str], warps: list[Exposure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    center = box_center(warps[0].info.wcs, warps[0].box)
    region = tmp_path / "stars.reg"
    region.write_text(f"wcs; fk5\ncircle({center.ra.deg}, {center.dec.deg}, 0.0003) # ID: 1\n")
    made = {}
    for name, budget in (("large", "1GiB"), ("small", "100kB")):
        out = tmp_path / f"{name}.fits"
        options = ["--bright-objects", str(region), "--max-memory", budget]
        options += ["-c", "interpolate=none", "-c", "bright_object_plane=STAR"]
        options += ["--method", "clipped"]
        assert run(["coadd", *files, "-o", str(out), *options]) == 0
        made[name] = read(out).mask.has("STAR")
    # 0.0003 degrees are 5.4 pixels of 0.2 arcsec, cut to 5.
    assert made["large"].sum() == 81
    np.testing.assert_array_equal(made["small"], made["large"])
    options = ["-o", str(tmp_path / "none.fits"), "--bright-objects", str(tmp_path / "none.reg")]
    assert run(["coadd", *files, *options]) == 2
    assert "none.reg" in capsys.readouterr().err


def test_sections_of_inputs(files: list[str], warps: list[Exposure], tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    names = [f"{file}[11:40,1:20]" for file in files]
    assert run(["coadd", *names, "-o", str(out), "-q"]) == 0
    made = read(out)
    assert made.box.shape == (20, 30)
    assert made.box.start == (warps[0].box.start.y, warps[0].box.start.x + 10)


def test_report_names_all_inputs(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    Path(files[1]).write_bytes(b"no FITS file")
    out, report = tmp_path / "coadd.fits", tmp_path / "report"
    arguments = ["-o", str(out), "--report", str(report), "--maps", "depth"]
    arguments += ["--method", "clipped"]
    assert run(["coadd", *files, *arguments]) == 0
    page = (report / "index.html").read_text()
    for file in files:
        assert file in page
    pictures = {path.stem for path in report.glob("*.png")}
    assert pictures == {
        "coadd", "mask", "n-image", "difference", "noise", "map-depth",
        *(f"input-{k:03d}" for k in range(1, 5)),
    }  # fmt: skip
    assert "sigma_clip = 3.0" in page
    assert "noise measured" in page
    assert str(report) in capsys.readouterr().out


def test_report_of_a_coadd_by_tiles_is_the_same(files: list[str], tmp_path: Path) -> None:
    imread = pytest.importorskip("matplotlib.image").imread
    common = ["coadd", *files, "--method", "clipped", "-c", "interpolate=none", "-q"]
    for name, budget in (("small", "100kB"), ("large", "1GiB")):
        # Pictures tell the name of the file.
        out = ["-o", str(tmp_path / name / "coadd.fits"), "--max-memory", budget]
        (tmp_path / name).mkdir()
        assert run([*common, *out, "--report", str(tmp_path / name / "report")]) == 0
    for picture in ("coadd", "mask", "n-image", "difference", "noise"):
        a = imread(tmp_path / "small" / "report" / f"{picture}.png")
        np.testing.assert_array_equal(a, imread(tmp_path / "large" / "report" / f"{picture}.png"))


def test_report_without_matplotlib_is_refused_before_any_work(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(sys.modules):
        if name.startswith(("deepcoadd.plot", "deepcoadd.cli._quicklook")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *files, "-o", str(out), "--report", str(tmp_path / "report")]) == 2
    assert 'pip install "deepcoadd[plot]"' in capsys.readouterr().err
    assert not out.exists()


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["coadd", "--help"]) == 0
    out = capsys.readouterr().out
    for part in (
        "--weight '{stem}.weight.fits'",
        "NO_DATA,BAD,SAT,EDGE",
        "default: visitclip;",
        "2GiB",
    ):
        assert part in out
    for name, method in METHODS.items():
        assert f"{name:<12}{method.description}" in out

# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd --method safeclip`` from settings to files, in this process."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd import Box, Exposure, MaskedImage
from deepcoadd.cli._app import run
from deepcoadd.cli._config import coadd_config
from deepcoadd.coadd import ArtifactCoadd, CoaddInput, InputRecord, SafeClipOptions, safe_clip
from deepcoadd.detection import DetectionOptions
from deepcoadd.geometry import YX
from deepcoadd.io import read, write
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet
from deepcoadd.testing.simulate import (
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
    simulate_scene,
)

SCENE = SceneOptions(
    n_visits=5,
    seed=3,
    shape=(96, 128),
    sources=SourceOptions(n_stars=4, n_galaxies=2),
    psf=PsfOptions(sigma=(2.0, 2.0)),
    satellites=SatelliteOptions(visits=(2,)),
)
METHOD = ["--method", "safeclip"]


@pytest.fixture(scope="module")
def warps() -> list[Exposure]:
    return list(simulate_scene(SCENE).warps)


@pytest.fixture
def files(warps: list[Exposure], tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"visit-{k}.fits" for k in range(len(warps))]
    for path, warp in zip(paths, warps, strict=True):
        write(path, warp)
    return [str(path) for path in paths]


def without_psf(files: list[str]) -> None:
    for file in files:
        warp = read(file)
        write(file, Exposure(warp.masked_image, replace(warp.info, psf=None)), overwrite=True)


@pytest.mark.parametrize("compression", ["none", "lossless"])
def test_the_file_holds_what_safe_clip_makes(
    files: list[str],
    warps: list[Exposure],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    compression: str,
) -> None:
    out = tmp_path / "coadd.fits"
    arguments = [*METHOD, "-o", str(out), "--maps", "weight", "--compression", compression]
    assert run(["coadd", *files, *arguments]) == 0
    expected = safe_clip(
        warps,
        options=SafeClipOptions(assemble=replace(SafeClipOptions().assemble, maps=("weight",))),
    )
    assert isinstance(expected, ArtifactCoadd)
    assert expected.n_artifact_pixels > 500
    made = read(out)
    np.testing.assert_array_equal(made.image.array, expected.image.array)
    np.testing.assert_array_equal(made.variance.array, expected.variance.array)
    words = made.mask.conformed_to(expected.mask.planes)
    np.testing.assert_array_equal(words.array, expected.mask.array)
    with fits.open(out) as hdus:
        hdus.verify("exception")
        assert [h.name for h in hdus[1:]] == [
            "IMAGE", "MASK", "VARIANCE", "NIMAGE", "NCLIPPED", "WEIGHT",
            "PSF", "VISITS", "CCDS", "INPUTS", "ARTIFACTS",
        ]  # fmt: skip
        np.testing.assert_array_equal(hdus["NIMAGE"].data, expected.n_image.array)
        np.testing.assert_array_equal(hdus["WEIGHT"].data, expected.maps["weight"].array)
        header = hdus[0].header
        assert header["DEEPCOADD OPTIONS METHOD"] == "safeclip"
        assert header["DEEPCOADD OPTIONS SAFE_CLIP MIN_BIG_OVERLAP"] == 100
        assert '"threshold_value": 2.0' in header["DEEPCOADD OPTIONS SAFE_CLIP DETECTION"]
        table = Table(hdus["ARTIFACTS"].data)
    for name in expected.decisions.colnames:
        np.testing.assert_array_equal(table[name], expected.decisions[name])
    found, shown = expected.summary(), capsys.readouterr()
    counts = f"{found['n_artifacts']} of {found['n_footprints']} footprints"
    assert f"{counts}; {found['n_artifact_pixels']} pixels of inputs" in shown.out
    assert "samples clipped" not in shown.out
    assert shown.err == ""


def test_settings_reach_the_method(files: list[str], tmp_path: Path) -> None:
    pairs = ["safe_clip.detection.threshold_value=4", "safe_clip.min_big_overlap=7", "sigma_clip=2"]
    made = coadd_config(pairs=["method=safeclip", "psf_sigma=1.5", *pairs])
    assert made.artifacts is not None
    assert made.artifacts.detection.threshold_value == 4.0
    assert made.artifacts.detection.min_pixels == SafeClipOptions().detection.min_pixels
    assert made.artifacts.min_big_overlap == 7
    assert made.artifacts.assemble is made.options
    assert (made.options.sigma_clip, made.options.n_iter) == (2.0, 3)
    assert made.run.psf_sigma == 1.5
    assert coadd_config(pairs=["method=safeclip"]).artifacts == SafeClipOptions()
    out = tmp_path / "coadd.fits"
    high = "safe_clip.detection.threshold_value=1e6"
    assert run(["coadd", *files, *METHOD, "-o", str(out), "-c", high, "-q"]) == 0
    with fits.open(out) as hdus:
        assert len(hdus["ARTIFACTS"].data) == 0


def test_dumped_settings_read_back_identically(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*METHOD, "--psf-sigma", "2.5", "-c", "safe_clip.warp_detection.threshold_value=7"]
    arguments += ["-c", "safe_clip.detect_on_warps=always", "-c", "interpolate=none"]
    assert run(["coadd", "--dump-config", *arguments]) == 0
    first = capsys.readouterr().out
    assert "# Width [pixel] of the PSF that artifacts are looked for with" in first
    assert "# Pixels: a detection of one input that is clipped in more than this" in first
    file = tmp_path / "a.toml"
    file.write_text(first)
    assert run(["coadd", "--dump-config", "--config", str(file)]) == 0
    assert capsys.readouterr().out == first
    made = coadd_config(file)
    expected = SafeClipOptions(
        assemble=made.options,
        detect_on_warps="always",
        warp_detection=DetectionOptions(threshold_value=7.0),
    )
    assert made.artifacts == expected
    assert made.run.psf_sigma == 2.5


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["safe_clip.min_big_overlop=3"], ["did you mean 'safe_clip.min_big_overlap'"]),
        (["safe_clip.assemble.n_iter=3"], ["unknown setting 'safe_clip.assemble'"]),
        (["safe_clip.detection.polarity=3"], ["'safe_clip.detection.polarity'", "min_pixels"]),
        (["safe_clip.min_clip_foot_overlap=2"], ["min_clip_foot_overlap: got 2.0, must be 0 to 1"]),
        (["safe_clip=3"], ["safe_clip = '3'", "a table with safe_clip.detection"]),
        (["min_big_overlap=3"], ["did you mean 'safe_clip.min_big_overlap'"]),
        (["psf_sigma=0"], ["psf_sigma = 0.0"]),
        (["psf_sigma=inf"], ["psf_sigma = inf"]),
        (["method=mean", "safe_clip.min_big_overlap=3"], ["method mean has no such settings"]),
        (["method=mean", "psf_sigma=2"], ["psf_sigma: is of no use to method mean"]),
    ],
)
def test_wrong_settings_are_2_and_say_what_is_allowed(
    pairs: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for pair in ["method=safeclip", *pairs] for word in ("-c", pair)]
    assert run(["coadd", "a.fits", "-o", "b.fits", *given]) == 2
    err = capsys.readouterr().err
    for part in expected:
        assert part in err


def test_inputs_without_psf_need_a_width(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_psf(files)
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *files, *METHOD, "-o", str(out)]) == 2
    err = capsys.readouterr().err
    assert "no input has a PSF" in err
    assert "--psf-sigma PIXELS" in err
    assert len(err.splitlines()) == 1
    assert not out.exists()
    assert run(["coadd", *files, *METHOD, "-o", str(out), "--psf-sigma", "2"]) == 0
    with fits.open(out) as hdus:
        assert "102" in [*hdus["ARTIFACTS"].data["clipped"]]


def test_too_few_inputs_are_said(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "coadd.fits", tmp_path / "a.csv"
    arguments = [*METHOD, "-o", str(out), "--decisions", str(table)]
    assert run(["coadd", *files[1:3], *arguments]) == 0
    shown = capsys.readouterr()
    assert "2 inputs: nothing can be clipped, at least 3 are needed" in shown.err
    assert "0 of 0 footprints; 0 pixels of inputs" in shown.out
    with fits.open(out) as hdus:
        assert len(hdus["ARTIFACTS"].data) == 0
    lines = table.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("footprint,rule,")


def test_a_coadd_above_the_budget_is_refused_before_any_work(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coadd.fits"
    # 96 x 128 pixels of 44 bytes are 528 KiB, three quarters of 704 KiB.
    common = ["coadd", *files, *METHOD, "-o", str(out), "--max-memory"]
    assert run([*common, "700KiB", "-v"]) == 2
    err = capsys.readouterr().err
    for part in ("whole planes", "528 KiB for 128 x 96 pixels", "--method clipped"):
        assert part in err
    assert "stacking" not in err
    assert not out.exists()
    advice = re.search(r"give --max-memory (\S+),", err)
    assert advice is not None
    assert run([*common, advice[1], "-q"]) == 0
    assert run(["coadd", *files, *METHOD, "-o", str(tmp_path / "large.fits"), "-q"]) == 0
    small, large = read(out), read(tmp_path / "large.fits")
    np.testing.assert_array_equal(small.image.array, large.image.array)
    np.testing.assert_array_equal(small.mask.array, large.mask.array)


def test_footprints_that_run_together_are_warned_of(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coadd.fits"
    low = "safe_clip.detection.threshold_value=0.01"
    assert run(["coadd", *files, *METHOD, "-o", str(out), "-c", low]) == 0
    warning = re.search(r"one footprint covers (\d+) % of the coadd", capsys.readouterr().err)
    assert warning is not None
    with fits.open(out) as hdus:
        largest = hdus["ARTIFACTS"].data["area"].max() / hdus["IMAGE"].data.size
    assert int(warning[1]) == round(100 * largest) > 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--decisions", "{dir}"], "is a folder"),
        (["--decisions", "{dir}/no/a.csv"], "folder"),
        (["--decisions", "{0}"], "exists"),
        (["--decisions", "{0}", "--overwrite"], "is the output or one of the inputs"),
        (["--decisions", "{dir}/coadd.fits"], "is the output or one of the inputs"),
        (["--decisions", "{dir}/a.csv", "--method", "mean"], "does not look for artifacts"),
        (["--truth", "{dir}", "--method", "clipped"], "choose --method visitclip, safeclip"),
        (["--truth", "{dir}/none"], "there is no folder"),
        (["--truth", "{dir}"], "truth-100.fits"),
    ],
)
def test_wrong_requests_are_2_and_write_nothing(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    filled = [a.replace("{0}", files[0]).replace("{dir}", str(tmp_path)) for a in arguments]
    out = str(tmp_path / "coadd.fits")
    assert run(["coadd", *files, "-o", out, *METHOD, *filled]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_csv_is_replaced_only_when_asked(files: list[str], tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("old")
    arguments = [*METHOD, "-o", str(tmp_path / "coadd.fits"), "--decisions", str(table), "-q"]
    assert run(["coadd", *files, *arguments]) == 2
    assert table.read_text() == "old"
    assert run(["coadd", *files, *arguments, "--overwrite"]) == 0
    assert Table.read(table, format="ascii.csv").colnames[0] == "footprint"


def test_report_shows_what_was_left_out_and_at_most_200_rows(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("deepcoadd.cli._quicklook.MOST_ROWS", 2)
    report = tmp_path / "report"
    common = ["coadd", *files, *METHOD, "-q", "-c", "safe_clip.detection.threshold_value=1"]
    assert run([*common, "-o", str(tmp_path / "a.fits"), "--report", str(report)]) == 0
    page = (report / "index.html").read_text()
    with fits.open(tmp_path / "a.fits") as hdus:
        n = len(hdus["ARTIFACTS"].data)
    assert n > 2
    assert f"The first 2 of {n} footprints. All are in the table ARTIFACTS" in page
    decisions = page.partition("Decisions about artifacts")[2].partition("</table>")[0]
    assert decisions.count("<tr>") == 3
    assert ".csv" not in page
    assert {path.name for path in report.glob("removed-*.png")} == {
        f"removed-{k:03d}.png" for k in range(1, 6)
    }


def test_report_shows_a_moved_input_in_its_own_frame() -> None:
    pytest.importorskip("matplotlib")
    from deepcoadd.cli._quicklook import _moved_back

    own = Box.from_shape((30, 40), start=(5, -3))
    one = CoaddInput(ExposureRef(Exposure(MaskedImage.no_data(own))), YX(4, -9))
    spans = SpanSet.from_box(one.box())
    record = InputRecord({}, "moved", 0, 1.0, shift=(one.shift.y, one.shift.x))
    assert _moved_back(spans, record).box == own

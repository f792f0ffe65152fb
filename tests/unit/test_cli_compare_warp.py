# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd --matched`` from words and settings to files, in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd import Exposure
from deepcoadd.cli._app import run
from deepcoadd.cli._config import coadd_config
from deepcoadd.coadd import CompareWarpOptions, compare_warp, visit_clip
from deepcoadd.io import read, write
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
    shape=(72, 96),
    matched_sigma=2.5,
    sources=SourceOptions(n_stars=3, n_galaxies=2),
    psf=PsfOptions(sigma=(1.8, 2.0)),
    satellites=SatelliteOptions(visits=(2,)),
)


@pytest.fixture(scope="module")
def scene() -> tuple[list[Exposure], list[Exposure]]:
    made = simulate_scene(SCENE)
    assert made.matched is not None
    return list(made.warps), list(made.matched)


@pytest.fixture
def files(scene: tuple[list[Exposure], list[Exposure]], tmp_path: Path) -> list[list[str]]:
    names = []
    for kind, exposures in zip(("visit", "matched"), scene, strict=True):
        paths = [tmp_path / f"{kind}-{k}.fits" for k in range(len(exposures))]
        for path, exposure in zip(paths, exposures, strict=True):
            write(path, exposure)
        names.append([str(path) for path in paths])
    return names


def without(file: str, **parts: object) -> None:
    """Take something from what a file says of its exposure."""
    old = read(file)
    info = replace(old.info, **parts)
    write(file, Exposure(old.masked_image, info), overwrite=True)


def test_the_file_holds_what_compare_warp_makes(
    files: list[list[str]], scene: tuple[list[Exposure], list[Exposure]], tmp_path: Path
) -> None:
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *files[0], "-o", str(out), "-q", "--matched", *files[1][::-1]]) == 0
    expected = compare_warp(*scene)
    assert expected.n_artifact_pixels > 300
    made = read(out)
    np.testing.assert_array_equal(made.image.array, expected.image.array)
    np.testing.assert_array_equal(made.variance.array, expected.variance.array)
    words = made.mask.conformed_to(expected.mask.planes)
    np.testing.assert_array_equal(words.array, expected.mask.array)
    with fits.open(out) as hdus:
        hdus.verify("exception")
        table = Table(hdus["ARTIFACTS"].data)
        assert (
            '"threshold_value": 7.5' in hdus[0].header["DEEPCOADD OPTIONS COMPARE_WARP ARTIFACTS"]
        )
    for name in expected.decisions.colnames:
        np.testing.assert_array_equal(table[name], expected.decisions[name])


def test_words_after_the_option_end_with_the_next_option(
    files: list[list[str]], tmp_path: Path
) -> None:
    visits, matched = files
    outs = [str(tmp_path / f"{name}.fits") for name in "abc"]
    assert run(["coadd", *visits, "--matched", *matched, "-q", "-o", outs[0]]) == 0
    assert run(["coadd", "--matched", *matched, "-q", "-o", outs[1], *visits]) == 0
    pairs = [f"--matched={file}" for file in matched]
    assert run(["coadd", "-q", "-o", outs[2], *pairs, "--", *visits]) == 0
    assert Path(outs[0]).read_bytes() == Path(outs[1]).read_bytes() == Path(outs[2]).read_bytes()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["v", "-o", "{out}", "--method", "comparewarp"], "comparewarp needs --matched FILES"),
        (["v", "-o", "{out}", "--matched"], "'--matched' needs at least one file"),
        (["v", "--matched", "-o", "{out}"], "'--matched' needs at least one file"),
        (["-o", "{out}", "--matched", "m", "v"], "words after --matched are none of them"),
        (["v", "-o", "{out}", "--method", "mean", "--matched", "m"], "no use to method mean"),
        (["v", "-o", "{out}", "--matched", "v"], "is one of the inputs, too"),
        (["v", "-o", "{out}", "--matched", "{dir}/none.fits"], "none.fits"),
        (["v", "-o", "{m0}", "--overwrite", "--matched", "m"], "is one of the inputs"),
        (
            ["v", "-o", "{out}", "--decisions", "{m0}", "--overwrite", "--matched", "m"],
            "is the output or one of the inputs",
        ),
        (["v", "-o", "{out}", "--matched", "m", "{m0}"], "named twice"),
    ],
)
def test_wrong_requests_are_2_and_write_nothing(
    files: list[list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: str,
) -> None:
    before = sorted(tmp_path.iterdir())
    named = {"v": files[0], "m": files[1]}
    out = {"out": str(tmp_path / "coadd.fits"), "dir": str(tmp_path), "m0": files[1][0]}
    arguments = [part for word in words for part in named.get(word, [word.format(**out)])]
    assert run(["coadd", *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_settings_reach_the_method() -> None:
    pairs = ["compare_warp.artifacts.max_num_epochs=3", "compare_warp.template.statistic=MEDIAN"]
    made = coadd_config(pairs=[*pairs, "unit=adu", "max_memory=1GiB"], default="safeclip")
    assert made.name == "comparewarp"
    assert made.artifacts.artifacts.max_num_epochs == 3
    assert made.artifacts.template.statistic == "MEDIAN"
    assert made.artifacts.template.sigma_clip == CompareWarpOptions().template.sigma_clip
    assert made.artifacts.assemble is made.options
    assert coadd_config(pairs=["method=comparewarp"]).artifacts == CompareWarpOptions()


def test_a_file_of_all_settings_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["coadd", "--matched", "a.fits", "--dump-config"]) == 0
    text = capsys.readouterr().out
    assert "[compare_warp.template]" in text
    template = text.partition("[compare_warp.template]")[2].partition("\n[")[0]
    # What follows from settings of the coadd cannot be set twice.
    assert "unit" not in template
    assert "max_memory" not in template
    file = tmp_path / "a.toml"
    file.write_text(text)
    assert run(["coadd", "--config", str(file), "--dump-config"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["compare_warp.template.unit=adu"], "compare_warp.template.unit: follows from unit"),
        (["compare_warp.template.maps=date"], "compare_warp.template.maps: follows from maps"),
        (["method=safeclip", "compare_warp.leave_one_out=yes"], "method safeclip has no such"),
        (["compare_warp.leave_one_aut=yes"], "did you mean 'compare_warp.leave_one_out'"),
        (["compare_warp.artifacts.max_num_epochs=-1"], "max_num_epochs: got -1, must be"),
    ],
)
def test_wrong_settings_are_2_and_say_what_is_allowed(
    pairs: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for pair in pairs for word in ("-c", pair)]
    assert run(["coadd", "a.fits", "-o", "b.fits", *given]) == 2
    assert expected in capsys.readouterr().err


def test_without_visit_numbers_the_order_tells(
    files: list[list[str]],
    scene: tuple[list[Exposure], list[Exposure]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    visits, matched = files
    for file in (*visits, *matched):
        without(file, visit_info=None, id=None)
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *visits, "-o", str(out), "-q", "--matched", *matched]) == 0
    due = compare_warp(*scene)
    np.testing.assert_array_equal(read(out).image.array, due.image.array)
    arguments = ["-o", str(out), "--overwrite", "-q", "--matched"]
    assert run(["coadd", *visits, *arguments, *matched[1:]]) == 2
    assert "4 readable exposures for 5 inputs; without a visit" in capsys.readouterr().err
    # Where one on each side cannot be read, the order tells nothing any more.
    Path(visits[0]).write_bytes(b"no FITS file")
    Path(matched[4]).write_bytes(b"no FITS file")
    assert run(["coadd", *visits, *arguments, *matched]) == 2
    assert "4 readable exposures for 4 inputs" in capsys.readouterr().err


def test_matched_exposures_that_are_of_no_use_are_named(
    files: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits, matched = files
    Path(matched[1]).write_bytes(b"no FITS file")
    out = tmp_path / "coadd.fits"
    assert run(["coadd", *visits[:4], "-o", str(out), "--matched", *matched]) == 0
    shown = capsys.readouterr()
    assert f"--matched: {matched[4]} is not used, it belongs to no input" in shown.err
    assert f"skipped {visits[1]}: no PSF-matched exposure belongs to it" in shown.err
    for file in (matched[1], visits[1]):
        assert file in shown.out
    others = ["-o", str(tmp_path / "none.fits"), "--matched", matched[4]]
    assert run(["coadd", *visits[:2], *others]) == 1
    assert "no PSF-matched exposure belongs to it" in capsys.readouterr().err
    assert not (tmp_path / "none.fits").exists()


def test_default_method_follows_from_what_is_given(
    files: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits, matched = files
    assert coadd_config().name == "visitclip"
    out = str(tmp_path / "coadd.fits")
    assert run(["coadd", *visits, "-o", out]) == 0
    due = visit_clip([read(file) for file in visits])
    np.testing.assert_array_equal(read(out).image.array, due.image.array)
    capsys.readouterr()
    for file in visits:
        without(file, psf=None)
    assert run(["coadd", *visits, "-o", out, "--overwrite"]) == 0
    shown = capsys.readouterr()
    assert "no input has a PSF, and there is no --psf-sigma PIXELS" in shown.err
    assert "the method is clipped instead of visitclip" in shown.err
    assert fits.getheader(out)["DEEPCOADD OPTIONS METHOD"] == "clipped"
    # Who asks for the method gets it, and who asks for what it alone can give is told.
    assert run(["coadd", *visits, "-o", out, "--overwrite", "--method", "visitclip"]) == 0
    assert fits.getheader(out)["DEEPCOADD OPTIONS METHOD"] == "visitclip"
    assert "sigma = 2 pixels is assumed" in capsys.readouterr().err
    decisions = ["--decisions", str(tmp_path / "a.csv")]
    assert run(["coadd", *visits, "-o", out, "--overwrite", *decisions]) == 2
    # The matched versions still have theirs.
    assert run(["coadd", *visits, "-o", out, "--overwrite", "-q", "--matched", *matched]) == 0
    assert fits.getheader(out)["DEEPCOADD OPTIONS METHOD"] == "comparewarp"
    for file in matched:
        without(file, psf=None)
    capsys.readouterr()
    assert run(["coadd", *visits, "-o", out, "--overwrite", "--matched", *matched]) == 0
    assert "no PSF-matched exposure has a PSF" in capsys.readouterr().err


def test_whole_planes_must_fit(
    files: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits, matched = files
    out = tmp_path / "coadd.fits"
    arguments = ["-o", str(out), "--max-memory", "50kB", "--matched", *matched]
    assert run(["coadd", *visits, *arguments]) == 2
    assert "method comparewarp keeps whole planes" in capsys.readouterr().err
    assert not out.exists()

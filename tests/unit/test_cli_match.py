# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd match-backgrounds`` and ``deepcoadd coadd --match-backgrounds`` on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd import Exposure, MaskedImage
from deepcoadd.background import match_backgrounds
from deepcoadd.cli._app import run
from deepcoadd.io import read, write

SHAPE = (130, 160)
N = 4


def exposures() -> tuple[list[Exposure], Any]:
    """Exposures of one star field on planes of other levels, and the planes."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stars = sum(
        300 * np.exp(-0.5 * ((y - a) ** 2 + (x - b) ** 2) / 4)
        for a, b in rng.uniform(10, 120, (8, 2))
    )
    skies, made = [], []
    for _ in range(N):
        sky = rng.uniform(80, 200) + rng.uniform(-0.1, 0.1) * y + rng.uniform(-0.1, 0.1) * x
        pixels = MaskedImage.from_arrays(rng.normal(sky + stars, 5), None, 25.0, start=(300, 200))
        skies.append(sky)
        made.append(Exposure(pixels))
    return made, np.array(skies)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "in"
    folder.mkdir()
    made = exposures()[0]
    for k, exposure in enumerate(made):
        write(folder / f"warp-{k}.fits", exposure)
    return [str(folder / f"warp-{k}.fits") for k in range(len(made))]


def match(*arguments: str) -> int:
    return run(["match-backgrounds", *arguments])


def test_files_hold_what_the_function_makes(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert match(*files, "-o", str(out)) == 0
    text = capsys.readouterr().out
    assert "global" in text
    assert "4 exposures and matches.csv" in text
    made, skies = exposures()
    want = match_backgrounds(made).matched()
    matched = []
    for file, ref in zip(files, want, strict=True):
        got = read(out / Path(file).name)
        assert got.box == ref.box()
        np.testing.assert_allclose(got.image.array, ref.read().image.array, atol=1e-4)
        np.testing.assert_array_equal(got.variance.array, ref.read().variance.array)
        matched.append(ref.result.model.image().array)  # type: ignore[union-attr]
    rest = skies + np.array(matched)
    rest -= rest.mean(axis=0)
    # 6 terms of noise 5 over 20800 pixels would be 0.09.
    assert np.sqrt(np.mean(rest**2)) < 0.3
    table = Table.read(out / "matches.csv", format="ascii.csv")
    assert list(table["status"]) == ["ok"] * N
    np.testing.assert_allclose(table["offset"], np.mean(matched, axis=(1, 2)), atol=0.5)


def test_a_reference_keeps_its_pixels(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ["-c", "bin_size=40", "-c", "statistic=MEAN"]
    assert match(*files, "-o", str(out), "--reference", files[1], *settings) == 0
    table = Table.read(out / "matches.csv", format="ascii.csv")
    assert list(table["status"]) == ["ok", "reference", "ok", "ok"]
    before, after = read(files[1]), read(out / "warp-1.fits")
    np.testing.assert_array_equal(after.image.array, before.image.array)
    level = np.median(before.image.array)
    assert np.median(read(out / "warp-3.fits").image.array) == pytest.approx(level, abs=2)
    again = [*files, "-o", str(out), "--reference", files[2], "--mode", "global"]
    assert match(*again) == 2
    assert match(*again, "--overwrite") == 0
    table = Table.read(out / "matches.csv", format="ascii.csv")
    assert list(table["status"]) == ["ok", "ok", "reference", "ok"]


def test_a_report(files: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the plot extra")
    for mode, n in (("global", N), ("classic", N - 1)):
        report = tmp_path / mode
        done = match(
            *files, "-o", str(tmp_path / f"out-{mode}"), "--report", str(report), "--mode", mode
        )
        assert done == 0
        page = (report / "index.html").read_text()
        assert "warp-2.fits" in page
        assert "cell_size" in page or "bin_size" in page
        assert len(list(report.glob("match-*.png"))) == n


def test_inputs_that_cannot_be_matched_are_named(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lone = MaskedImage.from_arrays(np.full((40, 40), 100.0), None, 1.0, start=(2000, 0))
    write(tmp_path / "lone.fits", Exposure(lone))
    (tmp_path / "broken.fits").write_text("nothing")
    extra = [str(tmp_path / "lone.fits"), str(tmp_path / "broken.fits")]
    out = tmp_path / "out"
    assert match(*files, *extra, "-o", str(out)) == 0
    text = capsys.readouterr().out
    assert "shares fewer than" in text
    assert "broken.fits" in text
    assert sorted(p.name for p in out.iterdir()) == [
        "matches.csv",
        *(f"warp-{k}.fits" for k in range(N)),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{files}"], 2, "--output"),
        (["-o", "{out}"], 2, "FILES"),
        (["{files}", "-o", "{out}", "--reference", "other.fits"], 2, "none of the inputs"),
        (["{files}", "-o", "{out}", "-c", "bin_size=3"], 2, "bin_size"),
        (["{files}", "-o", "{out}", "-c", "order=-1"], 2, "order: got -1"),
        (["{files}", "-o", "{in}"], 2, "not empty"),
        (["{files}", "-o", "{in}", "--overwrite"], 2, "is the folder of input"),
        (["{first}", "-o", "{out}"], 1, "no two of 1"),
        (["{files}", "-o", "{out}", "--max-memory", "1KiB"], 2, "max_memory"),
    ],
)
def test_wrong_requests(
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    out = tmp_path / "out"
    spelt: list[str] = []
    for word in arguments:
        names = {"{files}": files, "{first}": files[:1], "{out}": [str(out)]}
        spelt += names.get(word, [str(tmp_path / "in")] if word == "{in}" else [word])
    assert match(*spelt) == code
    assert words in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_settings_can_be_given_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for mode in ("global", "classic"):
        assert match("--mode", mode, "--dump-config") == 0
        text = capsys.readouterr().out
        (tmp_path / "match.toml").write_text(text)
        assert match("--config", str(tmp_path / "match.toml"), "--dump-config") == 0
        assert capsys.readouterr().out == text


def test_a_coadd_of_matched_inputs(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coadd.fits"
    lone = MaskedImage.from_arrays(np.full((40, 40), 100.0), None, 1.0, start=(300, 400))
    write(tmp_path / "lone.fits", Exposure(lone))
    arguments = ["--method", "mean", "--unit", "none", "--match-backgrounds"]
    assert run(["coadd", *files, str(tmp_path / "lone.fits"), "-o", str(out), *arguments]) == 0
    text = capsys.readouterr().out
    assert "matched to the mean of all inputs" in text
    assert "background not matched" in text
    made, _ = exposures()
    refs = match_backgrounds(made).matched()
    want = np.mean([ref.read().image.array for ref in refs], axis=0)
    coadd = read(out)
    np.testing.assert_allclose(coadd.image.array, want, atol=1e-3)
    for k, ref in enumerate(refs, 1):
        assert coadd.info.metadata[f"CTEXP_SDQA1_{k}"] == pytest.approx(ref.result.ratio)
        assert coadd.info.metadata[f"CTEXP_SDQA2_{k}"] == pytest.approx(ref.result.fit_rms)


def noisier(path: str) -> None:
    """Make the pixels of a file noisier than its variances say."""
    exposure = read(path)
    exposure.image.array[:] += np.random.default_rng(6).normal(0, 25, SHAPE).astype(np.float32)
    write(path, exposure, overwrite=True)


def test_matches_that_are_not_good_enough(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisier(files[2])
    out = tmp_path / "out"
    settings = ["-c", "bin_size=40", "-c", "accept.max_ratio=2", "-c", "add_variance=true"]
    assert match(*files, "-o", str(out), "--reference", files[0], *settings) == 0
    assert "mean square over variance is" in capsys.readouterr().out
    assert not (out / "warp-2.fits").exists()
    table = Table.read(out / "matches.csv", format="ascii.csv")
    assert list(table["status"]) == ["reference", "ok", "failed", "ok"]
    rms = table["fit_rms"][1]
    np.testing.assert_allclose(read(out / "warp-1.fits").variance.array, 25 + rms**2, rtol=1e-6)
    with fits.open(out / "warp-1.fits") as hdus:
        assert hdus[0].header["DEEPCOADD MATCH_RMS"] == pytest.approx(rms)
        assert hdus[0].header["DEEPCOADD MATCH_RATIO"] == pytest.approx(1, abs=0.1)
    nothing = [*files, "-o", str(tmp_path / "no"), "-c", "accept.max_rms=1e-9", "-c", "order=0"]
    assert match(*nothing) == 1
    assert "no exposure is matched well enough" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_coadd_skips_what_does_not_match(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.arange(SHAPE[1])
    exposure = read(files[3])
    exposure.image.array[:] += 4 * np.sin(x / 15).astype(np.float32)
    write(files[3], exposure, overwrite=True)
    arguments = ["coadd", *files, "-o", str(tmp_path / "coadd.fits"), "--method", "mean"]
    arguments += ["--unit", "none", "--match-backgrounds", "-c", "match.order=1"]
    assert run([*arguments, "-c", "accept.max_ratio=3"]) == 0
    text = capsys.readouterr().out
    assert "background not matched: mean square over variance" in text
    assert "inputs used 3 " in " ".join(text.split())
    refused = ["coadd", *files, "-o", str(tmp_path / "b.fits"), "-c", "accept.max_ratio=3"]
    assert run(refused) == 2
    assert "accept: is of no use without --match-backgrounds" in capsys.readouterr().err

# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd simulate``: visits and their truth as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from deepcoadd.cli._app import run
from deepcoadd.io import read
from deepcoadd.testing.simulate import PRESETS, SatelliteOptions, SceneOptions, simulate_scene

SMALL = ["-n", "3", "--seed", "5", "-c", "shape=48,64", "-c", "satellites.per_visit=1"]


def test_files_hold_the_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "deep" / "visits"
    assert run(["simulate", "-o", str(folder), *SMALL]) == 0
    shown = capsys.readouterr()
    assert "3, 64 x 48 pixels" in shown.out
    assert shown.err == ""
    n_satellites = 0
    scene = simulate_scene(
        SceneOptions(n_visits=3, seed=5, shape=(48, 64), satellites=SatelliteOptions(per_visit=1.0))
    )
    assert [p.name for p in sorted(folder.glob("*.fits"))] == [
        "visit-100.fits",
        "visit-101.fits",
        "visit-102.fits",
    ]
    for warp, truth in zip(scene.warps, scene.truth.visits, strict=True):
        made = read(folder / f"visit-{truth.visit}.fits")
        np.testing.assert_array_equal(made.image.array, warp.image.array)
        np.testing.assert_array_equal(made.mask.array, warp.mask.array)
        assert made.info.visit_info.id == truth.visit
        known = read(folder / "truth" / f"truth-{truth.visit}.fits")
        np.testing.assert_array_equal(known.image.array, truth.sky)
        nothing = np.zeros((48, 64), bool)
        expected = truth.artifacts.get("satellite", nothing)
        np.testing.assert_array_equal(known.mask.has("SATELLITE"), expected)
        n_satellites += bool(expected.any())
        with fits.open(folder / "truth" / f"truth-{truth.visit}.fits") as hdus:
            np.testing.assert_array_equal(hdus["ARTIFACTS"].data, truth.artifact_light)
            np.testing.assert_array_equal(hdus["BACKGROUND"].data, truth.background)
    assert n_satellites
    catalogue = Table.read(folder / "truth" / "catalogue.ecsv")
    np.testing.assert_allclose(catalogue["flux"], scene.truth.catalogue["flux"], rtol=1e-12)
    assert len(Table.read(folder / "truth" / "artifacts.ecsv")) == len(scene.truth.artifact_table())
    assert list(Table.read(folder / "truth" / "visits.ecsv")["visit"]) == [100, 101, 102]


def test_matched_twins_are_written_when_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "visits"
    assert run(["simulate", "-o", str(folder), *SMALL, "-c", "matched_sigma=3", "-q"]) == 0
    assert len(list(folder.glob("matched-*.fits"))) == 3


def test_few_visits_of_a_preset_with_satellites_in_later_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for n, visits in (("3", "[2]"), ("2", "[]"), ("8", "[2, 5]")):
        assert run(["simulate", "--preset", "demo", "-n", n, "--dump-config"]) == 0
        shown = capsys.readouterr().out
        assert f"\nvisits = {visits}\n" in shown
    asked = ["simulate", "--preset", "demo", "-n", "3", "-c", "satellites.visits=5"]
    assert run([*asked, "--dump-config"]) == 2
    assert "there are only visits 0 to 2" in capsys.readouterr().err


def test_overwriting_leaves_no_stale_visit(tmp_path: Path) -> None:
    folder = tmp_path / "visits"
    assert run(["simulate", "-o", str(folder), *SMALL, "-q"]) == 0
    (folder / "notes.txt").write_text("mine")
    assert run(["simulate", "-o", str(folder), *SMALL, "-q"]) == 2
    assert run(["simulate", "-o", str(folder), *SMALL, "-q", "-n", "2", "--overwrite"]) == 0
    assert sorted(p.name for p in folder.iterdir()) == [
        "notes.txt",
        "truth",
        "visit-100.fits",
        "visit-101.fits",
    ]
    assert len(list((folder / "truth").glob("truth-*.fits"))) == 2


@pytest.mark.parametrize("preset", PRESETS)
def test_dumped_scene_reads_back_identically(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "--preset", preset, "--dump-config", "--seed", "9"]) == 0
    text = capsys.readouterr().out
    file = tmp_path / "scene.toml"
    file.write_text(text)
    assert run(["simulate", "--config", str(file), "--dump-config"]) == 0
    assert capsys.readouterr().out == text
    assert "seed = 9" in text
    assert "# Faintest and brightest flux, nJy, > 0." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output"),
        (["-o", "x", "-c", "satellite.per_visit=1"], "did you mean"),
        (["-o", "x", "-c", "satellites.per_visit=-1"], "satellites.per_visit"),
        (["-o", "x", "-c", "preset=best"], "clean, demo, reference"),
        (["-o", "x", "--preset", "best"], "clean"),
        (["-o", "x", "-n", "0"], "--visits"),
    ],
)
def test_wrong_requests(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["simulate", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

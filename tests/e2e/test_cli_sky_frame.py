# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd sky-frame``: frames of six detectors made of files, and taken out of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd import io
from deepcoadd.background import exposure_to_background
from deepcoadd.cli._app import run
from deepcoadd.testing.simulate import SkyVisitOptions, simulate_sky_visits

SCENE = SkyVisitOptions(
    shape=(160, 192), n_visits=6, scale=160.0, amplitude=0.01, star_density=3e-5
)
SETTINGS = [
    word
    for setting in ("superpixel=160", "objects.n_iter=1", "objects.background.bin_size=64")
    for word in ("-c", setting)
]


def save(folder: Path, scene: SkyVisitOptions) -> tuple[list[str], dict[int, float]]:
    folder.mkdir()
    files, levels = [], {}
    for visit in simulate_sky_visits(scene):
        levels[visit.number] = visit.level
        for detector, exposure in visit.exposures.items():
            files.append(str(folder / f"v{visit.number}-d{detector}.fits"))
            io.write(files[-1], exposure)
    return files, levels


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sky")
    files, _ = save(folder / "in", SCENE)
    words = ["sky-frame", "build", *files, "-o", str(folder / "sky"), *SETTINGS, "-q"]
    words += ["-c", "errors=jackknife"]
    assert run([*words, "--report", str(folder / "report")]) == 0
    return folder


def test_frames_are_written_and_reported(frames: Path) -> None:
    held = sorted((frames / "sky").glob("*.fits"))
    assert [path.name for path in held] == [f"sky-{k}.fits" for k in range(6)]
    sky = exposure_to_background(io.read(held[0]))
    assert sky.values.shape == (5, 6)
    assert io.read(held[0]).info.metadata["NVISITS"] == 6
    with fits.open(held[0]) as hdus:
        counts = hdus["NIMAGE"].data
        assert counts.shape == (5, 6)
        assert 4 < counts.mean() <= 6
    page = (frames / "report" / "index.html").read_text()
    for word in ("frames.png", "Visits", "superpixel"):
        assert word in page


def test_frames_are_taken_out(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, levels = save(tmp_path / "in", replace(SCENE, seed=9, n_visits=2))
    words = ["sky-frame", "apply", *files, "--sky", str(frames / "sky"), *SETTINGS]
    out = ["-o", str(tmp_path / "out"), "--report", str(tmp_path / "report")]
    assert run([*words, *out]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 corrected" in shown
    for file in files:
        before, after = io.read(file), io.read(tmp_path / "out" / Path(file).name)
        cards = after.info.metadata
        level = levels[before.info.visit_info.id]
        # Bins of 32 pixels flatten waves of about 320 pixels by 3 %; the rest is noise.
        tolerance = 0.04 * level + 4 * cards["SKYSCERR"]
        assert abs(cards["SKYSCALE"] - level) < tolerance
        sky = exposure_to_background(io.read(frames / "sky" / f"sky-{cards['DETECTOR']}.fits"))
        want = before.image.array - np.float32(cards["SKYSCALE"]) * sky.image().array
        np.testing.assert_allclose(after.image.array, want, atol=1e-3)
        np.testing.assert_array_equal(after.variance.array, before.variance.array)
    assert "Residual maps" in (tmp_path / "report" / "index.html").read_text()
    assert (tmp_path / "report" / "scales.png").exists()


def wrong(arguments: list[str], capsys: Any) -> tuple[int, str]:
    code = run(["sky-frame", *arguments])
    return code, capsys.readouterr().err


def test_wrong_requests_leave_nothing(frames: Path, tmp_path: Path, capsys: Any) -> None:
    files = [str(frames / "in" / f"v1-d{k}.fits") for k in range(6)]
    out = ["-o", str(tmp_path / "out")]
    code, text = wrong(["build", *files, *out, "-c", "detector=CHIP"], capsys)
    assert (code, "no card CHIP names its detector" in text) == (1, True)
    code, text = wrong(["apply", *files, *out, "--sky", str(tmp_path)], capsys)
    assert (code, "holds no sky-*.fits" in text) == (2, True)
    code, text = wrong(["apply", *files, *out], capsys)
    assert (code, "--sky" in text) == (2, True)
    code, text = wrong(["build", *out], capsys)
    assert (code, "FILES" in text) == (2, True)
    code, text = wrong(["build", *files, *out, "-c", "weighting=best"], capsys)
    assert (code, "weighting = 'best'" in text) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_visit_that_cannot_be_used_is_left_out(frames: Path, tmp_path: Path, capsys: Any) -> None:
    files = [str(frames / "in" / f"v{v}-d{k}.fits") for v in (1, 2) for k in range(6)]
    broken = io.read(files[0])
    broken.mask.set("BAD", (slice(None), slice(None)))
    bad = replace(broken.info, visit_info=replace(broken.info.visit_info, id=99))
    io.write(tmp_path / "bad.fits", broken.with_info(visit_info=bad.visit_info))
    words = ["sky-frame", "build", *files, str(tmp_path / "bad.fits"), "-o", str(tmp_path / "sky")]
    assert run([*words, *SETTINGS]) == 0
    text = capsys.readouterr()
    assert "visit 99" in text.out
    assert "2 used, 1 left out" in text.out


def test_settings_are_printed(capsys: Any) -> None:
    assert run(["sky-frame", "build", "--dump-config", "-c", "superpixel=512"]) == 0
    text = capsys.readouterr().out
    assert "superpixel = 512.0" in text
    assert "[sky.background]" in text or "sky.background" in text

# SPDX-License-Identifier: BSD-3-Clause
"""The examples run as they stand, fast and without writing into the working folder."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_EXAMPLES = sorted((_ROOT / "examples").glob("*.py"))
_EXPECTED = {
    "coadd_arrays.py": r"MEANCLIP noise 1\.\d\d, expected 1\.\d\d; 1\.\d\d %",
    "coadd_files.py": r"visit 107: weight 0\.1\d\d\n\(512, 512\) pixels, noise \d+\.\d\d nJy",
    "satellite_trail.py": r"MEANCLIP left on the trails: +0\.\d+ of the noise",
    "streak_finder.py": r"alone: [1-5]\d% .*\nwith the finder: [89]\d% of the trail, 0 pixels",
    "simulate_scene.py": r"400 sources .*\n(visit 10\d: noise .*\n){8}",
}


def _run(path: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_example_is_checked():
    assert {path.name for path in _EXAMPLES} == set(_EXPECTED)


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_prints_what_it_says(path, tmp_path):
    out = _run(path, tmp_path)
    assert re.search(_EXPECTED[path.name], out), out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(path):
    assert len(path.read_text().splitlines()) <= 60


def test_clipping_removes_what_the_mean_leaves():
    """A trail of 20 to 40 sigma in two of eight visits: the mean keeps over 3 of its noise."""
    path = next(path for path in _EXAMPLES if path.stem == "satellite_trail")
    left = dict(re.findall(r"(\w+) +left on the trails: +(-?[\d.]+)", _run(path, path.parent)))
    assert float(left["MEAN"]) > 3
    assert abs(float(left["MEANCLIP"])) < 0.5
    assert abs(float(left["MEDIAN"])) < 0.5


def test_picture_of_the_scene(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    path = next(path for path in _EXAMPLES if path.stem == "simulate_scene")
    out = _run(path, tmp_path, "scene.png")
    assert "picture: scene.png" in out
    assert image.imread(tmp_path / "scene.png").std() > 0.05


def test_examples_of_the_page_on_simulation_run():
    page = (_ROOT / "docs" / "simulate.md").read_text()
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    case = doctest.DocTestParser().get_doctest(blocks, {}, "simulate.md", "simulate.md", 0)
    assert len(case.examples) >= 8
    assert doctest.DocTestRunner(verbose=False).run(case).failed == 0

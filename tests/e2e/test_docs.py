# SPDX-License-Identifier: BSD-3-Clause
"""The Python that the documentation shows runs, with the names that a reader would have."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepcoadd
from deepcoadd import Box, Exposure, MaskedImage, io
from deepcoadd.coadd import compare_warp
from deepcoadd.io import _registry
from deepcoadd.spans import SpanSet
from deepcoadd.testing.simulate import PRESETS, simulate_scene

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "simulate.md": "its examples print results; see test_examples.py",
    "real-images.md": "needs the images it speaks of",
}
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks() -> list[Any]:
    found = []
    for page in PAGES:
        texts = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
        if page.name not in ELSEWHERE:
            name = page.relative_to(ROOT).as_posix()
            found += [pytest.param(text, id=f"{name}-{n}") for n, text in enumerate(texts)]
    return found


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the pages take for granted: warps, their PSF-matched twins, a box, a WCS, a reader."""
    scene = replace(PRESETS["demo"], n_visits=6, shape=(110, 110), seed=3, matched_sigma=3.0)
    made = simulate_scene(scene)
    warps, matched = made.warps, made.matched
    return {
        "deepcoadd": deepcoadd,
        "warps": warps,
        "matched": matched,
        "matched_warps": matched,
        "box": Box.from_shape((20, 30), start=(5, 5)),
        "band": np.zeros((110, 110), bool),
        "wcs": warps[0].info.wcs,
        "paths": ["calexp.fits"],
        "io": io,
        "Exposure": Exposure,
        "MaskedImage": MaskedImage,
        "SpanSet": SpanSet,
        "compare_warp": compare_warp,
        "my_reader": lambda path: (np.ones((3, 3)), 1.0),
    }


def test_there_are_examples() -> None:
    assert len(blocks()) >= 8


@pytest.mark.parametrize("text", blocks())
def test_examples_run(
    text: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "deepcoadd.tasks" in text:
        pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_registry, "_USER", [])
    io.write("calexp.fits", names["warps"][0])
    exec(compile(text, "example", "exec"), dict(names))


def test_files_and_options_that_pages_name_exist() -> None:
    for page in [ROOT / "README.md", *PAGES]:
        text = page.read_text()
        for target in re.findall(r"\]\((?!http)([^)#\s]+)[^)]*\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for target in re.findall(r"`((?:docs|benches|examples)/[\w./-]+)`", text):
            assert (ROOT / target).exists(), f"{page.name}: {target}"


def test_names_of_the_package_that_pages_name_exist() -> None:
    for page in [ROOT / "README.md", *PAGES]:
        for dotted in set(re.findall(r"`(deepcoadd(?:\.\w+)+)", page.read_text())):
            if dotted.startswith("deepcoadd.tasks"):
                pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")
            assert resolved(dotted), f"{page.name}: {dotted}"


def resolved(dotted: str) -> bool:
    """Whether a dotted name can be imported, or is an attribute of what can."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found: Any = __import__(".".join(parts[:n]), fromlist=["*"])
        except ImportError:
            continue
        for part in parts[n:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False

# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures shared by all tests: where the golden cases and the real images are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("fast", max_examples=10, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None)
hypothesis.settings.register_profile("nightly", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def data_folder(variable: str, default: str) -> Path | None:
    """Folder named by an environment variable, else the default beside the checkout, else None."""
    given = os.environ.get(variable)
    folder = Path(given) if given else ROOT.parent / "shared" / default
    return folder if folder.is_dir() else None


def golden_folder() -> Path:
    """Folder of the golden cases; skips the test when there is none."""
    folder = data_folder("DEEPCOADD_GOLDEN", "golden")
    if folder is None:
        pytest.skip("no golden cases: set DEEPCOADD_GOLDEN to their folder")
    return folder


def golden_cases(topic: str) -> Iterator[tuple[str, dict[str, Any], dict[str, np.ndarray]]]:
    """File name, parameters and arrays of every case of a topic, in the order of its JSON file."""
    folder = golden_folder()
    for case in json.loads((folder / f"{topic}.json").read_text())["cases"]:
        with np.load(folder / case["file"]) as arrays:
            yield case["file"], case["params"], dict(arrays)


@pytest.fixture
def golden() -> Any:
    """`golden(topic)` enumerates the cases of a topic; see `golden_cases`."""
    return golden_cases


@pytest.fixture
def golden_path() -> Path:
    """Folder of the golden cases."""
    return golden_folder()


@pytest.fixture
def real_data() -> Path:
    """Folder of the real images; skips the test when there is none."""
    folder = data_folder("DEEPCOADD_TEST_DATA", "data")
    if folder is None:
        pytest.skip("no real images: set DEEPCOADD_TEST_DATA to their folder")
    return folder

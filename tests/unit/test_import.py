# SPDX-License-Identifier: BSD-3-Clause
"""`import deepcoadd` is light: no lsst package, scipy or matplotlib."""

import subprocess
import sys

import pytest

import deepcoadd

_HEAVY = ("lsst", "scipy", "matplotlib", "hypothesis", "pandas")


def _loaded_by(statement: str) -> set[str]:
    """Top-level modules loaded by a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import deepcoadd",
        "import deepcoadd; [getattr(deepcoadd, name) for name in deepcoadd.__all__]",
        "import deepcoadd.testing",
    ],
)
def test_loads_nothing_heavy(statement):
    loaded = _loaded_by(statement)
    assert "deepcoadd" in loaded
    assert not loaded & set(_HEAVY)


def test_every_public_name_exists_and_dir_shows_them():
    for name in deepcoadd.__all__:
        assert getattr(deepcoadd, name) is not None
    assert dir(deepcoadd) == sorted(deepcoadd.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'deepcoadd' has no attribute 'Boks'"):
        _ = deepcoadd.Boks

# SPDX-License-Identifier: BSD-3-Clause
"""Which exposures the files of a command hold, and where their companions are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd.cli._inputs import InputOptions, open_inputs
from deepcoadd.errors import MissingFileError, OptionError


@pytest.mark.parametrize(
    ("file", "rule", "expected"),
    [
        ("d/a.fits", "{stem}.weight.fits", "d/a.weight.fits"),
        ("d/a.fits.fz", "{stem}.weight.fits.fz", "d/a.weight.fits.fz"),
        ("d/a.b.FIT.gz", "w/{stem}.fits", "d/w/a.b.fits"),
        ("d/a.fits[2][1:5,1:5]", "{stem}.w.fits[1]", "d/a.w.fits[1]"),
        ("d/a.fits", "/abs/{stem}.fits", "/abs/a.fits"),
        ("d/a", "{stem}.w", "d/a.w"),
        ("d/a.fits", "[WHT]", "[WHT]"),
        ("d/a.fits", "other.fits", "other.fits"),
    ],
)
def test_rules_name_companions(file: str, rule: str, expected: str) -> None:
    assert InputOptions(weight=rule).read_options(file, 1)["weight"] == expected


def test_one_companion_for_many_is_refused() -> None:
    with pytest.raises(OptionError, match=r"mask = 'm.fits': one file for 3 inputs; {stem}"):
        InputOptions(mask="m.fits").read_options("a.fits", 3)
    assert InputOptions(mask="[2]").read_options("a.fits", 3)["mask"] == "[2]"


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """Three epochs of image, mask and variance behind an empty primary HDU, and a table."""
    hdus: list[Any] = [fits.PrimaryHDU()]
    for k in range(3):
        hdus.append(fits.ImageHDU(np.full((4, 5), float(k), np.float32)))
        hdus.append(fits.ImageHDU(np.full((4, 5), k % 2, np.uint8)))
        hdus.append(fits.ImageHDU(np.full((4, 5), 1.0 + k, np.float32)))
    hdus.append(fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(2))]))
    path = tmp_path / "cube.fits"
    fits.HDUList(hdus).writeto(path)
    return path


def test_epochs_are_exposures_of_their_own(cube: Path) -> None:
    refs, skipped = open_inputs([str(cube)], InputOptions(epochs=("image", "mask", "variance")))
    assert skipped == []
    assert [ref.data_id["file"] for ref in refs] == [f"{cube}[{1 + 3 * k}]" for k in range(3)]
    for k, ref in enumerate(refs):
        pixels = ref.read()
        assert (pixels.image.array == k).all()
        assert (pixels.variance.array == 1 + k).all()
        assert (pixels.mask.array != 0).all() == bool(k % 2)


def test_roles_may_skip_hdus(cube: Path) -> None:
    refs, _ = open_inputs([str(cube)], InputOptions(epochs=("skip", "skip", "image"), noise=2.0))
    assert [float(ref.read().image.array[0, 0]) for ref in refs] == [1.0, 2.0, 3.0]
    assert float(refs[0].read().variance.array[0, 0]) == 4.0


def test_roles_that_do_not_fit_are_a_bad_file(cube: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        refs, skipped = open_inputs([str(cube)], InputOptions(epochs=("image", "weight")))
    assert refs == []
    assert "9 image HDUs cannot be epochs of 2 each" in skipped[0].reason
    assert str(cube) in caplog.text


def test_missing_files_are_a_wrong_request(cube: Path, tmp_path: Path) -> None:
    for options in (
        InputOptions(),
        InputOptions(epochs=("image",)),
    ):
        with pytest.raises(MissingFileError, match=r"none\.fits"):
            open_inputs([str(tmp_path / "none.fits")], options)
    with pytest.raises(MissingFileError, match=r"cube\.w\.fits"):
        open_inputs([f"{cube}[1]"], InputOptions(weight="{stem}.w.fits"))


def test_the_same_exposure_twice(cube: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.fits"
    link.symlink_to(cube)
    noise = InputOptions(noise=1.0)
    with pytest.raises(OptionError, match="named twice"):
        open_inputs([f"{cube}[1]", f"{link}[1]"], noise)
    refs, _ = open_inputs([f"{cube}[1]", f"{cube}[4]"], noise)
    assert len(refs) == 2

# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd info``: what it says of files, good and bad."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from deepcoadd.cli._app import run
from deepcoadd.io import write
from deepcoadd.testing import simulate_warps


@pytest.fixture
def visit(tmp_path: Path) -> Path:
    (warp,), _ = simulate_warps(n=1, shape=(40, 50), seed=1)
    warp.mask.set("CR", (slice(0, 2), slice(0, 5)))
    warp.image.array[5] = np.nan
    path = tmp_path / "visit.fits"
    write(path, warp)
    return path


def facts(text: str) -> dict[str, str]:
    """Names and values of the first table."""
    lines = text.split("\n\n")[0].splitlines()
    return dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines)


def test_says_what_the_file_is(visit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(visit)]) == 0
    shown = capsys.readouterr()
    found = facts(shown.out)
    assert found["file"].startswith(str(visit))
    assert found["format"] == "deepcoadd"
    assert found["pixels"].startswith("50 x 40, [y=")
    assert found["unit"] == "nJy"
    assert "Gaussian" in found["PSF"]
    assert "8 NO_DATA" in found["mask planes"]
    assert "arcsec a pixel, TAN" in found["sky"]
    assert "exposure_time 30" in found["visit"]
    assert "finite pixels" not in found
    assert re.search(r"2 +MASK +image +50 x 40 +int32", shown.out)
    assert shown.err == ""


def test_statistics_read_the_pixels(visit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "--statistics", str(visit)]) == 0
    found = facts(capsys.readouterr().out)
    assert found["finite pixels"] == "97.50 %"
    assert "CR 10" in found["masked pixels"]
    assert float(found["median variance"]) > 0


def test_json_is_json(visit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{visit}[1:10,1:20]", str(visit)]
    assert run(["info", "--json", "--statistics", *names]) == 0
    part, whole = map(json.loads, capsys.readouterr().out.splitlines())
    assert (part["box"]["ny"], part["box"]["nx"]) == (20, 10)
    assert whole["planes"]["CR"] == 3
    assert whole["statistics"]["masked"]["CR"] == 10
    assert [hdu["name"] for hdu in whole["hdus"]][:4] == ["", "IMAGE", "MASK", "VARIANCE"]


def test_numbers_that_json_lacks_are_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.fits"
    fits.writeto(path, np.full((4, 4), np.nan, np.float32))
    assert run(["info", "--json", "--statistics", "--noise", "1", str(path)]) == 0
    line = capsys.readouterr().out

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(line, parse_constant=refuse)["statistics"]["median"] is None


def test_a_file_without_an_exposure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.fits"
    columns = [fits.Column("a", "J", array=np.arange(3))]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="T")]).writeto(
        path
    )
    assert run(["info", str(path)]) == 0
    found = facts(capsys.readouterr().out)
    assert found["format"] == "no exposure"
    assert found["problem"]


def test_bad_files(visit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"no FITS file")
    assert run(["info", str(tmp_path / "none.fits")]) == 2
    assert "none.fits" in capsys.readouterr().err
    assert run(["info", str(bad)]) == 1
    assert "bad.fits" in capsys.readouterr().err
    assert run(["info", str(bad), str(visit)]) == 1
    shown = capsys.readouterr()
    assert "bad.fits" in shown.err
    assert str(visit) in shown.out
    assert run(["info"]) == 2
    assert run(["info", str(visit), "--hdu", "77"]) in (0, 1)


def test_a_pickled_part_is_named_and_never_loaded(
    real_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr("pickle.loads", never)
    monkeypatch.setattr("pickle.load", never)
    path = real_data / "lsst_format" / "piffpsf_exposure.fits"
    assert run(["info", "--statistics", str(path)]) == 0
    assert "PiffPsf" in facts(capsys.readouterr().out)["PSF"]

# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd --method visitclip`` from settings to files, in this process."""

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
from deepcoadd.coadd import VisitClipOptions, visit_clip
from deepcoadd.io import read, write
from deepcoadd.testing.simulate import (
    CosmicRayOptions,
    PsfOptions,
    SceneOptions,
    SourceOptions,
    simulate_scene,
)

SCENE = SceneOptions(
    n_visits=4,
    seed=3,
    shape=(96, 128),
    sources=SourceOptions(n_stars=4, n_galaxies=2),
    psf=PsfOptions(sigma=(2.0, 2.0)),
    cosmic_rays=CosmicRayOptions(per_visit=6.0),
)


@pytest.fixture(scope="module")
def warps() -> list[Exposure]:
    return list(simulate_scene(SCENE).warps)


@pytest.fixture
def files(warps: list[Exposure], tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"visit-{k}.fits" for k in range(len(warps))]
    for path, warp in zip(paths, warps, strict=True):
        write(path, warp)
    return [str(path) for path in paths]


def test_the_file_holds_what_visit_clip_makes(
    files: list[str], warps: list[Exposure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word on the method; --decisions and settings of the method are understood."""
    out, decisions = tmp_path / "coadd.fits", tmp_path / "artifacts.csv"
    more = ["--decisions", str(decisions), "-c", "visit_clip.flux_tolerance=0.1,0.5"]
    assert run(["coadd", *files, "-o", str(out), *more]) == 0
    expected = visit_clip(warps, options=VisitClipOptions(flux_tolerance=(0.1, 0.5)))
    assert expected.n_artifact_pixels > 20
    made = read(out)
    np.testing.assert_array_equal(made.image.array, expected.image.array)
    np.testing.assert_array_equal(made.variance.array, expected.variance.array)
    with fits.open(out) as hdus:
        assert hdus[0].header["DEEPCOADD OPTIONS METHOD"] == "visitclip"
        table = Table(hdus["ARTIFACTS"].data)
    for name in expected.decisions.colnames:
        np.testing.assert_array_equal(table[name], expected.decisions[name])
    assert len(Table.read(decisions, format="ascii.csv")) == len(table)
    found = expected.summary()
    assert f"{found['n_artifacts']} of {found['n_footprints']} foot" in capsys.readouterr().out


def test_settings_of_the_method() -> None:
    pairs = ["visit_clip.seed=6", "visit_clip.cell=256", "interpolate=none"]
    made = coadd_config(pairs=pairs)
    assert made.name == "visitclip"
    want = VisitClipOptions(assemble=made.options, seed=6.0, cell=256)
    assert made.artifacts == want
    assert made.options.interpolate is None


def test_few_inputs_and_no_psf(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two inputs are compared, unlike with other methods; without a PSF they are clipped."""
    out = str(tmp_path / "coadd.fits")
    assert run(["coadd", *files[:2], "-o", out]) == 0
    assert "the brighter one is taken" in capsys.readouterr().err
    for file in files[:2]:
        warp = read(file)
        write(file, Exposure(warp.masked_image, replace(warp.info, psf=None)), overwrite=True)
    assert run(["coadd", *files[:2], "-o", out, "--overwrite"]) == 0
    assert "clipped instead of visitclip" in capsys.readouterr().err
    assert fits.getheader(out)["DEEPCOADD OPTIONS METHOD"] == "clipped"
    assert run(["coadd", *files[:2], "-o", out, "--overwrite", "--psf-sigma", "2"]) == 0
    assert fits.getheader(out)["DEEPCOADD OPTIONS METHOD"] == "visitclip"

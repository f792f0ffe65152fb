# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd simulate``: visits of a simulated field as FITS files, with the truth beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from deepcoadd.cli._options import config_options, overwrite_option, verbosity_options
from deepcoadd.cli._settings import as_table, field_docs, gathered, updated
from deepcoadd.cli._summary import print_facts
from deepcoadd.cli._terminal import ProgressCallback, Terminal
from deepcoadd.cli._toml import plain, to_toml
from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.image import Image, MaskedImage
from deepcoadd.io import write
from deepcoadd.io._folder import atomic_folder
from deepcoadd.mask import Mask, MaskPlanes
from deepcoadd.testing.simulate import (
    PRESETS,
    SceneOptions,
    Truth,
    VisitTruth,
    draw_catalogue,
    simulate_visits,
)

__all__ = ["command"]

_OWNED = ("visit-*.fits", "matched-*.fits", "truth/*.fits", "truth/*.ecsv")

_KINDS = MaskPlanes(
    [
        "COSMIC_RAY",
        "SATELLITE",
        "GHOST",
        "ASTEROID",
        "SLOW_MOVER",
        "SATURATED",
        "DEAD_COLUMN",
        "HOT_PIXEL",
        "GAP",
    ]
)
"""Planes of the truth files: the same ones whether or not a kind occurs in a visit."""

_HELP = """Write visits of a simulated field, with known truth, as FITS files.

FOLDER gets one visit-NUMBER.fits a visit (image, mask, variance, WCS, visit information). In
FOLDER/truth lie the noiseless skies with masks of all artifacts, the catalogue of sources, and
tables of visits and artifacts. The same settings give the same files.

\b
Examples:
  deepcoadd simulate -o visits                     stars, galaxies, eight visits
  deepcoadd simulate --preset demo -o visits       with every kind of artifact
  deepcoadd simulate -o visits -n 20 --seed 7 -c shape=2048,2048 -c satellites.per_visit=1
  deepcoadd simulate --preset demo --dump-config > scene.toml
"""


@click.command("simulate", help=_HELP)
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Where to write."
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    help="Scene to start from: clean has no artifacts; demo has satellites, cosmic rays, "
    "asteroids, ghosts, chip gaps and defects; reference is a test scene of bright stars.  "
    "[default: clean]",
)
@click.option(
    "-n",
    "--visits",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of visits.  [default: that of the scene, mostly 8]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Everything follows from it.  [default: that of the scene]",
)
@overwrite_option("files of an earlier run in FOLDER")
@config_options
@verbosity_options
@click.pass_obj
def command(
    terminal: Terminal,
    /,
    output: Path | None,
    overwrite: bool,
    dump_config: bool,
    **settings: Any,
) -> int:
    """Write a scene."""
    options, name = _scene_options(settings)
    if dump_config:
        docs = {"preset": "Scene that the settings started from.", **field_docs(SceneOptions)}
        click.echo(to_toml({"preset": name, **as_table(options)}, comments=docs), nl=False)
        return 0
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    with terminal.progress() as progress:
        n_files = _write_scene(output, options, name, progress, overwrite=overwrite)
    if not terminal.quiet:
        facts = {
            "visits": f"{options.n_visits}, {options.shape[1]} x {options.shape[0]} pixels",
            "files": f"{n_files} in {output}",
            "truth": str(output / "truth"),
        }
        print_facts(terminal.stdout, facts)
    return 0


def _scene_options(settings: Mapping[str, Any]) -> tuple[SceneOptions, str]:
    """Options of a scene, and the name of the preset they started from."""
    flags = {"preset": "preset", "visits": "n_visits", "seed": "seed"}
    given = {key: settings[flag] for flag, key in flags.items() if settings[flag] is not None}
    values = gathered(settings["config_file"], settings["overrides"], given)
    name = str(values.pop("preset", "clean"))
    if name not in PRESETS:
        raise OptionError(f"preset = {name!r}: expected one of {', '.join(PRESETS)}")
    return updated(_shortened(PRESETS[name], values), values, also=["preset"]), name


def _shortened(scene: SceneOptions, values: Mapping[str, Any]) -> SceneOptions:
    """A preset without the satellites that it has in visits beyond those that are asked for."""
    if "n_visits" not in values:
        return scene
    n = updated(SceneOptions(), {"n_visits": values["n_visits"]}).n_visits
    visits = tuple(index for index in scene.satellites.visits if index < n)
    return replace(scene, satellites=replace(scene.satellites, visits=visits))


def _write_scene(
    output: Path, options: SceneOptions, name: str, progress: ProgressCallback, *, overwrite: bool
) -> int:
    """Write all files of a scene, one visit in memory at a time; returns their number."""
    provenance = {"SIMULATED": True, "PRESET": name, "SCENE": plain(as_table(options))}
    kept: list[VisitTruth] = []
    with atomic_folder(output, overwrite=overwrite, owned=_OWNED) as folder:
        truth_folder = folder / "truth"
        truth_folder.mkdir()
        progress(0, options.n_visits, "simulating")
        for done, visit in enumerate(simulate_visits(options), 1):
            number = visit.truth.visit
            write(folder / f"visit-{number}.fits", visit.warp, provenance=provenance)
            if visit.matched is not None:
                write(folder / f"matched-{number}.fits", visit.matched, provenance=provenance)
            _write_truth(truth_folder / f"truth-{number}.fits", visit.warp, visit.truth)
            kept.append(_without_pixels(visit.truth))
            progress(done, options.n_visits, "simulating")
        truth = Truth(tuple(kept), draw_catalogue(options))
        tables = {
            "catalogue": truth.catalogue,
            "artifacts": truth.artifact_table(),
            "visits": truth.visit_table(),
        }
        for table_name, table in tables.items():
            table.write(truth_folder / f"{table_name}.ecsv", format="ascii.ecsv")
        return sum(path.is_file() for path in folder.rglob("*"))


def _write_truth(path: Path, warp: Exposure, truth: VisitTruth) -> None:
    """Write the noiseless sky of a visit, with a mask plane for each kind of artifact.

    The variance plane holds the variance of a pixel without sources; further HDUs the light of all
    artifacts and the background left in the image.
    """
    mask = Mask.zeros(warp.box, _KINDS.with_planes(*map(str.upper, truth.artifacts)))
    for kind, where in truth.artifacts.items():
        mask.set(kind.upper(), where)
    variance = Image.full(warp.box, truth.noise**2)
    pixels = MaskedImage(Image(truth.sky, warp.box), mask, variance)
    extra = {"ARTIFACTS": truth.artifact_light, "BACKGROUND": truth.background}
    write(
        path,
        Exposure(pixels, warp.info),
        extra_images={name: Image(array, warp.box) for name, array in extra.items()},
    )


def _without_pixels(truth: VisitTruth) -> VisitTruth:
    """Truth of a visit reduced to what the tables need."""
    nothing = np.empty((0, 0), np.float32)
    return replace(truth, sky=nothing, background=nothing, artifact_light=nothing, artifacts={})

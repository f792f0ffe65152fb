# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd sky-frame``: sky frames made of visits, and taken out of visits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from deepcoadd import set_num_threads
from deepcoadd.background import (
    BackgroundModel,
    SkyFrameBuilder,
    SkyScale,
    VisitSky,
    background_to_exposure,
    exposure_to_background,
    mask_visit_objects,
    measure_sky_bins,
    measure_visit_sky,
    subtract_sky_frame,
    without_background,
)
from deepcoadd.cli._inputs import open_inputs
from deepcoadd.cli._options import (
    INPUT_FLAGS,
    config_options,
    input_options,
    overwrite_option,
    verbosity_options,
    with_options,
)
from deepcoadd.cli._settings import (
    Text,
    as_table,
    field_docs,
    gathered,
    updated,
)
from deepcoadd.cli._sky_run import (
    SkyFrameConfig,
    SkyVisitFiles,
    group_visits,
    names_of,
    read_detectors,
)
from deepcoadd.cli._summary import number, print_facts, print_rows
from deepcoadd.cli._terminal import Terminal
from deepcoadd.cli._toml import to_toml
from deepcoadd.errors import DeepcoaddError, NoDataError, OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.image import Image, MaskedImage
from deepcoadd.io import read, write
from deepcoadd.io._folder import atomic_folder, check_folder

__all__ = ["command"]

_log = logging.getLogger(__name__)

_HELP = """Sky frames: what the night sky looks like on each detector, in shares of its level.

\b
Examples:
  deepcoadd sky-frame build visit-*.fits -o sky --report report
  deepcoadd sky-frame apply visit-*.fits --sky sky -o corrected
"""

_BUILD_HELP = """Make the sky frame of every detector from exposures of many visits.

FILES are detrended exposures, one a detector and visit; twenty dithered visits or more are best.
The large-scale sky of a visit is taken out over all its detectors, what is left is divided by the
level of the sky, and bins of 32 pixels are averaged over the visits. A second pass finds and masks
objects beside the frames of the first. FOLDER gets one sky-DETECTOR.fits a detector.

\b
Examples:
  deepcoadd sky-frame build visit-*.fits -o sky
  deepcoadd sky-frame build visit-*.fits -o sky -c detector=CCDNUM -c superpixel=2048
"""

_APPLY_HELP = """Take the sky frames out of visits.

One scale is fitted to all detectors of a visit, in the bins of the frames, together with the
large-scale sky. FOLDER gets the exposures under their names, without their share of the sky frames
(with -c subtract=all also without the large-scale sky).

\b
Examples:
  deepcoadd sky-frame apply visit-*.fits --sky sky -o corrected
  deepcoadd sky-frame apply visit-*.fits --sky sky -o corrected --report report -c subtract=all
"""


def _shared_options(command: Any) -> Any:
    """Add the options of both commands."""
    options = [
        click.argument("files", nargs=-1, type=str, metavar="FILES..."),
        click.option(
            "-o",
            "--output",
            metavar="FOLDER",
            type=click.Path(path_type=Path),
            help="Where to write.",
        ),
        click.option(
            "--report",
            metavar="FOLDER",
            type=click.Path(path_type=Path),
            help="Write a page with pictures, too (needs matplotlib).",
        ),
        click.option(
            "--threads",
            metavar="N",
            type=click.IntRange(min=1),
            help="Threads that compute; the result is the same whatever their number.",
        ),
        overwrite_option("files of an earlier run"),
        input_options,
        config_options,
        verbosity_options,
    ]
    return with_options(command, options)


@click.group("sky-frame", help=_HELP)
def command() -> None:
    """Group of the two commands."""


class _Run:
    """What both commands do first: settings, checks, visits."""

    def __init__(
        self,
        terminal: Terminal,
        files: Sequence[str],
        output: Path | None,
        report: Path | None,
        flags: Mapping[str, Any],
    ) -> None:
        self.terminal, self.overwrite = terminal, bool(flags["overwrite"])
        given = {name: Text(flags[name]) for name in INPUT_FLAGS if flags.get(name) is not None}
        own = {"input": given} if given else {}
        values = gathered(flags["config_file"], flags["overrides"], own)
        self.config = updated(SkyFrameConfig(), values)
        self.dump = bool(flags["dump_config"])
        if self.dump:
            return
        if not files:
            raise click.UsageError("Missing argument 'FILES...'.")
        if output is None:
            raise click.UsageError("Missing option '-o' / '--output'.")
        self.output, self.report = output, report
        for folder in filter(None, (output, report)):
            check_folder(folder, overwrite=self.overwrite)
        if flags["threads"] is not None:
            set_num_threads(flags["threads"])
        refs, unread = open_inputs(files, self.config.input)
        names = [str(ref.data_id["file"]) for ref in refs]
        self.visits, left = group_visits(refs, names, self.config)
        self.skipped = [(one.name, one.reason) for one in unread] + left
        if not self.visits:
            raise NoDataError("sky frames: none of the files can be used")

    def settings(self) -> str:
        """All settings as TOML."""
        return to_toml(as_table(self.config), comments=field_docs(SkyFrameConfig))

    def each_visit(
        self, label: str, visits: Sequence[SkyVisitFiles], work: Callable[[SkyVisitFiles], None]
    ) -> list[SkyVisitFiles]:
        """Call `work` for every visit; those that fail are left out, with a warning."""
        done = []
        with self.terminal.progress() as progress:
            progress(0, len(visits), label)
            for k, visit in enumerate(visits, 1):
                try:
                    work(visit)
                    done.append(visit)
                except OptionError:
                    raise
                except DeepcoaddError as error:
                    _log.warning("skipped visit %s: %s", visit.visit, error)
                    self.skipped.append((f"visit {visit.visit}", str(error)))
                progress(k, len(visits), label)
        if not done:
            raise NoDataError("sky frames: no visit can be used")
        return done

    def finish(self, title: str, facts: Mapping[str, str], frames: Any, points: Any) -> None:
        """Write the report, and print facts and what was left out."""
        if self.report is not None:
            from deepcoadd.plot import SkyReport, write_sky_report

            bins = {name: frames[name].values for name in names_of(frames)}
            with np.errstate(invalid="ignore"):
                errors = {name: np.sqrt(frames[name].variances) for name in bins}
            unit = str(self.visits[0].inputs[0].ref.info().unit or "")
            page = SkyReport(
                title, bins, points, facts, self.skipped, self.settings(), errors, unit
            )
            write_sky_report(self.report, page, overwrite=self.overwrite)
        if not self.terminal.quiet:
            print_facts(self.terminal.stdout, facts)
            if self.skipped:
                print_rows(self.terminal.stdout, ("left out", "why"), self.skipped)


@command.command("build", help=_BUILD_HELP)
@_shared_options
@click.pass_obj
def build(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    output: Path | None,
    report: Path | None,
    **flags: Any,
) -> int:
    """Make sky frames."""
    run = _Run(terminal, files, output, report, flags)
    if run.dump:
        click.echo(run.settings(), nl=False)
        return 0
    last = _Pass(run.visits)
    for k in range(1, run.config.passes + 1):
        last = _next_pass(run, k, last)
    frames = {str(name): frame for name, frame in last.frames.items()}
    done, levels = len(last.visits), [level for _, level in last.levels]
    with atomic_folder(run.output, overwrite=run.overwrite, owned=("sky-*.fits",)) as folder:
        for name, frame in frames.items():
            held = background_to_exposure(frame.statistics, frame.box, frame.options.algorithm)
            cards = {**held.info.metadata, "DETECTOR": name, "NVISITS": done}
            counts = {} if frame.counts is None else {"NIMAGE": Image(frame.counts)}
            write(folder / f"sky-{name}.fits", held.with_info(metadata=cards), extra_images=counts)
    facts = {
        "visits": f"{done} used, {len(run.visits) - done} left out",
        "sky levels": f"{number(min(levels))} to {number(max(levels))}",
        "frames": f"{len(frames)} in {run.output}",
    }
    run.finish("Sky frames", facts, frames, _points(run, last.levels))
    if not terminal.quiet:
        rows = [_frame_row(name, frames[name]) for name in names_of(frames)]
        print_rows(terminal.stdout, ("detector", "bins", "scatter", "median error"), rows)
    return 0


@dataclass(frozen=True)
class _Pass:
    """Visits that can be used, frames made of them, and the levels of the sky."""

    visits: Sequence[SkyVisitFiles]
    frames: Mapping[Any, BackgroundModel] = field(default_factory=dict)
    levels: Sequence[tuple[str, float]] = ()


def _next_pass(run: _Run, number: int, before: _Pass) -> _Pass:
    """Measure all visits beside the frames of the pass before."""
    config = run.config
    builders: list[SkyFrameBuilder] = []
    levels: list[tuple[str, float]] = []
    # Without frames the masks of objects would follow the pattern of the sky.
    masks = config.mask_objects and (number > 1 or config.passes == 1)

    def add(visit: SkyVisitFiles) -> None:
        detectors, grid = read_detectors(visit, config)
        if not builders:
            first = before.frames or None
            builders.append(
                SkyFrameBuilder(grid, config.sky, config.weighting, config.errors, first)
            )
        sky = builders[0].add_visit(detectors, config.find if masks else None)
        levels.append((visit.visit, sky.level))

    label = f"measuring, {number} of {config.passes}"
    done = run.each_visit(label, before.visits, add)
    return _Pass(done, builders[0].frames(), levels)


def _points(run: _Run, pairs: Sequence[tuple[str, float]]) -> list[Any]:
    if run.report is None:
        return []
    from deepcoadd.plot import SkyPoint

    return [SkyPoint(visit, level) for visit, level in pairs]


def _frame_row(name: str, frame: BackgroundModel) -> tuple[str, ...]:
    ny, nx = frame.values.shape
    known = frame.variances[np.isfinite(frame.variances)]
    error = number(float(np.sqrt(np.median(known)))) if known.size else "unknown"
    return name, f"{nx} x {ny}", number(float(np.std(frame.values))), error


def _read_frames(folder: Path) -> dict[str, BackgroundModel]:
    """Sky frames of a folder, by detector."""
    paths = sorted(folder.glob("sky-*.fits"))
    if not paths:
        raise OptionError(f"--sky {str(folder)!r}: holds no sky-*.fits")
    out = {}
    for path in paths:
        try:
            out[path.name[4:-5]] = exposure_to_background(read(path))
        except DeepcoaddError as error:
            error.add_note(str(path))
            raise
    return out


@command.command("apply", help=_APPLY_HELP)
@click.option(
    "--sky",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Sky frames, as build wrote them.",
)
@_shared_options
@click.pass_obj
def apply(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    sky: Path | None,
    output: Path | None,
    report: Path | None,
    **flags: Any,
) -> int:
    """Take sky frames out of visits."""
    if sky is None and files:
        raise click.UsageError("Missing option '--sky'.")
    run = _Run(terminal, files, output, report, flags)
    if run.dump:
        click.echo(run.settings(), nl=False)
        return 0
    assert sky is not None
    frames = _read_frames(sky)
    rows: list[tuple[str, ...]] = []
    points: list[Any] = []
    with atomic_folder(run.output, overwrite=run.overwrite) as folder:

        def correct(visit: SkyVisitFiles) -> None:
            level, scale, maps = _apply_visit(visit, frames, run.config, folder)
            rows.append(
                (
                    visit.visit,
                    str(len(visit.inputs)),
                    number(level),
                    number(scale.scale),
                    number(scale.error),
                    f"{scale.n_used} of {scale.n_samples}",
                )
            )
            if run.report is not None:
                from deepcoadd.plot import SkyPoint

                points.append(SkyPoint(visit.visit, level, scale.scale, scale.error, *maps))

        run.each_visit("correcting", run.visits, correct)
    facts = {"visits": f"{len(rows)} of {len(run.visits)} corrected", "output": str(run.output)}
    run.finish("Sky frames taken out", facts, frames, points)
    if not terminal.quiet:
        head = ("visit", "detectors", "sky level", "scale", "error", "samples")
        print_rows(terminal.stdout, head, rows)
    return 0


def _apply_visit(
    visit: SkyVisitFiles,
    frames: Mapping[str, BackgroundModel],
    config: SkyFrameConfig,
    folder: Path,
) -> tuple[float, SkyScale, tuple[dict[str, Any], dict[str, Any]]]:
    """Correct the exposures of a visit; its level, the scale, and bins before and after."""
    missing = [one.detector for one in visit.inputs if one.detector not in frames]
    if missing:
        raise NoDataError(f"there is no sky frame of detector {', '.join(missing)}")
    detectors, grid = read_detectors(visit, config)
    taken = measure_visit_sky(detectors, grid, config.sky, frames)
    if config.mask_objects:
        detectors = mask_visit_objects(detectors, taken, config.find, frames)
        taken = measure_visit_sky(detectors, grid, config.sky, frames)
    scale = taken.scale
    assert scale is not None
    flat = {
        name: without_background(pixels, taken.backgrounds[name])
        for name, (pixels, _) in detectors.items()
    }
    before = {name: _bins(flat[name], config) for name in names_of(flat)}
    for name, pixels in flat.items():
        subtract_sky_frame(pixels, frames[name], scale.scale)
    after = {name: _bins(flat[name], config) for name in names_of(flat)}
    for one in visit.inputs:
        pixels = one.ref.read()
        subtract_sky_frame(pixels, frames[one.detector], scale.scale)
        if config.subtract == "all":
            taken.backgrounds[one.detector].subtract_from(pixels.image)
        _write(folder / Path(one.file).name, pixels, one.ref.info(), scale, taken)
    return taken.level, scale, (before, after)


def _bins(pixels: MaskedImage, config: SkyFrameConfig) -> Any:
    return measure_sky_bins(pixels, config.sky).values


def _write(path: Path, pixels: MaskedImage, info: Any, scale: SkyScale, sky: VisitSky) -> None:
    cards = {"SKYSCALE": scale.scale, "SKYSCERR": scale.error, "SKYLEVEL": sky.level}
    write(path, Exposure(pixels, replace(info, metadata={**info.metadata, **cards})))

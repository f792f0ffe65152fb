# SPDX-License-Identifier: BSD-3-Clause
"""``deepcoadd coadd``: FITS files in, one coadd out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepcoadd import set_num_threads
from deepcoadd.cli._config import METHODS, CoaddConfig, coadd_config
from deepcoadd.cli._inputs import open_inputs
from deepcoadd.cli._memory import peak_memory
from deepcoadd.cli._options import (
    INPUT_FLAGS,
    config_options,
    input_options,
    overwrite_option,
    resource_options,
    verbosity_options,
    with_options,
)
from deepcoadd.cli._product import Product, make_coadd
from deepcoadd.cli._settings import Text
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._summary import number, print_facts, print_rows
from deepcoadd.cli._terminal import Terminal
from deepcoadd.cli._truth import TRUTH_HEAD, compare_with_truth, truth_files
from deepcoadd.coadd import MAPS, ArtifactCoadd, AssembleOptions
from deepcoadd.errors import OptionError
from deepcoadd.io._atomic import atomic_path, check_output
from deepcoadd.io._folder import check_folder
from deepcoadd.io._target import parse_target

if TYPE_CHECKING:
    from deepcoadd.cli._quicklook import QuickLook

__all__ = ["command"]

_log = logging.getLogger(__name__)

_METHOD_LINES = "\n".join(f"  {name:<10}{method.description}" for name, method in METHODS.items())
_DEFAULTS = AssembleOptions()
_MOST_OF_COADD = 0.25
"""Part of a coadd that no artifact covers."""

_WANTED = ("output", "report", "decisions", "truth", "overwrite")

_HELP = f"""Coadd exposures that lie on one pixel grid.

FILES are FITS files: exposures of the Rubin pipelines or of this package, images with a weight or
data-quality companion, or plain images (see docs/files.md). A name may end in an HDU and a section,
as in image.fits[SCI,1][1:500,1:500]. Each input may cover any part of the coadd; one that cannot be
used is skipped with a warning, and named at the end with the reason.

\b
Methods:
{_METHOD_LINES}

The output holds IMAGE, MASK, VARIANCE, NIMAGE (good inputs of each pixel), NCLIPPED (inputs that
clipping left out), the maps asked for, and a table INPUTS; with safeclip also a table ARTIFACTS of
what was left out, and why. It appears complete or not at all.

\b
Examples:
  deepcoadd coadd visit-*.fits -o coadd.fits
  deepcoadd coadd visit-*.fits -o coadd.fits --method mean --maps depth,weight --report report
  deepcoadd coadd visit-*.fits -o coadd.fits --method safeclip --decisions artifacts.csv
  deepcoadd coadd ccd*.fits -o coadd.fits --weight '{{stem}}.weight.fits' --unit adu
  deepcoadd coadd ccd*.fits -o coadd.fits --noise estimate --unit none
  deepcoadd coadd stamps.fits -o coadd.fits --epochs image,weight --unit none
  deepcoadd coadd visit-*.fits -o coadd.fits -c sigma_clip=2.5 -c interpolate=none
  deepcoadd coadd --dump-config > coadd.toml
"""


def _method_options(command: Any) -> Any:
    """Add the options that say how exposures are combined."""
    options = [
        click.option(
            "--method", type=click.Choice(list(METHODS)), help="See above.  [default: clipped]"
        ),
        click.option(
            "--psf-sigma",
            metavar="PIXELS",
            help="Width of the PSF that safeclip smooths by; needed when no input has a PSF.  "
            "[default: that of the inputs]",
        ),
        click.option(
            "--bad-planes",
            metavar="NAMES",
            help="Mask planes whose pixels are left out, with commas between.  [default: "
            f"{','.join(_DEFAULTS.bad_planes)}]",
        ),
        click.option(
            "--unit",
            metavar="UNIT",
            help="Unit of the coadd; inputs in another one are converted or calibrated. none takes "
            f"the numbers as they are.  [default: {_DEFAULTS.unit}]",
        ),
        click.option("--maps", metavar="NAMES", help=f"Further maps to make: {', '.join(MAPS)}."),
        click.option(
            "--bright-objects", metavar="FILE.reg", help="ds9 region file of objects to mask."
        ),
        click.option(
            "--compression",
            type=click.Choice(["none", "lossless", "rice16"]),
            help="Of the output; rice16 rounds to 1/16 of the noise.  [default: none]",
        ),
        click.option(
            "--epochs",
            metavar="ROLES",
            help="A file holds several exposures; the roles of its image HDUs in turn, such as "
            "image,weight. Roles: image, mask, variance, weight, skip.",
        ),
    ]
    return with_options(command, options)


@click.command("coadd", help=_HELP)
@click.argument("files", nargs=-1, type=str, metavar="FILES...")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The coadd to write."
)
@click.option(
    "--report",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write a quick-look page with pictures, too (needs matplotlib).",
)
@click.option(
    "--decisions",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="Write the table of artifacts as CSV, too (safeclip).",
)
@click.option(
    "--truth",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Compare what was left out with the truth of simulated visits, as deepcoadd simulate "
    "writes it into VISITS/truth (safeclip).",
)
@overwrite_option("the output, the table and the report")
@_method_options
@input_options
@config_options
@resource_options(format_size(_DEFAULTS.max_memory).replace(" ", ""))
@verbosity_options
@click.pass_obj
def command(
    terminal: Terminal,
    /,
    files: tuple[str, ...],
    config_file: Path | None,
    **flags: Any,
) -> int:
    """Coadd."""
    started = time.perf_counter()
    dump, threads, pairs = (flags.pop(name) for name in ("dump_config", "threads", "overrides"))
    wanted = {name: flags.pop(name) for name in _WANTED}
    config = coadd_config(config_file, pairs, _as_settings(flags))
    if dump:
        click.echo(config.to_toml(), nl=False)
        return 0
    if not files:
        raise click.UsageError("Missing argument 'FILES...': there is nothing to coadd.")
    if wanted["output"] is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if threads is not None:
        set_num_threads(threads)
    _Run(terminal, config, started, **wanted)(files)
    return 0


@dataclass(frozen=True)
class _Run:
    """One run: what is wanted, and how it is made."""

    terminal: Terminal
    config: CoaddConfig
    started: float
    output: Path
    report: Path | None
    decisions: Path | None
    truth: Path | None
    overwrite: bool

    def __call__(self, files: Sequence[str]) -> None:
        """Check the request, then make all that is wanted."""
        check_output(self.output, overwrite=self.overwrite)
        viewer = self._quick_look()
        self._check_artifacts()
        refs, unreadable = open_inputs(files, self.config.run.input, output=self.output)
        self._check_decisions(files)
        truths = None if self.truth is None else truth_files(self.truth, refs)
        with self.terminal.progress() as progress:
            product = make_coadd(
                self.output,
                refs,
                unreadable,
                self.config,
                overwrite=self.overwrite,
                progress=progress,
                viewer=viewer,
            )
            summary = _summary(self.output, product, self.config)
            counts: list[tuple[str, ...]] = []
            if isinstance(product.result, ArtifactCoadd):
                _warn_of_one_footprint(product.result)
                summary |= self._write_decisions(product.result)
                if truths is not None:
                    counts = compare_with_truth(product.result, refs, truths).rows()
            summary["seconds"] = f"{time.perf_counter() - self.started:.1f}"
            if viewer is not None and self.report is not None:
                summary["report"] = str(self.report / "index.html")
                viewer.write(
                    self.report,
                    f"Coadd {self.output.name}",
                    product,
                    refs,
                    self.config,
                    summary,
                    decisions=self.decisions,
                    truth=counts,
                    overwrite=self.overwrite,
                    progress=progress,
                )
        _print(self.terminal, product, summary, counts)

    def _quick_look(self) -> QuickLook | None:
        """Collector of a report that can be written, as far as can be known beforehand."""
        if self.report is None:
            return None
        try:
            from deepcoadd.cli._quicklook import QuickLook
        except ImportError as error:
            raise OptionError(
                f'--report needs matplotlib: pip install "deepcoadd[plot]" ({error})'
            ) from None
        check_folder(self.report, overwrite=self.overwrite)
        return QuickLook()

    def _check_artifacts(self) -> None:
        """Refuse what only methods that look for artifacts can give."""
        for name, path in (("--decisions", self.decisions), ("--truth", self.truth)):
            if path is not None and self.config.safe_clip is None:
                which = ", ".join(key for key, method in METHODS.items() if method.safe_clip)
                raise OptionError(
                    f"{name}: method {self.config.run.method} does not look for artifacts; choose "
                    f"--method {which}"
                )

    def _check_decisions(self, files: Sequence[str]) -> None:
        """Refuse a table that cannot be written, or in the place of another file."""
        if self.decisions is None:
            return
        check_output(self.decisions, overwrite=self.overwrite)
        others = [self.output, *(parse_target(file).path for file in files)]
        if self.decisions.resolve() in [other.resolve() for other in others]:
            raise OptionError(
                f"decisions {str(self.decisions)!r} is the output or one of the inputs"
            )

    def _write_decisions(self, result: ArtifactCoadd) -> dict[str, str]:
        """Write the table of artifacts if it is wanted; returns what to say of it."""
        if self.decisions is None:
            return {}
        with atomic_path(self.decisions, self.overwrite) as path:
            result.decisions.write(path, format="ascii.csv")
        return {"decisions": f"{self.decisions} ({len(result.decisions)} footprints)"}


def _as_settings(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of those options that were given."""
    given = {
        name: Text(value) if isinstance(value, str) else value
        for name, value in flags.items()
        if value is not None
    }
    nested = {name: given.pop(name) for name in INPUT_FLAGS if name in given}
    return {**given, "input": nested}


def _summary(output: Path, product: Product, config: CoaddConfig) -> dict[str, str]:
    """What is worth knowing about a coadd, name -> text."""
    result, noise = product.result, product.noise
    unit = f" {result.options.unit}" if result.options.unit else ""
    height, width = result.box.shape
    facts = {
        "coadd": f"{output} ({format_size(output.stat().st_size)})",
        "method": f"{config.run.method} ({METHODS[config.run.method].description})",
        "pixels": f"{width} x {height}, {result.box}",
        "inputs used": str(len(result.inputs)),
        "inputs skipped": str(len(product.skipped)),
    }
    n_estimated = sum(record.variance_estimated for record in result.inputs)
    if n_estimated:
        facts["variance estimated"] = f"for {n_estimated} inputs, from the scatter of their pixels"
    if isinstance(result, ArtifactCoadd):
        facts["artifacts left out"] = _artifacts(result)
    elif result.options.statistic == "MEANCLIP":
        facts["samples clipped"] = f"{100 * result.clipped_fraction:.3f} %"
    facts["noise measured"] = f"{number(noise.measured)}{unit}"
    facts["noise expected"] = (
        f"{number(noise.expected)}{unit} by the variance plane (measured / expected "
        f"{noise.ratio:.3f})"
    )
    peak = peak_memory()
    if peak is not None:
        facts["peak memory"] = format_size(peak)
    return facts


def _warn_of_one_footprint(result: ArtifactCoadd) -> None:
    """Say when footprints have run together, so that no input can be told from another."""
    largest = max(result.decisions["area"], default=0) / result.box.area
    if largest > _MOST_OF_COADD:
        _log.warning(
            "one footprint covers %.0f %% of the coadd, which hides artifacts inside of it: its "
            "noise is larger than the variances say (correlated by resampling or matching?); try "
            "-c safe_clip.detection.threshold_value=5 or more",
            100 * largest,
        )


def _artifacts(result: ArtifactCoadd) -> str:
    """How much was left out as artifacts."""
    found = result.summary()
    n = found["n_artifact_pixels"]
    share = 100 * n / max(1, sum(record.box.area for record in result.inputs))
    return (
        f"{found['n_artifacts']} of {found['n_footprints']} footprints; {n} pixels of inputs "
        f"({share:.3f} %)"
    )


def _print(
    terminal: Terminal,
    product: Product,
    summary: Mapping[str, str],
    truth: Sequence[tuple[str, ...]],
) -> None:
    if terminal.quiet:
        return
    print_facts(terminal.stdout, summary)
    if truth:
        terminal.stdout.print()
        print_rows(terminal.stdout, TRUTH_HEAD, truth)
    if product.skipped:
        rows = [(item.name, item.reason) for item in product.skipped]
        terminal.stdout.print()
        print_rows(terminal.stdout, ("skipped", "reason"), rows)

# SPDX-License-Identifier: BSD-3-Clause
"""One run of ``deepcoadd coadd``: what is checked, made, written and said, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.table import Table

from deepcoadd.cli._config import CoaddConfig
from deepcoadd.cli._inputs import open_inputs
from deepcoadd.cli._match_inputs import with_matched_backgrounds
from deepcoadd.cli._matched import Pairs, open_matched
from deepcoadd.cli._memory import peak_memory
from deepcoadd.cli._methods import finding_methods
from deepcoadd.cli._product import Product, make_coadd
from deepcoadd.cli._selection import SELECTION_HEAD, chosen, selection_rows
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._summary import number, print_facts, print_rows
from deepcoadd.cli._terminal import Terminal
from deepcoadd.cli._truth import TRUTH_HEAD, compare_with_truth, truth_files
from deepcoadd.coadd import ArtifactCoadd
from deepcoadd.errors import DeepcoaddError, OptionError
from deepcoadd.io._atomic import atomic_path, check_output
from deepcoadd.io._folder import check_folder
from deepcoadd.io._target import parse_target
from deepcoadd.refs import WarpRef

if TYPE_CHECKING:
    from deepcoadd.cli._quicklook import QuickLook

__all__ = ["PLAIN", "CoaddRun"]

_log = logging.getLogger(__name__)

PLAIN = "clipped"
"""Method for inputs of which nothing is known."""

_MOST_OF_COADD = 0.25
"""Part of a coadd that no artifact covers."""


def _has_psf(ref: WarpRef) -> bool:
    """Whether an input has a PSF that can be evaluated."""
    y, x = ref.box().center
    try:
        ref.info().require("psf").kernel_image(y=y, x=x)
    except (DeepcoaddError, OSError, LookupError, ValueError):
        return False  # what cannot be read is skipped later, with its reason
    return True


@dataclass(frozen=True)
class CoaddRun:
    """One run of the command.

    Parameters
    ----------
    terminal : Terminal
        Where to say things.
    config : CoaddConfig
        How to coadd.
    plain : CoaddConfig, optional
        How to coadd where no input has a PSF, if the user did not choose the method.
    started : float
        When the run began.
    output, report, decisions, truth, matched, overwrite
        Options of the command.
    """

    terminal: Terminal
    config: CoaddConfig
    plain: CoaddConfig | None
    started: float
    output: Path
    report: Path | None
    decisions: Path | None
    truth: Path | None
    matched: tuple[str, ...]
    overwrite: bool

    def __call__(self, files: Sequence[str]) -> None:
        """Check the request, then make all that is wanted."""
        check_output(self.output, overwrite=self.overwrite)
        viewer = self._quick_look()
        self._check_artifacts(self.config)
        self._check_matched()
        inputs = chosen(self._opened(files), self.config.run)
        config = self._method_for(inputs)
        self._check_decisions([*files, *self.matched])
        truths = None if self.truth is None else truth_files(self.truth, inputs.refs)
        with self.terminal.progress() as progress:
            if config.run.match_backgrounds:
                run, memory = config.run, config.options.max_memory
                inputs = with_matched_backgrounds(inputs, run.match, run.accept, memory, progress)
            product = make_coadd(
                self.output,
                inputs.refs,
                inputs.skipped,
                config,
                overwrite=self.overwrite,
                progress=progress,
                matched=inputs.matched,
                tables={} if inputs.selection is None else {"SELECTION": inputs.selection},
                viewer=viewer,
            )
            summary = _summary(self.output, product, config)
            if inputs.selection is not None:
                summary["inputs selected"] = _selected(inputs.selection, config)
            counts: list[tuple[str, ...]] = []
            if isinstance(product.result, ArtifactCoadd):
                _warn_of_one_footprint(product.result, config)
                summary |= self._write_decisions(product.result)
                if truths is not None:
                    counts = compare_with_truth(product.result, inputs.refs, truths).rows()
            summary["seconds"] = f"{time.perf_counter() - self.started:.1f}"
            if viewer is not None and self.report is not None:
                summary["report"] = str(self.report / "index.html")
                viewer.write(
                    self.report,
                    f"Coadd {self.output.name}",
                    product,
                    inputs.refs,
                    config,
                    summary,
                    decisions=self.decisions,
                    truth=counts,
                    selection=inputs.selection,
                    overwrite=self.overwrite,
                    progress=progress,
                )
        _print(self.terminal, product, summary, counts, inputs.selection)

    def _opened(self, files: Sequence[str]) -> Pairs:
        """The inputs, with their PSF-matched versions if there are."""
        how = self.config.run.input
        refs, unreadable = open_inputs(files, how, output=self.output)
        if not self.matched:
            return Pairs(list(refs), [], unreadable)
        pairs = open_matched(
            self.matched,
            refs,
            how,
            output=self.output,
            inputs=files,
            all_readable=not unreadable,
        )
        return replace(pairs, skipped=[*unreadable, *pairs.skipped])

    def _method_for(self, inputs: Pairs) -> CoaddConfig:
        """Settings for these inputs: without a PSF, and without a choice, no search for artifacts.

        Below a number of inputs some methods search nothing, whatever the inputs have.
        """
        how = self.config.method.artifacts
        if self.plain is None or how is None or len(inputs.refs) < how.fewest:
            return self.config
        if any(map(_has_psf, inputs.matched or inputs.refs)):
            return self.config
        self._check_artifacts(self.plain)
        _log.warning(
            "no %s has a PSF, and there is no --psf-sigma PIXELS: the method is %s instead of %s",
            "PSF-matched exposure" if inputs.matched else "input",
            self.plain.name,
            self.config.name,
        )
        return self.plain

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

    def _check_matched(self) -> None:
        """Refuse PSF-matched exposures that would be of no use, and their absence."""
        how = self.config.method.artifacts
        use = "never" if how is None else how.matched
        if use == "must" and not self.matched:
            raise OptionError(f"method {self.config.name} needs --matched FILES...")
        if use == "never" and self.matched:
            raise OptionError(f"--matched: is of no use to method {self.config.name}")

    def _check_artifacts(self, config: CoaddConfig) -> None:
        """Refuse what only methods that look for artifacts can give."""
        for name, path in (("--decisions", self.decisions), ("--truth", self.truth)):
            if path is not None and config.method.artifacts is None:
                raise OptionError(
                    f"{name}: method {config.name} does not look for artifacts; choose "
                    f"--method {finding_methods()}"
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


def _summary(output: Path, product: Product, config: CoaddConfig) -> dict[str, str]:
    """What is worth knowing about a coadd, name -> text."""
    result, noise = product.result, product.noise
    unit = f" {result.options.unit}" if result.options.unit else ""
    height, width = result.box.shape
    facts = {
        "coadd": f"{output} ({format_size(output.stat().st_size)})",
        "method": f"{config.name} ({config.method.description})",
        "pixels": f"{width} x {height}, {result.box}",
        "inputs used": str(len(result.inputs)),
        "inputs skipped": str(len(product.skipped)),
    }
    if config.run.match_backgrounds:
        facts["backgrounds"] = "matched to the mean of all inputs"
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


def _selected(table: Table, config: CoaddConfig) -> str:
    """How many inputs were selected."""
    return f"{int(table['kept'].sum())} of {len(table)}, by {config.run.select.kind}"


def _warn_of_one_footprint(result: ArtifactCoadd, config: CoaddConfig) -> None:
    """Say when footprints have run together, so that no input can be told from another."""
    largest = max(result.decisions["area"], default=0) / result.box.area
    if largest > _MOST_OF_COADD:
        _log.warning(
            "one footprint covers %.0f %% of the coadd, which hides artifacts inside of it: its "
            "noise is larger than the variances say (correlated by resampling or matching?); try "
            "-c %s or more",
            100 * largest,
            "" if config.method.artifacts is None else config.method.artifacts.threshold,
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
    selection: Table | None,
) -> None:
    if terminal.quiet:
        return
    print_facts(terminal.stdout, summary)
    if selection is not None:
        terminal.stdout.print()
        print_rows(terminal.stdout, SELECTION_HEAD, selection_rows(selection))
    if truth:
        terminal.stdout.print()
        print_rows(terminal.stdout, TRUTH_HEAD, truth)
    if product.skipped:
        rows = [(item.name, item.reason) for item in product.skipped]
        terminal.stdout.print()
        print_rows(terminal.stdout, ("skipped", "reason"), rows)

# SPDX-License-Identifier: BSD-3-Clause
"""One run of ``deepcoadd match-backgrounds``: what is checked, made, written and said."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.table import Table

from deepcoadd import __version__
from deepcoadd.background import (
    BackgroundMatch,
    GlobalFit,
    MatchedRef,
    match_backgrounds,
    shared_box,
)
from deepcoadd.cli._inputs import open_inputs
from deepcoadd.cli._match_config import MatchConfig
from deepcoadd.cli._memory import peak_memory
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._summary import number, print_facts, print_rows
from deepcoadd.cli._terminal import Terminal
from deepcoadd.coadd import SkippedInput
from deepcoadd.errors import NoDataError, NoOverlapError, OptionError
from deepcoadd.io import FitsRef
from deepcoadd.io._atomic import atomic_path
from deepcoadd.io._folder import atomic_folder, check_folder
from deepcoadd.io._target import parse_target
from deepcoadd.io._write import writer
from deepcoadd.refs import name_of

__all__ = ["MatchRun", "match_rows", "match_table"]

_log = logging.getLogger(__name__)

_TABLE = "matches.csv"
_BYTES_PER_PIXEL = 40
"""Of an exposure that is written: planes, model and what they are made of."""

HEAD = ("input", "status", "offset", "range", "fit rms", "mse/variance", "model error")


@dataclass(frozen=True)
class MatchRun:
    """One run of the command.

    Parameters
    ----------
    terminal : Terminal
        Where to say things.
    config : MatchConfig
        How to match.
    started : float
        When the run began.
    output, report, reference, overwrite
        Options of the command.
    """

    terminal: Terminal
    config: MatchConfig
    started: float
    output: Path
    report: Path | None
    reference: str | None
    overwrite: bool

    def __call__(self, files: Sequence[str]) -> None:
        """Check the request, then make all that is wanted."""
        check_folder(self.output, overwrite=self.overwrite)
        write_report = self._reporter()
        self._check_names(files)
        refs, skipped = open_inputs(files, self.config.run.input)
        if not refs:
            raise NoOverlapError(f"none of {len(files)} inputs can be read; nothing to match")
        index = self._reference_index(refs)
        with self.terminal.progress() as progress:
            match = self._matched(refs, index, progress)
            if self.config.run.accept is not None:
                match = match.accepted(self.config.run.accept)
            table = match_table(match)
            done = match.matched(add_variance=self.config.run.add_variance)
            if not done:
                raise NoDataError("no exposure is matched well enough; nothing to write")
            with atomic_folder(self.output, overwrite=self.overwrite, owned=(_TABLE,)) as folder:
                for k, ref in enumerate(done):
                    progress(k, len(done), "writing")
                    self._write(folder / _file_name(ref), ref)
                progress(len(done), len(done), "writing")
                with atomic_path(folder / _TABLE) as path:
                    table.write(path, format="ascii.csv")
            facts = self._facts(match, skipped, len(done))
            if write_report is not None and self.report is not None:
                facts["report"] = str(self.report / "index.html")
                write_report(
                    self.report,
                    match,
                    facts,
                    (HEAD, match_rows(match)),
                    self.config.to_toml(),
                    overwrite=self.overwrite,
                )
        self._print(match, skipped, facts)

    def _matched(self, refs: list[FitsRef], index: int | None, progress: Any) -> BackgroundMatch:
        """Match the exposures; the bar counts their pixels."""
        boxes = [ref.box() for ref in refs]
        is_classic = self.config.mode == "classic"
        total = sum(box.area for box in boxes) if is_classic else shared_box(boxes).area
        done = 0

        def step(n: int) -> None:
            nonlocal done
            done += n
            progress(min(done, total), total, "matching")

        progress(0, total, "matching")
        return match_backgrounds(
            refs,
            self.config.mode,
            self.config.options,
            reference=index,
            max_memory=self.config.run.max_memory,
            on_step=step,
        )

    def _write(self, path: Path, ref: MatchedRef) -> None:
        """Write one matched exposure, some rows at a time."""
        box, info = ref.box(), ref.info()
        rows = max(1, self.config.run.max_memory // (_BYTES_PER_PIXEL * max(box.x.size, 1)))
        known = {"MATCH_RATIO": ref.result.ratio, "MATCH_RMS": ref.result.fit_rms}
        made = {
            "VERSION": __version__,
            "MATCHED": self.config.mode,
            "MATCH_STATUS": ref.result.status,
            **{k: v for k, v in known.items() if v is not None and math.isfinite(v)},
        }
        if info.planes is None:
            info = replace(info, planes=ref.read(next(box.tiles((1, box.x.size)))).planes)
        info, compression = replace(info, box=box), self.config.run.compression
        with writer(path, info, compression=compression, provenance=made) as tiles:
            for tile in box.tiles((rows, box.x.size)):
                tiles.write_tile(tile, ref.read(tile))

    def _reporter(self) -> Any:
        """Function that writes a report, if one is wanted and can be written."""
        if self.report is None:
            return None
        try:
            from deepcoadd.plot import write_match_report
        except ImportError as error:
            raise OptionError(
                f'--report needs matplotlib: pip install "deepcoadd[plot]" ({error})'
            ) from None
        check_folder(self.report, overwrite=self.overwrite)
        return write_match_report

    def _check_names(self, files: Sequence[str]) -> None:
        """Refuse inputs that lie in the output folder, or would be written over one another."""
        seen: dict[str, str] = {}
        for file in files:
            path = parse_target(file).path
            if path.resolve().parent == self.output.resolve():
                raise OptionError(f"output {str(self.output)!r} is the folder of input {file!r}")
            if path.name in seen and not self.config.run.input.epochs:
                raise OptionError(
                    f"inputs {seen[path.name]!r} and {file!r} would have the same name in the "
                    "output"
                )
            seen[path.name] = file
        if self.config.run.input.epochs:
            raise OptionError(
                "epochs: files of several exposures cannot be written back one by one"
            )

    def _reference_index(self, refs: Sequence[FitsRef]) -> int | None:
        if self.reference is None:
            return None
        wanted = parse_target(self.reference).path.resolve()
        for k, ref in enumerate(refs):
            if parse_target(str(ref.data_id["file"])).path.resolve() == wanted:
                return k
        raise OptionError(
            f"reference {self.reference!r} is none of the inputs that can be read: "
            f"{', '.join(map(name_of, refs))}"
        )

    def _facts(
        self, match: BackgroundMatch, skipped: Sequence[SkippedInput], n_written: int
    ) -> dict[str, str]:
        """What is worth knowing about the match, name -> text."""
        facts = {
            "output": f"{self.output} ({n_written} exposures and {_TABLE})",
            "mode": self.config.mode,
            "inputs skipped": str(len(skipped)),
        }
        if match.reference is not None:
            facts["reference"] = match.results[match.reference].id
        if match.fit is not None:
            facts |= _fit_facts(match.fit)
        peak = peak_memory()
        if peak is not None:
            facts["peak memory"] = format_size(peak)
        facts["seconds"] = f"{time.perf_counter() - self.started:.1f}"
        return facts

    def _print(
        self, match: BackgroundMatch, skipped: Sequence[SkippedInput], facts: dict[str, str]
    ) -> None:
        if self.terminal.quiet:
            return
        print_facts(self.terminal.stdout, facts)
        self.terminal.stdout.print()
        print_rows(self.terminal.stdout, HEAD, match_rows(match))
        rows = [(item.name, item.reason) for item in skipped]
        rows += [(r.id, r.message) for r in match.results if r.status == "failed"]
        if rows:
            self.terminal.stdout.print()
            print_rows(self.terminal.stdout, ("skipped", "reason"), rows)


def _fit_facts(fit: GlobalFit) -> dict[str, str]:
    """What a joint fit found."""
    groups = [group for group in fit.groups if len(group) > 1]
    facts = {"chi2 per degree of freedom": number(fit.chi2 / max(fit.dof, 1.0))}
    if fit.prior is not None:
        facts["backgrounds"] = (
            f"scale {number(fit.prior.length)} pixels, amplitude {number(fit.prior.amplitude)}, "
            f"{fit.prior.form} spectrum"
        )
    else:
        facts["backgrounds"] = f"polynomials of order {fit.series.order}"
    if len(groups) > 1:
        facts["groups without overlap"] = (
            f"{len(groups)} of {', '.join(str(len(g)) for g in groups)}"
        )
    return facts


def _file_name(ref: MatchedRef) -> str:
    return parse_target(str(ref.data_id["file"])).path.name


def match_table(match: BackgroundMatch) -> Table:
    """Table with a row for each exposure; numbers that are not known are NaN.

    Columns: input, status, offset and range of the background added [unit of the image], fit_rms,
    matched_mse, diff_variance, model_variance, message.
    """
    rows = []
    for result in match.results:
        low, mean, high = _extent(result)
        rows.append(
            {
                "input": result.id,
                "status": result.status,
                "offset": mean,
                "range": high - low,
                **{
                    name: math.nan if getattr(result, name) is None else getattr(result, name)
                    for name in ("fit_rms", "matched_mse", "diff_variance", "model_variance")
                },
                "message": result.message,
            }
        )
    return Table(rows)


def _extent(result: Any) -> tuple[float, float, float]:
    """Smallest value, mean and largest value of the model of an exposure, from some of its rows."""
    if result.model is None:
        return (0.0, 0.0, 0.0) if result.status == "reference" else (math.nan,) * 3
    box = result.model.box
    step = max(1, box.y.size // 64)
    low, high, total, n = math.inf, -math.inf, 0.0, 0
    for row in list(box.tiles((1, box.x.size)))[step // 2 :: step]:
        values = result.model.image(row).array
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        total, n = total + float(values.sum(dtype=float)), n + values.size
    return low, total / max(n, 1), high


def match_rows(match: BackgroundMatch) -> list[tuple[str, ...]]:
    """The table as texts, for print and report."""
    rows = []
    for row in match_table(match):
        ratio = row["matched_mse"] / row["diff_variance"] if row["diff_variance"] else math.nan
        numbers = (row["offset"], row["range"], row["fit_rms"], ratio)
        error = math.sqrt(max(row["model_variance"], 0.0)) if row["model_variance"] >= 0 else None
        rows.append(
            (
                str(row["input"]),
                str(row["status"]),
                *("" if math.isnan(value) else number(value) for value in numbers),
                "" if error is None else number(error),
            )
        )
    return rows

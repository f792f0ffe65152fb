# SPDX-License-Identifier: BSD-3-Clause
"""Quality of the artifact rejections on simulated visits with known truth, as a table.

Every scene has stars, galaxies, gaps, saturation, cosmic rays, satellites, ghosts, asteroids and a
slow body, in seeing of 0.7 to 1.3 arcsec. PSF-matched twins for CompareWarp come from the
simulator, which draws sources with the matched PSF: the matching itself is perfect.

With --family other scenes are made, which differ from those in one (`_scenes.py`), and `visit_clip`
alone is measured on them.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _scenes import FAMILIES, PLAIN, Flags, Plane, Sky

import deepcoadd
from deepcoadd.coadd import (
    AssembleOptions,
    CompareWarpOptions,
    SafeClipOptions,
    VisitClipOptions,
    assemble,
    compare_warp,
    safe_clip,
    visit_clip,
)
from deepcoadd.spans import SpanSet

START = "<!-- table: written by benches/science/reject.py -->\n"
START_FAMILIES = "<!-- table: written by benches/science/reject.py --family -->\n"
END = "<!-- end of table -->\n"
KINDS = ("cosmic_ray", "satellite", "ghost", "asteroid", "slow_mover")
NUMBERS = ("rms", "rms of cores", "clean lost", *KINDS)
MATCHED = 3.0
"""Sigma of the PSF-matched twins [pixel]."""

Result = tuple[Plane, Flags | None]
"""Image of a coadd, and what was left out of each visit if that is known."""


def _flagged(sky: Sky, masks: list[dict[str, SpanSet]]) -> Flags:
    """Masks of artifacts as arrays."""
    each = zip(masks, sky.visits, strict=True)
    return np.array([mask["CLIPPED"].as_array(visit.warp.box) for mask, visit in each])


def _none(sky: Sky) -> Result:
    coadd = assemble(sky.warps, weights=sky.weights, options=PLAIN)
    return coadd.image.array.astype(float), np.zeros(sky.good.shape, bool)


def _clipped(sky: Sky) -> Result:
    how = AssembleOptions(statistic="MEANCLIP", interpolate=None)
    coadd = assemble(sky.warps, weights=sky.weights, options=how)
    return coadd.image.array.astype(float), None


def _safe_clip(sky: Sky) -> Result:
    how = SafeClipOptions(assemble=AssembleOptions(sigma_clip=1.5, n_iter=3, interpolate=None))
    coadd = safe_clip(sky.warps, weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _compare_warp(sky: Sky) -> Result:
    how = CompareWarpOptions(assemble=PLAIN)
    warps, twins = sky.warps, [v.matched for v in sky.visits]
    coadd = compare_warp(warps, twins, weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _visit_clip(sky: Sky) -> Result:
    how = VisitClipOptions(assemble=PLAIN)
    coadd = visit_clip(sky.warps, weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _ideal(sky: Sky) -> Result:
    """All light above the noise of a pixel is known."""
    flags = np.abs(sky.light) > sky.noise
    return sky.mean(sky.pixels, sky.good & ~flags), flags


METHODS: dict[str, Callable[[Sky], Result]] = {
    "none (mean)": _none,
    "clipped": _clipped,
    "safeclip": _safe_clip,
    "comparewarp": _compare_warp,
    "visitclip": _visit_clip,
    "(ideal mask)": _ideal,
}


def scores(sky: Sky, image: Plane, flags: Flags | None) -> dict[str, float]:
    """Numbers of one coadd; NaN for what does not occur or is not known."""
    seen = sky.good.any(axis=0)
    with np.errstate(invalid="ignore"):
        error = (image - sky.mean(sky.truth, sky.good)) / sky.sigma()
    # A pixel of which nothing is left is no error, but a hole.
    error = np.where(np.isfinite(error), error, 0.0)
    every = np.ones(sky.good.shape, bool)
    lit = (np.abs(sky.light) > 0.1 * sky.noise.min()).any(axis=0)
    core = seen & ~lit & (sky.mean(sky.sources, every) > 20 * np.median(sky.noise))
    out = dict.fromkeys(NUMBERS, math.nan)
    out["rms"] = float(np.sqrt(np.mean(error[seen] ** 2)))
    if core.any():
        out["rms of cores"] = float(np.sqrt(np.mean(error[core] ** 2)))
    if flags is None:
        return out
    clean = sky.good & (np.abs(sky.light) < 0.05 * sky.noise)
    out["clean lost"] = float(np.mean(flags[clean]))
    bright = sky.good & (np.abs(sky.light) > sky.noise)
    for kind in KINDS:
        here = bright & np.array([visit.truth.any_artifact(kind) for visit in sky.visits])
        if here.any():
            out[kind] = float(np.mean(flags[here]))
    return out


class Job(NamedTuple):
    """One scene, and the methods to measure on it."""

    family: str
    n: int
    side: int
    seed: int
    methods: tuple[str, ...]


def run(job: Job) -> dict[str, dict[str, float]]:
    """Scores by method."""
    logging.disable(logging.WARNING)
    deepcoadd.set_num_threads(1)
    twins = MATCHED if "comparewarp" in job.methods else None
    sky = FAMILIES[job.family].make(job.n, job.side, job.seed, twins)
    return {name: scores(sky, *METHODS[name](sky)) for name in job.methods}


def _text(values: list[float], name: str) -> str:
    """Mean and its standard error."""
    known = np.array([value for value in values if not math.isnan(value)])
    if not known.size:
        return ""
    mean = known.mean()
    error = known.std(ddof=1) / math.sqrt(known.size) if known.size > 1 else math.nan
    if name == "clean lost":
        return f"{1e4 * mean:.1f} ± {1e4 * error:.1f}"
    if name.startswith("rms"):
        return f"{mean:.3f} ± {error:.3f}"
    return f"{100 * mean:.1f} ± {100 * error:.1f}"


Found = dict[tuple[str, int], list[dict[str, dict[str, float]]]]
"""Scores of all scenes by family and number of visits."""


def table(found: Found, methods: tuple[str, ...], family: bool) -> str:
    """Markdown, a row for each number of visits and method or family."""
    heads = ["rms", "rms of cores", "clean pixels lost [1e-4]"]
    heads += [f"{kind.replace('_', ' ')} [%]" for kind in KINDS]
    first = ["family", "N"] if family else ["N"]
    lines = [f"| {' | '.join([*first, 'method', *heads])} |"]
    lines.append("|---" * lines[0].count(" | ") + "|---|")
    for (name, n), results in found.items():
        place = f"{name} | {n}" if family else f"{n}"
        for method in methods:
            cells = [_text([r[method][name] for r in results], name) for name in NUMBERS]
            lines.append(f"| {place} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, nargs="+", default=[4, 8, 20, 50])
    parser.add_argument("--seeds", type=int, default=20, help="scenes for each number of visits")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--side", type=int, default=384, help="pixels")
    parser.add_argument("--family", nargs="+", choices=["all", *FAMILIES], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help="one small scene of four visits")
    parser.add_argument("--write", metavar="FILE", type=Path, help="page to put the table into")
    given = parser.parse_args()
    if given.quick:
        given.visits, given.seeds, given.side, given.jobs = [4], 1, 128, 1
    return given


def main() -> None:
    """Run, print, and write the table where asked."""
    given = _arguments()
    families = [name for name in FAMILIES if name != "default"]
    families = families if given.family == ["all"] else given.family or ["default"]
    methods = ("visitclip", "(ideal mask)") if given.family else tuple(METHODS)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    found: Found = {}
    with ProcessPoolExecutor(given.jobs) as pool:
        for family in families:
            for n in given.visits:
                jobs = [Job(family, n, given.side, seed, methods) for seed in seeds]
                found[family, n] = list(pool.map(run, jobs))
    text = (
        f"{given.seeds} scenes (seeds {seeds[0]} to {seeds[-1]}) of {given.side} x {given.side} "
        f"pixels for each N, with deepcoadd {deepcoadd.__version__}, "
        f"{datetime.date.today():%Y-%m-%d}; ± is the standard error over scenes.\n\n"
    )
    if given.family:
        text += "".join(f"* {name}: {FAMILIES[name].about}.\n" for name in families) + "\n"
    text += table(found, methods, bool(given.family))
    print(text)
    if given.write:
        start = START_FAMILIES if given.family else START
        before, rest = given.write.read_text().split(start)
        after = rest.split(END, 1)[1]
        given.write.write_text(before + start + text + END + after)


if __name__ == "__main__":
    main()

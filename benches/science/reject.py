# SPDX-License-Identifier: BSD-3-Clause
"""Quality of the artifact rejections on simulated visits with known truth, as a table.

Every scene has stars, galaxies, gaps, saturation, cosmic rays, satellites, ghosts, asteroids and a
slow body, in seeing of 0.7 to 1.3 arcsec. PSF-matched twins for CompareWarp come from the
simulator, which draws sources with the matched PSF: the matching itself is perfect.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
from deepcoadd.testing.simulate import (
    BackgroundOptions,
    CosmicRayOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
    Visit,
    simulate_visits,
)

START = "<!-- table: written by benches/science/reject.py -->\n"
END = "<!-- end of table -->\n"
KINDS = ("cosmic_ray", "satellite", "ghost", "asteroid", "slow_mover")
NUMBERS = ("rms", "rms of cores", "clean lost", *KINDS)
SEEING = (1.486, 2.760)
"""Sigma of the PSF [pixel]: 0.7 to 1.3 arcsec at 0.2 arcsec a pixel."""
PLAIN = AssembleOptions(statistic="MEAN", interpolate=None)

Flags = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float64]


def scene(n: int, side: int, seed: int) -> SceneOptions:
    """A scene of the kind described above."""
    part = (side / 1024) ** 2
    return SceneOptions(
        n_visits=n,
        shape=(side, side),
        seed=seed,
        matched_sigma=3.0,
        sources=SourceOptions(
            n_stars=round(180 * part), n_galaxies=round(220 * part), flux=(300.0, 4e6), slope=0.55
        ),
        psf=PsfOptions(sigma=SEEING),
        background=BackgroundOptions(offset=2.0, gradient=2.0),
        detector=DetectorOptions(
            chip_shape=(380, 380),
            gap=12,
            edge=4,
            dither=150.0,
            dead_columns=1.0,
            hot_pixels=5.0,
            full_well=1.0e5,
        ),
        cosmic_rays=CosmicRayOptions(per_visit=100 * part),
        satellites=SatelliteOptions(per_visit=0.3),
        ghosts=GhostOptions(per_visit=0.3),
        asteroids=MoverOptions(n=2, trail=0.1),
        slow_movers=MoverOptions(n=1, step=(2.8, 2.8)),
    )


@dataclass
class Sky:
    """Visits as arrays (visit, y, x), and what is true of them."""

    visits: list[Visit]
    weights: list[float]
    good: Flags
    pixels: Plane
    truth: Plane
    variance: Plane
    light: Plane

    @classmethod
    def made(cls, options: SceneOptions) -> Sky:
        """Simulate."""
        visits = list(simulate_visits(options))
        truths = [visit.truth for visit in visits]
        pixels = np.array([visit.warp.image.array for visit in visits], np.float64)
        noise = np.array([truth.noise for truth in truths])[:, None, None]
        sky = np.array([truth.sky for truth in truths], np.float64)
        bits = [visit.warp.planes.known_bitmask(PLAIN.bad_planes) for visit in visits]
        masks = zip(visits, bits, strict=True)
        good = np.array([visit.warp.mask.array & np.int32(b) == 0 for visit, b in masks])
        return cls(
            visits=visits,
            weights=[1.0 / truth.noise**2 for truth in truths],
            good=good & np.isfinite(pixels),
            pixels=pixels,
            truth=sky + np.array([truth.background for truth in truths]),
            variance=sky / options.noise.gain + noise**2,
            light=np.array([truth.artifact_light for truth in truths], np.float64),
        )

    @property
    def noise(self) -> Plane:
        """Noise of a pixel without sources, of each visit."""
        return np.array([visit.truth.noise for visit in self.visits])[:, None, None]

    def mean(self, values: Plane, keep: Flags) -> Plane:
        """Weighted mean over visits; NaN where none is kept."""
        weight = np.array(self.weights)[:, None, None] * keep
        total = weight.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.where(keep, weight * values, 0.0).sum(axis=0) / total

    def sigma(self) -> Plane:
        """Noise of the coadd of all good pixels."""
        weight = np.array(self.weights)[:, None, None] * self.good
        total = weight.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.sqrt((weight**2 * self.variance).sum(axis=0)) / total


Result = tuple[Plane, Flags | None]
"""Image of a coadd, and what was left out of each visit if that is known."""


def _flagged(sky: Sky, masks: list[dict[str, SpanSet]]) -> Flags:
    """Masks of artifacts as arrays."""
    each = zip(masks, sky.visits, strict=True)
    return np.array([mask["CLIPPED"].as_array(visit.warp.box) for mask, visit in each])


def _none(sky: Sky) -> Result:
    coadd = assemble([v.warp for v in sky.visits], weights=sky.weights, options=PLAIN)
    return coadd.image.array.astype(float), np.zeros(sky.good.shape, bool)


def _clipped(sky: Sky) -> Result:
    how = AssembleOptions(statistic="MEANCLIP", interpolate=None)
    coadd = assemble([v.warp for v in sky.visits], weights=sky.weights, options=how)
    return coadd.image.array.astype(float), None


def _safe_clip(sky: Sky) -> Result:
    how = SafeClipOptions(assemble=AssembleOptions(sigma_clip=1.5, n_iter=3, interpolate=None))
    coadd = safe_clip([v.warp for v in sky.visits], weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _compare_warp(sky: Sky) -> Result:
    how = CompareWarpOptions(assemble=PLAIN)
    warps, twins = [v.warp for v in sky.visits], [v.matched for v in sky.visits]
    coadd = compare_warp(warps, twins, weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _visit_clip(sky: Sky) -> Result:
    how = VisitClipOptions(assemble=PLAIN)
    coadd = visit_clip([v.warp for v in sky.visits], weights=sky.weights, options=how)
    return coadd.image.array.astype(float), _flagged(sky, coadd.artifact_masks)


def _ideal(sky: Sky) -> Result:
    """All light above the noise of a pixel is known."""
    flags = sky.light > sky.noise
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
    lit = (sky.light > 0.1 * sky.noise.min()).any(axis=0)
    core = seen & ~lit & (sky.mean(sky.truth, every) > 20 * np.median(sky.noise))
    out = dict.fromkeys(NUMBERS, math.nan)
    out["rms"] = float(np.sqrt(np.mean(error[seen] ** 2)))
    if core.any():
        out["rms of cores"] = float(np.sqrt(np.mean(error[core] ** 2)))
    if flags is None:
        return out
    clean = sky.good & (sky.light < 0.05 * sky.noise)
    out["clean lost"] = float(np.mean(flags[clean]))
    bright = sky.good & (sky.light > sky.noise)
    for kind in KINDS:
        here = bright & np.array([visit.truth.any_artifact(kind) for visit in sky.visits])
        if here.any():
            out[kind] = float(np.mean(flags[here]))
    return out


def run(job: tuple[int, int, int]) -> dict[str, dict[str, float]]:
    """All methods on one scene (visits, side, seed)."""
    logging.disable(logging.WARNING)
    deepcoadd.set_num_threads(1)
    sky = Sky.made(scene(*job))
    return {name: scores(sky, *method(sky)) for name, method in METHODS.items()}


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


def table(found: dict[int, list[dict[str, dict[str, float]]]]) -> str:
    """Markdown, a row for each number of visits and method."""
    heads = ["rms", "rms of cores", "clean pixels lost [1e-4]"]
    heads += [f"{kind.replace('_', ' ')} [%]" for kind in KINDS]
    lines = [f"| N | method | {' | '.join(heads)} |", "|---" * (2 + len(heads)) + "|"]
    for n, results in found.items():
        for method in METHODS:
            cells = [_text([r[method][name] for r in results], name) for name in NUMBERS]
            lines.append(f"| {n} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, print, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, nargs="+", default=[4, 8, 20])
    parser.add_argument("--seeds", type=int, default=20, help="scenes for each number of visits")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--side", type=int, default=384, help="pixels")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help="one small scene of four visits")
    parser.add_argument("--write", metavar="FILE", type=Path, help="page to put the table into")
    given = parser.parse_args()
    if given.quick:
        given.visits, given.seeds, given.side, given.jobs = [4], 1, 128, 1
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with ProcessPoolExecutor(given.jobs) as pool:
        found = {
            n: list(pool.map(run, [(n, given.side, seed) for seed in seeds])) for n in given.visits
        }
    text = (
        f"{given.seeds} scenes (seeds {seeds[0]} to {seeds[-1]}) of {given.side} x {given.side} "
        f"pixels for each N, with deepcoadd {deepcoadd.__version__}, "
        f"{datetime.date.today():%Y-%m-%d}; ± is the standard error over scenes.\n\n" + table(found)
    )
    print(text)
    if given.write:
        page = given.write.read_text()
        before, rest = page.split(START)
        given.write.write_text(before + START + text + END + rest.split(END)[1])


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""How well the scale of sky frames is found: simulated mosaics, many seeds, standard errors.

Frames are built of visits and scaled to other visits of the same mosaic. The truth is the multiple
of the frame without noise that meets the pattern of the detectors best, times the sky level; the
bound is that of Cramer and Rao for the pixels that are not masked.
"""

from __future__ import annotations

import argparse
import datetime
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord

from deepcoadd import MaskedImage, set_num_threads
from deepcoadd.background import (
    TASK_SKY,
    BackgroundOptions,
    SkyFrameBuilder,
    SkyOptions,
    SuperpixelOptions,
    frame_of_wcs,
    measure_sky_bins,
    measure_visit_sky,
    sample_sky,
    solve_sky_scale,
    without_background,
)
from deepcoadd.detection import ObjectMaskOptions, mask_objects
from deepcoadd.testing.simulate import SkyVisitOptions, simulate_sky_visits, sky_patterns

SCENE = SkyVisitOptions(
    shape=(384, 384), n_visits=12, scale=256.0, amplitude=0.03, star_density=4e-5
)
GRID = SuperpixelOptions(y_size=38.4, x_size=38.4, pixel_size=0.2)
OBJECTS = ObjectMaskOptions(n_iter=1, background=BackgroundOptions(bin_size=64))
ORIGIN = SkyCoord(30, -5, unit="deg")
PLAIN = replace(SkyOptions(), nuisance="none", correct_noise=False)
START = "<!-- quality table: written by benches/science/sky.py -->\n"
END = "<!-- end of quality table -->\n"
METHODS = {
    "documented: 4 x 4 cells, all pixels of the frame": TASK_SKY,
    "4 x 4 cells, same pixels": replace(TASK_SKY, same_pixels=True),
    "bins, same pixels, weights": PLAIN,
    "and a constant for each detector": replace(PLAIN, nuisance="constant"),
    "and the noise of the frame taken out (default)": SkyOptions(),
    "the same with planes": replace(SkyOptions(), nuisance="plane"),
}


@dataclass
class Seed:
    """What one seed gives: relative errors and predicted ones by method, and the bound."""

    errors: dict[str, list[float]]
    predicted: dict[str, list[float]]
    bound: list[float]


def detectors(visit: Any) -> dict[Any, Any]:
    """Masked images of a visit and their places."""
    return {
        name: (mask_objects(one.masked_image, OBJECTS), frame_of_wcs(one.box, one.wcs, ORIGIN))
        for name, one in visit.exposures.items()
    }


def true_factor(scene: SkyVisitOptions, places: dict[Any, Any]) -> float:
    """Multiple of the noiseless frames that meets the patterns best."""
    parts = {
        name: (MaskedImage.from_arrays(1.0 + pattern, None, 1.0), places[name])
        for name, pattern in enumerate(sky_patterns(scene))
    }
    taken = measure_visit_sky(parts, GRID)
    product = square = 0.0
    for name, (pixels, _) in parts.items():
        flat = without_background(pixels, taken.backgrounds[name])
        sky = measure_sky_bins(flat).image().array.astype(float)
        sky -= sky.mean()
        product += float((sky * flat.image.array).sum())
        square += float((sky * sky).sum())
    # Frames are divided by the level that is measured, which the patterns are a part of.
    return taken.level * product / square


def one_seed(seed: int) -> Seed:
    """Build frames of one mosaic, and scale them to other visits of it."""
    scene = replace(SCENE, seed=2 * seed, pattern_seed=seed + 1)
    builder = SkyFrameBuilder(GRID)
    places: dict[Any, Any] = {}
    for visit in simulate_sky_visits(scene):
        parts = detectors(visit)
        places = {name: transform for name, (_, transform) in parts.items()}
        builder.add_visit(parts)
    frames = builder.frames()
    factor = true_factor(scene, places)
    patterns = sky_patterns(scene)
    out = Seed({name: [] for name in METHODS}, {name: [] for name in METHODS}, [])
    for visit in simulate_sky_visits(replace(scene, seed=2 * seed + 1)):
        parts = detectors(visit)
        taken = measure_visit_sky(parts, GRID)
        flat = {k: without_background(p, taken.backgrounds[k]) for k, (p, _) in parts.items()}
        for name, options in METHODS.items():
            samples = [sample_sky(flat[k], frames[k], options) for k in flat]
            found = solve_sky_scale(samples, options)
            out.errors[name].append(found.scale / (visit.level * factor) - 1.0)
            out.predicted[name].append(found.error / visit.level)
        square = sum(
            float((patterns[k][pixels.mask.array == 0] ** 2).sum())
            for k, (pixels, _) in parts.items()
        )
        noise = math.sqrt(visit.level + scene.read_noise**2)
        out.bound.append(noise / visit.level / math.sqrt(square))
    return out


def table(seeds: list[Seed]) -> str:
    """Markdown: one row a method, in per cent, with standard errors over the seeds."""
    lines = [
        "| method | mean error | rms error | predicted |",
        "|---|---|---|---|",
    ]
    n = len(seeds)
    for name in METHODS:
        errors = np.array([seed.errors[name] for seed in seeds])
        means, rms = 100 * errors.mean(axis=1), 100 * np.sqrt((errors**2).mean(axis=1))
        predicted = 100 * np.sqrt(np.mean(np.square([seed.predicted[name] for seed in seeds])))
        lines.append(
            f"| {name} | {means.mean():+.3f} ± {means.std(ddof=1) / math.sqrt(n):.3f} "
            f"| {rms.mean():.3f} ± {rms.std(ddof=1) / math.sqrt(n):.3f} | {predicted:.3f} |"
        )
    bound = 100 * np.sqrt(np.mean(np.square([seed.bound for seed in seeds])))
    lines.append(f"| bound of Cramer and Rao | | {bound:.3f} | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="number of mosaics, at least 2")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the table into this page")
    given = parser.parse_args()
    set_num_threads(1)
    seeds = [one_seed(seed) for seed in range(given.seeds)]
    text = (
        f"Errors of the scale of sky frames, per cent, {given.seeds} mosaics of "
        f"{SCENE.mosaic[0] * SCENE.mosaic[1]} detectors of {SCENE.shape[1]} x {SCENE.shape[0]} "
        f"pixels: frames of {SCENE.n_visits} visits with sky levels of {SCENE.levels[0]:g} to "
        f"{SCENE.levels[1]:g} electrons, patterns of {100 * SCENE.amplitude:g} % on scales from "
        f"{SCENE.scale:g} pixels, scaled to {SCENE.n_visits} other visits. Measured "
        f"{datetime.date.today():%Y-%m-%d} by `benches/science/sky.py`.\n\n" + table(seeds)
    )
    print(text)
    if given.write:
        before, _, rest = given.write.read_text().partition(START)
        given.write.write_text(before + START + text + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()

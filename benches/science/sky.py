# SPDX-License-Identifier: BSD-3-Clause
"""How well the scale of sky frames is found: simulated mosaics, many seeds, standard errors.

Frames are built of visits and scaled to other visits of the same mosaic. The truth is the multiple
of the frame without noise that is in the pattern of the detectors, times the sky level; the bound
is that of Cramer and Rao for the pixels that are not masked, were there no large scales.
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
    SkyFrameBuilder,
    SkyOptions,
    SuperpixelOptions,
    VisitSky,
    frame_of_wcs,
    mask_visit_objects,
    measure_visit_sky,
    sample_sky,
    solve_sky_scale,
    without_background,
)
from deepcoadd.detection import SKY_OBJECTS, mask_objects
from deepcoadd.testing.simulate import (
    SkyVisit,
    SkyVisitOptions,
    simulate_sky_visits,
    sky_patterns,
)

SCENE = SkyVisitOptions(
    shape=(384, 384), n_visits=12, scale=256.0, amplitude=0.03, star_density=4e-5
)
GRID = SuperpixelOptions(y_size=76.8, x_size=76.8, pixel_size=0.2)
ORIGIN = SkyCoord(30, -5, unit="deg")
PLAIN = replace(SkyOptions(), nuisance="none", correct_noise=False)
JOINT = "bins and large scales at once"
START = "<!-- quality table: written by benches/science/sky.py -->\n"
END = "<!-- end of quality table -->\n"
METHODS = {
    "documented: 4 x 4 cells, all pixels of the frame": TASK_SKY,
    "4 x 4 cells, same pixels": replace(TASK_SKY, same_pixels=True),
    "bins, same pixels, weights": PLAIN,
    "and a constant for each detector": replace(PLAIN, nuisance="constant"),
    "and the noise of the frame taken out": SkyOptions(),
    "the same with planes": replace(SkyOptions(), nuisance="plane"),
}
KINDS = ("true", "built")
Parts = dict[Any, Any]


def find(pixels: MaskedImage) -> MaskedImage:
    """Image whose mask shows its objects."""
    return mask_objects(pixels, SKY_OBJECTS)


@dataclass
class Seed:
    """What one seed gives: relative errors and predicted ones by kind of frame and method."""

    errors: dict[tuple[str, str], list[float]]
    predicted: dict[tuple[str, str], list[float]]
    bound: list[float]


def detectors(visit: SkyVisit) -> Parts:
    """Images of a visit and their places."""
    return {
        name: (one.masked_image, frame_of_wcs(one.box, one.wcs, ORIGIN))
        for name, one in visit.exposures.items()
    }


def built(visits: list[Parts], objects: bool = True) -> Parts:
    """Sky frames of visits: in two passes, the second with objects masked."""
    first = SkyFrameBuilder(GRID)
    for parts in visits:
        first.add_visit(parts)
    if not objects:
        return first.frames()
    second = SkyFrameBuilder(GRID, first=first.frames())
    for parts in visits:
        second.add_visit(parts, find)
    return second.frames()


def jointly(parts: Parts, frames: Parts) -> tuple[VisitSky, Parts]:
    """Sky of a visit, and its images with objects masked."""
    masked = mask_visit_objects(parts, measure_visit_sky(parts, GRID, frames=frames), find, frames)
    return measure_visit_sky(masked, GRID, frames=frames), masked


def one_seed(seed: int) -> Seed:
    """Build frames of one mosaic, and scale them to other visits of it."""
    scene = replace(SCENE, seed=2 * seed, pattern_seed=seed + 1)
    visits = [detectors(visit) for visit in simulate_sky_visits(scene)]
    patterns = sky_patterns(scene)
    noiseless = {
        name: (MaskedImage.from_arrays(1.0 + pattern, None, 1.0), visits[0][name][1])
        for name, pattern in enumerate(patterns)
    }
    frames = {"true": built([noiseless], objects=False), "built": built(visits)}
    truth = measure_visit_sky(noiseless, GRID, frames=frames["true"]).scale
    assert truth is not None
    out = Seed({}, {}, [])
    for visit in simulate_sky_visits(replace(scene, seed=2 * seed + 1)):
        parts = detectors(visit)
        for kind in KINDS:
            sky, masked = jointly(parts, frames[kind])
            flat = {k: without_background(p, sky.backgrounds[k]) for k, (p, _) in masked.items()}
            found = {
                name: solve_sky_scale(
                    [sample_sky(flat[k], frames[kind][k], options) for k in flat], options
                )
                for name, options in METHODS.items()
            }
            assert sky.scale is not None
            found[JOINT] = sky.scale
            for name, scale in found.items():
                error = scale.scale / (visit.level * truth.scale) - 1.0
                out.errors.setdefault((kind, name), []).append(error)
                out.predicted.setdefault((kind, name), []).append(scale.error / visit.level)
        square = sum(
            float((patterns[k][pixels.mask.array == 0] ** 2).sum())
            for k, (pixels, _) in masked.items()
        )
        noise = math.sqrt(visit.level + scene.read_noise**2)
        out.bound.append(noise / visit.level / math.sqrt(square))
    return out


def table(seeds: list[Seed]) -> str:
    """Markdown: one row a method, in per cent, with standard errors over the seeds."""
    head = (
        "| method | true frame: mean error | rms | predicted | frame of visits: mean error | rms |"
    )
    lines = [head, "|---|---|---|---|---|---|"]
    n = len(seeds)
    for name in (*METHODS, JOINT):
        cells = []
        for kind in KINDS:
            errors = 100 * np.array([seed.errors[kind, name] for seed in seeds])
            means, rms = errors.mean(axis=1), np.sqrt((errors**2).mean(axis=1))
            cells += [
                f"{means.mean():+.3f} ± {means.std(ddof=1) / math.sqrt(n):.3f}",
                f"{rms.mean():.3f} ± {rms.std(ddof=1) / math.sqrt(n):.3f}",
            ]
        found = [seed.predicted["true", name] for seed in seeds]
        cells.insert(2, f"{100 * np.sqrt(np.mean(np.square(found))):.3f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    bound = 100 * np.sqrt(np.mean(np.square([seed.bound for seed in seeds])))
    lines.append(f"| bound of Cramer and Rao | | {bound:.3f} | | | |")
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
        f"{SCENE.scale:g} pixels, superpixels of {GRID.y_size / GRID.pixel_size:g} pixels, "
        f"scaled to {SCENE.n_visits} other visits. Measured "
        f"{datetime.date.today():%Y-%m-%d} by `benches/science/sky.py`.\n\n" + table(seeds)
    )
    print(text)
    if given.write:
        before, _, rest = given.write.read_text().partition(START)
        given.write.write_text(before + START + text + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()

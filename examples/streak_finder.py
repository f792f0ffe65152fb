# SPDX-License-Identifier: BSD-3-Clause
"""A streak finder of your own: faint trails that no single pixel gives away."""

import numpy as np

from deepcoadd.coadd import compare_warp
from deepcoadd.spans import SpanSet
from deepcoadd.testing.simulate import PsfOptions, SatelliteOptions, SceneOptions, simulate_scene

ANGLES = np.radians(np.arange(0.0, 180.0, 0.5))
WIDTH = 6.0  # half of what is masked across a trail, pixels


def straight_lines(difference):
    """Bands in which pixels above 2 sigma are too many, by ten standard deviations: a list."""
    image, variance = difference.image.array, difference.variance.array
    bright = image > 2.0 * np.sqrt(variance)
    y, x = np.nonzero(bright)
    yy, xx = np.indices(image.shape)
    reach = int(np.hypot(*image.shape)) + 1
    best = (0.0, 0.0, 0.0)
    for angle in ANGLES:
        c, s = np.cos(angle), np.sin(angle)
        bins = np.arange(-reach, reach + 1, 3.0)
        votes, _ = np.histogram(x * c + y * s, bins)
        pixels, _ = np.histogram(xx * c + yy * s, bins)
        expected = bright.mean() * pixels
        excess = np.where(pixels > 100, (votes - expected) / np.sqrt(expected + 1.0), 0.0)
        k = int(np.argmax(excess))
        best = max(best, (float(excess[k]), angle, bins[k] + 1.5))
    excess, angle, rho = best
    if excess < 10.0:
        return []
    band = np.abs(xx * np.cos(angle) + yy * np.sin(angle) - rho) < WIDTH
    return [SpanSet.from_array(band, start=difference.box.start)]


def main() -> None:
    """A trail of 3 sigma a pixel in one of six visits, left out with and without the finder."""
    scene = simulate_scene(
        SceneOptions(
            n_visits=6,
            shape=(128, 160),
            seed=4,
            matched_sigma=2.2,
            psf=PsfOptions(sigma=(1.8, 2.1)),
            satellites=SatelliteOptions(visits=(2,), peak=(3.0, 3.0)),
        )
    )
    trail = scene.truth.visits[2].artifacts["satellite"]
    for name, finder in (("thresholds alone", None), ("with the finder", straight_lines)):
        coadd = compare_warp(scene.warps, scene.matched, streaks=finder)
        out = [mask["CLIPPED"].as_array(coadd.box) for mask in coadd.artifact_masks]
        others = sum(int(part.sum()) for k, part in enumerate(out) if k != 2)
        print(f"{name}: {out[2][trail].mean():.0%} of the trail, {others} pixels of other visits")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""How well backgrounds are matched: simulated skies whose truth is known, by method and family.

The figure of a method is the root mean square of the matched skies about their mean, over all
pixels that an exposure covers; the step at the edge is the largest distance from that mean along
the borders of the exposures. Both are means over the scenes, with their standard errors.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepcoadd import MaskedImage
from deepcoadd.background import (
    ClassicMatchOptions,
    GlobalMatchOptions,
    match_backgrounds,
)

START = "<!-- quality table: written by benches/science/match.py -->\n"
END = "<!-- end of quality table -->\n"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A kind of scene."""

    name: str
    n: int = 8
    side: int = 1000
    scale: float = 330.0
    amplitude: float = 2.0
    slope: float = 4.0
    power_law: bool = False
    partial: bool = False
    clean: bool = False


FAMILIES = (
    Family("smooth fields of 330 pixels, 1000 pixels"),
    Family("the same without sources and trails, 600 pixels", side=600, clean=True),
    Family("rough fields (power law), 600 pixels", side=600, power_law=True),
    Family("exposures that cover parts, 600 pixels", side=600, partial=True),
    Family("three exposures, 600 pixels", side=600, n=3),
    Family("weak fields, 600 pixels", side=600, amplitude=0.3, slope=1.0),
)

METHODS: dict[str, Callable[[list[MaskedImage]], list[Floats]]] = {}


def method(name: str) -> Callable[[Callable[[list[MaskedImage]], list[Floats]]], None]:
    """Register a method by its name in the table."""

    def add(function: Callable[[list[MaskedImage]], list[Floats]]) -> None:
        METHODS[name] = function

    return add


def _models(inputs: list[MaskedImage], mode: str, options: object) -> list[Floats]:
    match = match_backgrounds(inputs, mode, options)
    return [
        np.zeros(pixels.box.shape) if result.model is None else result.model.image().array
        for pixels, result in zip(inputs, match.results, strict=True)
    ]


@method("none")
def _none(inputs: list[MaskedImage]) -> list[Floats]:
    return [np.zeros(pixels.box.shape) for pixels in inputs]


@method("classic, 256-pixel bins")
def _classic(inputs: list[MaskedImage]) -> list[Floats]:
    return _models(inputs, "classic", ClassicMatchOptions())


@method("classic, polynomial of order 8 on 64-pixel bins")
def _polynomial(inputs: list[MaskedImage]) -> list[Floats]:
    return _models(inputs, "classic", ClassicMatchOptions(use_polynomial=True, bin_size=64))


@method("global, order 9")
def _order(inputs: list[MaskedImage]) -> list[Floats]:
    return _models(inputs, "global", GlobalMatchOptions(order=9))


@method("global")
def _global(inputs: list[MaskedImage]) -> list[Floats]:
    return _models(inputs, "global", GlobalMatchOptions())


def field(rng: np.random.Generator, family: Family) -> Floats:
    """Random field of unit variance."""
    n = family.side + 2 * int(family.scale)
    k = 2 * np.pi * np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None])
    x = (k * family.scale) ** 2
    filtered = (1 + x) ** -1.75 if family.power_law else np.exp(-x / 8)
    noise = np.fft.rfft2(rng.normal(size=(n, n)))
    found = np.fft.irfft2(noise * filtered, s=(n, n))[: family.side, : family.side]
    return np.asarray((found - found.mean()) / found.std())


def scene(family: Family, seed: int) -> tuple[list[MaskedImage], Floats]:
    """Exposures, and their skies, NaN where an exposure has no pixels."""
    rng = np.random.default_rng(seed)
    side = family.side
    y, x = np.mgrid[:side, :side].astype(np.float32)
    u, v = 2 * x / side - 1, 2 * y / side - 1
    stars = rng.uniform(0, side, (700, 2)), 10 ** rng.uniform(2, 5, 700)
    galaxy = 400 * np.exp(-np.hypot((x - 0.35 * side) / 1.5, y - 0.6 * side) / 90)
    inputs, skies = [], []
    for k in range(family.n):
        sky = np.full((side, side), rng.uniform(80, 300))
        for i in range(4):
            for j in range(4 - i):
                if i + j:
                    sky += rng.normal(0, family.slope) / (i + j) * _legendre(i, u) * _legendre(j, v)
        sky += family.amplitude * field(rng, family)
        sources = np.zeros_like(sky)
        _add_stars(sources, stars, rng.uniform(1.6, 2.6))
        total = sky if family.clean else sky + sources + galaxy
        pixels = rng.normal(total, np.sqrt(np.maximum(total, 1.0)))
        if rng.random() < 0.7 and not family.clean:
            angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.2, 0.2) * side
            away = (x - side / 2) * np.cos(angle) + (y - side / 2) * np.sin(angle) - offset
            pixels += rng.uniform(20, 200) * np.exp(-0.5 * (away / 2.5) ** 2)
        # The bright parts of the sources are masked, their wings and faint ones are not.
        detected = (sources > 8 * np.sqrt(total)) & (not family.clean)
        if family.partial and k % 2:
            cut = int(rng.integers(side // 5, side // 2))
            part = np.s_[:, :cut] if rng.random() < 0.5 else np.s_[side - cut :]
            pixels[part] = sky[part] = np.nan
        mask = np.where(detected, 32, 0)
        inputs.append(MaskedImage.from_arrays(pixels, mask, np.maximum(total, 1.0)))
        skies.append(sky)
    return inputs, np.array(skies)


def _legendre(n: int, t: Floats) -> Floats:
    return np.asarray(np.polynomial.legendre.Legendre.basis(n)(t))


def _add_stars(image: Floats, stars: tuple[Floats, Floats], width: float) -> None:
    for (a, b), flux in zip(*stars, strict=True):
        rows = slice(max(int(a) - 14, 0), int(a) + 15)
        columns = slice(max(int(b) - 14, 0), int(b) + 15)
        part = image[rows, columns]
        ys = np.arange(rows.start, rows.start + part.shape[0])[:, None] - a
        xs = np.arange(columns.start, columns.start + part.shape[1])[None] - b
        part += flux / (2 * np.pi * width**2) * np.exp(-0.5 * (ys**2 + xs**2) / width**2)


def figures(skies: Floats, models: list[Floats]) -> tuple[float, float]:
    """Root mean square about the mean, and the largest step at an edge."""
    matched = skies + np.array(models)
    away = matched - np.nanmean(matched, axis=0)
    step = 0.0
    for one in away:
        good = np.isfinite(one)
        inner = good.copy()
        for axis in (0, 1):
            for shift in (-1, 1):
                inner &= np.roll(good, shift, axis)
        inner[[0, -1]] = inner[:, [0, -1]] = False
        step = max(step, float(np.abs(one[good & ~inner]).max()))
    return float(np.sqrt(np.nanmean(away**2))), step


def rows(n_seeds: int, families: tuple[Family, ...]) -> Iterator[tuple[str, str, Floats]]:
    """Family, method, and (seeds, 2) figures."""
    for family in families:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
        for seed in range(n_seeds):
            inputs, skies = scene(family, seed)
            for name, function in METHODS.items():
                found[name].append(figures(skies, function(inputs)))
        for name, numbers in found.items():
            yield family.name, name, np.array(numbers)


HEAD = ("| scenes | method | rms of the matched skies | step at an edge |", "|---|---|---|---|")


def lines(n_seeds: int, families: tuple[Family, ...]) -> Iterator[str]:
    """Rows of the table as Markdown."""
    for family, name, numbers in rows(n_seeds, families):
        mean = numbers.mean(axis=0)
        error = numbers.std(axis=0, ddof=1) / np.sqrt(len(numbers))
        cells = " | ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
        yield f"| {family} | {name} | {cells} |"


def main() -> None:
    """Measure and print; write what runs have printed into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--family", default="", help="only families with this in their name")
    parser.add_argument("--write", metavar="PAGE", type=Path, help="write the table into a page")
    parser.add_argument(
        "--rows", metavar="FILE", type=Path, nargs="*", help="take the rows that runs have printed"
    )
    given = parser.parse_args()
    if given.rows:
        found = [line for path in given.rows for line in path.read_text().splitlines()]
    else:
        found = []
        for line in lines(given.seeds, tuple(f for f in FAMILIES if given.family in f.name)):
            print(line, flush=True)
            found.append(line)
    if given.write:
        top = f"Means over {given.seeds} scenes of each family, with standard errors, in counts.\n"
        body = [line for line in found if " ± " in line]
        text = "\n".join((top, *HEAD, *body)) + "\n"
        page = given.write.read_text()
        before, _, rest = page.partition(START)
        given.write.write_text(before + START + text + END + rest.partition(END)[2])


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()

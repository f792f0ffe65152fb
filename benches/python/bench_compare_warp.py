# SPDX-License-Identifier: BSD-3-Clause
"""The artifact rejection by PSF-matched warps, whole and by steps, in units of the yardstick."""

from __future__ import annotations

from dataclasses import replace

from _yardstick import Row, measure, options, report, yardstick
from bench_safe_clip import visits

from deepcoadd.coadd import (
    ArtifactOptions,
    CompareWarpOptions,
    assemble,
    build_template,
    compare_warp,
    find_artifacts,
    prepare,
)


def rows(y: float, repeats: int) -> list[Row]:
    """The whole, its steps, and a plain mean beside it."""
    n, side = 10, 1024
    inputs = visits(n, side)
    scaled = CompareWarpOptions()
    plain = replace(scaled, artifacts=ArtifactOptions(scale_variance=None))
    plan = prepare(inputs, options=plain.template)
    template = build_template(plan)
    name = f"{n} warps {side}^2"
    found = plain.artifacts

    def find(how: ArtifactOptions) -> object:
        return find_artifacts(template, plan.inputs, options=how)

    cases = [
        (f"find artifacts, {name}", 0.10, lambda: find(found)),
        ("with scaled variances", None, lambda: find(scaled.artifacts)),
        (
            f"CompareWarp whole, {name} in memory",
            0.25,
            lambda: compare_warp(inputs, inputs, options=plain),
        ),
        ("with scaled variances", None, lambda: compare_warp(inputs, inputs, options=scaled)),
        ("of it the template", None, lambda: build_template(plan)),
        (f"plain mean, {name}", None, lambda: assemble(inputs, options=plain.assemble)),
    ]
    return [measure(what, bar, y, call, repeats) for what, bar, call in cases]


def main() -> None:
    """Measure and print."""
    given = options(__doc__)
    repeats = 2 if given.quick else 5
    y = yardstick(repeats)
    report(rows(y, repeats), y, given.json)


if __name__ == "__main__":
    main()

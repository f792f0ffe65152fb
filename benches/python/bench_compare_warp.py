# SPDX-License-Identifier: BSD-3-Clause
"""The artifact rejection by PSF-matched warps, whole and by steps, in units of the yardstick."""

from __future__ import annotations

from dataclasses import replace

from _yardstick import Row, bench, measure
from bench_safe_clip import visits

from deepcoadd.coadd import (
    ArtifactOptions,
    CompareWarpOptions,
    build_template,
    compare_warp,
    find_artifacts,
    prepare,
)


def rows(y: float, repeats: int) -> list[Row]:
    """The whole, its steps, and a plain mean beside it."""
    n, side = 10, 1024
    inputs = visits(n, side)
    weights = [1.0] * n
    scaled = CompareWarpOptions()
    plain = replace(scaled, artifacts=ArtifactOptions(scale_variance=None))
    plan = prepare(inputs, weights=weights, options=plain.template)
    template = build_template(plan)
    name = f"{n} warps {side}^2"

    def find(how: CompareWarpOptions) -> object:
        return find_artifacts(template, plan.inputs, options=how.artifacts)

    def whole(how: CompareWarpOptions) -> object:
        return compare_warp(inputs, inputs, weights=weights, options=how)

    cases = [
        (f"find artifacts, {name}", 0.10, lambda: find(plain)),
        ("with scaled variances", None, lambda: find(scaled)),
        (f"CompareWarp whole, {name} in memory", 0.25, lambda: whole(plain)),
        ("CompareWarp with scaled variances", None, lambda: whole(scaled)),
        ("of it the template", None, lambda: build_template(plan)),
    ]
    return [measure(what, bar, y, call, repeats) for what, bar, call in cases]


if __name__ == "__main__":
    bench(rows, __doc__)

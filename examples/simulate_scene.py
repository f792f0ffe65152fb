# SPDX-License-Identifier: BSD-3-Clause
"""A simulated field with artifacts: what is in it, and a picture when matplotlib is there."""

import sys

import numpy as np

from deepcoadd.testing import simulate_scene


def main(picture: str | None = None) -> None:
    """List the artifacts of each visit; draw the visits into a file when one is named."""
    scene = simulate_scene("demo")
    print(f"{len(scene.truth.catalogue)} sources in {scene.box.shape} pixels")
    for warp, visit in zip(scene.warps, scene.truth.visits, strict=True):
        pixels = {kind: int(where.sum()) for kind, where in visit.artifacts.items()}
        found = ", ".join(f"{kind} {n}" for kind, n in pixels.items() if n)
        detected = 100 * warp.mask.has("DETECTED").mean()
        print(
            f"visit {visit.visit}: noise {visit.noise:.1f} nJy, detected {detected:.1f} %; {found}"
        )
    if picture is None:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 4, figsize=(16, 8), layout="tight")
    for axis, warp, visit in zip(axes.flat, scene.warps, scene.truth.visits, strict=True):
        shown = np.arcsinh(warp.image.array / (2 * visit.noise))
        axis.imshow(shown, origin="lower", cmap="gray", vmin=-1, vmax=4)
        axis.set_title(f"visit {visit.visit}")
        axis.set_axis_off()
    figure.savefig(picture, dpi=80)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])

# SPDX-License-Identifier: BSD-3-Clause
"""How much of a satellite trail is left in a coadd, against the known truth."""

from dataclasses import replace

import numpy as np

from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.testing.simulate import PRESETS, PsfOptions, SatelliteOptions, simulate_scene


def main() -> None:
    """Eight visits, a trail in two of them; mean, clipped mean and median."""
    options = replace(
        PRESETS["clean"],
        psf=PsfOptions(sigma=(2.0, 2.0)),
        satellites=SatelliteOptions(visits=(2, 5), peak=(20.0, 40.0)),
    )
    scene = simulate_scene(options)
    trail = np.zeros(scene.box.shape, bool)
    for visit in scene.truth.visits:
        trail |= visit.any_artifact("satellite")
    for statistic in ("MEAN", "MEANCLIP", "MEDIAN"):
        coadd = assemble(scene.warps, options=AssembleOptions(statistic=statistic))
        weights = [record.weight for record in coadd.inputs]
        left = (coadd.image.array - scene.truth.sky(weights))[trail]
        print(f"{statistic:8s} left on the trails: {left.mean() / coadd.noise:6.3f} of the noise")


if __name__ == "__main__":
    main()

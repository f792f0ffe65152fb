# SPDX-License-Identifier: BSD-3-Clause
"""Coadd plain numpy arrays: image, variance and a mask of bad pixels each."""

import numpy as np

from deepcoadd import MaskedImage
from deepcoadd.coadd import AssembleOptions, assemble

SHAPE, N, SIGMA = (200, 300), 12, 5.0


def visits(rng: np.random.Generator) -> list[MaskedImage]:
    """Twelve noisy images of one sky, each with a few hot pixels of which half are flagged."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sky = 100.0 * np.exp(-((y - 90.0) ** 2 + (x - 140.0) ** 2) / 800.0)
    out = []
    for _ in range(N):
        image = sky + rng.normal(0.0, SIGMA, SHAPE)
        hot = rng.random(SHAPE) < 1e-3
        image[hot] += 500.0
        # True of a boolean mask sets the plane BAD.
        flagged = hot & (rng.random(SHAPE) < 0.5)
        out.append(MaskedImage.from_arrays(image, flagged, SIGMA**2))
    return out


def main() -> None:
    """Compare the plain mean with the clipped mean."""
    images = visits(np.random.default_rng(1))
    for statistic in ("MEAN", "MEANCLIP"):
        # These pixels have no calibration, so they are coadded as they are.
        options = AssembleOptions(statistic=statistic, unit=None)
        coadd = assemble(images, options=options)
        corner = coadd.image.array[150:, 200:]
        print(
            f"{statistic:8s} noise {np.std(corner):.2f}, expected {coadd.noise:.2f}; "
            f"{100 * coadd.clipped_fraction:.2f} % of the samples clipped; "
            f"brightest empty pixel {corner.max():.1f}"
        )


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""Coadd FITS files under a memory budget, and write the coadd with the table of its inputs."""

import tempfile
from pathlib import Path

from deepcoadd.coadd import AssembleOptions, assemble
from deepcoadd.io import open_warps, read, write
from deepcoadd.testing.simulate import PRESETS, simulate_visits


def main() -> None:
    """Simulate eight visits as files, coadd them, read the result back."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for visit in simulate_visits(PRESETS["clean"]):
            write(folder / f"visit-{visit.truth.visit}.fits", visit.warp)

        # Nothing but headers is read here; pixels are, strip by strip, when they are needed.
        warps = open_warps(sorted(folder.glob("visit-*.fits")))
        options = AssembleOptions(statistic="MEANCLIP", max_memory=16 * 2**20)
        coadd = assemble(warps, options=options)

        table = coadd.table()
        write(folder / "coadd.fits", coadd.exposure, inputs_table=table)
        table["weight"] /= table["weight"].sum()
        for row in table:
            print(f"visit {row['visit']}: weight {row['weight']:.3f}")
        again = read(folder / "coadd.fits")
        print(f"{again.box.shape} pixels, noise {coadd.noise:.2f} {again.info.unit}")


if __name__ == "__main__":
    main()

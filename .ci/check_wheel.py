# SPDX-License-Identifier: BSD-3-Clause
"""Try a built wheel in clean environments: the base install, then with the lsst extra."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

BASE = """
import sys
import deepcoadd
heavy = [m for m in sys.modules if m.split(".")[0] in ("lsst", "scipy", "matplotlib")]
assert not heavy, heavy
assert "site-packages" in deepcoadd.__file__, deepcoadd.__file__
try:
    import deepcoadd.tasks
    deepcoadd.tasks.AssembleCoaddTask
except ImportError as error:
    assert 'pip install "deepcoadd[lsst]"' in str(error), error
else:
    raise AssertionError("deepcoadd.tasks.AssembleCoaddTask came without the lsst extra")
"""

TASKS = """
import numpy as np
from deepcoadd import Box
from deepcoadd.tasks import AssembleCoaddTask, SkyInfo
from deepcoadd.testing.simulate import simulate_warps
warps, _ = simulate_warps(n=4, shape=(64, 64), seed=1)
task = AssembleCoaddTask()
sky = SkyInfo(bbox=warps[0].box, wcs=warps[0].wcs)
result = task.run(sky, warps, [None] * 4, [1.0] * 4)
assert np.isfinite(result.coaddExposure.image.array).all()
"""


def run(*command: object) -> None:
    """Run a command and show it; its failure ends the check."""
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True)


def main(folder: str) -> None:
    """Check the one wheel in `folder`."""
    (wheel,) = Path(folder).glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        venv.create(home / "env", with_pip=True)
        scripts = home / "env" / "bin"
        run(scripts / "pip", "install", "--quiet", wheel)
        run(scripts / "python", "-I", "-c", BASE)
        command = scripts / "deepcoadd"
        run(command, "--version")
        run(command, "simulate", "--preset", "clean", "-o", home / "visits")
        visits = sorted((home / "visits").glob("visit-*.fits"))
        run(command, "coadd", *visits, "-o", home / "coadd.fits", "--method", "clipped")
        run(command, "info", home / "coadd.fits")
        run(scripts / "pip", "install", "--quiet", f"{wheel}[lsst]")
        run(scripts / "python", "-I", "-c", TASKS)


if __name__ == "__main__":
    main(sys.argv[1])

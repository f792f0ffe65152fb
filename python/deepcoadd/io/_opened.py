# SPDX-License-Identifier: BSD-3-Clause
"""What a format gets to see of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcoadd.io._hdus import Hdu
from deepcoadd.io._options import ReadOptions
from deepcoadd.io._pool import FilePool

__all__ = ["Opened"]


@dataclass(frozen=True)
class Opened:
    """A file whose headers are known.

    Parameters
    ----------
    path : Path
        File.
    hdus : sequence of Hdu
        Its HDUs.
    options : ReadOptions
        Wishes of the caller.
    pool : FilePool
        Open files, for tables and companions.
    """

    path: Path
    hdus: Sequence[Hdu]
    options: ReadOptions
    pool: FilePool

    @property
    def primary(self) -> dict[str, Any]:
        """Cards of the primary HDU."""
        return self.hdus[0].cards

    @property
    def images(self) -> list[Hdu]:
        """HDUs that hold a 2-D image."""
        return [hdu for hdu in self.hdus if hdu.is_image]

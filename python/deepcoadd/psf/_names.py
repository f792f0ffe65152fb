# SPDX-License-Identifier: BSD-3-Clause
"""The getters of PSFs that users of the Rubin tasks expect; positions are x, y there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.interop.afw_names import PixelPoint

if TYPE_CHECKING:
    from deepcoadd.psf._base import Psf
    from deepcoadd.psf._shape import PsfShape

__all__ = ["PsfNames"]


class PsfNames:
    """Getters of a PSF; a position is a pair (x, y) or has `getX` and `getY`, None the average."""

    def getAveragePosition(self: Psf) -> PixelPoint:  # noqa: N802  (documented getter)
        """Position that stands for the whole image."""
        y, x = self.average_position
        return PixelPoint(x, y)

    def computeKernelImage(self: Psf, position: Any = None) -> Image:  # noqa: N802  (documented)
        """Return the kernel image."""
        return self.kernel_image(**_at(position))

    def computeImage(self: Psf, position: Any = None) -> Image:  # noqa: N802  (documented)
        """Return the image of a star at a position."""
        return self.image(**_at(position))

    def computeBBox(self: Psf, position: Any = None) -> Box:  # noqa: N802  (documented)
        """Return the box of the kernel image."""
        return self.kernel_image(**_at(position)).box

    def computeShape(self: Psf, position: Any = None) -> PsfShape:  # noqa: N802  (documented)
        """Return the second moments."""
        # Imported here: moments are measured on the models, which carry these names.
        from deepcoadd.psf._shape import psf_shape

        return psf_shape(self, **_at(position))


def _at(position: Any) -> dict[str, float]:
    """Keywords of a position; none for the average one."""
    if position is None:
        return {}
    x, y = (position.getX(), position.getY()) if hasattr(position, "getX") else position
    return {"y": float(y), "x": float(x)}

# SPDX-License-Identifier: BSD-3-Clause
"""Whether an input lies on the pixel grid of the coadd."""

from __future__ import annotations

from astropy.wcs import WCS, NoConvergence

from deepcoadd.geometry import YX, Box, round_half_up
from deepcoadd.wcs import box_center, same_grid, shifted, sky_to_pixel

__all__ = ["grid_shift"]


def grid_shift(wcs: WCS | None, box: Box, grid: WCS | None) -> YX | None:
    """Whole-pixel shift (y, x) that brings the box of an input onto the grid of the coadd.

    Parameters
    ----------
    wcs : WCS, optional
        Of the input, parent positions. An input without one counts as being on the grid.
    box : Box
        Of the input.
    grid : WCS, optional
        Of the coadd; without it every input counts as being on the grid.

    Returns
    -------
    YX or None
        None when no whole-pixel shift makes the two agree to 0.01 pixel.
    """
    if wcs is None or grid is None or wcs is grid or same_grid(wcs, grid, box):
        return YX(0, 0)
    y0, x0 = box.center
    try:
        y, x = sky_to_pixel(grid, box_center(wcs, box))
    except (ValueError, NoConvergence):  # the grid's projection does not reach there
        return None
    dy, dx = float(y) - y0, float(x) - x0
    # Also refuses NaN, and shifts that no integer holds.
    if not (abs(dy) < 2**31 and abs(dx) < 2**31):
        return None
    shift = YX(round_half_up(dy), round_half_up(dx))
    moved = box.shifted_by(y=shift.y, x=shift.x)
    return shift if same_grid(shifted(wcs, y=shift.y, x=shift.x), grid, moved) else None

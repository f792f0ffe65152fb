# SPDX-License-Identifier: BSD-3-Clause
"""Masks around bright objects, from a list or a ds9 region file."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from deepcoadd.errors import FileFormatError, OptionError
from deepcoadd.geometry import COORD_MAX, Box, round_half_up
from deepcoadd.mask import Mask
from deepcoadd.wcs import pixel_to_sky, sky_to_pixel

__all__ = ["BrightObject", "mask_bright_objects", "read_bright_objects"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrightObject:
    """A circle or an upright box on the sky; sizes are in degrees.

    Parameters
    ----------
    kind : {"circle", "box"}
        Shape.
    ra, dec : float
        Centre, deg (ICRS; FK5 J2000 is taken as the same, 0.1 arcsec at most).
    radius : float
        Of a circle.
    width, height : float
        Of a box, along x and y of the coadd.
    angle : float
        Of a box; only 0 is possible.
    id : str
        Identification.
    mag : float
        Magnitude; NaN when unknown.

    Raises
    ------
    OptionError
        A size is not finite and above 0, or the angle is not 0.
    """

    kind: str
    ra: float
    dec: float
    radius: float = math.nan
    width: float = math.nan
    height: float = math.nan
    angle: float = 0.0
    id: str = ""
    mag: float = math.nan

    def __post_init__(self) -> None:
        sizes = {"circle": ("radius",), "box": ("width", "height")}.get(self.kind, ())
        for name in sizes:
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise OptionError(f"{name} = {value}: a bright object needs a size above 0")
        if self.angle != 0:
            raise OptionError(f"angle = {self.angle}: a box must be upright (angle 0)")


_SHAPE = re.compile(r"^\s*(\w+)\s*\(([^)]*)\)\s*(?:#\s*(.*))?$")
_ITEM = re.compile(r"(\w+)\s*[:=]\s*([^,\s]+)")


def read_bright_objects(path: str | Path) -> list[BrightObject]:
    """Read a ds9 region file.

    Lines are ``circle(ra, dec, radius) # ID: 7, mag: 3.2`` or ``box(ra, dec, width, height,
    angle) # ID: 8``, in degrees (with or without a "d"). A line ``wcs; fk5`` (or ``fk5``) must say
    so before the first shape; ``# KEY: value`` lines are comments.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    list of BrightObject
        In the order of the lines; shapes of other kinds are kept with their position only.

    Raises
    ------
    FileFormatError
        The file is missing its frame, or a line cannot be understood; the message says which.
    OSError
        The file cannot be opened.
    """
    objects = []
    frame = False
    for number, raw in enumerate(Path(path).read_text().splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#") or line.lower().startswith("global"):
            continue
        if line.lower().replace(" ", "").rstrip(";") in ("wcs;fk5", "fk5", "wcs;icrs", "icrs"):
            frame = True
            continue
        if not frame:
            raise FileFormatError(f"{path}, line {number}: no line 'wcs; fk5' before {line!r}")
        try:
            objects.append(_parsed(line))
        except (ValueError, OptionError) as error:
            raise FileFormatError(f"{path}, line {number}: {line!r}: {error}") from None
    return objects


def _parsed(line: str) -> BrightObject:
    """Object of one line."""
    match = _SHAPE.match(line)
    if match is None:
        raise ValueError("expected circle(...) or box(...)")
    kind, inside, comment = match[1].lower(), match[2], match[3] or ""
    numbers = [float(word.strip().removesuffix("d")) for word in inside.split(",")]
    items = {key.lower(): value for key, value in _ITEM.findall(comment)}
    ident, mag = items.get("id", ""), float(items.get("mag", "nan"))
    if kind == "circle" and len(numbers) == 3:
        ra, dec, radius = numbers
        return BrightObject(kind, ra, dec, radius=radius, id=ident, mag=mag)
    if kind == "box" and len(numbers) in (4, 5):
        ra, dec, width, height, *angle = numbers
        return BrightObject(
            kind, ra, dec, width=width, height=height, angle=sum(angle), id=ident, mag=mag
        )
    if kind in ("circle", "box"):
        raise ValueError(f"{kind} with {len(numbers)} numbers")
    if len(numbers) < 2:
        raise ValueError("expected a position")
    return BrightObject(kind, numbers[0], numbers[1], id=ident, mag=mag)


def mask_bright_objects(
    mask: Mask, objects: Iterable[BrightObject], wcs: WCS, box: Box, plane: str = "BRIGHT_OBJECT"
) -> None:
    """Set a plane, in place, on circles and boxes around bright objects.

    Parameters
    ----------
    mask : Mask
        Of the coadd or of a part of it.
    objects : iterable of BrightObject
        Those of an unknown kind are left out with a warning.
    wcs : WCS
        Of the coadd, parent positions.
    box : Box
        Of the whole coadd: the pixel scale is that of its middle.
    plane : str
        Plane to set; it must be in the mask's dictionary.
    """
    scale = _scale_at_center(wcs, box)
    for one in objects:
        if one.kind not in ("circle", "box"):
            _log.warning("bright object %s: unknown shape %r, left out", one.id, one.kind)
            continue
        y, x = sky_to_pixel(wcs, SkyCoord(one.ra * u.deg, one.dec * u.deg, frame="icrs"))
        if not (abs(float(y)) < COORD_MAX and abs(float(x)) < COORD_MAX):
            continue  # the projection does not reach there
        yc, xc = round_half_up(float(y)), round_half_up(float(x))
        if one.kind == "circle":
            _set_circle(mask, yc, xc, int(one.radius / scale), plane)
        else:
            half_y, half_x = 0.5 * one.height / scale, 0.5 * one.width / scale
            here = mask.box & Box.from_corners(
                x0=int(xc - half_x), y0=int(yc - half_y), x1=int(xc + half_x), y1=int(yc + half_y)
            )
            mask.set(plane, here.slices_within(mask.box))


def _scale_at_center(wcs: WCS, box: Box) -> float:
    """Size of a pixel in the middle of a box, deg: geometric mean of both directions."""
    y, x = box.center
    ends = pixel_to_sky(wcs, y=[y - 0.5, y, y + 0.5, y], x=[x, x - 0.5, x, x + 0.5])
    sides = ends[:2].separation(ends[2:]).to_value(u.deg)
    return math.sqrt(float(sides[0]) * float(sides[1]))


def _set_circle(mask: Mask, yc: int, xc: int, radius: int, plane: str) -> None:
    """Set a plane on a disc of integer pixels with x^2 + y^2 <= radius^2."""
    corner = (yc - radius, xc - radius)
    here = mask.box & Box.from_shape((2 * radius + 1, 2 * radius + 1), start=corner)
    if here.is_empty:
        return
    dy = np.arange(here.y.start, here.y.stop)[:, None] - yc
    dx = np.arange(here.x.start, here.x.stop)[None, :] - xc
    mask[here].set(plane, dy**2 + dx**2 <= radius**2)

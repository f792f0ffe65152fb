# SPDX-License-Identifier: BSD-3-Clause
"""Maps between the pixels of an input and those of an output, and their affine approximations.

Positions are (y, x) at the border and pixel centres are integers. Affine maps are six numbers in
the order of the documents: ``x' = a x + b y + c, y' = d x + e y + f`` is ``(a, b, c, d, e, f)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from astropy.coordinates import ICRS, SkyCoord
from astropy.wcs import WCS, NoConvergence
from astropy.wcs.utils import wcs_to_celestial_frame

from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.wcs import cards_of, from_cards, shifted

__all__ = [
    "Affine",
    "AffineTransform",
    "Pair",
    "PixelTransform",
    "SkyMap",
    "SkyTransform",
    "Values",
    "WcsSky",
    "applied",
    "inverted",
    "linearized",
    "register_sky_map",
    "register_transform",
    "sky_map_from",
    "transform_from",
]

Affine = tuple[float, float, float, float, float, float]
Values = npt.NDArray[np.float64]
Pair = tuple[Values, Values]

_STEP = 5.0
"""Pixels on either side of a position between which a slope is taken."""


class SkyMap(Protocol):
    """Pixel positions to ICRS positions and back."""

    def to_sky(self, y: Values, x: Values) -> Pair:
        """Longitude and latitude, degrees; NaN where there is none."""
        ...

    def to_pixel(self, longitude: Values, latitude: Values) -> Pair:
        """Pixel positions (y, x); NaN where there is none."""
        ...

    def shifted_by(self, *, y: float, x: float) -> SkyMap:
        """The same sky under pixel positions that are larger by (y, x)."""
        ...

    def numbers(self) -> dict[str, Any]:
        """What `sky_map_from` makes it of: numbers and texts."""
        ...


class PixelTransform(Protocol):
    """A map from the pixels of a source to those of a destination."""

    def forward(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Destination positions (y, x) of source positions; NaN where there is none."""
        ...

    def inverse(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Source positions (y, x) of destination positions; NaN where there is none."""
        ...

    def shifted_by(self, *, y: float, x: float) -> PixelTransform:
        """The same map to destination positions that are larger by (y, x)."""
        ...

    def numbers(self) -> dict[str, Any]:
        """What `transform_from` makes it of: numbers and texts."""
        ...


def applied(affine: Affine, y: Any, x: Any) -> tuple[Any, Any]:
    """Image (y, x) of a position under an affine map."""
    a, b, c, d, e, f = affine
    return d * x + e * y + f, a * x + b * y + c


def inverted(affine: Affine) -> Affine:
    """Inverse of an affine map.

    Raises
    ------
    NoDataError
        The map has no inverse.
    """
    a, b, c, d, e, f = affine
    det = a * e - b * d
    if det == 0 or not math.isfinite(det):
        raise NoDataError(f"an affine map of determinant {det} has no inverse")
    a, b, d, e = e / det, -b / det, -d / det, a / det
    return (a, b, -(a * c + b * f), d, e, -(d * c + e * f))


@dataclass(frozen=True)
class AffineTransform:
    """An affine map.

    Parameters
    ----------
    affine : tuple of six floats
        From source to destination.

    Raises
    ------
    OptionError
        A number is not finite, or the map has no inverse.
    """

    affine: Affine

    def __post_init__(self) -> None:
        numbers = tuple(float(value) for value in self.affine)
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
            raise OptionError(f"affine = {self.affine}: expected six finite numbers")
        object.__setattr__(self, "affine", numbers)
        try:
            inverted(self.affine)
        except NoDataError as error:
            raise OptionError(f"affine = {self.affine}: {error}") from None

    @classmethod
    def shift(cls, *, y: float, x: float) -> AffineTransform:
        """Map to positions that are larger by (y, x)."""
        return cls((1.0, 0.0, x, 0.0, 1.0, y))

    def forward(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Destination positions (y, x) of source positions."""
        return applied(self.affine, np.asarray(y, float), np.asarray(x, float))

    def inverse(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Source positions (y, x) of destination positions."""
        return applied(inverted(self.affine), np.asarray(y, float), np.asarray(x, float))

    def shifted_by(self, *, y: float, x: float) -> AffineTransform:
        """The same map to destination positions that are larger by (y, x)."""
        a, b, c, d, e, f = self.affine
        return AffineTransform((a, b, c + x, d, e, f + y))

    def numbers(self) -> dict[str, Any]:
        """Numbers to write."""
        return {"affine": list(self.affine)}


@dataclass(frozen=True, eq=False)
class WcsSky:
    """Sky positions of a FITS WCS.

    SIP polynomials from sky to pixels (AP, BP) are used as they are where the WCS has them, as the
    Rubin pipelines do; others are inverted by iteration.

    Parameters
    ----------
    wcs : WCS
        Of parent positions, with two celestial axes.

    Raises
    ------
    NoDataError
        The WCS has no celestial axes.
    """

    wcs: WCS
    _frame: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.wcs.naxis != 2 or not self.wcs.has_celestial:
            raise NoDataError(f"the WCS has axes {list(self.wcs.wcs.ctype)}, not two of the sky")
        frame = wcs_to_celestial_frame(self.wcs)
        # The detour through a coordinate object costs a hundred times the projection.
        object.__setattr__(self, "_frame", None if isinstance(frame, ICRS) else frame)

    def to_sky(self, y: Values, x: Values) -> Pair:
        """ICRS longitude and latitude, degrees."""
        longitude, latitude = self.wcs.all_pix2world(x, y, 0)
        if self._frame is None:
            return longitude, latitude
        sky = SkyCoord(longitude, latitude, unit="deg", frame=self._frame).icrs
        return sky.ra.deg, sky.dec.deg

    def to_pixel(self, longitude: Values, latitude: Values) -> Pair:
        """Pixel positions (y, x); NaN where the projection does not reach."""
        if self._frame is not None:
            sky = SkyCoord(longitude, latitude, unit="deg").transform_to(self._frame)
            longitude, latitude = sky.spherical.lon.deg, sky.spherical.lat.deg
        x, y = self._from_native(longitude, latitude)
        return y, x

    def _from_native(self, longitude: Values, latitude: Values) -> Pair:
        """Pixel positions (x, y) of positions in the frame of the WCS."""
        wcs = self.wcs
        tables = (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
        plain = all(table is None for table in tables)
        try:
            if plain and wcs.sip is None:
                x, y = wcs.wcs_world2pix(longitude, latitude, 0)
            elif plain and wcs.sip.ap is not None and wcs.sip.bp is not None:
                focal = wcs.wcs_world2pix(longitude, latitude, 0)
                center = wcs.sip.crpix
                x, y = wcs.sip_foc2pix(focal[0] - center[0], focal[1] - center[1], 0)
            else:
                x, y = wcs.all_world2pix(longitude, latitude, 0)
        except (ValueError, NoConvergence):  # the projection does not reach there
            x = y = np.full(np.shape(longitude), math.nan)
        return x, y

    def shifted_by(self, *, y: float, x: float) -> WcsSky:
        """The same sky under pixel positions that are larger by (y, x)."""
        return WcsSky(shifted(self.wcs, y=y, x=x))

    def numbers(self) -> dict[str, Any]:
        """Cards to write."""
        return {"wcs": cards_of(self.wcs)}


@dataclass(frozen=True, eq=False)
class SkyTransform:
    """The map between two images of one sky.

    Parameters
    ----------
    source, destination : SkyMap
        Sky positions of either.
    """

    source: SkyMap
    destination: SkyMap

    @classmethod
    def between(cls, source: WCS, destination: WCS) -> SkyTransform:
        """Map between the pixels of two FITS WCS."""
        return cls(WcsSky(source), WcsSky(destination))

    def forward(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Destination positions (y, x) of source positions; NaN where there is none."""
        return self.destination.to_pixel(*self.source.to_sky(np.asarray(y), np.asarray(x)))

    def inverse(self, y: npt.ArrayLike, x: npt.ArrayLike) -> Pair:
        """Source positions (y, x) of destination positions; NaN where there is none."""
        return self.source.to_pixel(*self.destination.to_sky(np.asarray(y), np.asarray(x)))

    def shifted_by(self, *, y: float, x: float) -> SkyTransform:
        """The same map to destination positions that are larger by (y, x)."""
        if y == 0 and x == 0:
            return self
        return SkyTransform(self.source, self.destination.shifted_by(y=y, x=x))

    def numbers(self) -> dict[str, Any]:
        """Numbers to write."""
        ends = {"source": self.source.numbers(), "destination": self.destination.numbers()}
        return {"sky": ends}


def linearized(transform: PixelTransform, y: float, x: float) -> Affine:
    """Affine map from destination to source that touches a transform at a destination position.

    Slopes are central differences over ten pixels: distortions of a millionth of a pixel per pixel
    squared change them by nothing, the rounding of sky positions by 1e-10.

    Raises
    ------
    NoDataError
        The source position there is unknown.
    """
    if isinstance(transform, AffineTransform):
        return inverted(transform.affine)
    ys = y + _STEP * np.array([0.0, 0.0, 0.0, 1.0, -1.0])
    xs = x + _STEP * np.array([0.0, 1.0, -1.0, 0.0, 0.0])
    source_y, source_x = transform.inverse(ys, xs)
    if not (np.isfinite(source_y).all() and np.isfinite(source_x).all()):
        raise NoDataError(f"no source position belongs to y = {y}, x = {x}")
    a, d = ((s[1] - s[2]) / (2.0 * _STEP) for s in (source_x, source_y))
    b, e = ((s[3] - s[4]) / (2.0 * _STEP) for s in (source_x, source_y))
    c, f = source_x[0] - a * x - b * y, source_y[0] - d * x - e * y
    return (float(a), float(b), float(c), float(d), float(e), float(f))


_SKY_MAPS: dict[str, Callable[[Any], SkyMap]] = {}
_TRANSFORMS: dict[str, Callable[[Any], PixelTransform]] = {}


def register_sky_map(key: str, maker: Callable[[Any], SkyMap]) -> None:
    """Tell how a sky map is made of the value that its `numbers` keep under a key."""
    _SKY_MAPS[key] = maker


def register_transform(key: str, maker: Callable[[Any], PixelTransform]) -> None:
    """Tell how a transform is made of the value that its `numbers` keep under a key."""
    _TRANSFORMS[key] = maker


def sky_map_from(numbers: Mapping[str, Any]) -> SkyMap:
    """Sky map of written numbers.

    Raises
    ------
    OptionError
        They are not those of a sky map.
    """
    made: SkyMap = _made(numbers, _SKY_MAPS)
    return made


def transform_from(numbers: Mapping[str, Any]) -> PixelTransform:
    """Transform of written numbers.

    Raises
    ------
    OptionError
        They are not those of a transform.
    """
    made: PixelTransform = _made(numbers, _TRANSFORMS)
    return made


def _made(numbers: Mapping[str, Any], makers: Mapping[str, Callable[[Any], Any]]) -> Any:
    for key, maker in makers.items():
        if key in numbers:
            return maker(numbers[key])
    raise OptionError(f"a map of positions of {list(numbers)}: expected one of {list(makers)}")


def _sky_transform(numbers: Mapping[str, Any]) -> SkyTransform:
    return SkyTransform(sky_map_from(numbers["source"]), sky_map_from(numbers["destination"]))


register_sky_map("wcs", lambda cards: WcsSky(from_cards(cards)))
register_transform("affine", lambda six: AffineTransform(tuple(six)))
register_transform("sky", _sky_transform)

# SPDX-License-Identifier: BSD-3-Clause
"""Sky frames made of many visits of a mosaic of detectors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._sky_frame import FRAME_ERRORS, average_sky_bins, measure_sky_bins
from deepcoadd.background._sky_options import SkyOptions
from deepcoadd.background._superpixels import (
    AffineTransform,
    FrameTransform,
    SuperpixelBackground,
    SuperpixelOptions,
)
from deepcoadd.errors import NoDataError, OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.wcs import pixel_to_sky

__all__ = ["SkyFrameBuilder", "VisitSky", "frame_of_wcs", "measure_visit_sky", "without_background"]

_WEIGHTINGS = ("none", "level", "square", "variance")
_DEFAULTS = SkyOptions()


@dataclass(frozen=True)
class VisitSky:
    """Large-scale sky of a visit.

    Attributes
    ----------
    level : float
        Median of its good superpixels [unit of the images].
    superpixels : SuperpixelBackground
        The sky over the mosaic, as the first round measures it.
    backgrounds : dict
        Background of every detector, by its name.
    """

    level: float
    superpixels: SuperpixelBackground
    backgrounds: dict[Hashable, BackgroundModel]


def measure_visit_sky(
    detectors: Mapping[Any, tuple[MaskedImage, FrameTransform]],
    options: SuperpixelOptions,
    rounds: int = 3,
) -> VisitSky:
    """Measure the sky of a visit over all its detectors at once.

    A superpixel that a detector fills in part stands for the middle of what it holds, and its mean
    is used as if it were that of the whole. Rounds after the first measure what the background so
    far leaves and add it, which makes the means of all superpixels right.

    Parameters
    ----------
    detectors : mapping of name to (MaskedImage, FrameTransform)
        Images with objects masked, and where they are.
    options : SuperpixelOptions
        Grid.
    rounds : int
        Rounds, at least 1.

    Returns
    -------
    VisitSky
        Level and backgrounds.

    Raises
    ------
    NoDataError
        There are no detectors, or no superpixel is good.
    OptionError
        There is no round.
    """
    if rounds < 1:
        raise OptionError(f"rounds: got {rounds}, must be 1 or more")
    places = [(pixels.box, transform) for pixels, transform in detectors.values()]
    first = grid = SuperpixelBackground.covering(places, options)
    for pixels, transform in detectors.values():
        grid.add(pixels, transform)
    total = grid.statistics()
    for _ in range(rounds - 1):
        grid = SuperpixelBackground.covering(places, options)
        for pixels, transform in detectors.values():
            so_far = grid.background(pixels.box, transform, total)
            grid.add(without_background(pixels, so_far), transform)
        total = total + grid.statistics()
    return VisitSky(
        first.level(),
        first,
        {
            name: first.background(pixels.box, transform, total)
            for name, (pixels, transform) in detectors.items()
        },
    )


def without_background(pixels: MaskedImage, background: BackgroundModel) -> MaskedImage:
    """Copy of an image less a background; mask and variance are shared."""
    image = Image(pixels.image.array.copy(), pixels.box)
    background.subtract_from(image)
    return MaskedImage(image, pixels.mask, pixels.variance)


@dataclass
class SkyFrameBuilder:
    """Collects visits and averages them to a sky frame of every detector.

    Attributes
    ----------
    superpixels : SuperpixelOptions
        Grid of the large-scale sky that is taken out first.
    options : SkyOptions
        Bins of the sky frames.
    weighting : {"none", "level", "square", "variance"}
        Weight of a visit: 1, its sky level (noise of the sky), its square (noise of the readout),
        or one over the squared error of each of its bins.
    errors : {"scatter", "jackknife"}
        Errors of the frames; see `average_sky_bins`.
    levels : list of float
        Levels of the visits added.
    """

    superpixels: SuperpixelOptions
    options: SkyOptions = _DEFAULTS
    weighting: str = "level"
    errors: str = "scatter"
    levels: list[float] = field(default_factory=list)
    _bins: dict[Hashable, list[tuple[float, BackgroundModel]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weighting not in _WEIGHTINGS:
            raise OptionError(
                f"weighting: got {self.weighting!r}, must be one of {', '.join(_WEIGHTINGS)}"
            )
        if self.errors not in FRAME_ERRORS:
            raise OptionError(
                f"errors: got {self.errors!r}, must be one of {', '.join(FRAME_ERRORS)}"
            )

    def add_visit(self, detectors: Mapping[Any, tuple[MaskedImage, FrameTransform]]) -> VisitSky:
        """Add a visit: bins of (image - large-scale sky) / level of every detector.

        Parameters
        ----------
        detectors : mapping of name to (MaskedImage, FrameTransform)
            Images with objects masked, left as they are, and where they are.

        Returns
        -------
        VisitSky
            What was taken out.

        Raises
        ------
        NoDataError
            No superpixel is good, or the level of the sky is not above 0. The builder is then as
            it was.
        """
        sky = measure_visit_sky(detectors, self.superpixels)
        if not sky.level > 0:
            raise NoDataError(f"sky level: got {sky.level:g}, must be above 0 to divide by")
        weight = {"level": sky.level, "square": sky.level**2}.get(self.weighting, 1.0)
        bins = {
            name: measure_sky_bins(
                without_background(pixels, sky.backgrounds[name]), self.options
            ).scaled_by(1.0 / sky.level)
            for name, (pixels, _) in detectors.items()
        }
        for name, model in bins.items():
            self._bins.setdefault(name, []).append((weight, model))
        self.levels.append(sky.level)
        return sky

    def frames(self) -> dict[Hashable, BackgroundModel]:
        """Sky frame of every detector, by its name; see `average_sky_bins`.

        Raises
        ------
        NoDataError
            No visit was added, or a detector has no good bin in any.
        ShapeError
            Visits of a detector differ in box.
        """
        if not self._bins:
            raise NoDataError("sky frames: no visit was added")
        out = {}
        for name, pairs in self._bins.items():
            weights = np.array([weight for weight, _ in pairs])
            by_bin = self.weighting == "variance"
            try:
                out[name] = average_sky_bins(
                    [model for _, model in pairs],
                    None if by_bin else weights / weights.max(),
                    inverse_variance=by_bin,
                    errors=self.errors,
                )
            except (NoDataError, ValueError) as error:
                error.add_note(f"detector {name}")
                raise
        return out


def frame_of_wcs(box: Box, wcs: Any, origin: SkyCoord | None = None) -> AffineTransform:
    """Transform from the pixels of a detector to arcsec in a tangent plane.

    Parameters
    ----------
    box : Box
        Pixels of the detector.
    wcs : WCS
        Celestial WCS of its pixels.
    origin : SkyCoord, optional
        Where the plane touches the sky; by default the middle of the detector.

    Returns
    -------
    AffineTransform
        Least-squares fit to the four corners; places are (y, x) = (north, east).
    """
    if origin is None:
        middle = box.center
        origin = pixel_to_sky(wcs, y=middle[0], x=middle[1])
    y = np.array([box.y.min, box.y.min, box.y.max, box.y.max], float)
    x = np.array([box.x.min, box.x.max, box.x.min, box.x.max], float)
    east, north = origin.spherical_offsets_to(pixel_to_sky(wcs, y=y, x=x))
    design = np.stack([x, y, np.ones(4)], axis=1)
    rows: list[NDArray[np.float64]] = [
        np.linalg.lstsq(design, places.arcsec, rcond=None)[0] for places in (east, north)
    ]
    (a, b, c), (d, e, f) = (map(float, row) for row in rows)
    return AffineTransform(((a, b, c), (d, e, f)))

# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds as grids of bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepcoadd._core import background as _core
from deepcoadd.background._approximate import chebyshev_fit, chebyshev_image
from deepcoadd.background._options import BackgroundOptions
from deepcoadd.errors import ShapeError, TooManyMaskedPixelsError
from deepcoadd.geometry import Box, Interval
from deepcoadd.image import Image, MaskedImage
from deepcoadd.statistics import Property, StatsOptions

__all__ = ["BackgroundModel", "fit_background"]

_DEFAULTS = BackgroundOptions()


@dataclass(frozen=True)
class BackgroundModel:
    """Statistics of the bins of an image, and how to interpolate them.

    Attributes
    ----------
    values, variances : (ny, nx) float32 array
        Statistic of each bin and its squared error [unit of the image, and its square]; NaN where
        a bin has no good pixel.
    box : Box
        Pixels that the bins cover.
    options : BackgroundOptions
        Curve through the bins, or polynomial.
    """

    values: NDArray[np.float32]
    variances: NDArray[np.float32]
    box: Box
    options: BackgroundOptions

    def centers(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(ny,) and (nx,) float64: positions y and x of the bin centres [pixels]."""

        def along(axis: Interval, n: int) -> NDArray[np.float64]:
            edges = np.array(_core.edges(axis.size, n), np.float64)
            return np.asarray(axis.start - 0.5 + 0.5 * (edges[:-1] + edges[1:]))

        ny, nx = self.values.shape
        return along(self.box.y, ny), along(self.box.x, nx)

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the background, by default of the whole box.

        A curve is laid along y through the bins of each column, then along x; NaN where no bin
        of the grid is good (of a row: none of its columns).

        Raises
        ------
        ShapeError
            The box reaches outside the one that the bins cover.
        OptionError, SingularError
            Good bins are too few and may not be made do with.
        TooManyMaskedPixelsError
            There is no bin to fit a polynomial to.
        """
        box = self.box if box is None else box
        if not self.box.contains(box):
            raise ShapeError(f"box: got {box}, must be inside {self.box}")
        out = np.empty(box.shape, np.float32)
        if self.options.use_approx:
            y0, x0 = self.box.start
            first = (box.y.start - y0, box.x.start - x0)
            chebyshev_image(self._polynomial(), self.box.shape, first, out)
            return Image(out, box)
        _core.render(
            self.values,
            *(positions.tolist() for positions in self.centers()),
            style=self.options.algorithm,
            reduce=self._reduce,
            first=(float(box.y.start), float(box.x.start)),
            out=out,
        )
        return Image(out, box)

    @property
    def _reduce(self) -> bool:
        return self.options.undersample_style == "REDUCE_INTERP_ORDER"

    def _polynomial(self) -> NDArray[np.float64]:
        y, x = self.centers()
        order = self.options.approx_order
        if self._reduce:
            order = min(order, y.size - 1, x.size - 1)
        weights = None
        if self.options.weighting:
            with np.errstate(divide="ignore"):
                weights = 1.0 / self.variances.astype(np.float64)
        y0, x0 = self.box.start
        return chebyshev_fit(
            self.values, weights, (y - y0, x - x0), self.box.shape, order, reduce=self._reduce
        )


def fit_background(pixels: MaskedImage, options: BackgroundOptions = _DEFAULTS) -> BackgroundModel:
    """Measure the background of an image in bins.

    Parameters
    ----------
    pixels : MaskedImage
        float32. Pixels of the ignored planes and those that are not finite do not count.
    options : BackgroundOptions
        Bins, statistic, curve.

    Returns
    -------
    BackgroundModel
        Bins of nearly equal size; ``docs/algorithms/background.md``.

    Raises
    ------
    TooManyMaskedPixelsError
        The image has no good pixel.
    ShapeError
        The image has no pixels.
    """
    if pixels.box.is_empty:
        raise ShapeError("image: got no pixels, must have at least one")
    planes = pixels.planes
    stats = StatsOptions(bad_bits=planes.known_bitmask(options.ignored_planes))
    image, mask, variance = (
        np.ascontiguousarray(plane.array) for plane in (pixels.image, pixels.mask, pixels.variance)
    )
    ny, nx = options.bins(pixels.box.shape)
    values, variances = _core.bin_statistics(
        image,
        mask,
        variance,
        bins=(ny, nx),
        property=int(Property.parse(options.statistic)),
        options=stats.core_options(),
    )
    if np.isnan(values).all():
        raise TooManyMaskedPixelsError(
            f"background: none of {pixels.box.area} pixels is good "
            f"(finite and without {', '.join(options.ignored_planes)})"
        )
    return BackgroundModel(values, variances, pixels.box, options)

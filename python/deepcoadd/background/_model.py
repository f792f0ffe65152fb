# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds as grids of bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepcoadd._checks import check_finite
from deepcoadd._core import background as _core
from deepcoadd.background._approximate import Polynomial, fit_polynomial
from deepcoadd.background._cells import fill_cells
from deepcoadd.background._curves import Curves
from deepcoadd.background._grid import bin_centers
from deepcoadd.background._options import BackgroundOptions
from deepcoadd.background._planes import whole_rows
from deepcoadd.errors import ShapeError, TooManyMaskedPixelsError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.interop.afw_names import BackgroundNames
from deepcoadd.mask import Mask
from deepcoadd.statistics import Property, StatsOptions

__all__ = ["BackgroundModel", "fit_background"]

_DEFAULTS = BackgroundOptions()


@dataclass(frozen=True)
class BackgroundModel(BackgroundNames):
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
    mask : Mask, optional
        Mask words of the bins, (ny, nx); kept, but without influence on the image.
    counts : (ny, nx) uint32 array, optional
        Exposures behind each bin of a sky frame.
    """

    values: NDArray[np.float32]
    variances: NDArray[np.float32]
    box: Box
    options: BackgroundOptions
    mask: Mask | None = None
    counts: NDArray[np.uint32] | None = None

    @property
    def statistics(self) -> MaskedImage:
        """One pixel a bin: value, mask word, squared error; float32, int32, float32 copies."""
        words = None if self.mask is None else self.mask.array.copy()
        out = MaskedImage.from_arrays(self.values.copy(), words, self.variances.copy())
        if self.mask is None:
            return out
        return MaskedImage(out.image, Mask(out.mask.array, None, self.mask.planes), out.variance)

    def centers(self) -> tuple[NDArray[np.float64], ...]:
        """(ny,) and (nx,) float64: positions y and x of the bin centres [pixels]."""
        ny, nx = self.values.shape
        return bin_centers(self.box, (ny, nx))

    def image(self, box: Box | None = None) -> Image:
        """float32 image of the background, by default of the whole box.

        A curve is laid along y through the bins of each column, then along x; NaN where no bin
        of the grid is good (of a row: none of its columns). A part has the pixels that it has in
        the whole.

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
        out = Image(np.empty(box.shape, np.float32), box)
        self._render(out, None)
        return out

    def add_to(self, image: Image, factor: float = 1.0) -> None:
        """Add the background to an image in one pass, without an image of its own.

        Parameters
        ----------
        image : Image
            float32 image inside the box that the bins cover; changed.
        factor : float
            What to multiply the background by first; used as float32, in which it is finite. -1
            subtracts.

        Raises
        ------
        ShapeError, OptionError, SingularError, TooManyMaskedPixelsError
            As for `image`; the image given is then as it was.
        """
        check_finite("factor", factor)
        self._render(image, float(factor))

    def subtract_from(self, image: Image) -> None:
        """Subtract the background from an image: ``add_to(image, -1)``."""
        self.add_to(image, -1.0)

    def scaled_by(self, factor: float) -> BackgroundModel:
        """The background times a finite factor, with variances times its square."""
        check_finite("factor", factor)
        times = np.float32(factor)
        return replace(self, values=self.values * times, variances=self.variances * times**2)

    def filled(self, style: str | None = None) -> BackgroundModel:
        """The background with values in its empty bins; see `fill_cells`.

        Values come from the other bins; the variances of filled bins stay NaN, so that weighted
        polynomials do not count them.
        """
        filled = fill_cells(self.values, None, style).astype(np.float32)
        variances = np.where(np.isnan(self.values), np.float32(np.nan), self.variances)
        return replace(self, values=filled, variances=variances)

    def polynomial(self) -> Polynomial:
        """Chebyshev polynomial through the bins, with the covariance of its factors.

        Raises
        ------
        TooManyMaskedPixelsError
            There is no bin to fit it to.
        SingularError
            The good bins do not determine all terms, and the order may not be lowered.
        """
        return fit_polynomial(self.values, self.variances, self.box, self.options)

    def curves(self) -> Curves:
        """Places of the bins and the curves through them, local to the box."""
        y, x = self.centers()
        return Curves.of(self.options, (y - self.box.y.start, x - self.box.x.start))

    def _render(self, image: Image, factor: float | None) -> None:
        box = image.box
        if not self.box.contains(box):
            raise ShapeError(f"box: got {box}, must be inside {self.box}")
        if self.options.use_approx:
            self.polynomial().render(box, image.array, factor)
            return
        (y0, x0), (y, x) = self.box.start, box.start
        first = (float(y - y0), float(x - x0))
        _core.render(self.values, self.curves(), first=first, factor=factor, out=image.array)


def fit_background(
    pixels: MaskedImage, options: BackgroundOptions = _DEFAULTS, *, allow_empty: bool = False
) -> BackgroundModel:
    """Measure the background of an image in bins.

    Parameters
    ----------
    pixels : MaskedImage
        float32. Pixels of the ignored planes and those that are not finite do not count.
    options : BackgroundOptions
        Bins, statistic, curve.
    allow_empty : bool
        Return NaN bins instead of raising when no pixel is good.

    Returns
    -------
    BackgroundModel
        Bins of nearly equal size; ``docs/algorithms/background.md``.

    Raises
    ------
    TooManyMaskedPixelsError
        The image has no good pixel.
    OptionError
        A polynomial needs more bins along an axis than there are, and may not be made do with.
    ShapeError
        The image has no pixels.
    """
    if pixels.box.is_empty:
        raise ShapeError("image: got no pixels, must have at least one")
    stats = StatsOptions(
        bad_bits=pixels.planes.known_bitmask(options.ignored_planes),
        sigma_clip=options.sigma_clip,
        n_iter=options.n_iter,
    )
    grid = options.grid(pixels.box.shape)
    values, variances = _core.bin_statistics(
        *whole_rows(pixels),
        bins=grid.shape,
        property=int(Property.parse(options.statistic)),
        options=stats.core_options(),
    )
    if not allow_empty and np.isnan(values).all():
        raise TooManyMaskedPixelsError(
            f"background: none of {pixels.box.area} pixels is good "
            f"(finite and without {', '.join(options.ignored_planes)})"
        )
    return BackgroundModel(values, variances, pixels.box, options)

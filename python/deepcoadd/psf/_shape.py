# SPDX-License-Identifier: BSD-3-Clause
"""Size and shape of PSF models: adaptive second moments."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from deepcoadd.errors import NoDataError, ShapeError
from deepcoadd.image import Image
from deepcoadd.psf._base import Floats, Psf
from deepcoadd.psf._models import GaussianPsf

__all__ = ["PsfShape", "adaptive_shape", "determinant_radius", "psf_shape"]

_MAX_ITERATIONS = 100
_START = 1.5
_MAX_REACH = 1000.0
_FAR = 14.0  # exp(-7) of the peak of the weight
_FAR_FINE = 9.0
_SMALLEST_DETERMINANT = 1.2e-7
_OFFSETS = (-0.375, -0.125, 0.125, 0.375)


class PsfShape(NamedTuple):
    """Second moments of an image [pixels squared].

    Attributes
    ----------
    yy, xx, xy : float
        Moments about the centre.
    adaptive : bool
        Whether the iteration converged; otherwise these are the unweighted moments.
    """

    yy: float
    xx: float
    xy: float
    adaptive: bool = True

    @property
    def determinant(self) -> float:
        """Of the matrix of moments [pixels to the fourth]."""
        return self.yy * self.xx - self.xy * self.xy

    def getIxx(self) -> float:  # noqa: N802  (documented getter)
        """Return the moment along x."""
        return self.xx

    def getIyy(self) -> float:  # noqa: N802  (documented getter)
        """Return the moment along y."""
        return self.yy

    def getIxy(self) -> float:  # noqa: N802  (documented getter)
        """Return the mixed moment."""
        return self.xy

    def getDeterminantRadius(self) -> float:  # noqa: N802  (documented getter)
        """Return the fourth root of the determinant."""
        return self.determinant_radius

    @property
    def determinant_radius(self) -> float:
        """Fourth root of the determinant: sigma of a round Gaussian; NaN for no real size."""
        determinant = self.determinant
        return determinant**0.25 if determinant > 0 else math.nan


class _Stamp:
    """Pixels about a centre, and their weighted moments."""

    def __init__(self, array: Floats, center: tuple[float, float]) -> None:
        self.array = array
        self.center = center
        self.fine = False

    def _cut(self, weight: PsfShape) -> tuple[Floats, Floats, Floats]:
        """Pixels that may count, and their distances (y, x) from the centre."""
        reach = min(4.0 * math.sqrt(max(weight.yy, weight.xx)), _MAX_REACH)
        ranges = []
        for c, n in zip(self.center, self.array.shape, strict=True):
            first, last = max(math.ceil(c - reach), 0), min(math.floor(c + reach), n - 1)
            ranges.append((first, last + 1))
        (y0, y1), (x0, x1) = ranges
        y = np.arange(y0, y1)[:, None] - self.center[0]
        x = np.arange(x0, x1)[None, :] - self.center[1]
        return self.array[y0:y1, x0:x1], y, x

    def moments(self, weight: PsfShape) -> PsfShape | None:
        """Moments weighted by a Gaussian of shape `weight`; None where they have no meaning."""
        pixels, y, x = self._cut(weight)
        det = weight.determinant
        a, b, c = weight.yy / det, -2.0 * weight.xy / det, weight.xx / det

        def exponent(dy: float, dx: float) -> Floats:
            return np.asarray(a * (x + dx) ** 2 + b * (x + dx) * (y + dy) + c * (y + dy) ** 2)

        if self.fine:
            shifts = [(dy, dx) for dy in _OFFSETS for dx in _OFFSETS]
            ends = (_OFFSETS[0], _OFFSETS[-1])
            worst = np.max([exponent(dy, dx) for dy in ends for dx in ends], axis=0)
            used = np.where(worst <= _FAR_FINE, pixels, 0.0)
        else:
            shifts = [(0.0, 0.0)]
            used = np.where(exponent(0.0, 0.0) <= _FAR, pixels, 0.0)
        sums = np.zeros(4)
        for dy, dx in shifts:
            light = used * np.exp(-0.5 * exponent(dy, dx))
            ys, xs = y + dy, x + dx
            terms = (light, light * ys * ys, light * xs * xs, light * ys * xs)
            sums += [term.sum() for term in terms]
        total, yy, xx, xy = sums
        if not (total > 0 and yy > 0 and xx > 0):
            return None
        return PsfShape(float(yy / total), float(xx / total), float(xy / total))


def _refined(weight: PsfShape, moments: PsfShape) -> PsfShape | None:
    """Weight whose product with the object has the moments found; None if there is none."""
    det_m, det_w = moments.determinant, weight.determinant
    if det_m < _SMALLEST_DETERMINANT or det_w < _SMALLEST_DETERMINANT:
        return None
    inverse = [
        getattr(moments, name) / det_m - getattr(weight, name) / det_w
        for name in ("xx", "yy", "xy")
    ]
    n_yy, n_xx, n_xy = inverse[0], inverse[1], -inverse[2]
    det = n_yy * n_xx - n_xy * n_xy
    if det < _SMALLEST_DETERMINANT:
        return None
    out = PsfShape(n_xx / det, n_yy / det, -n_xy / det)
    return out if out.yy > 0 and out.xx > 0 else None


def _settled(moments: PsfShape, last: PsfShape | None) -> bool:
    """Whether ellipticity and size no longer change."""
    if last is None:
        return False
    pairs = []
    for m in (moments, last):
        trace = m.xx + m.yy
        pairs.append(((m.xx - m.yy) / trace, 2.0 * m.xy / trace))
    (e1, e2), (f1, f2) = pairs
    return abs(e1 - f1) < 1e-5 and abs(e2 - f2) < 1e-5 and abs(moments.xx / last.xx - 1.0) < 1e-4


def _iterated(stamp: _Stamp) -> PsfShape | None:
    weight = previous = PsfShape(_START, _START, 0.0)
    last: PsfShape | None = None
    for iteration in range(_MAX_ITERATIONS):
        small = min(weight.xx, weight.yy) < 0.25 or weight.determinant < 0.0625
        if small and not stamp.fine:
            stamp.fine = True
            if iteration:
                weight, last = previous, None
        moments = stamp.moments(weight)
        if moments is None:
            return None
        if _settled(moments, last):
            return weight
        refined = _refined(weight, moments)
        if refined is None:
            return None
        previous, weight, last = weight, refined, moments
    return None


def adaptive_shape(image: Image, *, y: float = 0.0, x: float = 0.0) -> PsfShape:
    """Second moments with the weight that matches the object.

    Parameters
    ----------
    image : Image
        (ny, nx) finite pixels; at least one.
    y, x : float
        Centre of the object, in the frame of the image.

    Returns
    -------
    PsfShape
        Shape of the matched Gaussian weight; of a Gaussian object, its own. Where the iteration
        fails, the unweighted moments, with `adaptive` off.

    Raises
    ------
    ShapeError
        The image has no pixels.

    Notes
    -----
    ``docs/algorithms/detection.md``, "Size of the PSF".
    """
    if image.box.is_empty:
        raise ShapeError("image: got no pixels, must have at least one")
    array = np.asarray(image.array, np.float64)
    center = (y - image.box.y.start, x - image.box.x.start)
    found = _iterated(_Stamp(array, center))
    if found is not None:
        return found
    ys = np.arange(array.shape[0])[:, None] - center[0]
    xs = np.arange(array.shape[1])[None, :] - center[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        yy, xx, xy = (np.sum(array * w) / array.sum() for w in (ys * ys, xs * xs, ys * xs))
    return PsfShape(float(yy), float(xx), float(xy), adaptive=False)


def psf_shape(psf: Psf, *, y: float | None = None, x: float | None = None) -> PsfShape:
    """Second moments of a PSF at a position; by default at its average position.

    A `GaussianPsf` gives the moments of its Gaussian exactly, others those of the kernel image.

    Raises
    ------
    NoDataError
        The PSF is a placeholder, or cannot be evaluated there.
    """
    if isinstance(psf, GaussianPsf):
        return PsfShape(psf.sigma**2, psf.sigma**2, 0.0)
    return adaptive_shape(psf.kernel_image(y=y, x=x))


def determinant_radius(psf: Psf, *, y: float | None = None, x: float | None = None) -> float:
    """Sigma [pixels] of a PSF: fourth root of the determinant of its moments.

    Raises
    ------
    NoDataError
        The PSF cannot be evaluated there, or has no finite size above 0.
    """
    if isinstance(psf, GaussianPsf):
        return psf.sigma
    radius = psf_shape(psf, y=y, x=x).determinant_radius
    if not (math.isfinite(radius) and radius > 0):
        raise NoDataError(f"PSF {psf!r}: its size is {radius}, must be finite and > 0")
    return radius

# SPDX-License-Identifier: BSD-3-Clause
"""Smoothing and thresholding in plain numpy, for the DETECTED plane and the PSF-matched twins.

Nothing here comes from the package's own convolution or detection, so that simulated truth is
independent of what it tests.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["detected", "dilated", "gaussian_taps", "smoothed"]

_REACH = 5.0


def gaussian_taps(sigma: float) -> npt.NDArray[np.float64]:
    """(2 r + 1,) Gaussian of sum 1, r = 5 sigma rounded up; a single 1 for sigma 0."""
    if sigma < 0.05:
        return np.ones(1)
    r = math.ceil(_REACH * sigma)
    taps = np.exp(-0.5 * (np.arange(-r, r + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def smoothed(
    image: npt.NDArray[np.float32], taps: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Image correlated with taps along both axes; outside, the edge pixels go on."""
    out = image
    r = taps.size // 2
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (r, r)
        wide = np.pad(out, padding, mode="edge")
        n = out.shape[axis]
        total = np.zeros_like(out)
        for k, tap in enumerate(taps.astype(np.float32)):
            total += tap * (wide[k : k + n] if axis == 0 else wide[:, k : k + n])
        out = total
    return out


def dilated(mask: npt.NDArray[np.bool_], radius: float) -> npt.NDArray[np.bool_]:
    """Pixels within `radius` (between centres) of a pixel of the mask."""
    r = math.floor(radius)
    if r < 1:
        return mask.copy()
    ny = mask.shape[0]
    out = np.zeros_like(mask)
    # A disc is a stack of rows: widen each row once per half-width, then shift it up and down.
    counts = np.pad(np.cumsum(mask, axis=1, dtype=np.int32), ((0, 0), (r + 1, r)), mode="edge")
    counts[:, : r + 1] = 0
    nx = mask.shape[1]
    for dy in range(r + 1):
        half = math.floor(math.sqrt(radius * radius - dy * dy))
        wide = counts[:, r + 1 + half : r + 1 + half + nx] > counts[:, r - half : r - half + nx]
        out[dy:] |= wide[: ny - dy]
        out[: ny - dy] |= wide[dy:]
    return out


def detected(
    light: npt.NDArray[np.float32],
    variance: npt.NDArray[np.float32],
    sigma: float,
    threshold: float,
    grow: float,
) -> npt.NDArray[np.bool_]:
    """Where noiseless light, smoothed by a Gaussian, stands out of the smoothed noise.

    Parameters
    ----------
    light, variance : (ny, nx) float32 arrays
        Noiseless light above the background, and the variance of the noise.
    sigma : float
        Of the Gaussian, pixels.
    threshold : float
        In units of the noise of the smoothed image, sqrt(variance * sum of squared weights).
    grow : float
        Radius by which the pixels found are grown, in units of `sigma`.
    """
    taps = gaussian_taps(sigma)
    noise = np.sqrt(variance) * np.float32(np.sum(taps**2))
    found = smoothed(light, taps) > np.float32(threshold) * noise
    return dilated(found, int(grow * sigma + 0.5))

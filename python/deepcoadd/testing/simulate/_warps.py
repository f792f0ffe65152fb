# SPDX-License-Identifier: BSD-3-Clause
"""A few warps of a clean sky, for examples and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from deepcoadd.errors import OptionError
from deepcoadd.exposure import Exposure
from deepcoadd.testing.simulate._options import (
    NoiseOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
)
from deepcoadd.testing.simulate._scene import simulate_scene

__all__ = ["simulate_warps"]


def simulate_warps(
    n: int = 10,
    shape: tuple[int, int] = (256, 256),
    *,
    seed: int = 0,
    start: tuple[int, int] = (0, 0),
    satellite_in: int | Sequence[int] | None = None,
    n_sources: int = 30,
    psf_sigma: float = 2.0,
    noise: float = 10.0,
) -> tuple[list[Exposure], npt.NDArray[np.float32]]:
    """Warps of faint stars and galaxies on a clean sky, and the noiseless sky.

    All visits have the same PSF and the same noise, so that any weighted mean of them estimates
    the one truth.

    Parameters
    ----------
    n, seed : int
        Number of visits, and what everything follows from.
    shape, start : (int, int)
        (ny, nx) pixels; first pixel (y0, x0).
    satellite_in : int, or sequence of int, optional
        Visits (from 0) that a satellite crosses; its trail, 10 to 60 times as bright as the noise,
        is not masked.
    n_sources : int
        Stars and galaxies, half each, of at most 20 times the noise in their brightest pixel.
    psf_sigma : float
        Sigma of the Gaussian PSF, pixels.
    noise : float
        Noise of a pixel of the sky, nJy; that of a source is a little higher.

    Returns
    -------
    warps : list of Exposure
        float32 image and variance in nJy and nJy**2.
    truth : (ny, nx) float32 array
        The noiseless sky at the PSF of the visits, nJy a pixel.

    Raises
    ------
    OptionError
        An argument has a value that is not allowed.

    Examples
    --------
    >>> warps, truth = simulate_warps(n=3, shape=(32, 48), seed=1, satellite_in=2)
    >>> len(warps), truth.shape
    (3, (32, 48))
    """
    if not noise > 0:
        raise OptionError(f"noise = {noise!r}: expected a number above 0")
    options = _plain_sky(n_sources, psf_sigma, noise)
    crossed = (satellite_in,) if isinstance(satellite_in, int) else tuple(satellite_in or ())
    trails = SatelliteOptions(visits=crossed, peak=(10.0, 60.0))
    scene = simulate_scene(
        replace(options, n_visits=n, shape=shape, start=start, seed=seed, satellites=trails)
    )
    return scene.warps, scene.truth.sky()


def _plain_sky(n_sources: int, psf_sigma: float, noise: float) -> SceneOptions:
    """Options of faint sources that all visits see with one PSF and one noise."""
    brightest = 20.0 * noise * 2.0 * np.pi * psf_sigma**2
    gain = 20.0 / noise
    level = noise**2 * gain
    return SceneOptions(
        sources=SourceOptions(
            n_stars=n_sources - n_sources // 2,
            n_galaxies=n_sources // 2,
            flux=(0.02 * brightest, brightest),
        ),
        psf=PsfOptions(sigma=(psf_sigma, psf_sigma)),
        noise=NoiseOptions(gain=gain, read_noise=0.0, sky_level=(level, level)),
    )

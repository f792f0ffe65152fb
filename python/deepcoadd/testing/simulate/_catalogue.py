# SPDX-License-Identifier: BSD-3-Clause
"""The sources of a scene: positions, fluxes and shapes, and how they look through a PSF."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from astropy.wcs import WCS

from deepcoadd.photocalib import AB_ZERO_FLUX_NJY
from deepcoadd.testing.simulate._observation import tan_wcs
from deepcoadd.testing.simulate._options import Range, SceneOptions
from deepcoadd.testing.simulate._profiles import Canvas, Profile
from deepcoadd.testing.simulate._random import Stream, generator
from deepcoadd.wcs import pixel_to_sky

__all__ = ["draw_catalogue", "render_sky"]


def draw_catalogue(options: SceneOptions, wcs: WCS | None = None) -> Table:
    """Table of the sources of a scene, one row each, stars first.

    Parameters
    ----------
    options : SceneOptions
        The scene.
    wcs : WCS, optional
        Its WCS, if it is at hand.

    Returns
    -------
    Table
        As `Truth.catalogue`.

    Notes
    -----
    Columns: id; kind ("star", "galaxy"); y, x (parent pixels); ra, dec (deg); flux (nJy);
    magnitude (AB); radius (half-light, major axis, pixels); axis_ratio; angle (rad, from x to y).
    """
    sources = options.sources
    rng = generator(options.seed, Stream.CATALOGUE)
    n = sources.n_stars + sources.n_galaxies
    is_star = np.arange(n) < sources.n_stars
    position = [
        rng.uniform(first - 0.5 - sources.margin, first + size - 0.5 + sources.margin, n)
        for first, size in zip(options.start, options.shape, strict=True)
    ]
    flux = _fluxes(rng.uniform(size=n), sources.flux, sources.slope)
    sky = pixel_to_sky(tan_wcs(options) if wcs is None else wcs, y=position[0], x=position[1])
    columns = {
        "id": np.arange(1, n + 1),
        "kind": np.where(is_star, "star", "galaxy"),
        "y": position[0] * u.pix,
        "x": position[1] * u.pix,
        "ra": sky.ra.to(u.deg),
        "dec": sky.dec.to(u.deg),
        "flux": flux * u.nJy,
        "magnitude": -2.5 * np.log10(flux / AB_ZERO_FLUX_NJY) * u.mag,
        "radius": np.where(is_star, 0.0, rng.uniform(*sources.galaxy_radius, n)) * u.pix,
        "axis_ratio": np.where(is_star, 1.0, rng.uniform(0.3, 1.0, n)),
        "angle": np.where(is_star, 0.0, rng.uniform(0.0, math.pi, n)) * u.rad,
    }
    return Table(columns)


def _fluxes(
    quantile: npt.NDArray[np.float64], pair: Range, slope: float
) -> npt.NDArray[np.float64]:
    """Fluxes at quantiles of a power law: the number brighter than f goes as f**-slope."""
    low, high = pair
    if abs(slope) < 1e-9:
        return np.asarray(low * (high / low) ** quantile)
    ends = low**-slope, high**-slope
    return np.asarray((ends[0] + quantile * (ends[1] - ends[0])) ** (-1.0 / slope))


def render_sky(
    catalogue: Table, profile: Profile, shape: tuple[int, int], start: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """(ny, nx) float32 noiseless image, nJy a pixel, of the sources seen with a PSF."""
    canvas = Canvas(shape, start)
    for row in zip(
        *(catalogue[name].tolist() for name in ("y", "x", "flux", "radius", "axis_ratio", "angle")),
        strict=True,
    ):
        y, x, flux, radius, axis_ratio, angle = row
        if radius == 0.0:
            canvas.add_star(profile, y=y, x=x, flux=flux)
        else:
            canvas.add_galaxy(
                profile, y=y, x=x, flux=flux, radius=radius, axis_ratio=axis_ratio, angle=angle
            )
    return canvas.array.astype(np.float32)

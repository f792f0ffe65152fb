# SPDX-License-Identifier: BSD-3-Clause
"""The sky of a visit: large scales over all its detectors, and its share of sky frames, at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd.background._grid import bin_centers
from deepcoadd.background._model import BackgroundModel
from deepcoadd.background._sky_options import SkyOptions
from deepcoadd.background._sky_scale import (
    SkySamples,
    SkyScale,
    kept_samples,
    noise_gain,
    sample_sky,
    subtract_sky_frame,
)
from deepcoadd.background._superpixels import (
    FrameTransform,
    SuperpixelBackground,
    SuperpixelOptions,
)
from deepcoadd.errors import NoDataError, OptionError, SingularError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage

__all__ = [
    "LargeScales",
    "VisitSky",
    "fit_visit",
    "joined_samples",
    "mask_visit_objects",
    "measure_visit_sky",
    "without_background",
]

_DEFAULTS = SkyOptions()

Floats = NDArray[np.float64]
Places = Mapping[Any, tuple[Box, FrameTransform]]

_MOST_SUPERPIXELS = 5000
"""Superpixels whose normal equations are still factorised (200 MB, some seconds)."""

_BINNING = 16
"""Most pixels between the bins of the background of a detector."""

_STIFFNESS = 1e-6
"""Weight of the bending of the grid against that of the samples of a superpixel: what no sample
determines is as smooth as possible."""

_NOTHING = 1e-6
"""Share of the squares of a frame that is left beside a grid that contains it."""


@dataclass(frozen=True)
class VisitSky:
    """Sky of a visit.

    Attributes
    ----------
    level : float
        Mean of the large-scale sky over the bins of all detectors [unit of the images].
    backgrounds : dict
        Large-scale sky of every detector, by its name.
    scale : SkyScale or None
        Multiple of the sky frames, where there are any. Samples are the bins of one detector after
        the other; the grid is not among the nuisances.
    samples : dict
        Bins of every detector, by its name.
    """

    level: float
    backgrounds: dict[Hashable, BackgroundModel]
    scale: SkyScale | None
    samples: dict[Hashable, SkySamples]


class LargeScales:
    """Bilinear functions on a grid of superpixels, at the middles of the bins of detectors.

    Parameters
    ----------
    places : mapping of name to (Box, FrameTransform)
        Pixels of the detectors, and where they are.
    bins : mapping of name to (int, int)
        Bins (ny, nx) of each.
    options : SuperpixelOptions
        Grid.

    Raises
    ------
    OptionError
        There are too many superpixels.
    """

    def __init__(
        self, places: Places, bins: Mapping[Any, tuple[int, int]], options: SuperpixelOptions
    ) -> None:
        # The surface has edges, which wide bins and smooth curves through them would round.
        fine = replace(options, binning=min(options.binning, _BINNING), algorithm="LINEAR")
        self.grid = SuperpixelBackground.covering(places.values(), fine)
        ny, nx = self.shape = self.grid.numbers.shape
        if ny * nx > _MOST_SUPERPIXELS:
            raise OptionError(
                f"y_size, x_size: got {options.y_size:g}, {options.x_size:g}, which make {ny} x "
                f"{nx} superpixels; must be at most {_MOST_SUPERPIXELS}"
            )
        positions = [self._positions(*places[name], bins[name]) for name in places]
        j, i = (np.concatenate(parts) for parts in zip(*positions, strict=True))
        j0, i0 = (np.clip(np.floor(v).astype(np.int64), 0, n - 2) for v, n in ((j, ny), (i, nx)))
        v, u = j - j0, i - i0
        corners = ((0, 0, (1 - v) * (1 - u)), (0, 1, (1 - v) * u), (1, 0, v * (1 - u)))
        parts = [*corners, (1, 1, v * u)]
        self.index = np.stack([(j0 + a) * nx + i0 + b for a, b, _ in parts])
        self.weight = np.stack([share for _, _, share in parts])
        self.bending = np.kron(_bending(ny), np.eye(nx)) + np.kron(np.eye(ny), _bending(nx))

    def _positions(
        self, box: Box, transform: FrameTransform, bins: tuple[int, int]
    ) -> tuple[Floats, Floats]:
        y, x = np.meshgrid(*bin_centers(box, bins), indexing="ij")
        return self.grid.position(*transform.to_frame(y.ravel(), x.ravel()))

    def held(self, numbers: Floats) -> Floats:
        """(superpixels,): sum of numbers of the samples, shared among the superpixels."""
        shares = [
            np.bincount(index, weight * numbers, self.shape[0] * self.shape[1])
            for index, weight in zip(self.index, self.weight, strict=True)
        ]
        return np.asarray(np.sum(shares, axis=0))

    def fit(self, values: Floats, weights: Floats) -> Floats:
        """(superpixels, k): least-squares values on the grid of (n, k) samples of weights (n,)."""
        n = self.shape[0] * self.shape[1]
        sums, right = np.zeros(n * n), np.zeros((n, values.shape[1]))
        for a, share in zip(self.index, self.weight, strict=True):
            weighted = weights * share
            for b, other in zip(self.index, self.weight, strict=True):
                sums += np.bincount(a * n + b, weighted * other, n * n)
            for k in range(values.shape[1]):
                right[:, k] += np.bincount(a, weighted * values[:, k], n)
        matrix = sums.reshape(n, n)
        stiffness = _STIFFNESS * float(np.trace(matrix)) / n
        # Corners that nothing touches have no bending of their own.
        matrix += stiffness * (self.bending + 1e-9 * np.eye(n))
        return np.asarray(np.linalg.solve(matrix, right))

    def at_bins(self, nodes: Floats) -> Floats:
        """(n,) values of a grid at the samples."""
        return np.asarray((self.weight * nodes[self.index]).sum(axis=0))


def _bending(n: int) -> Floats:
    """Quadratic form of the second differences along an axis."""
    second = np.diff(np.eye(n), 2, axis=0)
    return np.asarray(second.T @ second)


@dataclass(frozen=True)
class VisitFit:
    """Grid and scale that fit the samples of a visit."""

    nodes: Floats
    scale: SkyScale | None


def fit_visit(
    large: LargeScales,
    image: Floats,
    weights: Floats,
    sky: Floats | None,
    noise: Floats,
    options: SkyOptions,
) -> VisitFit:
    """Fit a grid, and a multiple of sky frames beside it, to the samples of a visit.

    Parameters
    ----------
    large : LargeScales
        The grid.
    image, weights : (n,) float64 array
        Samples, finite, and one over their squared errors; 0: does not count.
    sky : (n,) float64 array, optional
        Samples of the sky frames; without any the grid is fitted alone.
    noise : (n,) float64 array
        Squared errors of the samples of the frames.
    options : SkyOptions
        Rejection of samples.

    Raises
    ------
    NoDataError
        No sample counts.
    SingularError
        The grid can be what the frames are.
    """
    columns = np.stack([image] if sky is None else [image, sky], axis=1)
    root, good = np.sqrt(weights), weights > 0
    largest = float(np.max(np.abs(image * root), initial=0.0))
    for last in (*(False,) * options.max_rounds, True):
        if not good.any():
            raise NoDataError("sky: no sample of any detector counts")
        nodes = large.fit(columns, np.where(good, weights, 0.0))
        left = columns - np.stack([large.at_bins(part) for part in nodes.T], axis=1)
        factor, variance = (0.0, np.inf) if sky is None else _factor(left, sky, weights * good)
        residual = (left[:, 0] - factor * left[:, -1] * (sky is not None)) * root
        kept = None if last else kept_samples(residual, good, options.reject, largest)
        if kept is None or bool((kept == good).all()):
            break
        good = kept
    if sky is None:
        return VisitFit(nodes[:, 0], None)
    used, n_nodes = int(good.sum()), int((large.held(good.astype(float)) > 0).sum())
    share = max(1.0 - n_nodes / used, 0.0)
    gain = noise_gain(float((noise * weights)[good].sum()) * share, 1.0 / variance)
    scale = SkyScale(
        factor * gain,
        float(np.sqrt(variance)) * gain,
        float(np.sum(residual[good] ** 2)),
        used,
        len(image),
        1 + n_nodes,
        np.zeros((0, 0)),
        good,
    )
    return VisitFit(nodes[:, 0] - scale.scale * nodes[:, 1], scale)


def _factor(left: Floats, sky: Floats, weights: Floats) -> tuple[float, float]:
    """Multiple of the frames in what the grid leaves, and its squared error."""
    square = float(np.sum(weights * left[:, 1] ** 2))
    whole = float(np.sum(weights * sky**2))
    if whole == 0:
        return 0.0, np.inf
    if square <= _NOTHING * whole:
        raise SingularError("sky frame: it cannot be told from the large-scale sky")
    return float(np.sum(weights * left[:, 0] * left[:, 1])) / square, 1.0 / square


def measure_visit_sky(
    detectors: Mapping[Any, tuple[MaskedImage, FrameTransform]],
    superpixels: SuperpixelOptions,
    options: SkyOptions = _DEFAULTS,
    frames: Mapping[Any, BackgroundModel] | None = None,
) -> VisitSky:
    """Measure the sky of a visit over all its detectors at once.

    The bins of all detectors are fitted by a grid of superpixels, bilinear between their middles,
    and by one multiple of the sky frames beside it: neither takes what belongs to the other.

    Parameters
    ----------
    detectors : mapping of name to (MaskedImage, FrameTransform)
        Images, best with objects masked, and where they are.
    superpixels : SuperpixelOptions
        Grid; `fill`, `smooth` and `algorithm` are not used, and `binning` at most at 16.
    options : SkyOptions
        Bins, rejection, planes of pixels that do not count. Samples are the bins always; nuisance
        terms are those of the grid.
    frames : mapping of name to BackgroundModel, optional
        Sky frame of every detector.

    Returns
    -------
    VisitSky
        Level, backgrounds, scale.

    Raises
    ------
    NoDataError
        There are no detectors, one has no sky frame, or no superpixel holds enough good pixels.
    ShapeError
        A sky frame covers other pixels than its detector.
    SingularError
        The sky frames cannot be told from the grid.
    OptionError
        There are too many superpixels.
    """
    if not detectors:
        raise NoDataError("superpixels: got no detectors, must be at least one")
    options = replace(
        options,
        samples="bins",
        same_pixels=True,
        ignored_planes=tuple(
            dict.fromkeys((*options.background.ignored_planes, *options.ignored_planes))
        ),
    )
    samples, bins = {}, {}
    for name, (pixels, _) in detectors.items():
        if frames is not None and name not in frames:
            raise NoDataError(f"sky frames: there is none of detector {name}")
        sky = _nothing(pixels, options) if frames is None else frames[name]
        samples[name] = sample_sky(pixels, sky, options)
        bins[name] = sky.values.shape
    large = LargeScales(
        {name: (pixels.box, transform) for name, (pixels, transform) in detectors.items()},
        bins,
        superpixels,
    )
    image, weights, frame, noise = joined_samples(samples.values())
    areas = [
        np.full(len(one.image), pixels.box.area / len(one.image))
        for one, (pixels, _) in zip(samples.values(), detectors.values(), strict=True)
    ]
    _check(large, np.concatenate(areas), weights, superpixels)
    fit = fit_visit(large, image, weights, None if frames is None else frame, noise, options)
    nodes = fit.nodes.reshape(large.shape)
    backgrounds = {
        name: large.grid.background(pixels.box, transform, nodes)
        for name, (pixels, transform) in detectors.items()
    }
    return VisitSky(float(large.at_bins(fit.nodes).mean()), backgrounds, fit.scale, samples)


def joined_samples(samples: Iterable[SkySamples]) -> tuple[Floats, Floats, Floats, Floats]:
    """Image, weights, sky frame and its squared errors; 0 where a sample does not count."""
    parts = list(samples)
    image, variance, sky, noise = (
        np.concatenate([np.asarray(getattr(one, name), np.float64) for one in filled])
        for name, filled in (
            ("image", parts),
            ("variance", parts),
            ("sky", parts),
            ("sky_variance", [_with_errors(one) for one in parts]),
        )
    )
    good = np.isfinite(image) & np.isfinite(sky) & np.isfinite(variance) & (variance > 0)
    weights = np.where(good, 1.0 / np.where(good, variance, 1.0), 0.0)
    return np.where(good, image, 0.0), weights, np.where(good, sky, 0.0), np.nan_to_num(noise)


def _with_errors(one: SkySamples) -> SkySamples:
    if one.sky_variance is not None:
        return one
    return replace(one, sky_variance=np.zeros(len(one.image)))


def _nothing(pixels: MaskedImage, options: SkyOptions) -> BackgroundModel:
    """Sky frame that is 0 everywhere."""
    zeros = np.zeros(options.background.bins(pixels.box.shape), np.float32)
    return BackgroundModel(zeros, zeros, pixels.box, options.background)


def _check(
    large: LargeScales, areas: Floats, weights: Floats, superpixels: SuperpixelOptions
) -> None:
    """Refuse visits of which no superpixel holds enough pixels."""
    held = large.held(areas * (weights > 0))
    if not (held >= superpixels.least_pixels).any() or not weights.any():
        raise NoDataError(
            f"superpixels: none holds {superpixels.least_pixels:g} good pixels; the bins with any "
            f"in the fullest have {held.max(initial=0):.0f}"
        )


def mask_visit_objects(
    detectors: Mapping[Any, tuple[MaskedImage, FrameTransform]],
    sky: VisitSky,
    find: Callable[[MaskedImage], MaskedImage],
    frames: Mapping[Any, BackgroundModel] | None = None,
) -> dict[Any, tuple[MaskedImage, FrameTransform]]:
    """Mask objects where the sky that was measured has been taken out.

    Masks that follow the pattern of the sky, where it rises above its surroundings, bias what is
    measured beside them.

    Parameters
    ----------
    detectors : mapping of name to (MaskedImage, FrameTransform)
        Images, left as they are.
    sky : VisitSky
        What `measure_visit_sky` found in them.
    find : callable
        Gets an image without its sky, gives one whose mask shows the objects, such as
        `deepcoadd.detection.mask_objects`.
    frames : mapping of name to BackgroundModel, optional
        Sky frames that the scale of `sky` belongs to; they are taken out, too.

    Returns
    -------
    dict
        The images with these masks.
    """
    out = {}
    for name, (pixels, transform) in detectors.items():
        flat = without_background(pixels, sky.backgrounds[name])
        if frames is not None and sky.scale is not None:
            subtract_sky_frame(flat, frames[name], sky.scale.scale)
        mask = find(flat).mask
        out[name] = (MaskedImage(pixels.image, mask, pixels.variance), transform)
    return out


def without_background(pixels: MaskedImage, background: BackgroundModel) -> MaskedImage:
    """Copy of an image less a background; mask and variance are shared."""
    image = Image(pixels.image.array.copy(), pixels.box)
    background.subtract_from(image)
    return MaskedImage(image, pixels.mask, pixels.variance)

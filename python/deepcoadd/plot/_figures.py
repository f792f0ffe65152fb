# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of images, masks and noise, drawn on axes that the caller made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.noise import NoiseSample
from deepcoadd.plot._reduce import Preview

__all__ = [
    "PLANE_COLORS",
    "cell_limit",
    "colored",
    "grey_levels",
    "show_cells",
    "show_difference",
    "show_image",
    "show_mask",
    "show_noise",
    "show_scale",
]

PLANE_COLORS: Mapping[str, str] = {
    "DETECTED": "#4477aa",
    "BRIGHT_OBJECT": "#bbbbbb",
    "INTRP": "#66ccee",
    "SENSOR_EDGE": "#228833",
    "REJECTED": "#ccbb44",
    "CLIPPED": "#ee6677",
    "SAT": "#ffffff",
    "NO_DATA": "#aa3377",
}
"""Colour of each plane of a coadd that is drawn; later ones cover earlier ones."""


def _preview(image: Image | Preview) -> Preview:
    return image if isinstance(image, Preview) else Preview.of(image)


def _extent(box: Box) -> tuple[float, float, float, float]:
    """Outer pixel edges in the parent frame, as `imshow` wants them."""
    return (box.x.start - 0.5, box.x.stop - 0.5, box.y.start - 0.5, box.y.stop - 0.5)


def _stretch(values: npt.NDArray[np.float32]) -> Any:
    """Normalisation that shows faint sky and bright stars: zscale limits, asinh between them."""
    finite = values[np.isfinite(values)]
    low, high = ZScaleInterval().get_limits(finite) if finite.size else (0.0, 1.0)
    if not low < high:
        low, high = low - 0.5, low + 0.5
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch())


def grey_levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(ny, nx) array of grey, 0 to 1, of an image; black where it is NaN."""
    levels = np.ma.masked_invalid(_stretch(values)(values))
    return np.asarray(np.ma.filled(levels, 0.0), np.float64).clip(0.0, 1.0)


def show_image(ax: Axes, image: Image | Preview, *, title: str = "", label: str = "") -> Axes:
    """Draw an image in grey, zscale limits and asinh stretch, and return the axes.

    Parameters
    ----------
    ax : Axes
        Where to draw; the ticks are pixels of the parent frame, the first row is at the bottom.
    image : Image or Preview
        NaN pixels are left blank. An image above 1200 pixels is averaged in blocks.
    title, label : str
        Of the axes, and of the colour bar (no bar when left out).
    """
    small = _preview(image)
    norm = _stretch(small.array)
    return _draw(ax, small, title, label, cmap="gray", norm=norm)


def show_scale(ax: Axes, image: Image | Preview, *, title: str = "", label: str = "") -> Axes:
    """Draw a count or map on a linear scale from its smallest to its largest value.

    One that has one value throughout is drawn in one colour, with that value on the bar.
    """
    small = _preview(image)
    values = small.array[np.isfinite(small.array)]
    how: dict[str, Any] = {"cmap": "viridis"}
    if values.size and values.min() == values.max():
        half = 0.5 * max(abs(float(values[0])), 1.0)
        how |= {"vmin": float(values[0]) - half, "vmax": float(values[0]) + half}
    return _draw(ax, small, title, label, **how)


def show_difference(
    ax: Axes, image: Image | Preview, *, limit: float, title: str = "", label: str = ""
) -> Axes:
    """Draw a difference image, blue below zero, red above, saturating at plus and minus `limit`."""
    bound = limit if np.isfinite(limit) and limit > 0 else 1.0
    return _draw(ax, _preview(image), title, label, cmap="RdBu_r", vmin=-bound, vmax=bound)


def cell_limit(values: npt.NDArray[Any]) -> float:
    """Where colours of cells saturate: a hundredth of them lies beyond; 1 where there is none."""
    known = np.abs(values[np.isfinite(values)])
    limit = float(np.quantile(known, 0.99)) if known.size else 0.0
    return limit if limit > 0 else 1.0


def show_cells(
    ax: Axes,
    values: npt.NDArray[Any],
    box: Box | None = None,
    *,
    limit: float | None = None,
    title: str = "",
    label: str = "",
) -> Axes:
    """Draw a grid of cells, blue below zero, red above, grey without a value; return the axes.

    Parameters
    ----------
    ax : Axes
        Where to draw; the first row is at the bottom.
    values : (ny, nx) array
        Cells of about equal size; NaN: none.
    box : Box, optional
        Pixels that they cover, shown by the ticks; none without it.
    limit : float, optional
        Colours saturate at plus and minus this; by default see `cell_limit`.
    title, label : str
        Of the axes, and of the colour bar (no bar when left out).
    """
    bound = cell_limit(values) if limit is None else limit
    colors = colormaps["RdBu_r"].with_extremes(bad="#999999")
    how: dict[str, Any] = {"cmap": colors, "vmin": -bound, "vmax": bound, "interpolation": "none"}
    shown = np.ma.masked_invalid(values)
    if box is not None:
        return _finish(ax, shown, _extent(box), title, label, **how)
    _finish(ax, shown, None, title, label, **how)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("")
    ax.set_ylabel("")
    return ax


def _draw(ax: Axes, image: Preview, title: str, label: str, **how: Any) -> Axes:
    return _finish(ax, image.array, _extent(image.box), title, label, **how)


def _finish(ax: Axes, array: Any, extent: Any, title: str, label: str, **how: Any) -> Axes:
    """Draw an array with title, colour bar and names of the axes."""
    shown = ax.imshow(array, origin="lower", extent=extent, **how)
    if label:
        ax.figure.colorbar(shown, ax=ax, label=label, shrink=0.8)
    ax.set_title(title)
    _name_axes(ax)
    return ax


def _name_axes(ax: Axes) -> None:
    ax.set_xlabel("x [pixels]")
    ax.set_ylabel("y [pixels]")


def colored(image: Preview) -> npt.NDArray[np.float64]:
    """(ny, nx, 3) array, 0 to 1: the image in grey with its mask planes in colour over it."""
    rgb = np.repeat(grey_levels(image.array)[..., None], 3, axis=2)
    for name, color in PLANE_COLORS.items():
        if name in image.planes:
            here = image.planes[name]
            rgb[here] = 0.35 * rgb[here] + 0.65 * np.array(to_rgb(color))
    return rgb


def show_mask(ax: Axes, image: MaskedImage | Preview, *, title: str = "") -> Axes:
    """Draw an image in grey with its mask planes in colour over it, each named in a legend.

    A block of an averaged image has a plane when any of its pixels has.
    """
    small = image if isinstance(image, Preview) else Preview.of(image)
    handles = []
    for name, color in PLANE_COLORS.items():
        if name in small.planes:
            share = 100.0 * small.counts[name] / small.box.area
            handles.append(Patch(color=color, label=f"{name} {share:.2g} %"))
    ax.imshow(colored(small), origin="lower", extent=_extent(small.box))
    if handles:
        ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            facecolor="#777777",
            labelcolor="white",
            title="mask planes, share of the pixels",
            title_fontsize="small",
        ).get_title().set_color("white")
    ax.set_title(title)
    _name_axes(ax)
    return ax


def show_noise(ax: Axes, noise: NoiseSample, *, title: str = "") -> Axes:
    """Draw the distribution of (pixel - local sky) / expected noise beside a unit Gaussian."""
    edges = np.linspace(-6.0, 6.0, 121)
    counts, _ = np.histogram(noise.normalized, edges)
    middle, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    total = max(1, noise.residual.size)
    ax.stairs(counts / (total * width), edges, fill=True, color="#4477aa", label="sky pixels")
    gauss = np.exp(-0.5 * middle**2) / np.sqrt(2.0 * np.pi)
    ax.plot(middle, gauss, color="#ee6677", label="what the variance plane promises")
    ax.set_yscale("log")
    ax.set_ylim(1e-6, 1.0)
    ax.set_xlabel("(pixel - local sky) / expected noise")
    ax.set_ylabel("density")
    ax.legend(loc="upper left")
    ax.set_title(title)
    return ax

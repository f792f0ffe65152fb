# SPDX-License-Identifier: BSD-3-Clause
"""Visits of a mosaic from files: grouped, masked, placed in a common plane."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from astropy.coordinates import SkyCoord

from deepcoadd.background import (
    AffineTransform,
    FrameTransform,
    SkyOptions,
    SuperpixelOptions,
    frame_of_wcs,
)
from deepcoadd.cli._inputs import InputOptions
from deepcoadd.detection import SKY_OBJECTS, ObjectMaskOptions, mask_objects
from deepcoadd.errors import DeepcoaddError, NoDataError, OptionError
from deepcoadd.image import MaskedImage
from deepcoadd.io import FitsRef
from deepcoadd.wcs import pixel_scale, pixel_to_sky

__all__ = [
    "SkyFrameConfig",
    "SkyInput",
    "SkyVisitFiles",
    "group_visits",
    "names_of",
    "read_detectors",
]

_log = logging.getLogger(__name__)

_VISIT_KEYS = ("VISIT", "EXPNUM", "EXPID")


@dataclass(frozen=True)
class SkyFrameConfig:
    """Settings of sky frames.

    Parameters
    ----------
    detector : str
        Header card that names the detector of an exposure.
    superpixel : float
        Size [pixels] of the superpixels of the large-scale sky that is taken out first.
    min_fraction : float
        Share of its pixels that a superpixel must hold.
    weighting : str
        Weight of a visit in the frames: variance (one over the squared error of each bin), level
        or square (of the sky), or none.
    errors : str
        Errors of the frames: scatter (of the visits), or jackknife (of means without one visit).
    subtract : str
        What apply takes out: frame (its share of the sky), or all (the large-scale sky, too).
    mask_objects : bool
        Whether objects are looked for and masked, besides those that the masks show; where the
        sky, with the pattern of the frames, has been taken out.
    passes : int
        Times that build goes over the visits. Objects are found from the second on, beside the
        frames of the one before.
    sky : SkyOptions
        Bins of the frames, samples of the scale.
    objects : ObjectMaskOptions
        How objects are masked.
    input : InputOptions
        How files are read.
    """

    detector: str = "DETECTOR"
    superpixel: float = 1024.0
    min_fraction: float = 0.1
    weighting: str = "variance"
    errors: str = "scatter"
    subtract: str = "frame"
    mask_objects: bool = True
    passes: int = 2
    sky: SkyOptions = field(default_factory=SkyOptions)
    objects: ObjectMaskOptions = field(default_factory=lambda: SKY_OBJECTS)
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        for name, allowed in (
            ("weighting", ("none", "level", "square", "variance")),
            ("errors", ("scatter", "jackknife")),
            ("subtract", ("frame", "all")),
        ):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"{name} = {getattr(self, name)!r}: expected one of {', '.join(allowed)}"
                )
        if not 0 < self.superpixel < math.inf:
            raise OptionError(f"superpixel = {self.superpixel}: expected pixels, above 0")
        if self.passes < 1:
            raise OptionError(f"passes = {self.passes}: expected 1 or more")

    def find(self, pixels: MaskedImage) -> MaskedImage:
        """Image whose mask shows its objects."""
        return mask_objects(pixels, self.objects)

    def superpixels(self, pixel_size: float) -> SuperpixelOptions:
        """Grid of the large-scale sky, for pixels of a size in its plane."""
        side = self.superpixel * pixel_size
        return SuperpixelOptions(
            y_size=side, x_size=side, pixel_size=pixel_size, min_fraction=self.min_fraction
        )


@dataclass(frozen=True)
class SkyInput:
    """One exposure of one detector."""

    ref: FitsRef
    file: str
    detector: str


@dataclass(frozen=True)
class SkyVisitFiles:
    """Exposures of a visit."""

    visit: str
    inputs: tuple[SkyInput, ...]


def _named(ref: FitsRef, key: str) -> str:
    """Name of the detector of an exposure: of its card, else of the end of its file's name."""
    metadata = {k.upper(): v for k, v in ref.info().metadata.items()}
    if key.upper() in metadata:
        return re.sub(r"[^\w.+-]+", "_", str(metadata[key.upper()]).strip())
    raise NoDataError(f"no card {key} names its detector; -c detector=CARD says which one does")


def _visit_of(ref: FitsRef) -> str:
    info = ref.info()
    if info.visit_info is not None and info.visit_info.id:
        return str(info.visit_info.id)
    for key in _VISIT_KEYS:
        if key in info.metadata:
            return str(info.metadata[key])
    raise NoDataError(
        f"nothing says which visit it belongs to; a card {', '.join(_VISIT_KEYS[:-1])} or "
        f"{_VISIT_KEYS[-1]} would"
    )


def group_visits(
    refs: Sequence[FitsRef], files: Sequence[str], config: SkyFrameConfig
) -> tuple[list[SkyVisitFiles], list[tuple[str, str]]]:
    """Exposures by visit, in the order of the files, and those left out with the reasons."""
    groups: dict[str, list[SkyInput]] = {}
    skipped: list[tuple[str, str]] = []
    for ref, file in zip(refs, files, strict=True):
        try:
            visit, detector = _visit_of(ref), _named(ref, config.detector)
            if any(one.detector == detector for one in groups.get(visit, ())):
                raise OptionError(f"detector {detector} of visit {visit} is given twice")
        except DeepcoaddError as error:
            _log.warning("skipped %s: %s", file, error)
            skipped.append((file, str(error)))
            continue
        groups.setdefault(visit, []).append(SkyInput(ref, file, detector))
    return [SkyVisitFiles(visit, tuple(inputs)) for visit, inputs in groups.items()], skipped


def read_detectors(
    visit: SkyVisitFiles, config: SkyFrameConfig
) -> tuple[dict[str, tuple[MaskedImage, FrameTransform]], SuperpixelOptions]:
    """Images of a visit, their places, and the grid for them.

    Detectors with a celestial WCS share the tangent plane at the first one; without any, each
    lies in a plane of its own.
    """
    origin: SkyCoord | None = None
    size = 1.0
    out: dict[str, tuple[MaskedImage, FrameTransform]] = {}
    for k, one in enumerate(visit.inputs):
        info = one.ref.info()
        if info.wcs is not None and (origin is not None or k == 0):
            if origin is None:
                y, x = info.box.center
                origin, size = pixel_to_sky(info.wcs, y=y, x=x), pixel_scale(info.wcs)
            transform = frame_of_wcs(info.box, info.wcs, origin)
        elif origin is None:
            transform = _apart(k, info.box.x.size, config)
        else:
            raise NoDataError(f"{one.file}: it has no WCS, others of visit {visit.visit} do")
        out[one.detector] = one.ref.read(), transform
    return out, config.superpixels(size)


def _apart(k: int, width: int, config: SkyFrameConfig) -> AffineTransform:
    """Place of detector k, far from the others."""
    shift = float(k) * (width + 4.0 * config.superpixel)
    return AffineTransform(((1.0, 0.0, shift), (0.0, 1.0, 0.0)))


def names_of(detectors: Iterable[str]) -> list[str]:
    """Detectors in order: numbers by size, then names."""

    def key(name: str) -> tuple[bool, int, str]:
        return not name.isdigit(), int(name) if name.isdigit() else 0, name

    return sorted(detectors, key=key)

# SPDX-License-Identifier: BSD-3-Clause
"""Scenes that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deepcoadd.errors import OptionError
from deepcoadd.testing.simulate._options import (
    BackgroundOptions,
    CosmicRayOptions,
    DetectionOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    NoiseOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
)

__all__ = ["PRESETS", "preset"]

_CLEAN = SceneOptions()

_DEMO = SceneOptions(
    n_visits=8,
    shape=(1024, 1024),
    seed=1,
    sources=SourceOptions(n_stars=180, n_galaxies=220, flux=(300.0, 4e6), slope=0.55),
    background=BackgroundOptions(offset=2.0, gradient=2.0),
    detector=DetectorOptions(
        chip_shape=(640, 640),
        gap=12,
        edge=4,
        dither=150.0,
        dead_columns=1.5,
        hot_pixels=20.0,
        full_well=1.0e5,
    ),
    cosmic_rays=CosmicRayOptions(per_visit=50.0),
    satellites=SatelliteOptions(per_visit=0.5, visits=(2, 5)),
    ghosts=GhostOptions(per_visit=0.4),
    asteroids=MoverOptions(n=3, trail=0.1),
    slow_movers=MoverOptions(n=1, step=(2.0, 2.0)),
)

_REFERENCE = SceneOptions(
    n_visits=10,
    shape=(301, 201),
    start=(-45, -123),
    seed=42,
    matched_sigma=3.0,
    sources=SourceOptions(n_stars=37, n_galaxies=0, flux=(1e3, 1e7), slope=-1.0, margin=0.0),
    psf=PsfOptions(sigma=(1.5, 3.0)),
    noise=NoiseOptions(kind="uniform", width=5.0),
    background=BackgroundOptions(level=314.592),
    detection=DetectionOptions(kind="threshold", threshold=25.0, grow=0.0),
)

PRESETS: Mapping[str, SceneOptions] = MappingProxyType(
    {"clean": _CLEAN, "demo": _DEMO, "reference": _REFERENCE}
)
"""Scenes by name.

``"clean"``: stars and galaxies in eight visits of 512 x 512 pixels, without artifacts or gaps.
``"demo"``: eight visits of 1024 x 1024 pixels with every kind of artifact. ``"reference"``: ten
visits of the scene on which the tests of the reference implementation run (very bright stars,
constant background, uniform noise).
"""


def preset(options: SceneOptions | str) -> SceneOptions:
    """Options as they are, or those of the preset of that name.

    Raises
    ------
    OptionError
        There is no preset of that name.
    """
    if isinstance(options, SceneOptions):
        return options
    if options not in PRESETS:
        raise OptionError(f"preset = {options!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[options]

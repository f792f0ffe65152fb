# SPDX-License-Identifier: BSD-3-Clause
"""Simulated skies with known truth, made without any of the package's own algorithms."""

from deepcoadd.testing.simulate._artifacts import Artifact
from deepcoadd.testing.simulate._catalogue import draw_catalogue
from deepcoadd.testing.simulate._options import (
    BackgroundOptions,
    CosmicRayOptions,
    DetectionOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    NoiseOptions,
    ObservationOptions,
    PsfOptions,
    SatelliteOptions,
    SceneOptions,
    SourceOptions,
)
from deepcoadd.testing.simulate._presets import PRESETS
from deepcoadd.testing.simulate._scene import (
    Scene,
    Truth,
    Visit,
    VisitTruth,
    simulate_scene,
    simulate_visits,
)
from deepcoadd.testing.simulate._sky_visits import (
    SkyVisit,
    SkyVisitOptions,
    simulate_sky_visits,
    sky_patterns,
)
from deepcoadd.testing.simulate._warps import simulate_warps

__all__ = [
    "PRESETS",
    "Artifact",
    "BackgroundOptions",
    "CosmicRayOptions",
    "DetectionOptions",
    "DetectorOptions",
    "GhostOptions",
    "MoverOptions",
    "NoiseOptions",
    "ObservationOptions",
    "PsfOptions",
    "SatelliteOptions",
    "Scene",
    "SceneOptions",
    "SkyVisit",
    "SkyVisitOptions",
    "SourceOptions",
    "Truth",
    "Visit",
    "VisitTruth",
    "draw_catalogue",
    "simulate_scene",
    "simulate_sky_visits",
    "simulate_visits",
    "simulate_warps",
    "sky_patterns",
]

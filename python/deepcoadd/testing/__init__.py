# SPDX-License-Identifier: BSD-3-Clause
"""What tests and examples need: simulated skies, comparisons, slow and readable references."""

from deepcoadd.testing.simulate import (
    PRESETS,
    Scene,
    SceneOptions,
    simulate_scene,
    simulate_visits,
    simulate_warps,
)

__all__ = [
    "PRESETS",
    "Scene",
    "SceneOptions",
    "simulate_scene",
    "simulate_visits",
    "simulate_warps",
]

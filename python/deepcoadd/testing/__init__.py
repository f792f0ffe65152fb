# SPDX-License-Identifier: BSD-3-Clause
"""What tests and examples need: simulated skies, comparisons, slow and readable references."""

from deepcoadd.testing.asserts import (
    assert_masked_images_close,
    assert_masks_equal,
    assert_planes_close,
)
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
    "assert_masked_images_close",
    "assert_masks_equal",
    "assert_planes_close",
    "simulate_scene",
    "simulate_visits",
    "simulate_warps",
]

# SPDX-License-Identifier: BSD-3-Clause
"""Stacks of vectors and of plain images against the cases of the reference (topic ``stackvec``).

The reference rounds vectors to float32 on entry and the results on the way out; with inputs rounded
alike, one unit in the last place of the largest input (2e-7 of it) is the tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepcoadd.statistics import StatsOptions, stack


def test_vectors_and_images_agree_with_the_reference(golden: Any) -> None:
    compared = due = 0
    for name, params, arrays in golden("stackvec"):
        data = arrays["in_data"].astype(np.float32)
        tolerance = 2e-7 * np.nan_to_num(np.abs(data)).max(axis=0)
        weighted = StatsOptions(weighted=True)
        results = {
            "out_vector": stack(list(data.astype(float)), params["statistic"]).image,
            "out_vector_weighted": stack(
                list(data.astype(float)), params["statistic"], weighted, arrays["in_weights"]
            ).image,
            "out_imagef": stack(
                list(data.reshape(len(data), *arrays["out_imagef"].shape)), params["statistic"]
            ).image,
        }
        for array, ours in results.items():
            theirs = arrays[array]
            due += 1
            if array == "out_vector_weighted" and np.any(arrays["in_weights"] == 0):
                print(f"{name} {array} left out: A-5, samples of weight zero are absent")
                continue
            assert ours.dtype == (np.float32 if array == "out_imagef" else np.float64)
            close = np.abs(ours - theirs) <= tolerance.reshape(theirs.shape)
            close |= np.isnan(ours) & np.isnan(theirs)
            assert close.all(), (name, array)
            compared += 1
    print(f"{compared} of {due} arrays compared")
    assert due > 0
    assert compared >= 0.9 * due

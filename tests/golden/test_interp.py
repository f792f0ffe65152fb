# SPDX-License-Identifier: BSD-3-Clause
"""Interpolation along lines against the cases of the reference (topic ``interp``).

The reference interpolates with tabulated weights of four digits, up to 6e-5 from the kriging
solution (3e-4 in runs of 11, where it changes to another form) and not summing to one, so a pixel
may differ by the sum of four such errors times the largest value, plus the rounding to float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepcoadd.interpolate import InterpolateOptions, interpolate_rows

DEFECT = 1 << 30


def runs_of(bad: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Maximal runs [start, stop)."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], bad.astype(int), [0]))))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def is_quirk(bad: NDArray[np.bool_], start: int, stop: int, fallback: bool) -> bool:
    """Whether the run is a row of the table of quirks near the ends of a line.

    There the reference uses bad or already interpolated pixels, or reads beyond the line;
    docs/algorithms/interpolation.md, "Deviations".
    """
    width, n = bad.size, stop - start
    left = [x >= 0 and not bad[x] for x in (start - 1, start - 2)]
    right = [x < width and not bad[x] for x in (stop, stop + 1)]
    if start == 0 and stop == width:
        return not fallback
    if start == 1 and not right[1]:
        return True
    if stop == width and not left[1]:
        return True
    if start == 0 and (stop == width - 1 or not right[1]):
        return True
    if fallback and n == 7 and (start == 0 or stop == width):
        return True
    return n == 2 and left == [True, False] and right == [True, False]


def defects(shape: tuple[int, int], arrays: dict[str, Any], xy0: list[int]) -> NDArray[np.bool_]:
    """Pixels of the defect boxes."""
    bad = np.zeros(shape, bool)
    for x, y, width, height in arrays["in_defects"] - np.array([*xy0, 0, 0]):
        bad[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    return bad


def test_lines_agree_with_the_reference(golden: Any) -> None:
    compared = cases = left_out = 0
    for name, params, arrays in golden("interp"):
        if params["error"] is not None:
            continue
        cases += 1
        image, mask, variance = (arrays[f"in_{p}"].copy() for p in ("image", "mask", "variance"))
        bad = defects(image.shape, arrays, params["xy0"])
        fallback = params.get("fallbackValue", 0.0)
        use_fallback = params["useFallbackValueAtEdge"]
        transpose = params.get("transpose", False)
        if "fallbackValueType" in params:
            options = InterpolateOptions(
                use_fallback_value_at_edge=use_fallback,
                fallback_value_type=params["fallbackValueType"],
                fallback_user_value=params["fallbackUserValue"],
                negative_fallback_allowed=params["negativeFallbackAllowed"],
            )
            fallback = options.fallback_value(image)
            if use_fallback:
                assert fallback == np.float64(arrays["out_fallback"]) or np.isclose(
                    fallback, arrays["out_fallback"], rtol=1e-10
                ), name
        largest = {
            "image": np.abs(np.append(image[~bad], fallback)).max(),
            "variance": np.abs(np.append(variance[~bad], fallback)).max(),
        }
        mask[bad] |= DEFECT
        interpolate_rows(
            image,
            mask,
            variance,
            DEFECT,
            interpolated_bits=1 << params["maskPlanes"]["INTRP"],
            fallback=fallback,
            use_fallback_at_edge=use_fallback,
            direction="column" if transpose else "row",
            variance_rule="like-image",
        )
        np.testing.assert_array_equal(mask & ~DEFECT, arrays["out_mask"], err_msg=name)
        tolerance = np.full(image.shape, 4 * 6e-5)
        excluded = np.zeros(image.shape, bool)
        flags = bad.T if transpose else bad
        for y, line in enumerate(flags):
            for start, stop in runs_of(line):
                if stop - start == 11:
                    (tolerance.T if transpose else tolerance)[y, start:stop] = 4 * 3e-4
                if is_quirk(line, start, stop, use_fallback):
                    (excluded.T if transpose else excluded)[y, start:stop] = True
        for plane, ours in (("image", image), ("variance", variance)):
            theirs = arrays[f"out_{plane}"]
            allowed = tolerance * largest[plane] + 2e-6 * np.abs(theirs)
            wrong = ~(np.abs(ours - theirs) <= allowed) & ~excluded
            wrong &= ~(np.isnan(ours) & np.isnan(theirs))
            assert not wrong.any(), (name, plane, np.argwhere(wrong)[:5])
            np.testing.assert_array_equal(ours[~bad], theirs[~bad], err_msg=name)
        compared += int((bad & ~excluded).sum())
        left_out += int(excluded.sum())
    print(f"{cases} cases, {compared} pixels compared, {left_out} left out as quirks")
    assert cases > 0
    assert compared > 0
    assert left_out < 0.25 * (compared + left_out)

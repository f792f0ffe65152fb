# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of vectors and images against the cases of the reference (topic ``stats``).

All is float64 on both sides and only the order of the sums differs: 1e-10 relative to the value or
to the largest sample (its square for squares, n times it for the sum).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from deepcoadd.statistics import StatsOptions, statistics

CLIPPED = {"MEANCLIP", "STDEVCLIP", "VARIANCECLIP", "NCLIPPED"}


def deviation(prop: str, what: str, case: dict[str, Any], n_point: int) -> str | None:
    """Name of the deviation that changes a value or error, or None."""
    integer = case["values"].dtype.kind in "iu"
    if integer and (prop in ("MEDIAN", "IQRANGE") or (prop in CLIPPED and case["other_start"])):
        return "A-1"
    if prop == "VARIANCECLIP" and what == "error":
        return "A-2"
    if prop == "MEANSQUARE" and (what == "error" or n_point == 1):
        return "A-3"
    if prop in ("STDEV", "VARIANCE") and what == "error" and n_point > 46340:
        return "A-4"
    if prop in ("MIN", "MAX") and case["weighted"]:
        return "A-6"
    # constant weighted data: rounding makes the reference's variance negative or infinite
    constant = case["spread"] == 0 or n_point == 1
    if case["weighted"] and constant and prop in ("STDEV", "VARIANCE", "STDEVCLIP"):
        return "A-8"
    if case["weighted"] and constant and what == "error" and prop in ("MEDIAN", "MEAN", *CLIPPED):
        return "A-8"
    return None


def keeps_other_samples(good: Any, params: dict[str, Any], reference: Any) -> bool:
    """Whether the first clipping pass keeps other samples with the reference's quantiles."""
    if not good.size:
        return False
    low, middle, high = np.quantile(good, [0.25, 0.5, 0.75])
    theirs = [reference[params["properties"].index(p)] for p in ("MEDIAN", "IQRANGE")]
    kept = [
        np.abs(good - median) <= params["numSigmaClip"] * 0.741301109252802 * iqr
        for median, iqr in ((middle, high - low), theirs)
    ]
    return not np.array_equal(*kept)


def prepare(params: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], StatsOptions]:
    masked = params["kind"] == "maskedimage"
    values = arrays["in_image" if masked else "in_data"]
    mask = arrays.get("in_mask")
    unmasked = np.isfinite(values.astype(float))
    if mask is not None:
        unmasked &= mask & params.get("andMask", 0) == 0
    good = values[unmasked].astype(float)
    case = {
        "values": values,
        "mask": mask,
        "variance": arrays.get("in_variance"),
        "weights": arrays.get("in_weights"),
        "weighted": "weights" in params,
        "spread": np.ptp(good) if good.size else 0.0,
        "largest": np.abs(good).max() if good.size else 1.0,
        "other_start": keeps_other_samples(good, params, arrays["out_value"]),
        "zero_weights": np.any(arrays.get("in_weights", np.ones(1)) == 0),
    }
    options = StatsOptions(
        sigma_clip=params["numSigmaClip"],
        n_iter=params["numIter"],
        bad_bits=params.get("andMask", 0),
        weighted=True if "weights" in params else None,
        error_from_input_variance=params.get("calcErrorFromInputVariance", False),
        propagation_thresholds={
            int(b): t for b, t in params.get("maskPropagationThresholds", {}).items()
        },
    )
    return case, options


def test_statistics_agree_with_the_reference(golden: Any) -> None:
    compared = due = 0
    left_out: Counter[str] = Counter()
    for name, params, arrays in golden("stats"):
        case, options = prepare(params, arrays)
        if case["zero_weights"]:
            left_out["A-5: samples of weight zero are absent"] += 1
            continue
        result = statistics(
            case["values"],
            case["mask"],
            case["variance"],
            case["weights"],
            properties="ERRORS|" + "|".join(params["properties"]),
            options=options,
        )
        assert result.or_mask == arrays["out_ormask"], name
        power = {"SUM": case["values"].size * case["largest"]}
        for square in ("VARIANCE", "VARIANCECLIP", "MEANSQUARE"):
            power[square] = case["largest"] ** 2
        for k, prop in enumerate(params["properties"]):
            for what, ours in zip(("value", "error"), result.result(prop), strict=True):
                theirs = arrays[f"out_{what}"][k]
                reason = deviation(prop, what, case, result.n_point)
                if reason is not None:
                    left_out[reason] += 1
                    continue
                due += 1
                allowed = 1e-10 * max(abs(theirs), power.get(prop, case["largest"]))
                same = ours == theirs or (np.isnan(ours) and np.isnan(theirs))
                assert same or abs(ours - theirs) <= allowed, (name, prop, what, ours, theirs)
                compared += 1
        for single in ("median", "mean"):
            if single == "median" and case["values"].dtype.kind in "iu":
                continue
            alone = statistics(
                case["values"],
                case["mask"],
                case["variance"],
                case["weights"],
                properties=f"{single}|ERRORS",
                options=options,
            )
            assert alone.value() == result.value(single.upper()) or np.isnan(alone.value())
    print(f"{compared} numbers compared, left out: {dict(left_out)}")
    assert due > 0
    assert compared == due
    assert compared > left_out.total()

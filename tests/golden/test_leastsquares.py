# SPDX-License-Identifier: BSD-3-Clause
"""Least squares against the cases of the reference (topic ``leastsquares``).

Left out by rule, where singular values make a design deficient (or so nearly that their squares
are): solution and covariance by NORMAL_CHOLESKY, which are arbitrary along the null direction; and
solution, covariance and rank where an eigenvalue between one and p roundings decided (deviation
B-9: the threshold of the reference is one rounding, that of ours p).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepcoadd.background import LeastSquaresFit, least_squares, normal_equations
from deepcoadd.errors import OptionError

EPS = np.finfo(float).eps


def solve(method: str, source: str, arrays: dict[str, Any]) -> LeastSquaresFit:
    design, data = arrays["in_design"], arrays["in_data"]
    if source == "design":
        return least_squares(design, data, method=method)
    return normal_equations(design.T @ design, design.T @ data, method=method)


def left_out(method: str, arrays: dict[str, Any], theirs: Any, ours: int) -> tuple[str, ...]:
    values = arrays["out_DIRECT_SVD_design_diagnostic"]
    deficient = (values[-1] / values[0]) ** 2 < len(values) * EPS
    if method == "NORMAL_CHOLESKY" and deficient:
        return ("solution", "covariance")
    if method == "NORMAL_EIGENSYSTEM" and deficient and theirs > ours:
        return ("solution", "covariance", "rank")
    return ()


def condition(fit: LeastSquaresFit) -> float:
    """Growth of rounding errors: the condition number of what is factored."""
    kept = np.sort(np.abs(fit.diagnostic))[::-1][: fit.rank]
    return float(kept[0] / kept[-1])


def test_solutions_agree_with_the_reference(golden: Any) -> None:
    compared = dropped = outputs = 0
    for name, params, arrays in golden("leastsquares"):
        for key in params.get("errors", {}):
            method, _, source = key.rpartition("_")
            with pytest.raises(OptionError, match="method: got"):
                solve(method, source, arrays)
        groups = {k.removeprefix("out_").rsplit("_", 1)[0] for k in arrays if k.startswith("out_")}
        for group in sorted(groups):
            method, _, source = group.rpartition("_")
            theirs = {
                what: arrays[f"out_{group}_{what}"]
                for what in ("solution", "covariance", "diagnostic", "rank", "fisher", "threshold")
            }
            outputs += len(theirs)
            fit = solve(method, source, arrays)
            skipped = left_out(method, arrays, theirs["rank"], fit.rank)
            dropped += len(skipped)
            label = f"{name} {group}"
            # Each of the two solutions is off by the condition times a few roundings.
            rtol = {"diagnostic": 50 * EPS, "fisher": 50 * EPS, "rank": 0.0}
            design = arrays["in_design"]
            p = design.shape[1] if method == "NORMAL_EIGENSYSTEM" else 1
            ours = {
                "fisher": design.T @ design,
                "threshold": fit.threshold / p,
                **{k: getattr(fit, k) for k in ("solution", "covariance", "diagnostic", "rank")},
            }
            for what in theirs.keys() - skipped:
                want = theirs[what]
                atol = rtol.get(what, 50 * EPS * condition(fit)) * np.abs(want).max()
                np.testing.assert_allclose(
                    ours[what], want, rtol=0, atol=atol, err_msg=f"{label} {what}"
                )
                compared += 1
    print(f"{compared} of {outputs} arrays compared, {dropped} left out by rule")
    if not outputs:
        pytest.skip("no case with solutions")
    assert compared == outputs - dropped
    # If every design is deficient the rules take 2 of 6 arrays (Cholesky) and 3 of 6 (eigenvalues),
    # each from the design and from the normal matrix: 10 of 30 with those of DIRECT_SVD.
    assert 3 * compared >= 2 * outputs

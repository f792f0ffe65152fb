# SPDX-License-Identifier: BSD-3-Clause
"""Small least-squares problems."""

from __future__ import annotations

import numpy as np
import pytest

from deepcoadd.background import LEAST_SQUARES_METHODS, least_squares, normal_equations
from deepcoadd.errors import OptionError, ShapeError


@pytest.mark.parametrize("method", LEAST_SQUARES_METHODS)
def test_random_designs_against_numpy(method: str):
    rng = np.random.default_rng(4)
    for n, p in ((1, 1), (30, 5), (8, 8), (400, 28)):
        design = rng.normal(size=(n, p)) * 10 ** rng.uniform(-2, 2, p)
        data = rng.normal(size=n)
        fit = least_squares(design, data, method=method)
        want = np.linalg.lstsq(design, data, rcond=None)[0]
        squared = 1 if method in ("QR", "DIRECT_SVD") else 2
        rtol = 30 * np.finfo(float).eps * np.linalg.cond(design) ** squared
        np.testing.assert_allclose(fit.solution, want, rtol=0, atol=rtol * np.abs(want).max())
        covariance = np.linalg.pinv(design) @ np.linalg.pinv(design).T
        scale = np.abs(covariance).max()
        np.testing.assert_allclose(fit.covariance, covariance, rtol=0, atol=rtol * scale)
        assert fit.rank == p


def test_the_threshold_decides_the_rank():
    design = np.diag([1.0, 1e-3, 1e-6])
    data = np.ones(3)
    for threshold, rank in ((1e-9, 3), (1e-4, 2), (0.1, 1)):
        fit = least_squares(design, data, method="DIRECT_SVD", threshold=threshold)
        assert (fit.rank, fit.threshold) == (rank, threshold)
        want = [1.0, 1e3, 1e6]
        np.testing.assert_allclose(fit.solution, want[:rank] + [0.0] * (3 - rank), rtol=1e-12)
    assert least_squares(design, data, method="NORMAL_EIGENSYSTEM").rank == 3
    assert least_squares(design, data, method="QR", threshold=1e-4).rank == 2


def test_views_and_integers_are_taken():
    design = np.arange(24).reshape(6, 4)[::-1, ::2]
    fit = least_squares(design, [1, 2, 3, 4, 5, 7])
    want = np.linalg.lstsq(design.astype(float), [1, 2, 3, 4, 5, 7], rcond=None)[0]
    np.testing.assert_allclose(fit.solution, want, atol=1e-12)


def test_wrong_requests_are_named():
    with pytest.raises(ShapeError, match="0 < p <= n"):
        least_squares(np.ones((2, 3)), np.ones(2))
    with pytest.raises(ShapeError, match=r"design: got shape \(3, 1\), must be \(2, p\)"):
        least_squares(np.ones((3, 1)), np.ones(2))
    with pytest.raises(ShapeError, match="0 < p <= n"):
        least_squares(np.ones((0, 1)), np.ones(0))
    with pytest.raises(ShapeError, match="data: got 2 dimensions"):
        least_squares(np.ones((3, 1)), np.ones((3, 1)))
    with pytest.raises(ShapeError, match="fisher: got shape"):
        normal_equations(np.ones((3, 2)), np.ones(3))
    with pytest.raises(OptionError, match="design: got NaN, must be finite"):
        least_squares([[1.0], [np.nan]], np.ones(2))
    with pytest.raises(OptionError, match="design: got inf, must be finite"):
        least_squares([[1e200], [1e200]], np.ones(2), method="NORMAL_EIGENSYSTEM")
    with pytest.raises(OptionError, match="method: got LU"):
        least_squares([[1.0]], [1.0], method="LU")
    with pytest.raises(OptionError, match="method: got DirectSvd"):
        normal_equations([[1.0]], [1.0], method="DIRECT_SVD")
    with pytest.raises(OptionError, match="threshold: got -1"):
        least_squares([[1.0]], [1.0], threshold=-1.0)

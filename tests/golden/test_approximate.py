# SPDX-License-Identifier: BSD-3-Clause
"""Chebyshev polynomials against the cases of the reference (topic ``approximate``).

Images are of float32: two roundings of the largest pixel, as long as the fit is well conditioned.
Left out by rule: fits of which the good bins do not determine all terms (B-7), where ours raises;
images of a lower order than was fitted, in boxes with an origin, which the reference shifts (B-8).
Orders that differ along x and y are an error there and allowed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box
from deepcoadd.background import BackgroundOptions, Polynomial, fit_polynomial
from deepcoadd.errors import SingularError

ROUNDING = 1.2e-7


def truncated(polynomial: Polynomial, order: int) -> Polynomial:
    keep = [k for k, term in enumerate(polynomial.terms) if sum(term) <= order]
    return replace(
        polynomial,
        terms=tuple(polynomial.terms[k] for k in keep),
        factors=polynomial.factors[keep],
    )


def is_determined(arrays: dict[str, Any], order: int) -> bool:
    """Whether the good bins determine all terms of a total degree, by plain monomials."""
    rows, columns = np.nonzero(np.isfinite(arrays["in_image"]))
    y, x = arrays["in_y"][rows], arrays["in_x"][columns]
    y, x = ((v - v.mean()) / np.ptp(v) for v in (y, x))
    terms = [y**j * x**i for j in range(order + 1) for i in range(order + 1 - j)]
    return bool(np.linalg.matrix_rank(np.stack(terms), tol=1e-9) == len(terms))


def test_polynomials_agree_with_the_reference(golden: Any) -> None:
    compared = left_out = outputs = 0
    for name, params, arrays in golden("approximate"):
        x0, y0, width, height = params["bbox"]
        box = Box.from_shape((height, width), start=(y0, x0))
        # Centres are given local to the box.
        centers = (arrays["in_y"] + y0, arrays["in_x"] + x0)
        for key in (k for k in arrays if k.startswith("out_")):
            *kind, order_x, order_y, weighting = key.removeprefix("out_").split("_")
            assert order_x == order_y
            outputs += 1
            options = BackgroundOptions(
                use_approx=True,
                approx_order=int(order_x),
                weighting=weighting == "w1",
                undersample_style="THROW_EXCEPTION",
            )
            bins = (arrays["in_image"], arrays["in_variance"], box, options, centers)
            if not is_determined(arrays, int(order_x)):
                left_out += 1
                with pytest.raises(SingularError, match="good bins determine"):
                    fit_polynomial(*bins)
                continue
            polynomial = fit_polynomial(*bins)
            if kind == ["reduced"]:
                if (x0, y0) != (0, 0):
                    left_out += 1
                    continue
                polynomial = truncated(polynomial, int(order_x) - 1)
            ours = np.empty(box.shape, np.float32)
            polynomial.render(box, ours)
            atol = 2 * ROUNDING * np.abs(arrays[key]).max()
            np.testing.assert_allclose(
                ours, arrays[key], rtol=0, atol=atol, err_msg=f"{name} {key}"
            )
            compared += 1
    print(f"{compared} of {outputs} arrays compared, {left_out} left out by rule")
    assert compared == outputs - left_out > 0

# SPDX-License-Identifier: BSD-3-Clause
"""Matching to a reference against the cases of the reference (topic ``matchclassic``).

Models agree to two roundings of the largest pixel (splines, the same arithmetic in another order)
and to 1e-5 of it (polynomials: another solver), mean squares and variances to 1e-5. Left out by
rule: piecewise constant models of several bins (B-3), pixels farther than one bin from every good
bin (D-4, which holds values there), bins made smaller (D-2), models of nothing (D-3, where ours
raises). Weights of polynomials are 1 / sigma in the reference (B-1); they are put in here. The RMS
of the fit is sampled half a pixel away (D-9); here it is computed both ways.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcoadd import MaskedImage
from deepcoadd.background import (
    ClassicMatchOptions,
    ReferenceTerms,
    match_to_reference,
    reference_terms,
    select_reference,
)
from deepcoadd.background._match_classic import (
    ClassicModel,
    check_grid,
    diagnose,
    difference,
    fit_difference,
)

ROUNDING = 1.2e-7


def options_of(config: dict[str, Any]) -> ClassicMatchOptions:
    return ClassicMatchOptions(
        use_polynomial=config["usePolynomial"],
        order=config["order"],
        bad_planes=tuple(config["badMaskPlanes"]),
        statistic=config["gridStatistic"],
        undersample_style=config["undersampleStyle"],
        bin_size=config["binSize"],
        interp_style=config["interpStyle"],
        sigma_clip=float(config["numSigmaClip"]),
        n_iter=config["numIter"],
        weight_coverage=config["bestRefWeightCoverage"],
        weight_variance=config["bestRefWeightVariance"],
        weight_level=config["bestRefWeightLevel"],
        weighting=config["approxWeighting"],
        stdev_floor=config["gridStdevEpsilon"],
        cost_model="classic",
        edge="quadratic",
    )


def pair_of(params: dict[str, Any], arrays: dict[str, Any]) -> list[MaskedImage]:
    x0, y0 = params["xy0"]
    return [
        MaskedImage.from_arrays(
            *(arrays[f"in_{which}_{plane}"] for plane in ("image", "mask", "variance")),
            start=(y0, x0),
        )
        for which in ("ref", "sci")
    ]


def rule(
    params: dict[str, Any], options: ClassicMatchOptions, pair: list[MaskedImage]
) -> str | None:
    """Deviation that changes the model of a case, if any."""
    if params["error"] is not None:
        return None
    good = np.ones(pair[0].box.shape, bool)
    for pixels in pair:
        bits = pixels.planes.known_bitmask(options.bad_planes)
        good &= np.isfinite(pixels.image.array) & (pixels.mask.array & bits == 0)
    if not good.any():
        return "D-3"
    bins = [-(-side // options.bin_size) for side in good.shape]
    constant = options.interp_style == "CONSTANT" or min(bins) == 1
    if not options.use_polynomial and constant and max(bins) > 1:
        return "B-3"
    if options.undersample_style == "INCREASE_NXNYSAMPLE":
        return "D-2"
    return None


def compare(name: str, options: Any, pair: list[MaskedImage], arrays: dict[str, Any]) -> None:
    """Model, mean square, variance and RMS of one case."""
    found = match_to_reference(*pair, options)
    diff = difference(*pair, options.bad_planes)
    grid = check_grid(diff, options)
    model = found.model
    if options.use_polynomial:
        # Weights of the reference: 1 / sigma.
        bins = fit_difference(diff, grid, options)
        model = ClassicModel(replace(bins, variances=np.sqrt(bins.variances)))
    assert isinstance(model, ClassicModel)
    ours, theirs = model.image().array, arrays["out_model"]
    found = diagnose(diff, grid, model, ours, options)
    valid = model.validity()
    assert valid.mean() > 0.2, name
    tolerance = (1e-5 if options.use_polynomial else 2 * ROUNDING) * float(np.abs(theirs).max())
    np.testing.assert_allclose(ours[valid], theirs[valid], rtol=0, atol=tolerance, err_msg=name)
    # A matched difference of exactly nothing has a mean square of rounding.
    least = tolerance**2
    assert found.matched_mse == pytest.approx(float(arrays["out_matchedMSE"]), rel=1e-5, abs=least)
    assert found.diff_variance == pytest.approx(float(arrays["out_diffImVar"]), rel=1e-5)
    legacy = grid.values - theirs[np.floor(grid.y + 0.5).astype(int), _half_up(grid.x)]
    rms = np.sqrt(np.mean(legacy[np.isfinite(legacy)] ** 2))
    assert rms == pytest.approx(float(arrays["out_fitRMS"]), rel=1e-5, abs=tolerance), name


def _half_up(position: Any) -> Any:
    """The pixel that the reference takes: its centres lie half a pixel too high (D-9)."""
    return np.floor(position + 0.5).astype(int)


def test_matches_agree_with_the_reference(golden: Any) -> None:
    outputs = compared = left_out = n_cases = 0
    for name, params, arrays in golden("matchclassic"):
        if "in_ref_image" not in arrays:
            continue
        n_cases += 1
        outputs += 4 if params["error"] is None else 1
        options, pair = options_of(params["config"]), pair_of(params, arrays)
        deviation = rule(params, options, pair)
        if deviation is not None:
            left_out += 4
            continue
        if params["error"] is None:
            compare(name, options, pair, arrays)
            compared += 4
            continue
        kind = {"ValueError": ValueError, "RuntimeError": RuntimeError}
        before = pair[1].copy()
        with pytest.raises(kind[params["error"].partition(":")[0]]):
            match_to_reference(*pair, options, in_place=True)
        np.testing.assert_array_equal(pair[1].image.array, before.image.array)
        compared += 1
    print(f"{compared} of {outputs} arrays and errors compared, {left_out} left out by rule")
    assert compared == outputs - left_out
    if not compared:
        # Rules may leave out all of a few cases, but not of many.
        assert n_cases < 5
        pytest.skip("no case with a model, or rules leave out all of them")


def test_the_same_reference_is_chosen(golden: Any) -> None:
    compared = 0
    for name, params, arrays in golden("matchclassic"):
        if "out_best" not in arrays:
            continue
        options = options_of(params["config"])
        terms = []
        for i in range(params["n"]):
            if i in params["scalerFails"]:
                terms.append(ReferenceTerms.unknown())
                continue
            pixels = MaskedImage.from_arrays(arrays[f"in_image_{i}"], arrays[f"in_mask_{i}"])
            terms.append(reference_terms(pixels, options))
        assert select_reference(terms, options) == int(arrays["out_best"]), name
        compared += 1
    if not compared:
        pytest.skip("no case in which a reference is chosen")

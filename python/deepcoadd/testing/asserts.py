# SPDX-License-Identifier: BSD-3-Clause
"""Comparisons of planes and masks whose messages show where and how far two things differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask

__all__ = ["assert_masked_images_close", "assert_masks_equal", "assert_planes_close"]


def assert_planes_close(
    actual: Image | npt.ArrayLike,
    desired: Image | npt.ArrayLike,
    *,
    rtol: float = 0.0,
    atol: float | npt.ArrayLike = 0.0,
    name: str = "plane",
    where: npt.NDArray[np.bool_] | None = None,
) -> int:
    """Check that ``|actual - desired| <= atol + rtol * |desired|`` at every pixel.

    NaN equals NaN, an infinity the same infinity.

    Parameters
    ----------
    actual, desired : Image or array
        Of one shape; images must also have the same box.
    rtol : float
        Relative tolerance.
    atol : float or array
        Absolute tolerance, one number or one a pixel.
    name : str
        What to call the planes in the message.
    where : bool array, optional
        Compare these pixels only.

    Returns
    -------
    int
        Number of pixels compared.

    Raises
    ------
    AssertionError
        Shapes, boxes or pixels differ. The message counts the bad pixels and shows the worst one:
        its position (of images in the parent frame), both values, the difference, the tolerance.
    """
    first = _first_pixel(actual, desired, name)
    got = np.asarray(getattr(actual, "array", actual))
    want = np.asarray(getattr(desired, "array", desired))
    if got.shape != want.shape:
        raise AssertionError(f"{name}: shape {got.shape}, expected {want.shape}")
    chosen = np.broadcast_to(True if where is None else where, got.shape)
    got64, want64 = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):
        allowed = np.broadcast_to(np.asarray(atol, np.float64) + rtol * np.abs(want64), got.shape)
        error = np.abs(got64 - want64)
        same = (got64 == want64) | (np.isnan(got64) & np.isnan(want64))
        bad = chosen & ~same & ~((error <= allowed) & np.isfinite(got64) & np.isfinite(want64))
    if bad.any():
        # What is not a number at all is worse than any difference.
        badness = np.full(got.shape, np.inf)
        np.subtract(error, allowed, out=badness, where=np.isfinite(error))
        at = _index(np.argmax(np.where(bad, badness, -np.inf)), got.shape)
        place = tuple(i + f for i, f in zip(at, first, strict=True)) if first else at
        raise AssertionError(
            f"{name}: {bad.sum()} of {chosen.sum()} pixels differ; worst at {place}: {got[at]!r}, "
            f"expected {want[at]!r}, difference {error[at]:.3g}, allowed {allowed[at]:.3g}"
        )
    return int(chosen.sum())


def _index(flat: np.integer[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Index of the element that has a number in the flat array."""
    return tuple(int(i) for i in np.unravel_index(int(flat), shape))


def _first_pixel(actual: Any, desired: Any, name: str) -> tuple[int, int] | None:
    """First pixel of two images; None unless both are images."""
    if not isinstance(actual, Image) or not isinstance(desired, Image):
        return None
    if actual.box != desired.box:
        raise AssertionError(f"{name}: box {actual.box}, expected {desired.box}")
    return actual.box.start


def assert_masks_equal(
    actual: Mask,
    desired: Mask,
    *,
    planes: Iterable[str] | None = None,
    where: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Check that two masks have the same pixels set, plane by plane and by name.

    Parameters
    ----------
    actual, desired : Mask
        Of one box. Their dictionaries may differ; a plane that one does not know is not set there.
    planes : iterable of str, optional
        Compare these only; by default all planes of both.
    where : bool array, optional
        Compare these pixels only.

    Raises
    ------
    AssertionError
        Boxes or pixels differ; the message lists the planes with the number of pixels set in one
        mask only and the first of them.
    """
    if actual.box != desired.box:
        raise AssertionError(f"mask: box {actual.box}, expected {desired.box}")
    names = dict.fromkeys([*actual.planes, *desired.planes] if planes is None else planes)
    found = []
    for name in names:
        got, want = (
            mask.has(name) if name in mask.planes else np.zeros(mask.array.shape, bool)
            for mask in (actual, desired)
        )
        differ = got != want
        if where is not None:
            differ &= where
        if differ.any():
            at = tuple(int(i) for i in np.argwhere(differ)[0])
            place = tuple(i + f for i, f in zip(at, actual.box.start, strict=True))
            state = "set, expected clear" if got[at] else "clear, expected set"
            found.append(f"{name}: {differ.sum()} pixels, first at {place} {state}")
    if found:
        raise AssertionError("masks differ in " + "; ".join(found))


def assert_masked_images_close(
    actual: MaskedImage,
    desired: MaskedImage,
    *,
    rtol: float = 0.0,
    atol: float | npt.ArrayLike = 0.0,
    variance_rtol: float | None = None,
    planes: Iterable[str] | None = None,
) -> None:
    """Check image, variance and mask of two masked images.

    Parameters
    ----------
    actual, desired : MaskedImage
        Of one box.
    rtol, atol : float
        Tolerances of the image; see `assert_planes_close`.
    variance_rtol : float, optional
        Relative tolerance of the variance; by default `rtol`.
    planes : iterable of str, optional
        Mask planes to compare; by default all.

    Raises
    ------
    AssertionError
        The first plane that differs is named, the image before the variance before the mask.
    """
    assert_planes_close(actual.image, desired.image, rtol=rtol, atol=atol, name="image")
    spread = rtol if variance_rtol is None else variance_rtol
    assert_planes_close(actual.variance, desired.variance, rtol=spread, name="variance")
    assert_masks_equal(actual.mask, desired.mask, planes=planes)

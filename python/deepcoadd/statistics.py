# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of images and of stacks of images.

Samples are rejected when they are not finite, when their mask has one of `StatsOptions.bad_bits`,
and, with inverse-variance weights, when their variance is not finite and positive. The formulas
stand in ``docs/algorithms/statistics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from deepcoadd._buffers import on_large_pages
from deepcoadd._core import stats as _core
from deepcoadd._stats_options import VALUES, Property, StatsOptions, signed_bits
from deepcoadd.errors import OptionError, ShapeError

__all__ = [
    "Property",
    "StackDiagnostics",
    "StackPlanes",
    "StackResult",
    "StatsOptions",
    "StatsResult",
    "stack",
    "stack_planes",
    "statistics",
]


_DEFAULTS = StatsOptions()


@dataclass(frozen=True)
class StatsResult:
    """Properties of one image; see `statistics`.

    Attributes
    ----------
    properties : Property
        What was asked for.
    or_mask : int
        OR of the mask words of the samples that survived, and the bits that the propagation
        thresholds add.
    n_point, n_masked, n_clipped : int
        Samples that survived, that were rejected (mask or not finite), that were clipped.
    """

    properties: Property
    or_mask: int
    n_point: int
    n_masked: int
    n_clipped: int
    _numbers: Mapping[Property, tuple[float, float]] = field(repr=False)

    def result(self, prop: str | Property | None = None) -> tuple[float, float]:
        """Return (value, error) of one property, or of the only one that was asked for.

        The error is NaN unless ``ERRORS`` was asked for too.

        Raises
        ------
        OptionError
            The property was not asked for; or `prop` is None and there is not exactly one.
        """
        asked = self.properties & ~Property.ERRORS
        wanted = Property.NOTHING if prop is None else Property.parse(prop) & ~Property.ERRORS
        if wanted == Property.NOTHING:
            wanted = asked
        if wanted == Property.ORMASK and asked & wanted:
            return float(self.or_mask), 0.0 if self.properties & Property.ERRORS else math.nan
        if wanted not in self._numbers or not asked & wanted:
            raise OptionError(f"prop: got {wanted!r}, must be one member of {asked!r}")
        value, error = self._numbers[wanted]
        return value, error if self.properties & Property.ERRORS else math.nan

    def value(self, prop: str | Property | None = None) -> float:
        """Return the value of one property; see `result`."""
        return self.result(prop)[0]

    def error(self, prop: str | Property | None = None) -> float:
        """Return the error of one property; see `result`."""
        return self.result(prop)[1]


def statistics(
    values: Any,
    mask: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    properties: str | Property = "MEAN",
    options: StatsOptions = _DEFAULTS,
) -> StatsResult:
    """Statistics of one set of samples.

    Parameters
    ----------
    values : ndarray, Image or MaskedImage
        Samples of any shape, at least one. float32 and float64 are taken as they are (sums are
        float64), other numbers become float64. A MaskedImage brings its mask and variance.
    mask : array of int32, optional
        Mask words, shape of `values`.
    variance : array, optional
        Variances [unit of values squared], shape of `values`.
    weights : array, optional
        Weights, finite and >= 0, shape of `values`; a sample of weight 0 is absent.
    properties : str or Property
        What to evaluate, e.g. ``"MEANCLIP|STDEVCLIP|ERRORS"``.
    options : StatsOptions
        Rejection, clipping, weights, errors.

    Returns
    -------
    StatsResult
        NaN stands for what the surviving samples do not determine.

    Raises
    ------
    ShapeError
        No samples, or shapes differ.
    OptionError
        A property or dtype is unknown, or options contradict the arguments.
    """
    if hasattr(values, "image"):
        mask = values.mask.array if mask is None and values.mask is not None else mask
        if variance is None and values.variance is not None:
            variance = values.variance.array
        values = values.image
    samples = _numbers("values", getattr(values, "array", values))
    wanted = Property.parse(properties)
    _check_weighted(weights, options)
    planes = {"values": samples}
    for name, plane in (("variance", variance), ("weights", weights)):
        if plane is not None:
            planes[name] = _numbers(name, plane)
    dtype = _common_dtype(planes.values())
    words = None if mask is None else _mask_words(mask)
    for name, plane in (*planes.items(), ("mask", words)):
        if plane is not None and plane.shape != samples.shape:
            raise ShapeError(f"{name}: got shape {plane.shape}, must be {samples.shape}")
    flat = {name: _rows(plane, dtype) for name, plane in planes.items()}
    numbers, or_mask = _core.statistics(
        flat["values"],
        None if words is None else _rows(words, np.int32),
        flat.get("variance"),
        flat.get("weights"),
        inverse_variance=options.weighted is True and weights is None,
        properties=int(wanted),
        options=options.core_options(),
        double=dtype == np.float64,
    )
    named = dict(zip(VALUES, numbers, strict=True))
    return StatsResult(
        properties=wanted,
        or_mask=or_mask,
        n_point=int(named[Property.NPOINT][0]),
        n_masked=int(named[Property.NMASKED][0]),
        n_clipped=int(named[Property.NCLIPPED][0]),
        _numbers=named,
    )


def _check_weighted(weights: object, options: StatsOptions) -> None:
    if weights is not None and options.weighted is False:
        raise OptionError("weights: got weights, must be None where options.weighted is False")


def _numbers(name: str, values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise OptionError(f"{name}: got dtype {array.dtype}, must be real numbers")
    return array


def _mask_words(mask: ArrayLike) -> NDArray[np.int32]:
    array = np.asarray(mask)
    if array.dtype.kind not in "iub":
        raise OptionError(f"mask: got dtype {array.dtype}, must be integers")
    if array.dtype.itemsize >= 4 and array.dtype.newbyteorder("=") != np.int32:
        array = array.astype(np.uint32, copy=False)
    return array.astype(np.int32, copy=False)


def _common_dtype(arrays: Iterable[NDArray[Any]]) -> np.dtype[Any]:
    single = all(a.dtype.newbyteorder("=") == np.float32 for a in arrays)
    return np.dtype(np.float32 if single else np.float64)


def _rows(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Return a 2-D view (a copy only where the core could not read the array)."""
    array = np.asarray(array, dtype=dtype)
    if array.ndim == 2 and array.strides[1] == array.itemsize and array.strides[0] > 0:
        return array
    if array.ndim == 2:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array).reshape(1, -1)


@dataclass
class StackPlanes:
    """Output planes that a stack writes into; each one but `image` may be None.

    Attributes
    ----------
    image, variance, weight_sum : float32 array, shape (h, w)
        Value of the statistic, its squared error, sum of the weights it is made of.
    mask : int32 array
        Mask words.
    n_point, n_clipped : uint32 array
        Samples that survived (before clipping), samples clipped.
    """

    image: NDArray[Any]
    mask: NDArray[np.int32] | None = None
    variance: NDArray[Any] | None = None
    n_point: NDArray[np.uint32] | None = None
    n_clipped: NDArray[np.uint32] | None = None
    weight_sum: NDArray[Any] | None = None

    @classmethod
    def allocate(
        cls,
        shape: tuple[int, int],
        *,
        mask: bool = True,
        variance: bool = True,
        n_point: bool = True,
        n_clipped: bool = True,
        weight_sum: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> StackPlanes:
        """Return new planes of the given shape, without defined content."""

        def plane(wanted: bool, kind: DTypeLike) -> Any:
            return on_large_pages(shape, kind) if wanted else None

        return cls(
            image=on_large_pages(shape, dtype),
            mask=plane(mask, np.int32),
            variance=plane(variance, dtype),
            n_point=plane(n_point, np.uint32),
            n_clipped=plane(n_clipped, np.uint32),
            weight_sum=plane(weight_sum, dtype),
        )


@dataclass(frozen=True)
class StackDiagnostics:
    """Totals over the pixels of a stack.

    Attributes
    ----------
    n_clipped_total, n_samples_total : int
        Samples clipped, and samples that survived before clipping.
    n_fallback : int
        Pixels at which a clipping pass would have kept fewer than two samples, so that the pass
        before (or the median) was returned.
    """

    n_clipped_total: int
    n_samples_total: int
    n_fallback: int


@dataclass
class StackResult:
    """Result of `stack`; planes have the shape of the images.

    Attributes
    ----------
    image, variance, weight_sum : ndarray
        Value, squared error, sum of the weights that the value is made of; float32, or float64 if
        the images are.
    mask : int32 ndarray
        Mask words.
    n_point, n_clipped : uint32 ndarray
        Samples that survived (before clipping), samples clipped.
    n_fallback : int
        See `StackDiagnostics`.
    """

    image: NDArray[Any]
    mask: NDArray[np.int32]
    variance: NDArray[Any]
    n_point: NDArray[np.uint32]
    n_clipped: NDArray[np.uint32]
    weight_sum: NDArray[Any]
    n_fallback: int


def stack_planes(
    images: Sequence[NDArray[np.float32]],
    masks: Sequence[NDArray[np.int32]] | None,
    variances: Sequence[NDArray[np.float32]] | None,
    statistic: str | Property,
    options: StatsOptions,
    weights: ArrayLike | None = None,
    *,
    clipped_bits: int = 0,
    mask_map: Iterable[tuple[int, int]] = (),
    out: StackPlanes,
) -> StackDiagnostics:
    """Stack planes into arrays that the caller owns; no input is copied.

    Parameters
    ----------
    images : sequence of (h, w) float32 arrays
        At least one. Rows may be strided, columns must be contiguous (so for all arrays here).
    masks : sequence of int32 arrays, or None
        Mask words; None = all 0.
    variances : sequence of float32 arrays, or None
        Variances [unit of images squared].
    statistic : str or Property
        One property.
    options : StatsOptions
        Rejection, clipping, errors. ``weighted=True`` without `weights`: 1 / variance.
    weights : (n,) array, optional
        One weight per image, finite and >= 0; an image of weight 0 is absent.
    clipped_bits : int
        Set where a sample was clipped.
    mask_map : iterable of (int, int)
        (from, to): where a sample was rejected and any input has a bit of `from`, set `to`.
    out : StackPlanes
        Where to write: image, variance, weight_sum float32; mask int32; counts uint32.

    Returns
    -------
    StackDiagnostics
        Totals.

    Raises
    ------
    ShapeError
        Shapes or list lengths differ, or columns are not contiguous.
    OptionError
        A dtype or option is not allowed, or an output is also an input.
    """
    property_ = Property.parse(statistic) & ~Property.ERRORS
    if property_ not in VALUES:
        raise OptionError(f"statistic: got {statistic!r}, must be one property with a value")
    _check_weighted(weights, options)
    totals = _core.stack(
        images,
        masks,
        variances,
        None if weights is None else _weights(weights, len(images)),
        inverse_variance=options.weighted is True and weights is None,
        statistic=int(property_),
        options=options.core_options(),
        clipped_bits=signed_bits("clipped_bits", clipped_bits),
        mask_map=[(signed_bits("mask_map", a), signed_bits("mask_map", b)) for a, b in mask_map],
        out=out,
        double=out.image.dtype == np.float64,
    )
    return StackDiagnostics(*totals)


def _weights(weights: ArrayLike, n: int) -> list[float]:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n,):
        raise ShapeError(f"weights: got shape {array.shape}, must be ({n},), one per image")
    values: list[float] = array.tolist()
    return values


def stack(
    images: Sequence[Any],
    statistic: str | Property = "MEANCLIP",
    options: StatsOptions = _DEFAULTS,
    weights: ArrayLike | None = None,
    *,
    clipped_bits: int = 0,
    mask_map: Iterable[tuple[int, int]] = (),
    excuse: int | None = None,
) -> StackResult:
    """Evaluate a statistic at every pixel of a stack.

    Parameters
    ----------
    images : sequence of MaskedImage, or of 2-D or 1-D arrays
        At least one, of one shape. float32 stays float32; if any is float64 (or integer) all
        become float64. Origins are ignored.
    statistic : str or Property
        One property.
    options : StatsOptions
        Rejection, clipping, weights, errors.
    weights : (n,) array, optional
        One weight per image, finite and >= 0; an image of weight 0 is absent.
    clipped_bits, mask_map
        As in `stack_planes`.
    excuse : int, optional
        Instead of `mask_map`: the pair ``(options.bad_bits & ~excuse, clipped_bits)``.

    Returns
    -------
    StackResult
        Where no sample survives, image and variance are NaN and the mask is
        ``options.no_data_bits``.

    Raises
    ------
    ShapeError
        No images, or shapes or lengths differ.
    OptionError
        An option, property or dtype is not allowed.
    """
    images = list(images)
    pairs = list(mask_map)
    if excuse is not None:
        if pairs:
            raise OptionError("excuse: got both excuse and mask_map, must be one of them")
        bad = signed_bits("bad_bits", options.bad_bits)
        pairs = [(bad & ~signed_bits("excuse", excuse), clipped_bits)]
    if not images:
        raise ShapeError("images: got none, must be at least one")
    masked = [hasattr(m, "image") for m in images]
    if any(masked) and not all(masked):
        raise OptionError("images: got a mixture, must be all masked images or all arrays")
    arrays = [_numbers("images", m.image.array if all(masked) else m) for m in images]
    shape = arrays[0].shape
    if any(a.shape != shape for a in arrays) or len(shape) not in (1, 2):
        shapes = sorted({a.shape for a in arrays})
        raise ShapeError(f"images: got shapes {shapes}, must be one shape of 1 or 2 dimensions")
    masks = variances = None
    dtype = _common_dtype(arrays)
    if all(masked):
        masks = [_rows(_mask_words(m.mask.array), np.int32) for m in images]
        planes = [_numbers("variance", m.variance.array) for m in images]
        dtype = _common_dtype([*arrays, *planes])
        variances = [_rows(v, dtype) for v in planes]
    rows = [_rows(a, dtype) for a in arrays]
    out = StackPlanes.allocate((rows[0].shape[0], rows[0].shape[1]), weight_sum=True, dtype=dtype)
    totals = stack_planes(
        rows,
        masks,
        variances,
        statistic,
        options,
        weights,
        clipped_bits=clipped_bits,
        mask_map=pairs,
        out=out,
    )
    done: dict[str, Any] = {name: plane.reshape(shape) for name, plane in vars(out).items()}
    return StackResult(**done, n_fallback=totals.n_fallback)

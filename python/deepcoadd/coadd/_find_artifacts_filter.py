# SPDX-License-Identifier: BSD-3-Clause
"""Which candidates of one epoch are artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepcoadd._checks import instance
from deepcoadd._core import epochs as _core
from deepcoadd._core import spans as _spans
from deepcoadd.coadd._compare_warp_options import ArtifactOptions
from deepcoadd.errors import ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.mask import Mask
from deepcoadd.spans import FootprintSet, SpanSet

__all__ = [
    "Judgement",
    "filter_artifacts",
    "judge_candidates",
    "max_epochs",
    "prefilter_artifacts",
    "streaks_within",
]

_NO_LIMIT = 2**32 - 1


@dataclass(frozen=True)
class Judgement:
    """What is known about the candidates of one epoch; arrays of one length.

    Attributes
    ----------
    fractions : (n,) float64 array
        Part of the pixels of each at which few enough epochs show something.
    limits : (n,) int64 array
        Largest number of epochs that is few enough.
    in_source : (n,) bool array
        Lies wholly in one source of the template.
    rules : list of str
        "artifact", "persistent" (too many epochs show it) or "source" (it would be an artifact,
        but lies in a source of the template).
    """

    fractions: npt.NDArray[np.float64]
    limits: npt.NDArray[np.int64]
    in_source: npt.NDArray[np.bool_]
    rules: list[str]


def max_epochs(
    n_epochs: npt.NDArray[np.float64] | float, options: ArtifactOptions | None = None
) -> npt.NDArray[np.int64]:
    """Largest number of epochs, out of so many, that may show an artifact.

    Parameters
    ----------
    n_epochs : float or array
        (Mean) number of good epochs.
    options : ArtifactOptions, optional
        The three numbers.
    """
    options = ArtifactOptions() if options is None else options
    n = np.nan_to_num(np.asarray(n_epochs, np.float64), posinf=_NO_LIMIT)
    low = options.max_fraction_epochs_low * n
    high = options.max_num_epochs + options.max_fraction_epochs_high * n
    return np.maximum(np.minimum(low, high).astype(np.int64), options.min_epochs_low)


def prefilter_artifacts(
    candidates: Sequence[SpanSet], mask: Mask, options: ArtifactOptions | None = None
) -> list[SpanSet]:
    """Candidates that have some good pixels.

    Parameters
    ----------
    candidates : sequence of SpanSet
        Pixels outside of the mask count as bad.
    mask : Mask
        Of the epoch.
    options : ArtifactOptions, optional
        Planes of bad pixels, and the fraction of good ones that must be exceeded.
    """
    options = ArtifactOptions() if options is None else options
    bad = mask.planes.known_bitmask(options.prefilter_planes)
    return [
        spans
        for spans in candidates
        if spans.area and spans.count(mask, none_of=bad) / spans.area > options.prefilter_ratio
    ]


def judge_candidates(
    candidates: Sequence[SpanSet],
    epoch_count: Image,
    n_image: Image,
    sources: FootprintSet | Sequence[SpanSet] | None = None,
    options: ArtifactOptions | None = None,
) -> Judgement:
    """Tell artifacts from what many epochs show, and from sources.

    Parameters
    ----------
    candidates : sequence of SpanSet
        Of one epoch; only their pixels within the images count.
    epoch_count : Image
        uint32: epochs of which a candidate covers the pixel.
    n_image : Image
        uint32, same box: epochs that are good there.
    sources : FootprintSet or sequence of SpanSet, optional
        Sources of the template; None: none are kept.
    options : ArtifactOptions, optional
        Limits.

    Returns
    -------
    Judgement

    Raises
    ------
    ShapeError
        The two images have different boxes.

    Notes
    -----
    ``docs/algorithms/compare-warp.md``, step 5. The time grows with the pixels of the candidates
    (and the spans of the sources), not with the product of their numbers.
    """
    options = ArtifactOptions() if options is None else options
    sets = [instance("candidates", spans, SpanSet)._set for spans in candidates]
    if epoch_count.box != n_image.box:
        raise ShapeError(f"epoch_count: got {epoch_count.box}, must be {n_image.box} of n_image")
    start = n_image.box.start
    totals = np.array(_core.sums(sets, n_image.array, start), np.float64).reshape(-1, 2)
    inside = np.maximum(totals[:, 0], 1.0)
    limits = np.minimum(max_epochs(totals[:, 1] / inside, options), _NO_LIMIT)
    rare = _core.count_up_to(sets, epoch_count.array, epoch_count.box.start, limits.tolist())
    fractions = np.array(rare, np.float64) / [max(spans.area, 1) for spans in candidates]
    holders = [] if sources is None or not sets else _sets_of(sources)
    in_source = np.array(_core.are_held(sets, holders), bool)
    seldom = fractions > options.spatial_threshold
    rules = np.where(seldom, np.where(in_source, "source", "artifact"), "persistent")
    return Judgement(fractions, limits, in_source, rules.tolist())


def _sets_of(sources: FootprintSet | Sequence[SpanSet]) -> list[_spans.SpanSet]:
    """Pixels of each source as the core takes them."""
    return [one._set if isinstance(one, SpanSet) else one.spans._set for one in sources]


def filter_artifacts(
    candidates: Sequence[SpanSet],
    epoch_count: Image,
    n_image: Image,
    sources: FootprintSet | None = None,
    options: ArtifactOptions | None = None,
) -> list[SpanSet]:
    """Candidates of one epoch that are artifacts; arguments as of `judge_candidates`."""
    rules = judge_candidates(candidates, epoch_count, n_image, sources, options).rules
    return [one for one, rule in zip(candidates, rules, strict=True) if rule == "artifact"]


def streaks_within(found: Any, box: Box) -> list[SpanSet]:
    """Streaks that a finder returned, within a box; refuse what is no sequence of SpanSet."""
    given = list(found) if isinstance(found, Iterable) else [found]
    clipped = [instance("streaks", spans, SpanSet).clipped_to(box) for spans in given]
    return [spans for spans in clipped if spans]

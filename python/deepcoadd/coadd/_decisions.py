# SPDX-License-Identifier: BSD-3-Clause
"""The record of what was taken for an artifact, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

from deepcoadd.coadd._result import CoaddResult
from deepcoadd.exposure import Exposure
from deepcoadd.refs import WarpRef, name_of
from deepcoadd.spans import SpanSet
from deepcoadd.wcs import pixel_to_sky

__all__ = ["ArtifactCoadd", "Decision", "decision_table", "input_labels"]


@dataclass(frozen=True)
class Decision:
    """What was decided about one footprint.

    Parameters
    ----------
    spans : SpanSet
        The footprint, parent pixels.
    rule : str
        The rule that decided; "none" when nothing was clipped.
    considered : tuple of int
        Numbers, in the list of inputs, of those that came into question.
    overlaps : tuple of float
        For each of them the fraction of the footprint that speaks against it.
    clipped : tuple of int
        Numbers of the inputs in which the footprint is left out.
    """

    spans: SpanSet
    rule: str
    considered: tuple[int, ...] = ()
    overlaps: tuple[float, ...] = ()
    clipped: tuple[int, ...] = ()


@dataclass
class ArtifactCoadd(CoaddResult):
    """A coadd from which artifacts of single inputs were left out.

    Parameters
    ----------
    decisions : Table
        One row a footprint; see `decision_table`.
    artifact_masks : list of dict
        For each of ``inputs`` the planes to set in its mask: name -> `SpanSet`. They can be given
        to `deepcoadd.coadd.assemble` as ``alternate_masks``.
    difference : Exposure, optional
        The image in which the artifacts were found.
    """

    decisions: Table = field(default_factory=Table)
    artifact_masks: list[dict[str, SpanSet]] = field(default_factory=list)
    difference: Exposure | None = None

    @property
    def n_artifact_pixels(self) -> int:
        """Pixels of inputs left out as artifacts, summed over the inputs."""
        masks = (mask.get("CLIPPED") for mask in self.artifact_masks)
        return sum(spans.area for spans in masks if spans is not None)

    def summary(self) -> dict[str, Any]:
        """Plain values for a report, a log or the metadata of a file."""
        clipped = [row != "" for row in self.decisions["clipped"]] if self.decisions else []
        return {
            **super().summary(),
            "n_footprints": len(self.decisions),
            "n_artifacts": sum(clipped),
            "n_artifact_pixels": self.n_artifact_pixels,
        }


def input_labels(refs: Sequence[WarpRef]) -> list[str]:
    """What stands for each input in a table: its visit, else its name, else its number from 0.

    Detectors of one visit go by their names. A label has no ";", which separates them.
    """
    labels = [str(ref.data_id.get("visit", name_of(ref))) for ref in refs]
    for others in ([name_of(ref) for ref in refs], [f"input {k}" for k in range(len(refs))]):
        times = Counter(labels)
        pairs = zip(labels, others, strict=True)
        labels = [other if times[label] > 1 else label for label, other in pairs]
    return [label.replace(";", ",") for label in labels]


def decision_table(
    decisions: Sequence[Decision], labels: Sequence[str], wcs: WCS | None = None
) -> Table:
    """Table of decisions, one row each; it can be written as FITS and as CSV.

    Columns: footprint (number, from 0), rule; x0, y0, x1, y1 (box, inclusive); x, y (centroid);
    ra, dec [deg] (NaN without a WCS); area [pixels]; visits (those considered), overlaps (their
    fractions, 4 digits), clipped (those in which it is left out): texts, items separated by ";".

    Parameters
    ----------
    decisions : sequence of Decision
        In the order of the rows.
    labels : sequence of str
        Text for each input; see `input_labels`.
    wcs : WCS, optional
        Of parent positions.
    """
    # Half-open y0, x0, y1, x1; a Box for each of thousands would cost more than the rest.
    bounds = np.array([d.spans._set.bounds for d in decisions], np.int32).reshape(-1, 4)
    centers = np.array([d.spans.centroid for d in decisions], np.float64).reshape(-1, 2)
    ra, dec = _sky(wcs, centers)
    columns: dict[str, Any] = {
        "footprint": np.arange(len(decisions), dtype=np.int32),
        "rule": _texts([decision.rule for decision in decisions]),
        "x0": bounds[:, 1],
        "y0": bounds[:, 0],
        "x1": bounds[:, 3] - 1,
        "y1": bounds[:, 2] - 1,
        "x": centers[:, 1],
        "y": centers[:, 0],
        "ra": ra,
        "dec": dec,
        "area": np.array([decision.spans.area for decision in decisions], np.int64),
        "visits": _texts([_joined(labels, d.considered) for d in decisions]),
        "overlaps": _texts([";".join(f"{o:.4f}" for o in d.overlaps) for d in decisions]),
        "clipped": _texts([_joined(labels, d.clipped) for d in decisions]),
    }
    return Table(columns, units={"ra": "deg", "dec": "deg"})


def _joined(labels: Sequence[str], numbers: Sequence[int]) -> str:
    return ";".join(labels[number] for number in numbers)


def _texts(values: list[str]) -> Any:
    """Text column; of one letter at least, since FITS knows no texts of none."""
    width = max([1, *map(len, values)])
    return np.array(values, f"U{width}")


def _sky(wcs: WCS | None, centers: Any) -> tuple[Any, Any]:
    """Right ascension and declination [deg] of positions (n, 2) y, x."""
    if wcs is None or not wcs.has_celestial or not len(centers):
        unknown = np.full(len(centers), math.nan)
        return unknown, unknown.copy()
    sky = pixel_to_sky(wcs, y=centers[:, 0], x=centers[:, 1]).icrs
    return sky.ra.deg, sky.dec.deg

# SPDX-License-Identifier: BSD-3-Clause
"""What was left out as an artifact, held against the truth of simulated visits.

Plain numpy on the pixels of the files: nothing that finds artifacts has a part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from deepcoadd.coadd import ArtifactCoadd
from deepcoadd.errors import FileFormatError, MissingFileError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import MaskedImage
from deepcoadd.io import open_warp
from deepcoadd.refs import WarpRef, name_of
from deepcoadd.spans import SpanSet

__all__ = ["TRUTH_HEAD", "TruthCounts", "compare_with_truth", "truth_files"]

TRUTH_HEAD = ("truth", "pixels", "masked before", "left out", "completeness")
"""Columns of `TruthCounts.rows`."""

KINDS = ("COSMIC_RAY", "SATELLITE", "GHOST", "ASTEROID", "SLOW_MOVER")
"""Kinds of artifacts that add light; the detector's own defects come masked."""

_Where = npt.NDArray[np.bool_]


@dataclass
class TruthCounts:
    """Pixels of inputs by what they truly are, summed over the inputs.

    Parameters
    ----------
    found : dict of str to (int, int, int)
        For each kind of artifact the pixels in which artifacts outshine the noise (1 sigma); those
        of them that a bad plane, NaN, or a PSF-matched version without data there kept out of the
        coadd anyway; and those of the rest that
        were left out.
    clean, lost : int
        Good pixels without any artifact or defect, however faint; and those of them left out.
    """

    found: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    clean: int = 0
    lost: int = 0

    def add(
        self, truth: MaskedImage, light: npt.NDArray[np.float32], bad: _Where, out: _Where
    ) -> None:
        """Count one input.

        Parameters
        ----------
        truth : MaskedImage
            A mask plane for each kind, the variance of an empty pixel.
        light : (ny, nx) float32 array
            Light of all artifacts.
        bad, out : (ny, nx) bool arrays
            Pixels that were bad beforehand; pixels left out as artifacts.
        """
        bright = light > np.sqrt(truth.variance.array)
        for kind in KINDS:
            here = truth.mask.has(kind) & bright if kind in truth.mask.planes else np.False_
            counts = (here, here & bad, here & ~bad & out)
            old = self.found.get(kind, (0, 0, 0))
            n, masked, caught = (int(np.count_nonzero(where)) for where in counts)
            self.found[kind] = (old[0] + n, old[1] + masked, old[2] + caught)
        clean = (truth.mask.array == 0) & ~bad
        self.clean += int(np.count_nonzero(clean))
        self.lost += int(np.count_nonzero(clean & out))

    def rows(self) -> list[tuple[str, ...]]:
        """Rows of a table with the columns `TRUTH_HEAD`; kinds that do not occur are left out."""
        made = [
            (_name(kind), str(n), str(masked), str(caught), _percent(caught, n - masked))
            for kind, (n, masked, caught) in self.found.items()
            if n
        ]
        lost = ("clean pixels lost", str(self.clean), "", str(self.lost))
        return [*made, (*lost, _percent(self.lost, self.clean))]


def _name(kind: str) -> str:
    return kind.lower().replace("_", " ")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else ""


def truth_files(folder: Path, refs: Sequence[WarpRef]) -> list[Path]:
    """File of the truth of each input, as ``deepcoadd simulate`` writes it.

    Raises
    ------
    MissingFileError
        The folder, or the file of an input, does not exist.
    OptionError
        An input has no visit number, so that its truth cannot be found.
    ShapeError
        The truth does not cover an input.
    """
    if not folder.is_dir():
        raise MissingFileError(f"truth: there is no folder {str(folder)!r}")
    files = []
    for ref in refs:
        visit = ref.data_id.get("visit")
        if visit is None:
            raise OptionError(f"truth: {name_of(ref)} has no visit number to find its truth by")
        file = folder / f"truth-{visit}.fits"
        if not file.is_file():
            raise MissingFileError(f"truth: there is no {str(file)!r} for {name_of(ref)}")
        known = open_warp(file).box()
        if not known.contains(ref.box()):
            raise ShapeError(f"truth: {file} has {known}, which does not cover {ref.box()}")
        files.append(file)
    return files


def compare_with_truth(
    result: ArtifactCoadd, refs: Sequence[WarpRef], files: Sequence[Path]
) -> TruthCounts:
    """Counts for the inputs of a coadd, one input in memory at a time.

    Parameters
    ----------
    result : ArtifactCoadd
        What was left out of which input.
    refs : sequence of WarpRef
        The list of inputs that the records of `result` refer to.
    files : sequence of Path
        Truth of each of them; see `truth_files`.

    Raises
    ------
    FileFormatError
        A file is not one of ``deepcoadd simulate``.
    """
    counts = TruthCounts()
    for record, planes in zip(result.inputs, result.artifact_masks, strict=True):
        pixels = refs[record.index].read()
        words, image = pixels.mask, pixels.image.array
        bits = words.planes.known_bitmask(result.options.bad_planes)
        bad = ((words.array & np.int32(bits)) != 0) | ~np.isfinite(image)
        dy, dx = record.shift
        own, missing = (
            planes.get(name, SpanSet()).shifted_by(y=-dy, x=-dx).as_array(words.box)
            for name in ("CLIPPED", "NO_DATA")
        )
        truth, light = _read(files[record.index], words.box)
        counts.add(truth, light, bad | missing, own)
    return counts


def _read(file: Path, box: Box) -> tuple[MaskedImage, npt.NDArray[np.float32]]:
    """Truth of one input within its box, and the light of all artifacts there."""
    ref = open_warp(file)
    with fits.open(file) as hdus:
        if "ARTIFACTS" not in hdus:
            raise FileFormatError(f"truth: {file} has no HDU ARTIFACTS")
        whole = np.asarray(hdus["ARTIFACTS"].data, np.float32)
    return ref.read(box), whole[box.slices_within(ref.box())]

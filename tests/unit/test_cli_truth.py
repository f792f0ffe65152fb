# SPDX-License-Identifier: BSD-3-Clause
"""Comparison of what was left out with the truth of simulated visits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deepcoadd import Box, Exposure, Image, Mask, MaskedImage, MaskPlanes
from deepcoadd.cli._truth import TruthCounts, compare_with_truth, truth_files
from deepcoadd.coadd import AssembleOptions, InputRecord
from deepcoadd.errors import FileFormatError, MissingFileError, OptionError, ShapeError
from deepcoadd.io import write
from deepcoadd.refs import ExposureRef
from deepcoadd.spans import SpanSet

BOX = Box.from_shape((20, 30), start=(5, -3))
PLANES = MaskPlanes(["COSMIC_RAY", "SATELLITE", "GAP"])


def truth(box: Box = BOX) -> tuple[MaskedImage, Image]:
    """Noise of 2; a trail in rows 5 to 8, of which 7 and 8 are faint; a cosmic ray on it; a gap."""
    mask = Mask.zeros(box, PLANES)
    light = np.zeros(box.shape, np.float32)
    mask.set("SATELLITE", (slice(5, 9), slice(None)))
    light[5:7], light[7:9] = 2.5, 1.9
    mask.set("COSMIC_RAY", (slice(6, 8), slice(3, 5)))
    light[6:8, 3:5] = 50.0
    mask.set("GAP", (slice(None), slice(20, 22)))
    pixels = MaskedImage(Image.full(box, 0.0), mask, Image.full(box, 4.0))
    return pixels, Image(light, box)


def exposure_ref(box: Box = BOX, **data_id: Any) -> ExposureRef:
    pixels = MaskedImage.from_arrays(np.ones(box.shape), variance=1.0, start=box.start)
    pixels.mask.set("NO_DATA", (slice(None), slice(20, 22)))
    pixels.image.array[5, 0] = np.nan
    return ExposureRef(Exposure(pixels), data_id=data_id)


def folder_of(path: Path, box: Box = BOX, *, light: bool = True) -> Path:
    pixels, artifacts = truth(box)
    extra = {"ARTIFACTS": artifacts} if light else {}
    write(path / "truth-7.fits", Exposure(pixels), extra_images=extra)
    return path


def result_of(spans: SpanSet, shift: tuple[int, int] = (0, 0)) -> Any:
    """What the comparison looks at of a coadd."""
    record = InputRecord({"visit": 7}, "v7", 0, 1.0, shift=shift)
    return SimpleNamespace(
        inputs=[record], artifact_masks=[{"CLIPPED": spans}], options=AssembleOptions()
    )


@pytest.mark.parametrize("shift", [(0, 0), (4, -9)])
def test_counts_are_those_done_by_hand(tmp_path: Path, shift: tuple[int, int]) -> None:
    # Left out: rows 4 to 6, columns 0 to 9.
    spans = SpanSet.from_box(Box.from_shape((3, 10), start=(9 + shift[0], -3 + shift[1])))
    refs = [exposure_ref(visit=7)]
    files = truth_files(folder_of(tmp_path), refs)
    counts = compare_with_truth(result_of(spans, shift), refs, files)
    # The trail outshines the noise in two rows of 30 pixels, and under the cosmic ray in 2 more;
    # the gap takes 4 of them and NaN one; 20 are left out, but for the NaN.
    assert counts.found["SATELLITE"] == (62, 5, 19)
    assert counts.found["COSMIC_RAY"] == (4, 0, 2)
    assert counts.found["GHOST"] == (0, 0, 0)
    assert (counts.clean, counts.lost) == (16 * 28, 10)
    assert counts.rows() == [
        ("cosmic ray", "4", "0", "2", "50.00 %"),
        ("satellite", "62", "5", "19", "33.33 %"),
        ("clean pixels lost", "448", "", "10", "2.23 %"),
    ]


def test_counts_add_up_and_need_no_pixels() -> None:
    counts = TruthCounts()
    assert counts.rows() == [("clean pixels lost", "0", "", "0", "")]
    pixels, light = truth()
    none, all_of_them = np.zeros(BOX.shape, bool), np.ones(BOX.shape, bool)
    counts.add(pixels, light.array, none, none)
    counts.add(pixels, light.array, all_of_them, all_of_them)
    assert counts.found["SATELLITE"] == (124, 62, 0)
    assert counts.lost == 0


def test_a_section_of_an_input_has_its_truth(tmp_path: Path) -> None:
    part = Box.from_shape((10, 30), start=(7, -3))
    refs = [exposure_ref(part, visit=7)]
    files = truth_files(folder_of(tmp_path), refs)
    counts = compare_with_truth(result_of(SpanSet.from_box(part)), refs, files)
    # Rows 2 to 11 of the truth; columns 20 and 21, and one pixel, are bad.
    n, masked, caught = counts.found["SATELLITE"]
    assert (n, masked, caught) == (62, 4, 58)
    assert counts.lost == counts.clean


def test_truth_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no folder"):
        truth_files(tmp_path / "none", [exposure_ref(visit=7)])
    folder = folder_of(tmp_path, light=False)
    with pytest.raises(MissingFileError, match=r"truth-8\.fits"):
        truth_files(folder, [exposure_ref(visit=8)])
    with pytest.raises(OptionError, match="no visit number"):
        truth_files(folder, [exposure_ref()])
    with pytest.raises(ShapeError, match="does not cover"):
        truth_files(folder, [exposure_ref(BOX.dilated_by(1), visit=7)])
    refs = [exposure_ref(visit=7)]
    with pytest.raises(FileFormatError, match="no HDU ARTIFACTS"):
        compare_with_truth(result_of(SpanSet()), refs, truth_files(folder, refs))

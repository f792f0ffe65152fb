# SPDX-License-Identifier: BSD-3-Clause
"""Which planes of the inputs reach the coadd: the mask table of the base assembler."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from deepcoadd import Box, Exposure, Mask, MaskedImage, MaskPlanes
from deepcoadd.coadd import AssembleOptions, CoaddResult, assemble
from deepcoadd.errors import MaskPlaneError
from deepcoadd.refs import ExposureRef

BAD_PLANES = ("NO_DATA", "BAD", "SAT", "EDGE")
NO_EDGE = ("NO_DATA", "BAD", "SAT")


def one_pixel(*planes: str, value: float = 1.0) -> MaskedImage:
    pixel = MaskedImage.from_arrays([[value]], None, 1.0)
    for plane in planes:
        pixel.mask.set(plane, (slice(None), slice(None)))
    return pixel


def coadd_of(inputs: list[MaskedImage], **options: object) -> CoaddResult:
    chosen = AssembleOptions(unit=None, interpolate=None, **options)
    return assemble(inputs, weights=[1.0] * len(inputs), options=chosen)


def planes_of(result: CoaddResult) -> set[str]:
    return set(result.mask.planes.names_of(int(result.mask.array[0, 0])))


ROWS = [
    # planes of single inputs, clean inputs beside them, bad planes, planes of the coadd, n
    pytest.param([["NO_DATA"]], 3, BAD_PLANES, "", 3, id="no-data"),
    pytest.param([["BAD"]], 3, BAD_PLANES, "REJECTED INEXACT_PSF", 3, id="bad"),
    pytest.param([["SAT"]], 3, BAD_PLANES, "REJECTED INEXACT_PSF SAT", 3, id="sat"),
    pytest.param([["SAT"]], 19, BAD_PLANES, "REJECTED INEXACT_PSF", 19, id="sat-of-20"),
    pytest.param([["SAT"]], 9, BAD_PLANES, "REJECTED INEXACT_PSF", 9, id="sat-of-10"),
    pytest.param([["SAT"]], 8, BAD_PLANES, "REJECTED INEXACT_PSF SAT", 8, id="sat-of-9"),
    pytest.param([["EDGE"]], 3, BAD_PLANES, "SENSOR_EDGE INEXACT_PSF", 3, id="edge"),
    pytest.param(
        [["NO_DATA", "EDGE"]], 3, BAD_PLANES, "SENSOR_EDGE INEXACT_PSF", 3, id="no-data-and-edge"
    ),
    pytest.param(
        [["EDGE", "BAD"]],
        3,
        BAD_PLANES,
        "SENSOR_EDGE REJECTED INEXACT_PSF",
        3,
        id="edge-and-bad",
    ),
    pytest.param(
        [["EDGE"], ["nan"]],
        2,
        NO_EDGE,
        "EDGE SENSOR_EDGE INEXACT_PSF",
        3,
        id="edge-is-not-bad-and-another-is-nan",
    ),
    pytest.param(
        [["CLIPPED"]], 3, (*BAD_PLANES, "CLIPPED"), "CLIPPED INEXACT_PSF", 3, id="clipped-is-bad"
    ),
    pytest.param([["CLIPPED"]], 3, BAD_PLANES, "CLIPPED INEXACT_PSF", 4, id="clipped-is-stored"),
    pytest.param(
        [["SAT"], ["nan"]], 2, BAD_PLANES, "REJECTED INEXACT_PSF SAT", 2, id="sat-and-nan"
    ),
    pytest.param([["DETECTED"]], 3, BAD_PLANES, "DETECTED", 4, id="detected"),
    pytest.param([["nan"]], 3, BAD_PLANES, "", 3, id="nan"),
    pytest.param([["NO_DATA"]] * 4, 0, BAD_PLANES, "NO_DATA", 0, id="no-data-in-all"),
    pytest.param([["BAD"]] * 4, 0, BAD_PLANES, "NO_DATA REJECTED INEXACT_PSF", 0, id="bad-in-all"),
    pytest.param([["SAT"]] * 4, 0, BAD_PLANES, "NO_DATA REJECTED INEXACT_PSF", 0, id="sat-in-all"),
    pytest.param(
        [["BAD"], ["BAD"], ["BAD"], ["NO_DATA"]],
        0,
        BAD_PLANES,
        "NO_DATA REJECTED INEXACT_PSF",
        0,
        id="bad-in-three",
    ),
]


@pytest.mark.parametrize(("marked", "clean", "bad", "planes", "n"), ROWS)
def test_mask_table(
    marked: list[list[str]], clean: int, bad: tuple[str, ...], planes: str, n: int
) -> None:
    inputs = [
        one_pixel(*(p for p in one if p != "nan"), value=np.nan if "nan" in one else 1.0)
        for one in marked
    ]
    # A second pixel keeps an input whose only pixel is NaN from being skipped as empty.
    inputs = [_with_neighbour(pixel) for pixel in [*inputs, *(one_pixel() for _ in range(clean))]]
    result = coadd_of(inputs, bad_planes=bad)
    assert planes_of(result) == set(planes.split())
    assert result.n_image.array[0, 0] == n
    expected = 1.0 if n else np.nan
    assert result.image.array[0, 0] == pytest.approx(expected, nan_ok=True)
    assert result.variance.array[0, 0] == pytest.approx(1 / n if n else np.nan, nan_ok=True)


def _with_neighbour(pixel: MaskedImage) -> MaskedImage:
    wide = MaskedImage.from_arrays([[1.0, 1.0]], None, 1.0)
    wide.image.array[0, 0] = pixel.image.array[0, 0]
    wide.mask.array[0, 0] = pixel.mask.array[0, 0]
    return wide


def test_sigma_clipped_outlier_leaves_its_planes() -> None:
    inputs = [one_pixel(value=v) for v in (1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.0)]
    inputs.append(one_pixel("SUSPECT", value=50.0))
    result = coadd_of(inputs, statistic="MEANCLIP")
    assert planes_of(result) == {"SUSPECT", "CLIPPED", "INEXACT_PSF"}
    assert result.n_image.array[0, 0] == 9
    assert result.n_clipped_image.array[0, 0] == 1
    assert result.clipped_fraction == pytest.approx(1 / 9)
    assert result.image.array[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_missing_part_of_an_input_is_no_data() -> None:
    wide = MaskedImage.from_arrays(np.ones((3, 4)), None, 1.0)
    narrow = MaskedImage.from_arrays(np.full((3, 2), 3.0), None, 1.0, start=(0, 2))
    edge = MaskedImage.from_arrays(np.ones((3, 4)), None, 1.0)
    edge.mask.set("EDGE", (slice(None), slice(None)))
    result = coadd_of([wide, narrow, edge], bad_planes=NO_EDGE)
    np.testing.assert_array_equal(result.n_image.array[0], [2, 2, 3, 3])
    np.testing.assert_allclose(result.image.array[0], [1, 1, 5 / 3, 5 / 3], rtol=1e-7)
    # A missing pixel is a rejected one: it opens the way for EDGE of a good input.
    sensor_edge = result.mask.has("SENSOR_EDGE")[0]
    np.testing.assert_array_equal(sensor_edge, [True, True, False, False])


def test_input_outside_of_a_strip_counts_like_missing_pixels() -> None:
    low = MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0)
    low.mask.set("EDGE", (slice(None), slice(None)))
    high = MaskedImage.from_arrays(np.ones((2, 2)), None, 1.0, start=(2, 0))
    whole = coadd_of([low, high], bad_planes=NO_EDGE)
    strips = coadd_of([low, high], bad_planes=NO_EDGE, subregion=(1, 1))
    np.testing.assert_array_equal(whole.mask.array, strips.mask.array)
    assert whole.mask.has("SENSOR_EDGE")[:2].all()
    assert not whole.mask.has("SENSOR_EDGE")[2:].any()


def test_weight_of_inputs_outside_of_a_strip_counts_for_a_threshold_of_no_data() -> None:
    low = MaskedImage.from_arrays(np.ones((1, 1)), None, 1.0)
    highs = [MaskedImage.from_arrays(np.ones((1, 1)), None, 1.0, start=(1, 0)) for _ in range(3)]
    options = AssembleOptions(
        unit=None, interpolate=None, subregion=(1, 1), propagation_thresholds={"NO_DATA": 0.5}
    )
    result = assemble([low, *highs], weights=[1.0, 1.0, 1.0, 1.0], options=options)
    # 3/4 of the weight has no data in the first row, 1/4 in the second.
    np.testing.assert_array_equal(result.mask.has("NO_DATA")[:, 0], [True, False])


@pytest.mark.parametrize(
    ("remove", "bad", "planes", "n"),
    [
        (("NOT_DEBLENDED",), BAD_PLANES, "", 2),
        ((), BAD_PLANES, "NOT_DEBLENDED", 2),
        # A plane that is both bad and removed is not rejected, but n_image counts it out.
        (("NOT_DEBLENDED",), (*BAD_PLANES, "NOT_DEBLENDED"), "", 1),
    ],
)
def test_removed_planes(remove: tuple[str, ...], bad: tuple[str, ...], planes: str, n: int) -> None:
    inputs = [one_pixel("NOT_DEBLENDED", value=3.0), one_pixel(value=1.0)]
    before = [m.mask.array.copy() for m in inputs]
    result = coadd_of(inputs, remove_planes=remove, bad_planes=bad)
    assert planes_of(result) == set(planes.split())
    assert result.n_image.array[0, 0] == n
    assert result.image.array[0, 0] == 2.0
    for one, words in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(one.mask.array, words)


def test_removed_plane_does_not_open_the_mask_map_or_a_threshold() -> None:
    inputs = [one_pixel("EDGE"), one_pixel(value=np.nan), one_pixel()]
    inputs = [_with_neighbour(pixel) for pixel in inputs]
    result = coadd_of(
        inputs,
        bad_planes=NO_EDGE,
        remove_planes=("EDGE",),
        propagation_thresholds={"EDGE": 0.0},
    )
    assert planes_of(result) == set()


def test_removing_a_plane_that_the_coadd_sets() -> None:
    inputs = [one_pixel("CLIPPED"), one_pixel("BAD"), one_pixel()]
    result = coadd_of(inputs, remove_planes=("CLIPPED",))
    assert planes_of(result) == {"REJECTED", "INEXACT_PSF"}


def test_dictionaries_are_matched_by_name() -> None:
    other = MaskPlanes({"SAT": 0, "BAD": 1, "MINE": 2})
    odd = MaskedImage.from_arrays([[5.0, 5.0]], [[1, 4]], 1.0, planes=other)
    plain = MaskedImage.from_arrays([[1.0, 1.0]], None, 1.0)
    result = coadd_of([odd, plain])
    names = [set(result.mask.planes.names_of(int(w))) for w in result.mask.array[0]]
    assert names == [{"REJECTED", "INEXACT_PSF", "SAT"}, {"MINE"}]
    assert result.mask.planes["SAT"] == 1  # the default dictionary leads
    np.testing.assert_array_equal(result.image.array, [[1.0, 3.0]])


def test_alternate_masks_act_like_stored_ones() -> None:
    inputs = [MaskedImage.from_arrays(np.full((2, 2), v), None, 1.0) for v in (1.0, 2.0, 9.0)]
    artifact = np.zeros((2, 2), bool)
    artifact[0, 1] = True
    options = AssembleOptions(unit=None, interpolate=None, bad_planes=(*BAD_PLANES, "CLIPPED"))
    weights = [1.0, 1.0, 1.0]
    given = assemble(
        inputs, weights=weights, options=options, alternate_masks=[None, {}, {"CLIPPED": artifact}]
    )
    stored = [m.copy() for m in inputs]
    stored[2].mask.set("CLIPPED", artifact)
    same = assemble(stored, weights=weights, options=options)
    np.testing.assert_array_equal(given.image.array, same.image.array)
    np.testing.assert_array_equal(given.mask.array, same.mask.array)
    np.testing.assert_array_equal(given.n_image.array, [[3, 2], [3, 3]])
    assert given.image.array[0, 1] == 1.5
    assert not inputs[2].mask.array.any()


def test_alternate_mask_with_a_plane_and_a_box_of_its_own() -> None:
    inputs = [MaskedImage.from_arrays(np.ones((3, 3)), None, 1.0) for _ in range(2)]
    part = Mask.zeros(Box.from_shape((5, 2), start=(-1, 2)))
    part.array[...] = 64
    result = assemble(
        inputs,
        weights=[1.0, 1.0],
        options=AssembleOptions(unit=None, interpolate=None),
        alternate_masks=[{"GHOST": part}, None],
    )
    np.testing.assert_array_equal(result.mask.has("GHOST")[1], [False, False, True])


def test_planes_that_only_reading_shows_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    class Surprising(ExposureRef):
        """Its pixels have bits that its header does not name."""

        in_memory = False

        def view(self, box: Box | None = None) -> MaskedImage:
            pixels = super().view(box)
            mask = pixels.mask
            planes = mask.planes.with_planes("UNKNOWN29")
            words = mask.array | np.int32(planes.bitmask("UNKNOWN29"))
            return MaskedImage(pixels.image, Mask(words, mask.box, planes), pixels.variance)

    own = MaskPlanes({"DETECTED": 0, "MINE": 1})
    tall = MaskedImage.from_arrays(np.ones((4, 1)), np.full((4, 1), 3), 1.0, planes=own)
    inputs = [Surprising(Exposure(tall)), MaskedImage.from_arrays(np.ones((4, 1)), None, 1.0)]
    options = AssembleOptions(unit=None, interpolate=None, subregion=(1, 1))
    with caplog.at_level(logging.WARNING, logger="deepcoadd"):
        result = assemble(inputs, weights=[1.0, 1.0], options=options)
    assert planes_of(result) == {"DETECTED", "MINE"}
    assert "UNKNOWN29" not in result.mask.planes
    messages = [r.getMessage() for r in caplog.records if "UNKNOWN29" in r.getMessage()]
    assert len(messages) == 1


def test_misspelt_bad_plane_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    inputs = [MaskedImage.from_arrays(np.ones((4, 1)), None, 1.0) for _ in range(2)]
    with caplog.at_level(logging.WARNING, logger="deepcoadd"):
        result = coadd_of(
            inputs, bad_planes=("NO_DATA", "SATURATED", "SATURATED"), subregion=(1, 1)
        )
    messages = [r.getMessage() for r in caplog.records if "SATURATED" in r.getMessage()]
    assert len(messages) == 1
    assert "bad_planes" in messages[0]
    assert result.image.array[0, 0] == 1.0


def test_unknown_plane_with_a_threshold_is_an_error() -> None:
    with pytest.raises(MaskPlaneError, match="SATURATED"):
        coadd_of([one_pixel()], propagation_thresholds={"SATURATED": 0.1})


def test_too_many_planes_are_named() -> None:
    many = MaskPlanes([f"P{i}" for i in range(26)])
    pixel = MaskedImage.from_arrays([[1.0]], None, 1.0, planes=many)
    with pytest.raises(MaskPlaneError, match="P25"):
        coadd_of([pixel])


def test_default_planes_that_nobody_uses_make_room() -> None:
    many = MaskPlanes([*(f"P{i}" for i in range(20)), "DETECTED"])
    pixel = MaskedImage.from_arrays([[1.0, 1.0]], [[1 << 20, 1 << 19]], 1.0, planes=many)
    result = coadd_of([pixel, _with_neighbour(one_pixel("EDGE"))])
    names = [set(result.mask.planes.names_of(int(w))) for w in result.mask.array[0]]
    assert names == [{"DETECTED", "SENSOR_EDGE", "INEXACT_PSF"}, {"P19"}]
    assert result.mask.planes["SAT"] == 1


def test_default_planes_make_room_in_both_inputs() -> None:
    first = MaskPlanes([f"P{i}" for i in range(15)])
    second = MaskPlanes([f"Q{i}" for i in range(9)])
    inputs = [
        MaskedImage.from_arrays([[1.0]], [[1 << 14]], 1.0, planes=first),
        MaskedImage.from_arrays([[1.0]], [[1 << 8]], 1.0, planes=second),
    ]
    result = coadd_of(inputs, bad_planes=("NO_DATA",), propagation_thresholds={})
    assert planes_of(result) == {"P14", "Q8"}

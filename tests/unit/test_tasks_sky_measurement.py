# SPDX-License-Identifier: BSD-3-Clause
"""The sky measurement task: documented steps, overrides, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.pipe.base", reason="needs the lsst extra")

from deepcoadd import Exposure, MaskedImage, io
from deepcoadd.background import BackgroundList
from deepcoadd.errors import MaskPlaneError, OptionError, ShapeError
from deepcoadd.tasks import SkyMeasurementConfig, SkyMeasurementTask

pytestmark = pytest.mark.lsst


def frames(scale: float, n: int, seed: int = 0) -> list[Exposure]:
    """Exposures of a pattern and noise: two detectors side by side could look like that."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((128, 160))
    wave = np.sin(x / 60.0) * np.cos(y / 70.0)
    images = [scale * wave + rng.normal(0, 1.0, wave.shape) for _ in range(n)]
    return [Exposure(MaskedImage.from_arrays(image, None, 1.0)) for image in images]


def test_the_steps_from_exposures_to_a_subtracted_frame(tmp_path: Path) -> None:
    task = SkyMeasurementTask()
    measured = [task.measureBackground(one) for one in frames(1.0, 12)]
    assert all(len(one) == 1 for one in measured)
    held = task.averageBackgrounds(measured)
    io.write(tmp_path / "sky.fits", held)
    read = io.read(tmp_path / "sky.fits")
    sky, again = (task.exposureToBackground(one) for one in (held, read))
    np.testing.assert_array_equal(sky.image().array, again.image().array)
    (target,) = frames(20.0, 1, seed=7)
    before = target.image.array.copy()
    samples = task.measureScale(target, sky)
    assert [len(part) for part in samples] == [16, 16]
    scale = task.solveScales([samples, samples])
    assert isinstance(scale, float)
    # Bins of 32 pixels flatten waves of 377 and 440 pixels by 1.2 % and 0.9 %.
    assert scale == pytest.approx(20.0, rel=0.03)
    backgrounds = BackgroundList()
    task.subtractSkyFrame(target.masked_image, sky, scale, backgrounds)
    removed = before - target.image.array
    np.testing.assert_allclose(backgrounds.image().array, removed, atol=2e-5)
    assert backgrounds[0][1:] == sky[0][1:]
    assert target.image.array.std() < 0.2 * before.std()


def test_the_best_settings_find_scales_that_bins_do_not_bias() -> None:
    config = SkyMeasurementConfig()
    config.setBest()
    config.validate()
    task = SkyMeasurementTask(config=config)
    sky = task.exposureToBackground(
        task.averageBackgrounds([task.measureBackground(one) for one in frames(1.0, 12)])
    )
    found = []
    for one in frames(20.0, 5, seed=3):
        one.image.array[:, :60] += 3.0
        one.mask.set("DETECTED", (slice(None), slice(0, 60)))
        one.image.array += 2.0
        samples = task.measureScale(one, sky)
        assert [len(part) for part in samples] == [20, 20]
        found.append(task.solveScales([samples]))
    # Errors are 0.4 per cent (chance of 4 of them: 1e-4), mostly of the one frame.
    assert np.mean(found) == pytest.approx(20.0, rel=0.016)
    with pytest.raises(OptionError, match="weighting"):
        task.solveScales([([1.0, 2.0], [0.1, 0.2])])
    with pytest.raises(OptionError, match="weighting"):
        task.solveScales([(samples[0][:10], samples[1][:10])])
    with pytest.raises(ValueError, match="bins"):
        config.samples = "pixels"


def test_overridden_steps_take_effect() -> None:
    class Half(SkyMeasurementTask):
        def solveScales(self, scales: Any) -> float:  # noqa: N802  (documented name)
            return 0.5 * super().solveScales(scales)

    sky = SkyMeasurementTask().measureBackground(frames(1.0, 1)[0])
    pair = SkyMeasurementTask().measureScale(frames(3.0, 1)[0], sky)
    assert Half().solveScales([pair]) == 0.5 * SkyMeasurementTask().solveScales([pair])


def test_the_configuration_reaches_the_steps() -> None:
    config = SkyMeasurementConfig()
    config.background.xBinSize = 40
    config.background.algorithm = "LINEAR"
    config.background.mask = ["BAD"]
    config.xNumSamples, config.yNumSamples = 3, 2
    config.stats.statistic = "MEDIAN"
    task = SkyMeasurementTask(config=config)
    (one,) = frames(1.0, 1)
    sky = task.measureBackground(one)
    assert sky[0].background.values.shape == (4, 4)
    assert sky[0][1:] == ("LINEAR", "REDUCE_INTERP_ORDER", "UNKNOWN", 0, 0, False)
    image, _ = task.measureScale(one, sky)
    assert image[2] == np.median(one.image.array[:64, 53:106].astype(float))
    config = SkyMeasurementConfig()
    with pytest.raises(ValueError, match="NONE"):
        config.background.algorithm = "NONE"


def test_bad_input_is_named() -> None:
    task = SkyMeasurementTask()
    (one,) = frames(1.0, 1)
    sky = task.measureBackground(one)
    two = BackgroundList(*sky, *sky)
    with pytest.raises(ShapeError, match="list 1 holds 2"):
        task.averageBackgrounds([sky, two])
    with pytest.raises(ValueError, match="no usable sky samples"):
        task.solveScales([([np.nan], [np.nan])])
    other = SkyMeasurementConfig()
    other.stats.mask = ["HOLE"]
    with pytest.raises(MaskPlaneError, match="HOLE"):
        SkyMeasurementTask(config=other).measureScale(one, sky)
    small = Exposure(MaskedImage.from_arrays(np.ones((8, 8)), None, 1.0))
    with pytest.raises(ShapeError, match="must cover"):
        task.measureScale(small, sky)

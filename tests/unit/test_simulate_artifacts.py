# SPDX-License-Identifier: BSD-3-Clause
"""Simulated artifacts: where their light is, how much of it, and what is masked."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from deepcoadd.testing import assert_planes_close
from deepcoadd.testing.simulate import (
    PRESETS,
    CosmicRayOptions,
    DetectorOptions,
    GhostOptions,
    MoverOptions,
    SatelliteOptions,
    SourceOptions,
    simulate_scene,
    simulate_visits,
)
from deepcoadd.testing.simulate._detector import saturate

_EMPTY = SourceOptions(n_stars=0, n_galaxies=0)
_SMALL = replace(PRESETS["clean"], n_visits=3, shape=(180, 200), start=(-20, 1000), seed=11)
_SMALL = replace(_SMALL, sources=SourceOptions(n_stars=12, n_galaxies=8))


class TestArtifacts:
    def test_every_kind_occurs_in_the_demo(self):
        truth = simulate_scene(replace(PRESETS["demo"], shape=(700, 700))).truth
        kinds = set().union(*(visit.artifacts for visit in truth.visits))
        assert kinds == {
            "cosmic_ray", "satellite", "ghost", "asteroid", "slow_mover",
            "saturated", "dead_column", "hot_pixel", "gap",
        }  # fmt: skip

    def test_truth_masks_hold_the_light(self):
        options = replace(
            _SMALL,
            cosmic_rays=CosmicRayOptions(per_visit=20.0),
            satellites=SatelliteOptions(visits=(1,)),
            asteroids=MoverOptions(n=3),
        )
        for visit in simulate_scene(options).truth.visits:
            covered = visit.any_artifact()
            assert visit.artifact_light[~covered].max() <= 3 * 0.1 * visit.noise
            assert (visit.artifact_light[covered] > 0.09 * visit.noise).all()
            assert_planes_close(
                visit.any_artifact("satellite"), visit.artifacts.get("satellite", covered & False)
            )

    def test_satellite_crosses_the_box_with_its_width_and_brightness(self):
        options = replace(
            _SMALL,
            sources=_EMPTY,
            satellites=SatelliteOptions(visits=(1, 1), peak=(20.0, 20.0), width=(5.0, 5.0)),
        )
        first, second, third = simulate_scene(options).truth.visits
        assert not first.artifact_rows
        assert not third.artifact_light.any()
        assert [row.kind for row in second.artifact_rows] == ["satellite"] * 2
        row = second.artifact_rows[0]
        single = replace(options, satellites=replace(options.satellites, visits=(1,)))
        light = simulate_scene(single).truth.visits[1].artifact_light
        assert simulate_scene(single).truth.visits[1].artifact_rows == (row,)
        assert light.max() == pytest.approx(20 * second.noise, rel=0.01)
        # Along any row or column that it crosses the trail has the same cross-section.
        y, x = np.mgrid[-20:160, 1000:1200]
        distance = (y - row.y) * np.cos(row.angle) - (x - row.x) * np.sin(row.angle)
        reach = 2.5 + 6 * second.psf_sigma
        assert not light[np.abs(distance) > reach].any()
        assert light[np.abs(distance) < 0.5].min() > 0.98 * light.max()
        half = light[np.abs(np.abs(distance) - 2.5) < 0.05]
        unit = second.psf_sigma * math.sqrt(2)
        share = 0.5 * math.erf(5 / unit) / math.erf(2.5 / unit)
        np.testing.assert_allclose(half, share * 20 * second.noise, rtol=0.03)

    def test_cosmic_rays_are_sharp_and_counted(self):
        """Counts are Poisson: 5 sigma."""
        options = replace(_SMALL, n_visits=6, cosmic_rays=CosmicRayOptions(40.0, flagged=0.5))
        scene = simulate_scene(options)
        rows = [row for visit in scene.truth.visits for row in visit.artifact_rows]
        assert abs(len(rows) - 240) < 5 * np.sqrt(240)
        tracks = [row for row in rows if row.size > 0]
        assert abs(len(tracks) / len(rows) - 0.6) < 5 * np.sqrt(0.24 / len(rows))
        for warp, visit in zip(scene.warps, scene.truth.visits, strict=True):
            hit = visit.artifacts["cosmic_ray"]
            length = sum(max(row.size, 1) + 1 for row in visit.artifact_rows)
            assert hit.sum() <= 2 * length
            flagged = warp.mask.has("CR")
            assert not (flagged & (visit.artifact_light == 0)).any()
            assert 0.2 < flagged.sum() / hit.sum() < 0.8
            charge = sum(row.brightness * max(row.size, 1) for row in visit.artifact_rows)
            # Tracks that leave the box take charge with them; steps of 0.1 px round their length.
            assert 0.8 * charge < visit.artifact_light.sum() < 1.02 * charge

    def test_ghost_is_a_disc_with_a_hole(self):
        ghosts = GhostOptions(per_visit=1.0, peak=(2.0, 2.0), radius=(40.0, 40.0))
        for visit in simulate_scene(replace(_SMALL, ghosts=ghosts)).truth.visits:
            if len(visit.artifact_rows) == 1:
                row = visit.artifact_rows[0]
                y, x = np.mgrid[-20:160, 1000:1200]
                r = np.hypot(y - row.y, x - row.x)
                ring, hole = (r > 19) & (r < 35), r < 9
                np.testing.assert_allclose(visit.artifact_light[ring], 2 * visit.noise, rtol=0.01)
                assert not (visit.artifact_light[hole] > 0.05 * visit.noise).any()
                assert visit.artifact_light[r > 51].max() < 1e-3 * visit.noise
                break
        else:
            pytest.fail("no visit with one ghost; choose another seed")

    def test_moving_bodies_keep_their_pace_and_flux(self):
        options = replace(
            _SMALL,
            asteroids=MoverOptions(n=2, step=(30.0, 50.0), trail=0.2),
            slow_movers=MoverOptions(n=1, step=(2.0, 2.0)),
        )
        table = simulate_scene(options).truth.artifact_table()
        assert len(table) == 9
        slow = table[table["kind"] == "slow_mover"]
        np.testing.assert_allclose(np.hypot(np.diff(slow["y"]), np.diff(slow["x"])), 2.0)
        assert len(set(slow["brightness"])) == 1
        assert (slow["size"] == 0).all()
        fast = table[table["kind"] == "asteroid"]
        for k in (0, 1):
            body = fast[k::2]
            step = np.hypot(np.diff(body["y"]), np.diff(body["x"]))
            assert 30 <= step[0] <= 50
            np.testing.assert_allclose(step, step[0])
            np.testing.assert_allclose(body["size"], 0.2 * step[0])

    def test_slow_mover_light_is_its_flux(self):
        options = replace(_SMALL, seed=5, slow_movers=MoverOptions(n=1, flux=(5e3, 5e3)))
        light = simulate_scene(options).truth.visits[1].artifact_light
        row = simulate_scene(options).truth.visits[1].artifact_rows[0]
        assert -5 < row.y < 145
        assert 1015 < row.x < 1185
        assert light.sum(dtype=float) == pytest.approx(5e3, rel=1e-6)


class TestDetector:
    options = replace(
        _SMALL,
        n_visits=4,
        detector=DetectorOptions(
            chip_shape=(90, 80), gap=10, edge=3, dither=25.0, dead_columns=2.0, hot_pixels=5.0
        ),
    )

    def test_gaps_are_the_no_data_triple_and_nothing_else_is(self):
        for visit in simulate_visits(self.options):
            warp, gap = visit.warp, visit.truth.artifacts["gap"]
            assert_planes_close(np.isnan(warp.image.array), gap)
            assert_planes_close(np.isposinf(warp.variance.array), gap)
            assert (warp.mask.array[gap] == warp.mask.planes.bitmask("NO_DATA")).all()
            assert not warp.mask.has("NO_DATA")[~gap].any()

    def test_chips_have_their_size_and_edges(self):
        """Complete runs of good columns are 80 wide, of gaps 10; EDGE is 3 on each side."""
        visit = next(simulate_visits(self.options))
        gap = visit.truth.artifacts["gap"]
        open_row = int(np.argmin(gap.sum(axis=1)))
        steps = np.flatnonzero(np.diff(gap[open_row].astype(int)))
        lengths = set(np.diff(steps).tolist())
        assert lengths <= {80, 10}
        assert 80 in lengths or 10 in lengths
        edge = visit.warp.mask.has("EDGE")[open_row]
        for step in steps:
            near = edge[step - 2 : step + 4]
            assert near.tolist() in ([True] * 3 + [False] * 3, [False] * 3 + [True] * 3)

    def test_mosaic_moves_with_the_pointing(self):
        gaps = [visit.truth.artifacts["gap"] for visit in simulate_visits(self.options)]
        assert all((a != b).any() for a, b in pairwise(gaps))

    def test_turned_mosaic_keeps_the_fraction_in_gaps(self):
        """Of the mosaic 1 - (90 80) / (100 90) = 0.2 is gap; the box holds 4 chips or so."""
        turned = replace(self.options, detector=replace(self.options.detector, rotate=True))
        for visit in simulate_visits(turned):
            gap = visit.truth.artifacts["gap"]
            assert gap.mean() == pytest.approx(0.2, abs=0.05)
            assert (gap.any(axis=0)).all()
            assert (gap.any(axis=1)).all()

    def test_defects_are_bad_and_on_chips(self):
        n_hot = 0
        for visit in simulate_visits(self.options):
            masks = visit.truth.artifacts
            bad = masks["dead_column"] | masks["hot_pixel"]
            assert_planes_close(visit.warp.mask.has("BAD"), bad)
            assert not (bad & masks["gap"]).any()
            dead = masks["dead_column"] & ~masks["hot_pixel"]
            assert (visit.warp.image.array[dead] == np.float32(-visit.truth.sky_level)).all()
            assert (visit.warp.image.array[masks["hot_pixel"]] > 10 * visit.truth.noise).all()
            n_hot += int(masks["hot_pixel"].sum())
        # 4 visits of 180 x 200 pixels at 5 a chip of 100 x 90 with its gaps: 80 +- 9, and the same
        # few chips are seen again and again: 5 sigma of 16 draws of 5.
        assert abs(n_hot - 80) < 5 * 4 * np.sqrt(20)

    def test_dead_columns_run_from_edge_to_edge_of_a_chip(self):
        visit = next(simulate_visits(self.options))
        dead, gap = visit.truth.artifacts["dead_column"], visit.truth.artifacts["gap"]
        assert dead.any()
        for y, x in np.argwhere(dead[:-1] & ~dead[1:]):
            assert gap[y + 1, x]

    def test_without_chips_the_box_is_one_chip(self):
        options = replace(
            _SMALL, detector=DetectorOptions(dither=50.0, rotate=True, edge=4, hot_pixels=50.0)
        )
        for visit in simulate_visits(options):
            counts = visit.warp.mask.counts()
            assert counts["NO_DATA"] == counts["EDGE"] == 0
            assert counts["BAD"] > 0


class TestSaturation:
    def test_charge_above_the_well_runs_along_the_column(self):
        electrons = np.full((41, 5), 10.0, np.float32)
        electrons[20, 2] = 1010.0
        full = saturate(electrons, 100.0)
        # 910 electrons too many fill 9.1 wells: 5 pixels up and 5 down.
        assert full.sum() == 11
        assert full[15:26, 2].all()

    def test_bleeding_stops_at_the_edge(self):
        electrons = np.zeros((10, 3), np.float32)
        electrons[1, 1] = 5000.0
        full = saturate(electrons, 100.0)
        assert full[:, 1].all()
        assert full.sum() == 10

    def test_nothing_at_the_well_itself(self):
        assert not saturate(np.full((3, 3), 100.0, np.float32), 100.0).any()

    def test_saturated_stars_are_flat_and_flagged(self):
        options = replace(
            _SMALL,
            sources=SourceOptions(n_stars=5, n_galaxies=0, flux=(2e6, 4e6)),
            detector=DetectorOptions(full_well=1e5),
        )
        for visit in simulate_visits(options):
            full = visit.truth.artifacts["saturated"]
            assert full.sum() > 20
            assert_planes_close(visit.warp.mask.has("SAT"), full)
            top = 1e5 / 1.8 - visit.truth.sky_level
            np.testing.assert_allclose(visit.warp.image.array[full], top, rtol=1e-6)
            assert visit.warp.image.array[~full].max() <= top * (1 + 1e-6)

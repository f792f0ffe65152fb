# SPDX-License-Identifier: BSD-3-Clause
"""From inputs to the FITS file of a coadd, in memory or tile by tile."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.table import Table

from deepcoadd import __version__
from deepcoadd.background import MatchedRef, match_cards
from deepcoadd.cli._config import CoaddConfig
from deepcoadd.cli._methods import ArtifactMethod, ArtifactWork
from deepcoadd.cli._sizes import format_size
from deepcoadd.cli._terminal import ProgressCallback
from deepcoadd.cli._toml import plain
from deepcoadd.coadd import (
    ArtifactCoadd,
    BrightObject,
    CoaddPlan,
    CoaddResult,
    CoaddTile,
    SkippedInput,
    assemble,
    prepare,
    read_bright_objects,
)
from deepcoadd.errors import NoWorkError, OptionError, PsfGenerationError
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.io import open_warp, write, writer
from deepcoadd.noise import NoiseSample, sample_noise
from deepcoadd.refs import WarpRef

__all__ = ["Product", "TileViewer", "make_coadd"]

_log = logging.getLogger(__name__)

_MAP_DTYPES: Mapping[str, type] = {"date": np.float64}
"""Dtypes of maps that are not float32."""

_SHARE_IN_MEMORY = 0.75
"""Part of the memory budget that a coadd may take before it is written by tiles."""

_CARD_DEPTH = 2
"""Tables of settings nested deeper than this become one card, for keywords have a longest."""


class TileViewer(Protocol):
    """Something that wants to see a coadd in the making."""

    def begin(self, box: Box) -> None:
        """Learn the box of the coadd."""
        ...

    def add(self, tile: CoaddTile) -> None:
        """See a finished tile (the only one, when the coadd fits in memory)."""
        ...


@dataclass(frozen=True)
class Product:
    """A coadd that has been written.

    Parameters
    ----------
    result : CoaddResult
        The coadd; without pixels when it was written by tiles.
    skipped : list of SkippedInput
        Every input left out, those that could not be opened included.
    noise : NoiseSample
        Noise of its sky pixels.
    """

    result: CoaddResult
    skipped: list[SkippedInput]
    noise: NoiseSample


def make_coadd(
    output: Path,
    refs: Sequence[WarpRef],
    unreadable: Sequence[SkippedInput],
    config: CoaddConfig,
    *,
    overwrite: bool,
    progress: ProgressCallback,
    matched: Sequence[WarpRef] = (),
    tables: Mapping[str, Table] | None = None,
    viewer: TileViewer | None = None,
) -> Product:
    """Coadd some exposures and write the result.

    Parameters
    ----------
    output : Path
        FITS file; appears complete or not at all.
    refs : sequence of WarpRef
        The exposures.
    unreadable : sequence of SkippedInput
        Inputs that could not be opened.
    config : CoaddConfig
        All settings.
    overwrite : bool
        Whether an existing file may be replaced.
    progress : callable
        Is told how far the work is.
    matched : sequence of WarpRef
        PSF-matched version of each exposure, where there are.
    tables : mapping of str to Table, optional
        Further tables to write.
    viewer : TileViewer, optional
        Is shown the coadd in the making.

    Raises
    ------
    NoWorkError
        No input is left; the message gives the reason of each. Nothing is written.
    OptionError
        The method needs more memory, or the width of a PSF, than there is.
    """
    if not refs:
        reasons = "; ".join(f"{item.name}: {item.reason}" for item in unreadable)
        raise NoWorkError(f"none of the {len(unreadable)} inputs can be used ({reasons})")
    objects = _bright_objects(config.run.bright_objects)
    plan = prepare(refs, options=config.options, progress=progress)
    plan = _with_match_cards(plan, refs)
    by_tiles = _is_by_tiles(plan, config)
    if viewer is not None:
        viewer.begin(plan.box)
    partners = [matched[record.index] for record in plan.records] if matched else []
    job = _Job(
        output, plan, partners, config, objects, dict(tables or {}), overwrite, progress, viewer
    )
    result = job.by_tiles() if by_tiles else job.in_memory()
    skipped = [*unreadable, *result.skipped]
    if result.planes is not None:
        return Product(result, skipped, sample_noise(result.exposure.masked_image))
    return Product(result, skipped, sample_noise(open_warp(output)))


def _with_match_cards(plan: CoaddPlan, refs: Sequence[WarpRef]) -> CoaddPlan:
    """The plan of a coadd whose header says how well its inputs match, if they were matched."""
    used = [refs[record.index] for record in plan.records]
    cards = match_cards([ref.result for ref in used if isinstance(ref, MatchedRef)])
    info = replace(plan.info, metadata={**plan.info.metadata, **cards})
    return replace(plan, info=info) if cards else plan


def _is_by_tiles(plan: CoaddPlan, config: CoaddConfig) -> bool:
    """Whether a coadd is too large to be kept; artifacts can be found in whole ones only."""
    budget = _SHARE_IN_MEMORY * config.options.max_memory
    how = config.method.artifacts
    if how is None:
        return plan.output_bytes > budget
    needed = plan.output_bytes + how.bytes_per_pixel * plan.box.area
    if needed > budget:
        height, width = plan.box.shape
        least = format_size(1.01 * needed / _SHARE_IN_MEMORY).replace(" ", "")
        raise OptionError(
            f"max_memory = {format_size(config.options.max_memory)}: method {config.name} "
            f"keeps whole planes of the coadd, {format_size(needed)} for {width} x {height} "
            f"pixels, which may take three quarters of it; give --max-memory {least}, coadd "
            "sections of the inputs, or choose --method clipped, which works by tiles"
        )
    return False


def _bright_objects(path: str | None) -> list[BrightObject] | None:
    """Objects of a region file, read before the work begins."""
    if path is None:
        return None
    try:
        return read_bright_objects(path)
    except FileNotFoundError:
        raise OptionError(f"bright_objects: there is no file {path!r}") from None


@dataclass(frozen=True)
class _Job:
    """One coadd to be made and written."""

    output: Path
    plan: CoaddPlan
    matched: Sequence[WarpRef]
    config: CoaddConfig
    bright_objects: list[BrightObject] | None
    tables: dict[str, Table]
    overwrite: bool
    progress: ProgressCallback
    viewer: TileViewer | None

    def in_memory(self) -> CoaddResult:
        """Make the coadd, then write it."""
        how = self.config.method.artifacts
        result = self._assembled() if how is None else self._without_artifacts(how)
        assert result.n_image is not None  # kept, since no tile was handed out
        assert result.n_clipped_image is not None
        whole = CoaddTile(
            result.exposure.masked_image, result.n_image, result.n_clipped_image, result.maps
        )
        if self.viewer is not None:
            self.viewer.add(whole)
        write(
            self.output,
            result.exposure,
            inputs_table=result.table(),
            extra_images=_extra_images(whole),
            extra_tables={**_extra_tables(result), **self.tables},
            **self._how_to_write(),
        )
        return result

    def by_tiles(self) -> CoaddResult:
        """Make a coadd that does not fit in memory, and write each tile when it is done."""
        names, plan = self.config.options.maps, self.plan
        planes = plan.rules.planes
        if self.bright_objects is not None:
            planes = planes.with_planes(self.config.options.bright_object_plane)
        dtypes: dict[str, type] = {"NIMAGE": np.uint32, "NCLIPPED": np.uint32}
        dtypes |= {name.upper(): _MAP_DTYPES.get(name, np.float32) for name in names}
        _log.info("the coadd takes %d MiB and is written by tiles", plan.output_bytes >> 20)
        info = replace(plan.info, planes=planes)
        with writer(self.output, info, extra_images=dtypes, **self._how_to_write()) as tiles:

            def take(tile: CoaddTile) -> None:
                tiles.write_tile(tile.box, tile.masked_image, _extra_images(tile))
                if self.viewer is not None:
                    self.viewer.add(tile)

            try:
                result = self._assembled(take)
            except OptionError as error:
                error.add_note("a --max-memory above the size of the coadd also helps")
                raise
            tiles.inputs_table = result.table()
            tiles.extra_tables.update(self.tables)
        return result

    def _without_artifacts(self, how: ArtifactMethod) -> ArtifactCoadd:
        """Mean of the inputs without the artifacts of single ones."""
        sigma = self.config.run.psf_sigma
        work = ArtifactWork(
            plan=self.plan,
            matched=self.matched,
            options=self.config.artifacts,
            psf_sigma=sigma,
            bright_objects=self.bright_objects,
            progress=self.progress,
        )
        try:
            return how.make(work)
        except PsfGenerationError as error:
            if sigma is not None:
                raise
            raise OptionError(f"psf_sigma = none: {error}: --psf-sigma PIXELS") from error

    def _assembled(self, on_tile: Callable[[CoaddTile], None] | None = None) -> CoaddResult:
        return assemble(
            self.plan,
            bright_objects=self.bright_objects,
            progress=self.progress,
            on_tile=on_tile,
        )

    def _how_to_write(self) -> dict[str, Any]:
        return {
            "overwrite": self.overwrite,
            "compression": self.config.run.compression,
            "provenance": {
                "VERSION": __version__,
                "NINPUTS": len(self.plan.inputs),
                "OPTIONS": _for_cards(plain(self.config.table())),
            },
        }


def _for_cards(table: Mapping[str, Any], depth: int = 1) -> dict[str, Any]:
    """Settings as header cards can hold them."""
    return {
        key: value
        if not isinstance(value, Mapping)
        else (_for_cards(value, depth + 1) if depth < _CARD_DEPTH else json.dumps(value))
        for key, value in table.items()
    }


def _extra_tables(result: CoaddResult) -> dict[str, Table]:
    """Tables beside that of the inputs."""
    return {"ARTIFACTS": result.decisions} if isinstance(result, ArtifactCoadd) else {}


def _extra_images(tile: CoaddTile) -> dict[str, Image]:
    """HDUs beside image, mask and variance."""
    counts = {"NIMAGE": tile.n_image, "NCLIPPED": tile.n_clipped_image}
    return counts | {name.upper(): image for name, image in tile.maps.items()}

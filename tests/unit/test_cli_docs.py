# SPDX-License-Identifier: BSD-3-Clause
"""Commands that the documentation and the help show are ones that can be given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from deepcoadd.background import ClassicMatchOptions, GlobalMatchOptions
from deepcoadd.cli._app import app
from deepcoadd.cli._config import coadd_config
from deepcoadd.cli._match_config import MatchRunOptions, match_config
from deepcoadd.cli._settings import gathered, keys, read_toml, updated
from deepcoadd.cli._sky_run import SkyFrameConfig
from deepcoadd.cli._terminal import Terminal
from deepcoadd.coadd import (
    AssembleOptions,
    CompareWarpOptions,
    SafeClipOptions,
    SelectOptions,
    VisitClipOptions,
)
from deepcoadd.testing.simulate import PRESETS

ROOT = Path(__file__).resolve().parents[2]


def help_texts(command: click.Command, context: click.Context) -> list[str]:
    """What a command, and those under it, say of themselves."""
    texts = [command.help or ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            texts += help_texts(inner, context)
    return texts


def shown_commands() -> list[str]:
    """Lines that call the program, in the documentation and in the help texts."""
    pages = [path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]]
    texts = [block for page in pages for block in re.findall(r"^```\n(.*?)^```", page, re.M | re.S)]
    texts += help_texts(app, click.Context(app))
    found = [m[1] for text in texts for m in re.finditer(r"^\s*(deepcoadd .*)$", text, re.M)]
    return sorted(set(found))


@pytest.mark.parametrize("line", shown_commands())
def test_shown_commands_parse(line: str) -> None:
    words = shlex.split(re.split(r" [|>] | {3,}", line)[0])[1:]
    context = click.Context(app)
    command: click.Command | None = app
    while isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(context, name)
    assert command is not None, line
    assert not command.deprecated
    settings = command.make_context(name, list(words), obj=Terminal()).params
    if name == "coadd":
        assert settings["files"] or settings["dump_config"]
        own = {"method": settings["method"] or "clipped"}
        if settings["match_backgrounds"]:
            own["match_backgrounds"] = True
        coadd_config(None, settings["overrides"], own)
    elif name == "match-backgrounds":
        default = "classic" if settings["reference"] else "global"
        own = {"mode": settings["mode"] or default}
        match_config(None, settings["overrides"], own)
    elif name in ("build", "apply"):
        updated(SkyFrameConfig(), gathered(None, settings["overrides"], {}))


def test_enough_commands_are_shown() -> None:
    lines = shown_commands()
    assert len(lines) > 20
    for name in ("coadd", "info", "simulate", "match-backgrounds", "sky-frame"):
        assert sum(line.startswith(f"deepcoadd {name}") for line in lines) >= 3


def test_settings_named_in_the_documentation_exist() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text()
    known = set(keys(AssembleOptions)) | {"interpolate"}
    known |= {f"safe_clip.{key}" for key in keys(SafeClipOptions, without=["assemble"])}
    known |= {f"compare_warp.{key}" for key in keys(CompareWarpOptions, without=["assemble"])}
    known |= {f"visit_clip.{key}" for key in keys(VisitClipOptions, without=["assemble"])}
    known |= {f"select.{key}" for key in keys(SelectOptions)} | set(keys(SkyFrameConfig))
    known |= set(keys(GlobalMatchOptions)) | set(keys(ClassicMatchOptions))
    known |= set(keys(MatchRunOptions)) | {f"match.{key}" for key in keys(GlobalMatchOptions)}
    for name in re.findall(r"`?-c (\w+(?:\.\w+)*)=", text):
        scene = name.split(".")[0] in PRESETS["clean"].__dataclass_fields__
        assert name in known or scene, name


def test_example_files_are_settings() -> None:
    made = coadd_config(ROOT / "examples" / "coadd.toml")
    assert made.options.sigma_clip == 2.5
    assert made.options.unit is None
    assert made.run.input.weight == "{stem}.weight.fits"
    scene = read_toml(ROOT / "examples" / "scene.toml")
    options = updated(PRESETS[scene.pop("preset")], scene)
    assert options.shape == (600, 800)
    assert options.psf.sigma == (2.0, 3.5)

# SPDX-License-Identifier: BSD-3-Clause
"""Options dataclasses from TOML and key=value texts, and back."""

from __future__ import annotations

import enum
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.cli._settings import as_table, keys, merged, overrides, read_toml, updated
from deepcoadd.cli._sizes import format_size, parse_size
from deepcoadd.cli._toml import to_toml
from deepcoadd.errors import OptionError


class Solver(enum.Enum):
    DIRECT = 1
    ITERATIVE = 2


@dataclass(frozen=True)
class Inner:
    width: float = 1.5
    edge: bool = True


@dataclass(frozen=True)
class Options:
    sigma_clip: float = 3.0
    n_iter: int = 2
    planes: tuple[str, ...] = ("BAD", "SAT")
    subregion: tuple[int, int] = (2000, 2000)
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"SAT": 0.1})
    inner: Inner | None = field(default_factory=Inner)
    limit: float | None = None
    name: str = "a"
    mode: Literal["row", "column"] = "row"
    solver: Solver = Solver.DIRECT
    safe: bool = True
    max_memory: int = 2**31
    hdu: int | str | None = None
    callback: Any = None

    def __post_init__(self) -> None:
        if not self.sigma_clip > 0:
            raise OptionError(f"sigma_clip = {self.sigma_clip}: must be above 0")


def given_texts(*pairs: str) -> Options:
    return updated(Options(), overrides(pairs))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("sigma_clip=2", "sigma_clip", 2.0),
        ("sigma_clip=inf", "sigma_clip", math.inf),
        ("n_iter = 4", "n_iter", 4),
        ("planes=BAD, EDGE", "planes", ("BAD", "EDGE")),
        ("planes=", "planes", ()),
        ('planes=["A,B"]', "planes", ("A,B",)),
        ("subregion=10,20", "subregion", (10, 20)),
        ("thresholds.CR=0.5", "thresholds", {"SAT": 0.1, "CR": 0.5}),
        ("thresholds={CR = 0.5}", "thresholds", {"CR": 0.5}),
        ("inner.width=2", "inner", Inner(2.0, True)),
        ("inner=none", "inner", None),
        ("limit=none", "limit", None),
        ("limit=1e3", "limit", 1000.0),
        ("name=x=y", "name", "x=y"),
        ("name=none", "name", "none"),
        ("mode=column", "mode", "column"),
        ("solver=iterative", "solver", Solver.ITERATIVE),
        ("safe=off", "safe", False),
        ("max_memory=512MiB", "max_memory", 2**29),
        ("max_memory=1000", "max_memory", 1000),
        ("hdu=3", "hdu", 3),
        ("hdu=SCI", "hdu", "SCI"),
    ],
)
def test_texts_take_the_type_of_the_field(text: str, name: str, value: object) -> None:
    made = getattr(given_texts(text), name)
    assert made == value
    assert type(made) is type(value)


def test_a_later_text_wins() -> None:
    made = given_texts("inner.width=2", "inner.edge=no", "inner.width=3")
    assert made.inner == Inner(3.0, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sigma_clop=3", ["sigma_clop", "did you mean 'sigma_clip'", "n_iter", "inner"]),
        ("inner.wodth=3", ["'inner.wodth'", "inner.width", "inner.edge"]),
        ("callback=3", ["unknown setting 'callback'"]),
        ("n_iter=2.5", ["n_iter = '2.5'", "a whole number"]),
        ("sigma_clip=wide", ["sigma_clip = 'wide'", "a number"]),
        ("safe=maybe", ["safe = 'maybe'", "true or false"]),
        ("subregion=1,2,3", ["subregion", "a list of 2 values"]),
        ("mode=diagonal", ["mode = 'diagonal'", "row, column"]),
        ("solver=magic", ["DIRECT, ITERATIVE"]),
        ("inner=3", ["inner = '3'", "a table with width, edge", "or none"]),
        ("limit=much", ["a number or none"]),
        ("thresholds.SAT=high", ["thresholds.SAT = 'high'", "a number"]),
        ("max_memory=lots", ["max_memory = 'lots'", "512MiB"]),
        ("sigma_clip=-1", ["sigma_clip = -1.0: must be above 0"]),
        ("n_iter", ["-c n_iter", "key=value"]),
        ("=3", ["-c =3", "key=value"]),
    ],
)
def test_wrong_texts_say_what_is_allowed(text: str, expected: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        given_texts(text)
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"n_iter": True},
        {"n_iter": 2.0},
        {"n_iter": "2"},
        {"sigma_clip": "3"},
        {"safe": 1},
        {"planes": "BAD"},
        {"planes": [1]},
        {"name": 3},
    ],
)
def test_toml_values_are_not_reinterpreted(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="expected"):
        updated(Options(), values)


def test_toml_table_replaces_a_mapping() -> None:
    assert updated(Options(), {"thresholds": {"CR": 1}}).thresholds == {"CR": 1.0}


def test_fields_can_be_forbidden() -> None:
    with pytest.raises(OptionError, match="allowed: method"):
        updated(Options(), {"n_iter": 3}, without=["n_iter"], also=["method"])


def test_keys_lists_every_setting() -> None:
    found = keys(Options)
    assert found[:3] == ["sigma_clip", "n_iter", "planes"]
    assert {"inner.width", "inner.edge", "thresholds.NAME"} <= set(found)
    assert "callback" not in found


def test_merged_goes_into_tables() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}}) == {
        "a": {"b": 9, "c": 2},
        "d": 3,
    }


finite_or_not = st.floats(allow_nan=False)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    made=st.builds(
        Options,
        sigma_clip=st.floats(min_value=1e-300, allow_nan=False),
        n_iter=st.integers(-(2**63), 2**63 - 1),
        planes=st.lists(names, max_size=3).map(tuple),
        subregion=st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
        thresholds=st.dictionaries(names, finite_or_not, max_size=3),
        inner=st.none() | st.builds(Inner, finite_or_not, st.booleans()),
        limit=st.none() | finite_or_not,
        name=names,
        mode=st.sampled_from(["row", "column"]),
        solver=st.sampled_from(Solver),
        safe=st.booleans(),
        max_memory=st.integers(1, 2**50),
        hdu=st.none() | st.integers(0, 99) | st.just("SCI"),
    )
)
def test_written_settings_read_back_identically(made: Options) -> None:
    text = to_toml(as_table(made), comments={"n_iter": "rounds", "inner": "nested\nthings"})
    assert updated(Options(), tomllib.loads(text)) == made


def test_comments_stand_above_their_key() -> None:
    text = to_toml({"a": 1, "t": {"b": math.nan}}, comments={"a": "first", "t.b": "second"})
    assert text == "# first\na = 1\n\n[t]\n# second\nb = nan\n"


def test_read_toml_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("a = 1\nb = = 2\n")
    with pytest.raises(OptionError, match=r"bad\.toml.*line 2"):
        read_toml(file)
    with pytest.raises(OptionError, match="cannot be read: No such file"):
        read_toml(tmp_path / "none.toml")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="not a TOML file"):
        read_toml(file)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("512MiB", 2**29), ("2GiB", 2**31), ("1.5 gb", 1_500_000_000), (".5k", 512)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "1XB", "0", "1e9", "0.1B", "nan"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(OptionError, match=r"--max-memory = .*512MiB"):
        parse_size(text, "--max-memory")


def test_sizes_are_shown_short() -> None:
    assert [format_size(s) for s in (5, 2**29, 1.4 * 2**30, 2**50)] == [
        "5 B",
        "512 MiB",
        "1.4 GiB",
        "1.02e+03 TiB",
    ]

# SPDX-License-Identifier: BSD-3-Clause
"""Header cards as values: the same as astropy reads, faster."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from deepcoadd.io._card_text import parse_cards
from deepcoadd.io._hdus import scan_hdus
from deepcoadd.io._pool import OpenFile


def lines(*cards: str) -> str:
    return "".join(card.ljust(80) for card in (*cards, "END"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("KEY     =                    T / yes", True),
        ("KEY     =                    F", False),
        ("KEY     =                   42 / answer", 42),
        ("KEY     = -7", -7),
        ("KEY     =                 1.5E3", 1500.0),
        ("KEY     =                 -.5D-2", -0.005),
        ("KEY     =                   3.", 3.0),
        ("KEY     = 'text    '           / why", "text"),
        ("KEY     = 'it''s / here'       / why", "it's / here"),
        ("KEY     = ''", ""),
        ("KEY     = 'not closed", "'not closed"),
        ("KEY     =                  NaN", "NaN"),
        ("KEY     = (1.0, 2.0)", "(1.0, 2.0)"),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse_cards(lines(text))["KEY"]
    assert found == value
    assert type(found) is type(value)


def test_what_is_no_card() -> None:
    text = lines(
        "COMMENT = 'no value'",
        "HISTORY = 5",
        "        = 3",
        "NOVALUE",
        "EMPTY   =",
        "ODD   X 5",
        "HIERARCH no equals sign",
        "FIRST   = 1",
        "FIRST   = 2",
    )
    assert parse_cards(text) == {"FIRST": 1}
    assert parse_cards(lines() + lines("AFTER   = 1")) == {}
    assert parse_cards("SHORT   = 1") == {"SHORT": 1}


def test_long_names_and_strings() -> None:
    text = lines(
        "HIERARCH MP_DETECTED =       5 / bit",
        "HIERARCH lower case name = 'x'",
        "LONG    = 'one &'  / comment",
        "CONTINUE  'two &'",
        "CONTINUE  'three'  / end",
        "OTHER   = 'no&'",
        "NEXT    = 1",
        "CONTINUE  'astray'",
    )
    assert parse_cards(text) == {
        "MP_DETECTED": 5,
        "LOWER CASE NAME": "x",
        "LONG": "one two three",
        "OTHER": "no&",
        "NEXT": 1,
    }


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
)


@given(values=st.lists(VALUES, min_size=1, max_size=8))
def test_whatever_astropy_writes_reads_the_same(values: list[Any]) -> None:
    header = fits.Header()
    for i, value in enumerate(values):
        header[f"HIERARCH A LONGER NAME {i}" if i % 2 else f"KEY{i}"] = value
    text = header.tostring()
    expected = {card.keyword: card.value for card in fits.Header.fromstring(text).cards}
    assert parse_cards(text) == expected


def test_real_headers(real_data: Path) -> None:
    """Every card of real files, against astropy."""
    n = 0
    for path in sorted((real_data / "lsst_format").rglob("*.fits")):
        file = OpenFile(path)
        with file.raw() as raw:
            ours = scan_hdus(raw, file.size, path.name)
        file.close()
        with warnings.catch_warnings(), fits.open(path, disable_image_compression=True) as hdus:
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            for found, hdu in zip(ours, hdus, strict=True):
                expected: dict[str, Any] = {}
                for card in hdu.header.cards:
                    commentary = card.keyword in ("COMMENT", "HISTORY", "")
                    if not commentary and not isinstance(card.value, fits.card.Undefined):
                        expected.setdefault(card.keyword.upper(), card.value)
                assert found.cards == expected
                n += len(expected)
    assert n > 1000

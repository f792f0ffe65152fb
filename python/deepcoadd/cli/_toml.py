# SPDX-License-Identifier: BSD-3-Clause
"""TOML texts of options dataclasses; `tomllib` reads TOML but nothing in the library writes it."""

from __future__ import annotations

import enum
import json
import math
import re
import textwrap
from collections.abc import Mapping
from typing import Any

__all__ = ["plain", "to_toml"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def plain(value: Any) -> Any:
    """Value made of dicts, lists, numbers, truth values and texts only; None becomes "none"."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None:
        return "none"
    return value if isinstance(value, (bool, int, float)) else str(value)


def to_toml(values: Mapping[str, Any], *, comments: Mapping[str, str] | None = None) -> str:
    """TOML text of a mapping; reads back as `plain(values)`.

    Parameters
    ----------
    values : mapping
        Texts, numbers, truth values, lists of them, and tables (mappings) of the same.
    comments : mapping, optional
        Dotted key -> remark printed above it.
    """
    lines: list[str] = []
    _write_table(plain(values), (), comments or {}, lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write_table(
    table: Mapping[str, Any], path: tuple[str, ...], comments: Mapping[str, str], out: list[str]
) -> None:
    """Append one table: single values first, since what follows a sub-table belongs to that."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            _write_comment((*path, key), comments, out)
            out.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = (*path, key)
            out.append("")
            _write_comment(inner, comments, out)
            out.append(f"[{'.'.join(map(_key, inner))}]")
            _write_table(value, inner, comments, out)


def _write_comment(path: tuple[str, ...], comments: Mapping[str, str], out: list[str]) -> None:
    remark = comments.get(".".join(path))
    if remark:
        out += textwrap.wrap(remark, 98, initial_indent="# ", subsequent_indent="# ")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """Basic string; JSON's escapes are TOML's, but JSON leaves DEL as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return _text(value)


def _number(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)

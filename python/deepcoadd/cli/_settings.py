# SPDX-License-Identifier: BSD-3-Clause
"""Settings of a command: frozen dataclasses filled from TOML files and ``key=value`` texts.

The dataclass says which keys exist, of which type, and with which default; nothing is written
twice. TOML has no null, so None is the text ``"none"`` on the way out and on the way in.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import inspect
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from deepcoadd.cli._sizes import parse_size
from deepcoadd.cli._toml import plain
from deepcoadd.errors import OptionError

__all__ = ["Text", "as_table", "field_docs", "keys", "merged", "overrides", "read_toml", "updated"]

Options = TypeVar("Options")

_DOC_ENTRY = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*) : .*")

_SIZES = {"max_memory"}
"""Fields of type int that also take a text such as "512MiB"."""


class Text(str):
    """A value typed on the command line: its type follows from the field it is meant for."""

    __slots__ = ()


def keys(cls: type, *, without: Iterable[str] = ()) -> list[str]:
    """Names of all settings of a dataclass, nested ones dotted, in the order of the fields."""
    out: list[str] = []
    for name, hint in _hints(cls).items():
        if name in without or not _is_settable(hint):
            continue
        nested = _nested(hint)
        if nested is not None:
            out += [f"{name}.{key}" for key in keys(nested)]
        elif _is_mapping(hint):
            out.append(f"{name}.NAME")
        else:
            out.append(name)
    return out


def field_docs(cls: type) -> dict[str, str]:
    """Dotted key -> what its numpydoc entry says, of a dataclass and of those nested in it."""
    docs: dict[str, str] = {}
    current: list[str] = []
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        entry = _DOC_ENTRY.fullmatch(line)
        if entry:
            current = [name.strip() for name in entry[1].split(",")]
        elif line.startswith("    "):
            for name in current:
                docs[name] = f"{docs.get(name, '')} {line.strip()}".strip()
        elif line:
            current = []
    for name, hint in _hints(cls).items():
        nested = _nested(hint)
        if nested is not None:
            docs |= {f"{name}.{key}": text for key, text in field_docs(nested).items()}
    return docs


def as_table(options: Any, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Mapping of the settings of a dataclass, nested ones as mappings; `updated` takes it back."""
    out: dict[str, Any] = {}
    for name, hint in _hints(type(options)).items():
        if name not in without and _is_settable(hint):
            value = getattr(options, name)
            out[name] = as_table(value) if dataclasses.is_dataclass(value) else plain(value)
    return out


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file.

    Raises
    ------
    OptionError
        The file cannot be read, or is not TOML; the message names the file and the line.
    """
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: not a TOML file: {error}") from None
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror}") from None


def overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Nested mapping of ``key=value`` texts; a later text wins over an earlier one.

    Raises
    ------
    OptionError
        A text has no ``=`` or no key.
    """
    out: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise OptionError(f"-c {pair}: expected key=value, for instance sigma_clip=3")
        entry: Any = Text(value.strip())
        for part in reversed(path):
            entry = {part: entry}
        out = merged(out, entry)
    return out


def gathered(
    file: Path | None, pairs: Sequence[str], flags: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Settings of a TOML file, then those of ``key=value`` texts, then those of options.

    Raises
    ------
    OptionError
        The file or a text cannot be understood.
    """
    values = merged(read_toml(file) if file else {}, overrides(pairs))
    return merged(values, flags or {})


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mapping with the entries of both; those of `over` win, tables are merged key by key."""
    out = dict(under)
    for key, value in over.items():
        old = out.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        out[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return out


def updated(
    options: Options,
    values: Mapping[str, Any],
    *,
    without: Iterable[str] = (),
    where: str = "",
    also: Iterable[str] = (),
) -> Options:
    """Copy of an options dataclass with some fields set, each converted to its declared type.

    Parameters
    ----------
    options : dataclass instance
        What the other fields are taken from.
    values : mapping
        Field name -> value, or a mapping for a nested dataclass. `Text` values are parsed.
    without : iterable of str
        Fields that must not be set.
    where : str
        Dotted prefix of the keys, for messages.
    also : iterable of str
        Keys that the caller knows beside the fields, for the message about an unknown one.

    Raises
    ------
    OptionError
        A key is unknown (the message lists those allowed), or a value has the wrong type.
    """
    hints = {
        name: hint
        for name, hint in _hints(type(options)).items()
        if name not in without and _is_settable(hint)
    }
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise _unknown(where + name, [where + key for key in [*also, *hints]])
        old = getattr(options, name)
        changes[name] = _converted(value, hints[name], where + name, old)
    return dataclasses.replace(options, **changes)  # type: ignore[type-var]


def _hints(cls: type) -> dict[str, Any]:
    """Field name -> declared type, of the fields that the constructor takes."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


_FEW = 30
"""Settings that a message may list; --dump-config shows all, with what they are."""


def _unknown(key: str, allowed: Sequence[str]) -> OptionError:
    """Error about a key, with the nearest one, also by the last part of a dotted name."""
    near = difflib.get_close_matches(key, allowed, n=1)
    if not near:
        last = {name.rpartition(".")[2]: name for name in allowed}
        near = [last[n] for n in difflib.get_close_matches(key.rpartition(".")[2], last, n=1)]
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    shown = ", ".join(allowed)
    if len(allowed) > _FEW:
        tables = {name.partition(".")[0] + "." for name in allowed if "." in name}
        shown = ", ".join([*sorted(tables), *(name for name in allowed if "." not in name)])
        shown = f"{shown} (--dump-config shows all of them)"
    return OptionError(f"unknown setting {key!r}{hint}; allowed: {shown}")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Members of a union type; a type that is none is its own only member."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _nested(hint: Any) -> Any:
    """The dataclass that a hint allows, or None."""
    return next((a for a in _alternatives(hint) if dataclasses.is_dataclass(a)), None)


def _is_mapping(hint: Any) -> bool:
    return any(typing.get_origin(a) in (Mapping, dict) or a is dict for a in _alternatives(hint))


def _is_sequence(hint: Any) -> bool:
    return typing.get_origin(hint) in (tuple, list, Sequence) and bool(typing.get_args(hint))


def _is_settable(hint: Any) -> bool:
    """Whether a value of this type can be written in a text."""
    for one in _alternatives(hint):
        if one in (str, int, float, bool) or dataclasses.is_dataclass(one) or one is Path:
            return True
        if typing.get_origin(one) is Literal or _is_mapping(one):
            return True
        if isinstance(one, type) and issubclass(one, enum.Enum):
            return True
        if _is_sequence(one):
            return all(_is_settable(a) for a in typing.get_args(one) if a is not Ellipsis)
    return False


def _converted(value: Any, hint: Any, key: str, old: Any = None) -> Any:
    """`value` as the type that `hint` declares; `old` is the present value of the field."""
    choices = _alternatives(hint)
    if isinstance(value, str) and value.lower() == "none" and type(None) in choices:
        return None
    problems = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _as_one(value, choice, key, old)
        except _MismatchError as problem:
            problems.append(str(problem))
    shown = value if not isinstance(value, Text) else str(value)
    none = " or none" if type(None) in choices else ""
    raise OptionError(f"{key} = {shown!r}: expected {' or '.join(problems)}{none}")


class _MismatchError(Exception):
    """A value does not fit one alternative of a type; says what would."""


def _as_one(value: Any, hint: Any, key: str, old: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return _as_dataclass(value, hint, key, old)
    if _is_mapping(hint):
        return _as_mapping(value, hint, key, old)
    if _is_sequence(hint):
        return _as_sequence(value, hint, key)
    if typing.get_origin(hint) is Literal:
        return _as_literal(value, hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _as_enum(value, hint)
    return _as_scalar(value, hint, key)


def _as_dataclass(value: Any, hint: Any, key: str, old: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _MismatchError(f"a table with {', '.join(keys(hint))}")
    return updated(old if isinstance(old, hint) else hint(), value, where=f"{key}.")


def _as_mapping(value: Any, hint: Any, key: str, old: Any) -> Any:
    """Mapping of names: a table replaces the old one, single typed entries change it."""
    if isinstance(value, Text):
        value = _toml_value(value, "a table such as {SAT = 0.1}")
    if not isinstance(value, Mapping):
        raise _MismatchError("a table")
    item = (typing.get_args(hint) or (str, Any))[1]
    new = {str(k): _converted(v, item, f"{key}.{k}") for k, v in value.items()}
    typed = any(isinstance(v, Text) for v in value.values())
    return {**(old or {}), **new} if typed else new


def _as_sequence(value: Any, hint: Any, key: str) -> Any:
    items = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if isinstance(value, Text):
        value = _listed(value)
    if not isinstance(value, (list, tuple)):
        raise _MismatchError("a list")
    if origin is tuple and Ellipsis not in items:
        if len(value) != len(items):
            raise _MismatchError(f"a list of {len(items)} values")
        return tuple(_converted(v, t, key) for v, t in zip(value, items, strict=True))
    made = [_converted(v, items[0], key) for v in value]
    return made if origin is list else tuple(made)


def _listed(text: Text) -> list[Any]:
    """Items of a typed list: TOML's ``[...]`` or words between commas."""
    if text.startswith("["):
        found = _toml_value(text, "a list such as [1, 2]")
        return list(found) if isinstance(found, list) else [found]
    return [Text(part.strip()) for part in text.split(",")] if text else []


def _toml_value(text: str, expected: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise _MismatchError(expected) from None


def _as_literal(value: Any, hint: Any) -> Any:
    allowed = typing.get_args(hint)
    for choice in allowed:
        if value == choice or (isinstance(value, Text) and str(choice) == value):
            return choice
    raise _MismatchError("one of " + ", ".join(map(str, allowed)))


def _as_enum(value: Any, hint: type[enum.Enum]) -> enum.Enum:
    for member in hint:
        if isinstance(value, str) and value.upper() == member.name.upper():
            return member
    raise _MismatchError("one of " + ", ".join(member.name for member in hint))


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _as_scalar(value: Any, hint: Any, key: str) -> Any:
    typed = isinstance(value, Text)
    if hint is bool:
        if typed and value.lower() in _BOOLEANS:
            return _BOOLEANS[value.lower()]
        if isinstance(value, bool):
            return value
        raise _MismatchError("true or false")
    if hint is int:
        return _as_int(value, typed, key)
    if hint is float:
        return _as_float(value, typed)
    if hint in (str, Path) and isinstance(value, str):
        return hint(value)
    raise _MismatchError("a text")


def _as_int(value: Any, typed: bool, key: str) -> int:
    if isinstance(value, str) and key.rpartition(".")[2] in _SIZES:
        return parse_size(value, key)
    if typed:
        try:
            return int(value)
        except ValueError:
            raise _MismatchError("a whole number") from None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _MismatchError("a whole number")


def _as_float(value: Any, typed: bool) -> float:
    if typed:
        try:
            return float(value)
        except ValueError:
            raise _MismatchError("a number") from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _MismatchError("a number")

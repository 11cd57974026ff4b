"""Records to plain JSON types and back: the one codec of the worker's pipes and of the store.

A dataclass becomes an object of its fields, a tuple a list. Reading follows the type hints, ignores
fields that the record does not have, and takes a field's default where it is absent, or a table has
null for a list, so that what was stored before a field was added can still be read. It uses the
standard library only: whatever a measuring process imports counts as its memory.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from typing import Any, TypeVar

Record = TypeVar("Record")
Plain = Any  # what json.loads returns

_KINDS = {int: (int,), float: (float, int), str: (str,), bool: (bool,)}
_GROUPS: dict[Any, tuple[type, ...]] = {tuple: (tuple, list), dict: (dict,)}


def to_plain(record: object) -> Plain:
    """Return a dataclass as plain JSON types.

    It copies thousands of samples between two timings, so a tuple that begins with a number or a
    text is taken to hold nothing else. ``dataclasses.asdict`` looks at every item.
    """
    if isinstance(record, tuple | list):
        is_flat = bool(record) and isinstance(record[0], int | float | str)
        return list(record) if is_flat else [to_plain(item) for item in record]
    if isinstance(record, dict):
        return {key: to_plain(item) for key, item in record.items()}
    if dataclasses.is_dataclass(record):
        names = (field.name for field in dataclasses.fields(record))
        return {name: to_plain(getattr(record, name)) for name in names}
    return record


def from_plain(kind: type[Record], plain: Plain) -> Record:
    """Read a record of a dataclass from plain JSON types.

    Args:
        kind: The dataclass.
        plain: What :func:`to_plain` made of it, also after a round trip through JSON.

    Raises:
        ValueError: If ``plain`` is no object, lacks a field without a default, or a number, text,
            choice or truth value is something else.
    """
    if not isinstance(plain, dict):
        raise ValueError(f"{kind.__name__} must be a JSON object, but got {type(plain).__name__}.")
    hints, required = _list_fields(typing.cast(Any, kind))
    present = {
        name: plain[name]
        for name, hint in hints.items()
        if name in plain and not (plain[name] is None and _take_apart(hint)[0] in _GROUPS)
    }
    if missing := [name for name in required if name not in present]:
        raise ValueError(f"{kind.__name__} lacks {missing}; got {sorted(plain)}.")
    return kind(**{name: _read(hints[name], value) for name, value in present.items()})


@functools.cache  # it takes longer than reading the record
def _list_fields(kind: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the type hint of each field of a dataclass, and the fields without a default."""
    fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    return {f.name: hints[f.name] for f in fields}, required


@functools.cache
def _take_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def hash_json(content: object, *, n_digits: int = 64, **writing: Any) -> str:
    """Return the SHA-256 of plain JSON content in hexadecimal digits; key order plays no part.

    Args:
        content: What ``json.dumps`` writes.
        n_digits: Digits returned, the first ones.
        **writing: Options of ``json.dumps``. Stored keys depend on them.

    >>> hash_json({"a": 1, "b": 2}, n_digits=4) == hash_json({"b": 2, "a": 1}, n_digits=4)
    True
    """
    text = json.dumps(content, sort_keys=True, **writing)
    return hashlib.sha256(text.encode()).hexdigest()[:n_digits]


def _read(hint: Any, plain: Plain) -> Any:
    if (kinds := _KINDS.get(hint)) is not None:
        if type(plain) not in kinds:
            raise ValueError(f"{plain!r:.40} stands where {hint.__name__} must.")
        return plain
    origin, arguments = _take_apart(hint)
    if origin is typing.Literal and plain not in arguments:
        raise ValueError(f"{plain!r:.40} stands where one of {', '.join(arguments)} must.")
    if origin in (tuple, dict) and type(plain) not in _GROUPS[origin]:
        raise ValueError(f"{plain!r:.40} stands where {_GROUPS[origin][-1].__name__} must.")
    if plain is None and not dataclasses.is_dataclass(hint):
        return None
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(Any, hint), plain)
    if origin is types.UnionType:  # of one type and None
        return _read(arguments[0], plain)
    if origin is tuple:
        is_flat = arguments[0] in (int, float, str)  # a load leaves hundreds of thousands
        return tuple(plain if is_flat else (_read(arguments[0], item) for item in plain))
    if origin is dict:
        kind_of_key, kind_of_value = arguments
        return {kind_of_key(key): _read(kind_of_value, item) for key, item in plain.items()}
    return plain

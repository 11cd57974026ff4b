"""JSON that people write or merge: no key stands twice, of which a parser takes the last."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str, **readers: Any) -> Any:
    """Read JSON.

    Args:
        text: What a file holds.
        **readers: As of :func:`json.loads`.

    Raises:
        ValueError: If it is no JSON, or a key stands twice in an object.
    """
    try:
        return json.loads(text, object_pairs_hook=_read_object, **readers)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(name_repeated(names))
    return plain


def name_repeated(names: list[str]) -> str:
    """Return a sentence on the names that a list holds several times; empty if none."""
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"{', '.join(twice)} stands twice" if twice else ""

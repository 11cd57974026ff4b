"""Parameters as the configuration says them, before any block is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

RawParameters = Mapping[str, Any]
"""Blocks by name: what YAML holds. Whatever reads one expects any content of it."""


def look_up(parameters: RawParameters, key: str) -> Any:
    """Return the value of a key such as ``training.seed``; ``None`` where there is none."""
    found: Any = parameters
    for step in key.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def find_values(block: Any, names: Collection[str], place: str) -> Iterator[tuple[str, Any]]:
    """Yield what keys of some names hold, anywhere in a block, each with its place.

    >>> list(find_values({"replay": {"n_workers": 2}, "seed": 7}, ["n_workers"], "study"))
    [('study.replay.n_workers', 2)]
    """
    if not isinstance(block, Mapping):
        return
    for name, value in block.items():
        if name in names:
            yield f"{place}.{name}", value
        else:
            yield from find_values(value, names, f"{place}.{name}")

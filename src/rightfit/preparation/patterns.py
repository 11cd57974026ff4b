"""Name many columns at once: ``v*``, ``v1..v180``, and ``*`` for all columns named nowhere else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

ALL_OTHERS = "*"

_RANGE = re.compile(r"(?P<prefix>.*?)(?P<first>\d+)\.\.(?P=prefix)(?P<last>\d+)")


def is_wildcard(name: str) -> bool:
    """Return whether a name can only be resolved against a table's columns."""
    return "*" in name or "?" in name


def expand_names(
    names: Iterable[str], columns: Sequence[str], *, excluded: Collection[str] = ()
) -> tuple[str, ...]:
    """Replace patterns by the columns they match.

    Args:
        names: Column names, ranges such as ``v1..v180`` and wildcards: ``*`` stands for any
            characters, ``?`` for one.
        columns: The columns of the table, in order.
        excluded: Columns that no wildcard matches; they can still be named in full.

    Returns:
        Column names; what a wildcard matches comes in the table's order. A wildcard without a match
        stays as it is, so that a later check names it.

    >>> expand_names(["v*", "size"], ["v1", "size", "v2"])
    ('v1', 'v2', 'size')
    >>> expand_names(["v08..v11"], [])
    ('v08', 'v09', 'v10', 'v11')
    """
    return tuple(found for name in names for found in _expand(name, columns, excluded))


def _expand(name: str, columns: Sequence[str], excluded: Collection[str]) -> Sequence[str]:
    if name in columns:
        return [name]
    if numbers := _RANGE.fullmatch(name):
        prefix, first, last = numbers.group("prefix", "first", "last")
        n_digits = len(first) if first.startswith("0") else 0
        return [f"{prefix}{i:0{n_digits}d}" for i in range(int(first), int(last) + 1)]
    if not is_wildcard(name):
        return [name]
    pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
    found = [c for c in columns if c not in excluded and re.fullmatch(pattern, c, re.DOTALL)]
    return found or [name]

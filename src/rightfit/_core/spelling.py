"""Names in messages: the closest known one, and some of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

LEAST_PART = 3  # characters of a name by which it is found


def find_nearest(word: str, candidates: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name closest to what was written; ``None`` if none is close.

    One that differs by case or surrounding blanks is the closest; of equally close ones it is the
    one of the same letters: swapping two is the commonest slip.

    >>> find_nearest("qualty", ["quality", "latency_p50_ms"])
    'quality'
    >>> find_nearest("latency_p59_ms", ["latency_p50_ms", "latency_p95_ms", "latency_p99_ms"])
    'latency_p95_ms'
    >>> find_nearest("price", ["quality", "latency_p50_ms"])
    >>> find_nearest("p95", ["quality", "latency_p50_ms", "latency_p95_ms"])
    'latency_p95_ms'
    >>> find_nearest("y", ["x", " Y "])
    ' Y '
    """
    names = list(candidates)
    if same := [name for name in names if name.strip().casefold() == word.strip().casefold()]:
        return same[0]
    near = get_close_matches(word, names, n=max(1, len(names)), cutoff=cutoff)
    if not near and len(word) >= LEAST_PART:
        near = [name for name in names if word in name]

    def rate(name: str) -> tuple[float, bool]:
        return SequenceMatcher(None, name, word).ratio(), sorted(name) == sorted(word)

    return max(near, key=rate, default=None)


def suggest(name: str, candidates: Iterable[str]) -> str:
    """Return a hint at the closest known name, or an empty string.

    >>> suggest("qualty", ["quality", "latency_p50_ms"])
    " (did you mean 'quality'?)"
    """
    near = find_nearest(name, candidates)
    return f" (did you mean {near!r}?)" if near else ""


def name_some(names: Sequence[str], *, n_shown: int = 9) -> str:
    """Write names, of many the first ones.

    >>> name_some(["a", "b"]), name_some(["a", "b", "c"], n_shown=1)
    ('a, b', 'a and 2 more')
    """
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return f"{', '.join(names[:n_shown])}{more}"

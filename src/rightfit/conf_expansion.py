"""How large files of the configuration become once their anchors and placeholders are followed.

Ten lines of YAML that name each other ten times each stand for ten thousand million values, which
no loader survives ("billion laughs"). They are counted here without being made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

MAX_VALUES = 100_000  # that references may make of a file; the project's largest has 2,000
CHARACTERS_PER_VALUE = 100  # of a text, which count as one value more
# of a key, such as ${training.seed} or ${.seed}; not ${environment:HOME}
_PLACEHOLDER = re.compile(r"\$\{\s*(\.*)([A-Za-z_][\w.]*)\s*\}")

Roots = list[tuple[Path, yaml.MappingNode]]
Pair = tuple[yaml.Node, yaml.Node]
Place = tuple[str, ...]


def find_expansion(paths: list[Path]) -> Iterator[str]:
    """Describe files of one kind that would become too large; those that are no YAML are left out.

    Yields:
        One line per file, with the line of the key that becomes the largest.
    """
    texts = {path: _read(path) for path in paths}
    if not any(
        ("&" in text and "*" in text) or _PLACEHOLDER.search(text) for text in texts.values()
    ):
        return
    roots: Roots = []
    for path, text in texts.items():
        try:
            root = yaml.compose(text, Loader=yaml.CSafeLoader)
        except (yaml.YAMLError, RecursionError):
            continue  # who loads it says so
        if isinstance(root, yaml.MappingNode):
            roots.append((path, root))
    counter = _Counter(roots)
    for path, root in roots:
        sizes = [(counter.count(pair, ()), pair[0].start_mark.line + 1) for pair in root.value]
        total, own = sum(size for size, _ in sizes), len(texts[path])
        if total > max(MAX_VALUES, own):
            yield (
                f"{path}, line {max(sizes)[1]}: its anchors (&) or placeholders (${{}}) stand for "
                f"more than {MAX_VALUES:,} values. Write out what is meant."
            )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # who loads it says so


class _Counter:
    """Counts values; what is shared is counted once and added as often as it is named."""

    def __init__(self, roots: Roots) -> None:
        self._top = {key.value: value for _, root in roots for key, value in root.value}
        self._known: dict[int, float] = {}

    def count(self, pair: Pair, place: Place) -> float:
        """Return how many values the value of a key stands for."""
        key, value = pair
        return self._count(value, (*place, str(key.value)))

    def _count(self, node: yaml.Node, place: Place) -> float:
        if id(node) in self._known:
            return self._known[id(node)]
        self._known[id(node)] = 0.0  # of one that holds itself: who loads it says so
        if isinstance(node, yaml.MappingNode):
            inner = sum(self.count(pair, place) for pair in node.value)
        elif isinstance(node, yaml.SequenceNode):
            inner = sum(self._count(one, (*place, str(i))) for i, one in enumerate(node.value))
        else:
            named = (
                self._find(dots, path, place) for dots, path in _PLACEHOLDER.findall(node.value)
            )
            meant = sum(self._count(one, where) for one, where in filter(None, named))
            inner = len(node.value) / CHARACTERS_PER_VALUE + meant
        self._known[id(node)] = 1 + inner
        return self._known[id(node)]

    def _find(self, dots: str, path: str, place: Place) -> tuple[yaml.Node, Place] | None:
        """Return what a placeholder names: from the top, or from so many levels above its own."""
        above = place[: len(place) - len(dots)] if dots else ()
        where = (*above, *path.split("."))
        node = self._top.get(where[0])
        for name in where[1:]:
            if isinstance(node, yaml.MappingNode):
                node = next((value for key, value in node.value if key.value == name), None)
            elif isinstance(node, yaml.SequenceNode) and name.isdecimal():
                node = node.value[int(name)] if int(name) < len(node.value) else None
            else:
                return None
        return None if node is None else (node, where)

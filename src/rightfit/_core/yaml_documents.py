"""YAML that people write or merge: no key stands twice, of which a parser takes the last.

What anchors and merges make of a YAML file is bounded. Ten lines that name each other ten times
each stand for ten thousand million values ("billion laughs"); they are counted without being made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rightfit._core.errors import RightfitError
from rightfit._core.json_documents import name_repeated
from rightfit._core.processes.regular_files import require_regular

MAX_VALUES = 100_000


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        RightfitError: If it cannot be read or is no YAML, if a key stands twice in a mapping, or if
            its references stand for more than ``MAX_VALUES``.
    """
    try:
        require_regular(path)
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        if root is not None and _count_values(root, {}) > MAX_VALUES:
            raise RightfitError(
                f"{path}: its anchors (&) stand for more than {MAX_VALUES:,} values. Write them "
                "out."
            )
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a safe one
    except OSError as err:
        raise RightfitError(f"{path} cannot be read: {err.strerror}.") from err
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as err:
        raise RightfitError(f"{path} is no YAML: {' '.join(str(err).split())}") from err


class _UniqueKeyLoader(yaml.CSafeLoader):  # type: ignore[misc]
    """Refuses a key that stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := name_repeated(names):
            raise yaml.constructor.ConstructorError(None, None, repeated, node.start_mark)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _count_values(node: yaml.Node, counts: dict[int, int]) -> int:
    """Count values; what is shared is counted once and added as often as it is named."""
    if id(node) not in counts:
        counts[id(node)] = 0  # of one that holds itself
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        counts[id(node)] = 1 + sum(_count_values(child, counts) for child in children)
    return counts[id(node)]

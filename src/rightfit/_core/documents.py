"""A bound on the values that anchors and merges make of a YAML file from anywhere.

Ten lines of YAML that name each other ten times each stand for ten thousand million values
("billion laughs"). They are counted here without being made.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from rightfit._core.errors import RightfitError

MAX_VALUES = 100_000


def check_expansion(path: Path, text: str) -> None:
    """Refuse a file whose references stand for too many values.

    Args:
        path: The file.
        text: What it holds.

    Raises:
        RightfitError: If it stands for more than ``MAX_VALUES``.
        yaml.YAMLError: If it is no YAML.
    """
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    n_values = 0 if root is None else _count_values(root, {})
    if n_values > MAX_VALUES:
        raise RightfitError(
            f"{path}: its anchors (&) stand for more than {MAX_VALUES:,} values. Write them out."
        )


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

"""Count what a fitted estimator stores and compares, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_NOT_SERVED = ("classes_", "feature_importances_", "train_score_", "oob_score_", "loss_curve_")


def count_structure(model: Any) -> dict[str, float]:
    """Count the stored numbers and the operations of a row.

    Of a tree, a row passes only its path. Of everything else each stored number is taken to be used
    once a row, as in matrix products, support vectors and neighbours.

    Returns:
        ``n_parameters`` and ``n_operations``, both at least 1.
    """
    n_parameters, n_operations = 0.0, 0.0
    for part in _walk(model, set()):
        if isinstance(part, np.ndarray):
            n_parameters += part.size
            n_operations += part.size
        else:
            nodes, depth = _measure_tree(part)
            n_parameters += nodes
            n_operations += depth
    return {"n_parameters": max(n_parameters, 1.0), "n_operations": max(n_operations, 1.0)}


def _walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the arrays and trees that an estimator was fitted to, each once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if _is_tree(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu"):
        yield value
    elif isinstance(value, np.ndarray | list | tuple):
        for item in value.flat if isinstance(value, np.ndarray) else value:
            yield from _walk(item, seen)
    elif type(value).__module__.startswith("numpy"):
        return
    elif hasattr(value, "steps"):  # a pipeline keeps what it fitted among its arguments
        yield from _walk([step for _, step in value.steps], seen)
    elif hasattr(value, "__dict__"):
        arguments = value.get_params(deep=False) if hasattr(value, "get_params") else {}
        for name, fitted in vars(value).items():
            if name not in arguments and name not in _NOT_SERVED:
                yield from _walk(fitted, seen)


def _is_tree(value: Any) -> bool:
    return type(value).__name__ in ("Tree", "TreePredictor")


def _measure_tree(tree: Any) -> tuple[float, float]:
    """Return the numbers a tree stores, and the comparisons of an average training row."""
    if type(tree).__name__ == "TreePredictor":
        nodes = tree.nodes
        return 3.0 * len(nodes), float(nodes["count"].sum() / nodes["count"][0])
    weights = tree.weighted_n_node_samples
    return float(tree.node_count * (2 + tree.value[0].size)), float(weights.sum() / weights[0])

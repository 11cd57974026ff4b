"""Have skl2onnx take over decision trees as arrays, not node by node.

A large forest takes a fraction of the time; the ONNX model is the same to the byte.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

_NAME = "add_tree_to_attribute_pairs"
_CONVERTERS = ("decision_tree", "gradient_boosting", "isolation_forest", "random_forest")
"""Modules of skl2onnx that import the function of that name."""


@dataclass(frozen=True)
class _AddedTree:
    """What skl2onnx's function is given."""

    attr_pairs: dict[str, list[Any]]
    is_classifier: bool
    tree: Any
    tree_id: int
    tree_weight: float
    weight_id_bias: int
    leaf_weights_are_counts: bool
    adjust_threshold_for_sklearn: bool = False
    dtype: Any = None


@functools.cache
def add_trees_as_arrays() -> None:
    """Put an own function in the place of skl2onnx's that adds a tree to an ensemble.

    There is no public way to; where skl2onnx has changed, exports only take longer.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from skl2onnx.common import tree_ensemble

        by_node = getattr(tree_ensemble, _NAME)
        known = [one.name for one in fields(_AddedTree)]
        is_known = list(inspect.signature(by_node).parameters) == known
        for name in _CONVERTERS if is_known else ():
            module = importlib.import_module(f"skl2onnx.operator_converters.{name}")
            if getattr(module, _NAME) is by_node:
                setattr(module, _NAME, functools.partial(_add_tree, by_node))


def _add_tree(by_node: Callable[..., None], *args: Any, **named: Any) -> None:
    added = _AddedTree(*args, **named)
    if added.dtype != np.float32 or not added.adjust_threshold_for_sklearn:
        by_node(*args, **named)
        return
    leaves = added.tree.children_left < 0
    for attributes in (_list_nodes(added, leaves), _list_weights(added, leaves)):
        for name, values in attributes.items():
            added.attr_pairs[name].extend(values.tolist())


def _list_nodes(added: _AddedTree, leaves: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
    """Return the attributes of the nodes; those that a leaf has no use for are 0."""
    tree, n_nodes = added.tree, len(leaves)
    zeros = np.zeros(n_nodes, dtype=np.int64)
    # x <= threshold must hold for the same float32 x as with scikit-learn's float64 threshold
    thresholds = tree.threshold.astype(np.float32)
    below = np.nextafter(thresholds, np.float32(-np.inf))
    thresholds = np.where(thresholds > tree.threshold, below, thresholds)
    return {
        "nodes_treeids": zeros + added.tree_id,
        "nodes_nodeids": np.arange(n_nodes),
        "nodes_featureids": np.where(leaves, 0, tree.feature),
        "nodes_modes": np.where(leaves, "LEAF", "BRANCH_LEQ"),
        "nodes_values": np.where(leaves, 0.0, thresholds),
        "nodes_truenodeids": np.where(leaves, 0, tree.children_left),
        "nodes_falsenodeids": np.where(leaves, 0, tree.children_right),
        "nodes_missing_value_tracks_true": zeros,
        "nodes_hitrates": np.ones(n_nodes),
    }


def _list_weights(added: _AddedTree, leaves: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
    """Return the attributes of what the leaves answer; of two classes the second one's alone."""
    values = added.tree.value[leaves].reshape(np.count_nonzero(leaves), -1)
    factors = np.full((len(values), 1), added.tree_weight)
    if added.leaf_weights_are_counts:
        sums = values.cumsum(axis=1)[:, -1:]
        factors /= np.where(sums == 0, 1.0, sums)
    weights = values * factors
    if weights.shape[1] == 2 and added.is_classifier:
        weights = weights[:, 1:]
    n_outputs = weights.shape[1]
    kind = "class" if added.is_classifier else "target"
    return {
        f"{kind}_treeids": np.full(weights.size, added.tree_id),
        f"{kind}_nodeids": np.repeat(np.flatnonzero(leaves), n_outputs),
        f"{kind}_ids": np.tile(np.arange(n_outputs) + added.weight_id_bias, len(weights)),
        f"{kind}_weights": weights.ravel(),
    }

"""Have skl2onnx take over decision trees as arrays, not node by node, and round thresholds down.

A large forest takes a fraction of the time; its ONNX model is the same to the byte. Histogram
boosting's trees keep to their own thresholds, which skl2onnx rounds to the nearest of 32 bits.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

_NAME = "add_tree_to_attribute_pairs"
_HIST_NAME = f"{_NAME}_hist_gradient_boosting"
_CONVERTERS = ("decision_tree", "gradient_boosting", "isolation_forest", "random_forest")
"""Modules of skl2onnx that import the function of that name."""


@functools.cache
def add_trees_as_arrays() -> None:
    """Put own functions in the place of skl2onnx's that add a tree to an ensemble.

    There is no public way to; where skl2onnx has changed, exports take longer, and those of
    histogram boosting round thresholds to the nearest.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from skl2onnx.common import tree_ensemble

        by_node = getattr(tree_ensemble, _NAME)
        replacement = functools.partial(_add_tree, by_node)
        is_known = list(signature(by_node).parameters) == list(signature(replacement).parameters)
        for name in _CONVERTERS if is_known else ():
            module = importlib.import_module(f"skl2onnx.operator_converters.{name}")
            if getattr(module, _NAME) is by_node:
                setattr(module, _NAME, replacement)
        forests = importlib.import_module("skl2onnx.operator_converters.random_forest")
        by_tree = getattr(forests, _HIST_NAME)
        if list(signature(by_tree).parameters)[:3] == ["attr_pairs", "is_classifier", "tree"]:
            setattr(forests, _HIST_NAME, functools.partial(_add_rounded, by_tree))


def round_thresholds(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Round thresholds down to 32 bits: ``x <= threshold`` then holds for the same float32 x.

    >>> round_thresholds(np.array([0.5, 1.0 - 1e-9])).tolist()
    [0.5, 0.9999999403953552]
    """
    with np.errstate(over="ignore"):  # of what is beyond 32 bits the largest that they hold
        rounded = thresholds.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, below, rounded)


def _add_rounded(
    by_tree: Callable[..., None],
    attr_pairs: dict[str, list[Any]],
    is_classifier: bool,
    tree: Any,
    *arguments: Any,
    **keywords: Any,
) -> None:
    """Add a tree of histogram boosting, whose thresholds skl2onnx would round to the nearest."""
    nodes = tree.nodes.copy()
    nodes["num_threshold"] = round_thresholds(nodes["num_threshold"])
    by_tree(attr_pairs, is_classifier, SimpleNamespace(nodes=nodes), *arguments, **keywords)
    # a mix of numpy's numbers and False, which protobuf refuses from 7.34 on
    tracks = attr_pairs["nodes_missing_value_tracks_true"]
    tracks[:] = map(int, tracks)


def _add_tree(
    by_node: Callable[..., None],
    attr_pairs: dict[str, list[Any]],
    is_classifier: bool,
    tree: Any,
    tree_id: int,
    tree_weight: float,
    weight_id_bias: int,
    leaf_weights_are_counts: bool,
    adjust_threshold_for_sklearn: bool = False,
    dtype: Any = None,
) -> None:
    """Add a tree's attributes to those of the ensemble; arguments as of skl2onnx's ``by_node``."""
    if dtype != np.float32 or not adjust_threshold_for_sklearn:
        by_node(
            attr_pairs,
            is_classifier,
            tree,
            tree_id,
            tree_weight,
            weight_id_bias,
            leaf_weights_are_counts,
            adjust_threshold_for_sklearn,
            dtype,
        )
        return
    leaves = tree.children_left < 0
    # what the leaves answer; of two classes the second one's alone
    values = tree.value[leaves].reshape(np.count_nonzero(leaves), -1)
    factors = np.full((len(values), 1), tree_weight)
    if leaf_weights_are_counts:
        sums = values.cumsum(axis=1)[:, -1:]
        factors /= np.where(sums == 0, 1.0, sums)
    weights = values * factors
    if weights.shape[1] == 2 and is_classifier:
        weights = weights[:, 1:]
    n_outputs = weights.shape[1]
    kind = "class" if is_classifier else "target"
    attributes = _list_nodes(tree, tree_id) | {
        f"{kind}_treeids": np.full(weights.size, tree_id),
        f"{kind}_nodeids": np.repeat(np.flatnonzero(leaves), n_outputs),
        f"{kind}_ids": np.tile(np.arange(n_outputs) + weight_id_bias, len(weights)),
        f"{kind}_weights": weights.ravel(),
    }
    for name, listed in attributes.items():
        attr_pairs[name].extend(listed.tolist())


def _list_nodes(tree: Any, tree_id: int) -> dict[str, npt.NDArray[Any]]:
    """Return the attributes of the nodes; those that a leaf has no use for are 0."""
    leaves, n_nodes = tree.children_left < 0, tree.node_count
    zeros = np.zeros(n_nodes, dtype=np.int64)
    return {
        "nodes_treeids": zeros + tree_id,
        "nodes_nodeids": np.arange(n_nodes),
        "nodes_featureids": np.where(leaves, 0, tree.feature),
        "nodes_modes": np.where(leaves, "LEAF", "BRANCH_LEQ"),
        "nodes_values": np.where(leaves, 0.0, round_thresholds(tree.threshold)),
        "nodes_truenodeids": np.where(leaves, 0, tree.children_left),
        "nodes_falsenodeids": np.where(leaves, 0, tree.children_right),
        "nodes_missing_value_tracks_true": zeros,
        "nodes_hitrates": np.ones(n_nodes),
    }

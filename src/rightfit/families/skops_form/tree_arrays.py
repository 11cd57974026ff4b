"""Check the arrays of stored decision trees before anything follows them.

scikit-learn walks a tree by the child and feature positions in its arrays without looking at their
bounds: a position beyond the end reads foreign memory, and a child that points back never ends.
Its own trees number every child above its parent, which rules out both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LEAF = -1
_SKLEARN_FIELDS = ("left_child", "right_child", "feature", "threshold")
_HISTOGRAM_FIELDS = ("left", "right", "feature_idx", "num_threshold", "is_leaf", "is_categorical")


def check_sklearn_tree(nodes: Any, values: Any, *, n_features: int, n_outputs: int) -> None:
    """Check a tree of ``sklearn.tree``.

    Args:
        nodes: Its node records, shape (n_nodes,).
        values: Its values, shape (n_nodes, 1, n_outputs).
        n_features: Columns of the rows it will see.
        n_outputs: Values of a node, one per class.

    Raises:
        ValueError: Naming the first fault.
    """
    _require_records(nodes, _SKLEARN_FIELDS)
    left, right = nodes["left_child"], nodes["right_child"]
    leaves = left == _LEAF
    if not np.array_equal(leaves, right == _LEAF):
        raise ValueError("a node has one child")
    _check_structure(left, right, ~leaves)
    _check_splits(nodes["feature"], nodes["threshold"], ~leaves, n_features=n_features)
    if not isinstance(values, np.ndarray) or values.shape != (len(nodes), 1, n_outputs):
        found = getattr(values, "shape", None)
        raise ValueError(f"values must have shape {(len(nodes), 1, n_outputs)}, but got {found}")
    if values.dtype != np.float64 or not np.isfinite(values).all():
        raise ValueError("values must be finite numbers of type float64")


def check_histogram_tree(nodes: Any, *, n_features: int) -> None:
    """Check a tree of scikit-learn's ``HistGradientBoosting``; see :func:`check_sklearn_tree`."""
    _require_records(nodes, (*_HISTOGRAM_FIELDS, "value"))
    splits = nodes["is_leaf"] == 0
    if nodes["is_categorical"].any():
        raise ValueError("splits on native categories are not supported")
    _check_structure(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), splits)
    _check_splits(nodes["feature_idx"], nodes["num_threshold"], splits, n_features=n_features)
    if not np.isfinite(nodes["value"]).all():
        raise ValueError("values must be finite numbers")


def _require_records(nodes: Any, fields: tuple[str, ...]) -> None:
    names = getattr(getattr(nodes, "dtype", None), "names", None) or ()
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or not len(nodes):
        raise ValueError("nodes must be an array of at least one record")
    if not set(fields) <= set(names):
        raise ValueError(f"nodes must have the fields {fields}, but got {tuple(names)}")


def _check_structure(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], splits: npt.NDArray[np.bool_]
) -> None:
    """Check that each split's children follow it and that each node but the first has a parent."""
    n_nodes = len(left)
    children = np.concatenate([left[splits], right[splits]])
    parents = np.concatenate([np.flatnonzero(splits)] * 2)
    if ((children <= parents) | (children >= n_nodes)).any():
        raise ValueError(f"a child must follow its parent and be one of {n_nodes} nodes")
    if not np.array_equal(np.bincount(children, minlength=n_nodes)[1:], np.ones(n_nodes - 1)):
        raise ValueError("each node but the first must have one parent")


def _check_splits(
    features: npt.NDArray[np.int64],
    thresholds: npt.NDArray[np.float64],
    splits: npt.NDArray[np.bool_],
    *,
    n_features: int,
) -> None:
    used = features[splits]
    if ((used < 0) | (used >= n_features)).any():
        raise ValueError(f"a split must use one of {n_features} features")
    if np.isnan(thresholds[splits]).any():
        raise ValueError("a threshold is not a number")

"""Check the estimators that a skops file holds: what they say must fit their trees.

scikit-learn takes the widths that its own training left behind for granted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.schema import InputSchema
from rightfit.families.skops_form.states import (
    Arrays,
    State,
    attributes,
    items,
    read_int,
    read_json,
    walk,
)

_LEAF = -1
_SKLEARN_FIELDS = ("left_child", "right_child", "feature", "threshold")
_HISTOGRAM_FIELDS = ("left", "right", "feature_idx", "num_threshold", "is_leaf", "is_categorical")


def check_tree(state: State, arrays: Arrays, schema: InputSchema | None) -> None:
    """Check a tree of ``sklearn.tree``.

    Raises:
        ValueError: Naming the first fault.
    """
    stored, n_outputs, n_targets = state["__reduce__"]["args"]["content"]
    outputs = arrays.read(n_outputs)
    content = items(state["content"])
    nodes, values = (arrays.read(content[name]) for name in ("nodes", "values"))
    n_features = read_int(stored)
    if not n_features > 0:
        raise ValueError(f"a tree reads {n_features} features")
    if read_int(n_targets) != 1 or outputs.shape != (1,) or outputs.dtype.kind != "i":
        raise ValueError("a tree must have one target")
    if not 1 <= outputs[0] <= (schema.n_outputs if schema else outputs[0]):
        raise ValueError(f"a tree has {outputs[0]} outputs, not {schema and schema.n_outputs}")
    if read_int(content["node_count"]) != len(nodes):
        raise ValueError(f"node_count is not {len(nodes)}, the number of nodes")
    if not 0 <= read_int(content["max_depth"]) <= len(nodes):
        raise ValueError("max_depth is negative or larger than the tree")
    check_sklearn_tree(nodes, values, n_features=n_features, n_outputs=int(outputs[0]))


def check_owner(known: State) -> None:
    """Check that an estimator reads as many columns as its tree.

    Raises:
        ValueError: If it does not, or its tree is none.
    """
    tree = known["tree_"]
    if tree["__loader__"] != "TreeNode":
        raise ValueError("its tree_ is no tree")
    n_features = read_int(tree["__reduce__"]["args"]["content"][0])
    if read_int(known["n_features_in_"]) != n_features:
        raise ValueError(f"a tree reads {n_features} features, its estimator reads others")


def check_model(root: State, arrays: Arrays, schema: InputSchema, *, has_trees: bool) -> None:
    """Check the model itself.

    Raises:
        ValueError: Naming the first fault.
    """
    known = attributes(root)
    if "n_features_in_" in known and (found := read_int(known["n_features_in_"])) != (
        schema.n_features
    ):
        raise ValueError(f"the model reads {found} features, not {schema.n_features}")
    if "classes_" in known and schema.task == "regression":
        raise ValueError("the model predicts classes, not a number")
    if "classes_" in known and has_trees:
        n_classes = arrays.count(known["classes_"])
        if n_classes != schema.n_classes:
            raise ValueError(f"the model has {n_classes} classes, not {schema.n_classes}")
    if "n_trees_per_iteration_" in known and "_predictors" not in known:
        _check_gradient_model(known, arrays, n_classes=schema.n_classes)


def check_histogram_model(known: State, arrays: Arrays) -> list[State]:
    """Check ``HistGradientBoosting`` and its trees, which read what it reads itself.

    Returns:
        The trees.

    Raises:
        ValueError: Naming the first fault.
    """
    n_classes = arrays.count(known["classes_"]) if "classes_" in known else 1
    n_stages = 1 if n_classes == 2 else n_classes
    if read_int(known["n_trees_per_iteration_"]) != n_stages:
        raise ValueError(f"a round of boosting must have {n_stages} trees")
    for name in ("_preprocessor", "is_categorical_"):
        if name in known and read_json(known[name]) is not None:
            raise ValueError(f"boosted trees must have no {name}")
    if arrays.read(attributes(known["_bin_mapper"])["is_categorical_"]).any():
        raise ValueError("native categories are not supported")
    trees: list[State] = []
    for one_round in known["_predictors"]["content"]:
        kinds = {state["__class__"] for state in one_round["content"]}
        if kinds != {"TreePredictor"} or len(one_round["content"]) != n_stages:
            raise ValueError(f"each round must have {n_stages} trees of the kind TreePredictor")
        trees += one_round["content"]
    n_features = read_int(known["n_features_in_"])
    for tree in trees:
        check_histogram_tree(arrays.read(attributes(tree)["nodes"]), n_features=n_features)
    return trees


def check_estimator(state: State, arrays: Arrays) -> None:
    """Check what any estimator of the file, the model or a part of it, predicts by.

    Raises:
        ValueError: Naming the first fault.
    """
    known = attributes(state)
    if "estimators_" in known and "estimators_features_" not in known:
        _check_members(known)
    if "n_trees_per_iteration_" in known and "_predictors" not in known:
        n_classes = arrays.count(known["classes_"]) if "classes_" in known else 0
        _check_gradient_model(known, arrays, n_classes=n_classes)
    if "_n_support" in known:
        _check_support_vectors(known, arrays)
    if "_fit_X" in known:
        _check_neighbours(known, arrays)


def _check_members(known: State) -> None:
    """Check that members read all columns: a forest hands them on without a look."""
    for state in walk(known["estimators_"]):
        member = attributes(state) if state["__loader__"] == "ObjectNode" else {}
        if "tree_" not in member:
            continue
        if "n_features_in_" not in known:
            if "final_estimator_" in known or "voting" in known:
                return  # each member of a stack or a vote looks at its rows itself
            raise ValueError("an ensemble of trees does not say how many features it reads")
        width, own = (read_int(owner["n_features_in_"]) for owner in (member, known))
        if width != own:
            raise ValueError(f"a tree reads {width} features, not {own}")


def _check_support_vectors(known: State, arrays: Arrays) -> None:
    """Check the arrays that libsvm follows without a look at their lengths."""
    names = ("_n_support", "support_", "support_vectors_", "_dual_coef_", "_intercept_")
    counts, support, vectors, coefficients, intercepts = (arrays.read(known[n]) for n in names)
    n_classes = arrays.count(known["classes_"]) if "classes_" in known else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    n_vectors = len(vectors)
    shapes = [a.shape for a in (counts, support, vectors, coefficients, intercepts)]
    if shapes != [
        (n_classes,),
        (n_vectors,),
        (n_vectors, read_int(known["n_features_in_"])),
        (n_classes - 1, n_vectors),
        (n_pairs,),
    ]:
        raise ValueError(f"the support vectors' arrays do not fit each other: {shapes}")
    kinds = [counts.dtype.str, support.dtype.str, vectors.dtype.str, coefficients.dtype.str]
    if kinds != ["<i4", "<i4", "<f8", "<f8"] or intercepts.dtype.str != "<f8":
        raise ValueError(f"the support vectors' arrays are of other types: {kinds}")
    if (counts < 0).any() or ("classes_" in known and counts.sum() != n_vectors):
        raise ValueError("the classes' support vectors are not as many as stored")
    for name in ("_probA", "_probB"):
        if arrays.read(known[name]).size not in (0, n_pairs):
            raise ValueError(f"{name} does not fit the classes")
    if read_json(known["_sparse"]) is not False:
        raise ValueError("sparse support vectors are not supported")


def _check_neighbours(known: State, arrays: Arrays) -> None:
    """Check the stored rows, and that their labels are classes: votes are counted by position."""
    rows, labels = arrays.read(known["_fit_X"]), arrays.read(known["_y"])
    if read_json(known["_tree"]) is not None:
        raise ValueError("trees of neighbours are not supported")
    if rows.shape != (len(labels), read_int(known["n_features_in_"])) or labels.ndim != 1:
        raise ValueError(f"rows of shape {rows.shape} do not fit {labels.shape} labels")
    if read_int(known["n_samples_fit_"]) != len(rows) or rows.dtype.kind != "f":
        raise ValueError("the neighbours' rows are not as many as it says, or no numbers")
    if "classes_" in known:
        n_classes = arrays.count(known["classes_"])
        if labels.dtype.kind != "i" or (labels < 0).any() or (labels >= n_classes).any():
            raise ValueError(f"a neighbour's label is none of the {n_classes} classes")


def _check_gradient_model(known: State, arrays: Arrays, *, n_classes: int) -> None:
    """Check the rounds: each tree writes a column of what the first guess has prepared."""
    is_regression = n_classes == 0
    n_stages = n_classes if n_classes > 2 else 1
    loss = "HalfMultinomialLoss" if n_stages > 1 else "HalfBinomialLoss"
    loss = "HalfSquaredError" if is_regression else loss
    widths = [
        read_int(known["estimators_"]["shape"]["content"][1]),
        read_int(known["n_trees_per_iteration_"]),
    ]
    if widths != [n_stages] * 2 or known["_loss"]["__class__"] != loss:
        raise ValueError(f"a round of boosting must have {n_stages} trees, not {widths}")
    first = known["init_"]
    if is_regression:
        if first["__class__"] != "DummyRegressor":
            raise ValueError("boosting starts from another guess than a constant")
    elif first["__class__"] != "DummyClassifier" or n_classes != arrays.count(
        attributes(first)["classes_"]
    ):
        raise ValueError("boosting starts from another guess than the classes' shares")


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

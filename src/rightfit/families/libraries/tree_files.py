"""Check files of boosted trees before their library follows what they say.

The libraries are written in C++ and take positions in a file of their own format for granted: a
column or a node that does not exist may end the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.bundle_files import open_regular
from rightfit.families.schema import InputSchema

_MAX_DEPTH = 16  # of CatBoost's symmetric trees

Integers = npt.NDArray[np.int64]


def is_tree_file(name: str) -> bool:
    """Tell whether a file is one that :func:`check_tree_file` knows, by its name.

    >>> is_tree_file("weights.xgboost.json"), is_tree_file("bundle.json")
    (True, False)
    """
    return any(name.endswith(suffix) for suffix in _CHECKS)


def check_tree_file(path: Path, *, schema: InputSchema) -> None:
    """Refuse a file whose trees point outside of their columns or nodes.

    Raises:
        ValueError: Naming the first fault.
    """
    check = next(check for suffix, check in _CHECKS.items() if path.name.endswith(suffix))
    try:
        with open_regular(path) as file:
            check(file.read().decode(), schema)
    except OSError:
        raise
    except Exception as err:  # whatever a crafted file makes json or numpy raise
        raise ValueError(
            f"{path} is refused: {type(err).__name__}: {err}. Its hash may be right and its "
            "content still be wrong; train again, or get the model again from where it came from."
        ) from err


def _check_lightgbm(text: str, schema: InputSchema) -> None:
    header, *trees = text.split("\nTree=")
    declared = _read_values(header)
    if int(declared["max_feature_idx"]) + 1 != schema.n_features:
        raise ValueError(f"it reads other columns than the {schema.n_features} of the schema")
    if not trees or len(trees) % int(declared["num_tree_per_iteration"]):
        raise ValueError("its trees are not whole rounds")
    for tree in trees:
        _check_lightgbm_tree(_read_values(tree), schema.n_features)


def _read_values(section: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in section.splitlines() if "=" in line)


def _check_lightgbm_tree(tree: Mapping[str, str], n_features: int) -> None:
    n_leaves = int(tree["num_leaves"])
    if int(tree["num_cat"]) or int(tree.get("is_linear", "0")):
        raise ValueError("splits on categories and linear leaves are not supported")
    if len(tree["leaf_value"].split()) != n_leaves:
        raise ValueError(f"a tree of {n_leaves} leaves stores another number of values")
    if n_leaves == 1:
        return
    names = ("split_feature", "left_child", "right_child")
    columns, left, right = (np.array(tree[name].split(), dtype=np.int64) for name in names)
    sizes = {len(tree[name].split()) for name in (*names, "threshold", "decision_type")}
    if sizes != {n_leaves - 1}:
        raise ValueError(f"a tree of {n_leaves} leaves must have {n_leaves - 1} splits")
    _check_columns(columns, n_features)
    for children in (left, right):
        _check_children(children[children >= 0], np.flatnonzero(children >= 0), n_leaves - 1)
        if (~children[children < 0] >= n_leaves).any():
            raise ValueError(f"a branch must end in one of {n_leaves} leaves")


def _check_xgboost(text: str, schema: InputSchema) -> None:
    learner = json.loads(text)["learner"]
    model = learner["gradient_booster"]["model"]
    if int(learner["learner_model_param"]["num_feature"]) != schema.n_features:
        raise ValueError(f"it reads other columns than the {schema.n_features} of the schema")
    n_groups = max(1, int(learner["learner_model_param"]["num_class"]))
    groups = np.array(model["tree_info"])
    if len(groups) != len(model["trees"]) or ((groups < 0) | (groups >= n_groups)).any():
        raise ValueError(f"its trees must belong to one of {n_groups} classes each")
    for tree in model["trees"]:
        _check_xgboost_tree(tree, schema.n_features)


def _check_xgboost_tree(tree: Mapping[str, Sequence[int]], n_features: int) -> None:
    names = ("left_children", "right_children", "split_indices")
    left, right, columns = (np.array(tree[name], dtype=np.int64) for name in names)
    others = ("split_conditions", "default_left", "base_weights", "parents", "split_type")
    if len({len(tree[name]) for name in (*names, *others)}) != 1 or not len(left):
        raise ValueError("the arrays of a tree must be of one length")
    if any(tree["split_type"]) or tree.get("categories"):
        raise ValueError("splits on categories are not supported")
    splits = left != -1
    if (splits != (right != -1)).any():
        raise ValueError("a split must have two children")
    _check_columns(columns[splits], n_features)
    for children in (left, right):
        _check_children(children[splits], np.flatnonzero(splits), len(left))


def _check_catboost(text: str, schema: InputSchema) -> None:
    model = json.loads(text)
    features = model["features_info"]["float_features"]
    positions = [feature["flat_feature_index"] for feature in features]
    if set(model["features_info"]) - {"float_features"} or positions != list(
        range(schema.n_features)
    ):
        raise ValueError(f"it reads other columns than the {schema.n_features} of the schema")
    n_borders = sum(len(feature["borders"] or ()) for feature in features)
    n_outputs = 1 if schema.n_classes <= 2 else schema.n_classes
    for tree in model["oblivious_trees"]:
        _check_catboost_tree(tree, schema.n_features, n_borders, n_outputs)


def _check_catboost_tree(
    tree: Mapping[str, Any], n_features: int, n_borders: int, n_outputs: int
) -> None:
    splits = tree["splits"] or []
    if len(splits) > _MAX_DEPTH or any(split["split_type"] != "FloatFeature" for split in splits):
        raise ValueError(f"a tree must have at most {_MAX_DEPTH} levels, each split by a number")
    _check_columns(_take(splits, "float_feature_index"), n_features)
    borders = _take(splits, "split_index")
    if ((borders < 0) | (borders >= n_borders)).any():
        raise ValueError(f"a split must use one of {n_borders} borders")
    if len(tree["leaf_values"]) != n_outputs * 2 ** len(splits):
        raise ValueError(f"a tree of {len(splits)} levels stores another number of values")


def _take(splits: Sequence[Mapping[str, int]], name: str) -> Integers:
    return np.array([split[name] for split in splits], dtype=np.int64)


def _check_columns(columns: Integers, n_features: int) -> None:
    if ((columns < 0) | (columns >= n_features)).any():
        raise ValueError(f"a split must use one of {n_features} columns")


def _check_children(children: Integers, parents: Integers, n_nodes: int) -> None:
    """Check that children lie after their parents, so that no path is endless."""
    if ((children <= parents) | (children >= n_nodes)).any():
        raise ValueError(f"a child must follow its parent and be one of {n_nodes} nodes")


_CHECKS: Mapping[str, Callable[[str, InputSchema], None]] = {
    ".lightgbm.txt": _check_lightgbm,
    ".xgboost.json": _check_xgboost,
    ".catboost.json": _check_catboost,
}

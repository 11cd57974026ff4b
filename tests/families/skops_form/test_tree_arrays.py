from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rightfit.families.skops_form.estimators import check_histogram_tree, check_sklearn_tree

# node 0 splits into 1 and 2, node 2 into 3 and 4
GOOD = {
    "left_child": [1, -1, 3, -1, -1],
    "right_child": [2, -1, 4, -1, -1],
    "feature": [0, -2, 1, -2, -2],
    "threshold": [0.5, -2, 1.5, -2, -2],
}
DTYPE = [("left_child", "i8"), ("right_child", "i8"), ("feature", "i8"), ("threshold", "f8")]


def make_nodes(**changes: list[float]) -> Any:
    columns = GOOD | changes
    nodes = np.zeros(5, dtype=DTYPE)
    for name, values in columns.items():
        nodes[name] = values
    return nodes


def test_tree_of_five_nodes_is_accepted() -> None:
    check_sklearn_tree(make_nodes(), np.zeros((5, 1, 3)), n_features=2, n_outputs=3)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"left_child": [0, -1, 3, -1, -1]}, "follow its parent"),
        ({"left_child": [1, -1, 1, -1, -1]}, "follow its parent"),
        ({"right_child": [2, -1, 5, -1, -1]}, "follow its parent"),
        ({"right_child": [2, -1, -9, -1, -1]}, "follow its parent"),
        ({"right_child": [1, -1, 4, -1, -1]}, "one parent"),
        ({"right_child": [2, 3, 4, -1, -1]}, "one child"),
        ({"feature": [2, -2, 1, -2, -2]}, "one of 2 features"),
        ({"feature": [0, -2, -1, -2, -2]}, "one of 2 features"),
        ({"threshold": [np.nan, -2, 1.5, -2, -2]}, "threshold is not a number"),
    ],
)
def test_position_outside_of_the_arrays_is_refused(
    changes: dict[str, list[float]], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        check_sklearn_tree(make_nodes(**changes), np.zeros((5, 1, 3)), n_features=2, n_outputs=3)


@pytest.mark.parametrize("values", [np.zeros((5, 1, 2)), np.full((5, 1, 3), np.inf), None])
def test_wrong_values_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="values must"):
        check_sklearn_tree(make_nodes(), values, n_features=2, n_outputs=3)


@pytest.mark.parametrize("nodes", [np.zeros(0, dtype=DTYPE), np.zeros(5), [1, 2]])
def test_what_holds_no_nodes_is_refused(nodes: Any) -> None:
    with pytest.raises(ValueError, match="nodes must"):
        check_sklearn_tree(nodes, np.zeros((5, 1, 3)), n_features=2, n_outputs=3)


def test_histogram_tree_that_turns_back_is_refused() -> None:
    fields = ("left", "right", "feature_idx", "is_leaf", "is_categorical")
    nodes = np.zeros(
        3, [(name, "i4") for name in fields] + [("num_threshold", "f8"), ("value", "f8")]
    )
    nodes["left"], nodes["right"], nodes["is_leaf"] = [1, 0, 0], [2, 0, 0], [0, 1, 1]
    check_histogram_tree(nodes, n_features=1)
    nodes["is_leaf"] = [0, 0, 1]

    with pytest.raises(ValueError, match="follow its parent"):
        check_histogram_tree(nodes, n_features=1)

"""Hostile bundles whose trees point outside of their arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hostile_bundles import (
    Case,
    Json,
    Place,
    edit_skops,
    edit_tree,
    find_states,
    forget_identities,
    void,
)


def trees() -> Iterator[Case]:
    """Forests whose trees point elsewhere."""

    def nodes(edit: Callable[[Any], Any]) -> Callable[[Place], None]:
        return lambda place: edit_tree(place, "Tree", "nodes", edit)

    def setting(field: str, index: int, value: Any) -> Callable[[Any], Any]:
        def edit(array: Any) -> Any:
            array[field][index] = value
            return array

        return edit

    yield Case("child-itself", "forest", nodes(setting("left_child", 0, 0)), "follow its parent")
    yield Case("child-back", "forest", nodes(setting("left_child", 1, 0)), "refused")
    yield Case("child-beyond", "forest", nodes(setting("right_child", 0, 10**6)), "follow its")
    yield Case("child-negative", "forest", nodes(setting("right_child", 0, -7)), "follow its")
    yield Case("child-shared", "forest", nodes(setting("right_child", 0, 1)), "one parent")
    yield Case("child-alone", "forest", nodes(setting("right_child", 0, -1)), "one child")
    yield Case("feature-beyond", "forest", nodes(setting("feature", 0, 10**6)), "features")
    yield Case("feature-negative", "forest", nodes(setting("feature", 0, -2)), "features")
    yield Case("threshold-nan", "forest", nodes(setting("threshold", 0, np.nan)), "threshold")
    yield Case("no-nodes", "forest", nodes(lambda array: array[:0]), "refused")
    yield Case("nodes-plain", "forest", nodes(lambda array: np.zeros(len(array))), "fields")
    yield Case("nodes-cut", "forest", nodes(lambda array: array[:-2]), "refused")
    for label, edit in {
        "infinite": lambda values: np.full_like(values, np.inf),
        "wide": lambda values: np.repeat(values, 2, axis=2),
        "short": lambda values: values[:-1],
        "float32": lambda values: values.astype(np.float32),
    }.items():
        change = lambda place, edit=edit: edit_tree(place, "Tree", "values", edit)  # noqa: E731
        yield Case(f"values-{label}", "forest", change, "values must")


def tree_states() -> Iterator[Case]:
    """Forests whose trees are not what their estimators take them for."""

    def state(edit: Callable[[Json], None]) -> Callable[[Place], None]:
        return lambda place: edit_skops(
            place, edit_schema=lambda root: edit(next(find_states(root, "Tree")))
        )

    def number(path: tuple[Any, ...], value: str) -> Callable[[Place], None]:
        def edit(tree: Any) -> None:
            for key in path:
                tree = tree[key]
            tree.update({"content": value, "__id__": 1})

        return state(edit)

    arguments = ("__reduce__", "args", "content")
    yield Case("node-count", "forest", number(("content", "content", "node_count"), "9999"),
               "node_count")  # fmt: skip
    yield Case("depth", "forest", number(("content", "content", "max_depth"), "-1"), "max_depth")
    yield Case("many-features", "forest", number((*arguments, 0), "1000000"), "features")
    yield Case("many-targets", "forest", number((*arguments, 2), "1000000"), "one target")
    yield Case("dropped-key", "forest",
               state(lambda tree: void(tree["content"]["key_types"]["content"].pop())),
               "whole dictionary")  # fmt: skip

    def forge(root: Json) -> None:
        """Give an array the identity of an unlike one that is built first."""
        first, second = (list(find_states(tree, "ndarray")) for tree in find_states(root, "Tree"))
        second[-1]["__id__"] = first[-1]["__id__"]

    yield Case("forged-identity", "forest", lambda place: edit_skops(place, edit_schema=forge),
               "one identity")  # fmt: skip

    def widen(root: Json) -> None:
        member = next(find_states(root, "DecisionTreeClassifier", having="tree_"))
        member["content"]["content"]["n_features_in_"].update({"content": "400", "__id__": 1})

    yield Case("wide-member", "forest", lambda place: edit_skops(place, edit_schema=widen),
               "features")  # fmt: skip

    def orphan(root: Json) -> None:
        tree = next(find_states(root, "Tree"))
        copied = json.loads(json.dumps(tree))
        forget_identities(copied)
        root["content"]["content"]["verbose"] = copied

    yield Case("orphan", "forest", lambda place: edit_skops(place, edit_schema=orphan),
               "no estimator")  # fmt: skip

    def hide_orphan(root: Json) -> None:
        """Let two estimators share a tree, so that there are as many owners as trees."""
        owners = list(find_states(root, "DecisionTreeClassifier", having="tree_"))
        orphan(root)
        arguments = root["content"]["content"]["verbose"]["__reduce__"]["args"]["content"]
        arguments[2]["content"] = "1000000"
        first, second = (owner["content"]["content"] for owner in owners)
        second["tree_"] = first["tree_"]

    yield Case("hidden-orphan", "forest", lambda place: edit_skops(place, edit_schema=hide_orphan),
               "one target")  # fmt: skip

    def smuggle(root: Json) -> None:
        root["content"]["content"]["verbose"] = {
            "__class__": "SVC", "__module__": "sklearn.svm._classes", "__loader__": "ObjectNode",
        }  # fmt: skip

    yield Case("smuggled", "forest", lambda place: edit_skops(place, edit_schema=smuggle),
               "beside trees")  # fmt: skip


def boosted() -> Iterator[Case]:
    """Boosted trees that point elsewhere."""

    def nodes(field: str, value: Any) -> Callable[[Place], None]:
        def edit(array: Any) -> Any:
            array[field][0] = value
            return array

        return lambda place: edit_tree(place, "TreePredictor", "nodes", edit)

    yield Case("boosted-itself", "boosting", nodes("left", 0), "follow its parent")
    yield Case("boosted-beyond", "boosting", nodes("right", 10**6), "follow its parent")
    yield Case("boosted-feature", "boosting", nodes("feature_idx", 10**6), "features")
    yield Case("boosted-category", "boosting", nodes("is_categorical", 1), "categories")
    yield Case("boosted-value", "boosting", nodes("value", np.nan), "finite")
    yield Case("boosted-threshold", "boosting", nodes("num_threshold", np.nan), "threshold")

    def mark(root: Json, edit: Callable[[Json], None]) -> None:
        edit(root["content"]["content"])

    def attribute(edit: Callable[[Json], None]) -> Callable[[Place], None]:
        return lambda place: edit_skops(place, edit_schema=lambda root: mark(root, edit))

    more = attribute(
        lambda known: known["n_trees_per_iteration_"].update({"content": "1", "__id__": 1})
    )
    yield Case("boosted-rounds", "boosting", more, "round of boosting")
    longer = attribute(
        lambda known: known["_predictors"]["content"][0]["content"].append(
            known["_predictors"]["content"][0]["content"][0]
        )
    )
    yield Case("boosted-extra", "boosting", longer, "each round")
    prepared = attribute(lambda known: known["_preprocessor"].update({"content": "1", "__id__": 1}))
    yield Case("boosted-preprocessor", "boosting", prepared, "_preprocessor")

    def mark_category(place: Place) -> None:
        edit_tree(place, "_BinMapper", "is_categorical_", lambda array: np.ones_like(array))

    yield Case("boosted-mapper", "boosting", mark_category, "categories")

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.graphs import make_graph, run_graph

from rightfit.models.graph_passes.trees import drop_zero_votes
from rightfit.models.onnx_graph import GraphBuilder

SHARES = np.array([[0.5, 0, 0], [0, 0.25, 0.25], [0, 0, 0.5], [0, 0, 0]])  # of two stumps' leaves
ROWS = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)


def make_stumps(shares: Any = SHARES, **settings: Any) -> Any:
    """Return two stumps; their leaves vote for each of the classes."""
    own = GraphBuilder("own/")
    n_leaves, n_classes = shares.shape
    own.add(
        "TreeEnsembleClassifier",
        "rows",
        outputs=["label", "probabilities"],
        domain="ai.onnx.ml",
        nodes_treeids=np.repeat([0, 1], 3).tolist(),
        nodes_nodeids=[0, 1, 2] * 2,
        nodes_featureids=[0, 0, 0, 1, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        nodes_values=[0.0] * 6,
        nodes_truenodeids=[1, 0, 0] * 2,
        nodes_falsenodeids=[2, 0, 0] * 2,
        class_treeids=np.repeat([0, 0, 1, 1], n_classes).tolist(),
        class_nodeids=np.repeat([1, 2, 1, 2], n_classes).tolist(),
        class_ids=[*range(n_classes)] * n_leaves,
        class_weights=shares.ravel().tolist(),
        classlabels_int64s=[*range(n_classes)],
        **settings,
    )
    return make_graph(own, {"rows": ("float32", 2)})


def read_votes(model: Any) -> list[float]:
    [node] = model.graph.node
    return next(list(part.floats) for part in node.attribute if part.name == "class_weights")


def test_sums_of_votes_are_the_same_to_the_bit_without_zeros() -> None:
    model = make_stumps()

    slim = drop_zero_votes(model)

    assert read_votes(slim) == [0.5, 0.25, 0.25, 0.5, 0.0]  # a leaf without a vote keeps one zero
    expected = [[0.5, 0, 0.5], [0.5, 0, 0], [0, 0.25, 0.75], [0, 0.25, 0.25]]
    assert run_graph(slim, rows=ROWS).tolist() == run_graph(model, rows=ROWS).tolist() == expected
    assert drop_zero_votes(slim) is slim


@pytest.mark.parametrize(
    ("shares", "settings"),
    [
        (SHARES[:, :2], {}),
        (SHARES, {"post_transform": "SOFTMAX_ZERO"}),
        (SHARES * [1, 1, 0], {}),
    ],
    ids=["two classes", "zeros count", "a class without votes"],
)
def test_zeros_stay_where_they_may_count(shares: Any, settings: dict[str, str]) -> None:
    model = make_stumps(shares, **settings)

    assert drop_zero_votes(model) is model

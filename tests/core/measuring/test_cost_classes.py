from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rightfit.measuring.cost_classes import contradict, fingerprint_structure


def write_product(
    path: Path, *, name: str = "w", n_columns: int = 3, kind: type = np.float32, seed: int = 0
) -> str:
    """Write a graph that multiplies by random weights; return its fingerprint."""
    weights = np.random.default_rng(seed).normal(size=(4, n_columns)).astype(kind)
    rows, product = (
        helper.make_tensor_value_info(title, TensorProto.FLOAT, ["n", width])
        for title, width in (("rows", 4), ("product", n_columns))
    )
    nodes = [
        helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["rows", f"{name}_f"], ["product"]),
    ]
    initializers = [numpy_helper.from_array(weights, name)]
    return write(path, helper.make_graph(nodes, name, [rows], [product], initializers))


def write_tree(path: Path, **changes: Any) -> str:
    """Write a graph of one tree with a split and two leaves; return its fingerprint."""
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_ids": [0, 0],
        "target_nodeids": [1, 2],
        "target_treeids": [0, 0],
        "target_weights": [1.0, 2.0],
        "n_targets": 1,
    }
    node = helper.make_node(
        "TreeEnsembleRegressor", ["rows"], ["y"], domain="ai.onnx.ml", **attributes | changes
    )
    rows, y = (
        helper.make_tensor_value_info(title, TensorProto.FLOAT, ["n", width])
        for title, width in (("rows", 4), ("y", 1))
    )
    return write(path, helper.make_graph([node], "tree", [rows], [y]))


def write(path: Path, graph: Any) -> str:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return fingerprint_structure(path)


@pytest.mark.parametrize(
    ("change", "is_twin"),
    [
        ({"seed": 1}, True),
        ({"name": "other"}, True),
        ({"n_columns": 4}, False),
        ({"kind": np.float16}, False),
        ({"kind": np.int64}, False),  # whole numbers are structure
    ],
)
def test_products_of_one_shape_are_twins(
    change: dict[str, Any], tmp_path: Path, *, is_twin: bool
) -> None:
    product = write_product(tmp_path / "a.onnx")

    assert (write_product(tmp_path / "b.onnx", **change) == product) == is_twin


@pytest.mark.parametrize(
    ("change", "is_twin"),
    [
        ({"nodes_values": [0.7, 0.0, 0.0], "target_weights": [3.0, 4.0]}, True),
        ({"nodes_featureids": [1, 0, 0]}, False),
        ({"nodes_truenodeids": [2, 0, 0], "nodes_falsenodeids": [1, 0, 0]}, False),
    ],
)
def test_trees_are_twins_only_where_their_structure_is_the_same(
    change: dict[str, Any], tmp_path: Path, *, is_twin: bool
) -> None:
    tree = write_tree(tmp_path / "a.onnx")

    assert (write_tree(tmp_path / "b.onnx", **change) == tree) == is_twin


def test_few_classes_without_a_difference_are_told_apart() -> None:
    rng = np.random.default_rng(0)

    found = [contradict(np.exp(0.1 * rng.standard_normal((4, 6))).tolist()) for _ in range(400)]

    assert np.mean(found) < 0.02


def test_a_slow_member_is_found_among_few_processes() -> None:
    rng = np.random.default_rng(0)
    members = np.exp(0.05 * rng.standard_normal((3, 4)))
    members[1] *= 1.5

    assert contradict(members.tolist())
    assert not contradict([members[0].tolist()])

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.graphs import list_operators, make_graph, run_graph

from rightfit.models.graph_passes.trees import unscale_thresholds
from rightfit.models.onnx_graph import GraphBuilder

rng = np.random.default_rng(0)
N_COLUMNS, N_TREES = 2, 40
MEAN, SCALE = np.array([[60.0, -0.3]]), np.array([[13.7, 0.011]])


def make_trees(mode: str, thresholds: Any, *, mean: Any = MEAN, scale: Any = SCALE) -> Any:
    """Return stumps over scaled numbers; each adds a power of two, so the sum names all ways."""
    own = GraphBuilder("own/")
    centred = own.add("Sub", "numbers", own.keep(mean))
    rows = own.cast(own.add("Mul", centred, own.keep(1 / scale)), "float32")
    n_trees = len(thresholds)
    own.add(
        "TreeEnsembleRegressor",
        own.add("Concat", "others", rows, axis=1),
        outputs=["values"],
        domain="ai.onnx.ml",
        n_targets=n_trees,
        nodes_treeids=np.repeat(np.arange(n_trees), 3).tolist(),
        nodes_nodeids=[0, 1, 2] * n_trees,
        nodes_featureids=[x for i in range(n_trees) for x in (1 + i % N_COLUMNS, 0, 0)],
        nodes_modes=[mode, "LEAF", "LEAF"] * n_trees,
        nodes_values=[x for one in thresholds.tolist() for x in (one, 0.0, 0.0)],
        nodes_truenodeids=[1, 0, 0] * n_trees,
        nodes_falsenodeids=[2, 0, 0] * n_trees,
        target_treeids=np.repeat(np.arange(n_trees), 2).tolist(),
        target_nodeids=[1, 2] * n_trees,
        target_ids=np.repeat(np.arange(n_trees), 2).tolist(),
        target_weights=[1.0, 0.0] * n_trees,
    )
    return make_graph(own, {"others": ("float32", 1), "numbers": ("float64", 2)}, ["values"])


def compare_ways(mode: str, near: Any, around: Any) -> None:
    """Hold unscaled trees to scaled ones on numbers at thresholds and around them."""
    thresholds = ((near - MEAN) * (1 / SCALE)).astype(np.float32).ravel()
    model = make_trees(mode, thresholds)
    numbers = np.concatenate([*around, [[1e30, -1e30], [0, -0.0]]])
    feed = {"numbers": numbers, "others": np.zeros((len(numbers), 1), np.float32)}

    unscaled = unscale_thresholds(model)

    assert list_operators(unscaled) == ["Cast", "Concat", "TreeEnsembleRegressor"]
    np.testing.assert_array_equal(run_graph(unscaled, **feed), run_graph(model, **feed))
    assert unscale_thresholds(unscaled) is unscaled


def draw_near(dtype: Any) -> Any:
    near = (MEAN + SCALE * rng.normal(size=(N_TREES // 2, 2))).astype(dtype).astype(np.float64)
    near[0] = 0
    return near


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_GT"])
def test_every_number_of_float32_goes_the_same_way_as_before(mode: str) -> None:
    near = draw_near(np.float32)
    around = [near]
    for end in (-np.inf, np.inf):
        moved = near.astype(np.float32)
        for _ in range(3):
            moved = np.nextafter(moved, np.float32(end))
            around.append(moved.astype(np.float64))

    compare_ways(mode, near, around)


@pytest.mark.parametrize("mode", ["BRANCH_LT", "BRANCH_GTE"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_are_thresholds_of_xgboost_go_the_same_way(mode: str, dtype: Any) -> None:
    near = draw_near(dtype)
    steps = 4 * np.spacing(near.astype(np.float32)) * np.array([-1, 0, 1])[:, None, None]

    compare_ways(mode, near, near + steps)


def test_trees_behind_a_scaler_go_the_same_way() -> None:
    numbers = (MEAN + SCALE * rng.normal(size=(500, 2))).astype(np.float32)
    offset, factor = MEAN[0].astype(np.float32), (1 / SCALE[0]).astype(np.float32)
    thresholds = ((numbers - offset) * factor)[:N_TREES].ravel()
    model = make_trees("BRANCH_LEQ", thresholds)
    for node in [node for node in model.graph.node if node.op_type in ("Sub", "Mul", "Cast")]:
        model.graph.node.remove(node)
    own = GraphBuilder("scaler/")
    [concat] = [node for node in model.graph.node if node.op_type == "Concat"]
    own.add(
        "Scaler",
        "numbers",
        outputs=[concat.input[1]],
        domain="ai.onnx.ml",
        offset=offset.tolist(),
        scale=factor.tolist(),
    )
    model.graph.node.insert(0, own.nodes[0])
    model.graph.input[1].type.tensor_type.elem_type = 1
    feed = {"numbers": numbers, "others": np.zeros((len(numbers), 1), np.float32)}

    unscaled = unscale_thresholds(model)

    assert "Scaler" not in list_operators(unscaled)
    np.testing.assert_array_equal(run_graph(unscaled, **feed), run_graph(model, **feed))


@pytest.mark.parametrize(
    ("mean", "scale"),
    [(np.array([[1.7e9, 0.0]]), SCALE), (MEAN, -SCALE)],
    ids=["far from zero", "descending"],
)
def test_columns_whose_order_float32_would_not_keep_stay_scaled(mean: Any, scale: Any) -> None:
    model = make_trees("BRANCH_LEQ", np.zeros(2, np.float32), mean=mean, scale=scale)

    assert unscale_thresholds(model) is model

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from factories.graphs import add_product, list_operators, make_graph, run_graph
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from rightfit.models.calibration import scale_probabilities
from rightfit.models.graph_passes.temperature import scale_output
from rightfit.models.graph_passes.tidying import keep_answers
from rightfit.models.onnx_graph import GraphBuilder
from rightfit.models.schema import InputSchema
from rightfit_search.families.registry import get_family

ROWS = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)


def make_net(operator: str, *, with_product: bool) -> onnx.ModelProto:
    own = GraphBuilder("own/")
    scores = add_product(own, "rows", 3, 2)
    if operator == "Sigmoid":  # of a score and its opposite
        second = own.add("Slice", scores, *(own.keep(np.array([end])) for end in (0, 1, 1)))
        scores = own.add("Concat", own.add("Neg", second), second, axis=1)
    elif not with_product:
        scores = own.add("Tanh", scores)
    own.add(operator, scores, outputs=["probabilities"])
    return make_graph(own, {"rows": ("float32", 3)})


@pytest.mark.parametrize(
    ("operator", "with_product", "expected"),
    [
        ("Softmax", True, ["Gemm", "Softmax"]),
        ("Softmax", False, ["Gemm", "Tanh", "Mul", "Softmax"]),
        ("Sigmoid", False, ["Gemm", "Slice", "Neg", "Concat", "Mul", "Sigmoid"]),
    ],
)
def test_scores_are_scaled_instead_of_probabilities(
    operator: str, with_product: bool, expected: list[str]
) -> None:
    model = make_net(operator, with_product=with_product)

    scaled = scale_output(model, 1.7, "probabilities")

    assert list_operators(scaled) == expected
    before, after = (run_graph(graph, rows=ROWS) for graph in (model, scaled))
    np.testing.assert_allclose(after, scale_probabilities(before, 1.7), atol=1e-5)


def fit_trees(estimator: Any, n_classes: int) -> onnx.ModelProto:
    labels = np.digitize(ROWS[:, 0], [-0.5, 0.5][: n_classes - 1])
    classes = tuple(map(str, range(n_classes)))
    fitted = estimator.fit(ROWS, labels)
    exported = get_family("forest").export_onnx(fitted, InputSchema(("a", "b", "c"), classes, None))
    return keep_answers(onnx.load_from_string(exported))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("temperature", [0.5, 2.5])
def test_sums_of_boosted_trees_are_scaled(n_classes: int, temperature: float) -> None:
    model = fit_trees(GradientBoostingClassifier(n_estimators=5, random_state=0), n_classes)

    scaled = scale_output(model, temperature, "probabilities")

    assert "Pow" not in list_operators(scaled)
    before, after = (run_graph(graph, rows=ROWS) for graph in (model, scaled))
    np.testing.assert_allclose(after, scale_probabilities(before, temperature), atol=1e-5)


def test_votes_of_a_forest_become_powers() -> None:
    model = fit_trees(RandomForestClassifier(n_estimators=5, random_state=0), 3)

    scaled = scale_output(model, 0.5, "probabilities")

    assert list_operators(scaled)[-2:] == ["Pow", "LpNormalization"]
    before, after = (run_graph(graph, rows=ROWS) for graph in (model, scaled))
    np.testing.assert_allclose(after, scale_probabilities(before, 0.5), atol=1e-5)

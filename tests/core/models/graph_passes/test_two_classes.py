from __future__ import annotations

import numpy as np
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes.linear_layers import (
    answer_both_classes_at_once,
    answer_two_classes_by_sigmoid,
)
from rightfit.models.onnx_graph import GraphBuilder

ROWS = np.concatenate(
    [
        np.random.default_rng(0).normal(size=(200, 3)),
        np.random.default_rng(1).normal(scale=100, size=(50, 3)),  # where both are all but certain
    ]
).astype(np.float32)
INPUT = {"rows": ("float32", 3)}


def test_softmax_of_two_classes_becomes_sigmoids() -> None:
    own = GraphBuilder("own/")
    own.add("Softmax", add_product(own, "rows", 3, 2), outputs=["probabilities"], axis=1)
    model = make_graph(own, INPUT)

    rewritten = answer_two_classes_by_sigmoid(model)

    assert list_operators(rewritten) == ["Gemm", "Sigmoid"]
    before, after = (run_graph(one, rows=ROWS) for one in (model, rewritten))
    np.testing.assert_allclose(after, before, atol=1e-6)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


def test_softmax_of_three_classes_stays() -> None:
    own = GraphBuilder("own/")
    own.add("Softmax", add_product(own, "rows", 3, 3), outputs=["probabilities"], axis=1)
    model = make_graph(own, INPUT)

    assert answer_two_classes_by_sigmoid(model) is model


def test_a_sigmoid_and_its_rest_are_computed_at_once() -> None:
    own = GraphBuilder("own/")
    second = own.add("Sigmoid", add_product(own, "rows", 3, 1))
    first = own.add("Sub", own.keep(np.array([1], dtype=np.float32)), second)
    own.add("Concat", first, second, outputs=["probabilities"], axis=1)
    model = make_graph(own, INPUT)

    rewritten = answer_both_classes_at_once(model)

    assert list_operators(rewritten) == ["Gemm", "Sigmoid"]
    np.testing.assert_allclose(
        run_graph(rewritten, rows=ROWS), run_graph(model, rows=ROWS), atol=1e-6
    )


def test_a_sigmoid_that_is_read_elsewhere_stays() -> None:
    own = GraphBuilder("own/")
    second = own.add("Sigmoid", add_product(own, "rows", 3, 1))
    first = own.add("Sub", own.keep(np.array([1], dtype=np.float32)), second)
    own.add("Concat", first, second, outputs=["probabilities"], axis=1)
    own.add("Neg", second, outputs=["values"])
    model = make_graph(own, INPUT, ["probabilities", "values"])

    assert answer_both_classes_at_once(model) is model

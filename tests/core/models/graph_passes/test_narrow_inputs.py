from __future__ import annotations

from typing import Any

import numpy as np
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes.inputs import narrow_inputs
from rightfit.models.onnx_graph import GraphBuilder

ROWS = np.array([[0.1, 2.5], [np.nan, 3.3], [1e9 + 1, np.nan]])


def make_wide(*, reads_wide: bool = False) -> Any:
    own = GraphBuilder("own/")
    fill = own.keep(np.array([[0.7, 0.3]]))
    filled = own.add("Where", own.add("IsNaN", "numbers"), fill, "numbers")
    column = own.add("Gather", "numbers", own.keep(np.array([1])), axis=1)
    told = own.cast(own.add("IsNaN", column), "float32")
    rows = own.add("Concat", own.cast(filled, "float32"), told, axis=1)
    own.add("Softmax", add_product(own, rows, 3, 3), outputs=["probabilities"], axis=1)
    outputs = ["probabilities"]
    if reads_wide:
        own.add("Cast", own.add("Neg", filled), outputs=["values"], to=1)
        outputs.append("values")
    return make_graph(own, {"numbers": ("float64", 2)}, outputs)


def test_numbers_that_are_only_cast_come_in_as_float32() -> None:
    model = make_wide()

    narrow = narrow_inputs(model)

    assert "Cast" not in list_operators(narrow)[:3]
    np.testing.assert_array_equal(
        run_graph(narrow, numbers=ROWS.astype(np.float32)), run_graph(model, numbers=ROWS)
    )
    assert narrow_inputs(narrow) is narrow


def test_numbers_that_are_computed_with_stay_float64() -> None:
    model = make_wide(reads_wide=True)

    assert narrow_inputs(model) is model

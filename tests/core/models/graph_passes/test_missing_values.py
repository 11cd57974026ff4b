from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes.inputs import leave_filling_outside
from rightfit.models.onnx_graph import GraphBuilder
from rightfit.models.onnx_session import FILLING

FILL = np.array([[5.0, -1.0]], dtype=np.float32)
ROWS = np.array([[1, 2], [np.nan, 3], [4, np.nan], [np.nan, np.nan]], dtype=np.float32)


def make_filling(indicated: list[int], *, reads_more: bool = False) -> Any:
    own = GraphBuilder("own/")
    filled = own.add("Where", own.add("IsNaN", "numbers"), own.keep(FILL), "numbers")
    parts = [filled]
    if indicated:
        columns = own.add("Gather", "numbers", own.keep(np.array(indicated)), axis=1)
        parts.append(own.cast(own.add("IsNaN", columns), "float32"))
    if reads_more:
        parts.append(own.add("Neg", "numbers"))
    width = 2 + len(indicated) + 2 * reads_more
    scores = add_product(own, own.add("Concat", *parts, axis=1), width, 3)
    own.add("Softmax", scores, outputs=["probabilities"], axis=1)
    return make_graph(own, {"numbers": ("float32", 2)})


@pytest.mark.parametrize("indicated", [[], [1], [1, 0]])
def test_gaps_are_filled_and_told_outside(indicated: list[int]) -> None:
    model = make_filling(indicated)

    rewritten = leave_filling_outside(model)

    assert not {"IsNaN", "Where"} & set(list_operators(rewritten))
    [noted] = [entry.value for entry in rewritten.metadata_props if entry.key == FILLING]
    assert json.loads(noted) == {"numbers": {"fill": [5.0, -1.0], "indicated": indicated}}
    assert rewritten.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 2 + len(indicated)
    is_missing = np.isnan(ROWS)
    by_hand = np.concatenate(
        [np.where(is_missing, FILL, ROWS), is_missing[:, indicated].astype(np.float32)], axis=1
    )
    np.testing.assert_array_equal(
        run_graph(rewritten, numbers=by_hand), run_graph(model, numbers=ROWS)
    )


def test_an_input_whose_gaps_others_read_keeps_them() -> None:
    model = make_filling([], reads_more=True)

    assert leave_filling_outside(model) is model

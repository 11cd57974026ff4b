"""Graphs that are changed as they are opened answer as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from rightfit.models.lookups import change_inputs


def build_graph(first: str, *, kind: str = "Gemm", twice: bool = False) -> bytes:
    """Build a graph that multiplies numbers, and adds what a text stands for."""
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    column = numpy_helper.from_array(np.array(0), "column")
    places = numpy_helper.from_array(np.arange(9, dtype=np.float32).reshape(3, 3), "places")
    nodes = [
        helper.make_node(kind, ["numbers", "weights"], ["product"]),
        helper.make_node("Gather", ["texts", "column"], ["text"], axis=1),
        helper.make_node(
            first,
            ["text"],
            ["place"],
            domain="ai.onnx.ml",
            keys_strings=["a", "b"],
            values_int64s=[0, 1],
            default_int64=2,
        ),
        helper.make_node("Gather", ["places", "place"], ["shift"]),
        helper.make_node("Add", ["product", "numbers" if twice else "shift"], ["values"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n_rows", 3]),
            helper.make_tensor_value_info("texts", TensorProto.STRING, ["n_rows", 2]),
        ],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n_rows", 3])],
        [weights, column, places],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


def run(content: bytes, feed: dict[str, Any]) -> Any:
    return ort.InferenceSession(content).run(None, feed)[0]


def test_a_changed_graph_reads_columns_and_whole_numbers_and_answers_alike() -> None:
    content = build_graph("LabelEncoder")
    numbers = np.arange(12, dtype=np.float32).reshape(4, 3)
    texts = np.array([["a", ""], ["b", ""], ["never", ""], ["", ""]], dtype=object)

    changed = change_inputs(content, "texts", ["numbers"])

    assert changed is not None
    assert changed.turned == {"numbers"}
    [lookup] = changed.lookups
    [(column, (table, other))] = lookup.tables.items()
    places = np.array([table.get(text, other) for text in texts[:, column]])
    np.testing.assert_array_equal(
        run(changed.content, {"numbers": np.ascontiguousarray(numbers.T), lookup.name: places}),
        run(content, {"numbers": numbers, "texts": texts}),
    )
    onnx.checker.check_model(onnx.load_from_string(changed.content))


@pytest.mark.parametrize(
    "content",
    [
        build_graph("LabelEncoder", twice=True),
        build_graph("LabelEncoder", kind="MatMul"),
        b"no graph",
        b"",
    ],
)
def test_numbers_that_are_read_otherwise_stay_as_they_are(content: bytes) -> None:
    changed = change_inputs(content, "", ["numbers"])

    assert changed is None

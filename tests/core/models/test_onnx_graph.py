from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper

from rightfit._core.errors import RightfitError
from rightfit.models.onnx_graph import (
    GraphBuilder,
    raise_opset,
    read_opsets,
    replace_output,
    set_opsets,
)
from rightfit.models.onnx_session import open_session
from rightfit.models.schema import InputSchema


def make_model(opset: int) -> ModelProto:
    """Return a model that doubles its rows."""
    builder = GraphBuilder("own/")
    doubled = builder.add("Mul", "rows", builder.keep(np.float32(2)))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2])
        for name in ("rows", doubled)
    ]
    graph = helper.make_graph(
        builder.nodes, "double", ends[:1], ends[1:], initializer=builder.constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_names_of_nodes_and_constants_are_the_builders_own() -> None:
    builder = GraphBuilder("own/")

    total = builder.add("Add", "rows", builder.keep(1.0))
    last = builder.add("TopK", total, builder.keep([1]), outputs=["top", "place"], axis=1)

    assert (total, last) == ("own/0", "top")
    assert [one.name for one in builder.nodes] == ["own/0", "own/1"]
    assert [one.name for one in builder.constants] == ["own/constant_0", "own/constant_1"]


def test_an_output_is_replaced_under_its_new_name() -> None:
    model = make_model(17)

    replace_output(model, "own/0", InputSchema(("a", "b"), ("no", "yes"), None))

    checker.check_model(model)
    [found] = open_session(model.SerializeToString()).run(
        ["probabilities"], {"rows": np.array([[1, 2]], dtype=np.float32)}
    )
    assert found.tolist() == [[2, 4]]


def test_operators_are_raised_to_a_version_and_never_lowered() -> None:
    assert read_opsets(raise_opset(make_model(12), 17)) == {"": 17}
    assert read_opsets(raise_opset(make_model(18), 17)) == {"": 18}


def test_operators_that_onnx_cannot_convert_are_refused() -> None:
    model = make_model(12)
    model.graph.node[0].op_type = "Invented"

    with pytest.raises(RightfitError, match="the opset of one is 12, 17 is needed"):
        raise_opset(model, 17)


def test_both_spellings_of_onnx_own_domain_are_one() -> None:
    model = make_model(12)
    set_opsets(model, {"ai.onnx": 17, "com.microsoft": 1})

    assert read_opsets(model) == {"": 17, "com.microsoft": 1}

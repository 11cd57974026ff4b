from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from factories.graphs import add_product, make_graph, run_graph
from onnx import ModelProto

from rightfit.models.graph_passes import MODEL_PASSES, REQUEST_PASSES
from rightfit.models.graph_passes.compiling import APPLIED, DROPPED, compile_graph, log_dropped
from rightfit.models.graph_passes.graph_view import rebuild
from rightfit.models.graph_passes.linear_layers import answer_two_classes_by_sigmoid
from rightfit.models.onnx_graph import GraphBuilder
from rightfit.models.onnx_session import open_session
from rightfit.models.predictions import is_rounding

ROWS = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)


@pytest.fixture
def model() -> Any:
    own = GraphBuilder("own/")
    own.add("Softmax", add_product(own, "rows", 3, 2), outputs=["probabilities"], axis=1)
    return make_graph(own, {"rows": ("float32", 3)})


def negate_weights(model: ModelProto) -> ModelProto:
    """A pass that is wrong."""
    weights = model.graph.initializer[0]
    if weights.name == "negated":
        return model
    values = -onnx.numpy_helper.to_array(weights)
    wrong = rebuild(model, model.graph.node, constants=[])
    wrong.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(values, "negated"))
    wrong.graph.node[0].input[1] = "negated"
    return wrong


def read_metadata(content: bytes) -> dict[str, Any]:
    entries = onnx.load_from_string(content).metadata_props
    return {entry.key: json.loads(entry.value) for entry in entries}


def compares(model: ModelProto) -> Any:
    expected = run_graph(model, rows=ROWS)

    def predicts_alike(content: bytes) -> bool:
        return is_rounding(expected, open_session(content).run(None, {"rows": ROWS})[0])

    return predicts_alike


def test_passes_are_named_in_the_graph(model: ModelProto) -> None:
    compiled = compile_graph(model, MODEL_PASSES, compares(model), name="m")

    assert compiled.applied == ("answer_two_classes_by_sigmoid",)
    assert read_metadata(compiled.content) == {APPLIED: [*compiled.applied]}
    assert compares(model)(compiled.content)


def test_a_pass_that_changes_predictions_is_dropped_and_named(model: ModelProto) -> None:
    passes = (negate_weights, answer_two_classes_by_sigmoid)

    compiled = compile_graph(model, passes, compares(model), name="m")

    assert (compiled.applied, compiled.dropped) == (
        ("answer_two_classes_by_sigmoid",),
        ("negate_weights",),
    )
    assert read_metadata(compiled.content)[DROPPED] == ["negate_weights"]
    assert compares(model)(compiled.content)


def test_dropped_passes_are_counted_in_one_line_each(
    model: ModelProto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passes = (negate_weights, answer_two_classes_by_sigmoid)
    (tmp_path / "whole.onnx").write_bytes(
        compile_graph(model, (), compares(model), name="w").content
    )
    (tmp_path / "part.onnx").write_bytes(
        compile_graph(model, passes, compares(model), name="p").content
    )
    files = {"a": "part", "b": "part", "c": "whole"}

    with caplog.at_level("INFO"):
        log_dropped({name: tmp_path / f"{file}.onnx" for name, file in files.items()}, of="shop")

    [record] = caplog.records
    assert record.getMessage() == (
        "shop: 2 of 3 graphs are served without negate_weights, which would have changed "
        "predictions: a, b"
    )


def test_a_graph_that_no_pass_rewrites_is_not_tried() -> None:
    own = GraphBuilder("own/")
    own.add("Softmax", "rows", outputs=["probabilities"], axis=1)
    model = make_graph(own, {"rows": ("float32", 3)})

    def refuse(_content: bytes) -> bool:
        raise AssertionError

    compiled = compile_graph(model, REQUEST_PASSES, refuse, name="m")

    assert compiled.applied == ()
    assert compiled.content == model.SerializeToString()


def test_passes_leave_the_model_that_they_get_as_it_is(model: ModelProto) -> None:
    before = model.SerializeToString()

    compile_graph(model, (negate_weights, *REQUEST_PASSES), compares(model), name="m")

    assert model.SerializeToString() == before

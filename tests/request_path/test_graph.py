from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configurations import least_configuration
from onnx import TensorProto, checker, helper
from stored import fit_encoder, make_raw

from rightfit.families.bundle import Bundle, write_bundle
from rightfit.families.bundle_exports import add_onnx
from rightfit.families.family import Rows, TrainingData
from rightfit.families.registry import BUILT_IN, get_family
from rightfit.families.runtimes import open_model
from rightfit.families.schema import InputSchema
from rightfit.preparation.encoding import apply_encoder, name_features
from rightfit.request_path.graph import join_encoder, join_graphs
from rightfit.request_path.python_encoder import compile_encoder
from rightfit.request_path.raw_inputs import EncoderJson, StepJson, list_inputs, pass_numbers
from rightfit.request_path.usage import open_session

STEPS = [StepJson(kind="indicate", column="a")]
ENCODER = EncoderJson(version=1, steps=STEPS)


def encode_raw() -> tuple[dict[str, list[Any]], EncoderJson, TrainingData]:
    raw = make_raw()
    encoder = fit_encoder(raw)
    rows = np.ascontiguousarray(apply_encoder(encoder, raw).to_numpy(), dtype=np.float32)
    schema = InputSchema(name_features(encoder), ("low", "middle", "high"), None)
    columns = raw.drop("label").to_dict(as_series=False)
    return (
        columns,
        encoder.model_dump(mode="json"),
        TrainingData(rows, raw["label"].to_numpy().copy(), schema),
    )


def make_bundle(name: str, data: TrainingData, folder: Path) -> Bundle:
    configuration = least_configuration(name)
    *_, last = get_family(name).train(
        configuration, data, n_checkpoints=1, seed=0, n_threads=1, device="cpu"
    )
    bundle = write_bundle(
        folder,
        last.model,
        model=name,
        family=name,
        configuration=configuration,
        schema=data.schema,
        data_version="v1",
    )
    return add_onnx(bundle, data.rows)


def answer_raw(graph: Path, columns: dict[str, list[Any]], encoder: EncoderJson) -> Rows:
    return open_session(graph, list_inputs(encoder), n_threads=1, device="cpu")(columns)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_family_answers_raw_columns_as_encoded_rows(name: str, tmp_path: Path) -> None:
    columns, encoder, data = encode_raw()
    bundle = make_bundle(name, data, tmp_path / "bundle")
    graph = tmp_path / "graph.onnx"

    for file, runtime in (("model.onnx", "onnx"), ("model.int8.onnx", "onnx_int8")):
        if file not in bundle.files:
            continue
        graph.write_bytes(join_encoder(bundle.path / file, encoder))
        checker.check_model(str(graph))
        expected = open_model(bundle, runtime=runtime, n_threads=1, device="cpu")(data.rows)

        np.testing.assert_array_equal(answer_raw(graph, columns, encoder), expected)


def make_identity(name: str = "rows", opset: int = 18) -> Any:
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, ["n", None]) for end in (name, "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], ["y"])], "g", ends[:1], ends[1:]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def test_numbers_can_pass_as_they_are(tmp_path: Path) -> None:
    encoder = pass_numbers(["b", "a"])
    graph = tmp_path / "graph.onnx"
    model = make_identity()
    model.graph.output[0].name = model.graph.node[0].output[0] = "probabilities"
    columns = {"a": [1, None], "b": [0.1, 3]}

    graph.write_bytes(join_graphs(model, encoder).SerializeToString())

    expected = np.array([[0.1, 1], [3, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(answer_raw(graph, columns, encoder), expected)
    np.testing.assert_array_equal(compile_encoder(encoder)(columns), expected)


def test_tensors_of_a_model_may_be_named_like_those_of_the_encoder() -> None:
    joined = join_graphs(make_identity(), ENCODER)

    checker.check_model(joined, full_check=True)
    assert [one.name for one in joined.graph.input] == ["numbers"]
    assert [one.name for one in joined.graph.output] == ["y"]


def test_an_older_model_is_converted() -> None:
    joined = join_graphs(make_identity(opset=9), ENCODER)

    checker.check_model(joined, full_check=True)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_identity(name="x"), r"its inputs are \['x'\], not \['rows'\]"),
        (make_identity(opset=0), "its opset is 0; 13 or later is needed"),
    ],
)
def test_a_model_that_cannot_be_joined_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join_graphs(model, ENCODER)


def test_a_column_without_known_categories_falls_into_the_bucket(tmp_path: Path) -> None:
    steps = [StepJson(kind="one_hot", column="a", categories=[])]
    encoder = EncoderJson(version=1, steps=steps)
    graph = tmp_path / "graph.onnx"
    model = make_identity()
    model.graph.output[0].name = model.graph.node[0].output[0] = "probabilities"

    graph.write_bytes(join_graphs(model, encoder).SerializeToString())

    assert answer_raw(graph, {"a": ["x", None]}, encoder).tolist() == [[1], [1]]

"""Compiled graphs answer as plain ones do: every family behind an encoder, and cascades."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from factories.bundles import train_bundle
from factories.configurations import QUICK
from factories.studies import fit_encoder, make_raw

from rightfit.data.request_path import encoder_graph
from rightfit.data.request_path.awkward_requests import draw_requests
from rightfit.data.request_path.encoder import name_features
from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.usage import open_graph, to_columns
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.graph_passes.compiling import DROPPED, read_notes
from rightfit.models.predictions import is_rounding
from rightfit.models.schema import InputSchema
from rightfit_search.families.cascades import join_cascade
from rightfit_search.families.family import TrainingData
from rightfit_search.tables.encoding import apply_encoder

pytestmark = pytest.mark.whole

RAW = pl.concat([make_raw()] * 5)
ENCODER = fit_encoder(RAW)


def export(folder: Path, family: str, *, task: str) -> Path:
    rows = np.ascontiguousarray(apply_encoder(ENCODER, RAW).to_numpy(), dtype=np.float32)
    classes = {"regression": (), "two": ("low", "high"), "three": ("low", "middle", "high")}[task]
    labels = RAW["label"].to_numpy()
    if task == "two":
        labels = np.minimum(labels, 1)
    if task == "regression":
        labels = labels + np.linspace(0, 1, len(labels))
    schema = InputSchema(name_features(ENCODER), classes, None)
    data = TrainingData(rows, schema.cast_labels(labels), schema)
    bundle = add_onnx(train_bundle(folder, data, family, QUICK[family]), rows)
    return bundle.path / "model.onnx"


def answer(graph: bytes, columns: Any) -> Any:
    return open_graph(graph, list_inputs(ENCODER.to_json()), n_threads=1, device="cpu")(columns)


@pytest.mark.parametrize("task", ["three", "two", "regression"])
@pytest.mark.parametrize("family", QUICK)
def test_compiled_requests_are_answered_as_plain_ones(
    family: str, task: str, tmp_path: Path
) -> None:
    model = export(tmp_path / "bundle", family, task=task)
    plain, compiled = (
        join_encoder(model, ENCODER.to_json(), compiles=compiles) for compiles in (False, True)
    )
    batch = draw_requests(ENCODER.to_json(), seed=7)
    requests = [to_columns([row]) for row in RAW.drop("label").head(20).to_dicts()]

    notes = read_notes(onnx.load_from_string(compiled))

    assert DROPPED not in notes
    assert set(notes["rightfit.columns"]) == set(RAW.columns) - {"label"}
    assert len(notes.get("rightfit.classes", ())) == {"three": 3, "two": 2, "regression": 0}[task]
    assert is_rounding(answer(plain, batch), answer(compiled, batch))
    for request in requests:  # with None for what is missing, in another order of columns
        turned = dict(reversed(request.items()))
        np.testing.assert_allclose(answer(compiled, turned), answer(plain, request), atol=1e-5)


def test_a_compiled_cascade_is_answered_as_a_plain_one(tmp_path: Path) -> None:
    members = [export(tmp_path / name, name, task="three") for name in ("linear", "forest")]
    cascade = tmp_path / "cascade.onnx"
    cascade.write_bytes(join_cascade(*members, 0.6))

    plain, compiled = (
        join_encoder(cascade, ENCODER.to_json(), compiles=compiles) for compiles in (False, True)
    )

    batch = draw_requests(ENCODER.to_json(), seed=7)
    assert is_rounding(answer(plain, batch), answer(compiled, batch))


def test_a_pass_that_would_change_answers_is_dropped_for_this_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = export(tmp_path / "linear-000", "linear", task="three")

    def halve_weights(graph: onnx.ModelProto) -> onnx.ModelProto:
        wrong = onnx.ModelProto()
        wrong.CopyFrom(graph)
        for tensor in wrong.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
                values = onnx.numpy_helper.to_array(tensor) / 2
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{tensor.name}/half"))
                for node in wrong.graph.node:
                    node.input[:] = [
                        f"{name}/half" if f"{name}/half" == tensor.name else name
                        for name in node.input
                    ]
        return graph if "/half" in str(graph.graph.node) else wrong

    passes = (*encoder_graph.REQUEST_PASSES, halve_weights)
    monkeypatch.setattr(encoder_graph, "REQUEST_PASSES", passes)

    compiled = join_encoder(model, ENCODER.to_json())

    assert read_notes(onnx.load_from_string(compiled))[DROPPED] == ["halve_weights"]

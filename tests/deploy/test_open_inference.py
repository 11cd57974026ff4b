"""The Open Inference Protocol beside ``/predict``: its forms, its refusals, the same limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from factories.studies import make_raw
from harness.served_export import JSON, Answered, Server, start

pytestmark = pytest.mark.whole

ROWS = make_raw().drop("label").head(20).to_dicts()
DATATYPES = {"size": "FP32", "n_parts": "INT64", "day": "BYTES", "origin": "BYTES"}
TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
    },
}
# of open_inference_rest.yaml
METADATA = {
    "type": "object",
    "required": ["name", "platform"],
    "properties": {
        "name": {"type": "string"},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": TENSOR},
        "outputs": {"type": "array", "items": TENSOR},
    },
    "additionalProperties": False,
}
RESPONSE = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": TENSOR | {"required": [*TENSOR["required"], "data"]}},
    },
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server(exported: Path) -> Iterator[Server]:
    started = start("server.py", cwd=exported)  # as a folder that stands for itself
    yield started
    started.process.kill()
    started.process.wait()


def make_request(**changes: Any) -> dict[str, Any]:
    inputs = [
        {
            "name": name,
            "shape": [len(ROWS), 1],
            "datatype": datatype,
            "data": [row[name] if row[name] is None or datatype != "BYTES" else str(row[name])
                     for row in ROWS],
        }
        for name, datatype in DATATYPES.items()
    ]  # fmt: skip
    return {"id": "42", "inputs": inputs} | changes


def infer(server: Server, request: Any, headers: dict[str, str] = JSON) -> Answered:
    return server.ask("/v2/models/model/infer", json.dumps(request).encode(), headers)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2", {"name": "rightfit", "version": "2", "extensions": []}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/model/ready", {"name": "model", "ready": True}),
    ],
)
def test_server_and_model_say_that_they_are_there(
    path: str, expected: dict[str, Any], server: Server
) -> None:
    assert server.get(path).json == expected


def test_another_model_is_not_there(server: Server) -> None:
    assert server.get("/v2/models/other").status == 404
    assert server.get("/v2/models/other/ready").status == 404


def test_metadata_names_the_columns_and_the_answers(server: Server) -> None:
    found = server.get("/v2/models/model").json

    jsonschema.validate(found, METADATA)
    assert {tensor["name"]: tensor["datatype"] for tensor in found["inputs"]} == {
        "size": "FP64", "n_parts": "FP64", "day": "BYTES", "origin": "BYTES",
    }  # fmt: skip
    assert [(tensor["name"], tensor["shape"]) for tensor in found["outputs"]] == [
        ("class", [-1, 1]),
        ("probabilities", [-1, 3]),
    ]


def flatten(request: dict[str, Any]) -> None:
    for tensor in request["inputs"]:
        tensor["shape"] = [len(ROWS)]


def nest(request: dict[str, Any]) -> None:
    for tensor in request["inputs"]:
        tensor["data"] = [[value] for value in tensor["data"]]


@pytest.mark.parametrize("change", [lambda request: None, flatten, nest])
def test_tensors_get_the_answers_of_rows(
    change: Callable[[dict[str, Any]], None], server: Server
) -> None:
    request = make_request()
    change(request)
    found = infer(server, request)
    expected = server.predict(json.dumps(ROWS).encode()).json

    assert found.status == 200
    jsonschema.validate(found.json, RESPONSE)
    assert found.json["id"] == "42"
    classes, probabilities = found.json["outputs"]
    assert classes["data"] == [row["class"] for row in expected]
    assert probabilities["shape"] == [20, 3]
    assert probabilities["data"] == [
        share for row in expected for share in row["probabilities"].values()
    ]


def test_only_the_outputs_that_are_asked_for_are_written(server: Server) -> None:
    found = infer(server, make_request(outputs=[{"name": "class"}])).json

    assert [tensor["name"] for tensor in found["outputs"]] == ["class"]


def change_first(**changes: Any) -> dict[str, Any]:
    request = make_request()
    request["inputs"][0] |= changes
    return request


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ([], 422, "a list of tensors"),
        ({"inputs": [1]}, 422, "An input must be"),
        ({"inputs": []}, 422, "lacks the columns"),
        (change_first(datatype="STRING"), 422, "datatype"),
        (change_first(shape=[3]), 422, "a value per row"),
        (change_first(shape=7), 422, ""),
        (change_first(data=None), 422, "binary tensors are not read"),
        (change_first(data=["x"] * 20), 422, ""),
        (change_first(data=[1.0], shape=[1]), 422, "different numbers of rows"),
        (change_first(name=["size"]), 422, "lacks the columns"),
        (make_request(inputs=make_request()["inputs"] * 2), 422, "twice"),
        (make_request(outputs=[{"name": "logits"}]), 422, "logits"),
        (make_request(outputs=[{"name": "class"}] * 9), 422, "twice"),
        (make_request(outputs=7), 422, ""),
        (make_request(outputs=[7]), 422, ""),
        (make_request(outputs=[{"name": {}}]), 422, ""),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(
    request_: Any, status: int, said: str, server: Server
) -> None:
    found = infer(server, request_)

    assert found.status == status
    assert said in found.json["error"]


def test_limits_are_those_of_predict(server: Server) -> None:
    long = [
        tensor | {"shape": [40_000], "data": [None] * 40_000}
        for tensor in make_request()["inputs"]
    ]  # fmt: skip
    many = server.ask("/v2/models/model/infer", b"[" * 10_000_000, JSON)

    assert infer(server, make_request(inputs=long)).status == 413
    assert many.status == 413
    assert infer(server, make_request(), {"Content-Type": "application/octet-stream"}).status == 415
    assert server.ask("/v2/models/model/infer", b'{"inputs": [], "inputs": []}', JSON).status == 422
    assert server.get("/health").status == 200


def test_it_is_measured_under_its_own_route(server: Server) -> None:
    infer(server, make_request())

    assert 'http_route="/v2/models/{name}/infer"' in server.get("/metrics").body.decode()


def test_the_environment_names_the_model(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTFIT_MODEL_NAME", "prices")
    started = start("-m", "rightfit", "serve", str(exported), cwd=exported)
    try:
        assert started.get("/v2/models/prices/ready").json == {"name": "prices", "ready": True}
        assert started.get("/v2/models/model/ready").status == 404
    finally:
        started.process.kill()
        started.process.wait()

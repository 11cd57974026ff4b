"""An export logged to MLflow, loaded and asked with MLflow itself, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.studies import make_raw
from harness.python_programs import run_python

import rightfit as rf
from rightfit.data.request_path.usage import PROFILE, name_answers, open_model, read_export

LOG = """
import json, sys
import mlflow
import rightfit as rf

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("winners")
with mlflow.start_run() as run:
    uri = rf.log_export(sys.argv[1])
logged = mlflow.get_logged_model(uri.removeprefix("models:/"))
print(json.dumps({
    "uri": uri,
    "tags": logged.tags,
    "metrics": {metric.key: metric.value for metric in logged.metrics},
    "run_metrics": mlflow.get_run(run.info.run_id).data.metrics,
}))
"""
ASK = """
import json, sys
import mlflow, onnx, pandas
assert "rightfit" not in sys.modules

mlflow.set_tracking_uri("sqlite:///mlflow.db")
uri, rows = sys.argv[1], json.load(sys.stdin)
model = mlflow.pyfunc.load_model(uri)
graph = mlflow.onnx.load_model(uri)
frame = pandas.DataFrame(rows)
answers = model.predict(frame.astype({"n_parts": float}))  # MLflow takes no int64 for a double
assert "rightfit" not in sys.modules
print(json.dumps({
    "answers": answers,
    "inputs": model.metadata.get_input_schema().to_dict(),
    "example": model.predict(model.metadata.load_input_example(
        mlflow.artifacts.download_artifacts(uri))),
    "graph": [tensor.name for tensor in graph.graph.input],
}))
"""


def run(folder: Path, code: str, *arguments: str, text: str = "") -> Any:
    done = run_python("-c", code, *arguments, folder=folder, text=text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_mlflow_answers_as_the_export_does_and_keeps_what_was_measured(
    exported: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mlflow", reason="MLflow is optional: pip install 'rightfit[mlflow]'")
    rows = make_raw().drop("label").to_dicts()

    logged = run(tmp_path, LOG, str(exported))
    found = run(tmp_path, ASK, logged["uri"], text=json.dumps(rows))

    model = read_export(exported)
    answers = open_model(exported)({name: [row[name] for row in rows] for name in rows[0]})
    assert found["answers"] == name_answers(answers, model.classes, model.threshold, model.costs)
    assert {one["name"] for one in found["inputs"]} == set(rows[0])
    assert [*found["example"][0]["probabilities"]] == [*model.classes]
    assert set(found["graph"]) == {tensor.name for tensor in model.inputs}
    profile = json.loads((exported / PROFILE).read_bytes())
    latency = profile["profile"]["metrics"]["latency_p50_ms"]["value"]
    assert np.isclose(logged["metrics"]["latency_p50_ms"], latency)
    assert logged["run_metrics"] == logged["metrics"]
    assert logged["tags"]["application"] == profile["application"]
    assert logged["tags"]["runtime"] == profile["profile"]["runtime"]


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="MLflow is optional: pip install 'rightfit[mlflow]'")

    with pytest.raises(rf.RightfitError, match="no exported model"):
        rf.log_export(tmp_path)

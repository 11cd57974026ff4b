"""A fitted model is served in the configuration that suits an application, and exported so."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.own_models import ROWS, TARGETS, fit_pipeline, guess_by_age
from harness.python_programs import run_python
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import rightfit as rf
from rightfit.api.serving_tuning import N_TRIALS, TunedServing, order_trials, select_trials

pytestmark = pytest.mark.whole

X, Y = load_digits(return_X_y=True)
QUALITY = rf.Objective(weight=1, worst=0.5, best=1.0)
FAST = rf.Objective(weight=1, worst=100, best=0.001, scale="log")


def make_application(**constraints: rf.Constraint) -> rf.Application:
    return rf.Application(
        description="answer while somebody waits",
        scenario="single_stream",
        objectives={"quality": QUALITY, "latency_p50_ms": FAST},
        constraints=constraints,
    )


@pytest.fixture(scope="module")
def tuned() -> TunedServing:
    model = RandomForestClassifier(24, random_state=0).fit(X[:1000], Y[:1000])
    applications = {
        "cheap": make_application(quality_raw=rf.Constraint(min=0.7)),
        "faithful": make_application(n_threads=rf.Constraint(max=1)),
        "impossible": make_application(quality_raw=rf.Constraint(min=1.0)),
    }
    return rf.tune_serving(
        model, X[1000:], Y[1000:], applications=applications, name="forest", n_threads=[1]
    )


def test_forest_is_tried_whole_and_shortened(tuned: TunedServing) -> None:
    tried = dict(tuned.tried.select("candidate", "quality_raw").iter_rows())
    as_it_is = tuned.tried.filter(runtime="native")["candidate"].to_list()
    model = RandomForestClassifier(24, random_state=0).fit(X[:1000], Y[:1000])
    model.estimators_ = model.estimators_[:6]

    assert [*tried] == ["forest", "forest, 12 of 24 rounds", "forest, 6 of 24 rounds"]
    assert as_it_is == ["forest"]
    assert tried["forest, 6 of 24 rounds"] == pytest.approx(model.score(X[1000:], Y[1000:]))


def test_best_is_measured_beside_the_model_as_it_is(tuned: TunedServing) -> None:
    best = tuned.best("cheap")

    assert best is not None
    assert best.serving.runtime == "onnx"
    assert best.latency_p50_ms.value < tuned.baseline.latency_p50_ms.value / 10  # some 100 times
    assert (tuned.baseline.candidate, tuned.baseline.serving.runtime) == ("forest", "native")
    assert tuned.profiles.find("forest", runtime="onnx").quality_raw.value is not None
    assert tuned.best("impossible") is None
    assert tuned.summary()["application"].to_list() == [
        "as it is",
        "cheap",
        "faithful",
        "impossible",
    ]
    assert "none meets the limits" in repr(tuned)
    assert f"({best.serving.label}), {best.quality_raw}, Latency p50 {best['latency_p50_ms']}" in (
        repr(tuned)
    )


def test_export_predicts_as_the_chosen_model(tuned: TunedServing, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    tuned.export("cheap", folder)
    best = tuned.best("cheap")
    rows = [{str(i): float(value) for i, value in enumerate(row)} for row in X[1000:1100]]

    predicted = [int(answer["class"]) for answer in run_usage(folder, rows)]

    assert np.mean(np.array(predicted) == Y[1000:1100]) > 0.8
    assert rf.measure(folder, X[1000:], Y[1000:]).quality_raw.value == best.quality_raw.value
    stored = json.loads((folder / "profile.json").read_text())["profile"]
    shipped = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert stored["candidate"] == best.candidate
    assert stored["graph_sha256"] == best.graph_sha256 == shipped
    with pytest.raises(rf.RightfitError, match="is not an empty folder"):
        tuned.export("cheap", folder)
    with pytest.raises(rf.RightfitError, match="none meets the limits"):
        tuned.export("impossible", tmp_path / "none")


def run_usage(folder: Path, rows: list[dict[str, Any]]) -> Any:
    done = run_python("usage.py", folder=folder, text=json.dumps(rows), check=True)
    return json.loads(done.stdout)


@pytest.mark.long
def test_columns_by_name_are_served_as_a_graph_and_exported(tmp_path: Path) -> None:
    found = rf.tune_serving(
        fit_pipeline(), ROWS, TARGETS, applications={"web": make_application()}, n_threads=[1]
    )
    found.export("web", tmp_path)

    assert found.best("web").serving.runtime == "onnx"
    columns = {
        name
        for tensor in json.loads((tmp_path / "model.json").read_text())["inputs"]
        for name in tensor["columns"]
    }
    assert columns == set(ROWS.columns)
    row = {
        name: value.item() if hasattr(value, "item") else value
        for name, value in ROWS.iloc[0].items()
    }
    run_usage(tmp_path, [row])
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit") as raised:
        run_usage(tmp_path, [row | {"n_rooms": None}])
    assert "'n_rooms' must be a whole number" in raised.value.stderr


@pytest.mark.long
def test_a_function_has_no_graph_to_export(tmp_path: Path) -> None:
    found = rf.tune_serving(
        guess_by_age, ROWS, TARGETS, applications={"web": make_application()}, n_threads=[1]
    )

    assert found.tried["runtime"].to_list() == ["native"]
    assert found.best("web").serving.runtime == "native"
    with pytest.raises(rf.RightfitError, match="which is no ONNX graph: serve the model itself"):
        found.export("web", tmp_path)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({}, [1, 2, 0]),
        ({"quality_raw": rf.Constraint(min=0.85)}, [0, 1, 2]),
        ({"quality_raw": rf.Constraint(max_degradation=0.15)}, [1, 0, 2]),
        ({"peak_memory_mib": rf.Constraint(max=1)}, [1, 2, 0]),  # is not tried
    ],
)
def test_trials_are_ordered_by_limits_then_utility(
    constraints: dict[str, Any], expected: list[int]
) -> None:
    quality = np.array([0.9, 0.8, 0.6])
    columns = {
        "quality": quality,
        "quality_raw": quality,
        "latency_p50_ms": np.array([50.0, 0.1, 0.01]),
        "n_threads": np.ones(3),
    }

    assert order_trials(columns, make_application(**constraints)).tolist() == expected


@pytest.mark.long
def test_torch_module_is_tried_with_8_bit_weights() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))

    found = rf.tune_serving(
        module,
        X[:300].astype(np.float32),
        Y[:300],
        applications={"web": make_application()},
        n_threads=[1],
        quality="accuracy",
    )

    assert found.tried["runtime"].to_list() == ["native", "onnx", "onnx_int8"]


def test_better_half_stays_for_each_application() -> None:
    fast = make_application(quality_raw=rf.Constraint(min=0.1))
    good = make_application(quality_raw=rf.Constraint(min=0.75))
    rows = [
        make_row(0.9, 5.0),
        make_row(0.8, 0.1),
        make_row(0.7, 0.001),
        make_row(0.6, 0.001, settled="screened"),
        make_row(0.9, None),
    ]

    trials = pl.DataFrame(rows, schema_overrides={"latency_p50_ms": pl.Float64})

    assert select_trials(trials, 1, [fast, good]) == [1, 2]
    assert select_trials(trials, 2, [good]) == [0, 1]
    assert select_trials(trials[4:], 2, [good]) == []


def make_row(quality: float, latency_ms: float | None, settled: str | None = None) -> Any:
    return {
        "quality": quality,
        "quality_raw": quality,
        "latency_p50_ms": latency_ms,
        "throughput_rows_per_s": 1.0,
        "model_size_mib": 1.0,
        "n_threads": 1,
        "measured_how": {"settled": settled},
    }


def test_fewer_configurations_go_on_after_each_process(tuned: TunedServing) -> None:
    n_processes = tuned.tried["n_processes"].to_list()

    assert max(n_processes) == N_TRIALS
    assert min(n_processes) == 1

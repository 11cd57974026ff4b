"""Results in MLflow: by a faithful fake, and by the real one where kedro-mlflow is installed."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from factories.reports import build_results, make_trials
from harness.python_programs import run_python
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from rightfit.ranking.explanation.decisions import read_recommendations, write_recommendations
from rightfit_kedro.hooks import MlflowHook, measure_winners

# MLflow 3: what validation.py of mlflow.utils accepts
KEY = re.compile(r"[/\w.\- :]{1,250}")
MAX_TAG_LENGTH = 8_000
READ_RUN = """
import json, sys
from mlflow import MlflowClient

client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("rightfit")
(run,) = client.search_runs([experiment.experiment_id])
files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
found = {"status": run.info.status, "metrics": run.data.metrics, "files": files}
json.dump(found, sys.stdout)
"""


class FakeMlflow(ModuleType):
    """The functions of MLflow that the hook calls, as strict as MLflow is."""

    def __init__(self, *, is_open: bool = True) -> None:
        super().__init__("mlflow")
        self.is_open = is_open
        self.metrics: dict[str, float] = {}
        self.tags: dict[str, str] = {}
        self.artifacts: dict[str, str] = {}

    def active_run(self) -> object | None:
        return object() if self.is_open else None

    def log_metrics(self, metrics: dict[str, float]) -> None:
        for key, value in metrics.items():
            assert KEY.fullmatch(key), key
            assert isinstance(value, float), key
            assert math.isfinite(value), key
        self.metrics |= metrics

    def set_tags(self, tags: dict[str, Any]) -> None:
        for key, value in tags.items():
            assert KEY.fullmatch(key), key
            assert len(str(value)) <= MAX_TAG_LENGTH
        self.tags |= tags

    def log_text(self, text: str, artifact_file: str) -> None:
        self.artifacts[artifact_file] = text

    def log_dict(self, dictionary: dict[str, Any], artifact_file: str) -> None:
        self.artifacts[artifact_file] = json.dumps(dictionary)


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> FakeMlflow:
    fake = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What a run of the whole job leaves, by name in the catalog."""
    results = build_results()
    trials = make_trials()
    return {
        "recommendations": write_recommendations(results.recommendations),
        "rankings": results.rankings,
        "resource_profiles": results.profiles,
        "landsat.trials": trials,
        "flights.trials": trials,
        "landsat.linear.trials": trials,
        "report": "<html>",
    }


def make() -> None:
    """Stand for a node of the ranking."""


make.__module__ = "rightfit_kedro.pipelines.ranking.nodes"


def finish_run(made: dict[str, Any]) -> None:
    names = sorted(made)
    pipeline = Pipeline([Node(make, None, names, name="make")])
    catalog = DataCatalog({name: MemoryDataset(made[name], copy_mode="assign") for name in names})
    hook = MlflowHook()
    hook.after_pipeline_run(pipeline=pipeline, catalog=catalog)


def test_winners_counts_rankings_and_report_are_logged(
    mlflow: FakeMlflow, made: dict[str, Any]
) -> None:
    finish_run(made)

    winner = made["recommendations"]["accuracy_first"]["datasets"]["landsat"]["winner"]
    metrics = mlflow.metrics
    assert metrics["accuracy_first/landsat/utility"] == winner["utility"]
    assert (
        metrics["accuracy_first/landsat/quality_raw"] == winner["metrics"]["quality_raw"]["value"]
    )
    assert mlflow.tags["winner.accuracy_first.landsat"].startswith(winner["candidate"])
    assert metrics["counts/profiles"] == made["resource_profiles"].height == 72
    assert metrics["counts/disturbed_profiles"] == 6
    assert metrics["counts/candidates"] == 18
    assert metrics["counts/trials_complete"] == 4
    assert metrics["counts/trials_failed"] == 2
    assert mlflow.artifacts["report.html"] == "<html>"
    ranked = pl.read_csv(mlflow.artifacts["rankings.csv"].encode())
    assert ranked.height == made["rankings"].height
    assert json.loads(mlflow.artifacts["recommendations.json"]) == made["recommendations"]


def test_where_none_qualifies_there_is_no_winner_to_log(made: dict[str, Any]) -> None:
    recommendations = json.loads(json.dumps(made["recommendations"]))
    recommendations["web_api"]["datasets"]["landsat"]["winner"] = None

    metrics = measure_winners(read_recommendations(recommendations))

    assert not [name for name in metrics if name.startswith("web_api/landsat/")]
    assert metrics["counts/none_qualifies"] >= 1


def test_only_what_a_run_made_is_logged(mlflow: FakeMlflow, made: dict[str, Any]) -> None:
    finish_run({"resource_profiles": made["resource_profiles"]})

    assert {name.split("/")[0] for name in mlflow.metrics} == {"counts"}
    assert mlflow.artifacts == {}


def test_nothing_is_logged_without_an_open_run(mlflow: FakeMlflow, made: dict[str, Any]) -> None:
    mlflow.is_open = False

    finish_run(made)

    assert mlflow.metrics == mlflow.tags == mlflow.artifacts == {}


def test_without_mlflow_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, made: dict[str, Any]
) -> None:
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)

    finish_run(made)

    assert "mlflow" not in sys.modules


def test_usage_figures_stay_here() -> None:
    code = "import os, rightfit_project.settings; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_DISABLE_TELEMETRY"}

    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert result.stdout == "true\n"


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("kedro_mlflow") is None,
    reason="kedro-mlflow is optional: pip install 'rightfit[mlflow]'",
)
def test_real_mlflow_keeps_a_run(project_path: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    code = (
        "from pathlib import Path\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "from factories.reports import make_trials, run_ranking_and_reporting\n"
        "bootstrap_project(Path.cwd())\n"
        f"run_ranking_and_reporting(Path.cwd(), Path({str(tmp_path / 'data')!r}))\n"
    )
    subprocess.run(  # a process of its own: MLflow warns when it is imported
        [sys.executable, "-c", code],
        cwd=project_path,
        env=os.environ
        | {"MLFLOW_TRACKING_URI": store, "KEDRO_DISABLE_TELEMETRY": "1"}
        | {"PYTHONPATH": os.pathsep.join([str(project_path / "tests" / "support"), *sys.path])},
        check=True,
    )
    found = json.loads(run_python("-c", READ_RUN, store, check=True).stdout)

    assert found["status"] == "FINISHED"
    assert found["metrics"]["accuracy_first/landsat/utility"] > 0
    assert found["files"] == ["rankings.csv", "recommendations.json", "report.html"]

"""The whole job on tiny budgets: what it leaves behind, and that it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.models import runtimes
from rightfit.models.bundle import Bundle
from rightfit_kedro.run import RightfitSession
from rightfit_kedro.stored_results import ProjectLocation
from rightfit_search.searching.parallel import forked_workers
from rightfit_search.searching.task_worker import TaskWorker

pytestmark = pytest.mark.whole

SEED_METRICS = (
    "cpu_cores",
    "peak_memory_mib",
    "latency_p50_ms",
    "throughput_rows_per_s",
    "min_hardware_tier",
)


class Study:
    """A run of the project in a folder of its own."""

    def __init__(self, project: Path, root: Path) -> None:
        self.project = project
        self.root = root

    def run(self, pipeline: str, **params: Any) -> None:
        runtime_params = {"data_root": str(self.root), **params}
        with RightfitSession.create(
            self.project, env="test", runtime_params=runtime_params
        ) as session:
            session.run(pipeline_names=[pipeline])

    def load(self, name: str) -> Any:
        location = ProjectLocation(str(self.root), "test", folder=self.project)
        return location.open_results().load_newest(name)

    def searches(self) -> dict[str, bytes]:
        return {
            path.parent.name: path.read_bytes()
            for path in sorted(self.root.glob("06_models/studies/*/*/*/*/bundle.json"))
        }


@pytest.fixture(scope="module")
def study(bootstrapped: Path, sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    (root / "01_raw").symlink_to(sample_data)
    study = Study(bootstrapped, root)
    study.run("perf")
    return study


def test_profiles_hold_every_cell_in_both_runtimes(study: Study) -> None:
    profiles = study.load("resource_profiles")

    cells = profiles.select("dataset", "model", "runtime").unique().rows()

    assert set(cells) == {
        (dataset, model, runtime)
        for dataset in ("landsat", "fashion_mnist")
        for model in ("linear", "forest", "net")
        for runtime in ("native", "onnx")
    }
    for metric in (*SEED_METRICS, "settings"):
        assert profiles[metric].null_count() == 0


def test_winners_are_the_measured_models_which_have_learnt_validation_rows(study: Study) -> None:
    profiles = study.load("resource_profiles")
    winners = [
        (dataset, decision["winner"])
        for recommendation in study.load("recommendations").values()
        for dataset, decision in recommendation["datasets"].items()
        if decision["winner"]
    ]

    assert winners
    for dataset, winner in winners:
        n_rows = study.load(f"{dataset}.data_card").n_rows
        cell = f"{dataset}.{winner['model']}"
        bundle = study.load(f"{cell}.candidates")[winner["candidate"]]
        rows = profiles.filter(dataset=dataset, candidate=winner["candidate"])
        assert set(rows["model_sha256"]) == {bundle.weights_sha256}
        assert bundle.n_training_rows == n_rows["train"] + n_rows["validation"]
        assert winner["metrics"]["quality_raw"]["value"] in rows["quality_raw"]


def test_every_null_has_a_reason(study: Study) -> None:
    for profile in study.load("resource_profiles").iter_rows(named=True):
        reasons = {name for name, why in profile["null_reasons"].items() if why is not None}
        nulls = {
            column
            for column, value in profile.items()
            if value is None and not column.endswith(("_low", "_high", "_sha256"))
        }

        assert nulls <= reasons


def test_rankings_hold_every_application_and_dataset(study: Study) -> None:
    rankings = study.load("rankings")

    assert set(rankings.select("application", "dataset").unique().rows()) == {
        (application, dataset)
        for application in ("satellite_archive", "edge_device", "web_api", "accuracy_first")
        for dataset in ("landsat", "fashion_mnist")
    }
    best = rankings.filter(pl.col("rank") == 1)
    assert best.group_by("application", "dataset").len()["len"].max() == 1


def test_second_run_trains_and_measures_nothing_and_ranks_the_same(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[object] = []
    for place, name in ((WorkerPool, "get"), (forked_workers, "start_fork_server"),
                        (TaskWorker, "carry_out")):  # fmt: skip
        monkeypatch.setattr(place, name, lambda *args, **_: started.append(args))
    searches, profiles, rankings = (
        study.searches(), study.load("resource_profiles"), study.load("rankings"),
    )  # fmt: skip

    study.run("perf")

    assert started == []
    assert study.searches() == searches
    assert study.load("resource_profiles").equals(profiles)
    assert study.load("rankings").equals(rankings)
    shown = capsys.readouterr().out
    assert "Which model fits" in shown
    assert Path(shown.rpartition("Report: ")[2].strip()).is_file()


def test_another_weight_ranks_stored_profiles_anew(study: Study) -> None:
    before = study.load("rankings")
    objectives = {"quality": {"weight": 1000.0}}

    study.run("ranking", applications={"edge_device": {"objectives": objectives}})
    after = study.load("rankings")

    def utilities(frame: pl.DataFrame, application: str) -> list[float]:
        ours = frame.filter(pl.col("application") == application)
        return ours.sort("dataset", "candidate", "runtime", "n_threads")["utility"].to_list()

    assert utilities(after, "edge_device") != utilities(before, "edge_device")
    assert utilities(after, "web_api") == utilities(before, "web_api")


def test_another_metric_ranks_stored_predictions_and_opens_no_model(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    for place, name in ((Bundle, "load_native"), (WorkerPool, "get"), (runtimes, "open_predictor")):
        monkeypatch.setattr(place, name, lambda *args, **_: opened.append(args))
    before = study.load("recommendations")

    study.run("ranking", applications={"accuracy_first": {"quality": {"name": "f1_macro"}}})
    after = study.load("recommendations")

    assert opened == []
    for application, metric in (("accuracy_first", "macro F1"), ("edge_device", "accuracy")):
        decision = after[application]["datasets"]["landsat"]
        subject = decision["winner"] or decision["nearest_miss"]
        assert subject["metrics"]["quality_raw"]["name"] == metric
    assert after["edge_device"]["datasets"].keys() == before["edge_device"]["datasets"].keys()


def test_profiles_of_the_future_and_of_another_grid_do_not_win(study: Study) -> None:
    table = study.root / "07_model_output" / "resource_profiles.parquet"
    versions = sorted(path for path in table.iterdir())
    newest, future = versions[-1], table / "2099-01-01T00.00.00.000Z"
    measured = study.load("resource_profiles")
    future.mkdir()
    measured.head(1).write_parquet(future / table.name)
    other = {"grid": {"datasets": "landsat", "models": "linear"}}
    study.run("evaluation", **other)  # measures nothing anew

    study.run("ranking")
    ranked = study.load("rankings")
    (future / table.name).unlink()
    future.rmdir()

    assert len(sorted(table.iterdir())) == len(versions) + 1
    assert newest.exists()
    cells = ranked.select("dataset", "model").unique()
    assert cells.height == measured.select("dataset", "model").unique().height


def test_winners_are_loaded_over_http_once(study: Study) -> None:
    study.run("http_load", http_load={"max_s": 120})
    curves = study.load("load_curves")
    study.run("http_load", http_load={"max_s": 120})
    again = study.load("load_curves")

    loaded = {load.application for load in curves.loads if load.curve is not None}
    assert loaded == {"web_api"}  # the scenario "server"
    assert all(load.reason for load in curves.loads if load.curve is None)
    steps = [load.curve.closed for load in curves.loads if load.curve]
    assert all(any(step.throughput_per_s > 0 for step in closed) for closed in steps)
    assert again == curves

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from factories import cells
from factories.application_targets import ACCURACY, make_targets
from factories.recordings import ONE, application
from optuna.trial import TrialState

from rightfit._core.progress import Progress, listening
from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import Checkpoint, TrainingData
from rightfit_search.families.registry import get_family
from rightfit_search.searching.candidates import bundle_candidates, find_incumbents
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.parallel.planned_search import PlannedSearch, complete_search
from rightfit_search.searching.search import run_search
from rightfit_search.searching.search_scheduler import SearchScheduler, open_study
from rightfit_search.searching.search_tables import account_search, tabulate_curves, tabulate_trials
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.task_worker import TaskWorker

pytestmark = pytest.mark.whole


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "studies", storage=None)


def test_search_ends_at_n_trials_and_keeps_every_complete_model(
    blobs: TrainingData, store: StudyStore
) -> None:
    study = run_search(cells.make_cell(blobs), cells.make_settings(), store)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    for trial in study.trials:
        assert (store.bundle_folder(study.study_name, trial.number) / "bundle.json").exists()


def test_finished_search_is_not_searched_again(blobs: TrainingData, store: StudyStore) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings()
    first = run_search(cell, settings, store)
    again = run_search(cell, settings, store)

    assert [trial.datetime_start for trial in again.trials] == [
        trial.datetime_start for trial in first.trials
    ]


def test_finished_search_loads_no_library(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(get_family("linear"), "load_libraries", lambda: loaded.append("linear"))
    cell, settings = cells.make_cell(blobs), cells.make_settings()

    run_search(cell, settings, store)
    n_of_search = len(loaded)
    run_search(cell, settings, store)

    assert n_of_search > 0
    assert len(loaded) == n_of_search


def test_longer_search_continues_with_new_configurations(
    blobs: TrainingData, store: StudyStore
) -> None:
    cell = cells.make_cell(blobs)
    run_search(cell, cells.make_settings(), store)
    study = run_search(cell, cells.make_settings(n_trials=6), store)

    assert len(study.trials) == 6
    assert len({trial.params["alpha"] for trial in study.trials}) == 6


def test_interrupted_trial_is_set_aside_and_made_up_for(
    blobs: TrainingData, store: StudyStore
) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings()
    open_study(cell, settings, store).ask()  # its process dies here

    study = run_search(cell, settings, store)
    trials = tabulate_trials(study, cell, n_checkpoints=2)

    assert study.trials[0].state == TrialState.FAIL
    assert trials["number"].to_list() == [1, 2, 3, 4]
    assert trials["state"].unique().to_list() == ["complete"]


@pytest.mark.parametrize(
    "change",
    [
        {"data_version": "v2"},
        {"params": cells.LINEAR_PARAMS.model_copy(update={"fixed": {"n_epochs": 5}})},
    ],
)
def test_other_data_or_space_is_another_study(
    blobs: TrainingData, store: StudyStore, change: dict[str, Any]
) -> None:
    settings = cells.make_settings()

    names = {
        open_study(cell, settings, store).study_name
        for cell in (cells.make_cell(blobs), cells.make_cell(blobs, **change))
    }

    assert len(names) == 2


@pytest.mark.parametrize("budget", ["budget_cpu_s", "budget_wall_s"])
def test_budget_in_seconds_counts_the_trials_of_earlier_runs(
    blobs: TrainingData, store: StudyStore, budget: str
) -> None:
    cell = cells.make_cell(blobs)
    run_search(cell, cells.make_settings(n_trials=2), store)
    settings = cells.make_settings(**{"n_trials": None, budget: 1e-6})

    assert len(run_search(cell, settings, store).trials) == 2


def test_grid_sampler_visits_every_point_once_then_ends(
    blobs: TrainingData, store: StudyStore
) -> None:
    settings = cells.make_settings(n_trials=99, sampler="grid")

    study = run_search(cells.make_cell(blobs), settings, store)

    assert len({tuple(trial.params.values()) for trial in study.trials}) == 4
    assert len(study.trials) == 4


def test_sampler_by_import_path_samples(blobs: TrainingData, store: StudyStore) -> None:
    settings = cells.make_settings(n_trials=4, sampler="optuna.samplers.QMCSampler")

    study = run_search(cells.make_cell(blobs), settings, store)

    assert len({tuple(trial.params.values()) for trial in study.trials}) > 1


def test_median_stop_says_why(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality_of_trial = iter([0.9, 0.9, 0.2])

    def score_trial(metric: object, labels: object, probabilities: np.ndarray) -> float:
        return float(probabilities[0, 0])

    def train(run: object) -> Iterator[Checkpoint]:
        value = next(quality_of_trial)
        model = real_family.build_untrained(
            {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-4, "eta0": 0.1}, blobs.schema, seed=0
        )
        model.quality = value
        for step in (1, 2):
            yield Checkpoint(model, n_steps=step)

    real_family = get_family("linear")
    monkeypatch.setattr(real_family, "train", train)
    monkeypatch.setattr(
        real_family,
        "predict",
        lambda model, rows: np.tile([model.quality, 1 - model.quality, 0], (len(rows), 1)),
    )
    monkeypatch.setattr("rightfit.models.quality.metric.QualityMetric.score", score_trial)
    settings = cells.make_settings(n_trials=3, early_stopping="median", n_startup_trials=2)
    cell = cells.make_cell(blobs)

    study = run_search(cell, settings, store)
    trials = tabulate_trials(study, cell, n_checkpoints=2)

    assert trials["state"].to_list() == ["complete", "complete", "stopped"]
    assert trials["stop_checkpoint"].to_list() == [None, None, 1]
    assert trials["stop_reason"][2] == (
        "best validation quality 0.2000 up to checkpoint 1 is below the median 0.9000 "
        "of 2 complete trials"
    )


def test_failing_trial_is_recorded_and_the_search_goes_on(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = get_family("linear")
    train = family.train
    calls = iter(range(99))

    def fail_first(*args: Any, **kwargs: Any) -> Iterator[Checkpoint]:
        if next(calls) == 0:
            raise ValueError("overflow")
        return train(*args, **kwargs)

    monkeypatch.setattr(family, "train", fail_first)
    cell = cells.make_cell(blobs)

    study = run_search(cell, cells.make_settings(), store)
    trials = tabulate_trials(study, cell, n_checkpoints=2)

    assert trials["state"].to_list() == ["failed", "complete", "complete", "complete"]
    assert trials["stop_reason"][0] == "ValueError: overflow"


def test_search_without_a_complete_trial_says_what_to_mend(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Iterator[Checkpoint]:
        raise ValueError("overflow")

    monkeypatch.setattr(get_family("linear"), "train", fail)

    with pytest.raises(
        RuntimeError, match=r"No trial of blobs\.linear .*overflow.*training\.n_trials"
    ):
        run_search(cells.make_cell(blobs), cells.make_settings(), store)


def test_tables_hold_costs_and_curves(blobs: TrainingData, store: StudyStore) -> None:
    cell = cells.make_cell(blobs)
    study = run_search(cell, cells.make_settings(), store)

    trials = tabulate_trials(study, cell, n_checkpoints=2)
    curves = tabulate_curves(study, cell.quality)

    for column in ("fit_time_s", "step_time_ms", "fit_cpu_cores", "model_size_mib", "compute_s"):
        assert trials[column].null_count() == 0
        assert trials[column].min() > 0  # type: ignore[operator]
    assert curves.group_by("number").len()["len"].to_list() == [2, 2, 2, 2]
    last = curves.filter(checkpoint=2).sort("number")
    assert last["quality"].to_list() == trials.sort("number")["quality"].to_list()


def test_bundled_candidates_are_exported_and_named(blobs: TrainingData, store: StudyStore) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings()
    study = run_search(cell, settings, store)

    few = settings.model_copy(update={"n_candidates": 2})
    bundles = bundle_candidates(study, cell, few, store)

    first = int(next(iter(bundles)).removeprefix("linear-"))
    assert study.trials[first].value == study.best_value
    assert all(bundle.onnx is not None for bundle in bundles.values())


def test_progress_reports_start_and_every_trial(blobs: TrainingData, store: StudyStore) -> None:
    steps: list[Progress] = []

    with listening(steps.append):
        run_search(cells.make_cell(blobs), cells.make_settings(n_trials=2), store)

    counts = [(step.n_done, step.n_all) for step in steps if step.stage == "searching"]
    assert counts == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("rule", "pruner"),
    [
        ("median", optuna.pruners.MedianPruner),
        ("successive_halving", optuna.pruners.SuccessiveHalvingPruner),
        ("percentile", optuna.pruners.PercentilePruner),
        ("hyperband", optuna.pruners.HyperbandPruner),
        ("patient", optuna.pruners.PatientPruner),
        ("none", optuna.pruners.NopPruner),
    ],
)
def test_each_name_is_one_of_optunas_pruners(
    rule: str, pruner: type, blobs: TrainingData, store: StudyStore
) -> None:
    study = open_study(cells.make_cell(blobs), cells.make_settings(early_stopping=rule), store)

    assert type(study.pruner) is pruner


NOTHING_KEPT_MIB = -1.0  # the smallest trainings take less than is measured
PAUSING: dict[str, Any] = {
    "n_trials": 8,
    "sampler": "tpe",
    "n_startup_trials": 2,
    "early_stopping": "pausing",
}


def test_search_for_applications_pauses_and_says_who_asked(
    blobs: TrainingData, store: StudyStore
) -> None:
    cell = cells.make_cell(blobs)
    settings = cells.make_settings(**PAUSING, targets=make_targets())

    study = run_search(cell, settings, store)
    trials = tabulate_trials(study, cell, n_checkpoints=2)

    assert trials["application"].to_list() == [None, None, *["accuracy"] * 6]
    stopped = trials.filter(state="stopped")
    assert stopped.height > 0  # the blobs are easy: the first good trial can't be beaten by much
    assert stopped["stop_reason"].str.starts_with("after checkpoint").all()
    assert stopped["stopped_by"].unique().to_list() == ["accuracy"]
    assert stopped["saved_s"].null_count() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"servings": (Serving("onnx", 2, "cpu"), Serving("onnx", 8, "cpu"))},  # other cores
        {"servings": (Serving("native", 1, "cpu"),)},  # another runtime
        {"servings": (Serving("native", 1, "cuda"), ONE)},  # one device more
        {"applications": Applications({"small": application(max_size_mib=0.5)})},
        {"applications": Applications(ACCURACY | {"other": application(min_quality=0.99)})},
        {"known_quality": 1.0},  # of a family that came into the grid
    ],
)
def test_search_goes_on_when_machine_grid_or_applications_change(
    change: dict[str, Any], blobs: TrainingData, store: StudyStore
) -> None:
    cell = cells.make_cell(blobs)
    before = cells.make_settings(**PAUSING | {"n_trials": 4}, targets=make_targets())
    run_search(cell, before, store)
    after = cells.make_settings(**PAUSING, targets=make_targets(**change))

    study = run_search(cell, after, store)
    found = study.get_trials(deepcopy=False)
    account = account_search(found, cell, after, make_targets(**change))

    assert len(found) == 8
    assert set(account["application"]) == set(make_targets(**change).applications)
    assert find_incumbents(found, cell, make_targets(**change), n_checkpoints=2)


def test_pausing_search_begins_with_the_default_and_completes_it_however_poor(
    blobs: TrainingData, store: StudyStore
) -> None:
    params = cells.LINEAR_PARAMS.model_copy(update={"default": {"alpha": 1e-2, "eta0": 1e-4}})
    cell = cells.make_cell(blobs, params=params)
    settings = cells.make_settings(**PAUSING, targets=make_targets())

    study = run_search(cell, settings, store)

    assert study.trials[0].params == {"alpha": 1e-2, "eta0": 1e-4}
    assert study.trials[0].state == TrialState.COMPLETE


@pytest.mark.parametrize("how", [{}, PAUSING | {"targets": make_targets()}])
def test_the_portfolio_comes_after_the_default_in_its_order(
    blobs: TrainingData, store: StudyStore, how: dict[str, Any]
) -> None:
    firsts = [{"alpha": alpha, "eta0": 0.1} for alpha in (1e-3, 1e-5, 1e-4)]
    change = {"default": firsts[0], "portfolio": tuple(firsts[1:])}
    cell = cells.make_cell(blobs, params=cells.LINEAR_PARAMS.model_copy(update=change))

    study = run_search(cell, cells.make_settings(**how), store)

    assert [trial.params for trial in study.trials[:3]] == firsts
    assert {trial.state for trial in study.trials[:3]} == {TrialState.COMPLETE}
    assert len(study.trials) > 3


def test_a_default_beyond_the_budget_is_trained_at_a_length_within_it(
    blobs: TrainingData, tmp_path: Path
) -> None:
    """Before the portfolio, and alike where the search was interrupted."""
    pytest.importorskip("catboost")
    entry = {"iterations": 8, "l2_leaf_reg": 1.0}
    params = ModelParams.model_validate(
        {
            "space": {
                "iterations": {"low": 8, "high": 1000, "log": True},
                "l2_leaf_reg": {"low": 1.0, "high": 9.0},
            },
            "default": {"iterations": 320, "l2_leaf_reg": 3.0},
            "portfolio": [entry],
        }
    )
    cell = cells.make_cell(blobs, name="blobs.catboost", family="catboost", params=params)
    stores = {name: StudyStore(tmp_path / name, None) for name in ("whole", "once", "resumed")}
    [whole] = run_search(
        cell, cells.make_settings(n_trials=1, n_checkpoints=6), stores["whole"]
    ).trials
    settings = cells.make_settings(
        **PAUSING | {"n_trials": 3, "n_checkpoints": 6},
        budget_cpu_s=0.7 * whole.user_attrs["curve"][-1]["work_s"],
        targets=make_targets(),
    )

    once = run_search(cell, settings, stores["once"]).trials
    scheduler = SearchScheduler(cell, settings, stores["resumed"])
    worker = TaskWorker(cell, settings, stores["resumed"], study_name(cell, settings))
    for _ in range(3):
        task = scheduler.next_task()
        assert task is not None
        scheduler.note(task, worker.carry_out(task))
        scheduler.pool.write()
    resumed = run_search(cell, settings, stores["resumed"]).trials

    default, shortened, last = once
    assert default.params == {"iterations": 320, "l2_leaf_reg": 3.0}
    assert len(default.user_attrs["curve"]) < 6
    assert shortened.params["l2_leaf_reg"] == 3.0
    assert default.user_attrs["curve"][-1]["n_steps"] < shortened.params["iterations"] <= 0.7 * 320
    assert len(shortened.user_attrs["curve"]) == 6
    assert last.params == entry
    assert [(t.params, t.state) for t in resumed] == [(t.params, t.state) for t in once]


@pytest.mark.parametrize("mib", [1e6, NOTHING_KEPT_MIB])
def test_the_best_model_is_kept_though_the_budget_ends_its_training(
    blobs: TrainingData, store: StudyStore, mib: float
) -> None:
    """Whether its training still is in memory or not."""
    params = cells.LINEAR_PARAMS.model_copy(update={"default": {"alpha": 1e-4, "eta0": 0.1}})
    cell = cells.make_cell(blobs, params=params)
    [whole] = run_search(
        cell,
        cells.make_settings(n_trials=1, n_checkpoints=3),
        replace(store, folder=store.folder / "whole"),
    ).trials
    budget_s = 1.5 * whole.user_attrs["curve"][0]["work_s"]  # less than the second look takes
    settings = cells.make_settings(
        **PAUSING | {"n_trials": 1, "n_checkpoints": 3, "budget_cpu_s": budget_s},
        targets=make_targets(),
    ).model_copy(update={"paused_memory_mib": mib})

    study = run_search(cell, settings, store)
    [row] = tabulate_trials(study, cell, n_checkpoints=3).to_dicts()
    [bundle] = bundle_candidates(study, cell, settings, store).values()

    assert (row["state"], row["stop_checkpoint"]) == ("complete", 1)
    assert row["stop_reason"] == "kept as it is: the budget ended its training at look 1 of 3"
    quality = cell.quality.score(
        blobs.labels, get_family("linear").predict(bundle.load_native(), blobs.rows)
    )
    assert quality == row["quality_raw"]


def test_without_memory_paused_trials_start_anew_and_come_to_the_same(
    blobs: TrainingData, tmp_path: Path
) -> None:
    found = [
        run_search(
            cells.make_cell(blobs),
            cells.make_settings(**PAUSING, targets=make_targets()).model_copy(
                update={"paused_memory_mib": mib}
            ),
            StudyStore(tmp_path / name, storage=None),
        )
        for name, mib in (("kept", 1e6), ("dropped", NOTHING_KEPT_MIB))
    ]

    kept, dropped = ([(t.params, t.state, t.intermediate_values) for t in s.trials] for s in found)
    assert kept == dropped


def test_search_ends_when_no_trial_gains_any_more(blobs: TrainingData, store: StudyStore) -> None:
    settings = cells.make_settings(n_trials=None, patience=3)

    study = run_search(cells.make_cell(blobs), settings, store)

    gained = [bool(trial.user_attrs.get("gained")) for trial in study.trials]
    assert gained[0]
    assert gained[-4:] == [True, False, False, False]


def test_whatever_a_family_raises_fails_one_trial(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = get_family("linear")
    train, n_calls = linear.train, []

    def fail_once(*args: Any, **kwargs: Any) -> Iterator[Checkpoint]:
        n_calls.append(1)
        if len(n_calls) == 2:
            raise AttributeError("of a family's own")
        return train(*args, **kwargs)

    monkeypatch.setattr(linear, "train", fail_once)

    study = run_search(cells.make_cell(blobs), cells.make_settings(), store)
    trials = tabulate_trials(study, cells.make_cell(blobs), n_checkpoints=2)

    assert trials["state"].to_list() == ["complete", "failed", "complete", "complete"]
    assert trials["stop_reason"][1] == "AttributeError: of a family's own"


def test_missing_library_leaves_no_failed_trial_behind(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear, cell, settings = get_family("linear"), cells.make_cell(blobs), cells.make_settings()
    planned = PlannedSearch(cell, settings, store, siblings={}, n_at_once=1)

    def miss(*args: Any, **kwargs: Any) -> Iterator[Checkpoint]:
        raise ModuleNotFoundError("No module named 'lightfast'")

    with monkeypatch.context() as broken:
        broken.setattr(linear, "train", miss)
        with pytest.raises(ModuleNotFoundError, match="lightfast"):
            run_search(cell, settings, store)
        failed = complete_search(planned)
    mended = run_search(cell, settings, planned.store)

    trials, curves, account, candidates, predictions = failed
    assert trials["stop_reason"].to_list() == ["No module named 'lightfast'"]
    assert (curves.height, account.height, predictions.height, candidates) == (0, 0, 0, {})
    assert tabulate_trials(mended, cell, n_checkpoints=2)["state"].unique().to_list() == [
        "complete"
    ]

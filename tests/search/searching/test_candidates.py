from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from factories import cells
from optuna.trial import FrozenTrial, TrialState

from rightfit.models.calibration import scale_probabilities
from rightfit_search.families.family import LabelledRows, TrainingData
from rightfit_search.families.registry import get_family
from rightfit_search.searching.candidates import (
    CompleteTrial,
    bundle_candidates,
    choose_candidates,
    grow_work,
    pareto_front,
    plan_finish,
    predict_validation,
)
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.search import run_search
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE

pytestmark = pytest.mark.whole

TRIALS = [
    CompleteTrial(0, quality_raw=0.80, n_parameters=1.0, n_operations=4.0),
    CompleteTrial(1, quality_raw=0.90, n_parameters=64.0, n_operations=9.0),
    CompleteTrial(2, quality_raw=0.85, n_parameters=2.0, n_operations=2.0),
    CompleteTrial(3, quality_raw=0.88, n_parameters=16.0, n_operations=6.0),
    CompleteTrial(4, quality_raw=0.84, n_parameters=70.0, n_operations=1.0),  # beaten by 1
]


def test_pareto_front_leaves_out_the_beaten() -> None:
    assert [trial.number for trial in pareto_front(TRIALS)] == [0, 2, 3, 1]


def test_choose_candidates_takes_best_smallest_fastest_then_gaps() -> None:
    assert choose_candidates(TRIALS, n_candidates=3) == [1, 0, 2]
    assert choose_candidates(TRIALS, n_candidates=4) == [1, 0, 2, 3]
    assert choose_candidates(TRIALS, n_candidates=9) == [1, 0, 2, 3]


def test_choose_candidates_keeps_the_best_when_one_is_asked() -> None:
    assert choose_candidates(TRIALS, n_candidates=1) == [1]


def test_default_is_kept_where_validation_rows_cannot_tell_it_from_the_best() -> None:
    best = CompleteTrial(8, 0.891, 1.0, 2.0, quality_error=0.011)
    near = CompleteTrial(0, 0.887, 1.0, 2.0, is_default=True)  # neither smaller nor faster
    far = CompleteTrial(0, 0.877, 1.0, 2.0, is_default=True)

    assert choose_candidates([near, best], n_candidates=3) == [8, 0]
    assert choose_candidates([near, best], n_candidates=1) == [8]
    assert choose_candidates([far, best], n_candidates=3) == [8]
    # the best of forty owes up to 2.7 standard errors to luck
    others = [CompleteTrial(n, 0.8, 1.0, 2.0) for n in range(10, 48)]
    assert choose_candidates([far, best, *others], n_candidates=3) == [8, 0]


def test_where_nobody_asks_costs_the_next_best_are_taken_not_the_smallest() -> None:
    errors = {"quality_error": 0.02}
    best, next_best, third = (CompleteTrial(n, 0.9 - n / 100, 9.0, 9.0, **errors) for n in range(3))
    small = CompleteTrial(3, 0.5, 1.0, 1.0, **errors)

    trials = [small, third, next_best, best]

    assert choose_candidates(trials, n_candidates=4) == [0, 3]
    assert choose_candidates(trials, n_candidates=4, by_quality=True) == [0, 1, 2]
    assert choose_candidates(trials, n_candidates=2, by_quality=True) == [0, 1]


def test_equal_trials_are_chosen_once() -> None:
    twins = [CompleteTrial(n, 0.9, 1.0, 1.0) for n in (3, 4)]

    assert choose_candidates(twins, n_candidates=3) == [3]


def test_what_applications_want_comes_first() -> None:
    assert choose_candidates(TRIALS, n_candidates=3, incumbents=[4, 3]) == [4, 3, 1]
    assert choose_candidates(TRIALS, n_candidates=1, incumbents=[4, 3]) == [4]


# Complete trials become candidates: half of the blobs train, a quarter judges.


@pytest.fixture
def parts(blobs: TrainingData) -> Cell:
    quarter = np.arange(len(blobs.labels)) % 4
    train, judges = quarter % 2 == 0, quarter == 1
    return replace(
        cells.make_cell(blobs),
        train=TrainingData(blobs.rows[train], blobs.labels[train], blobs.schema),
        validation=LabelledRows(blobs.rows[judges], blobs.labels[judges], blobs.schema),
        learns_validation=True,
    )


def make_trial(*fit_times_s: float) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        value=0.9,
        user_attrs={
            "configuration": {"alpha": 0.1},
            "curve": [
                {
                    "fit_time_s": 99 * each_s,  # other programs had most of the machine
                    "fit_cpu_s": each_s,
                    "work_s": each_s,
                    "kept_checkpoint": n,
                    "structure": {"n_parameters": 2.0, "n_operations": 2.0},
                }
                for n, each_s in enumerate(fit_times_s, start=1)
            ],
        },
    )


@pytest.mark.parametrize(
    ("work_s", "max_s", "learns_validation"),
    [(10.0, 15.1, True), (10.0, 14.9, False), (0.0, 0.0, True), (10.0, 0.0, False)],
)
def test_validation_rows_are_learnt_where_that_usually_takes_no_longer_than_allowed(
    work_s: float,
    max_s: float,
    learns_validation: bool,
    parts: Cell,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half as many rows again take half as long again."""
    settings = cells.make_settings(final={"learns_validation": True, "max_s": max_s})

    with caplog.at_level(logging.WARNING):
        task = plan_finish(make_trial(1.0, work_s), parts, settings, exports=True)

    assert (task.kind, task.n_checkpoints, task.exports) == ("finish", 2, True)
    assert task.configuration == {"alpha": 0.1}
    assert task.learns_validation is learns_validation
    assert ("training.final.max_s" in caplog.text) is not learns_validation


def test_validation_rows_are_not_learnt_in_a_cell_that_keeps_them(
    parts: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    cell = replace(parts, learns_validation=False)

    with caplog.at_level(logging.WARNING):
        task = plan_finish(make_trial(1.0), cell, cells.make_settings(), exports=False)

    assert not task.learns_validation
    assert caplog.text == ""


def search(cell: Cell, folder: Path, **changes: Any) -> tuple[Any, ...]:
    settings, store = cells.make_settings(**changes), StudyStore(folder, None)
    study = run_search(cell, settings, store)
    return study, cell, settings, store


def test_candidates_have_learnt_train_and_validation_rows(parts: Cell, tmp_path: Path) -> None:
    candidates = bundle_candidates(*search(parts, tmp_path))

    assert {bundle.n_training_rows for bundle in candidates.values()} == {45}


def test_validation_predictions_are_those_before_validation_rows_were_learnt(
    parts: Cell, tmp_path: Path
) -> None:
    searched = search(parts, tmp_path)
    candidates = bundle_candidates(*searched)
    linear, rows = get_family("linear"), parts.validation.rows

    predictions = predict_validation(*searched, candidates)

    trials = bundle_candidates(searched[0], replace(parts, learns_validation=False), *searched[2:])
    assert predictions.columns == list(candidates) == list(trials)
    for name, series in predictions.to_dict().items():
        before, after = (
            linear.predict(bundles[name].load_native(), rows) for bundles in (trials, candidates)
        )
        expected = scale_probabilities(before, candidates[name].temperature)
        np.testing.assert_array_equal(series.to_numpy(), expected)
        assert not np.array_equal(series.to_numpy(), after)


@pytest.mark.parametrize(("left_s", "learns"), [(3.0, True), (0.5, False)])
def test_a_final_training_that_the_call_does_not_hold_is_left_out(
    parts: Cell, left_s: float, learns: bool
) -> None:
    settings = cells.make_settings()

    task = plan_finish(make_trial(1.0), parts, settings, exports=False, left_s=left_s)

    assert task.learns_validation is learns


def test_a_candidate_is_trained_up_to_the_checkpoint_whose_model_is_kept(parts: Cell) -> None:
    trial = make_trial(1.0, 2.0, 40.0)
    trial.user_attrs["curve"][-1]["kept_checkpoint"] = 2
    settings = cells.make_settings(n_checkpoints=3)

    task = plan_finish(trial, parts, settings, exports=False, left_s=10.0)

    assert task.n_checkpoints == 2
    assert task.learns_validation  # the call does not hold the whole training


@pytest.mark.parametrize(
    ("family", "lowest", "highest"), [("net", 1.0, 1.01), ("lightgbm", 1.1, 2.0)]
)
def test_a_net_trains_no_longer_on_more_rows(
    family: str, lowest: float, highest: float, blobs: TrainingData
) -> None:
    structure = {"n_parameters": 1e5, "n_operations": 1e5, "n_nodes": 1e4, "n_trees": 1e2}
    configuration = {"n_units": 256, "n_layers": 3, "n_estimators": 100, "num_leaves": 31}
    trial = optuna.trial.create_trial(
        value=0.9,
        user_attrs={CONFIGURATION: configuration, CURVE: [{"structure": structure}]},
    )
    rows, labels = (np.repeat(part, 50, axis=0) for part in (blobs.rows, blobs.labels))
    data = TrainingData(rows, labels, blobs.schema)
    cell = replace(cells.make_cell(blobs), family=family, train=data)

    assert lowest <= grow_work(trial, cell, 2.0) <= highest

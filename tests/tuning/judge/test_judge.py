"""A trial goes on while any application still wants it, and every stop has its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recordings import ONE, application, recorded_cell, rule_params

from rightfit.ranking.applications.applications import Application
from rightfit.tuning.judge.judge import Decision, Judge
from rightfit.tuning.judge.observed import Pool

# Large models are good, small ones are not.
CELL = recorded_cell(
    [0.9, 0.7, 0.88, 0.68, 0.92, 0.72, 0.89, 0.71], [200, 10, 190, 12, 210, 11, 195, 9]
)


def decide(
    index: int, n_looks: int, applications: dict[str, Application], **changes: object
) -> Decision:
    """Judge a trial that follows all others."""
    judge = Judge(applications, rule_params(**changes), [ONE], known_quality=-np.inf)
    others = [t.trial for i, t in enumerate(CELL.trials) if i != index]
    judge.learn(Pool(others, CELL.n_checkpoints))
    trial = CELL.trials[index].trial
    return judge.decide(replace(trial, served={}, looks=trial.looks[:n_looks]))


def test_a_hopeless_trial_is_stopped_by_its_expected_gain() -> None:
    decision = decide(1, 3, {"accuracy": application()})

    assert decision.is_stop
    assert decision.votes["accuracy"].rule == "expected_gain"
    assert decision.votes["accuracy"].amount > 0


def test_a_leading_trial_goes_on() -> None:
    assert not decide(4, 3, {"accuracy": application()}).is_stop


def test_a_limit_that_is_certain_to_break_stops_before_any_training() -> None:
    decision = decide(4, 1, {"small": application(max_size_mib=5)})

    vote = decision.votes["small"]
    assert (vote.rule, vote.metric) == ("certain_violation", "model_size_mib")
    assert decision.is_stop


def test_one_application_that_wants_the_trial_keeps_it() -> None:
    both = {"small": application(max_size_mib=5), "accuracy": application()}

    decision = decide(4, 3, both)

    assert set(decision.votes) == {"small"}
    assert not decision.is_stop


def test_a_trial_the_constrained_application_needs_is_not_stopped_by_better_infeasible_ones() -> (
    None
):
    assert not decide(5, 3, {"small": application(max_size_mib=5)}).is_stop


def test_median_rule_compares_with_feasible_peers_only() -> None:
    only_median = {"rules": ("median",)}

    worst_small = decide(3, 3, {"small": application(max_size_mib=5)}, **only_median)
    best_small = decide(5, 3, {"small": application(max_size_mib=5)}, **only_median)

    assert worst_small.votes["small"].rule == "median"
    assert not best_small.is_stop


def test_a_training_step_beyond_its_limit_stops_for_everybody() -> None:
    judge = Judge(
        {"accuracy": application()},
        rule_params(max_step_time_ms=5),
        [ONE],
        known_quality=-np.inf,
    )
    judge.learn(Pool([], 3))
    trial = CELL.trials[4].trial
    look = replace(trial.looks[1], fit={"step_time_ms": 9.0})

    vote = judge.decide(replace(trial, served={}, looks=(look,))).votes["accuracy"]

    assert (vote.rule, vote.metric, vote.amount) == ("training_limit", "step_time_ms", 4.0)


def test_less_is_asked_of_a_trained_model_than_of_one_to_train() -> None:
    judge = Judge({"accuracy": application()}, rule_params(), [ONE], known_quality=-np.inf)
    judge.learn(Pool([t.trial for t in CELL.trials], CELL.n_checkpoints))
    best = CELL.trials[4].trial
    slightly_better = [replace(look, quality=look.quality and 0.922) for look in best.looks]

    trained = judge.decide(replace(best, served={}, looks=tuple(slightly_better)))

    assert trained.outlooks["accuracy"].expect_gain(0.92) < rule_params().min_gain
    assert not trained.is_stop
    assert judge.wanted_servings(replace(best, served={}), trained) == [ONE]


def test_a_serving_configuration_that_gains_little_is_not_measured() -> None:
    judge = Judge({"accuracy": application()}, rule_params(), [ONE], known_quality=-np.inf)
    judge.learn(Pool([t.trial for t in CELL.trials], CELL.n_checkpoints))
    best = replace(CELL.trials[4].trial, served={})

    decision = judge.decide(best)

    assert decision.is_stop
    assert judge.wanted_servings(best, decision) == []


def test_an_incumbent_that_may_miss_its_limit_on_other_rows_counts_less() -> None:
    def incumbent(quality_error: float) -> float:
        judge = Judge(
            {"fit": application(min_quality=0.91)}, rule_params(), [ONE], known_quality=-np.inf
        )
        best = CELL.trials[4].trial
        looks = tuple(replace(look, quality_error=quality_error) for look in best.looks)
        judge.learn(Pool([replace(best, looks=looks)], CELL.n_checkpoints))
        return judge.incumbents["fit"]

    assert incumbent(0.0) == pytest.approx(0.92)
    assert incumbent(0.01) == pytest.approx(0.92 * 0.8413, rel=1e-3)

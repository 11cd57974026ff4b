"""What comes next: the default at a length that fits, then others as the budget allows."""

from __future__ import annotations

from typing import Any

import pytest
from factories import cells
from factories.application_targets import make_point, make_targets
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.pausing.pausing_rule import Step
from rightfit_search.searching.pausing_plan import NEW, PausingPlan
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.studies.budget import CallLimit
from rightfit_search.searching.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    INDEX,
    SHORTENED,
    SPENT,
)

DEFAULT = {"alpha": 1e-3, "eta0": 0.5}


def make_plan(
    blobs: TrainingData,
    portfolio: tuple[Configuration, ...] = (),
    *,
    limit: CallLimit | None = None,
    first_look: dict[str, float] | None = None,
    known_quality: float | None = None,
    changes: dict[str, Any] | None = None,
    **settings: Any,
) -> PausingPlan:
    params = cells.LINEAR_PARAMS.model_copy(update={"default": DEFAULT, "portfolio": portfolio})
    return PausingPlan(
        cells.make_cell(blobs, **{"params": params} | (changes or {})),
        cells.make_settings(
            early_stopping="pausing", sampler="tpe", breadth_share=0.25, **settings
        ),
        make_targets(known_quality=known_quality),
        limit=limit,
        first_look=first_look,
    )


def next_step(plan: PausingPlan, trials: list[FrozenTrial], *, may_begin: bool) -> Any:
    paused = {trial.number for trial in trials if trial.state == TrialState.RUNNING}
    return plan.next_step(trials, paused=paused, may_begin=may_begin)


def looked_at(index: int, *, state: TrialState) -> FrozenTrial:
    """A trial whose first look took one CPU second."""
    trial = create_trial(
        state=state,
        user_attrs={
            INDEX: index,
            CONFIGURATION: {**cells.LINEAR_PARAMS.fixed, **DEFAULT},
            CURVE: [make_point(1, 0.5)],
            SPENT: {"compute_s": 1.0},
        },
    )
    trial.number = index
    return trial


@pytest.mark.parametrize(("n_begun", "wants"), [(0, True), (1, True), (3, False)])
def test_first_looks_take_their_share_of_the_budget(
    blobs: TrainingData, n_begun: int, wants: bool
) -> None:
    plan = make_plan(blobs, budget_cpu_s=10.0, n_checkpoints=4)
    begun = [looked_at(index, state=TrialState.PRUNED) for index in range(n_begun)]

    assert (next_step(plan, begun, may_begin=True) == NEW) is wants
    assert next_step(plan, begun, may_begin=False) is None


def test_what_steps_really_take_decides_nothing(blobs: TrainingData) -> None:
    plan = make_plan(blobs, budget_cpu_s=10.0, n_checkpoints=4)
    begun = [looked_at(0, state=TrialState.PRUNED)]
    busy = looked_at(0, state=TrialState.PRUNED)
    busy.set_user_attr(SPENT, {"compute_s": 9.0})
    busy.set_user_attr(CURVE, [make_point(1, 0.5) | {"fit_cpu_s": 9.0}])

    assert next_step(plan, begun, may_begin=True) == NEW
    assert next_step(plan, [busy], may_begin=True) == NEW


def test_a_search_that_takes_several_times_its_budget_ends(blobs: TrainingData) -> None:
    plan = make_plan(blobs, budget_cpu_s=10.0, n_checkpoints=4)
    slow = looked_at(0, state=TrialState.RUNNING)
    slow.set_user_attr(SPENT, {"compute_s": 30.0})

    assert next_step(plan, [slow], may_begin=True) is None


@pytest.mark.parametrize(("n_checkpoints", "wants"), [(3, True), (4, False)])
def test_what_is_left_of_the_budget_is_for_new_configurations_if_it_holds_a_whole_training(
    blobs: TrainingData, n_checkpoints: int, wants: bool
) -> None:
    plan = make_plan(blobs, budget_cpu_s=10.0, n_checkpoints=n_checkpoints)
    ended = [looked_at(index, state=TrialState.PRUNED) for index in range(3)]

    assert (next_step(plan, ended, may_begin=True) == NEW) is wants  # 7 s are left


@pytest.mark.parametrize(("budget_cpu_s", "is_finished_first"), [(20.0, True), (1.5, False)])
def test_the_default_is_trained_to_its_end_before_others_begin_if_the_budget_allows(
    blobs: TrainingData, budget_cpu_s: float, is_finished_first: bool
) -> None:
    plan = make_plan(blobs, budget_cpu_s=budget_cpu_s, n_checkpoints=3)
    default = looked_at(0, state=TrialState.RUNNING)

    step = next_step(plan, [default], may_begin=True)

    assert isinstance(step, Step) is is_finished_first
    finished = plan.finish_default([default], {0}, may_begin=True)
    assert (finished is not None) is is_finished_first


@pytest.mark.parametrize(
    ("work_s", "goes_on"),
    [
        ([1.0], True),
        ([1.0, 2.0], True),  # 2 s more make 4 of 6
        ([1.0, 2.0, 3.2], True),  # the last step may exceed the budget by a tenth
        ([1.0, 2.0, 4.0], False),
    ],
)
def test_the_default_goes_as_far_as_the_budget_allows(
    blobs: TrainingData, work_s: list[float], goes_on: bool
) -> None:
    plan = make_plan(blobs, budget_cpu_s=6.0, n_checkpoints=4)
    default = looked_at(0, state=TrialState.RUNNING)
    curve = [make_point(look, 0.5) | {"work_s": s} for look, s in enumerate(work_s, start=1)]
    default.set_user_attr(CURVE, curve)

    assert (plan.finish_default([default], {0}, may_begin=True) is not None) is goes_on


LONG = {
    "space": {"iterations": {"low": 64, "high": 4000, "log": True}},
    "default": {"iterations": 1000},
}
ROUNDS = {"family": "catboost", "params": ModelParams.model_validate(LONG)}


def boosted(index: int, n_rounds: int, work_s: float = 1.0, **notes: Any) -> FrozenTrial:
    """A paused boosting whose first of six looks took so many CPU seconds, a 32nd of the whole."""
    trial = create_trial(
        state=TrialState.RUNNING,
        params={"iterations": n_rounds},
        distributions={"iterations": IntDistribution(64, 4000, log=True)},
        user_attrs={
            INDEX: index,
            CONFIGURATION: {"iterations": n_rounds},
            CURVE: [make_point(1, 0.5) | {"n_steps": n_rounds // 32, "work_s": work_s}],
            **notes,
        },
    )
    trial.number = index
    return trial


@pytest.mark.parametrize(
    ("budget_cpu_s", "n_rounds"),
    [
        (32.0, None),  # the default takes as much
        (29.5, None),  # which its last step may exceed by a tenth
        (17.0, 500),  # 16 of 32 seconds are left
        (9.0, 250),
        (2.5, None),  # 46 rounds, fewer than the space has
    ],
)
def test_a_default_that_the_budget_does_not_hold_is_begun_at_the_length_that_it_holds(
    blobs: TrainingData, budget_cpu_s: float, n_rounds: int | None
) -> None:
    plan = make_plan(blobs, changes=ROUNDS, budget_cpu_s=budget_cpu_s, n_checkpoints=6)
    default = boosted(0, 1000)

    chosen = next_step(plan, [default], may_begin=True)
    chosen_at_last = next_step(plan, [default], may_begin=False)

    if n_rounds is None:
        assert isinstance(chosen, Step)
    else:
        assert chosen == {"iterations": n_rounds}
    assert isinstance(chosen_at_last, Step)


def test_a_length_is_only_chosen_where_it_changes_the_training(blobs: TrainingData) -> None:
    """Else a shorter training is what the longer one begins with."""
    fixed = ModelParams.model_validate(LONG | {"fixed": {"learning_rate": 0.1}})
    plan = make_plan(blobs, changes=ROUNDS | {"params": fixed}, budget_cpu_s=9.0, n_checkpoints=6)
    default = boosted(0, 1000)
    default.set_user_attr(CONFIGURATION, {"iterations": 1000, "learning_rate": 0.1})

    assert isinstance(next_step(plan, [default], may_begin=True), Step)


def test_a_shortened_default_takes_the_place_of_the_default(blobs: TrainingData) -> None:
    plan = make_plan(blobs, changes=ROUNDS, budget_cpu_s=9.0, n_checkpoints=6)
    trials = [boosted(0, 1000), boosted(1, 250, 0.25, **{SHORTENED: True})]

    step = next_step(plan, trials, may_begin=True)

    assert isinstance(step, Step)
    assert step.number == 1


@pytest.mark.parametrize(
    ("learns_validation", "refit_growth", "n_rounds"),
    [(False, 0.0, 500), (True, 0.0, 166), (False, 4.0, 100)],  # 16 s for all; validation is as long
)
def test_a_shortened_default_leaves_room_for_its_last_trainings(
    blobs: TrainingData, learns_validation: bool, refit_growth: float, n_rounds: int
) -> None:
    limit = CallLimit(100.0, cpu_clock_ns=lambda: 0)
    limit.charge(74.0)  # and a tenth is for the end
    limit.refit_growth = refit_growth
    plan = make_plan(
        blobs,
        limit=limit,
        changes=ROUNDS | {"learns_validation": learns_validation},
        budget_cpu_s=17.0,
        n_checkpoints=6,
    )

    chosen = next_step(plan, [boosted(0, 1000)], may_begin=True)

    assert chosen == {"iterations": n_rounds}


ENTRY = {"alpha": 1e-2, "eta0": 0.5}


@pytest.mark.parametrize(("budget_cpu_s", "is_begun"), [(20.0, True), (1.9, False)])
def test_entries_of_the_portfolio_are_begun_until_half_of_the_budget_is_spent(
    blobs: TrainingData, budget_cpu_s: float, is_begun: bool
) -> None:
    plan = make_plan(blobs, (ENTRY,), budget_cpu_s=budget_cpu_s, n_checkpoints=1)
    ended = looked_at(0, state=TrialState.PRUNED)

    assert (next_step(plan, [ended], may_begin=True) == NEW) is is_begun


def test_an_entry_of_the_portfolio_is_trained_to_its_end_before_the_next_begins(
    blobs: TrainingData,
) -> None:
    entries = (ENTRY, {"alpha": 1e-4, "eta0": 0.5})
    plan = make_plan(blobs, entries, budget_cpu_s=100.0, n_checkpoints=3)
    first = [looked_at(0, state=TrialState.PRUNED), looked_at(1, state=TrialState.RUNNING)]

    step = next_step(plan, first, may_begin=True)

    assert isinstance(step, Step)
    assert step.number == 1


@pytest.mark.parametrize(("budget_cpu_s", "goes_on"), [(100.0, 1), (9.0, 2)])
def test_entries_begun_after_half_of_the_budget_are_left_to_the_rule(
    blobs: TrainingData, budget_cpu_s: float, goes_on: int
) -> None:
    entries = (ENTRY, {"alpha": 1e-4, "eta0": 0.5})
    plan = make_plan(blobs, entries, budget_cpu_s=budget_cpu_s, n_checkpoints=3)
    ended = looked_at(0, state=TrialState.PRUNED)
    ended.set_user_attr(CURVE, [make_point(1, 0.5) | {"work_s": 5.0}])
    poor, good = (looked_at(index, state=TrialState.RUNNING) for index in (1, 2))
    for trial, quality in ((poor, 0.1), (good, 0.9)):
        trial.set_user_attr(CURVE, [make_point(1, quality) | {"work_s": 0.1}])

    step = next_step(plan, [ended, poor, good], may_begin=False)

    assert isinstance(step, Step)
    assert step.number == goes_on


@pytest.mark.parametrize(
    ("first_look", "is_begun"),
    [
        (None, True),
        ({"work_s": 9.0, "cpu_s": 9.0}, True),
        ({"work_s": 11.0, "cpu_s": 9.0}, False),
        ({"work_s": 9.0, "cpu_s": 11.0}, False),
    ],
)
def test_a_default_whose_first_look_is_beyond_the_budget_is_not_begun(
    blobs: TrainingData, first_look: dict[str, float] | None, is_begun: bool
) -> None:
    plan = make_plan(blobs, first_look=first_look, budget_cpu_s=10.0, n_checkpoints=3)

    assert next_step(plan, [], may_begin=True) == (NEW if is_begun else None)


@pytest.mark.parametrize(("charged_s", "goes_on"), [(0.0, True), (99.5, False)])
def test_a_step_that_the_call_does_not_hold_is_not_begun(
    blobs: TrainingData, charged_s: float, goes_on: bool
) -> None:
    limit = CallLimit(100.0)
    limit.charge(charged_s)
    plan = make_plan(blobs, limit=limit, budget_cpu_s=50.0, n_checkpoints=3)

    step = next_step(plan, [looked_at(0, state=TrialState.RUNNING)], may_begin=True)

    assert isinstance(step, Step) is goes_on


@pytest.mark.parametrize(
    ("known_quality", "is_kept"), [(None, True), (0.505, True), (0.515, False)]
)
def test_a_model_cut_short_is_kept_unless_another_family_is_surely_better(
    blobs: TrainingData, known_quality: float | None, is_kept: bool
) -> None:
    plan = make_plan(blobs, known_quality=known_quality, budget_cpu_s=50.0, n_checkpoints=3)
    default = looked_at(0, state=TrialState.RUNNING)  # at .5, with a standard error of .01

    assert plan.find_wanted([default]) == ({0} if is_kept else set())

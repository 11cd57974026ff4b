from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from factories.rankings import make_application, make_applications, make_rules
from pydantic import ValidationError

from rightfit._core.errors import RightfitError
from rightfit.ranking.applications.applications import (
    Application,
    Applications,
    Constraint,
    Objective,
)

LATENCY = {"weight": 1, "worst": 10, "best": 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**LATENCY, "weight": -1}, "weight\n"),
        ({**LATENCY, "weight": float("nan")}, "weight\n"),
        ({**LATENCY, "best": 10}, "worst and best must differ"),
        ({**LATENCY, "best": float("inf")}, "best\n"),
        ({**LATENCY, "best": 0, "scale": "log"}, "needs positive bounds"),
        ({**LATENCY, "scale": "cubic"}, "scale\n"),
        ({**LATENCY, "wieght": 1}, "wieght\n"),
    ],
)
def test_objective_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Objective.model_validate(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "needs min, max or max_degradation"),
        ({"min": 2, "max": 1}, "min exceeds max"),
        ({"max_degradation": -0.1}, "max_degradation\n"),
        ({"maximum": 3}, "maximum\n"),
    ],
)
def test_constraint_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Constraint.model_validate(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Objective(**LATENCY | {"weight": "much"}), "Objective: weight: .*number.*'much'"),
        (
            lambda: Constraint(maximum=3),  # type: ignore[call-arg]
            r"Constraint: maximum: is unknown; did you mean 'max'\?",
        ),
        (
            lambda: Constraint(3),  # type: ignore[call-arg, misc]
            r"Constraint: give each value once and by its name: min, max, max_degradation\.$",
        ),
        (
            lambda: Objective(1, 2, best=3, weight=4),  # type: ignore[misc]
            r"Objective: give each value once .* only weight, worst, best, scale may go without\.",
        ),
        (
            lambda: Application(objectives={"quality": Objective(1, 1.0, 1.0)}),
            r"Objective: worst and best must differ, but both are 1\.0\.$",
        ),
        (
            lambda: Application(objectives={"qualty": Objective(1, 0.0, 1.0)}),
            r"Application: objectives\.qualty is no metric \(did you mean 'quality'\?\)\.$",
        ),
        (
            lambda: Application(objectives={"latency_p95_ms": Objective(1, 1.0, 100.0)}),
            r"objectives\.latency_p95_ms has worst 1 and best 100, but lower is better\.$",
        ),
        (
            lambda: Application(
                objectives={"quality": Objective(1, 0.0, 1.0)},
                constraints={"latency_p95_ms": {"max": 5}, "throughput_rows_per_s": {"min": 5}},
            ),
            r"Application: scenario: is missing\.$",
        ),
        (
            lambda: Application(
                description="A crowd.",
                scenario="online",  # type: ignore[arg-type]
                objectives={"quality": {**LATENCY, "wieght": 2}},  # type: ignore[dict-item]
            ),
            r"Application: scenario: .*'online'; objectives\.quality\.wieght: is unknown",
        ),
    ],
)
def test_faults_of_what_is_made_in_python_are_one_sentence(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(RightfitError, match=message) as caught:
        make()

    assert str(caught.value).count("\n") == 0
    assert not re.search(r"pydantic|BaseModel|Field required|\.yml", str(caught.value))


def test_objective_needs_no_names() -> None:
    assert Objective(2, 20.0, 0.1, "log") == Objective(weight=2, worst=20.0, best=0.1, scale="log")


@pytest.mark.parametrize(
    ("metrics", "scenario"),
    [
        (["quality"], "offline"),
        (["quality", "throughput_rows_per_s"], "offline"),
        (["latency_p95_ms"], "single_stream"),
        (["throughput_rows_per_s", "latency_under_load_p99_ms"], "server"),
    ],
)
def test_metrics_tell_the_scenario(metrics: list[str], scenario: str) -> None:
    better = {"quality", "throughput_rows_per_s"}
    goals = {m: Objective(1, *((0, 1) if m in better else (1, 0))) for m in metrics}

    assert Application(objectives=goals).scenario == scenario


def test_constraint_limits_are_those_set() -> None:
    constraint = Constraint(min=1.0, max_degradation=0.0)

    assert constraint.limits() == {"min": 1.0, "max_degradation": 0.0}


def test_application_as_in_the_design_needs_no_scale_and_no_constraints() -> None:
    application = make_application(objectives={"quality": {"weight": 5, "worst": 0.5, "best": 1}})

    assert application.objectives["quality"].scale == "linear"
    assert application.aggregation == "arithmetic"
    assert application.constraints == {}


def test_application_weights_are_normalised_without_the_weightless() -> None:
    application = make_application(
        objectives={
            "quality": {"weight": 3, "worst": 0, "best": 1},
            "cpu_cores": {"weight": 0, "worst": 2, "best": 0},
            "peak_memory_mib": {"weight": 1, "worst": 100, "best": 1},
        },
        constraints={"quality": {"min": 0.5}, "load_time_ms": {"max": 3}},
    )

    assert application.shares().tolist() == [0.75, 0.25]
    assert application.needed_metrics() == ["quality", "peak_memory_mib", "load_time_ms"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {}}, "at least one weight above 0"),
        (
            {"objectives": {"quality": {"weight": 0, "worst": 0, "best": 1}}},
            "at least one weight above 0",
        ),
        ({"constraints": {"latency_p50_ms": {"max_degradation": 1}}}, "use min or max"),
        ({"scenario": "batch"}, "scenario\n"),
    ],
)
def test_application_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_application(**changes)


def test_several_faults_of_an_application_are_one_sentence() -> None:
    limits = {"quality": {}, "latency_p50_ms": {"min": 3, "max": 1}}
    goals = {"quality": Objective(1, 0, 1)}

    with pytest.raises(RightfitError, match=r"max_degradation; constraints\.latency_p50_ms: min"):
        Application(objectives=goals, scenario="offline", constraints=limits)


def test_application_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_application().scenario = "offline"  # type: ignore[misc]


def test_applications_keep_the_order_and_name_the_place_of_a_fault() -> None:
    application = make_application()
    broken = application.model_dump() | {"scenario": "x"}

    both = make_applications(b=application, a=application)

    assert list(both) == ["b", "a"]
    assert both["a"] == application
    with pytest.raises(ValidationError, match=r"web_api\.scenario"):
        Applications.model_validate({"web_api": broken})


def test_applications_must_not_be_empty() -> None:
    with pytest.raises(ValidationError, match="nothing to rank for"):
        Applications.model_validate({})


def test_demands_tell_limits_and_needed_metrics_apart_but_no_weights_and_bounds() -> None:
    def objective(**changes: Any) -> dict[str, Objective]:
        return {"quality": Objective(**{"weight": 3, "worst": 0.5, "best": 1.0, **changes})}

    def describe(**changes: Any) -> dict[str, list[object]]:
        application = make_application(**{"objectives": objective(), **changes})
        return Applications({"web": application}).describe_demands()

    usual = describe()

    assert describe(objectives=objective(weight=9, best=0.9)) == usual
    assert describe(objectives=objective() | {"latency_p50_ms": Objective(**LATENCY)}) != usual
    assert describe(constraints={"quality": Constraint(min=0.7)}) != usual
    assert describe(request_path="model") != usual


QUALITY_FIRST = [{"by": "utility", "prefer": "higher"}]


def test_tie_rule_of_an_application_replaces_the_general_one() -> None:
    ties = make_rules(ties={"rule_by_application": {"archive": QUALITY_FIRST}}).ties
    application = make_application()

    found = {name: ties.for_application(name, application) for name in ("archive", "web_api")}

    assert [key.by for key in found["archive"]] == ["utility"]
    assert [key.by for key in found["web_api"]] == ["min_hardware_tier", "utility"]


def test_nothing_comes_before_utility_where_quality_is_the_only_objective() -> None:
    ties = make_rules().ties
    application = make_application(objectives={"quality": {"weight": 1, "worst": 0.0, "best": 1.0}})

    rule = ties.for_application("best", application)

    assert [key.by for key in rule] == ["utility", "min_hardware_tier"]


def test_rules_refuse_a_tie_key_named_twice() -> None:
    with pytest.raises(ValidationError, match=r"names a column twice in \['rule'\]"):
        make_rules(ties={"rule": [*QUALITY_FIRST, {"by": "utility", "prefer": "lower"}]})


def test_rules_refuse_too_few_weightings_for_one_point() -> None:
    with pytest.raises(ValidationError, match="n_weight_draws"):
        make_rules(n_weight_draws=9_603)

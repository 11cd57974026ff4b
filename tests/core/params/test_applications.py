from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories.rankings import make_application
from pydantic import ValidationError

from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.applications.applications import RankingRules
from rightfit_kedro.parameters import complete_parameters


@pytest.fixture
def applications(project_path: Path) -> dict[str, Any]:
    text = (project_path / "conf" / "base" / "parameters_applications.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["applications"]
    return found


def test_shipped_applications_are_valid(applications: dict[str, Any]) -> None:
    params = ApplicationsParams.model_validate(applications)

    assert list(params) == ["satellite_archive", "edge_device", "web_api", "accuracy_first"]
    assert list(params["accuracy_first"].objectives) == ["quality"]
    assert params["accuracy_first"].constraints == {}


def test_costs_come_first_among_ties_where_they_count(applications: dict[str, Any]) -> None:
    params = ApplicationsParams.model_validate(applications)
    rules = RankingRules.model_validate(complete_parameters({})["ranking"])

    first = {name: rules.ties.for_application(name, one)[0].by for name, one in params.items()}

    assert first.pop("accuracy_first") == "utility"
    assert set(first.values()) == {"min_hardware_tier"}


@pytest.mark.parametrize(("limit_ms", "is_told"), [(1e-9, True), (0.001, False)])
def test_a_limit_shorter_than_any_call_is_warned_of(
    limit_ms: float, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    wish = make_application(constraints={"latency_p50_ms": {"max": limit_ms}})

    ApplicationsParams.model_validate({f"wish of {limit_ms}": wish})

    assert ("no candidate will meet it" in caplog.text) == is_told


@pytest.mark.parametrize(
    ("metric", "limit", "message"),
    [
        ("quality", {"max_degradation": 5}, "a quality lies between 0 and 1"),
        ("n_threads", {"max": 0}, "served by less than 1"),
    ],
)
def test_a_limit_outside_of_what_a_metric_can_be_is_refused(
    metric: str, limit: dict[str, float], message: str
) -> None:
    wish = make_application(constraints={metric: limit})

    with pytest.raises(ValueError, match=message):
        ApplicationsParams.model_validate({"wish": wish})


def rename_objective(raw: dict[str, Any]) -> None:
    raw["objectives"]["qualty"] = raw["objectives"].pop("quality")


def misspell_on_the_command_line(raw: dict[str, Any]) -> None:
    raw["objectives"]["qualty"] = {"weight": 9}


def rename_constraint(raw: dict[str, Any]) -> None:
    raw["constraints"]["latency_p95"] = {"max": 3}


def turn_bounds_around(raw: dict[str, Any]) -> None:
    raw["objectives"]["latency_p99_ms"] |= {"worst": 1, "best": 20}


def weigh_threads(raw: dict[str, Any]) -> None:
    raw["objectives"]["n_threads"] = {"weight": 1, "worst": 4, "best": 1}


def forget_scenario(raw: dict[str, Any]) -> None:
    del raw["scenario"]
    raw["constraints"] |= {"latency_p95_ms": {"max": 9}, "throughput_rows_per_s": {"min": 9}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            rename_objective,
            r"web_api\.objectives\.qualty is no metric \(did you mean 'quality'\?\)",
        ),
        (
            rename_constraint,
            r"constraints\.latency_p95 is no metric \(did you mean 'latency_p95_ms'",
        ),
        (turn_bounds_around, r"latency_p99_ms has worst 1 and best 20, but lower is better"),
        (weigh_threads, r"objectives\.n_threads is no metric"),
        (forget_scenario, r"web_api\.scenario\n"),
    ],
)
def test_fault_names_the_key(
    change: Callable[[dict[str, Any]], None], message: str, applications: dict[str, Any]
) -> None:
    raw = copy.deepcopy(applications)
    change(raw["web_api"])

    with pytest.raises(ValidationError, match=message):
        ApplicationsParams.model_validate(raw)


def test_threads_can_be_limited(applications: dict[str, Any]) -> None:
    applications["web_api"]["constraints"]["n_threads"] = {"max": 1}

    params = ApplicationsParams.model_validate(applications)

    assert params["web_api"].constraints["n_threads"].max == 1


def test_unknown_metric_of_a_ready_application_is_refused_too() -> None:
    application = make_application(constraints={"qualty": {"min": 1}})

    with pytest.raises(ValidationError, match=r"constraints\.qualty is no metric"):
        ApplicationsParams({"web_api": application})


LOAD = "latency_under_load_p99_ms"


def test_rate_needs_the_metric_that_it_is_for(applications: dict[str, Any]) -> None:
    applications["web_api"]["rate_per_s"] = 100

    with pytest.raises(ValidationError, match=f"rate_per_s is the rate of {LOAD}, which is nei"):
        ApplicationsParams.model_validate(applications)

    applications["web_api"]["constraints"][LOAD] = {"max": 50}
    assert ApplicationsParams.model_validate(applications)["web_api"].rate_per_s == 100


def test_two_rates_are_refused_with_the_way_out(applications: dict[str, Any]) -> None:
    for name, rate in (("web_api", 100), ("edge_device", 300)):
        applications[name]["rate_per_s"] = rate
        applications[name]["constraints"][LOAD] = {"max": 50}

    with pytest.raises(
        ValidationError,
        match=r"\(rate_per_s of edge_device: 300, web_api: 100\), .* Give them the same",
    ):
        ApplicationsParams.model_validate(applications)

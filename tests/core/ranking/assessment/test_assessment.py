from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.rankings import assess, make_application, make_profile, make_profiles, make_rules

from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.assessment.assessment import describe_chosen
from rightfit.ranking.assessment.profile_table import check_columns, read_profiles

LIMITED = make_application(constraints={"latency_p50_ms": {"max": 20}})


def chosen(*rows: dict[str, Any], **options: Any) -> str:
    assessment = assess(*rows, **options)
    return str(assessment.table.frame["runtime"][int(assessment.chosen[0])])


def profile(runtime: str, **values: Any) -> dict[str, Any]:
    return make_profile("net-1", runtime=runtime, **values)


def test_degradation_is_measured_against_the_best_of_the_own_dataset() -> None:
    assessment = assess(
        make_profile("a-1", quality=0.90, latency_p50_ms=10, dataset="x"),
        make_profile("a-2", quality=0.84, latency_p50_ms=10, dataset="x"),
        make_profile("a-3", quality=0.60, latency_p50_ms=10, dataset="y"),
        application=make_application(constraints={"quality": {"max_degradation": 0.05}}),
    )

    assert assessment.limits[0].bound == pytest.approx([0.85, 0.85, 0.55])
    assert assessment.feasible.tolist() == [True, False, True]


def test_application_chooses_among_the_profiles_of_its_request_path() -> None:
    rows = (
        make_profile("a-1", quality=0.9, latency_p50_ms=1, request_path="model"),
        make_profile("a-1", quality=0.9, latency_p50_ms=30, request_path="request"),
    )
    limits = {"latency_p50_ms": {"max": 20}}

    feasible = [
        assess(
            *rows, application=make_application(constraints=limits, request_path=path)
        ).feasible.tolist()
        for path in ("model", "request", None)
    ]

    assert feasible == [[True], [False], [False]]


def test_profiles_without_a_request_path_are_those_of_the_model() -> None:
    assessment = assess(make_profile("a-1", quality=0.9))

    assert describe_chosen(assessment)["request_path"].to_list() == ["model"]


def test_a_request_path_that_was_not_measured_is_refused() -> None:
    table = read_profiles(make_profiles(make_profile("a-1")))
    applications = Applications(root={"page": make_application(request_path="request")})

    with pytest.raises(ValueError, match=r"page: request_path is request, .* holds model only"):
        check_columns(table, applications, make_rules())


def test_candidate_has_the_utility_of_its_chosen_profile() -> None:
    assessment = assess(
        make_profile("a-1", quality=0.2, latency_p50_ms=100),
        make_profile("a-1", quality=0.8, latency_p50_ms=100, runtime="native"),
        make_profile("a-2", quality=None, latency_p50_ms=1),
    )

    assert assessment.utility[0] == pytest.approx(0.4)
    assert np.isnan(assessment.utility[1])
    assert assessment.feasible.tolist() == [True, False]


@pytest.mark.parametrize(
    ("native", "onnx"),
    [
        pytest.param(
            {"quality": 0.5, "latency_p50_ms": 10},
            {"quality": 0.6, "latency_p50_ms": 10},
            id="the higher utility",
        ),
        pytest.param(
            {"quality": 1.0, "latency_p50_ms": 21},
            {"quality": 0.1, "latency_p50_ms": 20},
            id="a feasible one, whatever its utility",
        ),
        pytest.param(
            {"quality": 1.0, "latency_p50_ms": 40},
            {"quality": 0.1, "latency_p50_ms": 30},
            id="of infeasible ones the nearest to the limits",
        ),
        pytest.param(
            {"quality": None, "latency_p50_ms": 10},
            {"quality": 0.1, "latency_p50_ms": 30},
            id="a measured one",
        ),
        pytest.param(
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 2.0},
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 1.0},
            id="of equal ones the one the tie rule prefers",
        ),
        pytest.param(
            {"quality": 0.5 + 1e-8, "latency_p50_ms": 10, "min_hardware_tier": 2.0},
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 1.0},
            id="of those that only an export's rounding parts, the one the tie rule prefers",
        ),
        pytest.param(
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 2.0},
            {"quality": 0.495, "latency_p50_ms": 10, "min_hardware_tier": 1.0},
            id="the one the tie rule prefers, for little utility",
        ),
        pytest.param(
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 1.0},
            {"quality": 0.7, "latency_p50_ms": 10, "min_hardware_tier": 2.0},
            id="not the one the tie rule prefers, for much utility",
        ),
        pytest.param(
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": None},
            {"quality": 0.5, "latency_p50_ms": 10, "min_hardware_tier": 4.0},
            id="of equal ones the one with a known tie key",
        ),
    ],
)
def test_choice_prefers(native: dict[str, Any], onnx: dict[str, Any]) -> None:
    rows = [profile("native", **native), profile("onnx", **onnx)]

    assert chosen(*rows, application=LIMITED) == "onnx"
    assert chosen(*reversed(rows), application=LIMITED) == "onnx"


def test_choice_among_wholly_equal_ones_is_by_the_order_of_the_keys() -> None:
    rows = [profile(name, quality=0.5, latency_p50_ms=10) for name in ("onnx", "native")]

    assert chosen(*rows) == "native"


def test_choice_is_made_for_each_candidate_and_application() -> None:
    rows = [
        make_profile(name, runtime=runtime, quality=quality, latency_p50_ms=latency)
        for name in ("net-1", "net-2")
        for runtime, quality, latency in (("native", 0.9, 90), ("onnx", 0.5, 1))
    ]
    quality_alone = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})

    assert assess(*rows).chosen.tolist() == [1, 3]
    assert assess(*rows, application=quality_alone, rules=make_rules()).chosen.tolist() == [0, 2]

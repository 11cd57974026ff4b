from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.screening import could_be_chosen

LATENCY = {"latency_p50_ms": {"weight": 1, "worst": 100, "best": 0}}
QUALITY = {"quality": {"weight": 1, "worst": 0, "best": 1}}


def profile(
    candidate: str, *, latency: tuple[float, float, float] | None = None, **values: Any
) -> dict[str, Any]:
    """A profile with a latency given as low, value, high."""
    low, value, high = latency or (None, None, None)
    return {
        "candidate": candidate,
        "latency_p50_ms_low": low,
        "latency_p50_ms": value,
        "latency_p50_ms_high": high,
        "quality_low": 0.7,
        "quality": 0.8,
        "quality_high": 0.9,
        "peak_memory_mib": 100.0,
        "n_threads": 1,
        "request_path": "model",
    } | values


def certain(one: dict[str, Any]) -> dict[str, Any]:
    """The same profile with a quality that is exact."""
    return one | {"quality_low": one["quality"], "quality_high": one["quality"]}


def choices(
    profiles: list[dict[str, Any]],
    objectives: dict[str, Any],
    constraints: dict[str, Any] | None = None,
    *,
    equal_within: float = 0.01,
) -> list[bool]:
    application = {
        "description": "any",
        "scenario": "single_stream",
        "objectives": objectives,
        "constraints": constraints or {},
    }
    applications = Applications.model_validate({"any": application})
    table = pl.DataFrame(profiles)
    return list(could_be_chosen(table, applications, "model", equal_within=equal_within))


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        ((30.0, 40.0, 50.0), False),  # at best 30, the other at worst 20
        ((15.0, 40.0, 50.0), False),  # they overlap, but 30 is more than 25 and 10 in quadrature
        ((10.0, 40.0, 50.0), True),  # 30 and 10 are more than 30
        (None, True),  # not measured yet
    ],
)
def test_profile_is_out_when_another_is_surely_better(
    latency: tuple[float, float, float] | None, expected: bool
) -> None:
    fast = profile("a", latency=(5.0, 10.0, 20.0))

    assert choices([fast, profile("b", latency=latency)], LATENCY) == [True, expected]


@pytest.mark.parametrize(
    ("candidate", "latency", "expected"),
    [
        ("a", (6.2, 7.0, 10.0), True),  # at best 0.007 less: the cheaper machine may be worth that
        ("a", (8.0, 9.0, 10.0), False),  # at best 0.026 less
        ("a", (20.0, 21.0, 22.0), False),
        ("b", (8.0, 9.0, 10.0), False),  # another model is surely beaten
    ],
)
def test_fewer_threads_are_out_where_they_lose_more_than_a_tie_may(
    candidate: str, latency: tuple[float, float, float], expected: bool
) -> None:
    two = profile("a", latency=(4.0, 5.0, 6.0), n_threads=2)
    one = profile(candidate, latency=latency)

    assert choices([two, one], LATENCY) == [True, expected]


@pytest.mark.parametrize(("cheaper", "expected"), [(1.0, True), (4.0, False)])
def test_a_device_of_cheaper_hardware_is_out_where_it_loses_more_than_a_tie_may(
    cheaper: float, expected: bool
) -> None:
    gpu = profile("a", latency=(4.0, 5.0, 6.0), min_hardware_tier=4.0)
    cpu = profile("a", latency=(6.2, 7.0, 10.0), min_hardware_tier=cheaper)

    assert choices([gpu, cpu], LATENCY) == [True, expected]


@pytest.mark.parametrize(("equal_within", "expected"), [(0.0, True), (0.06, False)])
def test_who_can_gain_less_than_practical_equality_is_out(
    equal_within: float, expected: bool
) -> None:
    leader = profile("a", latency=(9.0, 10.0, 11.0))
    rival = profile("b", latency=(6.0, 12.0, 20.0))  # at best 0.05 more

    assert choices([leader, rival], LATENCY, equal_within=equal_within) == [True, expected]


def test_figure_whose_interval_is_unknown_may_be_anything() -> None:
    fast = profile("a", latency=(5.0, 10.0, 20.0))
    slow = profile("b", latency=(30.0, 40.0, 50.0))
    unknown = {"latency_p50_ms_low": None, "latency_p50_ms_high": None}

    assert choices([fast, slow | unknown], LATENCY) == [True, True]
    assert choices([fast | unknown, slow], LATENCY) == [True, True]


def test_percentile_that_was_not_measured_is_no_less_than_lower_ones() -> None:
    tail = {"latency_p99_ms": {"weight": 1, "worst": 100, "best": 0}}
    p99 = {f"latency_p99_ms{end}": None for end in ("_low", "", "_high")}
    fast = profile("a", latency=(5.0, 10.0, 15.0)) | dict.fromkeys(p99, 20.0)

    def find(p50: float) -> bool:
        return choices([fast, profile("b", latency=(p50, p50, p50)) | p99], tail)[1]

    assert not find(30.0)  # its p99 is at least 30, the other's 20
    assert find(15.0)


def test_metric_without_intervals_is_taken_at_its_value() -> None:
    size = {"model_size_mib": {"weight": 1, "worst": 100, "best": 0}}
    latency = {"latency_p50_ms": {"max": 100}}  # something that measuring makes more certain
    small, large = (
        profile(name, latency=(5.0, 10.0, 20.0), model_size_mib=mib)
        for name, mib in (("a", 10.0), ("b", 11.0))
    )

    assert choices([small, large], size, latency) == [True, False]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"max": 35}, [True, True]),  # the better one may break the limit
        ({"max": 25}, [False, True]),  # the better one surely breaks it
        ({"max": 60}, [True, False]),  # the better one surely keeps it
    ],
)
def test_profile_is_only_beaten_by_one_that_surely_keeps_the_limits(
    limit: dict[str, float], expected: list[bool]
) -> None:
    better = profile("a", latency=(30.0, 40.0, 50.0), quality=0.95)
    worse = profile("b", latency=(5.0, 10.0, 20.0), quality=0.2)
    found = choices([certain(better), certain(worse)], QUALITY, {"latency_p50_ms": limit})

    assert found == expected


def test_uncertain_quality_keeps_nothing_as_measuring_does_not_change_it() -> None:
    objectives = LATENCY | {"quality": {"weight": 9, "worst": 0, "best": 1}}
    fast, slow = (5.0, 10.0, 15.0), (30.0, 40.0, 50.0)
    better = profile("b", latency=slow, quality=0.85)

    assert choices([profile("a", latency=fast), profile("b", latency=slow)], objectives) == [
        True,
        False,
    ]
    assert choices([profile("a", latency=fast), better], objectives) == [False, True]


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        ((9.5, 12.0, 14.0), [True, False]),  # at best 0.005 better than the leader at worst
        ((8.5, 12.0, 14.0), [True, True]),  # at best 0.015 better
        ((9.5, 9.8, 14.0), [True, True]),  # leads itself
    ],
)
def test_what_cannot_be_better_by_more_than_practical_equality_is_out(
    latency: tuple[float, float, float], expected: list[bool]
) -> None:
    leader = profile("a", latency=(9.9, 9.9, 10.0))

    assert choices([leader, profile("b", latency=latency)], LATENCY) == expected


def test_model_of_less_quality_does_not_beat_where_a_loss_of_quality_is_limited() -> None:
    fast = profile("a", latency=(5.0, 10.0, 20.0), quality=0.6)
    slow = profile("b", latency=(30.0, 40.0, 50.0), quality=0.8)
    limit = {"quality": {"max_degradation": 0.1}}

    assert choices([fast, slow], LATENCY, limit) == [True, True]
    assert choices([fast | {"quality": 0.8}, slow], LATENCY, limit) == [True, False]
    assert choices([fast | {"quality": 0.72}, slow], LATENCY, limit) == [True, False]


def test_profile_that_surely_loses_too_much_quality_is_out_and_leads_nobody() -> None:
    fast = certain(profile("a", latency=(5.0, 10.0, 20.0), quality=0.6))
    slow = profile("b", latency=(30.0, 40.0, 50.0))
    limit = {"quality": {"max_degradation": 0.1}}

    assert choices([fast, slow], LATENCY, limit) == [False, True]
    assert choices([fast | {"quality_high": 0.75}, slow], LATENCY, limit) == [True, True]
    alike = profile("c", latency=(29.9, 39.9, 49.9))
    exact = [
        one | dict.fromkeys(("latency_p50_ms_low", "latency_p50_ms_high"), 40.0)
        for one in (slow, alike)
    ]
    assert choices([fast, *exact], LATENCY, limit, equal_within=0.01).count(True) == 1


def test_nothing_is_worth_measuring_for_quality_and_memory_alone() -> None:
    profiles = [profile("a", latency=(1.0, 2.0, 3.0)), profile("b")]

    assert choices(profiles, QUALITY, {"peak_memory_mib": {"max": 500}}) == [False, False]


def test_metric_that_no_profile_has_keeps_everything() -> None:
    objectives = LATENCY | {"not_there": {"weight": 1, "worst": 1, "best": 0}}
    profiles = [profile("a", latency=(1.0, 1.0, 1.0)), profile("b", latency=(9.0, 9.0, 9.0))]

    assert choices(profiles, objectives) == [True, True]


def test_disturbed_timings_rule_nothing_out_that_a_quiet_machine_may_allow() -> None:
    fast = profile("a", latency=(5.0, 10.0, 20.0)) | {"disturbed": False}
    slow = profile("b", latency=(30.0, 40.0, 50.0)) | {"disturbed": True}  # at best 10
    slowest = profile("c", latency=(90.0, 95.0, 99.0)) | {"disturbed": True}  # at best 30

    assert choices([fast, slow, slowest], LATENCY) == [True, True, False]
    limit = {"latency_p50_ms": {"max": 15}}
    assert choices([slow, slow | {"disturbed": False}], QUALITY | LATENCY, limit) == [True, False]

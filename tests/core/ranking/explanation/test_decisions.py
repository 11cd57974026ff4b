from __future__ import annotations

from typing import Any, get_args

import pytest
from factories.reports import APPLICATIONS, build_results, make_profiles

from rightfit.measuring.profile import Profile
from rightfit.ranking.explanation.decisions import (
    TERMS,
    Fact,
    FactKind,
    LimitOutcome,
    decision_facts,
    describe_input,
    find_facts,
    list_decisions,
    mark_chance,
)
from rightfit.ranking.explanation.findings import find


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"request_path": "model"}, "encoded rows; feeding is not included"),
        ({"request_path": "request"}, "raw columns, encoder included"),
        (
            {"request_path": "request", "feeding_ms": 0.005, "graph_ms": 0.015}
            | {"feeding_ms_low": 0.004, "feeding_ms_high": 0.006},
            "raw columns; of the median latency of 0.02 ms feeding takes 25 %. Parts of a request "
            "of one row, reading and answer as JSON beside that latency: feeding 0.005 ms "
            "(0.004 ms to 0.006 ms), graph 0.015 ms",
        ),
    ],
)
def test_input_of_the_measured_requests_is_said(found: dict[str, Any], expected: str) -> None:
    serving = {"runtime": "onnx", "n_threads": 1, "device": "cpu"}
    names = dict.fromkeys(("dataset", "model", "candidate", "environment_id"), "")
    profile = Profile.from_row(names | serving | {"latency_p50_ms": 0.02} | found)

    assert describe_input(profile) == expected


def test_facts_begin_with_the_decision_and_leave_out_what_is_not_known() -> None:
    results = build_results(APPLICATIONS, make_profiles())
    decision = results.recommendations["web_api"].datasets["landsat"]
    facts = decision_facts(decision)

    assert facts[0] == Fact("decision", decision.sentence)
    assert [fact.text for fact in facts if fact.kind == "limit"] == list(map(str, decision.limits))
    kinds = {fact.kind for fact in facts}
    assert not kinds & {"correction", "held_out"}
    assert "input" not in kinds  # no profile is at hand


def test_facts_have_the_heading_of_their_kind() -> None:
    results = build_results(APPLICATIONS, make_profiles())

    for _, _, decision in list_decisions(results.recommendations):
        for fact in decision_facts(decision):
            assert fact.term == TERMS[fact.kind]
    assert set(TERMS) == set(get_args(FactKind))


def test_facts_of_some_kinds_are_found_in_their_order() -> None:
    results = build_results(APPLICATIONS, make_profiles())
    decision = results.recommendations["web_api"].datasets["landsat"]

    facts = list(find_facts(decision, "limit", "decision"))

    assert [fact.kind for fact in facts] == ["decision"] + ["limit"] * len(decision.limits)


@pytest.mark.parametrize(
    ("chance", "mark"),
    [
        *((1.0, "clear"), (0.95, "clear"), (0.9499, "likely")),
        *((0.75, "likely"), (0.7499, "open"), (0.0, "open")),
    ],
)
def test_mark_names_the_chance_of_being_practically_the_best(chance: float, mark: str) -> None:
    assert mark_chance(chance) == mark


def test_status_of_a_decision_begins_with_its_mark() -> None:
    results = build_results(APPLICATIONS, make_profiles())
    decision = results.recommendations["web_api"].datasets["landsat"]
    assert decision.winner is not None
    likely = decision.winner.model_copy(update={"p_best": 0.8})
    kept = find("RF007", "web_api, landsat", "It stands.")

    sure, open_, none = (
        decision.model_copy(update=update)
        for update in (
            {"winner": likely, "equal_to": [], "findings": []},
            {"winner": likely, "equal_to": ["a-1", "a-2"], "findings": [kept]},
            {"winner": None, "outcome": "none_qualifies"},
        )
    )

    assert (sure.mark, sure.status) == ("likely", "likely")
    assert open_.status == "likely, kept, practically equal: 2"
    assert (none.mark, none.status) == (None, "none qualifies")
    assert sure.model_dump()["mark"] == "likely"


@pytest.mark.parametrize(
    ("limit", "room"),
    [
        ({"kind": "max", "bound": 10.0, "value": 2.5}, "75 % left"),
        ({"kind": "max", "bound": 10.0, "value": 9.999}, "0 % left"),
        ({"kind": "max", "bound": 10.0, "value": 10.0}, "at the limit"),
        ({"kind": "max", "bound": 10.0, "value": 0.001}, "99 % left"),
        ({"kind": "max", "bound": 10.0, "value": 12.0, "excess": 2.0}, "2 ms beyond"),
        ({"kind": "max", "bound": 10.0, "value": None, "excess": None}, "not measured"),
        ({"kind": "max", "bound": 0.0, "value": -1.0}, "1 ms left"),
    ],
)
def test_room_is_what_a_reader_computes_from_bound_and_value(
    limit: dict[str, Any], room: str
) -> None:
    outcome = LimitOutcome(metric="latency_p95_ms", **limit)

    assert outcome.room == room
    assert outcome.is_met == (outcome.excess == 0)
    assert outcome.sign == "≤"

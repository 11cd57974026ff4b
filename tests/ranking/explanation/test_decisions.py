from __future__ import annotations

from typing import Any

import pytest
from factories.reports import APPLICATIONS, build_results, make_profiles

from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import Fact, decision_facts, describe_input


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"request_path": "model"}, "encoded rows; encoding is not included"),
        ({"request_path": "request"}, "raw columns, encoder included"),
        (
            {"request_path": "request", "encoding_ms": 0.005},
            "raw columns; encoding takes 0.005 ms of the median latency of 0.02 ms (25 %)",
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

    assert facts[0] == Fact("Decision", decision.sentence)
    assert [fact.text for fact in facts if fact.term == "Limit"] == list(map(str, decision.limits))
    assert decision.final_quality is None
    assert "When chosen" not in {fact.term for fact in facts}
    assert "Measured" not in {fact.term for fact in facts}  # no profile is at hand

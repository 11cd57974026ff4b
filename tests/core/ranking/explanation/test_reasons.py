from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from factories.rankings import (
    COSTS_HARDLY_COUNT,
    around,
    make_application,
    make_profile,
    make_rules,
    make_tiered,
    make_twin,
    number_of,
    rank,
)

from rightfit.ranking.explanation.rankings import tabulate_rankings
from rightfit.ranking.explanation.reasons import (
    explain_candidates,
    tabulate_rejections,
)

CHEAP = {"latency_p50_ms": 10.0}
LIMITED = make_application(
    constraints={"latency_p50_ms": {"max": 50}, "peak_memory_mib": {"max": 100}}
)


def reasons(*rows: dict[str, Any], **constraints: dict[str, float]) -> dict[str, str]:
    ranked = rank(*rows, application=make_application(constraints=constraints))
    names = ranked.assessment.table.frame["candidate"].gather(ranked.assessment.chosen)
    return dict(zip(names, explain_candidates(ranked)["reason"], strict=True))


def test_reasons_are_sentences_from_the_data() -> None:
    found = reasons(
        make_profile("a-1", quality=0.9, latency_p50_ms=10),
        make_profile("a-2", quality=0.8, latency_p50_ms=20),
        make_profile("a-3", quality=0.1, latency_p50_ms=5),
        make_profile("a-4", quality=0.9, latency_p50_ms=62.5),
        make_profile("a-5", quality=0.05, latency_p50_ms=1),
        make_profile("a-6", quality=None, latency_p50_ms=1),
        latency_p50_ms={"max": 50},
        quality={"min": 0.06},
    )

    assert found == {
        "a-1": "highest utility 0.700 against 0.575 of a-2; ahead most on latency p50 "
        "(10 ms against 20)",
        "a-2": "dominated by a-1: better in no objective, worse on latency p50 (20 ms against 10)",
        "a-3": "utility 0.375 against 0.700 of a-1; loses most on scaled quality (0.1 against 0.9)",
        "a-4": "breaks a limit: latency p50 is 62.5 ms, 12.5 ms above the 50 ms allowed",
        "a-5": "breaks a limit: scaled quality is 0.05, 0.01 below the 0.06 required",
        "a-6": "not measured: scaled quality",
    }


def test_reason_says_why_something_was_not_measured() -> None:
    why = {"gpu_util_pct": "no GPU", "latency_p50_ms": "needs 130 calls"}
    unknown = dict.fromkeys(why)

    found = reasons(
        make_profile("a-1", quality=0.9, null_reasons=why),
        make_profile("a-2", quality=0.9, latency_p50_ms=1, null_reasons=unknown),
        make_profile("a-3", quality=0.9, null_reasons=unknown),
    )

    assert found["a-1"] == "not measured: latency p50 (needs 130 calls)"
    assert found["a-3"] == "not measured: latency p50"


def test_reason_changes_with_the_limit() -> None:
    row = make_profile("a-1", quality=0.9, latency_p50_ms=60)

    assert "10 ms above the 50 ms allowed" in reasons(row, latency_p50_ms={"max": 50})["a-1"]
    assert "20 ms above the 40 ms allowed" in reasons(row, latency_p50_ms={"max": 40})["a-1"]
    assert reasons(row)["a-1"] == "the only feasible candidate, utility 0.505"


def test_reasons_of_practically_equal_ones_name_the_key_that_decides() -> None:
    found = reasons(
        make_profile("a-1", **around("quality", 0.80, 0.1), **CHEAP, min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.794, 0.1), **CHEAP, min_hardware_tier=1.0),
    )

    assert found["a-2"].startswith("practically equal to a-1 (utility 0.647 against 0.650): ")
    assert found["a-1"].startswith("practically equal to a-2 (utility 0.650 against 0.647): ")
    assert all("the lower hardware tier" in reason for reason in found.values())


def test_a_winner_does_not_name_a_key_by_which_its_rival_would_win() -> None:
    found = reasons(
        make_profile("a-1", **around("quality", 0.80, 0.1), **CHEAP, min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.785, 0.1), **CHEAP, min_hardware_tier=1.0),
    )

    assert found["a-1"].startswith("practically equal to a-2 (utility 0.650 against 0.643): ")
    assert all("the higher utility decides" in reason for reason in found.values())


def test_candidate_beyond_the_band_that_no_measurement_tells_apart_is_open() -> None:
    ranked = rank(
        make_profile("a-1", **around("quality", 0.80, 0.1), **CHEAP, min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.77, 0.1), **CHEAP, min_hardware_tier=1.0),
        make_profile("a-3", **around("quality", 0.20, 0.1), **CHEAP, min_hardware_tier=1.0),
    )

    assert explain_candidates(ranked)["outcome"].to_list() == ["winner", "open", "dominated"]
    assert "not told apart" in explain_candidates(ranked)["reason"][1]


def test_reason_gives_large_numbers_in_short_form() -> None:
    objective = {"weight": 1, "worst": 1e4, "best": 1e8, "scale": "log"}
    ranked = rank(
        make_profile("a-1", throughput_rows_per_s=11_612_345.0),
        make_profile("a-2", throughput_rows_per_s=2_203_117.0),
        application=make_application(objectives={"throughput_rows_per_s": objective}),
    )

    assert explain_candidates(ranked)["reason"].to_list() == [
        "highest utility 0.766 against 0.586 of a-2; ahead most on throughput "
        "(11.6 M rows/s against 2.2 M)",
        "dominated by a-1: better in no objective, worse on throughput "
        "(2.2 M rows/s against 11.6 M)",
    ]


def test_every_candidate_has_one_outcome_with_its_cause() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=10, peak_memory_mib=10),
        make_profile("a-2", quality=0.8, latency_p50_ms=20, peak_memory_mib=10),
        make_profile("a-3", quality=0.1, latency_p50_ms=5, peak_memory_mib=10),
        make_profile("a-4", quality=0.9, latency_p50_ms=60, peak_memory_mib=150),
        make_profile("a-5", quality=0.9, latency_p50_ms=10, peak_memory_mib=None),
        application=LIMITED,
    )

    columns = ("outcome", "metric", "rival", "limit", "excess")
    assert explain_candidates(ranked).select(columns).rows() == [
        ("winner", "latency_p50_ms", "a-2", None, None),
        ("dominated", "latency_p50_ms", "a-1", None, None),
        ("outscored", "quality", "a-1", None, None),
        ("violates", "peak_memory_mib", None, 100, 50),
        ("unmeasured", "peak_memory_mib", None, None, None),
    ]


def test_limits_broken_only_by_disturbed_timings_leave_a_candidate_undecided() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=60, peak_memory_mib=10, disturbed=True),
        make_profile("a-2", quality=0.9, latency_p50_ms=60, peak_memory_mib=150, disturbed=True),
        make_profile("a-3", quality=0.9, latency_p50_ms=60, peak_memory_mib=10, disturbed=False),
        make_profile("a-4", quality=0.9, latency_p50_ms=40, peak_memory_mib=10, disturbed=True),
        make_profile("a-5", quality=0.9, latency_p50_ms=151, peak_memory_mib=10, disturbed=True),
        make_profile("a-6", quality=None, latency_p50_ms=60, peak_memory_mib=10, disturbed=True),
        application=LIMITED,
    )

    outcome = explain_candidates(ranked)["outcome"].to_list()

    # a-5 is beyond what other work may have slowed it by, a-6 lacks its quality
    assert outcome == ["undecided", "violates", "violates", "winner", "violates", "unmeasured"]


def test_lower_percentile_above_a_limit_proves_that_one_not_measured_breaks_it() -> None:
    unknown = {"latency_p95_ms": None, "null_reasons": {"latency_p95_ms": "needs 130 calls"}}
    rows = (
        make_profile("a-1", quality=0.9, latency_p50_ms=1, latency_p95_ms=2),
        make_profile("a-2", quality=0.9, latency_p50_ms=52, **unknown),
        make_profile("a-3", quality=0.9, latency_p50_ms=9, **unknown),
        make_profile("a-4", quality=0.9, latency_p50_ms=52, disturbed=True, **unknown),
        make_profile("a-5", quality=0.9, latency_p50_ms=12, disturbed=True, **unknown),
    )
    ranked = rank(*rows, application=make_application(constraints={"latency_p95_ms": {"max": 10}}))

    outcomes = explain_candidates(ranked).select("outcome", "excess")
    reason = explain_candidates(ranked)["reason"][1]
    violations = tabulate_rankings([ranked]).sort("candidate")["violations"].to_list()

    # what other work slowed may be three times as fast
    assert outcomes["outcome"].to_list() == [
        *("winner", "violates", "unmeasured", "violates", "unmeasured")
    ]
    assert outcomes["excess"].to_list() == [None, 42, None, pytest.approx(52 / 3 - 10), None]
    assert "at least 52 ms, 42 ms above the 10 ms allowed" in reason
    assert [[broken["value"] for broken in row] for row in violations[:3]] == [[], [52], [None]]


def test_disturbed_candidate_that_may_be_better_on_a_quiet_machine_is_undecided() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=20, peak_memory_mib=10, disturbed=False),
        make_profile("a-2", quality=0.9, latency_p50_ms=45, peak_memory_mib=10, disturbed=True),
        make_profile("a-3", quality=0.1, latency_p50_ms=45, peak_memory_mib=10, disturbed=True),
        make_profile("a-4", quality=0.9, latency_p50_ms=45, peak_memory_mib=10, disturbed=False),
        application=LIMITED,
    )

    assert explain_candidates(ranked)["outcome"].to_list() == [
        *("winner", "undecided", "dominated", "dominated")
    ]
    assert explain_candidates(ranked)["reason"][1].endswith(
        "of a-1; but other work disturbed the machine meanwhile, so it may be better"
    )


def test_a_disturbed_profile_that_may_qualify_stands_for_its_candidate() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=51, peak_memory_mib=10, disturbed=False),
        make_profile(
            "a-1", quality=0.9, latency_p50_ms=60, peak_memory_mib=10, disturbed=True, n_threads=2
        ),
        application=LIMITED,
    )

    assert explain_candidates(ranked)["outcome"].to_list() == ["undecided"]
    assert ranked.assessment.table.read_key(ranked.assessment.chosen[0]).serving.n_threads == 2


def test_the_only_feasible_candidate_has_no_rival() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=10, peak_memory_mib=10),
        make_profile("a-2", quality=0.8, latency_p50_ms=200, peak_memory_mib=10),
        application=LIMITED,
    )

    outcomes = explain_candidates(ranked)

    assert outcomes["rival"][number_of(ranked.assessment, "a-1")] is None
    assert not outcomes["is_equal"].any()


def test_equal_outcomes_name_the_key_that_decides() -> None:
    rows = make_tiered(
        *(("a-1", 0.800, 2.0), ("a-2", 0.796, 1.0), ("a-3", 0.60, 1.0), ("a-4", 0.794, 1.0)),
        reach=0.2,
    )
    ranked = rank(*rows, application=COSTS_HARDLY_COUNT)

    outcomes = explain_candidates(ranked)

    assert outcomes["outcome"].to_list() == ["equal", "winner", "open", "equal"]
    assert outcomes["preference"].to_list() == [
        *("the lower hardware tier", "the lower hardware tier", "", "the higher utility")
    ]


def test_a_key_does_not_decide_for_what_is_too_far_below_the_highest_utility() -> None:
    rows = make_tiered(("a-1", 0.800, 3.0), ("a-2", 0.795, 2.0), ("a-3", 0.788, 1.0), reach=0.2)
    ranked = rank(*rows, application=COSTS_HARDLY_COUNT)

    outcomes = explain_candidates(ranked)

    # a-3 is practically equal to the winner, and not to the highest utility
    assert outcomes["outcome"].to_list() == ["equal", "winner", "equal"]
    assert outcomes["preference"].to_list() == [
        *("the lower hardware tier", "the lower hardware tier", "the higher utility")
    ]


@pytest.mark.parametrize(("quality", "outcome"), [(0.791, "equal"), (0.789, "dominated")])
def test_outcome_equal_ends_with_the_band(quality: float, outcome: str) -> None:
    rows = make_tiered(("a-1", 0.80, 1.0), ("a-2", quality, 1.0), reach=0.0)

    outcomes = explain_candidates(rank(*rows, application=COSTS_HARDLY_COUNT))

    assert outcomes["outcome"].to_list() == ["winner", outcome]


TRIALS = pl.DataFrame(
    {
        "dataset": ["landsat"] * 4,
        "model": ["net"] * 4,
        "number": [0, 1, 2, 3],
        "stopped_by": [None, "web_api", None, None],
        "state": ["complete", "stopped", "failed", "stopped"],
        "stop_checkpoint": [None, 3, None, 0],
        "stop_reason": [
            None,
            "after checkpoint 3 web_api expected to gain 0.001",
            "ValueError: no rows",
            None,
        ],
    }
)


def test_rejections_give_a_reason_for_candidates_and_unfinished_trials() -> None:
    ranked = rank(
        make_profile("net-0", quality=0.9, latency_p50_ms=1),
        make_profile("net-9", quality=0.9, latency_p50_ms=90),
        application=make_application(constraints={"latency_p50_ms": {"max": 80}}),
    )

    table = tabulate_rejections([ranked], TRIALS)

    assert table.select("application", "candidate", "rank", "outcome").rows() == [
        ("test", "net-0", 1, "winner"),
        ("test", "net-9", 2, "violates"),
        ("web_api", "net-001", None, "stopped"),
        (None, "net-002", None, "failed"),
        (None, "net-003", None, "stopped"),
    ]
    assert table["reason"].to_list()[1:] == [
        "breaks a limit: latency p50 is 90 ms, 10 ms above the 80 ms allowed",
        "stopped at checkpoint 3: after checkpoint 3 web_api expected to gain 0.001",
        "failed: ValueError: no rows",
        "stopped before training",
    ]
    assert table["excess"][1] == 10


@pytest.mark.parametrize("held_out", [None, 0.7])
def test_quality_of_held_out_rows_changes_no_reason(held_out: float | None) -> None:
    profiles = [
        make_profile(
            name,
            quality=quality,
            quality_raw=quality,
            final_quality_raw=held_out,
            latency_p50_ms=1.0,
        )
        for name, quality in (("forest-001", 0.9), ("forest-002", 0.5))
    ]

    assert "on quality (0.9 against 0.5)" in explain_candidates(rank(*profiles))["reason"][0]


def test_quality_may_decide_between_practically_equal_ones() -> None:
    by_quality = make_rules(ties={"rule": [{"by": "quality", "prefer": "higher"}]})
    profiles = [
        make_profile("forest-001", **around("quality", 0.900, 0.3), latency_p50_ms=1.05),
        make_profile("forest-002", **around("quality", 0.895, 0.3), latency_p50_ms=1.0),
    ]

    outcomes = explain_candidates(rank(*profiles, rules=by_quality))

    assert outcomes["outcome"].to_list() == ["winner", "equal"]
    assert outcomes["preference"].to_list() == ["the higher scaled quality"] * 2


def test_twins_are_said_to_be_one_graph() -> None:
    ranked = rank(
        make_twin("a-1", twins=("a-2",), quality=0.9, **CHEAP),
        make_twin("a-2", twins=("a-1",), quality=0.8, **CHEAP),
        make_profile("b-1", quality=0.7, **CHEAP),
    )

    found = explain_candidates(ranked)

    assert found["is_twin"].to_list() == [True, True, False]
    assert ["one graph with other weights" in reason for reason in found["reason"]] == [
        True,
        True,
        False,
    ]


def test_a_disturbed_twin_is_no_better_on_a_quiet_machine() -> None:
    ranked = rank(
        *(
            make_twin(name, twins=twins, quality=quality, latency_p50_ms=50, disturbed=True)
            for name, twins, quality in (("a-1", ("a-2",), 0.9), ("a-2", ("a-1",), 0.8))
        ),
    )

    assert explain_candidates(ranked)["outcome"].to_list() == ["winner", "dominated"]

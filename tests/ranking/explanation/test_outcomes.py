from __future__ import annotations

import numpy as np
from ranking_factories import around, make_application, make_profile, make_rules, number_of, rank

from rightfit.ranking.explanation.outcomes import find_outcomes

LIMITED = make_application(
    constraints={"latency_p50_ms": {"max": 50}, "peak_memory_mib": {"max": 100}}
)


def test_every_candidate_has_one_outcome_with_its_cause() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=10, peak_memory_mib=10),
        make_profile("a-2", quality=0.8, latency_p50_ms=20, peak_memory_mib=10),
        make_profile("a-3", quality=0.1, latency_p50_ms=5, peak_memory_mib=10),
        make_profile("a-4", quality=0.9, latency_p50_ms=60, peak_memory_mib=150),
        make_profile("a-5", quality=0.9, latency_p50_ms=10, peak_memory_mib=None),
        application=LIMITED,
    )

    outcomes = find_outcomes(ranked)

    assert outcomes.outcome.tolist() == [
        *("winner", "dominated", "outscored", "violates", "unmeasured")
    ]
    assert outcomes.metric.tolist()[:2] == ["latency_p50_ms", "latency_p50_ms"]
    assert outcomes.metric.tolist()[2:] == ["quality", "peak_memory_mib", "peak_memory_mib"]
    assert outcomes.rival.tolist() == [1, 0, 0, -1, -1]
    assert outcomes.limit[3] == 100
    assert outcomes.excess[3] == 50
    assert np.isnan(outcomes.limit[0])


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

    outcome = find_outcomes(ranked).outcome.tolist()

    # a-5 is beyond what other work may have slowed it by, a-6 lacks its quality
    assert outcome == ["undecided", "violates", "violates", "winner", "violates", "unmeasured"]


def test_a_disturbed_profile_that_may_qualify_stands_for_its_candidate() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=51, peak_memory_mib=10, disturbed=False),
        make_profile(
            "a-1", quality=0.9, latency_p50_ms=60, peak_memory_mib=10, disturbed=True, n_threads=2
        ),
        application=LIMITED,
    )

    assert find_outcomes(ranked).outcome.tolist() == ["undecided"]
    assert ranked.contest.table.read_key(ranked.contest.chosen[0]).serving.n_threads == 2


def test_the_only_feasible_candidate_has_no_rival() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=10, peak_memory_mib=10),
        make_profile("a-2", quality=0.8, latency_p50_ms=200, peak_memory_mib=10),
        application=LIMITED,
    )

    outcomes = find_outcomes(ranked)

    assert outcomes.rival[number_of(ranked.contest, "a-1")] == -1
    assert not outcomes.is_tied.any()


def test_ties_name_the_key_that_decides() -> None:
    rows = [
        make_profile("a-1", **around("quality", 0.80, 0.2), min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.79, 0.2), min_hardware_tier=1.0),
        make_profile("a-3", **around("quality", 0.60, 0.2), min_hardware_tier=1.0),
        make_profile("a-4", **around("quality", 0.78, 0.2), min_hardware_tier=1.0),
    ]
    ranked = rank(
        *rows,
        application=make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}),
        rules=make_rules(ties={"max_utility_loss": 0.05}),
    )

    outcomes = find_outcomes(ranked)

    assert outcomes.outcome.tolist() == ["tied", "winner", "tied", "tied"]
    assert outcomes.tie_key.tolist() == [
        *("lower min_hardware_tier", "lower min_hardware_tier"),
        *("higher utility", "higher utility"),
    ]

from __future__ import annotations

import numpy as np
from factories.rankings import (
    around,
    make_application,
    make_applications,
    make_profile,
    make_profiles,
    make_rules,
    rank,
)

from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.assessment.profile_table import read_profiles


def test_quality_alone_orders_exactly_as_the_quality_column() -> None:
    rng = np.random.default_rng(5)
    quality = rng.uniform(0.5, 1.0, 200)
    rows = [
        make_profile(
            f"a-{i:03}", **around("quality", q, 0.02), min_hardware_tier=float(rng.integers(1, 4))
        )
        for i, q in enumerate(quality)
    ]
    rules = make_rules(ties={"rule": [{"by": "utility", "prefer": "higher"}]})
    application = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})

    ranked = rank(*rows, application=application, rules=rules)

    assert ranked.order.tolist() == np.argsort(-quality).tolist()
    assert ranked.assessment.utility.tolist() == quality.tolist()


def test_pareto_front_is_that_of_the_feasible_in_the_objectives() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=50),
        make_profile("a-2", quality=0.5, latency_p50_ms=5),
        make_profile("a-3", quality=0.4, latency_p50_ms=6),
        make_profile("a-4", quality=0.99, latency_p50_ms=80),
        application=make_application(constraints={"latency_p50_ms": {"max": 60}}),
    )

    assert ranked.pareto.tolist() == [True, True, False, False]


def test_selection_probabilities_of_a_dataset_sum_to_one_and_leave_the_surely_beaten_out() -> None:
    ranked = rank(
        make_profile("a-1", **around("quality", 0.80, 0.05), latency_p50_ms=10),
        make_profile("a-2", **around("quality", 0.79, 0.05), latency_p50_ms=10),
        make_profile("a-3", **around("quality", 0.10, 0.05), latency_p50_ms=10),
    )

    assert ranked.p_best.sum() == 1.0
    assert ranked.p_best[2] == 0.0
    assert ranked.p_best[0] > ranked.p_best[1] > 0


def test_applications_are_ranked_in_their_order_and_disagree() -> None:
    quality = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})
    speed = make_application(objectives={"latency_p50_ms": {"weight": 1, "worst": 99, "best": 1}})
    table = read_profiles(
        make_profiles(
            make_profile("a-1", quality=0.9, latency_p50_ms=90),
            make_profile("a-2", quality=0.2, latency_p50_ms=2),
        )
    )

    ranked = rank_applications(table, make_applications(q=quality, s=speed), make_rules())

    assert [one.assessment.name for one in ranked] == ["q", "s"]
    assert [one.rank.tolist() for one in ranked] == [[1, 2], [2, 1]]

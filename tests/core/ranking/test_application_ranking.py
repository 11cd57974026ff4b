from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from factories.rankings import (
    COSTS_HARDLY_COUNT,
    around,
    make_application,
    make_applications,
    make_profile,
    make_profiles,
    make_rules,
    make_tiered,
    names_in_order,
    number_of,
    rank,
)
from hypothesis import given
from hypothesis import strategies as st

from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    change_limits,
    rank_applications,
)
from rightfit.ranking.applications.applications import Constraint
from rightfit.ranking.assessment.profile_table import read_profiles
from rightfit.ranking.explanation.reasons import explain_candidates

QUALITY = {"quality": {"weight": 1, "worst": 0, "best": 1}}
QUALITY_ALONE = make_application(objectives=QUALITY)


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


def test_practically_equal_ones_both_have_a_high_chance_and_the_surely_beaten_none() -> None:
    ranked = rank(
        make_profile("a-1", **around("quality", 0.800, 0.005), latency_p50_ms=10),
        make_profile("a-2", **around("quality", 0.796, 0.005), latency_p50_ms=10),
        make_profile("a-3", **around("quality", 0.100, 0.005), latency_p50_ms=10),
    )

    assert ranked.p_best[0] > 0.95
    assert ranked.p_best[1] > 0.95
    assert ranked.p_best[2] == 0.0


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


def profile(name: str, quality: float | None, **values: Any) -> dict[str, Any]:
    return make_profile(name, quality=quality, latency_p50_ms=10, **values)


def test_order_is_feasible_first_then_by_utility_then_unmeasured() -> None:
    ranked = rank(
        profile("a-1", 0.4, peak_memory_mib=50),
        profile("a-2", None, peak_memory_mib=50),
        profile("a-3", 0.9, peak_memory_mib=200),
        profile("a-4", 0.6, peak_memory_mib=50),
        application=make_application(constraints={"peak_memory_mib": {"max": 100}}),
    )

    assert names_in_order(ranked) == ["a-4", "a-1", "a-3", "a-2"]
    assert ranked.rank.tolist() == [2, 4, 3, 1]


def test_winner_is_the_first_of_its_dataset_where_that_one_is_feasible() -> None:
    ranked = rank(
        profile("a-1", 0.4, dataset="x", peak_memory_mib=50),
        profile("a-2", 0.9, dataset="x", peak_memory_mib=200),
        profile("a-1", 0.9, dataset="y", peak_memory_mib=200),
        application=make_application(constraints={"peak_memory_mib": {"max": 100}}),
    )

    winner = ranked.winner("x")
    assert winner is not None
    assert (winner.candidate, winner.serving.runtime) == ("a-1", "onnx")
    assert ranked.winner("y") is None


def test_order_starts_anew_in_each_dataset() -> None:
    ranked = rank(
        profile("a-1", 0.4, dataset="x"),
        profile("a-2", 0.5, dataset="x"),
        profile("a-1", 0.9, dataset="y"),
    )

    assert ranked.rank.tolist() == [2, 1, 1]


def test_equal_candidates_are_ordered_by_the_tie_rule_then_by_name() -> None:
    ranked = rank(
        profile("a-3", 0.5, min_hardware_tier=2.0),
        profile("a-2", 0.5, min_hardware_tier=1.0),
        profile("a-1", 0.5, min_hardware_tier=2.0),
        profile("a-0", 0.5, min_hardware_tier=None),
    )

    assert names_in_order(ranked) == ["a-2", "a-1", "a-3", "a-0"]
    assert ranked.may_be_best.all()


@pytest.mark.parametrize("reach", [0.0, 0.05])
@pytest.mark.parametrize(
    ("quality", "first"), [(0.799, "a-2"), (0.796, "a-2"), (0.794, "a-1"), (0.70, "a-1")]
)
def test_candidate_of_cheaper_hardware_comes_first_only_where_it_is_practically_equal(
    quality: float, first: str, reach: float
) -> None:
    rows = make_tiered(("a-1", 0.80, 2.0), ("a-2", quality, 1.0), ("a-3", 0.2, 1.0), reach=reach)

    ranked = rank(*rows, application=COSTS_HARDLY_COUNT)

    assert names_in_order(ranked)[0] == first
    assert names_in_order(ranked)[2] == "a-3"


def test_tie_rule_chooses_the_winner_alone_and_the_others_follow_by_utility() -> None:
    rows = make_tiered(("a-1", 0.80, 2.0), ("a-2", 0.798, 2.0), ("a-3", 0.796, 1.0), reach=0.0)

    cheaper_first = rank(*rows, application=COSTS_HARDLY_COUNT)
    utility_first = rank(
        *rows,
        application=COSTS_HARDLY_COUNT,
        rules=make_rules(ties={"rule": [{"by": "utility", "prefer": "higher"}]}),
    )

    assert names_in_order(cheaper_first) == ["a-3", "a-1", "a-2"]
    assert names_in_order(utility_first) == ["a-1", "a-2", "a-3"]


def test_of_equals_one_model_comes_before_a_cascade() -> None:
    single, cascade = (
        {"settings": '{"searched": {}, "fixed": {}}'},
        {"settings": '{"searched": {}, "fixed": {"cheap": "a-1", "expensive": "a-3"}}'},
    )
    rules = make_rules(
        ties={
            "rule": [{"by": "n_models", "prefer": "lower"}, {"by": "utility", "prefer": "higher"}]
        }
    )

    def order(quality: float) -> list[str]:
        rows = [
            make_profile("a-1", **around("quality", quality, 0.1), latency_p50_ms=10, **single),
            make_profile("c-0", **around("quality", 0.80, 0.1), latency_p50_ms=10, **cascade),
        ]
        return names_in_order(rank(*rows, application=COSTS_HARDLY_COUNT, rules=rules))

    assert order(0.797) == ["a-1", "c-0"]
    assert order(0.780) == ["c-0", "a-1"]


@pytest.mark.parametrize(
    ("equal_within", "first"), [(0.0, "a-1"), (0.08, "a-1"), (0.12, "a-2"), (1.0, "a-2")]
)
def test_tie_rule_gives_up_less_utility_than_is_practically_equal(
    equal_within: float, first: str
) -> None:
    rows = make_tiered(("a-1", 0.80, 2.0), ("a-2", 0.75, 1.0), reach=0.2)
    rules = make_rules(equal_within=equal_within)

    ranked = rank(*rows, application=COSTS_HARDLY_COUNT, rules=rules)

    assert names_in_order(ranked)[0] == first


def test_tie_rule_never_puts_an_infeasible_candidate_first() -> None:
    ranked = rank(
        *make_tiered(("a-1", 0.80, 2.0), ("a-2", 0.794, 1.0), reach=0.1),
        application=COSTS_HARDLY_COUNT.model_copy(
            update={"constraints": {"quality": Constraint(min=0.795)}}
        ),
    )

    assert names_in_order(ranked) == ["a-1", "a-2"]
    assert ranked.assessment.feasible.tolist() == [True, False]


@st.composite
def candidates(draw: st.DrawFn) -> list[dict[str, Any]]:
    grid = st.integers(0, 8).map(lambda i: i / 8)  # coarse, so that equal utilities do occur
    n = draw(st.integers(2, 12))
    return [
        make_profile(
            f"a-{i:02}",
            quality=draw(grid),
            latency_p50_ms=1 + 20 * draw(grid),
            min_hardware_tier=float(draw(st.integers(1, 3))),
        )
        for i in range(n)
    ]


@given(rows=candidates(), data=st.data())
def test_removing_candidates_reverses_no_two_others_that_are_not_practically_equal(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    application = make_application(constraints={"latency_p50_ms": {"max": 15}})
    rules = make_rules(equal_within=data.draw(st.sampled_from([0.0, 0.01, 0.1])))
    remaining = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique_by=id))

    before = rank(*rows, application=application, rules=rules)
    after = rank(*remaining, application=application, rules=rules)

    place = {name: place for place, name in enumerate(names_in_order(before))}
    utility = {
        name: before.assessment.utility[number_of(before.assessment, name)] for name in place
    }
    for first, second in itertools.combinations(names_in_order(after), 2):
        gap = abs(utility[first] - utility[second])
        assert place[first] < place[second] or 0 < gap < rules.prefer_within


@given(rows=candidates(), equal_within=st.sampled_from([0.0, 0.01, 0.1]))
def test_no_feasible_candidate_is_worth_more_than_the_first_by_the_band_or_beyond(
    rows: list[dict[str, Any]], equal_within: float
) -> None:
    rules = make_rules(equal_within=equal_within)

    assessment = (ranked := rank(*rows, rules=rules)).assessment

    first, others = assessment.utility[ranked.order[0]], assessment.utility[ranked.order[1:]]
    assert others.max() - first < max(rules.prefer_within, 1e-12)
    assert (np.diff(others) <= 0).all()


# Winners of an earlier ranking stand while they are practically equal to the best.


def measure(*qualities: float, reach: float = 0.03, **values: Any) -> list[dict[str, Any]]:
    """Measure the candidates a-0, a-1 … with some noise."""
    return [
        make_profile(f"a-{i}", **around("quality", quality, reach), **values)
        for i, quality in enumerate(qualities)
    ]


def rank_twice(
    first: list[dict[str, Any]], second: list[dict[str, Any]], **asked: Any
) -> tuple[ApplicationRanking, ApplicationRanking]:
    asked = {"application": QUALITY_ALONE} | asked
    before = rank(*first, **asked)
    return before, rank(*second, after=before, **asked)


@pytest.mark.parametrize(("keep_winner", "second"), [(True, "a-0"), (False, "a-1")])
def test_winner_stands_where_another_measurement_would_change_it(
    keep_winner: bool, second: str
) -> None:
    rules = make_rules(keep_winner=keep_winner)

    before, after = rank_twice(measure(0.80, 0.79), measure(0.796, 0.80), rules=rules)

    assert names_in_order(before)[0] == "a-0"
    assert names_in_order(after)[0] == second


@pytest.mark.parametrize("reach", [0.0, 0.03, 0.2])
@pytest.mark.parametrize(("quality", "first"), [(0.796, "a-0"), (0.794, "a-1"), (0.70, "a-1")])
def test_winner_stands_within_the_band_and_not_beyond_it(
    quality: float, first: str, reach: float
) -> None:
    _, after = rank_twice(measure(0.80, 0.79), measure(quality, 0.80, reach=reach))

    assert names_in_order(after)[0] == first
    assert (0 in after.assessment.kept) == (first == "a-0")


def test_winner_that_the_tie_rule_would_not_choose_stands_within_the_band() -> None:
    def measure_tiers(first: float) -> list[dict[str, Any]]:
        return make_tiered(("a-0", first, 2.0), ("a-1", 0.80, 1.0), reach=0.0)

    _, after = rank_twice(measure_tiers(0.82), measure_tiers(0.805), application=COSTS_HARDLY_COUNT)

    assert names_in_order(after) == ["a-0", "a-1"]
    assert names_in_order(rank(*measure_tiers(0.805), application=COSTS_HARDLY_COUNT))[0] == "a-1"


def test_winner_that_breaks_a_limit_is_replaced() -> None:
    application = make_application(
        objectives=QUALITY, constraints={"peak_memory_mib": {"max": 100}}
    )
    now = measure(0.80, 0.79, peak_memory_mib=90)
    now[0]["peak_memory_mib"] = 110

    _, after = rank_twice(measure(0.80, 0.79, peak_memory_mib=90), now, application=application)

    assert names_in_order(after)[0] == "a-1"


def test_winner_that_is_no_candidate_any_more_is_replaced() -> None:
    _, after = rank_twice(measure(0.78, 0.79, 0.80), measure(0.79, 0.78))

    assert names_in_order(after) == ["a-0", "a-1"]


def test_each_dataset_keeps_its_own_winner() -> None:
    first = measure(0.80, 0.79, dataset="x") + measure(0.80, 0.79, dataset="y")
    second = measure(0.796, 0.80, dataset="x") + measure(0.78, 0.80, dataset="y")

    _, after = rank_twice(first, second)

    assert names_in_order(after) == ["a-0", "a-1", "a-1", "a-0"]
    assert list(after.assessment.kept) == [0]


def test_winner_keeps_its_serving_configuration_within_the_band() -> None:
    def measure_threads(single_ms: float, double_ms: float) -> list[dict[str, Any]]:
        return [
            make_profile("a-0", quality=0.8, latency_p50_ms=latency_ms, n_threads=n_threads)
            for n_threads, latency_ms in ((1, single_ms), (2, double_ms))
        ]

    before = rank(*measure_threads(10, 11))
    near = rank(*measure_threads(10.4, 10), after=before)  # 0.004 of utility
    far = rank(*measure_threads(12, 10), after=before)  # 0.02

    winners = [ranked.winner("landsat") for ranked in (near, far)]
    assert [winner and winner.serving.n_threads for winner in winners] == [1, 2]


def test_kept_winner_is_the_same_when_it_is_ranked_again() -> None:
    _, once = rank_twice(measure(0.80, 0.79), second := measure(0.796, 0.80))
    again = rank(*second, application=QUALITY_ALONE, after=once)

    assert again.order.tolist() == once.order.tolist()
    assert again.assessment.kept == once.assessment.kept != {}


def test_kept_winner_and_its_rivals_are_explained_by_it() -> None:
    _, after = rank_twice(measure(0.80, 0.79), measure(0.796, 0.80))

    outcomes = explain_candidates(after)
    assert outcomes.select("outcome", "rival").rows() == [("winner", "a-1"), ("equal", "a-0")]
    assert outcomes["preference"].to_list() == ["the last run's winner"] * 2


def test_limit_replaces_a_kept_winner_where_it_changes_the_choice_without_it() -> None:
    def measure_with_memory(*qualities: float) -> list[dict[str, Any]]:
        rows = measure(*qualities)
        for row, memory_mib in zip(rows, (70, 50, 150), strict=True):
            row["peak_memory_mib"] = memory_mib
        return rows

    limited = make_application(objectives=QUALITY, constraints={"peak_memory_mib": {"max": 100}})
    _, after = rank_twice(
        measure_with_memory(0.80, 0.79, 0.83),
        measure_with_memory(0.796, 0.80, 0.83),
        application=limited,
    )

    def find_winner(max_mib: float) -> str:
        limit = limited.constraints["peak_memory_mib"].model_copy(update={"max": max_mib})
        assessment, (row,) = change_limits(after.assessment, {"peak_memory_mib": limit})
        return str(assessment.table.frame["candidate"][row])

    assert names_in_order(after) == ["a-0", "a-1", "a-2"]
    assert [find_winner(max_mib) for max_mib in (60, 90, 200)] == ["a-1", "a-0", "a-2"]

from __future__ import annotations

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
    rank,
)
from hypothesis import given
from hypothesis import strategies as st

from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    change_limits,
    find_winning_rows,
    rank_applications,
)
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
    assert set(ranked.rank_low.tolist()) == {1}
    assert set(ranked.rank_high.tolist()) == {4}


def test_tie_rule_puts_the_cheaper_first_among_those_that_cannot_be_told_apart() -> None:
    rows = make_tiered(("a-1", 0.80, 2.0), ("a-2", 0.78, 1.0), ("a-3", 0.20, 1.0), reach=0.05)

    cheaper_first = rank(*rows, application=COSTS_HARDLY_COUNT)
    utility_first = rank(
        *rows,
        application=COSTS_HARDLY_COUNT,
        rules=make_rules(ties={"rule": [{"by": "utility", "prefer": "higher"}]}),
    )

    assert names_in_order(cheaper_first) == ["a-2", "a-1", "a-3"]
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

    assert order(0.79) == ["a-1", "c-0"]
    assert order(0.20) == ["c-0", "a-1"]


def test_tie_rule_gives_up_no_more_utility_than_allowed() -> None:
    rows = [
        make_profile("a-1", **around("quality", 0.80, 0.2), min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.70, 0.2), min_hardware_tier=1.0),
    ]
    rules = make_rules(ties={"max_utility_loss": 0.09})

    assert names_in_order(rank(*rows, application=QUALITY_ALONE, rules=rules)) == ["a-1", "a-2"]


def test_tie_rule_never_puts_an_infeasible_candidate_first() -> None:
    ranked = rank(
        make_profile("a-1", **around("quality", 0.80, 0.1), min_hardware_tier=2.0),
        make_profile("a-2", **around("quality", 0.79, 0.1), min_hardware_tier=1.0),
        application=make_application(objectives=QUALITY, constraints={"quality": {"min": 0.795}}),
    )

    assert names_in_order(ranked) == ["a-1", "a-2"]


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
def test_removing_candidates_never_reverses_two_others(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    application = make_application(constraints={"latency_p50_ms": {"max": 15}})
    kept = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique_by=id))
    names = {row["candidate"] for row in kept}

    before = names_in_order(rank(*rows, application=application))
    after = names_in_order(rank(*kept, application=application))

    assert after == [name for name in before if name in names]


# Winners of an earlier ranking stand until another candidate is surely better.


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

    before, after = rank_twice(measure(0.80, 0.79), measure(0.79, 0.80), rules=rules)

    assert names_in_order(before)[0] == "a-0"
    assert names_in_order(after)[0] == second


def test_winner_stands_beyond_the_loss_that_the_keys_of_the_tie_rule_may_cause() -> None:
    rules = make_rules(ties={"max_utility_loss": 0.0})

    _, after = rank_twice(measure(0.80, 0.79), measure(0.77, 0.80), rules=rules)

    assert names_in_order(after) == ["a-0", "a-1"]


def test_surely_better_candidate_replaces_the_winner() -> None:
    _, after = rank_twice(measure(0.80, 0.79), measure(0.70, 0.80))

    assert names_in_order(after) == ["a-1", "a-0"]
    assert after.assessment.kept == {}


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
    second = measure(0.79, 0.80, dataset="x") + measure(0.70, 0.80, dataset="y")

    _, after = rank_twice(first, second)

    assert names_in_order(after) == ["a-0", "a-1", "a-1", "a-0"]
    assert list(after.assessment.kept) == [0]


def test_winner_keeps_its_serving_configuration() -> None:
    def measure_threads(one: float, two: float, reach: float) -> list[dict[str, Any]]:
        return [
            make_profile("a-0", quality=0.8, **around("latency_p50_ms", ms, reach), n_threads=n)
            for n, ms in ((1, one), (2, two))
        ]

    before = rank(*measure_threads(10, 11, 3))
    noisy = rank(*measure_threads(11, 10, 3), after=before)
    exact = rank(*measure_threads(11, 10, 0.1), after=before)

    rows = [
        one.assessment.table.frame["n_threads"][find_winning_rows(one.assessment, one.order)[0]]
        for one in (noisy, exact)
    ]
    assert rows == [1, 2]


def test_kept_winner_is_the_same_when_it_is_ranked_again() -> None:
    _, once = rank_twice(measure(0.80, 0.79), second := measure(0.79, 0.80))
    again = rank(*second, application=QUALITY_ALONE, after=once)

    assert again.order.tolist() == once.order.tolist()
    assert again.assessment.kept == once.assessment.kept


def test_kept_winner_and_its_rivals_are_explained_by_it() -> None:
    _, after = rank_twice(measure(0.80, 0.79), measure(0.79, 0.80))

    assert explain_candidates(after)["reason"].to_list() == [
        "tied first with a-1 (utility 0.79 against 0.8): the tie rule prefers the earlier winner",
        "tied with a-0 (utility 0.8 against 0.79): the tie rule prefers the earlier winner",
    ]


def test_limit_replaces_a_kept_winner_where_it_changes_the_choice_without_it() -> None:
    def measure_with_memory(*qualities: float) -> list[dict[str, Any]]:
        rows = measure(*qualities)
        for row, memory_mib in zip(rows, (70, 50, 150), strict=True):
            row["peak_memory_mib"] = memory_mib
        return rows

    limited = make_application(objectives=QUALITY, constraints={"peak_memory_mib": {"max": 100}})
    _, after = rank_twice(
        measure_with_memory(0.80, 0.79, 0.81),
        measure_with_memory(0.79, 0.80, 0.81),
        application=limited,
    )

    def find_winner(max_mib: float) -> str:
        limit = limited.constraints["peak_memory_mib"].model_copy(update={"max": max_mib})
        assessment, (row,) = change_limits(after.assessment, {"peak_memory_mib": limit})
        return str(assessment.table.frame["candidate"][row])

    assert names_in_order(after) == ["a-0", "a-1", "a-2"]
    assert [find_winner(max_mib) for max_mib in (60, 90, 200)] == ["a-1", "a-0", "a-2"]

"""Winners of an earlier ranking stand until another candidate is surely better."""

from __future__ import annotations

from typing import Any

import pytest
from factories.rankings import (
    around,
    make_application,
    make_profile,
    make_rules,
    names_in_order,
    rank,
)

from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    change_limits,
    find_winning_rows,
)
from rightfit.ranking.explanation.reasons import explain_candidates

QUALITY = {"quality": {"weight": 1, "worst": 0, "best": 1}}
QUALITY_ALONE = make_application(objectives=QUALITY)


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
        one.assessment.table.frame["n_threads"][find_winning_rows(one.assessment)[0]]
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

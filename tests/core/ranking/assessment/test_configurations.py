from __future__ import annotations

from typing import Any

import pytest
from factories.rankings import around, assess, make_application, make_profile, make_rules, rank

from rightfit.ranking.assessment.assessment import Assessment

FAST = make_application(
    objectives={"throughput_rows_per_s": {"weight": 1, "worst": 1, "best": 1e6, "scale": "log"}}
)
BY_UTILITY = make_rules(ties={"rule": [{"by": "utility", "prefer": "higher"}]})


def serve(rate: float, share: float, *, n_threads: int = 1, **values: Any) -> dict[str, Any]:
    """A profile whose throughput is known to within a share of it."""
    rows_per_s = around("throughput_rows_per_s", rate, share * rate)
    return make_profile("a-1", n_threads=n_threads, quality=0.9, **rows_per_s, **values)


def choose(*rows: dict[str, Any], **constraints: dict[str, float]) -> tuple[str, int]:
    application = FAST.model_copy(
        update={"constraints": make_application(constraints=constraints).constraints}
    )
    return read_choice(assess(*rows, application=application, rules=BY_UTILITY))


def read_choice(assessment: Assessment) -> tuple[str, int]:
    served = assessment.table.read_key(int(assessment.chosen[0])).serving
    return served.runtime, served.n_threads


@pytest.mark.parametrize(("rate", "n_threads"), [(1_100, 1), (1_900, 2)])
def test_two_threads_are_chosen_only_if_ahead_by_more_than_they_vary(
    rate: float, n_threads: int
) -> None:
    found = choose(serve(1_000, 0.1), serve(rate, 0.2, n_threads=2))

    assert found == ("onnx", n_threads)


def test_the_best_single_thread_of_any_runtime_is_the_one_to_beat() -> None:
    found = choose(
        serve(1_000, 0.05), serve(1_700, 0.05, runtime="native"), serve(1_750, 0.1, n_threads=2)
    )

    assert found == ("native", 1)


def test_two_threads_are_chosen_where_one_breaks_a_limit() -> None:
    found = choose(
        serve(1_000, 0.1),
        serve(1_100, 0.1, n_threads=2),
        throughput_rows_per_s={"min": 1_050},
    )

    assert found == ("onnx", 2)


def test_two_threads_may_be_chosen_where_they_alone_surely_meet_a_limit() -> None:
    found = choose(
        serve(1_000, 0.1),
        serve(1_150, 0.1, n_threads=2),
        throughput_rows_per_s={"min": 950},
    )

    assert found == ("onnx", 2)


def test_a_wide_interval_is_not_chosen_beside_a_narrow_one() -> None:
    found = choose(serve(1_000, 0.1), serve(90_000, 0.31, runtime="native"))

    assert found == ("onnx", 1)


def test_a_wide_interval_is_chosen_where_nothing_else_is_feasible() -> None:
    found = choose(
        serve(1_000, 0.1),
        serve(90_000, 0.31, runtime="native"),
        throughput_rows_per_s={"min": 5_000},
    )

    assert found == ("native", 1)


def test_a_wide_interval_of_a_metric_that_is_not_asked_for_is_no_fault() -> None:
    memory = around("peak_memory_mib", 100, 90)

    found = choose(serve(1_000, 0.1), serve(90_000, 0.1, runtime="native", **memory))

    assert found == ("native", 1)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"share": 0.2, "n_threads": 2}, "onnx, 2 threads: it is not ahead of one thread"),
        ({"share": 0.4, "runtime": "native"}, "native, 1 thread: a figure is known to no better"),
    ],
)
def test_the_reason_says_why_a_configuration_was_not_taken(other: dict[str, Any], why: str) -> None:
    from rightfit.ranking.explanation.reasons import explain_candidates

    ranked = rank(serve(1_000, 0.1), serve(1_100, **other), application=FAST, rules=BY_UTILITY)

    assert f"not served as {why}" in explain_candidates(ranked)["reason"][0]


def test_an_earlier_winner_stands_in_a_configuration_that_may_be_chosen() -> None:
    rows = serve(1_000, 0.1), serve(1_100, 0.01, n_threads=2)
    other = make_profile("b-1", quality=0.9, **around("throughput_rows_per_s", 1_010, 1))
    earlier = rank(rows[1], application=FAST, rules=BY_UTILITY)

    later = rank(*rows, other, application=FAST, rules=BY_UTILITY, after=earlier)

    won = later.winner("landsat")
    assert won is not None
    assert (won.candidate, won.serving.n_threads) == ("a-1", 1)

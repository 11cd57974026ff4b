from __future__ import annotations

from typing import Any

from factories.rankings import (
    COSTS_HARDLY_COUNT,
    around,
    make_application,
    make_profile,
    make_rules,
    make_tiered,
    names_in_order,
    rank,
)
from hypothesis import given
from hypothesis import strategies as st

QUALITY = {"quality": {"weight": 1, "worst": 0, "best": 1}}
QUALITY_ALONE = make_application(objectives=QUALITY)


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

from __future__ import annotations

import pytest
from factories.rankings import make_application, make_profile, rank

from rightfit._core.typed_tables import read_rows
from rightfit.ranking.applications.applications import LimitKind
from rightfit.ranking.sensitivity.limit_effects import (
    REMOVED,
    LimitEffect,
    change_limit,
    tabulate_limit_effects,
)


@pytest.mark.parametrize(
    ("kind", "direction", "value", "changed"),
    [
        ("max", "loosened", 20.0, 22.0),
        ("max", "tightened", 20.0, 18.0),
        ("min", "loosened", 20.0, 18.0),
        ("min", "tightened", 20.0, 22.0),
        ("min", "loosened", -20.0, -22.0),
        ("max_degradation", "loosened", 0.1, 0.11),
        ("max_degradation", "tightened", 0.1, 0.09),
    ],
)
def test_limit_moves_by_its_percentage(
    kind: LimitKind, direction: str, value: float, changed: float
) -> None:
    assert change_limit(value, kind, direction=direction, change_pct=10) == pytest.approx(changed)


def test_effect_tells_who_would_win() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=21),
        make_profile("a-2", quality=0.5, latency_p50_ms=19),
        application=make_application(
            constraints={"latency_p50_ms": {"max": 20}, "n_threads": {"max": 1}}
        ),
    )

    loosened, tightened, removed, threads, together = read_rows(
        tabulate_limit_effects([ranked]), LimitEffect
    )

    assert (loosened.change, tightened.change) == ("loosened", "tightened")
    assert loosened.changed_limit == pytest.approx(22)
    assert (loosened.n_feasible, loosened.n_feasible_changed) == (1, 2)
    assert (loosened.winner, loosened.winner_changed) == ("a-2", "a-1")
    assert loosened.utility is not None
    assert loosened.utility_changed is not None
    assert loosened.utility_changed > loosened.utility
    assert loosened.flips
    assert (tightened.winner, tightened.winner_changed) == ("a-2", None)
    assert (tightened.utility_changed, tightened.flips) == (None, True)
    assert (removed.metric, removed.kind, removed.limit) == ("latency_p50_ms", "max", 20)
    assert (removed.winner, removed.winner_changed) == ("a-2", "a-1")
    assert (removed.value, removed.value_changed, removed.flips) == (19, 21, True)
    assert (threads.metric, threads.change) == ("n_threads", REMOVED)  # a count moves by no percent
    assert (threads.winner_changed, threads.serving_changed) == (threads.winner, threads.serving)
    assert not threads.flips
    assert (together.metric, together.change, together.flips) == (None, REMOVED, True)


def test_idle_limit_changes_nothing() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=2),
        application=make_application(constraints={"latency_p50_ms": {"max": 20}}),
    )

    assert tabulate_limit_effects([ranked])["flips"].to_list() == [False, False, False]


def test_only_the_limit_that_none_meets_is_removed() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=21),
        application=make_application(
            constraints={"latency_p50_ms": {"min": 1, "max": 20}},
        ),
    )

    rows = read_rows(tabulate_limit_effects([ranked]), LimitEffect)
    least, most, _ = (row for row in rows if row.change == REMOVED)

    assert (least.kind, least.winner, least.winner_changed) == ("min", None, None)
    assert (most.kind, most.winner, most.winner_changed) == ("max", None, "a-1")
    assert most.flips


def test_application_without_limits_has_no_effects() -> None:
    ranked = rank(make_profile("a-1", quality=0.9), application=make_application())

    assert tabulate_limit_effects([ranked]).is_empty()

from __future__ import annotations

import pytest
from contests import make_application, make_profile, rank

from rightfit.ranking.applications.applications import LimitKind
from rightfit.ranking.sensitivity.limit_shadows import change_limit, tabulate_limit_shadows


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


def test_shadow_tells_who_would_win() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=21),
        make_profile("a-2", quality=0.5, latency_p50_ms=19),
        application=make_application(
            constraints={"latency_p50_ms": {"max": 20}, "n_threads": {"max": 1}}
        ),
    )

    loosened, tightened = tabulate_limit_shadows([ranked]).to_dicts()

    assert (loosened["direction"], tightened["direction"]) == ("loosened", "tightened")
    assert loosened["changed_limit"] == pytest.approx(22)
    assert (loosened["n_feasible"], loosened["n_feasible_changed"]) == (1, 2)
    assert (loosened["winner"], loosened["winner_changed"]) == ("a-2", "a-1")
    assert loosened["utility_changed"] > loosened["utility"]
    assert loosened["flips"]
    assert (tightened["winner"], tightened["winner_changed"]) == ("a-2", None)
    assert tightened["utility_changed"] is None
    assert tightened["flips"]


def test_shadow_of_an_idle_limit_changes_nothing() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=2),
        application=make_application(constraints={"latency_p50_ms": {"max": 20}}),
    )

    assert tabulate_limit_shadows([ranked])["flips"].to_list() == [False, False]

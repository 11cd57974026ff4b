"""Replays are summed up as geometric means, lost winners counted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from rightfit_study.early_stopping.savings import headline, summarise_cells, summarise_savings

pytestmark = pytest.mark.whole


def rows(kind: str, costs: list[float], regret: float, **changes: Any) -> list[dict[str, object]]:
    return [
        {
            "dataset": dataset,
            "model": "net",
            "kind": kind,
            "setting": 1.0,
            "measuring": "rule",
            "n_trials": 48,
            "variant": "",
            "order": order,
            "application": "a",
            "cost_s": cost,
            "measuring_s": cost / 2,
            "full_s": 100.0,
            "overhead_s": cost / 100,
            "n_trained": 3,
            "is_feasible": True,
            "is_lost": regret > 0.5,
            "best": 0.9,
            "reached": 0.9 - regret,
            "regret": regret,
            "regret_test": regret,
            **changes,
        }
        for dataset in ("one", "two")
        for order, cost in enumerate(costs)
    ]


REPLAYS = pl.DataFrame(
    [
        *rows("pausing", [10.0, 10.0], 0.01),
        *rows("fewer", [25.0, 25.0], 0.01),
        *rows("fewer", [50.0, 50.0], 0.01, measuring="all"),
        *rows("median", [2.0, 2.0], 0.6),
        *rows("pausing", [11.0, 11.0], 0.01, variant="too_fast"),
        *rows("pausing", [10.5, 10.5], 0.01, variant="too_good"),
    ]
)


def test_the_headline_compares_at_equal_regret() -> None:
    found = headline(REPLAYS, summarise_savings(REPLAYS), seed=0)

    assert found["saved"] == pytest.approx(10)
    assert found["saved_low"] == pytest.approx(10)
    assert found["equal_regret_speedup"] == pytest.approx(5)
    assert found["equal_regret_same_measuring"] == pytest.approx(2.5)
    assert (found["best_peer"], found["vs_best_peer"]) == ("fewer", pytest.approx(2.5))
    assert found["infeasible_extra_pct"] == pytest.approx(10)
    assert (found["n_lost"], found["n_feasible"], found["n_cells"]) == (0, 4, 2)


def test_lost_winners_are_counted_by_policy_and_cell() -> None:
    summary = summarise_savings(REPLAYS).filter(pl.col("kind") == "median")
    cells = summarise_cells(REPLAYS).filter(pl.col("kind") == "median")

    assert summary["n_lost"].to_list() == [4]
    assert cells["n_lost"].to_list() == [2, 2]

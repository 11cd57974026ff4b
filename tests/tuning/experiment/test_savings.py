"""Replays are summed up as geometric means, lost winners counted."""

from __future__ import annotations

import polars as pl
import pytest

from rightfit.tuning.experiment.experiment import ALL, JUDGE
from rightfit.tuning.experiment.savings import headline, summarise_cells, summarise_savings


def rows(policy: str, scope: str, costs: list[float], regret: float) -> list[dict[str, object]]:
    return [
        {
            "cell": cell,
            "policy": policy,
            "scope": scope,
            "order": order,
            "application": "a",
            "cost_s": cost,
            "full_s": 100.0,
            "clairvoyant_s": 2.0,
            "overhead_s": cost / 100,
            "n_complete": 3,
            "is_feasible": True,
            "is_lost": regret > 0.5,
            "regret": regret,
        }
        for cell, cost in zip(("x", "y"), costs, strict=True)
        for order in range(3)
    ]


REPLAYS = pl.DataFrame(
    rows(JUDGE, ALL, [10.0, 40.0], 0.01)
    + rows(JUDGE, "a", [5.0, 5.0], 0.02)
    + rows("optuna_median", ALL, [50.0, 50.0], 0.6)
)


def test_summary_takes_the_geometric_mean_over_cells() -> None:
    ours = summarise_savings(REPLAYS, seed=0).row(0, named=True)

    assert ours["saved"] == pytest.approx((10 * 2.5) ** 0.5)
    assert (ours["saved_low"], ours["saved_high"]) == pytest.approx((5.0, 5.0))
    assert (ours["n_lost"], ours["n_feasible"], ours["overhead_pct"]) == (0, 6, 1.0)


def test_headline_compares_with_other_policies() -> None:
    figures = headline(summarise_savings(REPLAYS, seed=0), REPLAYS)

    assert figures["saved_all"] == pytest.approx(5.0)
    assert figures["saved_one"] == pytest.approx(20.0)
    assert figures["vs_median"] == pytest.approx(2.5)
    assert figures["vs_moasha"] is None
    assert figures["share_of_clairvoyant"] == pytest.approx(0.1)


def test_lost_winners_are_counted_by_cell() -> None:
    cells = summarise_cells(REPLAYS).filter(pl.col("policy") == "optuna_median")

    assert cells["n_lost"].to_list() == [3, 3]

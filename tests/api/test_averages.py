from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import rightfit as rf

pytestmark = pytest.mark.whole

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(600, 3))
TABLE = pl.DataFrame(X, schema=["a", "b", "c"]).with_columns(
    kind=pl.Series(np.where(X[:, 0] + np.sign(X[:, 1]) + DRAW.normal(size=600) > 0, "yes", "no"))
)


def test_an_average_of_all_families_is_ranked_like_any_candidate() -> None:
    found = rf.search(
        TABLE, "kind", families=["linear", "forest"], n_trials=2, budget_cpu_s=None, n_workers=1
    )

    ranked = found.ranking.table.filter(pl.col("candidate") == "average-000")
    assert ranked["feasible"].to_list() == [True]
    assert set(found.trials["model"]) == {"linear", "forest"}


def test_nothing_is_averaged_where_one_family_is_searched() -> None:
    found = rf.search(
        TABLE, "kind", families=["linear"], n_trials=1, budget_cpu_s=None, n_workers=1
    )

    assert "average-000" not in found.ranking.table["candidate"]

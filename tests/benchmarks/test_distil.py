from __future__ import annotations

from typing import Any

import distil
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest


def make_row(table: str, gain: float, n_taught: int = 400) -> dict[str, Any]:
    costs = {"taught_cpu_s": 5.0, "direct_cpu_s": 10.0}
    return {"table": table, "gain": gain, "n_taught": n_taught, **costs}


def test_tables_count_once_and_runs_that_were_taught_can_be_worse() -> None:
    rows = [
        make_row("a", 0.02),
        make_row("a", 0.04),
        make_row("b", -0.01),
        make_row("c", -0.02, n_taught=0),  # no student
    ]

    figures = distil.summarise(rows)

    assert figures["utility_gain"] == pytest.approx(0.0, abs=1e-9)
    assert figures["utility_gain_low"] < 0 < figures["utility_gain_high"]
    assert figures["worse_share"] == pytest.approx(1 / 3, abs=1e-3)
    assert (figures["n_tables"], figures["n_taught"]) == (3, 3)
    assert figures["cpu_ratio"] == pytest.approx(1.0)  # 5 of labelling are charged


@pytest.mark.parametrize(
    ("labels", "answers"),
    [
        (pl.Series(["no", "yes", "no"]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])),
        (pl.Series([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])),
    ],
)
def test_answers_without_an_error_have_the_best_quality(
    labels: pl.Series, answers: npt.NDArray[np.float64]
) -> None:
    name = "r2" if answers.ndim == 1 else "roc_auc"

    assert (
        distil.judge(distil.QualityMetric(name=name, worst=0.0, best=1.0), labels, answers) == 1.0
    )

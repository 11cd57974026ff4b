from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rightfit as rf
from rightfit._core.errors import RightfitError
from rightfit.api import search as searching
from rightfit.api.teaching import Teacher
from rightfit.models.schema import InputSchema

CANDIDATES = {"linear-000", "forest-000", "average-000"}
REFITTED = {"refit": True}
QUICK: dict[str, Any] = {"n_trials": 1, "budget_cpu_s": None, "n_workers": 1, "refit": False}


def make_waves(n_rows: int = 160) -> pl.DataFrame:
    """Few noisy rows of a curve that trees learn badly from them."""
    rng = np.random.default_rng(0)
    x, z = rng.uniform(-1, 1, (2, n_rows))
    y = 3 * x + np.sin(5 * z) + rng.normal(0, 1.0, n_rows)
    return pl.DataFrame({"x": x, "z": z, "of_no_use": 1.0, "y": y})


def know_all(rows: pl.DataFrame) -> Any:
    """Answer without noise, and read a column that the search leaves out."""
    return (3 * rows["x"] + np.sin(5 * rows["z"]) + rows["of_no_use"] - 1).to_numpy()


@pytest.fixture(scope="module")
def taught() -> Any:
    families = {"linear": {}, "forest": {}}
    return rf.search(make_waves(), "y", families=families, teacher=know_all, **QUICK)


def test_a_slow_model_teaches_the_best_candidate_of_each_family(taught: Any) -> None:
    pairs = {one.student: one.taught_alone for one in taught.distillations}

    assert pairs == {"forest_student-000": "forest-000", "linear_student-000": "linear-000"}
    assert {one.teacher for one in taught.distillations} == {"know_all"}
    assert all(one.n_times_cheaper > 0 for one in taught.distillations)


def test_students_that_did_not_become_better_are_no_candidates(taught: Any) -> None:
    admitted = {one.student for one in taught.distillations if one.is_admitted}

    assert set(taught.profiles.table["candidate"]) == CANDIDATES | admitted
    for one in taught.distillations:
        assert ("left out" in str(one)) is not one.is_admitted


def test_an_admitted_student_is_ranked_and_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "is_better", lambda *_: True)
    found = rf.search(make_waves(), "y", families=["forest"], teacher=know_all, **QUICK | REFITTED)

    assert set(found.profiles.table["candidate"]) == {"forest-000", "forest_student-000"}
    assert {"forest", "forest_student"} == set(found.trials["model"])
    best = found.best()
    assert best.candidate == "forest_student-000"
    assert best.learnt_since
    assert len(best.predict(make_waves())) == 160


def test_the_average_teaches_where_it_is_named() -> None:
    families = {"linear": {}, "forest": {}}
    found = rf.search(make_waves(), "y", families=families, teacher="average", **QUICK)

    assert {one.teacher for one in found.distillations} == {"average"}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_teacher_reads_frames_as_the_table_is(kind: Any) -> None:
    def answer(rows: Any) -> Any:
        assert isinstance(rows, pd.DataFrame if kind == "pandas" else pl.DataFrame)
        return np.asarray(rows["x"])

    rows = make_waves().drop("y")
    answers, row_s = Teacher(answer, rows, kind).answer(
        rows, InputSchema(("x",), (), None), max_s=60.0
    )

    assert answers[:, 0].tolist() == pytest.approx(rows["x"].to_list(), abs=1e-6)
    assert row_s > 0


def test_a_teacher_without_time_answers_the_first_rows_alone() -> None:
    rows = make_waves().drop("y")
    answers, _ = Teacher(know_all, rows, "polars").answer(
        rows, InputSchema(("x",), (), None), max_s=0.0
    )

    assert answers.shape == (16, 1)


def test_a_teacher_that_cannot_answer_is_named() -> None:
    with pytest.raises(RightfitError, match=r"^teacher: .* cannot answer the rows"):
        rf.search(
            make_waves(), "y", families=["linear"], teacher=lambda rows: rows["absent"], **QUICK
        )

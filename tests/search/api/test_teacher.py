from __future__ import annotations

import pickle
import re
import sys
import time
from typing import Any

import cloudpickle
import numpy as np
import polars as pl
import pytest

from rightfit._core.errors import RightfitError
from rightfit_search.api.search import search
from rightfit_search.api.search_result import SearchResult

pytestmark = pytest.mark.whole

# as code of a script, of which measured processes import nothing
cloudpickle.register_pickle_by_value(sys.modules[__name__])

RNG = np.random.default_rng(0)
TABLE = pl.DataFrame({"size": RNG.uniform(0, 10, 200), "age": RNG.uniform(0, 10, 200)})
QUICK: dict[str, Any] = {"families": ["linear"], "n_trials": 1, "budget_cpu_s": None}


def slow_price(rows: Any) -> Any:
    """Price a house in two milliseconds a row."""
    time.sleep(0.002 * len(rows))
    return 20.0 + 3 * rows["size"].to_numpy() + (rows["age"].to_numpy() > 5) + 0.5


def weigh(**weights: float) -> dict[str, Any]:
    scales = {
        "quality": {"worst": 0.0, "best": 1.0},
        "latency_p50_ms": {"worst": 100.0, "best": 0.001, "scale": "log"},
    }
    return {name: {"weight": weight, **scales[name]} for name, weight in weights.items()}


ONE_THREAD: dict[str, Any] = {"n_threads": {"max": 1}}
APPLICATIONS: dict[str, Any] = {
    "web": {
        "scenario": "single_stream",
        "objectives": weigh(quality=1, latency_p50_ms=1),
        "constraints": ONE_THREAD,
    },
    "exact": {
        "scenario": "single_stream",
        "objectives": weigh(latency_p50_ms=1),
        "constraints": ONE_THREAD | {"quality": {"min": 0.9999}},
    },
    "never": {
        "scenario": "single_stream",
        "objectives": weigh(latency_p50_ms=1),
        "constraints": ONE_THREAD | {"latency_p50_ms": {"max": 1e-9}},
    },
}


@pytest.fixture(scope="module")
def taught(short_measurements: None) -> SearchResult:
    """Students of a teacher that answered for every row."""
    return search(TABLE, "price", teacher=slow_price, applications=APPLICATIONS, **QUICK)


def test_a_teacher_is_ranked_beside_its_students(taught: SearchResult) -> None:
    profiles = {profile.candidate: profile for profile in taught.profiles}

    assert set(profiles) == {"linear-000", "teacher"}
    assert profiles["teacher"]["quality_raw"].value == pytest.approx(1.0)
    student_ms = profiles["linear-000"]["latency_p50_ms"].value
    assert profiles["teacher"]["latency_p50_ms"].value > 5 * student_ms  # one sleeps two of them
    assert any("answered for 200 of 200 rows" in remark for remark in taught.remarks)
    assert any("agreement with the teacher" in remark for remark in taught.remarks)


def test_a_student_that_is_worth_it_says_what_it_keeps(taught: SearchResult) -> None:
    (replacement,) = taught.ranking.decision("web").replacements

    assert taught.best("web").candidate == "linear-000"
    assert replacement.sentence.startswith("linear-000 keeps 9")
    assert "of teacher's R²" in replacement.sentence
    assert replacement.sentence in repr(taught)


def test_where_no_student_is_worth_it_the_teacher_comes_back(taught: SearchResult) -> None:
    assert taught.best("exact") is slow_price
    assert re.search(r"teacher \(native, 1 thread\), imported, fits best", repr(taught))


def test_where_nothing_meets_the_limits_it_is_said_of_the_teacher_too(taught: SearchResult) -> None:
    assert taught.best("never") is None
    assert "imported, is not to be replaced: none qualifies" in repr(taught)


def test_a_result_with_a_teacher_travels(taught: SearchResult) -> None:
    copy = pickle.loads(pickle.dumps(taught))  # noqa: S301 - made here

    assert copy.best("web").candidate == "linear-000"
    assert copy.best("exact") is None  # the teacher may not be able to travel


def test_by_quality_alone_a_teacher_labels_only() -> None:
    table = TABLE.with_columns(
        price=pl.when(pl.int_range(pl.len()) < 100).then(pl.col("size") * 3.0)
    )

    result = search(table, "price", teacher=slow_price, **QUICK)

    assert {profile.candidate for profile in result.profiles} == {"linear-000"}
    assert result.data_card.rows.taught == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_rows": "all"}, "teacher: .*train_rows must be 'sample'"),
        (
            {"families": {"teacher": {"family": "sklearn", "estimator": "sklearn.svm.SVR"}}},
            "'teacher' is the teacher's",
        ),
        ({"teacher": 5}, "teacher: A model must be a fitted estimator"),
        ({"teacher": lambda rows: 1 / 0}, "teacher: .*ZeroDivisionError"),
    ],
)
def test_a_teacher_that_does_not_fit_the_search_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RightfitError, match=message):
        search(TABLE, "price", **QUICK | {"teacher": slow_price} | changes)

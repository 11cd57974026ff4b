from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import make_application, make_profile, rank
from pydantic import ValidationError

from rightfit.ranking.explanation.recommendation import describe_deadline

WORKLOAD = {"n_rows": 3.6e6, "hours": 2}  # 500 rows a second


def archive(**values: object) -> object:
    return make_application(
        objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}, workload=WORKLOAD, **values
    )


def test_a_workload_is_a_limit_on_the_throughput() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=200.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
        application=archive(),
    )

    assert ranked.assessment.feasible.tolist() == [False, True]
    assert describe_deadline(ranked.assessment, np.array([1, 0])) == (
        "2 h; it takes 6 min, a-1 (best quality) 5 h: too late."
    )


def test_the_best_by_quality_may_win() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=2_000.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
        application=archive(),
    )

    assert describe_deadline(ranked.assessment, np.array([0, 1])) == (
        "2 h; it takes 30 min; no candidate has a higher quality."
    )


def test_a_time_from_a_disturbed_measurement_says_so() -> None:
    rows = [
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=2.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
    ]
    late, alone = (
        rank(
            *(row | {"disturbed": row["candidate"] in disturbed} for row in rows),
            application=archive(),
        )
        for disturbed in (["a-1"], ["b-1"])
    )

    assert describe_deadline(late.assessment, np.array([1, 0])) == (
        "2 h; it takes 6 min, a-1 (best quality) 20 d 20 h: too late. "
        "The machine was disturbed while a-1 was timed: it may take less on a quiet one."
    )
    assert describe_deadline(alone.assessment, np.array([1])).endswith(
        "while b-1 was timed: it may take less on a quiet one."
    )


def test_nothing_is_said_without_a_workload_or_a_throughput() -> None:
    rows = [make_profile("a-1", quality=0.9, quality_raw=0.9)]

    for application in (make_application(), archive()):
        assessment = rank(*rows, application=application).assessment
        assert describe_deadline(assessment, np.array([0])) == ""


def test_a_workload_and_a_limit_may_not_contradict_each_other() -> None:
    kept = archive(constraints={"throughput_rows_per_s": {"max": 1e9}})
    assert kept.constraints["throughput_rows_per_s"].limits() == {"min": 500.0, "max": 1e9}
    assert type(kept).model_validate(kept.model_dump()) == kept

    with pytest.raises(ValidationError, match=r"workload asks for 500 rows/s .* for 20000"):
        archive(constraints={"throughput_rows_per_s": {"min": 2e4}})

"""Lines of serving costs follow from what was measured, and move those of earlier searches."""

from __future__ import annotations

import math

import pytest

from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing.observed import Seen
from rightfit_study.early_stopping.measured_trials import (
    N_NULLS,
    LearntCosts,
    MeasuredTrial,
    learn_lines,
)

ONE = Serving("onnx", 1, "cpu")


def measured(number: int, size: float, **served: float) -> MeasuredTrial:
    return MeasuredTrial(number, (Seen(1, 0.8, structure(size)),), served={ONE: served})


def structure(size: float) -> dict[str, float]:
    return {"n_parameters": size, "n_operations": size}


@pytest.fixture
def straight() -> list[MeasuredTrial]:
    """Latency of 1 ms + 0.01 ms a count, throughput its inverse, size 0.1 MiB a count."""
    return [
        measured(
            number,
            size,
            latency_p50_ms=1 + size / 100,
            throughput_rows_per_s=1000 / (1 + size / 100),
            model_size_mib=size / 10,
        )
        for number, size in enumerate((10.0, 50.0, 100.0, 200.0))
    ]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("latency_p50_ms", 5.0), ("throughput_rows_per_s", 200.0), ("model_size_mib", 40.0)],
)
def test_costs_of_another_size_follow_the_line(
    straight: list[MeasuredTrial], metric: str, expected: float
) -> None:
    costs = LearntCosts({})
    costs.learn(straight)

    assert costs.predict(structure(400.0), ONE, metric)[0] == pytest.approx(expected, rel=1e-6)


def test_one_measured_model_moves_an_earlier_line(straight: list[MeasuredTrial]) -> None:
    costs = LearntCosts(learn_lines(straight))
    costs.learn([measured(9, 100.0, latency_p50_ms=4.0)])  # twice as slow a machine

    assert 3.0 < costs.predict(structure(100.0), ONE, "latency_p50_ms")[0] < 4.0


def test_one_measured_model_brackets_a_twice_as_large_one(straight: list[MeasuredTrial]) -> None:
    costs = LearntCosts({})
    costs.learn(straight[:1])

    assert 1.1 < costs.predict(structure(20.0), ONE, "latency_p50_ms")[0] < 2.2


def test_a_metric_that_was_never_measurable_is_nan(straight: list[MeasuredTrial]) -> None:
    costs = LearntCosts({})
    costs.learn(straight)

    assert len(straight) >= N_NULLS
    assert math.isnan(costs.predict(structure(10.0), ONE, "latency_p99_ms")[0])

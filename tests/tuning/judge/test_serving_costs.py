"""Costs are learnt from structures, timings are smoothed, sizes are not."""

from __future__ import annotations

import numpy as np
import pytest

from rightfit.tuning.judge.observed import ObservedTrial, Seen
from rightfit.tuning.judge.serving_costs import N_NULLS, ServingCosts

ONE = ("onnx", 1, "cpu")
METRICS = ("latency_p50_ms", "throughput_rows_per_s", "model_size_mib", "latency_p99_ms")


def measured(number: int, size: float, **served: float) -> ObservedTrial:
    look = Seen(1, 0.8, {"n_parameters": size, "n_operations": size})
    return ObservedTrial(number, (0.5,), (look,), {ONE: served})


def learnt(trials: list[ObservedTrial]) -> ServingCosts:
    costs = ServingCosts(METRICS, [ONE])
    costs.learn(trials)
    return costs


def structure(size: float) -> dict[str, float]:
    return {"n_parameters": size, "n_operations": size}


@pytest.fixture
def straight() -> list[ObservedTrial]:
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


def test_costs_of_another_size_follow_the_line(straight: list[ObservedTrial]) -> None:
    predicted = learnt(straight).predict(structure(400.0))

    assert predicted.value[0, :3] == pytest.approx([5.0, 200.0, 40.0], rel=1e-6)


def test_nothing_is_known_before_anything_was_measured() -> None:
    predicted = learnt([]).predict(structure(100.0))

    assert np.isinf(predicted.spread).all()


def test_an_unknown_structure_leaves_every_cost_open(straight: list[ObservedTrial]) -> None:
    assert np.isinf(learnt(straight).predict(None).spread[0, :3]).all()


def test_one_measured_model_brackets_a_twice_as_large_one(straight: list[ObservedTrial]) -> None:
    predicted = learnt(straight[:1]).predict(structure(20.0))

    once, twice = 1.1, 2.2
    low, high = predicted.end(0.9, high=False)[0, 0], predicted.end(0.9, high=True)[0, 0]
    assert low < once
    assert twice < high


def test_a_metric_that_was_never_measurable_is_nan(straight: list[ObservedTrial]) -> None:
    assert len(straight) >= N_NULLS
    assert np.isnan(learnt(straight).predict(structure(10.0)).value[0, 3])


def test_a_lucky_timing_is_smoothed_and_a_size_is_not(straight: list[ObservedTrial]) -> None:
    lucky = {"latency_p50_ms": 0.5, "model_size_mib": 7.0}

    smoothed = learnt(straight).smooth(structure(100.0), ONE, lucky)

    assert 1.2 < smoothed["latency_p50_ms"] < 2.0
    assert smoothed["model_size_mib"] == 7.0

"""Costs follow from structures by the lines of earlier searches."""

from __future__ import annotations

import math

import pytest

from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing.costs import CostLine, ServingCosts
from rightfit_search.searching.pausing.priors import Prior, read_shipped_prior

ONE = Serving("onnx", 1, "cpu")


@pytest.mark.parametrize(
    ("metric", "expected"), [("latency_p50_ms", 5.0), ("throughput_rows_per_s", 0.2)]
)
def test_costs_follow_the_line(metric: str, expected: float) -> None:
    costs = ServingCosts({(ONE, metric): CostLine(1.0, {"n_parameters": 0.01}, 0.25)})

    assert costs.predict({"n_parameters": 400.0}, ONE, metric) == (pytest.approx(expected), 0.25)


def test_nothing_known_is_the_best_that_could_be() -> None:
    costs = ServingCosts({})

    assert costs.predict({"n_parameters": 100.0}, ONE, "latency_p50_ms") == (0.0, 0.0)
    assert costs.predict(None, ONE, "throughput_rows_per_s") == (math.inf, 0.0)


def test_what_cannot_be_measured_is_nan() -> None:
    costs = ServingCosts({(ONE, "latency_p99_ms"): CostLine(None, {}, 0.0)})

    assert math.isnan(costs.predict({"n_parameters": 100.0}, ONE, "latency_p99_ms")[0])


def test_shipped_priors_are_read() -> None:
    assert read_shipped_prior("forest").lines
    assert read_shipped_prior("lightgbm").lines
    assert read_shipped_prior("something_new") == Prior()

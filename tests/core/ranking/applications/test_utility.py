from __future__ import annotations

import math

import numpy as np
import pytest
from factories.rankings import make_application, random_metrics
from hypothesis import given
from hypothesis import strategies as st

from rightfit.ranking.applications.applications import Objective
from rightfit.ranking.applications.utility import aggregate_scores, compute_utility, score_metric

LOWER = Objective(weight=1, worst=100, best=1, scale="log")
HIGHER = Objective(weight=1, worst=0.5, best=1.0)


@pytest.mark.parametrize(
    ("objective", "value", "score"),
    [
        (HIGHER, 0.5, 0.0),
        (HIGHER, 0.75, 0.5),
        (HIGHER, 1.0, 1.0),
        (HIGHER, 0.2, 0.0),
        (HIGHER, 1.4, 1.0),
        (LOWER, 100, 0.0),
        (LOWER, 10, 0.5),
        (LOWER, 1, 1.0),
        (LOWER, 0.0, 1.0),
        (LOWER, 1e9, 0.0),
    ],
)
def test_score_is_placed_between_the_bounds(
    objective: Objective, value: float, score: float
) -> None:
    assert score_metric(np.array([value]), objective)[0] == pytest.approx(score)


@pytest.mark.parametrize("value", [math.nan, -1.0])
def test_score_of_what_is_no_measurement_is_nan(value: float) -> None:
    assert np.isnan(score_metric(np.array([value]), LOWER)[0])


def test_utility_is_nan_where_an_objective_was_not_measured() -> None:
    values = {"quality": np.array([0.8, 0.8]), "latency_p50_ms": np.array([10.0, np.nan])}

    utility = compute_utility(values, make_application())

    assert utility[0] == pytest.approx(0.65)
    assert np.isnan(utility[1])


def test_arithmetic_mean_makes_up_and_geometric_mean_does_not() -> None:
    scores, shares = [np.array([1.0]), np.array([0.0])], np.array([0.75, 0.25])

    assert aggregate_scores(scores, shares, "arithmetic").tolist() == [0.75]
    assert aggregate_scores(scores, shares, "geometric").tolist() == [0.0]


def test_utility_equals_spotis_on_the_same_bounds() -> None:
    from pymcdm.methods import SPOTIS

    application = make_application(
        objectives={
            "quality": {"weight": 3, "worst": 0, "best": 1},
            "latency_p50_ms": {"weight": 1, "worst": 100, "best": 1},
            "peak_memory_mib": {"weight": 2, "worst": 1000, "best": 10},
        }
    )
    metrics = random_metrics(50, seed=1)
    bounds = np.array([[0, 1], [1, 100], [10, 1000]], dtype=float)
    matrix = np.column_stack(list(metrics.values()))

    distance = SPOTIS(bounds)(matrix, np.array([3, 1, 2]) / 6, np.array([1, -1, -1]))

    assert compute_utility(metrics, application) == pytest.approx(1 - distance, abs=1e-12)


def test_log_utility_equals_spotis_on_the_logarithms() -> None:
    from pymcdm.methods import SPOTIS

    application = make_application(
        objectives={
            "quality": {"weight": 1, "worst": 0, "best": 1},
            "latency_p50_ms": {"weight": 1, "worst": 100, "best": 1, "scale": "log"},
        }
    )
    metrics = random_metrics(50, seed=2)
    bounds = np.array([[0, 1], [0, np.log(100)]])
    matrix = np.column_stack([metrics["quality"], np.log(metrics["latency_p50_ms"])])

    distance = SPOTIS(bounds)(matrix, np.array([0.5, 0.5]), np.array([1, -1]))

    assert compute_utility(metrics, application) == pytest.approx(1 - distance, abs=1e-12)


@given(
    quality=st.lists(st.floats(0, 1), min_size=2, max_size=40),
    latency=st.floats(0.5, 200),
    place=st.integers(0, 39),
)
def test_utility_does_not_depend_on_the_neighbours(
    quality: list[float], latency: float, place: int
) -> None:
    place = min(place, len(quality) - 1)
    values = {"quality": np.array(quality), "latency_p50_ms": np.full(len(quality), latency)}
    alone = {metric: column[place : place + 1] for metric, column in values.items()}

    together = compute_utility(values, make_application())

    assert together[place] == compute_utility(alone, make_application())[0]

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories import cells

from rightfit_search.families.family import TrainingData
from rightfit_search.searching.row_curve import (
    RowCurve,
    choose_n_rows,
    forecast_cpu_s,
    forecast_gain,
    predict_all_rows_s,
)

N_ROWS = (25_000, 50_000, 100_000, 200_000)
COMMON, PAIRED = 1e-3, 3e-4  # errors of a quality: shared by all sizes, and of each


def make_curve(rng: np.random.Generator, slope: float, exponent: float) -> RowCurve:
    """A power law that some validation rows judge."""
    shares = np.array(N_ROWS) / N_ROWS[-1]
    errors = COMMON * rng.normal() + PAIRED * rng.normal(size=4)
    covariance = np.full((4, 4), COMMON**2) + PAIRED**2 * np.eye(4)
    return RowCurve(
        N_ROWS,
        tuple(0.8 - slope * shares**-exponent + errors),
        tuple(map(tuple, covariance)),
        *[(1.0, 2.0, 4.0, 8.0)] * 2,
    )


def test_interval_holds_the_gain_of_power_laws() -> None:
    rng, n_held, n_cases = np.random.default_rng(1), 0, 400
    for _ in range(n_cases):
        exponent, slope = rng.uniform(0.2, 0.9), rng.uniform(0.0005, 0.02)
        gain = forecast_gain(make_curve(rng, slope, exponent), N_ROWS[-1], 80 * N_ROWS[-1])
        n_held += gain.low <= slope * (1 - 80**-exponent) <= gain.high

    assert n_held / n_cases > 0.95


def test_a_gain_that_is_within_its_error_may_be_none_or_a_loss() -> None:
    covariance = tuple(map(tuple, 1e-4 * np.eye(2)))
    curve = RowCurve((1_000, 2_000), (0.7, 0.71), covariance, (1, 1), (1, 1))

    gain = forecast_gain(curve, 2_000, 8_000)

    margin = 2 * np.sqrt(2e-4)
    assert gain.value == pytest.approx(0.01 * (0.7 + 0.49))
    assert gain.low == pytest.approx(0.01 - margin)
    assert gain.high == pytest.approx(2 * (0.01 + margin))


def test_a_curve_of_equal_qualities_expects_no_gain() -> None:
    curve = RowCurve(N_ROWS, (0.7,) * 4, ((1e-6,) * 4,) * 4, (1,) * 4, (1,) * 4)

    assert forecast_gain(curve, N_ROWS[-1], 10**8).high == pytest.approx(0, abs=1e-3)
    assert choose_n_rows([curve], 10**8) == N_ROWS[-1]


def test_a_curve_that_steepens_may_end_at_once() -> None:
    qualities = (0.643, 0.669, 0.712, 0.782)  # of a net whose R2 then reached 0.792
    covariance = tuple(map(tuple, 1e-6 * np.eye(4)))
    curve = RowCurve(N_ROWS, qualities, covariance, (1,) * 4, (1,) * 4)

    gain = forecast_gain(curve, N_ROWS[-1], 8 * N_ROWS[-1])

    assert gain.low <= 0.01 < gain.high


def test_rows_are_doubled_until_nothing_more_can_be_told() -> None:
    rng = np.random.default_rng(0)
    steep, flat = make_curve(rng, 0.02, 0.3), make_curve(rng, 0.0, 0.5)

    assert choose_n_rows([flat, steep], 1_000_000) == 1_000_000
    assert choose_n_rows([make_curve(rng, 0.0005, 1.0)], 16_000_000) < 16_000_000


def test_cpu_seconds_are_the_usual_ones_times_what_this_machine_takes() -> None:
    flat = (0.0,) * 4
    curve = RowCurve((1, 2, 4, 8), flat, ((1.0,) * 4,) * 4, (2, 3, 4, 12), (1, 2, 4, 8))

    cpu_s = forecast_cpu_s(curve, 20)

    assert (cpu_s.value, cpu_s.low, cpu_s.high) == (30, 20 / 2, 40 * 2)


@pytest.mark.parametrize("family", ["linear", "xgboost", "lightgbm"])
def test_a_thousand_times_the_rows_take_a_thousand_times_as_long(
    family: str, blobs: TrainingData
) -> None:
    cell = replace(cells.make_cell(blobs), family=family)
    structure = {"n_parameters": 4_000.0, "n_operations": 600.0, "n_nodes": 6_000.0}
    configuration = {"solver": "lbfgs"} if family == "linear" else {"n_estimators": 100}

    few_s, many_s = (
        predict_all_rows_s(cell, configuration, structure, n_rows)
        for n_rows in (20_000, 20_000_000)
    )

    assert 300 * few_s < many_s < 1_000 * few_s

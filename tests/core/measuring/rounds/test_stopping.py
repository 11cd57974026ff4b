"""Measurements that stop by looking at themselves must still tell the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.measurements import make_settings
from factories.simulated_latencies import Draw, draw_bimodal, draw_log_normal, simulate

from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.rounds.settling import per_process
from rightfit.measuring.rounds.state import MeasurementState

pytestmark = [pytest.mark.whole, pytest.mark.long]

N_RUNS = 400
# Narrow enough that many looks are taken before it is reached.
SETTINGS = make_settings(
    min_processes=6, max_processes=30, max_s=86_400, p50_width_pct=2, p95_width_pct=4
)


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("draw", [draw_log_normal, draw_bimodal])
def test_intervals_cover_the_truth_although_looked_at_after_each_process(
    draw: Draw, share: float
) -> None:
    generator = np.random.default_rng(7)
    truth_ns = np.quantile(np.concatenate([draw(generator, 4_000, 0) for _ in range(500)]), share)

    intervals = [
        estimate_median(per_process(simulate(draw, generator, SETTINGS), share))
        for _ in range(N_RUNS)
    ]

    covered = [i.low <= truth_ns <= i.high for i in intervals if i.low and i.high]
    assert len(covered) == N_RUNS
    # 95 % are promised; 93 % leave room for the chance of 400 runs.
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, False), ({"settled": "precise"}, True), ({"error": "it fails"}, True)],
)
def test_measurement_is_over_when_settled_or_failed(
    changes: dict[str, Any], expected: bool
) -> None:
    assert MeasurementState(**changes).is_over is expected

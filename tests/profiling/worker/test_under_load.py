from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from measured import SETTINGS, known_load, make_settings

from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.measurement import measure_under_load
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.worker.results import ServerResult


def serve(bench: Bench, *, burn_ms: float, **server: Any) -> ServerResult:
    settings = make_settings(server=SETTINGS["server"] | server)
    state = measure_under_load(
        known_load(burn_ms=burn_ms), replace(bench, settings=settings), MeasurementState()
    )
    assert state.error is None
    [served] = state.server
    return served


def test_fast_model_is_served_at_the_fixed_rate_and_beyond(bench: Bench) -> None:
    served = serve(bench, burn_ms=0.05, rate_per_s=2_000, p99_limit_ms=500, max_s=20)

    assert served.reasons == {}
    assert served.p99_ms is not None
    assert served.p99_ms > 0.05
    # One call takes 0.05 ms, so that no more than 20,000 a second are possible.
    assert served.max_rate_per_s is not None
    assert 100 < served.max_rate_per_s < 20_000


def test_model_that_cannot_keep_up_says_so(bench: Bench) -> None:
    served = serve(bench, burn_ms=8, rate_per_s=200, p99_limit_ms=5)

    assert served.p99_ms is None
    assert "can't keep up with 200 requests/s" in served.reasons["latency_under_load_p99_ms"]
    assert served.max_rate_per_s is None
    assert served.reasons["max_rate_per_s"] == "the p99 exceeds 5 ms without any load"


def test_rates_that_take_too_long_are_not_tried(bench: Bench) -> None:
    served = serve(bench, burn_ms=2, rate_per_s=10, p99_limit_ms=500, max_s=0.01)

    assert "take longer than allowed" in served.reasons["latency_under_load_p99_ms"]
    assert "within the time allowed" in served.reasons["max_rate_per_s"]


def test_each_process_draws_other_arrivals(bench: Bench) -> None:
    settings = make_settings(server=SETTINGS["server"] | {"max_s": 0.01})
    quick = replace(bench, settings=settings)

    state = measure_under_load(known_load(), quick, MeasurementState())
    state = measure_under_load(known_load(), quick, state)

    assert len(state.server) == 2


@pytest.mark.parametrize("n_requests", [0, 661])
def test_too_few_requests_for_a_p99_are_refused(n_requests: int) -> None:
    with pytest.raises(ValueError, match="662"):
        make_settings(server=SETTINGS["server"] | {"n_requests": n_requests})

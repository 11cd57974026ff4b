from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from measured import SETTINGS, known_load, make_settings

from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.measurement import measure_under_load
from rightfit.profiling.measuring.settings import ServerSettings
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.worker.rate_search import SearchAim
from rightfit.profiling.worker.results import ServerResult
from rightfit.profiling.worker.under_load import LoadPlan, measure_load


def serve(bench: Bench, *, burn_ms: float, **server: Any) -> ServerResult:
    settings = make_settings(server=SETTINGS["server"] | {"n_processes": 1} | server)
    state = measure_under_load(
        known_load(burn_ms=burn_ms), replace(bench, settings=settings), MeasurementState()
    )
    assert state.error is None
    [served] = state.server
    return served


def test_fast_model_is_served_at_the_fixed_rate_and_beyond(bench: Bench) -> None:
    served = serve(bench, burn_ms=0.05, rate_per_s=2_000, p99_limit_ms=500, max_s=20)

    fixed, highest = served.fixed, served.highest
    assert (fixed.reason, highest.reason) == (None, None)
    assert fixed.p99_ms is not None
    assert fixed.p99_ms > 0.05
    assert fixed.n_requests >= 662
    assert fixed.utilisation > 2_000 * 0.05e-3
    # One call takes 0.05 ms, so that no more than 20,000 a second are possible.
    assert highest.rate_per_s is not None
    assert 100 < highest.rate_per_s < 20_000
    assert highest.n_services >= 662


def test_model_that_cannot_keep_up_says_so(bench: Bench) -> None:
    served = serve(bench, burn_ms=8, rate_per_s=200, p99_limit_ms=5)

    assert served.fixed.p99_ms is None
    assert served.fixed.reason is not None
    assert "can't keep up with 200 requests/s" in served.fixed.reason
    assert served.fixed.utilisation > 1.5
    assert served.highest.rate_per_s is None
    assert served.highest.reason == "the p99 exceeds 5 ms without any load"


def test_rates_that_take_too_long_are_not_tried(bench: Bench) -> None:
    served = serve(bench, burn_ms=2, rate_per_s=10, p99_limit_ms=500, max_s=0.01)

    assert "take longer than allowed" in str(served.fixed.reason)
    assert "take longer than allowed" in str(served.highest.reason)


@pytest.mark.parametrize(("n_processes", "expected"), [(3, 234), (100, 67)])
def test_processes_share_the_requests_and_each_can_hold_a_p99(
    n_processes: int, expected: int
) -> None:
    server = ServerSettings(**SETTINGS["server"] | {"n_processes": n_processes})

    assert server.n_own_requests == expected


def test_p99_at_the_fixed_rate_is_that_of_the_queue_not_of_the_few_served() -> None:
    # M/D/1 at 80 %: the p99 is 11.3 services, from six million requests of Lindley's recursion.
    def serve_virtually(arrivals_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        work_ns = np.arange(1, len(arrivals_ns) + 1) * 1_000_000
        begun_ns = np.maximum.accumulate(arrivals_ns - work_ns + 1_000_000)
        return begun_ns + work_ns - arrivals_ns

    aim = SearchAim(limit_ms=50, error=0.03, n_services=234)
    closed_ns = np.full(400, 1_000_000)

    found = [
        measure_load(
            serve_virtually, closed_ns, LoadPlan(800.0, aim, seed), left_s=lambda: 10.0
        ).fixed
        for seed in range(4)
    ]

    assert [one.p99_ms for one in found] == [pytest.approx(11.3, rel=0.08)] * 4
    assert len({one.served_p99_ms for one in found}) == 4


def test_each_process_draws_other_arrivals(bench: Bench) -> None:
    settings = make_settings(server=SETTINGS["server"] | {"n_processes": 2, "max_s": 0.01})
    quick = replace(bench, settings=settings)

    state = measure_under_load(known_load(), quick, MeasurementState())
    state = measure_under_load(known_load(), quick, state)

    assert len(state.server) == 2


@pytest.mark.parametrize("n_requests", [0, 661])
def test_too_few_requests_for_a_p99_are_refused(n_requests: int) -> None:
    with pytest.raises(ValueError, match="662"):
        make_settings(server=SETTINGS["server"] | {"n_requests": n_requests})
